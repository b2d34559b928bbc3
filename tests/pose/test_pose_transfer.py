"""A checkpoint of another skeleton, carried over joint by joint."""

from __future__ import annotations

import pytest
import torch

from poof.errors import PoofError
from poof.pose.mspn import MSPN
from poof.pose.transfer import COCO_KEYPOINTS, carry_over, match_keypoints, normalised

THESIS = tuple(f"{side} {joint}" for joint in ("sho", "elb", "wri", "hip", "kne", "ank") for side in "LR")


@pytest.mark.parametrize(
    "name",
    ["left_shoulder", "L shoulder", "LShoulder", "lShoulder", "shoulder_left", "shoulder-L", "LEFT SHOULDER",
     "Left Shoulder", "L_Sho", "lshoulder", "LSHOULDER", "shoulderLeft"],
)  # fmt: skip
def test_spellings_of_one_joint(name: str) -> None:
    assert normalised(name) == "left shoulder"


@pytest.mark.parametrize(
    ("name", "plain"),
    [("nose", "nose"), ("RBigToe", "right big toe"), ("lower_left_2", "left lower 2"), ("radius", "radius"),
     ("lip", "lip"), ("MidHip", "mid hip"), ("tail_3", "tail 3"), ("left_ear", "left ear"), ("rear", "right ear")],
)  # fmt: skip
def test_other_names(name: str, plain: str) -> None:
    assert normalised(name) == plain


def test_all_twelve_joints_of_the_thesis_find_their_partner_in_coco() -> None:
    pairs = match_keypoints(THESIS, COCO_KEYPOINTS)
    assert pairs == {i: 5 + i for i in range(12)}


def test_a_name_that_stands_twice_matches_nothing() -> None:
    assert match_keypoints(("L hip", "left_hip"), ("LHip", "nose")) == {}
    assert match_keypoints(("left_hip", "L hip"), ("LHip", "left_hip")) == {0: 1}


def networks(theirs: int, ours: int) -> tuple[MSPN, MSPN]:
    torch.manual_seed(0)
    pair = MSPN(theirs, 1, body="resnet18"), MSPN(ours, 1, body="resnet18")
    for network in pair:
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.add_(0.1 * torch.rand(value.shape))
    return pair[0].eval(), pair[1].eval()


@torch.no_grad()
def test_matching_joints_answer_as_before_and_the_others_are_listed() -> None:
    old, new = networks(17, 4)
    before = new.state_dict()["stage0.upsample.up4.res_conv2.bn.bias"][2].clone()
    keypoints = ("R ank", "nose", "stick_tip", "lefthip")
    fresh = carry_over(new, keypoints, old.state_dict(), COCO_KEYPOINTS, "file")
    assert fresh == ["stick_tip", "lefthip"]
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(new(images)[:, :, :, :2], old(images)[:, :, :, [16, 0]], rtol=1e-4, atol=1e-5)
    assert new.state_dict()["stage0.upsample.up4.res_conv2.bn.bias"][2] == before


@torch.no_grad()
def test_the_same_skeleton_is_simply_loaded() -> None:
    old, new = networks(2, 2)
    assert carry_over(new, ("a", "b"), old.state_dict(), ("a", "b"), "file") == []
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(new(images), old(images))
    assert carry_over(new, ("b", "a"), old.state_dict(), ("a", "b"), "file") == []
    torch.testing.assert_close(new(images), old(images)[:, :, :, [1, 0]])


def test_a_skeleton_of_another_length_than_the_file_is_refused() -> None:
    old, new = networks(3, 2)
    with pytest.raises(PoofError, match="file: has 3 heat maps for a skeleton of 4 keypoints"):
        carry_over(new, ("a", "b"), old.state_dict(), ("a", "b", "c", "d"), "file")

"""Left and right, read from names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poof.labels import Skeleton, mirror_pairs


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_eye", "right_eye"),
        ("eye_left", "eye_right"),
        ("Left Knee", "Right Knee"),
        ("LEFT-KNEE", "RIGHT-KNEE"),
        ("l_ear", "r_ear"),
        ("ear.L", "ear.R"),
        ("LEye", "REye"),
        ("LBigToe", "RBigToe"),
        ("leftHand", "rightHand"),
        ("handLeft", "handRight"),
        ("HipL", "HipR"),
        ("lefteye", "righteye"),
        ("hindpawleft", "hindpawright"),
        ("lhip", "rhip"),
        ("LHIP", "RHIP"),
        ("paw1l", "paw1r"),
        ("upper_left_3", "upper_right_3"),
        ("3l", "3r"),
        ("left_paw_right_toe", "right_paw_left_toe"),
        ("left_right", "right_left"),
    ],
)
def test_pairs(left: str, right: str) -> None:
    names = ["nose", right, "tail", left]
    assert mirror_pairs(names) == ((3, 1),)
    assert mirror_pairs([left, "nose", right]) == ((0, 2),)


def test_the_first_side_alone_where_both_do_not_lead_anywhere() -> None:
    assert mirror_pairs(["left_paw_right_toe", "right_paw_right_toe"]) == ((0, 1),)


@pytest.mark.parametrize(
    "names",
    [
        ["nose", "tail", "lump"],
        ["left_eye", "left_ear"],
        ["upper_1", "upper_2"],
        ["eye_left", "Eye_Right"],
        ["l", "left"],
        ["rear", "ear"],
        [],
    ],
)
def test_no_pairs(names: list[str]) -> None:
    assert mirror_pairs(names) == ()


def test_coco_person() -> None:
    parts = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    names = ["nose", *(f"{side}_{part}" for part in parts for side in ("left", "right"))]
    assert mirror_pairs(names) == tuple((i, i + 1) for i in range(1, 17, 2))


@given(st.lists(st.text("lLrReEftigh_1 ", min_size=1, max_size=6), unique=True, max_size=8))
def test_each_keypoint_is_in_one_pair_at_most(names: list[str]) -> None:
    flat = [i for pair in mirror_pairs(names) for i in pair]
    assert len(flat) == len(set(flat))
    assert all(0 <= i < len(names) for i in flat)


def test_a_skeleton_has_the_pairs_that_it_was_given_else_those_of_its_names() -> None:
    names = ("left eye", "nose", "right eye", "horn", "other horn")
    assert Skeleton(names).mirror_pairs == ((0, 2),)
    assert Skeleton(names, symmetry=((3, 4),)).mirror_pairs == ((3, 4),)
    assert Skeleton(("nose", "tail")).mirror_pairs == ()

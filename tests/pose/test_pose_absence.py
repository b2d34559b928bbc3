"""Absent keypoints: a target in training, an answer in prediction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from poof.labels.model import LabelSet, Points, Skeleton, Visible
from poof.pose.augmentation import Augmentation, Strength
from poof.pose.losses import point_weights, pose_loss
from poof.pose.model import PoseModel
from poof.pose.unet import UNet, unet_loss
from poof.pose.validation import fit_presence


def points(*flags: int) -> Points:
    return Points.human(0, np.arange(2.0 * len(flags)).reshape(-1, 2), np.array(flags))


def test_absent_points_count_and_unlabelled_ones_do_not() -> None:
    mixed = points(2, -1, 1)
    mixed.xy[2] = np.nan
    mixed.visible[2] = Visible.UNLABELLED
    assert point_weights(mixed).tolist() == [1, 1, 0]


def test_every_unit_learns_an_empty_map_for_an_absent_keypoint() -> None:
    """One map of 1 px height 255 everywhere: mean squared error 1 in each of four units, coarse ones by a quarter."""
    maps = torch.full((1, 1, 4, 1, 2, 2), 255.0)
    targets, weights = torch.zeros_like(maps), torch.ones(1, 1)
    absent = pose_loss(maps, targets, weights, torch.tensor([[-1]]))
    assert absent.item() == pytest.approx(0.25 * 3 + 1)
    occluded = pose_loss(maps, targets, weights, torch.tensor([[1]]))
    assert occluded.item() == pytest.approx(1)


def test_a_unet_learns_an_even_map_for_an_absent_keypoint() -> None:
    """Even maps are as good as it gets, ln of the number of cells; a peak is worse."""
    nowhere, weights, absent = torch.full((1, 1, 2), float("nan")), torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool)
    even, peaked = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    peaked[..., 1, 1] = 5.0
    assert unet_loss(even, nowhere, weights, absent).item() == pytest.approx(math.log(16))
    assert unet_loss(peaked, nowhere, weights, absent) > unet_loss(even, nowhere, weights, absent)


def test_a_view_keeps_the_weight_of_absent_points_and_mirrors_them_with_their_partner() -> None:
    augment = Augmentation((32, 32), Strength(flip=1.0, shift=0.0, scale=0.0, rotated=0.0, half_body=0.0), [1, 0])
    xy = torch.tensor([[16.0, 16.0], [float("nan")] * 2])
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    _, seen, weights, visible = augment(image, xy, torch.tensor([1.0, 0.5]), torch.tensor([2, -1]))
    assert visible.tolist() == [-1, 2]
    assert weights.tolist() == [0.5, 1.0]
    assert torch.isnan(seen[0]).all()


@pytest.mark.parametrize(
    ("there", "gone", "threshold"),
    [
        ([0.8, 0.9], [0.1, 0.2], 0.5),  # the middle between 0.2 and 0.8
        ([0.3, 0.8, 0.9], [0.1, 0.4], 0.6),  # 0.4 to 0.8: 2/3 and 2/2 are right; 0.1 to 0.3: 3/3 and 1/2
    ],
)
def test_the_threshold_is_the_one_that_gets_most_of_both_right(
    there: list[float], gone: list[float], threshold: float
) -> None:
    peaks = np.array([there + gone])
    known = np.array([[True] * len(there) + [False] * len(gone)])
    found = fit_presence(peaks, known, ~known)
    assert found is not None
    assert found["threshold"] == pytest.approx(threshold)
    assert (found["present"], found["absent"]) == (len(there), len(gone))


def test_without_absent_labels_there_is_no_threshold() -> None:
    assert fit_presence(np.ones((2, 2)), np.ones((2, 2), bool), np.zeros((2, 2), bool)) is None


def test_only_keypoints_that_were_absent_in_training_can_be() -> None:
    model = PoseModel(UNet(2), Skeleton(("tongue", "paw")))
    peaks = np.array([[0.1, 0.1], [0.9, 0.1]])
    assert not model.absent(peaks).any(), "nothing was held out to choose a threshold by"
    model.validation = {"presence": {"threshold": 0.5, "present": 3, "absent": 2}}
    assert not model.absent(peaks).any(), "no training label says absent"
    model.absent_in_training = ("tongue",)
    assert model.absent(peaks).tolist() == [[True, False], [False, False]]


def test_labels_of_absent_points_alone_are_no_example() -> None:
    from poof.pose.data import examples_of
    from poof.pose.splitting import Pair
    from poof.video.base import ArrayVideo

    labels = LabelSet(Skeleton(("a", "b")), image_size=(64, 64))
    labels.add(0, 0, Points.human(0, np.array([[10.0, 10], [30, 40]]), np.array([2, 2])))
    labels.add(1, 0, Points.human(1, np.full((2, 2), np.nan), np.array([-1, -1])))
    labels.add(2, 0, Points.human(2, np.array([[10.0, 10], [np.nan] * 2]), np.array([2, -1])))
    video = ArrayVideo([np.zeros((64, 64, 3), np.uint8)] * 3)
    (examples,) = examples_of([Pair(video, labels)], labels.skeleton, (64, 64))
    assert [e.frame for e in examples] == [0, 2]
    assert examples[1].weight.tolist() == [1, 1]

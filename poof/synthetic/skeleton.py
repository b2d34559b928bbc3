"""The rendered player: which keypoints it has and how long its limbs are.

The thirteen keypoints are the twelve of the POOF study (left and right shoulder, elbow, wrist, hip, knee, ankle) behind
a head point. Left is the player's own left.
"""

from __future__ import annotations

import numpy as np

from poof.labels.model import Skeleton

PLAYER = Skeleton(
    keypoints=(
        "head",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    edges=(
        (1, 2),
        (1, 3),
        (3, 5),
        (2, 4),
        (4, 6),
        (1, 7),
        (2, 8),
        (7, 8),
        (7, 9),
        (9, 11),
        (8, 10),
        (10, 12),
        (0, 1),
        (0, 2),
    ),
    symmetry=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)),
    name="player",
)

PENN_ACTION = Skeleton(
    keypoints=tuple(
        {"left": "right", "right": "left"}[side] + "_" + joint if joint else side
        for side, _, joint in (name.partition("_") for name in PLAYER.keypoints)
    ),
    edges=PLAYER.edges,
    symmetry=tuple((right, left) for left, right in PLAYER.symmetry),
    name="player",
)
"""The thirteen columns of a Penn Action track under their true names.

The data set calls its second column 'left_shoulder'. Yet in nine of ten sequences seen from the front that joint lies
on the left of the image, and on the right in those seen from the back: its left is the player's right throughout.
"""

HEAD = 0
LEFT_SHOULDER, RIGHT_SHOULDER = 1, 2
LEFT_ELBOW, RIGHT_ELBOW = 3, 4
LEFT_WRIST, RIGHT_WRIST = 5, 6
LEFT_HIP, RIGHT_HIP = 7, 8
LEFT_KNEE, RIGHT_KNEE = 9, 10
LEFT_ANKLE, RIGHT_ANKLE = 11, 12

# Lengths in body heights (Drillis and Contini's proportions, rounded; arms from joint to joint).
SHOULDER_HALF = 0.108
HIP_HALF = 0.062
SPINE = 0.285
NECK = 0.125
UPPER_ARM = 0.172
FOREARM = 0.150
HAND = 0.045
THIGH = 0.240
SHIN = 0.240
FOOT = 0.095

BONES: dict[tuple[int, int], float] = {
    (LEFT_SHOULDER, LEFT_ELBOW): UPPER_ARM,
    (RIGHT_SHOULDER, RIGHT_ELBOW): UPPER_ARM,
    (LEFT_ELBOW, LEFT_WRIST): FOREARM,
    (RIGHT_ELBOW, RIGHT_WRIST): FOREARM,
    (LEFT_HIP, LEFT_KNEE): THIGH,
    (RIGHT_HIP, RIGHT_KNEE): THIGH,
    (LEFT_KNEE, LEFT_ANKLE): SHIN,
    (RIGHT_KNEE, RIGHT_ANKLE): SHIN,
}
"""Joint pairs of the limbs and their length in body heights."""


def numbered_skeleton(count: int) -> Skeleton:
    """A skeleton of `count` unconnected points, `p0`, `p1` ...: what a scene without a figure labels."""
    return Skeleton(keypoints=tuple(f"p{k}" for k in range(count)), name="marks")


def middle(joints: np.ndarray, a: int, b: int) -> np.ndarray:
    """The point halfway between two joints of (..., 13, 2)."""
    return (joints[..., a, :] + joints[..., b, :]) / 2

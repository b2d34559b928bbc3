"""An articulated figure: thirteen joints and a textured limb on each bone, in order of depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poof.labels.model import Skeleton
from poof.synthetic import skeleton as sk
from poof.synthetic.clothing import Clothing
from poof.synthetic.limb import Limb
from poof.synthetic.motion import Motion, Pose
from poof.synthetic.surfaces import Surface

Array = np.ndarray

CARRIERS: dict[int, tuple[str, ...]] = {
    sk.HEAD: ("skull",),
    sk.LEFT_SHOULDER: ("left_upper_arm",),
    sk.RIGHT_SHOULDER: ("right_upper_arm",),
    sk.LEFT_ELBOW: ("left_upper_arm", "left_forearm"),
    sk.RIGHT_ELBOW: ("right_upper_arm", "right_forearm"),
    sk.LEFT_WRIST: ("left_forearm", "left_hand"),
    sk.RIGHT_WRIST: ("right_forearm", "right_hand"),
    sk.LEFT_HIP: ("left_thigh",),
    sk.RIGHT_HIP: ("right_thigh",),
    sk.LEFT_KNEE: ("left_thigh", "left_shin"),
    sk.RIGHT_KNEE: ("right_thigh", "right_shin"),
    sk.LEFT_ANKLE: ("left_shin", "left_foot"),
    sk.RIGHT_ANKLE: ("right_shin", "right_foot"),
}
"""Which parts have a joint as a point of their surface: the joint is visible when one of them is on top there."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A player with clothing, in motion.

    Attributes
    ----------
    motion
        Where the joints are.
    clothing
        Shapes and textures.
    depth
        Figures of larger depth are drawn over those of smaller.
    """

    motion: Motion
    clothing: Clothing
    depth: float = 0.0

    @property
    def skeleton(self) -> Skeleton:
        """`PLAYER`."""
        return sk.PLAYER

    def carriers(self, keypoint: int, name: str) -> set[str]:
        """Keys of the surfaces that have the keypoint as one of their points."""
        return {f"{name}/{part}" for part in CARRIERS[keypoint]}

    def points(self, time: float, view: Array) -> Array:
        """(13, 2) image points of the joints at `time`, through the camera matrix `view` (3, 3)."""
        return self.motion.pose(time).joints @ view[:2, :2].T + view[:2, 2]

    def shadow(self, time: float, view: Array) -> tuple[Array, float] | None:
        """Image point (2,) below the body on the floor, and the shadow's half-width in pixels; None without a floor."""
        if self.motion.ground is None:
            return None
        pose = self.motion.pose(time)
        x = np.concatenate([pose.joints[11:13, 0], pose.joints[7:9, 0]]).mean()
        point = view[:2, :2] @ [x, self.motion.ground] + view[:2, 2]
        return point, 0.16 * pose.scale * float(np.sqrt(abs(np.linalg.det(view[:2, :2]))))

    def surfaces(self, time: float, view: Array, name: str) -> list[Surface]:
        """The limbs at `time`, farthest first, keys `name/part`."""
        pose = self.motion.pose(time)
        zoom = float(np.sqrt(abs(np.linalg.det(view[:2, :2]))))
        seen = Pose(self.points(time, view), pose.depth * zoom, pose.yaw, pose.scale * zoom)
        limbs: list[Surface] = []
        for part, start, stop, turn in arrange(seen):
            shape, texture = self.clothing.part(part)
            limbs.append(Limb(f"{name}/{part}", shape, start, stop, seen.scale, turn, texture))
        return limbs


def arrange(pose: Pose) -> list[tuple[str, Array, Array, float]]:
    """The parts of a body, farthest first: (name, first joint, last joint, turn), image pixels and radians.

    Arms and legs go by how near their shoulder or hip is, with a say for elbow, wrist and knee. The trunk counts as a
    little farther than its middle, so that only a turn of over 45 degrees hides the far shoulder and hip behind it.
    """
    joints, depth, scale, yaw = pose.joints, pose.depth, pose.scale, pose.yaw
    hips = sk.middle(joints, sk.LEFT_HIP, sk.RIGHT_HIP)
    chest = sk.middle(joints, sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER)
    up = _unit(chest - hips, np.array([0.0, -1.0]))
    right = np.array([-up[1], up[0]])
    groups: list[tuple[float, list[tuple[str, Array, Array, float]]]] = []

    for side in ("left", "right"):
        shoulder, elbow, wrist = (getattr(sk, f"{side.upper()}_{j}") for j in ("SHOULDER", "ELBOW", "WRIST"))
        hand = joints[wrist] + sk.HAND * scale * _unit(joints[wrist] - joints[elbow], -up)
        arm = [
            (f"{side}_hand", joints[wrist], hand, 0.0),
            (f"{side}_forearm", joints[elbow], joints[wrist], 0.0),
            (f"{side}_upper_arm", joints[shoulder], joints[elbow], 0.0),
        ]
        key = 0.5 * depth[shoulder] + 0.25 * depth[elbow] + 0.25 * depth[wrist]
        groups.append((float(key + 0.01 * scale), arm))

        hip, knee, ankle = (getattr(sk, f"{side.upper()}_{j}") for j in ("HIP", "KNEE", "ANKLE"))
        leg = [
            (f"{side}_foot", joints[ankle], joints[ankle] + _foot(joints[knee], joints[ankle], yaw, scale), 0.0),
            (f"{side}_shin", joints[knee], joints[ankle], 0.0),
            (f"{side}_thigh", joints[hip], joints[knee], 0.0),
        ]
        # Hips are narrower than shoulders: what a turn gives them is brought to the same measure.
        key = depth[hip] * sk.SHOULDER_HALF / sk.HIP_HALF + 0.15 * (depth[knee] - depth[hip])
        groups.append((float(key), leg))

    throat = chest + 0.030 * scale * up
    head = joints[sk.HEAD]
    tilt = _unit(head - throat, up)
    brow = head - 0.018 * scale * tilt
    trunk = [
        ("neck", throat - 0.02 * scale * up, brow - 0.045 * scale * tilt, yaw),
        ("pelvis", hips - 0.022 * scale * up, hips + 0.075 * scale * up, yaw),
        ("torso", hips + 0.055 * scale * up, chest, yaw),
    ]
    lean = right * (0.014 * scale * np.sin(yaw))
    skull = [
        ("face", brow - 0.072 * scale * tilt + lean, brow + 0.004 * scale * tilt, yaw),
        ("skull", brow, brow + 0.036 * scale * tilt, 0.0),
    ]
    groups.append((-0.075 * scale, trunk))
    groups.append((-0.074 * scale, skull))
    return [part for _, parts in sorted(groups, key=lambda g: g[0]) for part in parts]


def _unit(vector: Array, fallback: Array) -> Array:
    length = float(np.hypot(*vector))
    return vector / length if length > 1e-6 else fallback


def _foot(knee: Array, ankle: Array, yaw: float, scale: float) -> Array:
    """From ankle to toes: at a right angle to the shin, foreshortened when it points at the camera."""
    shin = _unit(ankle - knee, np.array([0.0, 1.0]))
    ahead = np.array([shin[1], -shin[0]])
    side = np.sin(yaw)
    return scale * sk.FOOT * (0.92 * side * ahead + (0.16 + 0.26 * (1 - abs(side))) * shin)

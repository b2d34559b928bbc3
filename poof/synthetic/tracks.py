"""A motion from the joint tracks of a real recording: gaps closed, jitter smoothed, turn and depth inferred."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from poof.errors import PoofError
from poof.labels.model import Skeleton
from poof.synthetic import skeleton as sk
from poof.synthetic.motion import Motion

Array = np.ndarray

_PARTNER = np.arange(13)
for _left, _right in sk.PLAYER.symmetry:
    _PARTNER[_left], _PARTNER[_right] = _right, _left


def from_tracks(
    joints: Array,
    skeleton: Skeleton = sk.PLAYER,
    visible: Array | None = None,
    height: float | None = None,
    speed: float = 1.0,
    smooth: float = 1.5,
) -> Motion:
    """Drive a player with recorded joint positions.

    A track has two coordinates and a figure needs to know more: which way the body faces and what covers what. The
    turn comes from the width of the shoulders beside the length of the limbs; whether to the left or the right from
    the side that is visible more, and from where knees and head point. An arm that the recording calls hidden passes
    behind the trunk.

    Parameters
    ----------
    joints : (T, K, 2)
        Pixels, x to the right, y down; NaN where unknown. `penn_joints` gives those of a Penn Action file.
    skeleton
        Names of the K joints; must hold those of `PLAYER` ('nose' serves as 'head'). `PENN_ACTION` for its tracks.
    visible : (T, K)
        Truthy where the joint is seen in the recording; all when missing.
    height
        World pixels per body height in the result; by default the recording's own.
    speed
        Recorded frames per rendered frame.
    smooth
        Standard deviation in recorded frames of the Gaussian that takes the annotators' jitter away, 0 for none.

    Raises
    ------
    PoofError
        If shapes or names do not fit, or a joint and its partner on the other side are never known.
    """
    raw, seen = _ordered(np.asarray(joints, float), skeleton, visible)
    xy = _filled(raw)
    if smooth > 0:
        xy = gaussian_filter1d(xy, smooth, axis=0, mode="nearest")
    scale = body_height(xy)
    xy = _tethered(xy, scale)
    if height is not None:
        xy, scale = xy * (height / scale), height
    # Who is seen changes from one frame to the next; bodies do not turn that fast.
    share = gaussian_filter1d(seen.astype(float), 4.0, axis=0, mode="nearest")
    yaw = _yaw(xy, share, scale)
    times = np.arange(len(xy)) / speed
    floor = float(xy[:, [sk.LEFT_ANKLE, sk.RIGHT_ANKLE], 1].max() + 0.035 * scale)
    return Motion(times, xy, _depth(yaw, share, scale), yaw, np.full(len(xy), scale), floor)


def penn_joints(x: Array, y: Array, visibility: Array) -> tuple[Array, Array]:
    """The arrays of a Penn Action file, each (T, 13), as joints (T, 13, 2) and visibility (T, 13) for `PENN_ACTION`.

    The files count pixels from 1. A joint that was never annotated is flagged invisible and stands at pixel (1, 1) of
    the image before it was resized, so at (0.67, 0.67) or (1.5, 1.5) after it; it becomes NaN here.
    """
    joints = np.stack([x, y], -1).astype(float)
    never = (np.asarray(visibility) == 0) & (joints[..., 0] == joints[..., 1]) & (joints[..., 0] < 2)
    joints[never] = np.nan
    return joints - 1, np.asarray(visibility).astype(bool)


def _ordered(joints: Array, skeleton: Skeleton, visible: Array | None) -> tuple[Array, Array]:
    """Joints (T, 13, 2) and visibility (T, 13) in the order of `PLAYER`."""
    if joints.ndim != 3 or joints.shape[1:] != (len(skeleton), 2) or not len(joints):
        wanted = f"(frames, {len(skeleton)}, 2)"
        raise PoofError(f"tracks have shape {joints.shape}; a skeleton of {len(skeleton)} needs {wanted}")
    seen = np.ones(joints.shape[:2], bool) if visible is None else np.asarray(visible).astype(bool)
    if seen.shape != joints.shape[:2]:
        raise PoofError(f"visibility has shape {seen.shape}, the tracks {joints.shape[:2]}")
    names = [n if n in skeleton.keypoints or n != "head" else "nose" for n in sk.PLAYER.keypoints]
    order = [skeleton.index(n) for n in names]
    return joints[:, order], seen[:, order]


def _filled(joints: Array) -> Array:
    """Gaps closed along time; a joint that is never known takes its partner's place."""
    xy = joints.copy()
    known = np.isfinite(xy).all(-1)
    times = np.arange(len(xy))
    for k in range(13):
        source = k if known[:, k].any() else int(_PARTNER[k])
        have = known[:, source]
        if not have.any():
            raise PoofError(f"tracks: {sk.PLAYER.keypoints[k]} is not known in any frame, nor is its partner")
        for axis in range(2):
            xy[:, k, axis] = np.interp(times, times[have], joints[have, source, axis])
    return xy


def body_height(joints: Array) -> float:
    """Pixels per body height of tracks (T, 13, 2): limbs at their longest beside a body's proportions."""
    lengths = [np.hypot(*np.moveaxis(joints[:, a] - joints[:, b], -1, 0)) / share for (a, b), share in sk.BONES.items()]
    spine = sk.middle(joints, sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER) - sk.middle(joints, sk.LEFT_HIP, sk.RIGHT_HIP)
    lengths.append(np.hypot(spine[:, 0], spine[:, 1]) / sk.SPINE)
    return max(float(np.median([np.percentile(v, 85) for v in lengths])), 1.0)


def _tethered(xy: Array, scale: float) -> Array:
    """No limb longer than 1.25 times its proportion: a joint annotated far off is drawn in, with what hangs on it."""
    chest = sk.middle(xy, sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER)
    free, result = xy.copy(), xy.copy()
    for child, start, length in [(sk.HEAD, chest, sk.NECK)] + [(b, a, length) for (a, b), length in sk.BONES.items()]:
        old, new = (start, start) if child == sk.HEAD else (free[:, start], result[:, start])
        bone = free[:, child] - old
        reach = np.maximum(np.hypot(bone[:, 0], bone[:, 1]), 1e-9)
        result[:, child] = new + bone * np.minimum(1.0, 1.25 * length * scale / reach)[:, None]
    return result


def _yaw(xy: Array, share: Array, scale: float) -> Array:
    """(T,) radians: 0 faces the camera, pi/2 the right of a body that stands upright."""
    hips = sk.middle(xy, sk.LEFT_HIP, sk.RIGHT_HIP)
    chest = sk.middle(xy, sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER)
    spine = chest - hips
    up = spine / np.maximum(np.hypot(spine[:, 0], spine[:, 1]), 1e-6)[:, None]
    right = np.stack([-up[:, 1], up[:, 0]], -1)

    def sideways(vector: Array) -> Array:
        return (vector * right).sum(-1) / scale

    wide = sideways(xy[:, sk.LEFT_SHOULDER] - xy[:, sk.RIGHT_SHOULDER]) / (2 * sk.SHOULDER_HALF)
    cos = np.clip(gaussian_filter1d(wide, 2.0, mode="nearest"), -1, 1)
    side = (share[:, 2::2] - share[:, 1::2]).mean(-1)
    knees = np.zeros(len(xy))
    for hip, knee, ankle in ((sk.LEFT_HIP, sk.LEFT_KNEE, sk.LEFT_ANKLE), (sk.RIGHT_HIP, sk.RIGHT_KNEE, sk.RIGHT_ANKLE)):
        knees += sideways(xy[:, knee] - (xy[:, hip] + xy[:, ankle]) / 2)
    vote = 2.0 * side + 4.0 * knees + 3.0 * sideways(xy[:, sk.HEAD] - chest)
    sin = np.sqrt(1 - cos**2) * np.tanh(4 * gaussian_filter1d(vote, 10.0, mode="nearest"))
    # Smoothed as a direction, so that it may pass through pi.
    sin, cos = (gaussian_filter1d(part, 3.0, mode="nearest") for part in (sin, cos))
    return np.unwrap(np.arctan2(sin, cos))


def _depth(yaw: Array, share: Array, scale: float) -> Array:
    """(T, 13) pixels towards the viewer: the turned trunk, with arms before or behind it as they are seen."""
    depth = np.zeros((len(yaw), 13))
    for side, sign in (("LEFT", -1.0), ("RIGHT", 1.0)):
        shoulder, elbow, wrist = (getattr(sk, f"{side}_{name}") for name in ("SHOULDER", "ELBOW", "WRIST"))
        depth[:, shoulder] = sign * np.sin(yaw) * sk.SHOULDER_HALF * scale
        for joint in (elbow, wrist):
            depth[:, joint] = depth[:, shoulder] + (share[:, joint] - 0.5) * 0.45 * scale
        for name in ("HIP", "KNEE", "ANKLE"):
            depth[:, getattr(sk, f"{side}_{name}")] = sign * np.sin(yaw) * sk.HIP_HALF * scale
    return depth

"""A running player from a few numbers: a skeleton in space whose joint angles follow the distance run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from poof.synthetic import skeleton as sk
from poof.synthetic.motion import Motion

Array = np.ndarray

STRIDE = 1.25
"""Distance of one full cycle (two steps) of a jog, body heights."""


def run(
    path: Sequence[tuple[float, float, float]],
    height: float,
    ground: float,
    frames: int,
    fps: float = 25.0,
    phase: float = 0.0,
) -> Motion:
    """A player who runs, slows and turns along a path across the image.

    Parameters
    ----------
    path
        Rows (frame, x, yaw in degrees): where the body's middle is in world pixels and where it faces (0 the camera,
        90 the image's right, 180 away). Monotone cubics in between; how far the legs swing follows from the speed.
    height
        World pixels per body height.
    ground
        World y of the ground under the player.
    frames, fps
        Length and rate of the clip.
    phase
        Where in the cycle the run starts, radians.

    Returns
    -------
    Motion
        Four samples a frame.
    """
    keys = np.array(path, float)
    times = np.arange(-4, 4 * frames + 4) / 4.0
    inside = np.clip(times, keys[0, 0], keys[-1, 0])
    x = PchipInterpolator(keys[:, 0], keys[:, 1])(inside)
    yaw = np.deg2rad(PchipInterpolator(keys[:, 0], keys[:, 2])(inside))
    step = np.gradient(x, times) / height
    # Swing follows the speed (2.4 body heights a second is a good run), smoothed over a third of a second.
    speed = _smooth(np.abs(step) * fps, 4 * fps / 3)
    effort = np.clip(speed / 1.6, 0.0, 1.0)
    cycle = phase + np.cumsum(np.maximum(speed, 0.35) / fps / 4) / STRIDE * 2 * np.pi
    body = _skeleton(cycle, effort)
    space = _turned(body, yaw)
    joints = np.empty((len(times), 13, 2))
    joints[..., 0] = x[:, None] + height * space[..., 0]
    joints[..., 1] = ground + height * space[..., 1]
    return Motion(times, joints, height * space[..., 2], yaw, np.full(len(times), float(height)), ground)


def _smooth(values: Array, width: float) -> Array:
    window = np.hanning(max(int(width), 1) + 2)[1:-1]
    padded = np.pad(values, len(window), mode="edge")
    return np.convolve(padded, window / window.sum(), mode="same")[len(window) : -len(window)]


def _skeleton(cycle: Array, effort: Array) -> Array:
    """(T, 13, 3) joints in the body's own axes: left, down, forward; body heights, ground at 0."""
    joints = np.zeros((len(cycle), 13, 3))
    lean = 0.05 + 0.13 * effort
    hip = np.zeros((len(cycle), 3))
    spine = np.stack([np.zeros_like(lean), -np.cos(lean), np.sin(lean)], -1)
    twist = 0.22 * effort * np.sin(cycle)
    for side, sign, offset in (("left", 1.0, 0.0), ("right", -1.0, np.pi)):
        swing = cycle + offset
        thigh = (0.16 + 0.62 * effort) * np.sin(swing) + 0.12 * effort
        # The knee bends most while the thigh comes forward, and gives a little on landing.
        bend = 0.12 + effort * (0.85 + 0.75 * np.cos(swing - 0.35)) * 0.85
        shin = thigh - bend
        turn = -twist * sign * 0.5
        a = hip + _sideways(sk.HIP_HALF * sign, turn)
        knee = a + sk.THIGH * _down(thigh)
        ankle = knee + sk.SHIN * _down(shin)
        for name, value in (("HIP", a), ("KNEE", knee), ("ANKLE", ankle)):
            joints[:, getattr(sk, f"{side.upper()}_{name}")] = value
        shoulder = hip + sk.SPINE * spine + _sideways(sk.SHOULDER_HALF * sign, twist * sign)
        upper = -(0.10 + 0.75 * effort) * np.sin(swing) - 0.10 * effort
        elbow_bend = 0.25 + 1.45 * np.sqrt(effort) - 0.40 * effort * np.sin(swing)
        outward = sign * (0.16 + 0.10 * effort)
        elbow = shoulder + sk.UPPER_ARM * _down(upper, outward)
        wrist = elbow + sk.FOREARM * _down(upper + elbow_bend, -sign * 0.22 * effort)
        for name, value in (("SHOULDER", shoulder), ("ELBOW", elbow), ("WRIST", wrist)):
            joints[:, getattr(sk, f"{side.upper()}_{name}")] = value
    joints[:, sk.HEAD] = hip + (sk.SPINE + sk.NECK) * spine + [0, -0.02, 0.015]
    ankles = joints[:, [sk.LEFT_ANKLE, sk.RIGHT_ANKLE], 1]
    # A soft maximum: the body hangs on the lower foot, without a kink when the feet change.
    lowest = np.log(np.exp(40 * ankles).sum(1)) / 40
    bounce = 0.018 * effort * (1 - np.cos(2 * cycle + 0.9))
    joints[..., 1] -= (lowest + 0.04 + bounce)[:, None]
    return joints


def _down(angle: Array, outward: float | Array = 0.0) -> Array:
    """(T, 3) unit vectors that hang down, swung forward by `angle` and to the left by `outward`."""
    outward = np.broadcast_to(outward, angle.shape)
    return np.stack([np.sin(outward), np.cos(angle) * np.cos(outward), np.sin(angle) * np.cos(outward)], -1)


def _sideways(half: float, twist: Array) -> Array:
    """(T, 3) offset of a shoulder or hip from the middle; `twist` brings it forward."""
    return np.stack([half * np.cos(twist), np.zeros_like(twist), abs(half) * np.sin(twist)], -1)


def _turned(body: Array, yaw: Array) -> Array:
    """From the body's axes (left, down, forward) to the camera's (right, down, towards the viewer)."""
    left, down, forward = np.moveaxis(body, -1, 0)
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    return np.stack([left * cos + forward * sin, down, forward * cos - left * sin], -1)

"""A simulated point tracker: the true motion, with the errors that trackers make.

It stands in for networks whose weights are not at hand. On its point it is off by a noise that changes slowly, which
differs from track to track; it drifts a little; it loses its point, more often where that is covered, and then rests on
something else, which it says less surely; it may find the point again. With the values of `PUBLISHED` the errors are
those that CoTracker3 is reported with on TAP-Vid DAVIS (delta_avg 76.3 %, occlusion accuracy 90.2 %).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Faults:
    """Error model of the simulated tracker. Lengths are pixels of a picture of 256x256.

    Attributes
    ----------
    noise : float
        Median standard deviation on the point, an axis.
    spread : float
        Standard deviation of its logarithm from track to track.
    memory : float
        Frames over which the noise stays the same.
    drift : float
        Growth of the error per square root of frames.
    loss, loss_covered : float
        Probability of losing a seen and a covered point in a frame.
    jump : float
        Standard deviation, an axis, of the way to what it then rests on.
    found : float
        Probability of finding a point that is seen again, in a frame.
    wrong_flag : float
        Probability that visibility is told wrongly, in a stretch of `memory` frames.
    """

    noise: float = 0.85
    spread: float = 0.8
    memory: float = 6.0
    drift: float = 0.1
    loss: float = 0.004
    loss_covered: float = 0.03
    jump: float = 16.0
    found: float = 0.06
    wrong_flag: float = 0.07


PUBLISHED = Faults()


@dataclass
class SimulatedTracks:
    """The output of the simulated tracker.

    Attributes
    ----------
    xy : (T, N, 2)
    visible, certainty : (T, N)
        In [0, 1].
    """

    xy: Array
    visible: Array
    certainty: Array


def simulate_tracks(
    truth: Array,
    seen: Array,
    size: tuple[int, int],
    rng: np.random.Generator,
    faults: Faults = PUBLISHED,
) -> SimulatedTracks:
    """Tracks from the points of the first frame on.

    Parameters
    ----------
    truth : (T, N, 2)
        Where the points are, pixels; backwards in time for a track in that direction.
    seen : (T, N) bool
        Whether each is seen.
    size
        (width, height) of the picture.
    rng
        Everything random.
    faults
        What goes wrong.
    """
    steps, count = truth.shape[:2]
    scale = np.array(size) / 256
    level = faults.noise * np.exp(faults.spread * rng.standard_normal(count))
    keep = np.exp(-1 / faults.memory)
    noise, drift, offset = np.zeros((count, 2)), np.zeros((count, 2)), np.zeros((count, 2))
    lost: Array = np.zeros(count, bool)
    flipped: Array = np.asarray(rng.random(count) < faults.wrong_flag)
    xy, visible, certainty = np.empty(truth.shape), np.empty((steps, count)), np.empty((steps, count))
    xy[0], visible[0], certainty[0] = truth[0], 1.0, 1.0
    for t in range(1, steps):
        fresh = np.sqrt(1 - keep**2) * level[:, None] * rng.standard_normal((count, 2))
        noise = keep * noise + fresh
        drift = drift + faults.drift * rng.standard_normal((count, 2))
        slips = ~lost & (rng.random(count) < np.where(seen[t], faults.loss, faults.loss_covered))
        offset = np.where(slips[:, None], faults.jump * rng.standard_normal((count, 2)), offset)
        # What it rests on moves by itself, not with the point.
        offset = offset + np.where(lost[:, None], 0.1 * faults.jump * rng.standard_normal((count, 2)), 0.0)
        lost = (lost | slips) & ~(seen[t] & (rng.random(count) < faults.found) & lost)
        drift = np.where(lost[:, None], 0.0, drift)
        xy[t] = truth[t] + scale * np.where(lost[:, None], offset, noise + drift)
        turned = rng.random(count) < 1 / faults.memory
        flipped = np.where(turned, rng.random(count) < faults.wrong_flag, flipped)
        flag = seen[t] & ~(lost & (rng.random(count) < 0.5))
        visible[t] = np.where(flag ^ flipped, 0.9, 0.1)
        certainty[t] = np.clip(rng.normal(np.where(lost, 0.45, 0.85), 0.15), 0, 1)
    return SimulatedTracks(xy, visible, certainty)

"""Placement of the first labels: evenly in time, or where frames look different.

Even spacing is the default because nothing tried beats it by more than chance on the shared clips, see
`benchmarks/selection.py`. What appearance may decide is the little that spacing leaves open.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from poof.planning.survey import Survey

WANDER = 0.15
"""Share of the spacing that a frame may lie beside its place, to look different from the others or to be sharp."""
SWEEPS = 4
"""Times that every frame is chosen anew against the others; it settles after two or three."""


def place_evenly(seen: Survey, count: int, radius: int, usable: np.ndarray) -> list[int]:
    """`count` frames in the middles of equal parts of the scenes, ascending; fewer if there are no more usable ones.

    Scenes get labels where these cover most frames. Repeated frames take no time. Within its part, a frame is chosen
    that is usable and looks unlike the others, as long as frames stay 2R apart; where no such frame is usable, one
    that is a little nearer to its neighbour.

    Parameters
    ----------
    seen
        What the frames look like.
    count
        Labels to place.
    radius
        R: frames before and after a label that it will be carried to.
    usable : (N,) bool
        Frames that may be chosen.
    """
    scenes = [np.array([f for f in scene if not seen.repeats[f] or f == scene.start]) for scene in seen.scenes]
    shares = allot([len(scene) for scene in scenes], [int(usable[scene].sum()) for scene in scenes], count, radius)
    pools: list[list[int]] = []
    for scene, share in zip(scenes, shares):
        pools += _pools(scene, share, radius, usable)
    return _unlike(pools, seen)


def allot(lengths: Sequence[int], most: Sequence[int], count: int, radius: int) -> list[int]:
    """Labels for each scene, so that the frames of all scenes together are as near to labels as can be.

    One after the other goes where it lowers most the sum over frames of min(1, distance to the nearest label / (R+1)),
    the frames beyond the radius counting 1 as those of scenes without a label do.

    Parameters
    ----------
    lengths
        Frames of each scene.
    most
        Labels that fit into each.
    count, radius
        As in `place_evenly`.
    """

    def far(length: int, labels: int) -> float:
        if not labels:
            return float(length)
        half, cap = length / labels / 2, radius + 1.0
        return labels * (half**2 / cap if half <= cap else 2 * half - cap)

    shares = [0] * len(lengths)
    gains = [(far(n, 1) - far(n, 0), i) for i, n in enumerate(lengths) if most[i]]
    heapq.heapify(gains)
    while gains and sum(shares) < count:
        _, i = heapq.heappop(gains)
        shares[i] += 1
        if shares[i] < most[i]:
            heapq.heappush(gains, (far(lengths[i], shares[i] + 1) - far(lengths[i], shares[i]), i))
    return shares


def _pools(scene: np.ndarray, share: int, radius: int, usable: np.ndarray) -> list[list[int]]:
    """The frames among which each of the `share` labels of a scene is chosen, the nearest to its place first."""
    pools: list[list[int]] = []
    taken: set[int] = set()
    for number in range(share):
        spacing = len(scene) / share
        middle = (number + 0.5) * spacing - 0.5
        # The middle of an even number of frames is the earlier one, always: rounding must not bring two nearer.
        order = sorted(range(len(scene)), key=lambda i: (abs(i - middle), i))
        free = [i for i in order if usable[scene[i]] and int(scene[i]) not in taken]
        room = min(WANDER * spacing, max(0.0, (spacing - 2 * radius) / 2))
        pool = [i for i in free if abs(i - middle) <= max(room, 0.5)]
        if room < 1:
            pool = pool[:1]  # no choice is left to looks
        chosen = [int(scene[i]) for i in pool or free[:1]]
        taken.update(chosen)
        pools.append(chosen)
    return [pool for pool in pools if pool]


def _unlike(pools: list[list[int]], seen: Survey) -> list[int]:
    """One frame of each pool, each as far as can be in appearance from the nearest of the others."""
    chosen = [pool[0] for pool in pools]
    for _ in range(SWEEPS):
        before = list(chosen)
        for index, pool in enumerate(pools):
            others = chosen[:index] + chosen[index + 1 :]
            if len(pool) > 1 and others:
                looks = seen.looks_of(pool)
                apart = np.linalg.norm(looks[:, None] - seen.looks_of(others)[None], axis=2).min(axis=1)
                chosen[index] = pool[int(np.argmax(np.round(apart, 6)))]  # among equals the nearest to its place
        if chosen == before:
            break
    return sorted(chosen)


def place_diversely(seen: Survey, count: int, radius: int, usable: np.ndarray) -> list[int]:
    """`count` usable frames that look different: each next one is the farthest in appearance from those chosen.

    It begins with the most usual frame. Frames of a scene stay 2R apart or, where that is too far for so many, 0.7 of
    even spacing, and as many frames as the radius from cuts, as far as the scene is long enough.
    """
    frames = np.flatnonzero(usable)
    scene_of = np.searchsorted(np.array(seen.cuts, int), np.arange(seen.count), side="right")
    near_cut = np.zeros(seen.count, bool)
    for cut in seen.cuts:
        for scene in (seen.scenes[scene_of[cut - 1]], seen.scenes[scene_of[cut]]):
            margin = min(radius, len(scene) // 4)
            near_cut[max(scene.start, cut - margin) : min(scene.stop, cut + margin)] = True
    frames = frames[~near_cut[frames]] if (~near_cut[frames]).sum() >= count else frames
    if not len(frames):
        return []
    looks = seen.looks_of(frames)
    chosen = [int(np.linalg.norm(looks - looks.mean(axis=0), axis=1).argmin())]
    apart = np.linalg.norm(looks - looks[chosen[0]], axis=1)
    while len(chosen) < min(count, len(frames)):
        picked = frames[chosen]
        between = np.abs(frames[:, None] - picked[None]).astype(float)
        between[scene_of[frames][:, None] != scene_of[picked][None]] = np.inf
        distance = between.min(axis=1)
        least = min(2.0 * radius, 0.7 * seen.count / count)
        while not (distance >= least).any():
            least /= 2
        allowed = (distance >= max(least, 1.0)) if (distance >= 1).any() else distance > 0
        best = int(np.argmax(np.where(allowed, np.round(apart, 6), -1.0)))
        chosen.append(best)
        apart = np.minimum(apart, np.linalg.norm(looks - looks[best], axis=1))
    return sorted(int(f) for f in frames[chosen])

"""Uncertainty of frames, disputed points in them, and how much of both a label would remove."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poof.labels.model import LabelSet

UNKNOWN = 0.5
"""Uncertainty of a point whose confidence the label file does not tell."""


def frame_uncertainty(labels: LabelSet, count: int) -> np.ndarray:
    """(count,) in [0, 1]: the mean of 1 - confidence over the points that each frame should have.

    A point that is not labelled counts 1 where the labelled frame before or after shows its keypoint, and not at all
    where neither does: nobody expects it there. One that is absent counts 1 - the confidence that it is. Frames that a
    person labelled count 0, whatever they left out.

    Parameters
    ----------
    labels
        Human labels alone, or together with what was carried, predicted or refined.
    count
        Frames of the video.
    """
    human = np.array(sorted({f for f, _, p in labels if p.by_person.any() and f < count}), int)
    if not len(human):
        return np.ones(count)
    size = len(labels.skeleton)
    ids = labels.instance_ids
    column = {i: slice(n * size, (n + 1) * size) for n, i in enumerate(ids)}
    shown = np.zeros((len(human), len(ids) * size), bool)
    value = np.ones((count, len(ids) * size))
    for frame, instance, points in labels:
        if frame >= count:
            continue
        if points.by_person.any():
            shown[np.searchsorted(human, frame), column[instance]] = points.is_human
        sure = np.where(points.by_person, 1.0, np.where(np.isfinite(points.confidence), points.confidence, 1 - UNKNOWN))
        value[frame, column[instance]] = np.where(points.decided, 1 - sure, 1.0)
    frames = np.arange(count)
    after = np.searchsorted(human, frames).clip(max=len(human) - 1)
    before = (np.searchsorted(human, frames, side="right") - 1).clip(min=0)
    expected = shown[before] | shown[after]
    number = expected.sum(axis=1)
    result = np.where(expected, value, 0.0).sum(axis=1) / np.maximum(number, 1)
    result[human] = 0.0
    return result


def disputes(labels: LabelSet, count: int) -> dict[int, list[str]]:
    """Frame -> names of its keypoints in dispute, see `Points.in_dispute`; with the individual where there are several.

    Parameters
    ----------
    labels
        Refined labels; others have no disputes.
    count
        Frames of the video; those behind it are left out.
    """
    several = len(labels.instance_ids) > 1
    found: dict[int, list[str]] = {}
    for frame, instance, points in labels:
        whose = f" of {labels.individuals.get(instance, f'instance {instance}')}" if several else ""
        names = [labels.skeleton.keypoints[k] + whose for k in np.flatnonzero(points.in_dispute)]
        if names and frame < count:
            found[frame] = found.get(frame, []) + names
    return found


def next_frames(
    uncertainty: np.ndarray,
    labelled: Sequence[int],
    scenes: Sequence[range],
    usable: np.ndarray,
    count: int,
    apart: int,
    disputed: np.ndarray | None = None,
) -> tuple[list[int], list[float]]:
    """The frames to label next, the most useful first, and what each is worth.

    Frames with disputed points go before all others, those with most of them first. A frame that is nearer than `apart`
    to one already chosen in its scene counts as without: the label there is carried to it and may settle what it
    disputes. Frames with as many disputed points, mostly none, are in the order of their worth.

    A label at f brings every frame t of its scene nearer to a label. It is worth

        sum over t of uncertainty(t)^2 max(0, near(t) - |t - f|)

    with near(t) the distance to the nearest label so far: long stretches and unsure ones weigh most, and its middle
    more than its worst frame. After each choice, near and uncertainty are taken to shrink in the same proportion.

    Parameters
    ----------
    uncertainty : (N,)
        See `frame_uncertainty`.
    labelled
        Frames that a person labelled.
    scenes
        The frames between cuts; a label is of no use behind one.
    usable : (N,) bool
        Frames that may be chosen.
    count
        Labels to place.
    apart
        Fewest frames between two labels, as long as there are frames that far from all of them; among frames with
        disputed points, as long as there are such ones.
    disputed : (N,) int or None
        Points in dispute of each frame.

    Returns
    -------
    list of int
        At most `count` frames.
    list of float
        Their worth, in frames.
    """
    uncertainty = uncertainty.astype(np.float64).copy()
    frames = np.arange(len(uncertainty))
    free = usable.copy()
    free[[f for f in labelled if f < len(free)]] = False
    near = np.zeros(len(uncertainty))
    for scene in scenes:
        own = np.array([f for f in labelled if f in scene])
        inside = frames[scene.start : scene.stop]
        # Without a label in the scene, the farthest that a frame of it can be from one.
        near[inside] = np.abs(inside[:, None] - own[None]).min(axis=1) if len(own) else len(scene)
    worth = np.full(len(uncertainty), -1.0)
    stale = list(scenes)
    scene_of = {f: scene for scene in scenes for f in scene}
    distance = np.full(len(uncertainty), np.inf)  # to any label, also across cuts
    for frame in labelled:
        distance = np.minimum(distance, np.abs(frames - frame))
    disputed = np.zeros(len(uncertainty), int) if disputed is None else disputed.copy()
    chosen: list[int] = []
    gains: list[float] = []
    while len(chosen) < count and free.any():
        for scene in stale:
            worth[scene.start : scene.stop] = worth_at(
                uncertainty[scene.start : scene.stop] ** 2, near[scene.start : scene.stop]
            )
        pool = free & (disputed > 0)
        pool = pool if pool.any() else free
        least = apart
        while not (pool & (distance >= least)).any():
            least //= 2
        pool = pool & (distance >= least)
        pool &= disputed == disputed[pool].max()
        best = int(np.argmax(np.where(pool, np.round(worth, 9), -1.0)))
        chosen.append(best)
        gains.append(float(worth[best]))
        distance = np.minimum(distance, np.abs(frames - best))
        free[best] = False
        scene = scene_of[best]
        part = slice(scene.start, scene.stop)
        nearer = np.minimum(near[part], np.abs(frames[part] - best))
        uncertainty[part] *= nearer / np.maximum(near[part], 1)
        near[part] = nearer
        disputed[part][np.abs(frames[part] - best) < apart] = 0
        stale = [scene]
    return chosen, gains


def worth_at(weight: np.ndarray, near: np.ndarray) -> np.ndarray:
    """What a label at each frame of a scene is worth: how much nearer it brings all frames to a label, weighted.

    Parameters
    ----------
    weight : (L,)
        Of each frame t.
    near : (L,)
        Distance of each to the nearest label so far.

    Returns
    -------
    (L,)
        sum over t of weight(t) max(0, near(t) - |t - f|) for every f, by adding up the corners of the triangles.
    """
    length = len(weight)
    bend = np.zeros(3 * length + 3)  # second differences over f, from -length to 2 length
    at = np.arange(length) + length
    reach = np.minimum(np.ceil(near).astype(int), length)
    np.add.at(bend, at - reach, weight)
    np.add.at(bend, at, -2 * weight)
    np.add.at(bend, at + reach, weight)
    return np.cumsum(np.cumsum(bend))[length - 1 : 2 * length - 1]

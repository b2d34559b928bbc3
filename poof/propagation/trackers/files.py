"""Tracks that another tool made, brought to a person's labels: whose points they are, and whether they can be these."""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.labels.model import LabelSet
from poof.origin import sha256_of
from poof.propagation.subject import subject_sides
from poof.propagation.trackers.gaps import frames_set
from poof.propagation.trackers.trajectories import Trajectory
from poof.video.base import Video

if TYPE_CHECKING:
    from poof.propagation.trackers.tables import TrackTable

NEAR = 0.05, 3.0
"""A numbered track belongs to the label that it passes nearer than this: longer sides of the subject, or pixels."""
OUTSIDE = 0.25
"""Share of the points outside the picture from which on they are of another size."""
BETTER = 0.2
"""Share of the distance from the labels that must be left for another reading (a factor, y before x) to be told."""
FAR = 0.5
"""Median distance from the labels, longer sides, beyond which the tracks are of something else."""


class TracksFile:
    """The tracks of a file, in the place of a tracker: ``--tracks-from``.

    Parameters
    ----------
    path
        See `read_tracks` for what it may hold.

    Raises
    ------
    PoofError
        If it is missing or no table of tracks.
    """

    def __init__(self, path: str | Path) -> None:
        from poof.propagation.trackers.tables import read_tracks  # with pandas, slow to import

        self.path = Path(path)
        self._table = read_tracks(self.path)
        self.name = self.path.name

    def describe(self) -> dict[str, Any]:
        """Name and checksum of the file: provenance."""
        return {"name": "file", "file": self.path.name, "sha256": sha256_of(self.path)}

    def trajectories(self, video: Video, labels: LabelSet) -> list[Trajectory]:
        """The trajectories of the file for the labels of a video.

        Parameters
        ----------
        video
            Whose tracks they are.
        labels
            What a person said, identities known.

        Raises
        ------
        PoofError
            If the tracks are of another video (frames beyond its end, far from every label), of another size (the
            factor is told), or of points that the labels do not have (the nearest names are told).
        """
        table = self._table
        _check_frames(table, video)
        owners = _by_number(table, labels) if table.numbered else _by_name(table, labels)
        _check_places(table, owners, video, labels)
        labelled = set(labels.instances)
        found = []
        for instance, keypoint, query, direction, rows in _groups(table, owners):
            rows = rows[np.argsort(table.frame[rows])]
            # Started where there is no label, it may be wrong at both ends, like one of which no query is known.
            known = query if (query, instance) in labelled else None
            found.append(
                Trajectory(instance, keypoint, table.frame[rows], table.xy[rows], table.sure[rows], known, direction)
            )
        _check_queries(table, owners, labels)
        return found


def _groups(table: TrackTable, owners: np.ndarray) -> list[tuple[int, int, int, int, np.ndarray]]:
    """Instance, keypoint, query, direction and rows of each trajectory."""
    keys: dict[tuple[int, int, int, int, str], list[int]] = {}
    for row in range(len(table.frame)):
        # Two numbered tracks of one point stay two, as a tracker that was started from two labels numbers them.
        apart = str(table.name[row]) if table.numbered else ""
        key = (int(owners[row, 0]), int(owners[row, 1]), int(table.query[row]), int(table.direction[row]), apart)
        keys.setdefault(key, []).append(row)
    return [(*key[:4], np.array(rows)) for key, rows in keys.items()]


def _by_name(table: TrackTable, labels: LabelSet) -> np.ndarray:
    """(N, 2) instance and keypoint of each row, by the names in the file."""
    keypoints = labels.skeleton.keypoints
    for name in dict.fromkeys(table.name):
        if name not in keypoints:
            line = table.line[np.flatnonzero(table.name == name)[0]]
            near = get_close_matches(name, keypoints, 3, 0.0)
            raise PoofError(
                f"{table.path}: line {line}: no keypoint of the labels is called '{name}'; near are {', '.join(near)}"
            )
    ids = labels.instance_ids
    people = {labels.individuals.get(i, str(i)): i for i in ids} | {str(i): i for i in ids}
    whose = np.zeros(len(table.name), int)
    for name in dict.fromkeys(table.individual):
        rows = np.flatnonzero(table.individual == name)
        if name in people:
            whose[rows] = people[name]
        elif len(ids) == 1 and len(set(table.individual)) == 1:
            whose[rows] = ids[0]
        elif not name:
            raise PoofError(
                f"{table.path}: names no individual and the labels have {len(ids)}; add a column 'individual' with"
                f" {', '.join(list(people)[:3])}"
            )
        else:
            near = get_close_matches(name, list(people), 3, 0.0)
            raise PoofError(
                f"{table.path}: line {table.line[rows[0]]}: no individual of the labels is called '{name}'; near are"
                f" {', '.join(near)}"
            )
    return np.column_stack([whose, [keypoints.index(name) for name in table.name]])


def _by_number(table: TrackTable, labels: LabelSet) -> np.ndarray:
    """(N, 2) instance and keypoint of each row: of the label that its track passes nearest."""
    owners = np.zeros((len(table.name), 2), int)
    places = _places(labels)
    for name in dict.fromkeys(table.name):
        rows = np.flatnonzero(table.name == name)
        best = (np.inf, 0.0, (0, 0, 0))
        for row in rows:
            for instance, k, xy, side in places.get(int(table.frame[row]), ()):
                miss = float(np.hypot(*(table.xy[row] - xy)))
                if miss < best[0]:
                    best = (miss, side, (instance, k, int(table.frame[row])))
        miss, side, (instance, k, frame) = best
        if not np.isfinite(miss):
            raise PoofError(
                f"{table.path}: track {name} is in none of the labelled frames; start the tracker from your labels"
            )
        if miss > max(NEAR[0] * side, NEAR[1]):
            hint = _another_reading(table, None, labels) or "start the tracker from your labels, or name its points"
            raise PoofError(
                f"{table.path}: track {name} passes no label: the nearest is {labels.skeleton.keypoints[k]} in frame"
                f" {frame}, {miss:.1f} px away; {hint}"
            )
        owners[rows] = instance, k
    return owners


def _places(labels: LabelSet) -> dict[int, list[tuple[int, int, np.ndarray, float]]]:
    """Frame -> (instance, keypoint, place, longer side of the subject) of what a person set there."""
    places: dict[int, list[tuple[int, int, np.ndarray, float]]] = {}
    for instance in labels.instance_ids:
        sides = subject_sides(labels, instance)
        frames, xy, _, _ = frames_set(labels, instance)
        for row, frame in enumerate(frames.tolist()):
            for k in np.flatnonzero(np.isfinite(xy[row]).all(axis=1)).tolist():
                places.setdefault(frame, []).append((instance, k, xy[row, k], sides[frame]))
    return places


def _check_frames(table: TrackTable, video: Video) -> None:
    """Refuse tracks of frames that the video does not have."""
    beyond = int(table.frame.max())
    named = video.frame_names
    end = len(named) if named is not None else video.count()
    if beyond >= end and video.damage is None:
        line = table.line[int(np.argmax(table.frame >= end))]
        hint = "frames count from 0" if beyond == end and table.frame.min() > 0 else "give the tracks of this video"
        raise PoofError(
            f"{table.path}: line {line}: has frame {table.frame[table.frame >= end][0]}, {video.name} ends at frame"
            f" {end - 1}; {hint}"
        )


def _check_places(table: TrackTable, owners: np.ndarray, video: Video, labels: LabelSet) -> None:
    """Refuse tracks that cannot be of this picture and of these labels."""
    size = np.array(video.size)
    outside = ((table.xy < -0.5) | (table.xy > size - 0.5)).any(axis=1)
    miss, side = _misses(table, owners, labels, table.xy)
    far = len(miss) > 0 and float(np.median(miss / side)) > FAR
    hint = _another_reading(table, owners, labels) if len(miss) else None
    if hint is not None and (far or outside.any() or float(np.median(miss)) > 3):
        raise PoofError(f"{table.path}: the tracks do not pass the labels of {video.name}; {hint}")
    if outside.mean() > OUTSIDE:
        line = table.line[int(np.argmax(outside))]
        factor = float((size / table.xy.max(axis=0)).min())
        raise PoofError(
            f"{table.path}: line {line}: {100 * outside.mean():.0f} % of the points lie outside the {size[0]}x{size[1]}"
            f" picture; if they are of a larger one, multiply x and y by the factor between the two (at most"
            f" {factor:.2g})"
        )
    if far:
        raise PoofError(
            f"{table.path}: the tracks pass the labels of {video.name} {float(np.median(miss)):.0f} px away in the"
            " median; give the tracks of this video, started from these labels"
        )
    if not len(miss):
        warnings.warn(
            f"{table.path}: is in none of the labelled frames, so nothing vouches for it; track through them",
            PoofWarning,
            stacklevel=4,
        )


def _misses(
    table: TrackTable, owners: np.ndarray | None, labels: LabelSet, xy: np.ndarray, shift: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(M,) how far the tracks pass from the labels, and the subject's longer side there; owners None: the nearest."""
    places = _places(labels)
    result: list[tuple[float, float]] = []
    for row in np.flatnonzero(np.isin(table.frame + shift, list(places))).tolist():
        here = places[int(table.frame[row]) + shift]
        mine = [p for p in here if owners is None or (p[0], p[1]) == tuple(owners[row])]
        if mine:
            result.append(min((float(np.hypot(*(xy[row] - p[2]))), p[3]) for p in mine))
    both = np.array(result).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _another_reading(table: TrackTable, owners: np.ndarray | None, labels: LabelSet) -> str | None:
    """What the tracks would have to be to pass the labels, where that is plain; None where nothing is."""
    miss, _ = _misses(table, owners, labels, table.xy)
    usual = float(np.median(miss)) if len(miss) else np.inf
    readings = [(_misses(table, owners, labels, table.xy[:, ::-1])[0], "x and y are exchanged: swap the two columns")]
    for shift, what in ((-1, "frames count from 0, and here from 1: subtract 1"), (1, "its frames begin one early")):
        readings.append((_misses(table, owners, labels, table.xy, shift)[0], what))
    if owners is not None:
        factor = _factor(table, owners, labels)
        if factor is not None and abs(factor - 1) > 0.02:
            what = f"its picture was {1 / factor:.3g} times as large: multiply x and y by {factor:.4g}"
            readings.append((_misses(table, owners, labels, (table.xy + 0.5) * factor - 0.5)[0], what))
    best = min(readings, key=lambda r: float(np.median(r[0])) if len(r[0]) else np.inf)
    if len(best[0]) > 1 and float(np.median(best[0])) < BETTER * usual:
        return best[1]
    return None


def _factor(table: TrackTable, owners: np.ndarray, labels: LabelSet) -> float | None:
    """The factor that brings the tracks nearest to the labels (median of the ratios); None without labels passed."""
    ratios = []
    for row in range(len(table.frame)):
        points = labels.instances.get((int(table.frame[row]), int(owners[row, 0])))
        if points is not None and points.is_human[owners[row, 1]]:
            ratios += ((points.xy[owners[row, 1]] + 0.5) / np.maximum(table.xy[row] + 0.5, 1.0)).tolist()
    return float(np.median(ratios)) if ratios else None


def _check_queries(table: TrackTable, owners: np.ndarray, labels: LabelSet) -> None:
    """Warn of frames that are missing between labels, and of queries that are no labels."""
    frames = np.unique(table.frame)
    span = int(frames.max() - frames.min()) + 1
    if len(frames) < span:
        step = np.diff(frames)
        every = f"only every {step[0]}th frame is there" if (step == step[0]).all() else f"{span - len(frames)} are not"
        warnings.warn(
            f"{table.path}: of the frames {frames.min()} to {frames.max()} {every}; flow alone speaks for the others",
            PoofWarning,
            stacklevel=4,
        )
    labelled = {(f, i) for f, i in labels.instances}
    asked = {(int(q), int(i)) for q, i in zip(table.query, owners[:, 0]) if q >= 0}
    astray = sorted(q for q, i in asked if (q, i) not in labelled)
    if astray:
        warnings.warn(
            f"{table.path}: query_frame {astray[0]} is no labelled frame; such tracks are taken as started elsewhere",
            PoofWarning,
            stacklevel=4,
        )

"""A label set as one line of text, HTML, a pandas table, and movement's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poof.errors import PoofError
from poof.labels.changes import Changes
from poof.labels.model import LabelSet, Visible, describe_sources
from poof.printable import plural

if TYPE_CHECKING:
    import pandas as pd

STATES = {
    Visible.ABSENT: "absent",
    Visible.UNLABELLED: "out of sight",
    Visible.OCCLUDED: "occluded",
    Visible.VISIBLE: "visible",
}
_SHOWN = 12


def notes_on(files: Sequence[Path], changes: Changes | None, empty: int) -> list[str]:
    """What a person should know of labels that were read, a line each.

    Parameters
    ----------
    files
        Where they are from.
    changes
        What was corrected in them since poof wrote them; None: not known.
    empty
        Keypoints that are absent by the rule for empty ones.
    """
    notes = []
    if changes:
        notes.append(f"your corrections in {', '.join(map(str, files))}: {changes} since poof wrote it")
    if changes is not None and changes.lost:
        notes.append(
            f"note: {', '.join(map(str, files))}: the column poof:... is gone, so a carried point that you moved counts"
            " as yours only where 'source' says human"
        )
    if changes is not None and changes.filtered:
        notes.append(
            f"note: {changes.filtered} points are gone from it: taken for a filter, which says nothing of them"
        )
    if empty:
        notes.append(
            f"note: {plural(empty, 'empty keypoint')} beside set ones taken as absent, not in the picture (--missing"
            " unlabelled: as not labelled)"
        )
    return notes


def in_a_line(labels: LabelSet) -> str:
    """'LabelSet(60 frames 0-59, 1 subject, 13 keypoints; 39 human, 741 propagated points; video.mp4, 320x240)'."""
    frames = labels.frames
    span = f" {frames[0]}-{frames[-1]}" if frames else ""
    subjects = len(labels.instance_ids)
    points = ", ".join(f"{count} {name}" for name, count in sorted(describe_sources(labels).items())) or "no"
    absent = sum(int(p.absent.sum()) for p in labels.instances.values())
    more = [f"{absent} absent"] if absent else []
    where = [str(labels.info["video"])] if isinstance(labels.info.get("video"), str) else []
    where += ["x".join(map(str, labels.image_size))] if labels.image_size else []
    told = "; ".join(
        [
            f"{plural(len(frames), 'frame')}{span}, {plural(subjects, 'subject')}, "
            f"{plural(len(labels.skeleton), 'keypoint')}",
            ", ".join([f"{points} points", *more]),
            *([", ".join(where)] if where else []),
        ]
    )
    return f"LabelSet({told})"


def as_html(labels: LabelSet) -> str:
    """What `in_a_line` says, and a row for each keypoint: points by source, absences, mean confidence."""
    rows = []
    for k, name in enumerate(labels.skeleton.keypoints[:_SHOWN]):
        points = [p for p in labels.instances.values() if p.decided[k]]
        human = sum(bool(p.is_human[k] and p.labelled[k]) for p in points)
        machine = sum(bool(p.labelled[k] and not p.is_human[k]) for p in points)
        absent = sum(bool(p.absent[k]) for p in points)
        sure = [float(p.confidence[k]) for p in points if p.labelled[k] and not p.is_human[k]]
        mean = f"{np.nanmean(sure):.2f}" if sure and np.isfinite(sure).any() else ""
        rows.append(
            f"<tr><th>{escape(name)}</th><td>{human}</td><td>{machine}</td><td>{absent}</td><td>{mean}</td></tr>"
        )
    if len(labels.skeleton) > _SHOWN:
        rows.append(f"<tr><td colspan=5>and {len(labels.skeleton) - _SHOWN} more</td></tr>")
    head = "<tr><th>keypoint</th><th>set by a person</th><th>by poof</th><th>absent</th><th>mean confidence</th></tr>"
    return f"<div>{escape(in_a_line(labels))}<table>{head}{''.join(rows)}</table></div>"


def to_frame(labels: LabelSet, video: Any = None) -> pd.DataFrame:
    """A tidy table.

    Parameters
    ----------
    labels
        Any labels.
    video
        A path or a `Video`: its timestamps give the column `time`.

    Returns
    -------
    DataFrame
        One row a point or absence, in order of frame, instance and keypoint: `time` (seconds, with `video`), the
        columns of `LabelSet.to_table`, `individual` (its name, else the instance) and `state` (in words).
    """
    table = labels.to_table()
    table.insert(2, "individual", [labels.individuals.get(i, str(i)) for i in table["instance"]])
    at = table.columns.get_loc("visible")
    table.insert(int(at) + 1, "state", [STATES[Visible(v)] for v in table["visible"]])  # type: ignore[arg-type]
    if video is not None and len(table):
        times = _seconds(video, int(table["frame"].max()) + 1)
        table.insert(0, "time", times[table["frame"].to_numpy(int)])
    return table


def to_xarray(labels: LabelSet, video: Any = None) -> Any:
    """An `xarray.Dataset` in the layout of movement's poses.

    Parameters
    ----------
    labels
        Any labels.
    video
        A path or a `Video`, whose timestamps give the times.

    Returns
    -------
    Dataset
        `position` (time, space, keypoints, individuals) in pixels and `confidence` (time, keypoints, individuals),
        over every frame from the first labelled one to the last; NaN where there is no point. Times are seconds with
        `video`, else numbers of frames.

    Raises
    ------
    PoofError
        If xarray is not installed, or there are no labels.
    """
    try:
        xarray = import_module("xarray")
    except ImportError:
        raise PoofError("xarray is not installed; install it with: pip install 'poof-pose[xarray]'") from None
    if not labels.instances:
        raise PoofError("there are no labels to make arrays of")
    frames = np.arange(labels.frames[0], labels.frames[-1] + 1)
    numbers = labels.instance_ids
    count = len(labels.skeleton)
    position = np.full((len(frames), 2, count, len(numbers)), np.nan, np.float32)
    confidence = np.full((len(frames), count, len(numbers)), np.nan, np.float32)
    for frame, instance, points in labels:
        row, column = frame - int(frames[0]), numbers.index(instance)
        position[row, :, :, column] = points.xy.T
        confidence[row, :, column] = np.where(points.labelled, points.confidence, np.nan)
    times: np.ndarray = frames
    attributes: dict[str, Any] = {"ds_type": "poses", "source_software": "poof", "time_unit": "frames", "fps": None}
    if video is not None:
        times = _seconds(video, int(frames[-1]) + 1)[frames]
        attributes |= {"time_unit": "seconds", "fps": float(_opened(video).fps)}
    if isinstance(labels.info.get("video"), str):
        attributes["source_file"] = labels.info["video"]
    return xarray.Dataset(
        {
            "position": (("time", "space", "keypoints", "individuals"), position),
            "confidence": (("time", "keypoints", "individuals"), confidence),
        },
        coords={
            "time": times,
            "space": ["x", "y"],
            "keypoints": list(labels.skeleton.keypoints),
            "individuals": [labels.individuals.get(i, f"id_{i}") for i in numbers],
        },
        attrs={name: value for name, value in attributes.items() if value is not None},
    )


def _seconds(video: Any, count: int) -> np.ndarray:
    """The time of each frame by the video's timestamps; the modules that know videos are above this one."""
    times, _ = import_module("poof.exchange.times").seconds(_opened(video), count)
    return np.asarray(times)


def _opened(video: Any) -> Any:
    return import_module("poof.api").opened(video)

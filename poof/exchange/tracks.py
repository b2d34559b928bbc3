"""`tracks`: results for people who analyse, a tidy table or movement's arrays, in seconds, every step logged.

The steps, in this order: points below a confidence go; gaps are bridged up to a length, never over a frame in which a
keypoint is absent; coordinates are smoothed. `x_raw` and `y_raw` keep what the labels say. What movement does better is
left to movement.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from poof.errors import PoofError
from poof.exchange.smoothing import filled, parse, speeds, stretches
from poof.exchange.times import seconds
from poof.files import check_output, write_bytes, write_text
from poof.labels.model import LabelSet, Source
from poof.video.base import Video

COLUMNS = ("time", "frame", "individual", "keypoint", "x", "y", "confidence", "source", "state", "x_raw", "y_raw")
UNTIMED = "times are numbers of frames: no rate is known"
ENDINGS = (".csv", ".parquet", ".nc")
_STATES = {-1: "absent", 1: "occluded", 2: "visible"}


@dataclass(frozen=True)
class Steps:
    """What is done to the tracks.

    Attributes
    ----------
    min_confidence
        Machine-made points below this go.
    max_gap
        Frames of a gap that is bridged at most; 0: none is.
    smooth
        Filters in order, as `poof.exchange.smoothing.parse` reads them.
    """

    min_confidence: float = 0.0
    max_gap: int = 0
    smooth: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise PoofError(f"--min-confidence {self.min_confidence:g}: give a number from 0 to 1")
        if self.max_gap < 0:
            raise PoofError(f"--max-gap {self.max_gap}: give a number of frames from 0")


def tracks_table(
    labels: LabelSet, footage: Video | None = None, fps: float | None = None, steps: Steps = Steps()
) -> tuple[pd.DataFrame, list[str]]:
    """The tracks as a tidy table, and the log of what was done.

    Parameters
    ----------
    labels
        Any labels.
    footage
        The video, whose timestamps count.
    fps
        Frames a second, where there is no video.
    steps
        What to do.

    Returns
    -------
    DataFrame
        A row for each frame from the first labelled one to the last, individual and keypoint: `COLUMNS`, `filled`, and
        `speed` in pixels a second (a frame where no rate is known, then `time` is the number of the frame).
    list of str
        A line for each step.
    """
    if not labels.instances:
        raise PoofError("there are no labels to make tracks of")
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise PoofError(f"--fps {fps:g}: give a positive number")
    frames = np.arange(labels.frames[0], labels.frames[-1] + 1)
    if footage is not None and fps is None:
        times, line = seconds(footage, int(frames[-1]) + 1)
    else:
        times = np.arange(frames[-1] + 1) / (fps or 1.0)
        line = f"times are frame / {fps:g} frames per second" if fps else UNTIMED
    filters = [parse(text) for text in steps.smooth]
    log = [line]
    if not labels.tracked and len(labels.instance_ids) > 1:
        log.append("the labels have no fixed individuals: a number may mean another one in each frame")
    raw = _arrays(labels, frames)
    when = times[frames]
    xy = raw["xy"].copy()
    unsure = (raw["source"] != Source.HUMAN) & ~(raw["confidence"] >= steps.min_confidence) & np.isfinite(xy[..., 0])
    if steps.min_confidence:
        xy[unsure] = np.nan
        log.append(
            f"removed {int(unsure.sum())} points that no person set and whose confidence is below"
            f" {steps.min_confidence:g} or unknown"
        )
    made = np.zeros(xy.shape[:3], bool)
    speed = np.full(xy.shape[:3], np.nan)
    for i, k in np.ndindex(xy.shape[1], xy.shape[2]):
        if steps.max_gap:
            xy[:, i, k], made[:, i, k] = filled(xy[:, i, k], when, steps.max_gap, raw["visible"][:, i, k] == -1)
        for _, apply in filters:
            for part in stretches(np.isfinite(xy[:, i, k]).all(axis=1)):
                for axis in range(2):
                    xy[part, i, k, axis] = apply(xy[part, i, k, axis], when[part])
        speed[:, i, k] = speeds(xy[:, i, k], when)
    if steps.max_gap:
        log.append(f"filled {int(made.sum())} points in gaps of at most {steps.max_gap} frames, by straight lines")
    log += [f"smoothed by a {name}, within stretches without gaps" for name, _ in filters]
    log.append("speed by central differences, in pixels a " + ("second" if fps or footage else "frame"))
    return _tidy(labels, frames, when, raw, xy, made, speed), log


def _arrays(labels: LabelSet, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Coordinates, confidence, source and state over (frame, individual, keypoint)."""
    ids = {instance: i for i, instance in enumerate(labels.instance_ids)}
    shape = (len(frames), len(ids), len(labels.skeleton))
    found = {
        "xy": np.full((*shape, 2), np.nan),
        "confidence": np.full(shape, np.nan),
        "source": np.zeros(shape, np.int64),
        "visible": np.zeros(shape, np.int64),
    }
    for frame, instance, points in labels:
        place = frame - frames[0], ids[instance]
        for name, values in found.items():
            values[place] = getattr(points, name)
    return found


def names_of(labels: LabelSet) -> list[str]:
    """The names of the individuals, in order of their numbers."""
    return [labels.individuals.get(i, f"individual{i + 1}") for i in labels.instance_ids]


def _tidy(
    labels: LabelSet,
    frames: np.ndarray,
    when: np.ndarray,
    raw: dict[str, np.ndarray],
    xy: np.ndarray,
    made: np.ndarray,
    speed: np.ndarray,
) -> pd.DataFrame:
    """One row a frame, individual and keypoint."""
    count, individuals, keypoints = made.shape
    each = individuals * keypoints
    flat = {name: values.reshape(-1) for name, values in raw.items() if name != "xy"}
    return pd.DataFrame(
        {
            "time": np.repeat(when, each),
            "frame": np.repeat(frames, each),
            "individual": np.tile(np.repeat(np.array(names_of(labels), object), keypoints), count),
            "keypoint": np.tile(np.array(labels.skeleton.keypoints, object), count * individuals),
            "x": xy[..., 0].ravel(),
            "y": xy[..., 1].ravel(),
            "confidence": flat["confidence"],
            "source": [Source(v).label for v in flat["source"].tolist()],
            "state": [_STATES.get(v, "") for v in flat["visible"].tolist()],
            "x_raw": raw["xy"][..., 0].ravel(),
            "y_raw": raw["xy"][..., 1].ravel(),
            "filled": made.ravel(),
            "speed": speed.ravel(),
        }
    )


# ------------------------------------------------------------------------------------------------ files


def write_tracks(table: pd.DataFrame, log: Sequence[str], path: str | Path, force: bool = False) -> None:
    """Write a table of tracks, atomically: .csv with the log in comment lines, .parquet, or .nc as movement has it.

    Raises
    ------
    PoofError
        If the ending is none of these, pyarrow is missing for .parquet, or the file may not be written over.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise PoofError(f"{path}: tracks are written as {', '.join(ENDINGS)}; choose such a name")
    check_output(path, force)
    if ending == ".csv":
        rounded = table.round(dict.fromkeys(("x", "y", "confidence", "x_raw", "y_raw", "speed"), 4))
        lines = "".join(f"# {line}\n" for line in ("poof tracks", *log))
        write_text(path, lines + rounded.to_csv(index=False, lineterminator="\n"))
    elif ending == ".parquet":
        write_bytes(path, _parquet(path, table, log))
    else:
        write_bytes(path, _netcdf(table, log))


def _parquet(path: Path, table: pd.DataFrame, log: Sequence[str]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise PoofError(f"{path}: Parquet needs pyarrow (pip install pyarrow); or write .csv") from None
    content = pyarrow.Table.from_pandas(table, preserve_index=False)
    content = content.replace_schema_metadata({**(content.schema.metadata or {}), b"poof": json.dumps([*log]).encode()})
    memory = io.BytesIO()
    pyarrow.parquet.write_table(content, memory)
    return memory.getvalue()


def _netcdf(table: pd.DataFrame, log: Sequence[str]) -> bytes:
    """netCDF 3 with movement's variables over its dimensions: time, space, keypoints, individuals."""
    from scipy.io import netcdf_file

    individuals = list(dict.fromkeys(table["individual"]))
    keypoints = list(dict.fromkeys(table["keypoint"]))
    shape = (-1, len(individuals), len(keypoints))
    times = table["time"].to_numpy(np.float64).reshape(shape)[:, 0, 0]

    def over(*names: str) -> np.ndarray:
        stacked = np.stack([table[name].to_numpy(np.float64).reshape(shape) for name in names], axis=1)
        return stacked.transpose(0, 1, 3, 2)  # time, space, keypoints, individuals

    memory = _Kept()
    with netcdf_file(memory, "w", version=2) as file:
        dims = {"time": len(times), "space": 2, "keypoints": len(keypoints), "individuals": len(individuals)}
        for name, size in dims.items():
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = times
        for name, texts in (("space", ["x", "y"]), ("keypoints", keypoints), ("individuals", individuals)):
            _texts(file, name, texts)
        every = tuple(dims)
        for name, columns in (("position", ("x", "y")), ("position_raw", ("x_raw", "y_raw"))):
            file.createVariable(name, "f8", every)[:] = over(*columns)
        for name in ("confidence", "speed"):
            file.createVariable(name, "f8", (every[0], *every[2:]))[:] = over(name)[:, 0]
        file.createVariable("filled", "i1", (every[0], *every[2:]))[:] = over("filled")[:, 0].astype(np.int8)
        file.source_software, file.ds_type = b"poof", b"poses"
        timed = UNTIMED not in log
        file.time_unit = b"seconds" if timed else b"frames"
        if timed and len(times) > 1:
            file.fps = float((len(times) - 1) / (times[-1] - times[0]))
        file.log = "\n".join(log).encode()
    return memory.kept


class _Kept(io.BytesIO):
    """Bytes that can still be had when the writer has closed the file."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def _texts(file: Any, name: str, texts: Sequence[str]) -> None:
    """Text as netCDF has it: characters along a dimension of their own, which xarray joins again."""
    encoded = [text.encode() for text in texts]
    width = max(map(len, encoded))
    file.createDimension(f"{name}_length", width)
    variable = file.createVariable(name, "c", (name, f"{name}_length"))
    variable[:] = np.array([list(text.ljust(width, b"\0")) for text in encoded], np.uint8).view("S1")
    variable._Encoding = b"utf-8"

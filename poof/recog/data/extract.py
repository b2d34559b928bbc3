"""Decode once, train often: frames of every video as images or as one array, and what that costs and saves."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from poof.errors import PoofError
from poof.files import atomic, make_folder
from poof.progress import Track, silent
from poof.recog.data.frames import FrameCounts, image_names, load_array, read_frames, reading
from poof.recog.data.lists import write_list
from poof.recog.data.lists.base import ClipList, Record
from poof.recog.data.sampling import fixed_frames
from poof.recog.data.transform import resize
from poof.video import open_video

Kind = Literal["jpg", "npy"]


@dataclass(frozen=True)
class Extraction:
    """What `extract` did.

    Attributes
    ----------
    clips
        The list of what was extracted.
    frames, bytes_before, bytes_after
        Over all clips.
    ms_before, ms_after
        Milliseconds to read eight uniform frames of a clip, mean over a sample of the clips.
    broken
        Videos that could not be read, with the reason.
    """

    clips: ClipList
    frames: int
    bytes_before: int
    bytes_after: int
    ms_before: float
    ms_after: float
    broken: dict[Path, str]


def extract(
    clips: ClipList,
    folder: Path,
    kind: Kind = "jpg",
    short: int = 256,
    quality: int = 95,
    workers: int = 1,
    track: Track = silent,
) -> Extraction:
    """Write every clip's frames to `folder`/class/name (images img_00001.jpg ...) or `folder`/class/name.npy.

    Clips that are there already, whole, are kept, so an interrupted run goes on where it stopped. Beside them
    `list.txt` and `labels.txt` are written, which `read_list` reads.

    Parameters
    ----------
    kind
        'jpg': small, quick; 'npy': raw values, about ten times as large, ten times as quick.
    short
        Shorter side in pixels; smaller videos keep their size, 0 keeps every size.
    quality
        Of the JPEGs, 1 to 100.
    """
    if kind not in ("jpg", "npy"):
        raise PoofError(f"kind={kind}: choose jpg or npy")
    make_folder(folder, "-o")
    targets = _targets(clips, folder, kind)
    broken: dict[Path, str] = {}

    def one(pair: tuple[Record, Path]) -> int:
        record, target = pair
        try:
            with reading(record.path):
                return _extract(record, target, kind, short, quality)
        except PoofError as error:
            broken[record.path] = str(error)
            return 0

    pairs = list(zip(clips.records, targets))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        frames = sum(track(pool.map(one, pairs), "extracting", len(pairs)))
    done = [(r, t) for r, t in pairs if r.path not in broken]
    if not done:
        raise PoofError(f"{clips.name}: none of {len(pairs)} clips could be read; first: {next(iter(broken.values()))}")
    records = tuple(Record(t, r.label, line=r.line) for r, t in done)
    result = replace(clips, records=records, name=str(folder / "list.txt"))
    write_list(result, folder / "list.txt")
    some = np.linspace(0, len(done) - 1, min(len(done), 8)).astype(int)
    return Extraction(
        result,
        frames,
        sum(_bytes(r.path) for r, _ in done),
        sum(_bytes(t) for _, t in done),
        _milliseconds([done[i][0] for i in some]),
        _milliseconds([records[i] for i in some]),
        broken,
    )


def check(clips: ClipList, workers: int = 1, track: Track = silent) -> dict[Path, str]:
    """Read every clip of a list from end to end; the broken ones with the reason, in order of the list."""
    broken: dict[Path, str] = {}

    def one(record: Record) -> None:
        try:
            with reading(record.path):
                _check(record)
        except PoofError as error:
            broken[record.path] = str(error)

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for _ in track(pool.map(one, clips.records), "checking", len(clips)):
            pass
    return {r.path: broken[r.path] for r in clips.records if r.path in broken}


def _check(record: Record) -> None:
    path = record.path
    if path.suffix == ".npy" or path.is_dir():
        count = FrameCounts().of(record)
        if record.count is not None and count < record.count:
            raise PoofError(f"{path}: has {count} frames where {record.line} says {record.count}")
        if path.is_dir():
            for start in range(0, count, 32):
                read_frames(record, np.arange(start, min(start + 32, count)))
        return
    video = open_video(path)
    count = sum(1 for _ in video.frames())
    if video.damage is not None:
        raise PoofError(f"{path}: damaged at frame {video.damage.frame} ({video.damage.reason})")
    if record.count is not None and count < record.start + record.count:
        raise PoofError(f"{path}: has {count} frames where {record.line} says {record.start + record.count}")


def _targets(clips: ClipList, folder: Path, kind: Kind) -> list[Path]:
    taken: set[Path] = set()
    targets = []
    for record in clips.records:
        stem = record.path.name if record.path.is_dir() else record.path.stem
        stem += f"_{record.start:06d}" if record.start or record.count is not None else ""
        label = "".join(c if c.isalnum() or c in " -_" else "_" for c in clips.labels[record.label])
        target = folder / label / (stem + (".npy" if kind == "npy" else ""))
        if target in taken:
            raise PoofError(f"{record.line}: a second clip called '{stem}' in class '{label}'; rename one of them")
        taken.add(target)
        targets.append(target)
    return targets


def _extract(record: Record, target: Path, kind: Kind, short: int, quality: int) -> int:
    if target.exists():
        return len(load_array(target)) if kind == "npy" else len(image_names(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    images = _shrunk(record, short)
    if kind == "npy":
        with atomic(target) as temporary:
            np.save(temporary, images)
        return len(images)
    # The folder takes its name last, so a folder that is there is whole.
    partial = target.with_name(f".{target.name}-part")
    partial.mkdir(exist_ok=True)
    for number, image in enumerate(images, 1):
        encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        try:
            (partial / f"img_{number:05d}.jpg").write_bytes(encoded.tobytes())
        except OSError as error:
            raise PoofError(f"{partial}: cannot be written ({error.strerror}); free space") from error
    partial.rename(target)
    return len(images)


def _shrunk(record: Record, short: int) -> np.ndarray:
    if record.path.is_dir() or record.path.suffix == ".npy":
        images = [read_frames(record, np.arange(FrameCounts().of(record)))]
    else:
        stop = None if record.count is None else record.start + record.count
        # Shrunk frame by frame: a long video at full size would not fit into memory.
        images = [_shrink(image[None], short) for _, image in open_video(record.path).frames(record.start, stop)]
    if not images:
        raise PoofError(f"{record.path}: has no frame to extract")
    return _shrink(np.concatenate(images), short)


def _shrink(images: np.ndarray, short: int) -> np.ndarray:
    height, width = images.shape[1:3]
    scale = short / min(height, width)
    return images if not short or scale >= 1 else resize(images, round(height * scale), round(width * scale))


def _bytes(path: Path) -> int:
    return sum(p.stat().st_size for p in path.iterdir()) if path.is_dir() else path.stat().st_size


def _milliseconds(records: list[Record]) -> float:
    counts = FrameCounts()
    rows = [fixed_frames("uniform", counts.of(record), 8)[0] for record in records]
    start = time.perf_counter()
    for record, row in zip(records, rows):
        read_frames(record, row)
    return 1e3 * (time.perf_counter() - start) / max(len(records), 1)

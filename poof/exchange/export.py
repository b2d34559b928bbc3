"""`export`: a result into the project of another tool, with the frames that it needs, under names that agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poof.errors import PoofError, names_near
from poof.exchange.choosing import chosen, confident, hardness, only
from poof.files import check_output
from poof.labels.check import check_fit
from poof.labels.io import load_labels
from poof.labels.model import LabelSet
from poof.origin import is_remembered
from poof.planning.select import select_next
from poof.progress import Track, silent
from poof.video import open_video
from poof.video.base import Video

MANY = 5
"""Tracked frames for each that a person labelled, from which on a note speaks of balance."""
SELECTED = 20
"""Frames that `--frames select` proposes when no count is given."""


@dataclass
class Export:
    """What an export wrote.

    Attributes
    ----------
    folder
        Where.
    files
        Tables and settings, not the images.
    images
        How many frames were written as images.
    frames
        The frames that the tables tell of.
    notes
        What the user should know, a line each.
    then
        What to do next, in the other tool.
    """

    folder: Path
    files: list[Path]
    images: int
    frames: list[int]
    notes: list[str] = field(default_factory=list)
    then: str = ""


@dataclass(frozen=True)
class Order:
    """What an exporter is to write: the labels chosen, the video, the place, and how."""

    labels: LabelSet
    footage: Video
    folder: Path
    video: str
    as_labels: bool
    force: bool
    track: Track


def _peers() -> Mapping[str, Callable[[Order], Export]]:
    from poof.exchange import cvat, dlc, label_studio, lightning_pose, yolo

    return {
        "dlc": dlc.export,
        "lp": lightning_pose.export,
        "cvat": cvat.export,
        "label-studio": label_studio.export,
        "yolo-pose": yolo.export,
    }


PEERS = ("dlc", "lp", "cvat", "label-studio", "yolo-pose")
"""The tools that `export` knows."""


def export(
    result: str | Path | LabelSet,
    video: str | Path | Video,
    to: str,
    output: str | Path,
    *,
    min_confidence: float = 0.0,
    frames: str = "all",
    count: int | None = None,
    as_labels: bool = False,
    category: str | None = None,
    force: bool = False,
    track: Track = silent,
) -> Export:
    """Write labels and the frames they are of for another tool.

    Parameters
    ----------
    result
        A label file of any format, or labels.
    video
        The video they are of.
    to
        One of `PEERS`.
    output
        The project's folder (dlc), or a folder to make.
    min_confidence
        Machine-made points below this are left out.
    frames
        'all', 'every:N', 'select' (the frames that `poof select` would have you label next), or numbers with commas.
    count
        Of the frames with machine-made points at most so many, the hardest first.
    as_labels
        dlc: write ``CollectedData`` where the video has none yet.
    category
        Which category of a file with several.
    force
        Write over what an earlier export wrote.
    track
        Shows how far it is.

    Raises
    ------
    PoofError
        If the labels do not fit the video or the project, or a file would be lost.
    """
    peers = _peers()
    if to not in peers:
        raise PoofError(f"no tool '{to[:40]}' to export to; there are {names_near(to, peers)}")
    if as_labels and to != "dlc":
        raise PoofError("--as-labels is for --to dlc; the others have no place for machine labels")
    footage = video if isinstance(video, Video) else open_video(video)
    name = Path(video if not isinstance(video, Video) else footage.name)
    if isinstance(result, LabelSet):
        labels = result
    else:
        labels = load_labels(result, footage.frame_names, category=category, video=str(name))
    check_fit(labels, footage.size, len(footage.frame_names) if footage.frame_names else None, footage.name)
    labels = labels.replace(image_size=footage.size, info=labels.info | {"video": name.name})
    notes = []
    labels, dropped = confident(labels, min_confidence)
    if dropped:
        notes.append(f"{dropped} points below confidence {min_confidence:g} were left out")
    if frames == "select":
        proposed = select_next(footage, labels, count or SELECTED, track=track).order
        wanted = sorted(frame for frame in proposed if any(f == frame for f, _ in labels.instances))
        wanted = sorted({*wanted, *(f for f in labels.frames if f not in hardness(labels))})
    else:
        wanted = chosen(labels, frames, count)
    labels = only(labels, wanted)
    if not labels.instances:
        raise PoofError(f"{footage.name}: nothing is left to export; lower --min-confidence or choose other --frames")
    tracked = len(hardness(labels))
    people = len(labels.frames) - tracked
    if to != "cvat" and tracked > MANY * max(people, 1):
        notes.append(
            f"{tracked} tracked frames, most of them easy, beside {people} that a person labelled unbalance a training"
            " set; --count takes the hardest"
        )
    made = peers[to](Order(labels, footage, Path(output), name.stem, as_labels, force, track))
    made.notes = [*notes, *made.notes]
    return made


def check_file(path: Path, order: Order) -> None:
    """Refuse a file of an export that may not be replaced; one that is as poof wrote it may, whatever it holds.

    Raises
    ------
    PoofError
        As `poof.files.check_output` says; labels that a person has changed since stay.
    """
    check_output(path, order.force, labels=is_remembered(path))

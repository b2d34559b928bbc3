"""Inputs of the pose commands: labels with their videos, a run's folder, models, boxes of the subjects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from poof.errors import PoofError
from poof.files import made_folder
from poof.labels import LabelSet, check_fit, load_labels
from poof.labels.pairing import Given, check_names
from poof.pose.data import clear_leftovers
from poof.pose.instance_boxes import InstanceBoxes, boxes_from_file, boxes_from_labels
from poof.pose.splitting import Pair
from poof.video import Video, open_video

CHECKPOINT_ENDINGS = (".pt", ".pth")


def load_pairs(labels: Sequence[Path], videos: Sequence[Path], option: str, on_damage: str = "stop") -> list[Pair]:
    """Label files with their videos.

    Parameters
    ----------
    labels
        Label files.
    videos
        A video for each, in the same order.
    option
        How the command calls `videos`, for messages.
    on_damage
        See `poof.open_video`.

    Raises
    ------
    PoofError
        If the numbers differ, or a file cannot be read.
    """
    if len(labels) != len(videos):
        raise PoofError(
            f"{len(labels)} label files and {len(videos)} videos; give one {option} for each label file, in their order"
        )
    pairs = []
    for label_path, video_path in zip(labels, videos):
        video = open_video(video_path, on_damage)
        pairs.append(Pair(video, _labels_of(video, label_path, video_path)))
    return pairs


def _labels_of(video: Video, label_path: Path, video_path: Path) -> LabelSet:
    """The labels; a `PoofError` where the images they name are not those of the folder (one was deleted, say)."""
    check_names(label_path, video)
    labels = load_labels(label_path, frame_names=video.frame_names, video=str(video_path))
    images = video.frame_names
    if images is None:
        return labels
    for frame, name in sorted(labels.frame_names.items()):
        found = Path(images[frame]).name if frame < len(images) else "missing"
        if found != Path(name).name:
            raise PoofError(
                f"{label_path}: frame {frame} is the image {Path(name).name}, in {video_path} it is {found}; "
                "give the folder that was labelled, with all its images"
            )
    return labels


@contextmanager
def run_folder(folder: Path, resume: bool, force: bool) -> Iterator[Path]:
    """Make the folder of a run, before any work is done; one that was made for nothing goes when the run fails.

    Raises
    ------
    PoofError
        If it holds a run already (without `resume` or `force`), holds none to resume, or cannot be made or written.
    """
    last = folder / "last.pt"
    if resume and not last.exists():
        raise PoofError(f"{folder}: holds no run to resume (no last.pt); start it without --resume")
    if last.exists() and not (resume or force):
        raise PoofError(f"{folder}: holds a run already; go on with --resume, overwrite with --force, or choose -o")
    with made_folder(folder, "-o"):
        try:
            yield folder
        except BaseException:
            clear_leftovers(folder)
            raise


def models_and_videos(
    inputs: Sequence[Path], model: Path | None, ensemble: Sequence[Path]
) -> tuple[list[Path], list[Path]]:
    """The videos and the checkpoints of `poof predict`, whose arguments may be mixed: `video.mp4 --ensemble a.pt b.pt`.

    Raises
    ------
    PoofError
        If there is no video, or no model; all that is missing at once.
    """
    more = [path for path in inputs if path.suffix in CHECKPOINT_ENDINGS]
    videos = [path for path in inputs if path not in more]
    if model is not None and (ensemble or more):
        raise PoofError("give either --model or --ensemble, not both")
    models = [model] if model is not None else [*ensemble, *more]
    missing = [] if videos else ["a video"]
    if not models:
        missing.append("a pose model: --model, the best.pt of a run of poof train or poof refine")
    if missing:
        raise PoofError(f"poof predict lacks {' and '.join(missing)}")
    return videos, models


def boxes_of(video: Video, given: Given | None, boxes: Path | None) -> InstanceBoxes | None:
    """The boxes of a video's subjects from labels or a box file; None for one subject in the whole frame.

    Raises
    ------
    PoofError
        If both are given, or a file cannot be read or does not fit the video.
    """
    if given is not None and boxes is not None:
        raise PoofError("give either --labels or --boxes, not both")
    if given is not None:
        check_fit(given.labels, video.size, None, video.name)
        return boxes_from_labels(given.labels, ", ".join(map(str, given.files)))
    return None if boxes is None else boxes_from_file(boxes)

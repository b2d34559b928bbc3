"""Matching of frames between predictions and labels: by image names, else by numbers."""

from __future__ import annotations

from pathlib import PurePosixPath

from poof.labels.model import LabelSet


def frames_alike(prediction: LabelSet, truth: LabelSet, name: str) -> tuple[LabelSet, str]:
    """The prediction with the frame numbers of the labels.

    Where both sides name images and at least half of the labelled frames' names are found among the prediction's, the
    names decide; a folder with gaps is numbered differently by those who count its images and those who read the
    numbers in their names. Other names mean that two tools named the frames of one video: then numbers decide.

    Returns
    -------
    LabelSet, str
        The prediction, and what the user should know ('' when numbers and names agree).
    """
    ours = {_stem(truth.frame_names[f]): f for f in truth.frames if f in truth.frame_names}
    theirs = {_stem(n): f for f, n in prediction.frame_names.items()}
    common = ours.keys() & theirs.keys()
    if not ours or not theirs or all(ours[n] == theirs[n] for n in common):
        differ = [
            f
            for f in truth.frames
            if f in truth.frame_names
            and f in prediction.frame_names
            and _stem(truth.frame_names[f]) != _stem(prediction.frame_names[f])
        ]
        if not differ:
            return prediction, ""
        first = differ[0]
        return prediction, (
            f"{name}: its images are named otherwise than those of the labels ({_stem(prediction.frame_names[first])}"
            f" and {_stem(truth.frame_names[first])} for frame {first}); matched by frame number"
        )
    if 2 * len(common) < len(ours):
        return prediction, f"{name}: few of its images are named as those of the labels; matched by frame number"
    number = {theirs[n]: ours[n] for n in common}
    free = max([*truth.frames, *prediction.frames, *truth.frame_names]) + 1
    for frame in prediction.frames:
        if frame not in number:
            number[frame], free = free, free + 1
    instances = {(number[f], i): points for (f, i), points in prediction.instances.items()}
    names = {number[f]: n for f, n in prediction.frame_names.items() if f in number}
    note = f"{name}: numbers its frames otherwise than the labels; matched by the names of {len(common)} images"
    return prediction.replace(instances=dict(sorted(instances.items())), frame_names=names), note


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem

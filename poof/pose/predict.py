"""Running pose models on video."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poof.deprecated import old_arguments
from poof.errors import PoofError, PoofWarning
from poof.flow.device import resolve_device
from poof.labels import LabelSet, Points, Source, Visible
from poof.pose.crops import Crop, Margin
from poof.pose.instance_boxes import InstanceBoxes, WholeFrame
from poof.pose.model import PoseModel, load_model
from poof.pose.precision import Precision, place
from poof.progress import Track, silent
from poof.video import Video

Array = np.ndarray


@old_arguments(people="boxes")
def predict_pose(
    video: Video,
    model: PoseModel | str | Path | Sequence[PoseModel | str | Path],
    boxes: InstanceBoxes | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    flip: bool = True,
    margin: Margin | None = None,
    batch: int = 16,
    device: str = "auto",
    precision: Precision = "auto",
    track: Track = silent,
) -> LabelSet:
    """Keypoints of the subjects in every frame; the video streams, memory does not grow with it.

    Parameters
    ----------
    video
        To look at.
    model
        A model or its checkpoint. Several form an ensemble: each joint is taken from the model that was best on it in
        validation (thesis, 3.3.8).
    boxes
        Where the subjects are; None: one subject, anywhere in the frame.
    start, stop
        First frame, and the frame before which to end.
    flip
        Average with the mirrored image, where the skeleton tells left from right; twice the time.
    margin
        How much larger than a subject's box the crops are, or how much wider and higher; None: as the model was
        trained (a whole frame is taken as it is). (1.09, 1.135) is MSPN's official test crop on COCO.
    batch
        Crops at a time.
    device
        'auto', 'cpu', 'cuda', 'cuda:N'.
    precision
        See `poof.pose.precision`.
    track
        Shows progress.

    Returns
    -------
    LabelSet
        Source `PREDICTED`. Points lie within the image; keypoints that training labels say may be absent are so where
        their peak is lower than held-out labels say it must be. The confidence is the chance that the error is below
        5 % of the crop's longer side, as fitted on the validation data; the plain height of the peak in models that
        were trained without.

    Raises
    ------
    PoofError
        If a checkpoint is missing or damaged, models of an ensemble have other keypoints or no validation, the device
        is not there, or no subject is in any frame.
    """
    where = resolve_device(device)
    if stop is not None and stop <= start:
        raise PoofError(f"there is no frame from {start} on and before {stop}; the stop must lie behind the start")
    given = [model] if isinstance(model, (PoseModel, str, Path)) else list(model)
    if not given:
        raise PoofError("no pose model to predict with; give at least one checkpoint")
    models = [m if isinstance(m, PoseModel) else load_model(m, where) for m in given]
    names = [str(m) if not isinstance(m, PoseModel) else f"model {i + 1}" for i, m in enumerate(given)]
    for one in models:
        place(one.network, where)
    chosen = _specialists(models, names)
    boxes = boxes or WholeFrame(video.size)
    skeleton = models[0].skeleton
    labels = LabelSet(
        skeleton, image_size=video.size, tracked=boxes.tracked, info=_info(given, chosen, flip) | {"video": video.name}
    )
    corner = np.array(video.size) - 1

    for members in _batches(video, boxes, start, stop, batch, track):
        xy = np.empty((len(members), len(skeleton), 2), np.float32)
        confidence = np.empty((len(members), len(skeleton)), np.float32)
        absent = np.zeros((len(members), len(skeleton)), bool)
        for one, joints, theirs in chosen:
            crops = [Crop.around(box, one.input_size, margin or boxes.margin or one.margin) for _, _, _, box in members]
            images = np.stack([crop.cut(image) for crop, (_, _, image, _) in zip(crops, members)])
            points, trust, gone = one.points(
                torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(where), flip, precision
            )
            for i, crop in enumerate(crops):
                xy[i, joints] = crop.to_frame(points[i, theirs])
                confidence[i, joints] = trust[i, theirs]
                absent[i, joints] = gone[i, theirs]
        for i, (frame, instance, _, box) in enumerate(members):
            labels.add(frame, instance, _points(xy[i].clip(0, corner), confidence[i], absent[i], box, boxes))
    for hole in video.holes:
        what = f"frames {hole.start} to {hole.stop - 1} cannot be read ({hole.reason}) and have no prediction"
        warnings.warn(f"{video.name}: {what}", PoofWarning, stacklevel=2)
    if video.damage is not None:
        warnings.warn(
            f"{video.name}: damaged from frame {video.damage.frame} on ({video.damage.reason}); predicted up to there",
            PoofWarning,
            stacklevel=2,
        )
    if not labels.instances:
        last = video.count() - 1
        if start > last:
            raise PoofError(f"{video.name}: has no frame {start}; its frames are 0 to {last}")
        until = last if stop is None else min(stop - 1, last)
        raise PoofError(f"{video.name}: no subject is in frames {start} to {until}; give boxes for some of them")
    if video.frame_names is not None:
        labels.frame_names = {frame: video.frame_names[frame] for frame in labels.frames}
    return labels


def _batches(
    video: Video, boxes: InstanceBoxes, start: int, stop: int | None, batch: int, track: Track
) -> Iterator[list[tuple[int, int, Array, Array]]]:
    """(frame, instance, image, box) of the subjects, `batch` at a time."""
    members: list[tuple[int, int, Array, Array]] = []
    total = None
    if track is not silent:  # finding the number of frames takes a pass of its own
        total = max(0, min(video.count(), video.count() if stop is None else stop) - start)
    for frame, image in track(video.frames(start, stop), "predicting", total):
        for instance, box in boxes.at(frame).items():
            members.append((frame, instance, image, box))
            if len(members) == batch:
                yield members
                members = []
    if members:
        yield members


def _specialists(models: Sequence[PoseModel], names: Sequence[str]) -> list[tuple[PoseModel, list[int], list[int]]]:
    """(model, joints it answers for, its own numbers of them); a single model answers for all."""
    skeleton = models[0].skeleton
    if len(models) == 1:
        every = list(range(len(skeleton)))
        return [(models[0], every, every)]
    scores = np.full((len(models), len(skeleton)), np.nan)
    for i, (one, name) in enumerate(zip(models, names)):
        if set(one.skeleton.keypoints) != set(skeleton.keypoints):
            raise PoofError(
                f"{name}: predicts other keypoints than {names[0]}; an ensemble needs models of one skeleton"
            )
        if not one.validation:
            raise PoofError(f"{name}: has no validation accuracy to choose by; train it with validation data")
        scores[i] = [one.validation["joint_score"][one.skeleton.index(k)] for k in skeleton.keypoints]
    # A joint that nobody was judged on goes to the model that is best on the whole.
    whole = np.array([one.validation["score"] for one in models])
    best = np.where(np.isnan(scores), whole[:, None] - 1, scores).argmax(0)
    result = []
    for i, one in enumerate(models):
        joints = [int(k) for k in np.flatnonzero(best == i)]
        if joints:
            result.append((one, joints, [one.skeleton.index(skeleton.keypoints[k]) for k in joints]))
    return result


def _points(xy: Array, confidence: Array, absent: Array, box: Array, boxes: InstanceBoxes) -> Points:
    points = Points.empty(len(xy))
    points.xy[:] = np.where(absent[:, None], np.nan, xy)
    points.visible[:] = np.where(absent, Visible.ABSENT, Visible.VISIBLE)
    points.source[:] = Source.PREDICTED
    points.confidence[:] = np.where(absent, np.nan, confidence)
    points.box = None if isinstance(boxes, WholeFrame) else box.astype(np.float32)
    return points


def _info(
    given: Sequence[PoseModel | str | Path], chosen: Sequence[tuple[PoseModel, list[int], list[int]]], flip: bool
) -> dict[str, Any]:
    files = [str(m) for m in given if not isinstance(m, PoseModel)]
    info: dict[str, Any] = {"method": "predict", "models": files, "flip": flip}
    if len(given) > 1:
        info["joints_by_model"] = [[one.skeleton.keypoints[k] for k in theirs] for one, _, theirs in chosen]
    return info

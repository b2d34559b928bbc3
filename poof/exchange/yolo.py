"""For Ultralytics' YOLO pose: images, a text file for each, and ``data.yaml`` with names and mirrored pairs.

A line is a class, a box and the keypoints, all from 0 to 1 of the image, each keypoint with 0 (not there), 1 (covered)
or 2. The last tenth of the frames, in time, is for validation: neighbours of a frame would be too easy a test. YOLO
knows no sources, confidences or identities.
"""

from __future__ import annotations

import numpy as np

from poof.errors import PoofError
from poof.exchange.export import Export, Order
from poof.exchange.frames import image_names, write_frames
from poof.files import check_output, made_folder, write_text
from poof.labels.formats.names import Pattern
from poof.labels.model import Array, Points, Skeleton

VALIDATION = 10
"""One of so many frames is for validation."""
MARGIN = 0.1
"""Of the extent of the points, that a box is larger on every side where the labels have none."""


def export(order: Order) -> Export:
    """Write images, labels and data.yaml into `order.folder`."""
    names = image_names(order.labels, order.footage, Pattern(f"{order.video}_", 6, ".png"))
    labels = order.labels
    data = order.folder / "data.yaml"
    train, validation = split(labels.frames)
    written = 0
    with made_folder(order.folder, "-o"):
        check_output(data, order.force)
        for part in ("train", "val"):
            if (texts := order.folder / part / "labels").is_dir() and any(texts.iterdir()) and not order.force:
                raise PoofError(f"{texts}: holds labels already; choose another folder or say --force")
        for part, frames in (("train", train), ("val", validation)):
            chosen = {frame: names[frame] for frame in frames}
            written += len(write_frames(order.footage, chosen, order.folder / part / "images", order.track))
            texts = order.folder / part / "labels"
            texts.mkdir(parents=True, exist_ok=True)
            for frame in frames:
                lines = [line(points, order.footage.size) for points in labels.at(frame).values()]
                path = texts / f"{names[frame].rsplit('.', 1)[0]}.txt"
                write_text(path, "".join(f"{text}\n" for text in lines if text))
        write_text(data, settings(labels.skeleton))
    machine = sum(int((p.labelled & ~p.is_human).sum()) for _, _, p in labels)
    notes = [f"{machine} points are no person's; YOLO's labels do not say which"] if machine else []
    return Export(
        order.folder, [data], written, labels.frames, notes, f"yolo pose train data={data} model=yolo11n-pose.pt"
    )


def split(frames: list[int]) -> tuple[list[int], list[int]]:
    """Frames to train on, and the last ones to validate on; one frame is both."""
    if len(frames) < 2:
        return frames, frames
    cut = len(frames) - max(1, len(frames) // VALIDATION)
    return frames[:cut], frames[cut:]


def line(points: Points, size: tuple[int, int]) -> str:
    """The line of one subject, '' if nothing of it is in the image."""
    scale: Array = np.array(size, np.float64)
    xy = points.xy.astype(np.float64) / scale
    with np.errstate(invalid="ignore"):
        shown = points.labelled & (points.visible > 0) & ((xy >= 0) & (xy <= 1)).all(axis=1)
    if not shown.any():
        return ""
    box = points.box
    low, high = xy[shown].min(axis=0), xy[shown].max(axis=0)
    if box is not None and np.isfinite(box).all() and (box[2:] > 0).all():
        first, last = box[:2] / scale, (box[:2] + box[2:]) / scale
        if (first <= low).all() and (last >= high).all():
            low, high = first, last
    else:
        room = np.maximum((high - low) * MARGIN, 2 / scale)
        low, high = low - room, high + room
    low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    numbers = [*((low + high) / 2), *(high - low)]
    cells = [f"{v:.6f}" for v in numbers]
    for k in range(len(points)):
        cells += [f"{xy[k, 0]:.6f}", f"{xy[k, 1]:.6f}", str(int(points.visible[k]))] if shown[k] else ["0", "0", "0"]
    return " ".join(["0", *cells])


def settings(skeleton: Skeleton) -> str:
    """The text of data.yaml."""
    import yaml

    flip = list(range(len(skeleton)))
    for a, b in skeleton.symmetry:
        flip[a], flip[b] = b, a
    content = {
        "train": "train/images",
        "val": "val/images",
        "kpt_shape": [len(skeleton), 3],
        "flip_idx": flip,
        "names": {0: skeleton.name},
        "kpt_names": {0: list(skeleton.keypoints)},
    }
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

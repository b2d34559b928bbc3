"""Writing of Label Studio's tasks; `poof.labels.formats.label_studio` says what the file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from poof.errors import PoofError
from poof.files import write_text
from poof.labels.formats.capabilities import Capabilities, warn_lost
from poof.labels.formats.names import image_name
from poof.labels.model import Array, LabelSet, Points

OURS = "poof-"
"""How the ids of our regions begin; a person's edit in Label Studio adds regions with other ids."""
CAPABILITIES = Capabilities(human=True, confidence=True, names=True, size=True)

_DECIMALS = 6


def save(labels: LabelSet, path: Path, prefix: str = "") -> None:
    """Write image tasks, atomically; a `PoofWarning` names what does not fit in them.

    `prefix` stands before the name of each image, where a server finds it.
    """
    if labels.image_size is None:
        raise PoofError(f"{path}: Label Studio counts in per cent of the image, whose size is unknown; give --frames")
    width, height = labels.image_size
    outside = 0
    tasks = []
    for frame, group in labels.by_frame().items():
        human: list[dict[str, Any]] = []
        machine: list[dict[str, Any]] = []
        scores: list[float] = []
        for instance, points in group.items():
            xy = points.xy.astype(np.float64)
            with np.errstate(invalid="ignore"):
                inside = points.labelled & ((xy >= 0) & (xy <= (width, height))).all(axis=1)
            outside += int((points.labelled & ~inside).sum())
            for result, keep in ((human, inside & points.is_human), (machine, inside & ~points.is_human)):
                result += _regions(labels, frame, instance, points, keep, result is machine)
            scores += points.confidence[inside & ~points.is_human].tolist()
        task: dict[str, Any] = {
            "data": {"image": prefix + image_name(labels, frame)},
            "meta": {
                "video": {
                    "filename": str(labels.info.get("video") or ""),
                    "frame_idx": frame,
                    "shape": [labels.frames[-1] + 1, height, width, 3],
                },
                "keypoints": list(labels.skeleton.keypoints),
            },
        }
        if human:
            task["annotations"] = [{"result": human, "was_cancelled": False, "ground_truth": False}]
        if machine:
            known = [s for s in scores if s == s]
            score = {"score": round(float(np.mean(known)), 4)} if known else {}
            task["predictions"] = [{"model_version": "poof", **score, "result": machine}]
        tasks.append(task)
    others = [f"{outside} points outside the image"] if outside else []
    warn_lost(labels, path, "Label Studio's format", CAPABILITIES, others)
    lines = ",\n".join(json.dumps(task, ensure_ascii=False, allow_nan=False) for task in tasks)
    write_text(path, f"[\n{lines}\n]\n")


def _regions(
    labels: LabelSet, frame: int, instance: int, points: Points, keep: Array, scored: bool
) -> list[dict[str, Any]]:
    """The regions of one subject: a rectangle where there are several subjects, and its points."""
    assert labels.image_size is not None
    width, height = labels.image_size
    if not keep.any():
        return []
    common = {"original_width": width, "original_height": height, "image_rotation": 0, "to_name": "image"}
    several = len(labels.instance_ids) > 1 or bool(labels.individuals)
    name = f"{OURS}{frame}-{instance}{'m' if scored else ''}"
    cents = points.xy.astype(np.float64) / (width, height) * 100
    found: list[dict[str, Any]] = []
    if several:
        low, high = cents[keep].min(axis=0), cents[keep].max(axis=0)
        found.append(
            common
            | {
                "id": name,
                "from_name": "subject",
                "type": "rectanglelabels",
                "value": {
                    "x": round(low[0], _DECIMALS),
                    "y": round(low[1], _DECIMALS),
                    "width": round(high[0] - low[0], _DECIMALS),
                    "height": round(high[1] - low[1], _DECIMALS),
                    "rotation": 0,
                    "rectanglelabels": [subject(labels, instance)],
                },
            }
        )
    for k in np.flatnonzero(keep).tolist():
        region: dict[str, Any] = common | {
            "id": f"{name}-{k}",
            "from_name": "keypoint",
            "type": "keypointlabels",
            "value": {
                "x": round(cents[k, 0], _DECIMALS),
                "y": round(cents[k, 1], _DECIMALS),
                "width": 0.5,
                "keypointlabels": [labels.skeleton.keypoints[k]],
            },
        }
        if several:
            region["parentID"] = name
        if scored and points.confidence[k] == points.confidence[k]:
            region["score"] = round(float(points.confidence[k]), 4)
        found.append(region)
    return found


def subject(labels: LabelSet, instance: int) -> str:
    """How a rectangle calls a subject."""
    return labels.individuals.get(instance, f"subject {instance + 1}")


def interface(labels: LabelSet) -> str:
    """The labelling interface of a project that takes the tasks, as XML."""
    several = len(labels.instance_ids) > 1 or bool(labels.individuals)
    lines = ["<View>", '  <Image name="image" value="$image"/>', '  <KeyPointLabels name="keypoint" toName="image">']
    lines += [f"    <Label value={quoteattr(name)}/>" for name in labels.skeleton.keypoints]
    lines.append("  </KeyPointLabels>")
    if several:
        lines.append('  <RectangleLabels name="subject" toName="image">')
        lines += [f"    <Label value={quoteattr(subject(labels, i))}/>" for i in labels.instance_ids]
        lines.append("  </RectangleLabels>")
    return "\n".join([*lines, "</View>", ""])

"""Object keypoint similarity and COCO's average precision; the ranking and matching are faster-coco-eval's.

    OKS = mean over the labelled keypoints of exp(-d^2 / (2 * area * (2 sigma)^2))         (COCO keypoint evaluation)

with d the distance in pixels, `area` of the subject in square pixels and one `sigma` a keypoint: how far two people who
label the same keypoint differ, relative to the root of the area. Two things COCO takes from its own files have to be
chosen for others:

* **sigma**: COCO's for keypoints of COCO's names, else `DEFAULT_SIGMA`, the mean of COCO's seventeen: a point nobody
  has measured is judged like an average one. Smaller is stricter; sleap-nn takes 0.025 for all.
* **area**: COCO uses the area of the outline. Here it is 0.53 of the box (the share CrowdPose's evaluation assumes),
  the box being the label file's or the extent of the labelled points. Its shorter side counts as at least a quarter of
  the longer, since an arm stretched along the image's axis has an area, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.evaluation.normalisers import longer_side, plain, shown, subject_box
from poof.labels.model import LabelSet, Points, Skeleton

Array = np.ndarray

COCO_SIGMAS = {
    "nose": 0.026, "left_eye": 0.025, "right_eye": 0.025, "left_ear": 0.035, "right_ear": 0.035,
    "left_shoulder": 0.079, "right_shoulder": 0.079, "left_elbow": 0.072, "right_elbow": 0.072,
    "left_wrist": 0.062, "right_wrist": 0.062, "left_hip": 0.107, "right_hip": 0.107,
    "left_knee": 0.087, "right_knee": 0.087, "left_ankle": 0.089, "right_ankle": 0.089,
}  # fmt: skip
DEFAULT_SIGMA = 0.067
BOX_SHARE = 0.53
SLIMMEST = 0.25

_BY_PLAIN_NAME = {plain(name): sigma for name, sigma in COCO_SIGMAS.items()}


def keypoint_sigmas(skeleton: Skeleton, sigmas: float | Mapping[str, float] | None = None) -> Array:
    """(K,) sigma of each keypoint.

    Parameters
    ----------
    skeleton
        Whose keypoints.
    sigmas
        None: the defaults of this module. A number: that for all. A mapping by name: those given, defaults for others.

    Raises
    ------
    PoofError
        If a sigma is not positive or a name is not in the skeleton.
    """
    if isinstance(sigmas, Mapping):
        given = {skeleton.index(name): value for name, value in sigmas.items()}
    elif sigmas is None:
        given = {}
    else:
        given = dict.fromkeys(range(len(skeleton)), sigmas)
    values = [given.get(i, _BY_PLAIN_NAME.get(plain(k), DEFAULT_SIGMA)) for i, k in enumerate(skeleton.keypoints)]
    if not all(np.isfinite(v) and v > 0 for v in values):
        raise PoofError("sigmas of keypoints must be positive numbers")
    return np.array(values, np.float64)


def object_area(box: Array) -> float:
    """Area of the subject in square pixels from its box (x, y, width, height); NaN for a box without size."""
    width, height = float(box[2]), float(box[3])
    area = BOX_SHARE * max(width, SLIMMEST * height) * max(height, SLIMMEST * width)
    return area if area > 0 else float("nan")


def similarity(true: Array, there: Array, predicted: Array, area: float, sigmas: Array) -> float:
    """OKS of one predicted instance (K, 2) against a true one (K, 2), over the labelled keypoints, `there` (K,) bool.

    A keypoint that was not predicted (NaN) is infinitely far away. NaN when nothing is labelled or `area` is NaN.
    """
    if not there.any() or not area > 0:
        return float("nan")
    squared = ((predicted - true).astype(np.float64) ** 2).sum(axis=1)[there]
    value = np.exp(-np.where(np.isfinite(squared), squared, np.inf) / (8 * area * sigmas[there] ** 2))
    return float(value.mean())


def average_precision(
    predictions: Mapping[str, LabelSet],
    truth: Mapping[str, LabelSet],
    sigmas: float | Mapping[str, float] | None = None,
) -> dict[str, float]:
    """COCO's keypoint AP over the frames that have labels.

    Instances of which no point is judged, or which have no size (one point and no box), are left out; so are the
    predictions that stand for them.

    Parameters
    ----------
    predictions, truth
        Label sets by video, all with the same keypoints in the same order. An instance's score is the mean confidence
        of its points (1 where a file has none); points that are not predicted are infinitely far away.
    sigmas
        See `keypoint_sigmas`.

    Returns
    -------
    dict
        'AP' (mean over OKS thresholds 0.50, 0.55 ... 0.95), 'AP50', 'AP75', 'AR' (mean recall over the thresholds) and
        'instances', the number of labelled ones. NaN when there is none.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    skeleton = next(iter(truth.values())).skeleton
    values = keypoint_sigmas(skeleton, sigmas)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    sides = [longer_side(subject_box(p)) for labels in truth.values() for p in labels.instances.values() if _sized(p)]
    typical = float(np.median(sides)) if sides else 0.0
    for video, labels in truth.items():
        found = predictions[video].by_frame()
        for frame, instances in labels.by_frame().items():
            judged = [p for p in instances.values() if shown(p).any() and _sized(p)]
            if not judged:
                continue
            image = len(images) + 1
            images.append({"id": image})
            for p in judged:
                annotations.append(_annotation(p) | {"id": len(annotations) + 1, "image_id": image})
            others = [_room(p, typical) for p in instances.values() if not (shown(p).any() and _sized(p))]
            for p in found.get(frame, {}).values():
                if p.labelled.any() and not _excused(p, judged, others, values):
                    results.append(_result(p) | {"image_id": image})
    if not annotations:
        return {"AP": np.nan, "AP50": np.nan, "AP75": np.nan, "AR": np.nan, "instances": 0}
    category = {"id": 1, "name": skeleton.name, "keypoints": list(skeleton.keypoints), "skeleton": []}
    true = COCO({"images": images, "annotations": annotations, "categories": [category]})
    judge = COCOeval_faster(true, true.loadRes(results), "keypoints", kpt_oks_sigmas=values.tolist())
    judge.run()
    stats = judge.all_stats
    return {
        "AP": float(stats[0]),
        "AP50": float(stats[1]),
        "AP75": float(stats[2]),
        "AR": float(stats[5]),
        "instances": len(annotations),
    }


def _sized(points: Points) -> bool:
    return object_area(subject_box(points)) > 0


def _annotation(points: Points) -> dict[str, Any]:
    """A true instance in COCO's form."""
    there, box = shown(points), subject_box(points)
    flat = np.concatenate([np.nan_to_num(points.xy.astype(np.float64)), 2.0 * there[:, None]], axis=1)
    flat[~there] = 0
    return {
        "category_id": 1,
        "keypoints": flat.ravel().tolist(),
        "num_keypoints": int(there.sum()),
        "bbox": box.tolist(),
        "area": object_area(box),
        "iscrowd": 0,
    }


def _room(points: Points, typical: float) -> Array:
    """(4,) where an instance is that is not judged; one without size gets a box of the `typical` side, px."""
    box = subject_box(points)
    return box if _sized(points) else np.concatenate([box[:2] - typical / 2, [typical, typical]])


def _excused(points: Points, judged: Sequence[Points], others: Sequence[Array], sigmas: Array) -> bool:
    """Whether a predicted instance stands for a true one that is not judged, so that it is no false one.

    COCO's rule for instances without keypoints, applied beforehand: it is like no judged one (OKS below 0.5 with all
    of them) and at least half of its points lie in the box of one that is not judged, a box's width around included.
    """
    if not others:
        return False
    alike = [similarity(p.xy, shown(p), points.xy, object_area(subject_box(p)), sigmas) for p in judged]
    if max(alike) >= 0.5:
        return False
    xy = points.xy[points.labelled]
    inside = [((xy >= box[:2] - box[2:]) & (xy <= box[:2] + 2 * box[2:])).all(axis=1).mean() for box in others]
    return max(inside) >= 0.5


def _result(points: Points) -> dict[str, Any]:
    """A predicted instance in COCO's form. COCO has no 'not predicted': such points go where they can match nothing."""
    found = points.labelled
    flat = np.concatenate([points.xy.astype(np.float64), np.ones((len(points), 1))], axis=1)
    flat[~found] = (-1e7, -1e7, 0)
    confidence = points.confidence[found]
    known = np.isfinite(confidence)
    extent = points.extent()
    return {
        "category_id": 1,
        "keypoints": flat.ravel().tolist(),
        # The evaluator takes a result's area from its box and ignores those outside [0, 1e10]: not from the far points.
        "bbox": [0.0, 0.0, 1.0, 1.0] if extent is None else extent.astype(float).tolist(),
        "score": float(confidence[known].mean()) if known.any() else 1.0,
    }

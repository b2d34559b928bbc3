"""Checks of label sets against their video and each other; scaling and aligning them."""

from __future__ import annotations

import numpy as np

from poof.errors import PoofError, first_names
from poof.labels.model import MAX_COORDINATE, LabelSet, Points, Skeleton, same_skeleton

MARGIN = 1.0
"""How far, in pixels, a person's point may lie outside the image: clicks on the rim do."""
MAX_SCALE = 1000
"""By which labels can be resized, and its inverse."""
SIZE_TOLERANCE = 1
"""Difference of a side in pixels that counts as the same size: encoders cut odd sides to even ones."""


def check_fit(labels: LabelSet, size: tuple[int, int], frame_count: int | None, name: str) -> None:
    """Refuse labels that cannot belong to a video.

    Parameters
    ----------
    labels
        Any label set.
    size
        (width, height) of the video in pixels.
    frame_count
        Number of frames of the video; None when it is not known yet, then frames are not checked.
    name
        The video, as messages shall call it.

    Raises
    ------
    PoofError
        If the labels were made at another image size (more than `SIZE_TOLERANCE` apart), name a frame beyond the end,
        or hold a visible or occluded human point more than `MARGIN` outside the image.
    """
    width, height = size
    if labels.image_size is not None:
        made = labels.image_size
        if abs(made[0] - width) > SIZE_TOLERANCE or abs(made[1] - height) > SIZE_TOLERANCE:
            if is_turned(made, size):
                raise _turned(name, size, f"{made[0]}x{made[1]}")
            raise PoofError(
                f"{name}: is {width}x{height}, the labels were made at {made[0]}x{made[1]}; scale them first"
                f" (poof convert --scale {scale_factor(made, size)})"
            )
    if frame_count is not None:
        beyond = [frame for frame in labels.frames if frame >= frame_count]
        if beyond:
            raise PoofError(
                f"{name}: ends at frame {frame_count - 1}, the labels name frame {beyond[0]};"
                " give the video they were made on, or remove those labels"
            )
    low, high = -0.5 - MARGIN, np.array([width, height]) - 0.5 + MARGIN
    everything = np.concatenate([np.zeros((0, 2)), *(p.xy[p.is_human & (p.visible > 0)] for _, _, p in labels)])
    turned = is_turned(size, (height, width)) and _fits(everything, (height, width))
    for frame, instance, points in labels:
        xy = points.xy
        outside = points.is_human & (points.visible > 0) & ((xy < low) | (xy > high)).any(axis=1)
        for k in np.flatnonzero(outside):
            whose = f" of instance {instance}" if len(labels.instance_ids) > 1 else ""
            remedy = "scale labels made at another size (poof convert --scale)"
            if turned:
                remedy = f"label the frames as the video shows them (all fit {height}x{width}, turned by a quarter)"
            raise PoofError(
                f"{name}: frame {frame}: {labels.skeleton.keypoints[k]}{whose} is labelled at"
                f" ({xy[k, 0]:.1f}, {xy[k, 1]:.1f}), outside the {width}x{height} image; correct it, or {remedy}"
            )


def is_turned(made: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether two sizes of pictures have each other's proportions: a quarter turn lies between them, no scale."""
    aspect, other = made[0] / made[1], size[0] / size[1]
    return abs(np.log(aspect * other)) < 0.02 and abs(np.log(aspect)) > 0.1


def _turned(name: str, size: tuple[int, int], made: str) -> PoofError:
    return PoofError(
        f"{name}: is {size[0]}x{size[1]}, the labels were made at {made}: width and height are exchanged, the pictures"
        " were turned by a quarter; label the frames as the video shows them"
    )


def _fits(xy: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether all points lie in an image of this size, or on its rim."""
    return bool(((xy >= -0.5 - MARGIN) & (xy <= np.array(size) - 0.5 + MARGIN)).all())


def scale_factor(made: tuple[int, int], size: tuple[int, int]) -> str:
    """The argument of --scale that makes labels of one size fit another: one number where that is enough."""
    sx, sy = size[0] / made[0], size[1] / made[1]
    return f"{sx:.6g}" if abs(made[1] * sx - size[1]) < SIZE_TOLERANCE else f"{sx:.6g},{sy:.6g}"


def scaled(labels: LabelSet, sx: float, sy: float) -> LabelSet:
    """The labels of the same frames resized by `sx` horizontally and `sy` vertically.

    Coordinates count from the centre of the top-left pixel, so a point moves as image resizing moves it:
    x' = (x + 1/2) sx - 1/2.

    Raises
    ------
    PoofError
        If a factor is not a positive number.
    """
    factor = np.array([sx, sy], np.float64)
    if not (np.isfinite(factor).all() and (factor >= 1 / MAX_SCALE).all() and (factor <= MAX_SCALE).all()):
        raise PoofError(
            f"a scale of {sx:g} x {sy:g} is impossible; give numbers from {1 / MAX_SCALE:g} to {MAX_SCALE:g}"
        )
    instances: dict[tuple[int, int], Points] = {}
    for frame, instance, points in labels:
        moved = points.copy()
        moved.xy = ((points.xy + 0.5) * factor - 0.5).astype(np.float32)
        if (np.abs(moved.xy[points.labelled]) > MAX_COORDINATE).any():
            raise PoofError(f"frame {frame}: a scale of {sx:g} x {sy:g} puts points beyond any picture; correct it")
        if points.flow_xy is not None:
            moved.flow_xy = ((points.flow_xy + 0.5) * factor - 0.5).astype(np.float32)
        if points.box is not None:
            corner, extent = points.box[:2], points.box[2:]
            moved.box = np.concatenate([(corner + 0.5) * factor - 0.5, extent * factor]).astype(np.float32)
        instances[frame, instance] = moved
    size = labels.image_size
    if size is not None:
        size = (max(1, round(size[0] * sx)), max(1, round(size[1] * sy)))
    return labels.replace(instances=instances, image_size=size)


def aligned(labels: LabelSet, skeleton: Skeleton, name: str) -> LabelSet:
    """The labels in the keypoint order of `skeleton`, which must have the same names.

    Parameters
    ----------
    labels
        The labels to bring in order.
    skeleton
        The order wanted; becomes the skeleton of the result.
    name
        The file of `labels`, as messages shall call it.

    Raises
    ------
    PoofError
        If a keypoint is in one of the two only.
    """
    own = labels.skeleton.keypoints
    unknown = [k for k in own if k not in skeleton.keypoints]
    missing = [k for k in skeleton.keypoints if k not in own]
    if unknown or missing:
        differences = [f"it alone has {first_names(unknown)}"] if unknown else []
        differences += [f"it lacks {first_names(missing)}"] if missing else []
        raise PoofError(f"{name}: is labelled with another skeleton: {'; '.join(differences)}; rename its keypoints")
    if same_skeleton(labels.skeleton, skeleton):
        return labels.replace(skeleton=skeleton)
    order = [own.index(k) for k in skeleton.keypoints]
    instances = {key: points.ordered(order) for key, points in labels.instances.items()}
    return labels.replace(skeleton=skeleton, instances=instances)


def merge(base: LabelSet, other: LabelSet, name: str = "the corrections") -> LabelSet:
    """`base` with what a person said in `other` put in: a correction wins over everything that was there.

    Instances are matched by their number. Points that are not a person's in `other` are not looked at. Neither
    argument is changed.

    Parameters
    ----------
    base, other
        Labels of the same video.
    name
        The file of `other`, as messages shall call it.

    Raises
    ------
    PoofError
        If the keypoints or the image sizes differ.
    """
    if base.image_size and other.image_size and base.image_size != other.image_size:
        if is_turned(other.image_size, base.image_size):
            raise _turned("the other labels", base.image_size, "{}x{}".format(*other.image_size))
        sizes = [f"{w}x{h}" for w, h in (other.image_size, base.image_size)]
        raise PoofError(f"{name}: made at {sizes[0]}, the other labels at {sizes[1]}; scale one of them (poof convert)")
    instances = dict(base.instances)
    for frame, instance, correction in aligned(other, base.skeleton, name).human():
        points = instances.get((frame, instance))
        points = Points.empty(len(base.skeleton)) if points is None else points.copy()
        points.put(correction.by_person, correction)
        if correction.box is not None:
            points.box = correction.box.copy()
        instances[frame, instance] = points
    return base.replace(
        instances=instances,
        image_size=base.image_size or other.image_size,
        tracked=base.tracked and other.tracked,
        frame_names=other.frame_names | base.frame_names,
        individuals=other.individuals | base.individuals,
    )

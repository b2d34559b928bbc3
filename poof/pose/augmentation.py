"""Augmentation of crops: mirrored, rotated, scaled, shifted, half a body, other light, blurred.

The work is torchvision's (transforms v2 on `tv_tensors.Image` and `KeyPoints`). Three things it leaves to its users
are settled here: mirroring does not exchange left and right keypoints; mirroring counts pixels from their centres,
but its affine maps treat keypoints as counted from pixels' corners, half a pixel off; and NaN points go through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from poof import torchvision_ops
from poof.labels.model import Visible
from poof.pose.targets import in_image


@dataclass(frozen=True)
class Strength:
    """How much views differ.

    Attributes
    ----------
    flip
        Chance of a mirrored view (only where the skeleton tells left from right).
    scale
        Largest change of size, in both directions: 0.25 scales by 0.75 to 1.25.
    rotation
        Largest rotation in degrees; `rotated` is the chance of any.
    shift
        Largest shift over the crop's side.
    half_body
        Chance of a view of one half of the subject.
    colour
        Largest change of brightness, contrast and saturation.
    blur
        Chance of a Gaussian blur.
    """

    flip: float = 0.5
    scale: float = 0.25
    rotation: float = 45.0
    rotated: float = 0.5
    shift: float = 0.0
    half_body: float = 0.3
    colour: float = 0.0
    blur: float = 0.0


OFFICIAL = Strength()
STRONG = Strength(scale=0.3, rotation=40.0, rotated=0.6, shift=0.06, half_body=0.15, colour=0.3, blur=0.15)
NONE = Strength(flip=0, scale=0, rotation=0, rotated=0, half_body=0)


class Augmentation:
    """Draws a view of the network's input size from a crop with context around it, in torch's global random state.

    Parameters
    ----------
    size
        (height, width) of the views.
    strength
        See `Strength`.
    mirror
        For each keypoint the one in whose place it comes when the image is mirrored; None: never mirror.
    """

    def __init__(self, size: tuple[int, int], strength: Strength, mirror: Sequence[int] | None) -> None:
        self.size, self.strength = size, strength
        self.mirror = None if mirror is None else torch.tensor(mirror)
        torchvision_ops.ensure()
        from torchvision.transforms import v2

        colour = strength.colour
        self._appearance: list[Any] = []
        if colour > 0:
            self._appearance.append(v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour))
        if strength.blur > 0:
            self._appearance.append(v2.RandomApply([v2.GaussianBlur(7, (0.3, 2.0))], p=strength.blur))

    def __call__(
        self, image: Tensor, points: Tensor, weights: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A view of `image` (3, H, W) uint8 and its `points` (K, 2), `weights` (K,) and `visible` (K,).

        Points outside the view come back with weight 0; absent ones keep theirs. `image` is at least as large as the
        view.
        """
        from torchvision import tv_tensors
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional as tv

        strong = self.strength
        canvas = tuple(image.shape[-2:])
        picture: Any = tv_tensors.Image(image)
        labelled = torch.isfinite(points).all(-1)
        dots = torch.nan_to_num(points)
        if self.mirror is not None and _chance(strong.flip):
            picture = tv.horizontal_flip(picture)
            dots = tv.horizontal_flip(tv_tensors.KeyPoints(dots, canvas_size=canvas)).as_subclass(Tensor)
            dots, labelled, weights, visible = (a[self.mirror] for a in (dots, labelled, weights, visible))
        angle = _between(-strong.rotation, strong.rotation) if _chance(strong.rotated) else 0.0
        scale = 1 + _between(-strong.scale, strong.scale)
        centre = torch.tensor([(image.shape[-1] - 1) / 2, (image.shape[-2] - 1) / 2])
        focus = centre
        if _chance(strong.half_body):
            focus, zoom = half_of(dots[labelled], self.size, centre)
            scale *= zoom
        # Rotate and scale about the focus, which then moves to the middle, give or take the shift.
        turn = math.radians(angle)
        dx, dy = ((focus - centre) * scale).tolist()
        moved = [
            -(math.cos(turn) * dx - math.sin(turn) * dy) + _between(-strong.shift, strong.shift) * self.size[1],
            -(math.sin(turn) * dx + math.cos(turn) * dy) + _between(-strong.shift, strong.shift) * self.size[0],
        ]
        geometry: dict[str, Any] = {"angle": angle, "translate": moved, "scale": scale, "shear": [0.0, 0.0]}
        picture = tv.affine(picture, **geometry, interpolation=InterpolationMode.BILINEAR)
        corners = tv_tensors.KeyPoints(dots + 0.5, canvas_size=canvas)
        corners = tv.center_crop(tv.affine(corners, **geometry), list(self.size))
        picture = tv.center_crop(picture, list(self.size))
        for change in self._appearance:
            picture = change(picture)
        seen = corners.as_subclass(Tensor) - 0.5
        labelled &= in_image(seen, self.size)
        seen = torch.where(labelled[:, None], seen, torch.full_like(seen, float("nan")))
        weights = torch.where(labelled | (visible == Visible.ABSENT), weights, torch.zeros_like(weights))
        return picture.as_subclass(Tensor), seen, weights, visible


def half_of(points: Tensor, size: tuple[int, int], middle: Tensor) -> tuple[Tensor, float]:
    """Where to look, and how much closer, to see one half of a subject.

    The points are cut in two at the median of the axis along which they spread most; chance takes a side.

    Parameters
    ----------
    points : (N, 2)
        Labelled points, pixels.
    size
        (height, width) of the view.
    middle : (2,)
        Where to look when there are too few points for halves (fewer than four).

    Returns
    -------
    focus : (2,)
        The middle of the half.
    zoom
        From 1 to 2: the half fills two thirds of the view.
    """
    if len(points) < 4:
        return middle, 1.0
    axis = int(points.std(dim=0).argmax())
    order = points[:, axis].argsort()
    cut = len(points) // 2
    half = points[order[:cut] if _chance(0.5) else order[cut:]]
    low, high = half.amin(dim=0), half.amax(dim=0)
    spread = (high - low).clamp(min=1.0) * 1.5
    zoom = min(size[1] / float(spread[0]), size[0] / float(spread[1]))
    return (low + high) / 2, min(max(zoom, 1.0), 2.0)


def _chance(probability: float) -> bool:
    return bool(torch.rand(()) < probability)


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))

"""The Bayes filter that fuses flow and appearance: beliefs on a grid, moved by flow, sharpened by heat maps.

A belief is a probability over the cells of a grid that lies over a subject's crop, one grid a keypoint. From one
labelled frame to the next, forwards in time (backwards alike):

    a(t+1)(x) = sum over kernels of  w(x) N_s * a'(t)(x + B(x)),    a'(t) = a(t) L(t) / sum               (prediction)
    L(t)(x)   = (h(t)(x) / max h(t) + 0.03) (1 + |x - p(t)|^2 / (0.2 side)^2)^(-3/2)                      (likelihood)
    b(t)      = a_forward(t) a_backward(t) L(t) / sum                                                    (belief)

B is the flow from t+1 back to t, h the heat map, p where propagation has put the point. The kernels are blurs of 0.006
side; 0.02 side, with a weight that grows with the forward-backward error of the flow; 0.2 side with a hundredth, for
what flow loses and appearance finds again; and all cells alike with a ten-thousandth. At a label a(t) is a point.

The grid is held by `Grid`; arrays are torch tensors (K, h, w), K keypoints, on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from poof.pose.crops import Crop

CELL = 2
"""Pixels of the crop a cell is wide."""
BLUR = 0.006
"""Error of a step of flow that is consistent, in longer sides of the subject."""
WIDE = 0.02
"""Error of a step where the flow contradicts itself."""
FAR, FAR_SHARE = 0.2, 0.01
"""A point may be found again so far from where flow leads, with this probability a step."""
ANYWHERE = 1e-4
"""Probability a step of being anywhere at all."""
WRONG_STEP = 0.02 / 1.4
"""Forward-backward error, in longer sides, at which a step counts as wrong."""
FLOOR = 0.03
"""What a heat map says at least of every cell, as a share of its peak: it may be mistaken."""
LEASH = 0.2
"""Where propagation has put a point is within about so many longer sides."""
POINT = 0.7
"""Standard deviation of the belief at a label, in cells."""
NEAR = 0.03
"""Cells within so many longer sides of the position make it."""
SETTLED = 6
"""Times that the disc of these cells is moved to its own mean: a disc around a whole cell pulls the mean towards it."""


@dataclass(frozen=True)
class Grid:
    """The cells over a crop; cell (i, j) stands at pixel (2 j + 1, 2 i + 1) of the crop.

    Attributes
    ----------
    height, width : int
        Cells.
    side : float
        Longer side of the subject, in cells.
    """

    height: int
    width: int
    side: float

    @classmethod
    def over(cls, crop: Crop, side: float) -> Grid:
        """The grid over a crop of a subject whose longer side is `side` pixels of the frame."""
        return cls(crop.size[0] // CELL, crop.size[1] // CELL, side * crop.scale / CELL)

    def cells(self, device: torch.device | str = "cpu") -> Tensor:
        """(h, w, 2): the (x, y) of every cell, in cells."""
        rows, columns = torch.meshgrid(
            torch.arange(float(self.height), device=device),
            torch.arange(float(self.width), device=device),
            indexing="ij",
        )
        return torch.stack([columns, rows], dim=-1)

    def of_frame(self, xy: np.ndarray, crop: Crop) -> np.ndarray:
        """(..., 2) points of the frame in cells."""
        return np.asarray(crop.to_crop(xy)) / CELL - 0.5

    def to_frame(self, cells: np.ndarray, crop: Crop) -> np.ndarray:
        """(..., 2) cells in pixels of the frame."""
        return crop.to_frame((np.asarray(cells) + 0.5) * CELL)


@dataclass(frozen=True)
class Motion:
    """One step of flow, as the grid of the frame that is entered sees it.

    Attributes
    ----------
    origin : (h, w, 2) Tensor
        For each of its cells the place it comes from, in cells of the other frame's grid.
    error : (h, w) Tensor
        Forward-backward error there, in longer sides of the subject.
    """

    origin: Tensor
    error: Tensor


def normalised(beliefs: Tensor) -> Tensor:
    """The same with a sum of 1 over the cells; even where the sum is nothing."""
    total = beliefs.sum((-1, -2), keepdim=True)
    even = 1.0 / (beliefs.shape[-1] * beliefs.shape[-2])
    return torch.where(total > 1e-30, beliefs / total.clamp_min(1e-30), torch.full_like(beliefs, even))


def even(grid: Grid, count: int, device: torch.device | str = "cpu") -> Tensor:
    """(count, h, w): nothing is known."""
    return torch.full((count, grid.height, grid.width), 1.0 / (grid.height * grid.width), device=device)


def points(grid: Grid, cells: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """(K, h, w): certainty at `cells` (K, 2)."""
    distance = _squared_distance(grid, cells, device)
    return normalised(torch.exp(-distance / (2 * POINT**2)))


def likelihood(maps: Tensor, grid: Grid, cells: np.ndarray) -> Tensor:
    """(K, h, w): what appearance, and a loose leash around the propagated points, say of every cell.

    Parameters
    ----------
    maps : (K, h, w)
        Heat maps, not negative, of any scale.
    grid
        Where they lie.
    cells : (K, 2)
        Propagated points in cells; NaN where there is none.
    """
    peaks = maps.amax((-1, -2), keepdim=True)
    seen = torch.where(peaks > 0, maps / peaks.clamp_min(1e-30), torch.ones_like(maps)) + FLOOR
    away = _squared_distance(grid, np.nan_to_num(cells), maps.device) / (LEASH * grid.side) ** 2
    known = torch.from_numpy(np.isfinite(cells).all(axis=-1)).to(maps.device)[:, None, None]
    return seen * torch.where(known, (1 + away) ** -1.5, torch.ones_like(seen))


def predicted(belief: Tensor, motion: Motion | None, grid: Grid) -> Tensor:
    """The belief (K, h, w) one frame on; None, a scene cut, leaves nothing of it."""
    if motion is None:
        return even(grid, len(belief), belief.device)
    size = torch.tensor([max(grid.width - 1, 1), max(grid.height - 1, 1)], device=belief.device)
    places = (motion.origin / size * 2 - 1)[None]
    moved = F.grid_sample(belief[None], places, padding_mode="zeros", align_corners=True)[0]
    wrong = (motion.error / WRONG_STEP).clamp(0, 1)
    led = (1 - wrong) * blurred(moved, BLUR * grid.side) + wrong * blurred(moved, WIDE * grid.side)
    count = grid.height * grid.width
    lost = normalised(_widely(moved, FAR * grid.side))
    return (1 - FAR_SHARE - ANYWHERE) * normalised(led) + FAR_SHARE * lost + ANYWHERE / count


def passed(
    start: Tensor, likelihoods: Sequence[Tensor], motions: Sequence[Motion | None], grid: Grid
) -> tuple[list[Tensor], Tensor]:
    """A belief passed on from frame to frame in one direction.

    Parameters
    ----------
    start : (K, h, w)
        The belief in the frame before the first of `likelihoods`.
    likelihoods
        Of the frames, in the order of passing.
    motions
        The step into each of them.
    grid
        Of all frames.

    Returns
    -------
    predictions : list of (K, h, w)
        For each frame the belief before its own likelihood.
    last : (K, h, w)
        The belief in the last frame with its likelihood; `start` without any frame.
    """
    predictions, belief = [], start
    for seen, motion in zip(likelihoods, motions):
        predictions.append(predicted(belief, motion, grid))
        belief = normalised(predictions[-1] * seen)
    return predictions, belief


def read(beliefs: Tensor, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions from beliefs (K, h, w): the mean of the cells around it, near the mode.

    Returns
    -------
    cells : (K, 2)
        Position in cells.
    mass : (K,)
        How much of the belief lies around it.
    spread : (K,)
        Root of the mean squared distance from the belief's mean, in longer sides of the subject.
    """
    smooth = blurred(beliefs, 1.0)
    best = smooth.flatten(1).argmax(1)
    mode = torch.stack([best % grid.width, best // grid.width], dim=-1).float()
    cells = grid.cells(beliefs.device)
    place = mode
    for _ in range(SETTLED):
        away = (cells - place[:, None, None]).square().sum(-1).sqrt()
        near = beliefs * (NEAR * grid.side + 1.5 - away).clamp(0, 1)
        mass = near.sum((-1, -2))
        place = (near[..., None] * cells).sum((1, 2)) / mass[:, None].clamp_min(1e-30)
    mean = (beliefs[..., None] * cells).sum((1, 2))
    apart = (beliefs * (cells - mean[:, None, None]).square().sum(-1)).sum((1, 2)).sqrt()
    return place.cpu().numpy(), mass.cpu().numpy(), (apart / grid.side).cpu().numpy()


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """(K, h, w) under a Gaussian of `sigma` cells; what crosses the border is lost."""
    if sigma < 0.1:
        return maps
    reach = math.ceil(3 * sigma)
    offsets = torch.arange(-reach, reach + 1, device=maps.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    across = F.conv2d(maps[:, None], kernel.view(1, 1, 1, -1), padding=(0, reach))
    return F.conv2d(across, kernel.view(1, 1, -1, 1), padding=(reach, 0))[:, 0]


def _widely(maps: Tensor, sigma: float) -> Tensor:
    """A wide blur, in steps of four cells."""
    coarse = F.avg_pool2d(maps[None], 4, ceil_mode=True)[0]
    coarse = blurred(coarse, sigma / 4)
    return F.interpolate(coarse[None], size=maps.shape[-2:], mode="bilinear")[0]


def _squared_distance(grid: Grid, cells: np.ndarray, device: torch.device | str) -> Tensor:
    """(K, h, w): squared distance of every cell from each of `cells` (K, 2)."""
    to = torch.as_tensor(cells, dtype=torch.float32, device=device)
    return (grid.cells(device) - to[:, None, None]).square().sum(-1)

"""What networks trained on this footage see of a subject: heat maps on the grid of beliefs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from poof.pose.crops import Crop, normalise
from poof.pose.model import PoseModel
from poof.pose.precision import Precision, run
from poof.refine.beliefs import CELL, Grid, normalised

VIEWS = ((0.0, 1.0), (-12.0, 1.0), (12.0, 1.0), (0.0, 0.87), (0.0, 1.15), (6.0, 1.05))
"""(degrees, scale) of the views of a crop whose heat maps are averaged."""
ROOM = 1.5
"""The views are taken from a crop so many times larger."""


class Appearance:
    """The heat maps of several networks and views, averaged.

    Parameters
    ----------
    models
        Of one skeleton and input size, their networks on one device.
    precision
        See `poof.pose.precision`.
    """

    def __init__(self, models: Sequence[PoseModel], precision: Precision = "auto") -> None:
        self._models = list(models)
        self._precision: Precision = precision
        height, width = models[0].input_size
        self._size = (height, width)
        # A view shows pixel v of itself at turn @ (v - middle) + centre of the wider crop.
        self._turns = [
            np.array([[math.cos(r), math.sin(r)], [-math.sin(r), math.cos(r)]]) / scale
            for r, scale in ((math.radians(degrees), scale) for degrees, scale in VIEWS)
        ]

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self._models[0].network.parameters()).device

    def maps(self, image: np.ndarray, crop: Crop, grid: Grid) -> Tensor:
        """(K, h, w): the probability of every cell, averaged over networks and views.

        Parameters
        ----------
        image : (H, W, 3) uint8
            The frame, RGB.
        crop
            Where the subject is, in the networks' input size.
        grid
            The cells over that crop.
        """
        wide = crop.wider(ROOM)
        around = wide.cut(image)
        views = np.stack([self._view(around, wide, turn) for turn in self._turns])
        pictures = normalise(torch.from_numpy(views.transpose(0, 3, 1, 2).copy()).to(self.device))
        places = self._places(grid).to(self.device)
        seen = []
        for model in self._models:
            model.network.eval()
            with torch.no_grad():
                maps = run(model.network, pictures, self._precision).clamp_min(0)
            straight = F.grid_sample(maps, places, padding_mode="zeros", align_corners=False)
            seen.append(normalised(straight).mean(0))
        return normalised(torch.stack(seen).mean(0))

    def _view(self, around: np.ndarray, wide: Crop, turn: np.ndarray) -> np.ndarray:
        """One view of the wider crop, in the networks' input size."""
        height, width = self._size
        shift = wide.middle - turn @ self._middle
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE
        return cv2.warpAffine(around, np.c_[turn, shift], (width, height), flags=flags, borderMode=border)

    def _places(self, grid: Grid) -> Tensor:
        """(views, h, w, 2): where the cells of the crop lie in each view, as `grid_sample` counts."""
        pixels = (grid.cells() + 0.5) * CELL - torch.tensor(self._middle, dtype=torch.float32)
        back = torch.stack([torch.tensor(np.linalg.inv(t).T, dtype=torch.float32) for t in self._turns])
        there = torch.einsum("hwa,vab->vhwb", pixels, back) + torch.tensor(self._middle, dtype=torch.float32)
        # A cell of a map of any stride s stands at pixel s * (cell + 1/2) of the view.
        return there / torch.tensor([self._size[1], self._size[0]]) * 2 - 1

    @property
    def _middle(self) -> np.ndarray:
        return np.array([(self._size[1] - 1) / 2, (self._size[0] - 1) / 2])

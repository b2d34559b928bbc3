"""Flow between the crops of consecutive frames, as steps on the grid of beliefs."""

from __future__ import annotations

import numpy as np
import torch

from poof.flow.base import FlowEstimator
from poof.flow.field import FlowField, Region
from poof.pose.crops import Crop
from poof.propagation.regions import to_region
from poof.refine.beliefs import Grid, Motion


def motions(
    images: tuple[np.ndarray, np.ndarray],
    crops: tuple[Crop, Crop],
    grid: Grid,
    side: float,
    flow: FlowEstimator,
    device: torch.device | str = "cpu",
) -> tuple[Motion, Motion]:
    """The step from the first frame into the second, and the one back.

    Parameters
    ----------
    images
        Two consecutive frames, (H, W, 3) RGB uint8.
    crops
        Of a subject in both.
    grid
        The cells over either crop.
    side
        Longer side of the subject, pixels of the frame.
    flow
        Any estimator; it sees one region that holds both crops.
    device
        Where beliefs are.

    Returns
    -------
    onward, back : Motion
        On the grids of the second and of the first frame.
    """
    region = _around(crops, (images[0].shape[1], images[0].shape[0]))
    first, second = (flow.prepare(region.cut(image, flow.grey)[None]) for image in images)
    there, here = (FlowField(field[0], region) for field in flow.both(first, second))
    onward = _step(crops[1], crops[0], here, there, grid, side, device)
    return onward, _step(crops[0], crops[1], there, here, grid, side, device)


def _around(crops: tuple[Crop, Crop], frame: tuple[int, int]) -> Region:
    """The part of the frame that both crops see, at a size that suits flow."""
    corners = [c.to_frame(np.array([[0, 0], [c.size[1] - 1, c.size[0] - 1]])) for c in crops]
    (x0, y0), (x1, y1) = np.min(corners, axis=0)[0], np.max(corners, axis=0)[1]
    return to_region((float(x0), float(y0), float(x1), float(y1)), frame)


def _step(
    crop: Crop, other: Crop, flow: FlowField, reverse: FlowField, grid: Grid, side: float, device: torch.device | str
) -> Motion:
    """Where the cells of `crop` come from in `other`, by the flow from the one frame to the other."""
    cells = np.stack(np.meshgrid(np.arange(grid.width), np.arange(grid.height)), axis=-1).reshape(-1, 2)
    here = grid.to_frame(cells, crop)
    away = flow.sample(here)
    error = np.hypot(*(away + reverse.sample(here + away)).T) / side
    origin = grid.of_frame(here + away, other).reshape(grid.height, grid.width, 2)
    return Motion(
        torch.as_tensor(origin, dtype=torch.float32, device=device),
        torch.as_tensor(error.reshape(grid.height, grid.width), dtype=torch.float32, device=device),
    )

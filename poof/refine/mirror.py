"""Left and right look alike: where flow has the one, what the networks see of the other does not count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from poof.refine.beliefs import Grid

LIMB = 0.05
"""Places nearer to each other than about this, in longer sides of the subject, are one limb."""
TAKEN = 0.95
"""How much of a heat map is taken away at most; a network alone often has its peak on the wrong leg."""


def told_apart(
    maps: Tensor, pairs: Sequence[tuple[int, int]], cells: np.ndarray, confidence: np.ndarray, grid: Grid
) -> Tensor:
    """Heat maps without what lies on the limb of the other side.

    The two keypoints i and j of a pair are assigned to the two limbs together, by the chains that come over the gap
    from labels at both ends:

        h_i(x) (1 - e c_j exp(-|x - p_j|^2 / 2 s^2)),    e = `TAKEN` (1 - exp(-|p_i - p_j|^2 / 2 s^2)),    s = `LIMB`

    with p where flow has a keypoint and c how sure it is of that. Where flow has both at one place (legs that cross),
    or loses the other side, nothing is taken.

    Parameters
    ----------
    maps : (K, h, w)
        Of one frame, not negative.
    pairs
        See `poof.labels.mirror_pairs`.
    cells : (K, 2)
        Where flow has the keypoints, in cells; NaN where there is none.
    confidence : (K,)
        Of flow; NaN counts as 0.
    grid
        Of the maps.
    """
    width = 2 * (LIMB * grid.side) ** 2
    sure, places = np.nan_to_num(confidence), grid.cells(maps.device)
    result = maps.clone()
    for pair in pairs:
        taken = TAKEN * (1 - math.exp(-float(np.square(cells[pair[0]] - cells[pair[1]]).sum()) / width))
        for mine, other in (pair, pair[::-1]) if math.isfinite(taken) else ():
            at = torch.as_tensor(cells[other], dtype=torch.float32, device=maps.device)
            near = torch.exp(-(places - at).square().sum(-1) / width)
            result[mine] *= 1 - taken * float(sure[other]) * near
    return result

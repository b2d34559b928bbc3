"""Optical flow as colours: hue is the direction, saturation the speed, white stands still."""

from __future__ import annotations

import numpy as np

from poof import torchvision_ops
from poof.errors import PoofError

Array = np.ndarray


def flow_to_rgb(flow: Array, max_magnitude: float | None = None) -> Array:
    """The colour wheel of the Middlebury benchmark (Baker et al., IJCV 2011), as torchvision draws it.

    Parameters
    ----------
    flow : (2, H, W) float
        Displacement in pixels; channel 0 is dx, channel 1 is dy.
    max_magnitude
        Displacement in pixels that gets the full colour; longer ones get it too. None takes the largest of the field,
        so give it wherever fields are to be compared (a video).

    Returns
    -------
    (H, W, 3) uint8
        RGB; white where nothing moves, black where the flow is not finite.

    Raises
    ------
    PoofError
        If the field is not (2, H, W) or `max_magnitude` is not positive.
    """
    field = np.array(flow, np.float32)
    if field.ndim != 3 or field.shape[0] != 2:
        raise PoofError(f"a displacement field is (2, H, W), not {field.shape}")
    if max_magnitude is not None and not max_magnitude > 0:
        raise PoofError(f"max_magnitude must be positive, not {max_magnitude}")
    # Imported here: videos, sheets and plots need neither, and together they take seconds to load.
    torchvision_ops.ensure()
    import torch
    from torchvision.utils import flow_to_image

    known = np.isfinite(field).all(axis=0)
    field[:, ~known] = 0.0
    if max_magnitude is not None:
        speed = np.hypot(*field)
        field *= np.minimum(1.0, max_magnitude / np.maximum(speed, 1e-12))
        # torchvision scales by the largest displacement of the field: one more column holds it.
        scale = np.zeros((2, field.shape[1], 1), np.float32)
        scale[0] = max_magnitude
        field = np.concatenate([field, scale], axis=2)
    colours = flow_to_image(torch.from_numpy(np.ascontiguousarray(field))).numpy().transpose(1, 2, 0)
    colours = np.ascontiguousarray(colours[:, : known.shape[1]])
    colours[~known] = 0
    return colours

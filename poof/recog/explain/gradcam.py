"""Grad-CAM for clips: one heat map a frame.

Document: Selvaraju et al., Grad-CAM (ICCV 2017); per frame as in Fig. 4.4 of Gebotys (2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.model import Recognizer


@dataclass(frozen=True)
class Heat:
    """Where a network looked.

    Attributes
    ----------
    maps
        (T, h, w) float32, at least 0, in the resolution of the layer; 1 is the hottest cell of the clip.
    label
        The class it was asked about.
    probability
        What the network gives that class.
    layer
        The layer the maps are of.
    method
        How they were made, to be followed by the layer's name.
    """

    maps: np.ndarray
    label: int
    probability: float
    layer: str
    method: str = "Grad-CAM of"


def grad_cam(model: Recognizer, clip: Tensor, label: int | None = None, stage: int = 2) -> Heat:
    """Heat maps of one clip.

    With A the features of the stage and y the logit of the class: relu(sum over channels of w * A), where w is the
    mean of dy/dA over the cells of each frame in 2D networks, whose frames have gradients of their own, and over all
    cells and frames in 3D networks. The maps of one clip share one scale, so that frames can be compared; 3D networks
    with fewer frames in that layer are interpolated linearly in time.

    Parameters
    ----------
    clip : (T, 3, H, W)
        Normalised as the network wants it.
    label
        A class; None for the one the network prefers.
    stage
        From 1; the document shows stage 2.

    Raises
    ------
    PoofError
        If the stage or class does not exist, or the layer's output is no feature map.
    """
    if not 1 <= stage <= len(model.stages):
        raise PoofError(f"stage {stage}: this network has stages 1 to {len(model.stages)}")
    classes = model.config["num_classes"]
    if label is not None and not 0 <= label < classes:
        raise PoofError(f"class {label}: this network has classes 0 to {classes - 1}")
    path = model.stages[stage - 1]
    kept: list[Tensor] = []
    handle = model.get_submodule(path).register_forward_hook(lambda _, __, output: kept.append(output))
    training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            logits = model(clip[None].detach().requires_grad_(True))
            chosen = int(logits[0].argmax()) if label is None else label
            features = kept[-1]
            gradient = torch.autograd.grad(logits[0, chosen], features)[0]
    finally:
        handle.remove()
        model.train(training)
    if features.dim() == 4:
        heat = (gradient.mean((2, 3), keepdim=True) * features).sum(1)
    elif features.dim() == 5:
        heat = (gradient.mean((2, 3, 4), keepdim=True) * features).sum(1)[0]
    else:
        raise PoofError(f"{path}: gives {tuple(features.shape)}, which is no map over the picture")
    maps = heat.relu().detach()
    frames = len(clip) // model.per_segment
    if len(maps) != frames:
        resized = nn.functional.interpolate(
            maps[None, None], (frames, *maps.shape[1:]), mode="trilinear", align_corners=False
        )
        maps = resized[0, 0]
    top = float(maps.max())
    maps = maps / top if top > 0 else maps
    return Heat(maps.cpu().numpy(), chosen, float(logits.detach().softmax(-1)[0, chosen]), path)

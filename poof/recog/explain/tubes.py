"""Saliency Tubes: where in space and time the features lie that speak for a class.

Document: Stergiou, Efficient Modelling Across Time (Utrecht 2021), Section 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.model import Recognizer
from poof.recog.explain.gradcam import Heat

Array = np.ndarray
Order = Literal["document", "classical"]
CHUNK = 32


@dataclass(frozen=True)
class Evidence:
    """The features of one layer for one clip and how much each channel speaks for a class.

    Attributes
    ----------
    features : (C, T', h, w)
    weights : (C,)
        y of eq. 7.1.
    label
        The class.
    probability
        What the network gives it.
    layer
        The features' layer.
    source
        Where the weights are from: 'classifier', 'class regularisation' or 'gradients'.
    """

    features: Tensor
    weights: Tensor
    label: int
    probability: float
    layer: str
    source: str


def saliency_tube(
    model: Recognizer,
    clip: Tensor,
    label: int | None = None,
    stage: int | None = None,
    threshold: float = 0.0,
    order: Order = "document",
) -> Heat:
    """The tube of one clip (T, 3, H, W), as maps of the clip's frames in full size, from 0 to 1 over the clip.

    Parameters
    ----------
    label
        A class; None for the one the network prefers.
    stage
        Whose features, from 1; None for the last.
    threshold, order
        See `tube`.

    Raises
    ------
    PoofError
        If the stage or class does not exist, or no channel speaks for the class.
    """
    found = evidence(model, clip, label, stage)
    frames = len(clip) // model.per_segment
    maps = tube(found.features, found.weights, (frames, *clip.shape[-2:]), threshold, order)
    if maps.max() <= 0:  # every channel was left out
        raise PoofError(
            f"{found.layer}: no channel speaks for class {found.label} above the threshold {threshold}; lower it"
        )
    method = "tube of" if found.source == "classifier" else f"tube ({found.source}) of"
    return Heat(for_eyes(maps).numpy(), found.label, found.probability, found.layer, method)


def tube(
    features: Tensor,
    weights: Tensor,
    size: tuple[int, int, int] | None = None,
    threshold: float = 0.0,
    order: Order = "document",
) -> Tensor:
    """How much every voxel speaks for the class, at least 0.

    'document' (eq. 7.1): each channel's y * a, from its own minimum 0 to its own maximum 1, interpolated, squared and
    summed. A channel of tiny weight counts like a strong one, and one of negative weight is turned inside out, so
    channels whose y * a nowhere exceeds the threshold are left out, as are constant ones. 'classical' (the order of
    the released script and of CAM): the sum of y * a, interpolated, from its minimum 0 to its maximum 1, no squares;
    the threshold plays no part.

    Parameters
    ----------
    features : (C, T', h, w)
    weights : (C,)
    size
        (T, H, W) to interpolate to by cubic splines, first in space, then in time; None: as the features are.
    threshold
        tau of the document, which gives it no value, on the scale of y * a.

    Returns
    -------
    (T, H, W) float32
    """
    if order not in ("document", "classical"):
        raise PoofError(f"order={order}: choose one of document, classical")
    scaled = weights[:, None, None, None].float() * features.float()
    size = size or (features.shape[1], features.shape[2], features.shape[3])
    if order == "classical":
        total = interpolate(scaled.sum(0, keepdim=True), size)[0]
        total = total - total.min()
        return total / total.max() if total.max() > 0 else total
    low, high = scaled.amin((1, 2, 3)), scaled.amax((1, 2, 3))
    kept = (high > threshold) & (high > low)
    maps = torch.zeros(size)
    for part in torch.nonzero(kept).flatten().split(CHUNK):
        bottom, top = low[part, None, None, None], high[part, None, None, None]
        maps += interpolate((scaled[part] - bottom) / (top - bottom), size).square().sum(0)
    return maps


def for_eyes(maps: Tensor) -> Tensor:
    """From 0 for the coldest voxel to 1 for the hottest: sums of many channels' maps are high everywhere."""
    spread = maps.max() - maps.min()
    return (maps - maps.min()) / spread if spread > 0 else torch.zeros_like(maps)


def interpolate(maps: Tensor, size: tuple[int, int, int]) -> Tensor:
    """(C, T', h, w) to (C, *size) by cubic splines through the cell centres; fewer than four cells: a lower degree."""
    if tuple(maps.shape[1:]) == size:
        return maps
    time, down, across = (
        torch.from_numpy(_spline(old, new)).to(maps) for old, new in zip(maps.shape[1:], size, strict=True)
    )
    spatial = down @ maps @ across.T
    return torch.einsum("ts,cshw->cthw", time, spatial)


def evidence(model: Recognizer, clip: Tensor, label: int | None = None, stage: int | None = None) -> Evidence:
    """Run the network on a clip and find the weights of a layer's channels for a class.

    Where the layer's mean over cells and frames is a classifier's input, the weights are the classifier's (the
    document's case; in networks of two pathways, the end of either). Behind a stage with Class Regularisation they are
    its class weights (Section 6.3.3). Anywhere else they are the sums of the class logit's gradient over cells and
    frames, which is the same number where both exist.
    """
    stage = len(model.stages) if stage is None else stage
    if not 1 <= stage <= len(model.stages):
        raise PoofError(f"stage {stage}: this network has stages 1 to {len(model.stages)}")
    classes = model.config["num_classes"]
    if label is not None and not 0 <= label < classes:
        raise PoofError(f"class {label}: this network has classes 0 to {classes - 1}")
    path = model.stages[stage - 1]
    seen: dict[str, Tensor] = {}
    pooled: list[tuple[nn.Linear, Tensor]] = []
    tails: list[tuple[str, Tensor]] = []
    pathway = path.partition("backbone.")[0]
    ends = not any(other.startswith(f"{pathway}backbone.") for other in model.stages[stage:])
    pools = [
        (name, layer)
        for name, layer in model.named_modules()
        if ends and name.startswith(pathway) and isinstance(layer, (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d))
    ]
    handles = [
        *(layer.register_forward_pre_hook(lambda _, x, n=name: tails.append((n, x[0]))) for name, layer in pools),
        model.get_submodule(path).register_forward_hook(lambda _, __, output: seen.update(features=output)),
        *(
            layer.register_forward_pre_hook(lambda own, x: pooled.append((own, x[0])))
            for layer in dict.fromkeys(model.get_submodule(path) for path in model.classifiers)
            if isinstance(layer, nn.Linear)
        ),
    ]
    training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            logits = model(clip[None].detach().requires_grad_(True))[0]
            chosen = int(logits.argmax()) if label is None else label
            features = seen["features"]
            gradient = torch.autograd.grad(logits[chosen], features)[0]
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
    maps = channels_first(features, path)
    weights, source = channels_first(gradient, path).sum((1, 2, 3)), "gradients"
    learned = _class_weights(model, path)
    for name, tail in tails:
        # Norm and activation behind the last stage (MFNet): what is pooled for the classifier is evidence, not before.
        if tail.dim() not in (4, 5) or tail is features:
            continue
        if any(_is_pooled(channels_first(tail, name), tail, inputs) for _, inputs in pooled):
            maps, features, path = channels_first(tail, name), tail, f"the input of {name}"
    behind = [layer for layer, inputs in pooled if _is_pooled(maps, features, inputs)]
    if behind:
        weights, source = behind[0].weight.detach()[chosen, : len(maps)], "classifier"
    elif learned is not None:
        weights, source = learned[chosen], "class regularisation"
    probability = float(logits.detach().softmax(-1)[chosen])
    return Evidence(maps.cpu(), weights.cpu(), chosen, probability, path, source)


def channels_first(features: Tensor, path: str) -> Tensor:
    """What a layer gives for one clip, (T, C, h, w) of a 2D or (1, C, T, h, w) of a 3D host, as (C, T, h, w)."""
    features = features.detach()
    if features.dim() == 5:
        return features[0]
    if features.dim() == 4:
        return features.transpose(0, 1)
    raise PoofError(f"{path}: gives {tuple(features.shape)}, which is no map over the picture")


def _is_pooled(maps: Tensor, features: Tensor, pooled: Tensor) -> bool:
    """Whether the classifier saw the mean of these maps (of each frame in 2D hosts)."""
    if pooled.dim() != 2 or pooled.shape[1] < len(maps):
        return False
    means = maps.mean((1, 2, 3))[None] if features.dim() == 5 else maps.mean((2, 3)).T
    inputs = pooled.detach()[:, : len(maps)]
    return means.shape == inputs.shape and bool(torch.allclose(means, inputs, rtol=1e-3, atol=1e-5))


def _class_weights(model: Recognizer, path: str) -> Tensor | None:
    """(classes, C) of a module behind that layer that tells how much each channel speaks for each class."""
    inserted = getattr(model, "inserted", None)
    for line, point in zip(model.insertions, inserted.values() if inserted else ()):
        if f"backbone.{line.place.path}" == path and (weights := point.module.class_weights()) is not None:
            return weights.detach()
    return None


def _spline(old: int, new: int) -> Array:
    """(new, old) matrix of the spline through `old` cells, read at the centres of `new` cells over the same length."""
    if old == 1:
        return np.ones((new, 1))
    places = (np.arange(new) + 0.5) * old / new - 0.5
    spline = make_interp_spline(np.arange(old), np.eye(old), k=min(3, old - 1))
    return spline(places.clip(0, old - 1))

"""Class Feature Pyramids: from a class back through the layers to the features it depends on.

Document: Stergiou, Efficient Modelling Across Time (Utrecht 2021), Section 7.5.

Level 0 are the channels of the last features. Each further level is the input of one convolution of the blocks' main
paths, from the last one backwards; where a block begins, the channels that its skip connection hands on unchanged join
those that its convolutions depend on. Branches side by side (Res2Net's groups) are padded to the length of the longest;
MTConv's lateral path is joined to the kernel that it follows. The forward pass is only listened to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.model import Recognizer
from poof.recog.explain.gradcam import Heat
from poof.recog.explain.tubes import Evidence, channels_first, evidence, for_eyes, tube

Mode = Literal["layers", "features"]
PROJECTIONS = ("downsample", "branch1", "conv_w1")
BESIDE = (*PROJECTIONS, "se")
"""Parts of blocks that are no convolution of the main path: projections of the skip connection, excitation."""
INNER = {"conv_i1": 2}
"""First layers of branches inside the main path whose result is added to what went in (MFNet's multiplexer), and how
many levels up that sum is."""
THETA = 0.6
"""The document takes 0.55 to 0.67, by network (Table 7.1)."""
LARGEST = 100_000
"""Links beyond which a pyramid is refused: a tree grows by the same factor with every level."""


@dataclass
class Node:
    """A channel that a class depends on.

    Attributes
    ----------
    level, channel
        Where it is.
    score
        In [0, 1] among the channels of its level as seen from the nodes it was reached from; the highest of them.
    parents
        Index in `Pyramid.nodes` of the nodes that depend on it, with the score seen from each; none on level 0.
    """

    level: int
    channel: int
    score: float
    parents: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Pyramid:
    """The features a class depends on.

    Attributes
    ----------
    label, probability
        The class.
    layers
        Name of each level.
    widths
        Channels of each level.
    nodes
        By level; in mode 'features' a channel may occur several times, once a branch of the tree.
    heats
        Maps of the chosen channels of each level, in the clip's own size.
    features
        All channels of each level, (C, T', h, w) float32.
    """

    label: int
    probability: float
    layers: list[str]
    widths: list[int]
    nodes: list[Node]
    heats: list[Heat]
    features: list[np.ndarray]

    def channels(self, level: int) -> list[int]:
        """The chosen channels of a level, ascending, each once."""
        return sorted({node.channel for node in self.nodes if node.level == level})

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain values: class, levels, nodes with their parents."""
        return {
            "class": names[self.label],
            "probability": self.probability,
            "levels": [{"layer": layer, "channels": width} for layer, width in zip(self.layers, self.widths)],
            "nodes": [
                {"level": n.level, "channel": n.channel, "score": n.score, "parents": [list(p) for p in n.parents]}
                for n in self.nodes
            ],
        }


@dataclass(frozen=True)
class Step:
    """One layer on the way back: from its output channels to its input channels.

    Attributes
    ----------
    name
        Of the layer.
    kernel : (out, in)
        Means of the kernel's taps, zeros outside a channel's group.
    activation : (in, T, h, w)
        What went in.
    skip
        Where this is the first layer of a block: the projection (kernel, mean activation) of the skip connection, or
        None for an identity.
    begins, ends
        Whether this is the first, the last convolution of its block.
    inner
        How many levels up the channels are that an inner branch hands on unchanged to this input; 0: none.
    passed
        Output channels that are input channels unchanged: of branches that have no layer here (the ones-kernels with
        which Fig. 7.9c pads the shorter branches).
    """

    name: str
    kernel: Tensor
    activation: Tensor
    skip: tuple[Tensor, Tensor] | None
    begins: bool
    ends: bool
    inner: int = 0
    passed: frozenset[int] = frozenset()


def class_feature_pyramid(
    model: Recognizer,
    clip: Tensor,
    label: int | None = None,
    theta: float = THETA,
    depth: int = 3,
    mode: Mode = "layers",
) -> Pyramid:
    """The pyramid of one clip (T, 3, H, W), `depth` layers below the last features.

    It ends earlier where no channel is chosen or a layer does not give what the one behind it takes.

    Parameters
    ----------
    label
        A class; None for the one the network prefers.
    theta
        A channel is chosen where its score, from 0 for the lowest to 1 for the highest of the level, is at least this.
        (Eq. 7.3 prints a logistic function above 0, which is always so.)
    depth
        Convolutions to go back.
    mode : layers | features
        One set of channels a level, from the mean score over the chosen ones of the level above; or a branch for each,
        which is for small depths and high thetas.

    Raises
    ------
    PoofError
        If an option makes no sense, the tree grows too large, or the network has no map of its blocks.
    """
    if not 0 <= theta <= 1 or depth < 0:
        raise PoofError(f"theta={theta}, depth={depth}: the first must be in [0, 1], the second at least 0")
    if mode not in ("layers", "features"):
        raise PoofError(f"mode={mode}: choose one of layers, features")
    found = evidence(model, clip, label)
    back = walk_back(found, listen(model, clip, depth), theta, depth, mode)
    size = (len(clip) // model.per_segment, *clip.shape[-2:])
    heats = []
    for level, (layer, held) in enumerate(zip(back.layers, back.maps)):
        chosen = sorted({node.channel for node in back.nodes if node.level == level})
        heat = for_eyes(tube(held[chosen], torch.ones(len(chosen)), size))
        method = f"level {level}: {len(chosen)} of {len(held)} channels"
        heats.append(Heat(heat.numpy(), found.label, found.probability, layer, method))
    features = [level.float().numpy() for level in back.maps]
    widths = [len(held) for held in back.maps]
    return Pyramid(found.label, found.probability, back.layers, widths, back.nodes, heats, features)


@dataclass(frozen=True)
class WayBack:
    """What `walk_back` found: the name and the activations (C, T', h, w) of each level, and the chosen channels."""

    layers: list[str]
    maps: list[Tensor]
    nodes: list[Node]


def walk_back(
    found: Evidence, steps: Sequence[Step], theta: float = THETA, depth: int = 3, mode: Mode = "layers"
) -> WayBack:
    """The back-steps alone, from the class's channels down `depth` layers that were listened to."""
    layers, widths = [found.layer.removeprefix("backbone.")], [len(found.features)]
    means = found.features.mean((1, 2, 3))
    scores = normalise(found.weights * means)
    nodes = [Node(0, int(i), float(scores[i])) for i in torch.nonzero(scores >= theta).flatten()]
    maps = [found.features]
    block_end = list(range(len(nodes)))
    for level, step in enumerate(steps[:depth], 1):
        above = [number for number, node in enumerate(nodes) if node.level == level - 1]
        if not above or step.kernel.shape[0] != widths[-1]:
            break
        if step.ends:
            block_end = above
        pooled = step.activation.mean((1, 2, 3))
        scored = [(n, nodes[n].channel) for n in above if step.kernel[nodes[n].channel].any() or not step.passed]
        links = _links(scored, pooled, step.kernel, theta, mode)
        links += [(n, nodes[n].channel, nodes[n].score) for n in above if nodes[n].channel in step.passed]
        if step.inner:
            handed = [node for node in enumerate(nodes) if node[1].level == level - step.inner]
            links += [(n, node.channel, node.score) for n, node in handed if node.channel < len(pooled)]
        if step.begins:
            ends = [(n, nodes[n].channel) for n in block_end]
            if step.skip is None:
                links += [(n, channel, nodes[n].score) for n, channel in ends if channel < len(pooled)]
            else:
                links += _links(ends, step.skip[1], step.skip[0], theta, mode)
        if len(nodes) + len(links) > LARGEST:
            raise PoofError(
                f"theta={theta}, depth={depth}: more than {LARGEST} branches at level {level}; raise theta (0.85) or "
                "take fewer levels, or one set of channels a level (mode layers)"
            )
        _add(nodes, level, links, mode)
        layers.append(f"input of {step.name}")
        widths.append(len(pooled))
        maps.append(step.activation)
    return WayBack(layers, maps, nodes)


def back_step(channels: Sequence[int], pooled: Tensor, kernel: Tensor) -> Tensor:
    """Scores of the input channels for each output channel (eq. 7.4): mean activation times mean kernel.

    Parameters
    ----------
    channels
        J output channels.
    pooled : (in,)
        Mean activations.
    kernel : (out, in)
        Mean kernels.

    Returns
    -------
    (J, in)
    """
    return pooled * kernel[list(channels)]


def normalise(scores: Tensor, reached: Tensor | None = None) -> Tensor:
    """From 0 for the lowest to 1 for the highest along the last axis; equal ones are all 1, or all 0 where they are 0.

    (Pooled first: a map scaled by itself, as eq. 7.2 prints it, has the maximum 1 in every channel.) Channels that are
    not `reached` get -1: the zeros outside of a group would be the highest wherever the group's own are negative.
    """
    within = scores if reached is None else torch.where(reached, scores, -torch.inf)
    low, high = scores.amin(-1, keepdim=True), within.amax(-1, keepdim=True)
    flat = high <= low
    scaled = (scores - low) / torch.where(flat, 1.0, high - low)
    found = torch.where(flat, (scores != 0).to(scores.dtype), scaled)
    return found if reached is None else torch.where(reached, found, -1.0)


def pooled_kernel(layer: nn.Conv2d | nn.Conv3d) -> Tensor:
    """(out, in) means over the taps of a kernel (eq. 7.5); channels of other groups have zeros."""
    means = layer.weight.detach().flatten(2).mean(2)
    if layer.groups == 1:
        return means
    out, inside = means.shape
    wide = means.new_zeros(out, layer.in_channels)
    rows = torch.arange(out, device=means.device)
    columns = (rows // (out // layer.groups) * inside)[:, None] + torch.arange(inside, device=means.device)
    wide[rows[:, None], columns] = means
    return wide


def _links(
    above: list[tuple[int, int]], pooled: Tensor, kernel: Tensor, theta: float, mode: Mode
) -> list[tuple[int, int, float]]:
    """(node above, channel here, score of that link) for what is chosen here."""
    if not above:
        return []
    channels = [channel for _, channel in above]
    products, reached = back_step(channels, pooled, kernel), kernel[channels] != 0
    own = normalise(products, reached)
    if mode == "features":
        rows, columns = torch.nonzero(own >= theta, as_tuple=True)
        return [(above[j][0], i, x) for j, i, x in zip(rows.tolist(), columns.tolist(), own[rows, columns].tolist())]
    together = normalise(products.mean(0), reached.any(0))
    chosen = torch.nonzero(together >= theta).flatten().tolist()
    links = []
    for i in chosen:
        # A link is drawn from those that would have chosen the channel by themselves, else from the keenest.
        keen = torch.nonzero(own[:, i] >= theta).flatten().tolist() or [int(own[:, i].argmax())]
        links += [(above[j][0], i, float(own[j, i])) for j in keen]
    return links


def _add(nodes: list[Node], level: int, links: list[tuple[int, int, float]], mode: Mode) -> None:
    known: dict[tuple[int, int], int] = {}
    for parent, channel, score in links:
        key = (channel, parent if mode == "features" else -1)
        if key not in known:
            known[key] = len(nodes)
            nodes.append(Node(level, channel, score))
        node = nodes[known[key]]
        node.score = max(node.score, score)
        node.parents.append((parent, score))


def listen(model: Recognizer, clip: Tensor, depth: int) -> list[Step]:
    """The convolutions of the last `depth` blocks' main paths, the last one first, with what went into them."""
    if not model.blocks:
        raise PoofError(f"{model.config['name']}: has no map of its blocks, so there is no way back through them")
    blocks = model.blocks[-max(depth, 1) :]
    end = model.stages[-1].removeprefix("backbone.")
    heard: list[tuple[str, nn.Module, Tensor]] = []
    handles = []
    for path, layer in _layers(model.get_submodule("backbone")):
        if path.startswith((f"{end}.", *(f"{block.path}." for block in blocks))):
            handles.append(
                layer.register_forward_hook(lambda own, x, _, path=path: heard.append((path, own, x[0].detach())))
            )
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(clip[None])
    finally:
        for handle in handles:
            handle.remove()
        model.train(training)
    steps: list[Step] = []
    for block in blocks:
        inside = [entry for entry in heard if entry[0].startswith(f"{block.path}.")]
        parts = {path: path.removeprefix(f"{block.path}.").split(".") for path, _, _ in inside}
        main = [entry for entry in inside if not set(parts[entry[0]]) & set(BESIDE)]
        padded = _padded(model.get_submodule(f"backbone.{block.path}"), block.path, main)
        beside = [entry for entry in inside if set(parts[entry[0]]) & set(PROJECTIONS)]
        skip = None
        if beside:
            path, layer, x = beside[0]
            skip = kernel_of(layer).cpu(), channels_first(x, path).mean((1, 2, 3)).cpu()
        for number, (path, layer, x) in enumerate(main):
            begins = number == 0 and (block.skip or bool(beside))
            activation = channels_first(x, path).cpu()
            inner = next((up for part, up in INNER.items() if part in parts[path]), 0)
            last = number == len(main) - 1
            if path in padded:
                kernel, held, passed = padded[path]
                steps.append(Step(path, kernel.cpu(), held.cpu(), skip, begins, last, inner, passed))
                continue
            steps.append(Step(path, kernel_of(layer).cpu(), activation, skip, begins, last, inner))
    within = tuple(f"{block.path}." for block in model.blocks)
    for path, layer, x in heard:
        if not path.startswith(within):  # MobileNet's last stage ends with a convolution behind its blocks
            steps.append(Step(path, kernel_of(layer).cpu(), channels_first(x, path).cpu(), None, False, True))
    return steps[::-1]


def _padded(
    block: nn.Module, path: str, main: Sequence[tuple[str, nn.Module, Tensor]]
) -> dict[str, tuple[Tensor, Tensor, frozenset[int]]]:
    """Layers of a block's branches as layers of all its channels, by path; see `Res2Net`'s `padded_steps`."""
    steps: Any = getattr(block, "padded_steps", None)
    if steps is None:
        return {}
    inputs = {name.removeprefix(f"{path}."): channels_first(x, name) for name, _, x in main}
    return {f"{path}.{name}": (kernel, held, passed) for name, kernel, held, passed in steps(inputs)}


def kernel_of(layer: nn.Module) -> Tensor:
    """(out, in) of a convolution, or of a layer made of several that says itself how they come together."""
    own: Any = getattr(layer, "pooled_kernel", None)
    if own is not None:
        return own()
    assert isinstance(layer, (nn.Conv2d, nn.Conv3d))
    return pooled_kernel(layer)


def _layers(net: nn.Module, prefix: str = "") -> list[tuple[str, nn.Module]]:
    if isinstance(net, (nn.Conv2d, nn.Conv3d)) or hasattr(net, "pooled_kernel"):
        return [(prefix, net)]
    found = []
    for name, child in net.named_children():
        found += _layers(child, f"{prefix}.{name}" if prefix else name)
    return found

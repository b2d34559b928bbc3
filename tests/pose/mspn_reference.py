"""MSPN a second time, from the facts alone: names and shapes written out as loops, the network as a function of them.

Shares nothing with `poof.pose`: it is what the package is compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCKS = (3, 4, 6, 3)
WIDTHS = (256, 512, 1024, 2048)


def convolutions(stages: int, keypoints: int = 17) -> list[tuple[str, str, tuple[int, int, int, int]]]:
    """(official prefix, mmpose prefix of the convolution, weight shape) of every convolution, in official order.

    A prefix is what stands before `weight`; the normalisation's is the same with `conv` for `bn`.
    """
    rows = [("top.conv.conv.", "backbone.top.top.0.conv.", (64, 3, 7, 7))]
    for s in range(stages):
        last, ours, theirs = s == stages - 1, f"stage{s}.", f"backbone.multi_stage_mspn.{s}."
        inputs = 64
        for level, (count, width) in enumerate(zip(BLOCKS, WIDTHS)):
            inner = width // 4
            for b in range(count):
                block = f"downsample.layer{level + 1}.{b}."
                shapes = ((inner, inputs, 1, 1), (inner, inner, 3, 3), (width, inner, 1, 1))
                for i, shape in enumerate(shapes, 1):
                    rows.append((f"{ours}{block}conv_bn_relu{i}.conv.", f"{theirs}{block}conv{i}.", shape))
                if b == 0:
                    shortcut = f"{block}downsample.conv."
                    rows.append((ours + shortcut, theirs + shortcut, (width, inputs, 1, 1)))
                inputs = width
        for u, width in enumerate(reversed(WIDTHS)):
            unit = f"upsample.up{u + 1}."
            parts = [("u_skip", "in_skip", (256, width, 1, 1))]
            if u:
                parts.append(("up_conv", "up_conv", (256, 256, 1, 1)))
            if not last:
                parts.append(("skip1", "out_skip1", (width, width, 1, 1)))
                parts.append(("skip2", "out_skip2", (width, 256, 1, 1)))
                if u == 3:
                    parts.append(("cross_conv", "cross_conv", (64, 256, 1, 1)))
            for part, renamed, shape in parts:
                rows.append((f"{ours}{unit}{part}.conv.", f"{theirs}{unit}{renamed}.conv.", shape))
            for j, shape in ((1, (256, 256, 1, 1)), (2, (keypoints, 256, 3, 3))):
                head = f"head.predict_layers.{4 * s + u}.conv_layers.{j - 1}.conv."
                rows.append((f"{ours}{unit}res_conv{j}.conv.", head, shape))
    return rows


def normalisation(prefix: str) -> str:
    """The prefix of the batch normalisation behind a convolution."""
    stem, conv = prefix[:-1].rsplit(".", 1)
    return f"{stem}.{conv.replace('conv', 'bn')}."


def shapes(naming: str, stages: int, keypoints: int = 17) -> dict[str, tuple[int, ...]]:
    """Name -> shape of a whole state dict, 'official' or 'mmpose'."""
    result: dict[str, tuple[int, ...]] = {}
    for official, mmpose, shape in convolutions(stages, keypoints):
        conv = official if naming == "official" else mmpose
        result[conv + "weight"] = shape
        if naming == "official":
            result[conv + "bias"] = shape[:1]
        bn = normalisation(conv)
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            result[bn + tensor] = shape[:1]
        result[bn + "num_batches_tracked"] = ()
    return result


def random_state(naming: str, stages: int, keypoints: int = 17, seed: int = 0) -> dict[str, Tensor]:
    """A state dict with values of a size that keeps activations near one."""
    chance = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes(naming, stages, keypoints).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
            continue
        values = torch.randn(shape, generator=chance)
        if len(shape) == 4:
            values *= (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        elif name.endswith("running_var"):
            values = 1 + 0.2 * values.abs()
        elif name.endswith("weight"):
            values = 0.7 + 0.1 * values
        else:
            values *= 0.1
        state[name] = values
    return state


def run(state: dict[str, Tensor], images: Tensor, stages: int, naming: str) -> Tensor:
    """(B, stages, 4, K, H/4, W/4) heat maps in evaluation mode, straight from a state dict."""
    prefix = {official: (official if naming == "official" else mmpose) for official, mmpose, _ in convolutions(stages)}

    def layer(x: Tensor, name: str, stride: int = 1, relu: bool = True) -> Tensor:
        conv = prefix[name + ".conv."]
        bn = normalisation(conv)
        weight = state[conv + "weight"]
        x = F.conv2d(x, weight, state.get(conv + "bias"), stride=stride, padding=weight.shape[-1] // 2)
        scale = state[bn + "weight"] / torch.sqrt(state[bn + "running_var"] + 1e-5)
        shift = state[bn + "bias"] - state[bn + "running_mean"] * scale
        x = x * scale[:, None, None] + shift[:, None, None]
        return x.clamp(min=0) if relu else x

    x = F.max_pool2d(layer(images, "top.conv", 2), 3, 2, 1)
    quarter = x.shape[-2:]
    added: list[Tensor] | None = None
    outputs = []
    for s in range(stages):
        levels = []
        for level, count in enumerate(BLOCKS):
            for b in range(count):
                block = f"stage{s}.downsample.layer{level + 1}.{b}"
                stride = 2 if level and b == 0 else 1
                out = layer(x, block + ".conv_bn_relu1")
                out = layer(out, block + ".conv_bn_relu2", stride)
                out = layer(out, block + ".conv_bn_relu3", relu=False)
                x = (out + (layer(x, block + ".downsample", stride, False) if b == 0 else x)).clamp(min=0)
            if added is not None:
                x = x + added[level]
            levels.append(x)
        added, maps, below = [], [], None
        for u, feature in enumerate(reversed(levels)):
            unit = f"stage{s}.upsample.up{u + 1}"
            out = layer(feature, unit + ".u_skip", relu=False)
            if below is not None:
                size = feature.shape[-2:]
                out = out + layer(
                    F.interpolate(below, size=size, mode="bilinear", align_corners=True), unit + ".up_conv", relu=False
                )
            below = out = out.clamp(min=0)
            head = layer(layer(out, unit + ".res_conv1"), unit + ".res_conv2", relu=False)
            maps.append(F.interpolate(head, size=quarter, mode="bilinear", align_corners=True))
            if s < stages - 1:
                added.insert(0, layer(feature, unit + ".skip1") + layer(out, unit + ".skip2"))
        if s < stages - 1:
            x = layer(below, f"stage{s}.upsample.up4.cross_conv")
        outputs.append(torch.stack(maps, 1))
    return torch.stack(outputs, 1)

"""RNL: region-based non-local blocks, and the channel gate beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import nn

from poof.recog.core.model import Recognizer
from poof.recog.zoo.modules.rnl import Gather, RegionNonLocal
from poof.recog.zoo.published.rules import BLOCK, Rules, State, has


def _kernels(state: State, model: Recognizer) -> State:
    """The release stores a depthwise kernel as a dense one of groups and a mask."""
    changed = {}
    for key, value in state.items():
        if key.endswith("penta.mask"):
            continue
        if key.endswith("penta.weight"):
            mask = state[key.removesuffix("weight") + "mask"]
            kernel = value * mask
            own = torch.arange(len(mask)) % mask.shape[1]
            if bool((mask[torch.arange(len(mask)), own] == 1).all()) and float(mask.sum()) == mask[:, 0].numel():
                kernel = kernel.sum(1, keepdim=True)
            else:  # no mask at all, in truth: the kernels mix channels
                _group(model, key.removesuffix(".penta.weight"))
            changed[key.replace("penta.weight", "gather.layer.weight")] = kernel
        elif re.search(r"module\.(embed|expand|weigh)\.weight", key) and value.dim() == 5:
            changed[key] = value.squeeze(2)  # 1x1x1
        else:
            changed[key] = value
    return changed


def _group(model: Recognizer, path: str) -> None:
    """Let an RNL block gather within groups of channels, and the network's description say so."""
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return  # the network has no such block, which is told of with the other keys
    if not isinstance(module, RegionNonLocal) or not isinstance(module.gather.layer, nn.Conv3d):
        return
    old = module.gather.layer
    kernel = (old.kernel_size[0], old.kernel_size[1], old.kernel_size[2])
    fresh = Gather(old.in_channels, "grouped", kernel)
    module.gather = fresh.to(old.weight.device, old.weight.dtype)
    for name, knobs in model.config.get("modules", []):
        if name == "rnl":
            knobs["gather"] = "grouped"


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    modules = [m for _, m in model.temporal_modules() if isinstance(m, RegionNonLocal)]
    if not modules:
        yield "it has RNL's blocks; build it with -m tsm -m rnl"
    elif any(module.affinity != "gaussian" for module in modules):
        yield "its attention is Gaussian; leave out affinity"
    gated = any(".cg.W_k." in key for key in state)
    if gated != has(model, "gc"):
        gate = "-m gc:reduction=2,blocks=1 in front of rnl"
        yield f"it has a channel gate: add {gate}" if gated else f"it has no channel gate: leave out {gate}"
    if any(".net.weight" in key for key in state) != has(model, "tsm"):
        yield "its shift in time is missing (or too many); build it with -m tsm -m rnl as the file has it"


RULES = Rules(
    "RNL",
    r"\.nl\.theta\.",
    "build resnet50 with -m tsm -m gc:reduction=2,blocks=1 -m rnl (gc where the file has cg)",
    (
        (BLOCK + r"\.nl\.", r"inserted.\1_\2_after_rnl.module."),
        (BLOCK + r"\.cg\.W_k\.", r"inserted.\1_\2_after_gc.module.weigh."),
        (BLOCK + r"\.cg\.W_v1\.", r"inserted.\1_\2_after_gc.module.squeeze."),
        (BLOCK + r"\.cg\.bn1\.", r"inserted.\1_\2_after_gc.module.norm."),
        (BLOCK + r"\.cg\.W_v2\.", r"inserted.\1_\2_after_gc.module.expand."),
        (r"module\.theta\.", "module.embed."),
        (r"module\.W\.0\.", "module.expand."),
        (r"module\.W\.1\.", "module.norm."),
        (r"\.block\.", "."),
        (r"\.net\.", "."),
    ),
    change=_kernels,
    differs=_differs,
)

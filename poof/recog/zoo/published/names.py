"""Key maps of published checkpoints: one entry a release, one list of (pattern, replacement) each.

Patterns see a key without 'module.', '_orig_mod.' and 'base_model.'; the first that matches a part of the key acts, all
of them in order. What names alone cannot do (kernels stored as weight and mask, biases in front of a norm, another
numbering) follows in functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from poof.recog.core.model import HostedRecognizer, Recognizer
from poof.recog.zoo.modules.m2a import MotionAwareAttention
from poof.recog.zoo.modules.rnl import Gather, RegionNonLocal
from poof.recog.zoo.modules.srtg import RecursionGate

State = dict[str, Tensor]
BLOCK = r"(layer\d+)\.(\d+)"


def _nothing(state: State, model: Recognizer) -> Iterator[str]:
    yield from ()


def _none(state: State) -> list[str]:
    return []


@dataclass(frozen=True)
class Rules:
    """One release.

    Attributes
    ----------
    title
        What it is, for messages: 'holds ...'.
    mark
        A pattern that keys of this release alone have.
    build
        How the network for it is built, for messages.
    names
        (pattern, replacement) on each key, in order.
    prefix
        In front of what is left: the backbone's place in poof's network.
    change
        On the renamed tensors, where names are not all.
    differs
        Reasons why a network would compute something else, though the keys fit.
    dropped
        Keys that the release's own code never used.
    """

    title: str
    mark: str
    build: str
    names: tuple[tuple[str, str], ...] = ()
    prefix: str = "backbone."
    change: Callable[[State, Recognizer], State] = field(default=lambda state, model: state)
    differs: Callable[[State, Recognizer], Iterator[str]] = _nothing
    dropped: Callable[[State], list[str]] = _none

    def rename(self, state: State, model: Recognizer) -> State:
        """The tensors under poof's keys."""
        unused = set(self.dropped(state))
        renamed = {}
        for key, value in state.items():
            if key in unused:
                continue
            name = key.removeprefix("base_model.")
            for pattern, replacement in self.names:
                name = re.sub(pattern, replacement, name)
            if isinstance(model, HostedRecognizer):
                name = re.sub(r"^(new_fc|last_linear|fc)\.", f"{model.classifier}.", name)
            else:
                name = re.sub(r"^(new_fc|last_linear)\.", "fc.", name)
            ours = name.startswith(("inserted.", "busy.", "quiet.", "mbpm.", "laterals.", "main.", "difference_"))
            renamed[name if ours else self.prefix + name] = value
        return self.change(renamed, model)


def _has(model: Recognizer, module: str) -> bool:
    return any(line.module == module for line in model.insertions)


# -------------------------------------------------------------------------------- TSM, TSN, MobileNet


def _tsm_differs(state: State, model: Recognizer) -> Iterator[str]:
    shifted = any(".net.weight" in key for key in state)
    if shifted and not _has(model, "tsm"):
        yield "it shifts features in time; build it with -m tsm"
    if any(re.search(BLOCK + r"\.net\.(conv|bn)", key) for key in state):
        yield "it shifts whole blocks (shift_place=block), which poof does not have; take one with blockres"
    if any(re.search(r"layer\d\.net\.|\.nl\.", key) for key in state):
        yield "it has non-local blocks or pools time, which this release's loader does not know"
    if not shifted and _has(model, "tsm"):
        yield "it is TSN's, without a shift in time; build it without -m tsm"


def _mobile(state: State, model: Recognizer) -> State:
    """The authors' MobileNetV2 numbers the layers of a block without the groups of torchvision's."""
    if not any(re.match(r"backbone\.features\.1\.conv\.1\.weight", key) for key in state):
        return state
    if any(key.startswith("backbone.features.2.conv.0.0.") for key in state):
        return state  # torchvision's own

    def renamed(key: str) -> str:
        match = re.fullmatch(r"backbone\.features\.(\d+)\.conv\.(\d+)\.(.+)", key)
        if match is None:
            return key
        block, layer, rest = int(match[1]), int(match[2]), match[3]
        if block == 1:
            place = {0: "0.0", 1: "0.1", 3: "1", 4: "2"}[layer]
        else:
            place = {0: "0.0", 1: "0.1", 3: "1.0", 4: "1.1", 6: "2", 7: "3"}[layer]
        return f"backbone.features.{block}.conv.{place}.{rest}"

    return {renamed(key): value for key, value in state.items()}


# -------------------------------------------------------------------------------- M2A, TDN, RNL

EXCITED = (
    (r"\.conv1\.weight$", ".squeeze.0.weight"),
    (r"\.bn1\.", ".squeeze.1."),
    (r"\.conv2\.weight$", ".depthwise.weight"),
    (r"\.conv3\.weight$", ".expand.0.weight"),
    (r"\.bn3\.", ".expand.1."),
    (r"\.conv3_smallscale2\.", ".coarse.0."),
    (r"\.bn3_smallscale2\.", ".coarse.1."),
    (r"\.conv3_smallscale4\.", ".fine.0."),
    (r"\.bn3_smallscale4\.", ".fine.1."),
)
"""Layers of TEA's and TDN's excitations."""


def _within(part: str, names: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The same patterns, only on keys with `part` before them."""
    return tuple((rf"({part}.*?){pattern}", rf"\g<1>{replacement}") for pattern, replacement in names)


INSIDE = r"inserted\.\w+\.module\.(?:motion|gate)"
M2A_NAMES = (
    (
        BLOCK + r"\.conv1\.0\.(?:m2a\.)?(conv_down|conv_up|modules_list)\.",
        r"inserted.\1_\2_conv1_before_m2a.module.\3.",
    ),
    (
        r"features\.(\d+)\.conv\.0\.0\.(conv_down|conv_up|modules_list)\.",
        r"inserted.features_\1_conv_0_0_before_m2a.module.\2.",
    ),
    (BLOCK + r"\.conv1\.[12]\.weight", r"\1.\2.conv1.weight"),
    (r"features\.(\d+)\.conv\.0\.[12]\.weight", r"features.\1.conv.0.weight"),
    (r"module\.conv_down\.", "module.down."),
    (r"module\.conv_up\.", "module.up."),
    (r"modules_list\.0\.motion_mod\.", "motion."),
    (r"modules_list\.0\.attn\.(G|L)\.", r"attention.\1."),
    (r"modules_list\.0\.(G|L)\.", r"attention.\1."),
    (r"modules_list\.0\.", "motion."),
    (r"attention\.G\.", "attention.kernel."),
    (r"attention\.L\.", "attention.gate."),
    *_within(INSIDE, EXCITED),
)


def _m2a_differs(state: State, model: Recognizer) -> Iterator[str]:
    modules = [m for _, m in model.temporal_modules() if isinstance(m, MotionAwareAttention)]
    if not modules:
        yield "it has M2A's modules; build it with -m m2a:variant=released"
    elif any(".m2a.conv_down" in key for key in state) != model.config["name"].endswith("_viewed"):
        yield "the release's I3D takes frames for colours; build i3d_resnet18_viewed for it, and for no other"
    elif any(module.shift != "zero" for module in modules):
        yield "its differences end in zeros; build it with -m m2a:variant=released"
    elif any(module.variant != "released" for module in modules) and not _plain(modules):
        yield "it leaves out norms and skips where motion or attention stand alone; say variant=released"
    shifted = any(re.search(r"conv1\.2\.weight", key) for key in state)
    if modules and shifted != _has(model, "tsm"):
        yield "it shifts features besides; add -m tsm behind m2a" if shifted else "it has no shift; leave out tsm"


def _plain(modules: list[MotionAwareAttention]) -> bool:
    """Whether both variants are the same: motion by differences with attention among frames, or attention alone."""
    return all(m.norm and m.skip and type(m.attention).__name__ == "SelfAttention" for m in modules)


TDN_NAMES = (
    (BLOCK + r"\.mse\.", r"inserted.\1_\2_conv2_before_tdn.module.gate."),
    (BLOCK + r"\.shift\.conv\.weight", r"inserted.\1_\2_conv2_before_tdn.module.shift.weight"),
    *_within(INSIDE, EXCITED),
)


def _fold_biases(state: State, model: Recognizer) -> State:
    """Biases in front of a batch norm go into its mean: the same function, in training too."""
    changed = dict(state)
    for key, bias in state.items():
        match = re.fullmatch(r"(.*?)(conv1|conv2|conv3|downsample\.0)\.bias", key)
        if match is None:
            continue
        norm = {"downsample.0": "downsample.1"}.get(match[2], match[2].replace("conv", "bn"))
        mean = f"{match[1]}{norm}.running_mean"
        if mean in changed:
            changed[mean] = changed[mean] - bias
            del changed[key]
    own = model.state_dict()
    for key, value in changed.items():
        if key.endswith("shift.weight") and key in own and value.dim() == 3:
            changed[key] = value.unsqueeze(3)
    return changed


def _rnl_kernels(state: State, model: Recognizer) -> State:
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


def _rnl_differs(state: State, model: Recognizer) -> Iterator[str]:
    modules = [m for _, m in model.temporal_modules() if isinstance(m, RegionNonLocal)]
    if not modules:
        yield "it has RNL's blocks; build it with -m tsm -m rnl"
    elif any(module.affinity != "gaussian" for module in modules):
        yield "its attention is Gaussian; leave out affinity"
    gated = any(".cg.W_k." in key for key in state)
    if gated != _has(model, "gc"):
        gate = "-m gc:reduction=2,blocks=1 in front of rnl"
        yield f"it has a channel gate: add {gate}" if gated else f"it has no channel gate: leave out {gate}"
    if any(".net.weight" in key for key in state) != _has(model, "tsm"):
        yield "its shift in time is missing (or too many); build it with -m tsm -m rnl as the file has it"


# -------------------------------------------------------------------------------- SRTG, BQN


def _srtg_names(state: State, model: Recognizer) -> State:
    module = "srtg" if _has(model, "srtg") else "sr"
    own = model.state_dict()
    renamed = {}
    for key, value in state.items():
        name = key.replace("_after_sr.", f"_after_{module}.")
        short = re.sub(r"\.(conv\d)\.0\.0\.", r".\1.0.", name)
        renamed[short if name not in own and short in own else name] = value
    return renamed


def _srtg_differs(state: State, model: Recognizer) -> Iterator[str]:
    if isinstance(model, HostedRecognizer):
        pool = [layer for layer in model.backbone.modules() if isinstance(layer, nn.MaxPool3d)]
        if not any(layer.kernel_size in (3, (3, 3, 3)) for layer in pool):
            yield "its stem pools time as well; build it from the backbone with _pooled behind its name (r3d_34_pooled)"
    if any(isinstance(m, RecursionGate) for _, m in model.temporal_modules()):
        yield "it was made with the gates off; build it with -m sr"


BQN_NAMES = (
    (r"^mbpf1\.conv_s\.weight", "mbpm.filter.space"),
    (r"^mbpf1\.conv_t\.weight", "mbpm.filter.time"),
    (r"^d_(conv1|bn1)\.", r"busy.backbone.\1."),
    (r"^(conv1|bn1)\.", r"quiet.backbone.\1."),
    (r"^" + BLOCK + r"\.path_f\.", r"busy.backbone.\1.\2."),
    (r"^" + BLOCK + r"\.path_c\.", r"quiet.backbone.\1.\2."),
    (r"\.conv1\.net\.", ".conv1."),
    (r"^(new_)?fc\.", "busy.backbone.fc."),
)


def _bqn_laterals(state: State, model: Recognizer) -> State:
    """Laterals are numbered through all blocks here, and stand within their block in the release."""
    number: dict[str, int] = {}
    backbone = model.get_submodule("busy.backbone")
    for stage in range(1, 5):
        for index in range(len(list(backbone.get_submodule(f"layer{stage}").children()))):
            number[f"layer{stage}.{index}"] = len(number)
    own = model.state_dict()
    renamed = {}
    for key, value in state.items():
        match = re.fullmatch(rf"busy\.({BLOCK})\.(mbpf|up|d_up|down|d_down)\.(.+)", key)
        name = key
        if match:
            place = f"laterals.{number[match[1]]}"
            part, rest = match[4], match[5]
            if part == "mbpf":
                name = f"{place}.band_pass." + {"conv_s.weight": "space", "conv_t.weight": "time"}[rest]
            else:
                norm = "busy_norm" if part in ("up", "d_up") else "quiet_norm"
                phi, _, last = rest.partition(".")
                name = f"{place}.{norm}.{last}" if phi == "1" else f"{place}.phi.{last}"
        if name in own and value.shape != own[name].shape and value.numel() == own[name].numel():
            value = value.reshape(own[name].shape)
        renamed[name] = value
    return renamed


def _bqn_differs(state: State, model: Recognizer) -> Iterator[str]:
    if getattr(model, "quiet_input", "frame") != "frame":
        yield "its quiet pathway sees the first frame of three; build it with :quiet=frame"


# -------------------------------------------------------------------------------- TEA, X3D

TEA_NAMES = (
    (BLOCK + r"\.me\.", r"inserted.\1_\2_expanded_before_tea.module.motion."),
    (BLOCK + r"\.shifts\.(\d)\.conv\.weight", r"inserted.\1_\2_shifts_\3_after_mta.module.mix.weight"),
    *_within(INSIDE, EXCITED),
)


def _tea_shapes(state: State, model: Recognizer) -> State:
    return {key: value.unsqueeze(3) if key.endswith("mix.weight") else value for key, value in state.items()}


def _x3d_norm(state: State, model: Recognizer) -> State:
    """PyTorchVideo's first shortcut has no norm: an identity takes its place."""
    own, changed = model.state_dict(), dict(state)
    for key, value in own.items():
        if not re.search(r"\.s2\.pathway0_res0\.branch1_bn\.", key) or key in changed:
            continue
        bn = model.get_submodule(key.rpartition(".")[0])
        fresh = torch.zeros_like(value)
        if key.endswith(("weight", "running_var")):
            fresh = fresh + 1
        if key.endswith(".weight") and isinstance(bn, nn.BatchNorm3d):
            fresh = torch.full_like(value, (1 + bn.eps) ** 0.5)
        changed[key] = fresh
    return changed


RELEASES: dict[str, Rules] = {
    "bqn": Rules(
        "a busy-quiet network",
        r"^(base_model\.)?mbpf1\.",
        "build bqn-resnet50 (or bqn-resnet101) with :quiet=frame",
        BQN_NAMES,
        "busy.",
        _bqn_laterals,
        _bqn_differs,
    ),
    "tea": Rules("TEA", r"\.me\.conv1\.", "build tea-res2net50", TEA_NAMES, change=lambda s, m: _tea_shapes(s, m)),
    "tdn": Rules(
        "TDN",
        r"\.mse\.conv1\.",
        "build tdn-resnet50",
        (
            (r"(layer\d)_bak\.", r"\1."),
            *TDN_NAMES,
            (r"^conv1_5\.", "difference_stem."),
            (r"^resnext_layer1\.", "difference_stage."),
            (r"^inserted\.", "main.inserted."),
            (r"^(layer\d)\.", r"main.backbone.\1."),
            (r"^(conv1|bn1)\.", r"main.backbone.\1."),
            (r"^(new_fc|last_linear|fc)\.", "main.backbone.fc."),
        ),
        "",
        _fold_biases,
        dropped=lambda state: [key for key in state if ".conv1_temp." in f".{key}"],
    ),
    "rnl": Rules(
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
        change=_rnl_kernels,
        differs=_rnl_differs,
    ),
    "srtg": Rules(
        "SRTG",
        r"\.sar\.lstm\.",
        "build its backbone (r3d_34_pooled and so on) with -m sr",
        ((BLOCK + r"\.sar\.lstm\.", r"inserted.\1_\2_after_sr.module.recurrence.net."),),
        change=_srtg_names,
        differs=_srtg_differs,
    ),
    "tam": Rules(
        "TAM",
        r"\.tam\.[GL]\.",
        "build its backbone with -m tam",
        (
            (BLOCK + r"\.tam\.G\.", r"inserted.\1_\2_conv2_before_tam.module.kernel."),
            (BLOCK + r"\.tam\.L\.", r"inserted.\1_\2_conv2_before_tam.module.gate."),
            (BLOCK + r"\.net\.", r"\1.\2."),
        ),
    ),
    "m2a": Rules(
        "M2A",
        r"\.conv_down\.",
        "build its backbone with -m m2a:variant=released and the rows' motion and attention",
        M2A_NAMES,
        change=_mobile,
        differs=_m2a_differs,
    ),
    "x3d": Rules(
        "X3D of PyTorchVideo", r"^s2\.pathway0_res0\.branch1\.", "build x3d_m (or another size)", change=_x3d_norm
    ),
    "tsm": Rules(
        "TSM or TSN",
        r"^base_model\.|^new_fc\.|\.net\.weight$",
        "build its backbone, with -m tsm for TSM",
        ((r"\.conv1\.net\.", ".conv1."), (r"\.conv\.0\.net\.", ".conv.0.")),
        change=_mobile,
        differs=_tsm_differs,
    ),
}
"""By name, the most particular first: TSM's keys are in many releases."""

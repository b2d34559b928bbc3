"""Key maps between state dicts of MSPN: ours (the official release's), mmpose's, and torchvision's ResNets.

Two rules make the translation exact although mmpose's convolutions carry no bias: a missing bias is zero, and a
superfluous one is folded into the normalisation that follows, running_mean <- running_mean - bias.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from torch import Tensor

from poof.checkpoints import plain_names
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.pose.mspn import BODIES, MSPN, UNITS
from poof.pose.unet import UNet

StateDict = Mapping[str, Tensor]
Network = MSPN | UNet

MOST_KEYPOINTS = 10_000
_UP_PARTS = {"u_skip": "in_skip", "skip1": "out_skip1", "skip2": "out_skip2"}  # the parts that mmpose renamed
_BLOCK = re.compile(r"stage(\d)\.downsample\.(layer\d\.\d+)\.(?:conv_bn_relu(\d)|downsample)\.(conv|bn)\.(\w+)")
_UP = re.compile(r"stage(\d)\.upsample\.up(\d)\.(\w+)\.(conv|bn)\.(\w+)")
_FIRST = "top.conv.conv.weight"
_NOT_OF_A_BODY = re.compile(r"(fc|classifier|output|stage[1-9])\.")
"""What a file of a body may hold beside it: a classifier, and stages beyond the network's."""


class Architecture(NamedTuple):
    """What has to be known to build the network that a state dict belongs to."""

    num_keypoints: int
    stages: int
    conv_bias: bool
    body: str

    @classmethod
    def of(cls, network: Network) -> Architecture:
        """That of a network at hand."""
        return cls(network.num_keypoints, network.stages, network.conv_bias, network.body)

    def checked(self) -> Architecture:
        """Itself; a `ValueError` where it names no network that can be built."""
        whole = isinstance(self.num_keypoints, int) and isinstance(self.stages, int)
        if not whole or not 1 <= self.num_keypoints <= MOST_KEYPOINTS or not 1 <= self.stages <= 4:
            raise ValueError(f"{self.num_keypoints!r} keypoints, {self.stages!r} stages"[:80])
        if self.body not in (*BODIES, UNet.body) or not isinstance(self.conv_bias, bool):
            raise ValueError(f"body {self.body!r}"[:80])
        return self

    def build(self) -> Network:
        """A fresh network of this shape."""
        if self.body == UNet.body:
            return UNet(self.num_keypoints)
        return MSPN(self.num_keypoints, self.stages, self.conv_bias, self.body)


def mmpose_name(name: str) -> str:
    """mmpose's name (1.x) of a tensor of ours. Biases of convolutions get a name too, though mmpose has none."""
    if name.startswith("top."):
        return name.replace("top.conv.", "backbone.top.top.0.", 1)
    if match := _BLOCK.fullmatch(name):
        stage, block, number, kind, tensor = match.groups()
        layer = f"{kind}{number}" if number else f"downsample.{kind}"
        return f"backbone.multi_stage_mspn.{stage}.downsample.{block}.{layer}.{tensor}"
    match = _UP.fullmatch(name)
    if match is None:
        raise KeyError(name)
    stage, unit, part, kind, tensor = match.groups()
    if part.startswith("res_conv"):
        head = UNITS * int(stage) + int(unit) - 1
        return f"head.predict_layers.{head}.conv_layers.{int(part[-1]) - 1}.{kind}.{tensor}"
    return f"backbone.multi_stage_mspn.{stage}.upsample.up{unit}.{_UP_PARTS.get(part, part)}.{kind}.{tensor}"


def torchvision_name(name: str) -> str | None:
    """The name in torchvision's ResNet of a tensor of ours; None where a ResNet has nothing like it."""
    if name.startswith("top."):
        _, _, kind, tensor = name.split(".")
        return f"{kind}1.{tensor}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        return None
    _, block, number, kind, tensor = match.groups()
    layer = f"{kind}{number}" if number else f"downsample.{0 if kind == 'conv' else 1}"
    return f"{block}.{layer}.{tensor}"


@cache
def _ours_of_mmpose() -> dict[str, str]:
    names: dict[str, str] = {}
    for body in BODIES:
        with on_meta():
            largest = MSPN(num_keypoints=1, stages=4, body=body)
        names |= {mmpose_name(name): name for name in largest.state_dict()}
    return names


def clean(state: StateDict) -> dict[str, Tensor]:
    """The state dict without the prefixes of wrappers (`module.`, `_orig_mod.`) and mmpose 0.x (`keypoint_head.`)."""
    return {re.sub(r"^keypoint_head\.", "head.", name): value for name, value in plain_names(state).items()}


def naming_of(state: StateDict) -> str:
    """'official', 'mmpose' or 'torchvision' by the names of a cleaned state dict; '' when it is none of them.

    'official body' is a ResNet under the official names, or what they end with: the release's ImageNet file.
    """
    if any(tail in state for tail in _tails(_FIRST)):
        return "official" if any(".upsample." in name for name in state) else "official body"
    if mmpose_name(_FIRST) in state:
        return "mmpose"
    if "conv1.weight" in state and "layer1.0.conv1.weight" in state:
        return "torchvision"
    return ""


def to_ours(state: StateDict, source: str) -> dict[str, Tensor]:
    """A whole MSPN's state dict, official or mmpose, under our names; tensors are shared, not copied.

    Raises
    ------
    PoofError
        When a name belongs to neither release; `source` names the file.
    """
    state = clean(state)
    naming = naming_of(state)
    if naming == "official":
        return state
    if naming in ("torchvision", "official body"):
        raise PoofError(f"{source}: is a ResNet, which has no heat maps; train with it: poof train --init {source}")
    if naming != "mmpose":
        raise PoofError(f"{source}: holds no MSPN: neither the official names ({_FIRST}) nor mmpose's")
    known = _ours_of_mmpose()
    _refuse(source, unexpected=[name for name in state if name not in known])
    return {known[name]: value for name, value in state.items()}


def to_mmpose(state: StateDict) -> dict[str, Tensor]:
    """Our state dict under mmpose's names, biases folded away as mmpose has none."""
    return {mmpose_name(name): value for name, value in match_bias(state, conv_bias=False).items()}


def architecture_of(state: StateDict, source: str) -> Architecture:
    """What network a state dict under our names belongs to."""
    stages = {int(match[1]) for name in state if (match := re.match(r"stage(\d)\.", name))}
    head = state.get(f"stage{max(stages, default=0)}.upsample.up4.res_conv2.conv.weight")
    if head is None:
        raise PoofError(f"{source}: has no heat-map heads; give the checkpoint of a whole pose network")
    if len(stages) != max(stages) + 1 or head.ndim != 4 or not 1 <= head.shape[0] <= MOST_KEYPOINTS:
        raise PoofError(f"{source}: holds parts of a network only; give the checkpoint of a whole pose network")
    bottleneck = "stage0.downsample.layer1.0.conv_bn_relu3.conv.weight" in state
    return Architecture(
        num_keypoints=int(head.shape[0]),
        stages=max(stages) + 1,
        conv_bias="top.conv.conv.bias" in state,
        body="resnet50" if bottleneck else "resnet18",
    )


def match_bias(state: StateDict, conv_bias: bool) -> dict[str, Tensor]:
    """The same network with or without biases before the normalisations; exact in evaluation and in training.

    Adding gives zeros; removing folds each bias into the running mean of its normalisation.
    """
    result = dict(state)
    for name, value in state.items():
        prefix, _, kind = name.rpartition("conv.")
        if kind == "weight" and conv_bias:
            result.setdefault(f"{prefix}conv.bias", value.new_zeros(value.shape[0]))
        elif kind == "bias" and not conv_bias:
            result[f"{prefix}bn.running_mean"] = state[f"{prefix}bn.running_mean"] - value
            del result[name]
    return result


def load(model: Network, state: StateDict, source: str) -> None:
    """Load a state dict into a network of the same shape, an MSPN's under any known naming; every tensor must fit.

    Raises
    ------
    PoofError
        When names are missing or left over, or shapes differ.
    """
    if isinstance(model, MSPN):
        state = match_bias(to_ours(state, source), model.conv_bias)
    own = model.state_dict()
    _refuse(source, [n for n in own if n not in state], [n for n in state if n not in own])
    for name, value in state.items():
        if value.shape != own[name].shape:
            theirs, ours = tuple(value.shape), tuple(own[name].shape)
            raise PoofError(
                f"{source}: {name} has shape {theirs}, this network wants {ours} (keypoints or stages differ)"
            )
    model.load_state_dict(state)


def load_resnet(model: MSPN, state: StateDict, source: str) -> None:
    """Initialise the top and the body of every stage from a ResNet; heads and up units stay as they are.

    Parameters
    ----------
    model
        Changed in place.
    state
        torchvision's names, or the official ones; of these a name may lack its beginning, as the release looks for the
        tensor whose name is the longest end of the network's.
    source
        Names the file in messages.

    Raises
    ------
    PoofError
        When the ResNet is not the model's body, or has tensors that no ResNet has.
    """
    state = clean(state)
    official = naming_of(state) == "official body"
    loaded, used = {}, set()
    for name, own in model.state_dict().items():
        theirs = torchvision_name(name)
        if theirs is None:
            continue
        if official:
            tails = _tails(name)
            theirs = next((tail for tail in tails if tail in state), tails[-1])
        value = state.get(theirs)
        if value is None and name.endswith(("num_batches_tracked", "conv.bias")):
            continue  # torchvision's oldest files do not have the first, and no ResNet the second
        if value is None or value.shape != own.shape:
            raise PoofError(f"{source}: is not the {model.body} that this network is built on (no fitting {theirs})")
        loaded[name] = value
        used.add(theirs)
    if official:
        _refuse(source, unexpected=[name for name in state if name not in used and not _NOT_OF_A_BODY.match(name)])
    model.load_state_dict(loaded, strict=False)


def _tails(name: str) -> list[str]:
    """What a ResNet's file may call a tensor of the top or of a body, the longest first.

    A later stage starts from 64 channels at a quarter of the size, as the first one does: stage0's tensors fit all.
    """
    _, body, rest = name.partition(".downsample.")
    if not body:
        return [name, name.removeprefix("top.")]
    return [name, f"stage0{body}{rest}", f"downsample.{rest}", rest]


def _refuse(source: str, missing: Iterable[str] = (), unexpected: Iterable[str] = ()) -> None:
    missing, unexpected = list(missing), list(unexpected)
    if missing or unexpected:
        sides = ((missing, "missing"), (unexpected, "unknown"))
        what = ", ".join(f"{len(names)} tensors {how} ({names[0]} ...)" for names, how in sides if names)
        raise PoofError(f"{source}: is no state dict of this network: {what}; check the stages and the body")

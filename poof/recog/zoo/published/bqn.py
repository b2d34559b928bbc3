"""The busy-quiet network."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poof.recog.core.model import Recognizer
from poof.recog.zoo.published.rules import BLOCK, Rules, State

NAMES = (
    (r"^mbpf1\.conv_s\.weight", "mbpm.filter.space"),
    (r"^mbpf1\.conv_t\.weight", "mbpm.filter.time"),
    (r"^d_(conv1|bn1)\.", r"busy.backbone.\1."),
    (r"^(conv1|bn1)\.", r"quiet.backbone.\1."),
    (r"^" + BLOCK + r"\.path_f\.", r"busy.backbone.\1.\2."),
    (r"^" + BLOCK + r"\.path_c\.", r"quiet.backbone.\1.\2."),
    (r"\.conv1\.net\.", ".conv1."),
    (r"^(new_)?fc\.", "busy.backbone.fc."),
)


def _laterals(state: State, model: Recognizer) -> State:
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


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    if getattr(model, "quiet_input", "frame") != "frame":
        yield "its quiet pathway sees the first frame of three; build it with :quiet=frame"


RULES = Rules(
    "a busy-quiet network",
    r"^(base_model\.)?mbpf1\.",
    "build bqn-resnet50 (or bqn-resnet101) with :quiet=frame",
    NAMES,
    "busy.",
    _laterals,
    _differs,
)

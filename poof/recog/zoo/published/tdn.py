"""TDN: temporal differences."""

from __future__ import annotations

import re

from poof.recog.core.model import Recognizer
from poof.recog.zoo.published.rules import BLOCK, EXCITED, INSIDE, Rules, State, within

NAMES = (
    (BLOCK + r"\.mse\.", r"inserted.\1_\2_conv2_before_tdn.module.gate."),
    (BLOCK + r"\.shift\.conv\.weight", r"inserted.\1_\2_conv2_before_tdn.module.shift.weight"),
    *within(INSIDE, EXCITED),
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


RULES = Rules(
    "TDN",
    r"\.mse\.conv1\.",
    "build tdn-resnet50",
    (
        (r"(layer\d)_bak\.", r"\1."),
        *NAMES,
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
)

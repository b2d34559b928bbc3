"""SRTG: squeeze and recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from poof.recog.core.model import HostedRecognizer, Recognizer
from poof.recog.zoo.backbones.mfnet import MEAN, STD
from poof.recog.zoo.modules.srtg import RecursionGate
from poof.recog.zoo.published.rules import BLOCK, Rules, State, has


def _names(state: State, model: Recognizer) -> State:
    module = "srtg" if has(model, "srtg") else "sr"
    own = model.state_dict()
    renamed = {}
    for key, value in state.items():
        name = key.replace("_after_sr.", f"_after_{module}.")
        short = re.sub(r"\.(conv\d)\.0\.0\.", r".\1.0.", name)
        renamed[short if name not in own and short in own else name] = value
    return renamed


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    if isinstance(model, HostedRecognizer):
        pool = [layer for layer in model.backbone.modules() if isinstance(layer, nn.MaxPool3d)]
        if not any(layer.kernel_size in (3, (3, 3, 3)) for layer in pool):
            yield "its stem pools time as well; build it from the backbone with _pooled behind its name (r3d_34_pooled)"
    if any(isinstance(m, RecursionGate) for _, m in model.temporal_modules()):
        yield "it was made with the gates off; build it with -m sr"


RULES = Rules(
    "SRTG",
    r"\.sar\.lstm\.",
    "build its backbone (r3d_34_pooled and so on) with -m sr",
    ((BLOCK + r"\.sar\.lstm\.", r"inserted.\1_\2_after_sr.module.recurrence.net."),),
    change=_names,
    differs=_differs,
    bgr=(MEAN, STD),
)

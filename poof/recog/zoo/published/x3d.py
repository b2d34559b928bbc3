"""X3D of PySlowFast and PyTorchVideo."""

from __future__ import annotations

import re

import torch
from torch import nn

from poof.recog.core.model import Recognizer
from poof.recog.zoo.published.rules import Rules, State


def _norm(state: State, model: Recognizer) -> State:
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


RULES = Rules(
    "X3D of PySlowFast or PyTorchVideo", r"^s2\.pathway0_res0\.branch1\.", "build x3d_m (or another size)", change=_norm
)

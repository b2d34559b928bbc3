"""Parameter groups of the optimiser, with their own learning rates and weight decay."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from poof.errors import PoofError, names_near
from poof.recog.core.model import Recognizer

GROUPS = ("one", "tsm", "rnl", "huang", "mfnet")
KINDS: dict[str, dict[str, tuple[float, float]]] = {
    "tsm": {"bias": (2.0, 0.0), "norm": (1.0, 0.0), "classifier": (5.0, 1.0), "classifier bias": (10.0, 0.0)},
    "huang": {"bias": (1.0, 0.0), "norm": (1.0, 0.0), "classifier": (5.0, 5.0), "classifier bias": (5.0, 0.0)},
    "mfnet": {"weight": (0.2, 1.0), "bias": (0.2, 1.0), "norm": (0.2, 1.0)},
}
KINDS["rnl"] = KINDS["tsm"]
"""(multiple of the learning rate, of the weight decay) by kind; (1, 1) for those that are not named."""


def parameter_groups(model: Recognizer, groups: str, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for torch's optimisers, each with its multiple of the learning rate as `scale`.

    Parameters
    ----------
    groups : one | tsm | rnl | huang | mfnet
        All alike; or those of TSN's and TSM's released training, which the recipe of TSM needs: biases learn twice as
        fast without weight decay, norms decay nothing, the classifier learns five times as fast and its bias ten times
        (without decay); those of RNL's release, which are TSM's but that norms in its modules decay, and their biases
        learn twice as fast; those of Huang (2022): the classifier learns and decays five times as fast, norms and
        biases decay nothing; those of MFNet's fine-tuning: all but the classifier learn a fifth as fast.

    Raises
    ------
    PoofError
        For another word.
    """
    if groups not in GROUPS:
        raise PoofError(f"groups={groups}: choose one of {names_near(groups, GROUPS)}")
    if groups == "one":
        return [{"params": list(model.parameters()), "lr": lr, "scale": 1.0, "weight_decay": weight_decay}]
    kinds: dict[tuple[float, float], list[nn.Parameter]] = {}
    classifiers = {id(model.get_submodule(path)) for path in model.classifiers}
    temporal = {id(part) for _, module in model.temporal_modules() for part in module.modules()}
    seen = set[nn.Parameter]()
    for module in model.modules():
        norm = isinstance(module, (_BatchNorm, nn.LayerNorm, nn.GroupNorm))
        if groups == "rnl" and id(module) in temporal:
            norm = False
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in seen:
                continue  # shared between layers
            seen.add(parameter)
            bias = name.startswith("bias")
            if id(module) in classifiers:
                kind = "classifier bias" if bias else "classifier"
            else:
                kind = "norm" if norm else "bias" if bias else "weight"
            kinds.setdefault(KINDS[groups].get(kind, (1.0, 1.0)), []).append(parameter)
    return [
        {"params": found, "lr": lr * scale, "scale": scale, "weight_decay": weight_decay * decays}
        for (scale, decays), found in kinds.items()
    ]

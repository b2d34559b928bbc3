"""Parameters in groups that learn at different rates."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from poof.errors import PoofError
from poof.recog.model import Recognizer

GROUPS = ("one", "tsm", "huang")


def parameter_groups(model: Recognizer, groups: str, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for torch's optimisers, each with its multiple of the learning rate as `scale`.

    Parameters
    ----------
    groups : one | tsm | huang
        All alike; or those of TSN's and TSM's released training, which the recipe of TSM needs: biases learn twice as
        fast without weight decay, norms decay nothing, the classifier learns five times as fast and its bias ten times
        (without decay); or those of Huang (2022): the classifier learns and decays five times as fast, norms and
        biases decay nothing.

    Raises
    ------
    PoofError
        For another word.
    """
    if groups not in GROUPS:
        raise PoofError(f"groups={groups}: choose one of {', '.join(GROUPS)}")
    if groups == "one":
        return [{"params": list(model.parameters()), "lr": lr, "scale": 1.0, "weight_decay": weight_decay}]
    fast_bias, decay = (2.0, 1.0) if groups == "tsm" else (1.0, 5.0)
    kinds: dict[tuple[float, float], list[nn.Parameter]] = {}
    classes, seen = model.config["num_classes"], set[nn.Parameter]()
    for module in model.modules():
        norm = isinstance(module, (_BatchNorm, nn.LayerNorm, nn.GroupNorm))
        classifier = isinstance(module, nn.Linear) and module.out_features == classes
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in seen:
                continue  # shared between layers
            seen.add(parameter)
            if norm:
                kind = (1.0, 0.0)
            elif name.startswith("bias"):
                kind = (fast_bias * (5.0 if classifier else 1.0), 0.0)
            else:
                kind = (5.0, decay) if classifier else (1.0, 1.0)
            kinds.setdefault(kind, []).append(parameter)
    return [
        {"params": found, "lr": lr * scale, "scale": scale, "weight_decay": weight_decay * decays}
        for (scale, decays), found in kinds.items()
    ]

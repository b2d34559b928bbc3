"""Training a part of a network while the rest stays as it is, batch norm's statistics included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from poof.errors import PoofError
from poof.recog.core.model import HostedRecognizer, Recognizer

Parts = Literal["all", "modules", "last", "classifier"]
PARTS: tuple[str, ...] = get_args(Parts)


@contextmanager
def only(model: Recognizer, parts: str, partial_norm: bool = False) -> Iterator[None]:
    """Inside, no parameter outside the wanted part asks for a gradient; afterwards all are as before.

    Parameters
    ----------
    parts : all | modules | last | classifier
        Everything; the temporal modules (as Class Regularisation on a trained network is learned); the last stage with
        what is inserted there, all that follows it and side branches (as Zeng (2020) carries conv5_x to small data
        sets); the last linear layers (as features are carried to a small data set).
    partial_norm
        Whether all batch norms but the first stay as they are.

    Raises
    ------
    PoofError
        If the network has no such part.
    """
    before = {p: p.requires_grad for p in model.parameters()}
    if parts != "all":
        model.requires_grad_(False)
        for part in _wanted(model, parts):
            part.requires_grad_(True)
        if not any(p.requires_grad for p in model.parameters()):
            raise PoofError(f"only={parts}: {model.config['name']} has nothing to learn there; train all of it")
    for norm in _later_norms(model) if partial_norm else ():
        norm.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, learns in before.items():
            parameter.requires_grad_(learns)


def training_mode(model: Recognizer, parts: str, partial_norm: bool = False) -> None:
    """Training mode for the wanted part and for dropout; the rest works as in a test."""
    model.train(parts == "all")
    for part in _wanted(model, parts) if parts != "all" else ():
        part.train()
    for module in model.modules() if parts != "all" else ():
        if isinstance(module, nn.Dropout):
            module.train()
    for norm in _later_norms(model) if partial_norm else ():
        norm.eval()


def _later_norms(model: Recognizer) -> list[nn.Module]:
    """All batch norms but the first."""
    norms: list[nn.Module] = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return norms[1:]


def _wanted(model: Recognizer, parts: str) -> list[nn.Module]:
    if parts == "modules":
        return [module for _, module in model.temporal_modules()]
    if parts == "last" and isinstance(model, HostedRecognizer):
        return _last_stage(model)
    if parts == "classifier" and model.classifiers:
        return [model.get_submodule(path) for path in model.classifiers]
    raise PoofError(f"only={parts}: choose one of {', '.join(PARTS)}; not every network has a classifier of its own")


def _last_stage(model: HostedRecognizer) -> list[nn.Module]:
    """Layers behind the end of the last stage but one (backbones register theirs in the order they run), and modules
    that sit in them or give features to the classifier."""
    layers = [(name, layer) for name, layer in model.backbone.named_modules() if not any(layer.children())]
    end = model.stages[-2].removeprefix("backbone.")
    first = max(number for number, (name, _) in enumerate(layers) if _inside(name, end)) + 1
    frozen = [name for name, _ in layers[:first]]
    behind = [layer for _, layer in layers[first:]]
    for (_, module), line in zip(model.temporal_modules(), model.insertions):
        if module.features or not any(_inside(name, line.place.path) for name in frozen):
            behind.append(module)
    return behind


def _inside(name: str, path: str) -> bool:
    return name == path or not path or name.startswith(f"{path}.")

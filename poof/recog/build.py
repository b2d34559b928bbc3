"""`build_model`: a backbone or a published network by name, with modules by name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.recog.asked import Asked
from poof.recog.core.model import Recognizer
from poof.recog.insertion import (
    Request,
    check_knobs,
    network_knobs,
    parse_knobs,
    parse_request,
    unknown,
)
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.published import Release, fill, find


def available() -> dict[str, list[str]]:
    """Every name `build_model` knows, under 'modules', 'backbones' and 'networks'."""
    return {"modules": list(MODULES), "backbones": list(BACKBONES), "networks": list(NETWORKS)}


def build_model(
    name: str,
    modules: Sequence[Request] | str = (),
    frames: int | None = None,
    num_classes: int = 174,
    *,
    size: int | None = None,
    dropout: float = 0.5,
    weights: str | Path | None = None,
) -> Recognizer:
    """A network for clips.

    Parameters
    ----------
    name
        A backbone, or a published network (which brings its modules); knobs of networks that are more than a backbone
        with modules stand behind it ('bqn-resnet50:lateral=lc3').
    modules
        Temporal modules for a backbone, in the order in which they act where two share a place; each a name, a name
        with knobs ('m2a:shift=zero') or a pair (name, knobs).
    frames
        Frames per clip: segments, for networks whose input module takes several raw frames a segment; None: those
        a published network brings, else 8.
    num_classes
        Classes.
    size
        Side of the square input in pixels, for the shapes; other sizes work unless a module depends on it; None: that
        of a published network, else 224.
    dropout
        In front of the classifier.
    weights
        'imagenet' or 'kinetics' (torchvision's, fetched into its cache), or the path of a state dict: with the
        backbone's own keys, or the authors' file of a network of `poof.recog.zoo.published`, modules included. A
        classifier of another number of classes is left out.

    Raises
    ------
    PoofError
        For unknown names (the valid ones are listed), knobs, and combinations that make no sense (with the reason).
    """
    own = NETWORKS.get(name.partition(":")[0])
    frames = frames if frames is not None else own.frames if own else 8
    size = size if size is not None else own.size if own else 224
    if frames < 1 or num_classes < 1 or size < 1 or not 0 <= dropout < 1:
        raise PoofError(
            f"frames={frames}, num_classes={num_classes}, size={size}, dropout={dropout}: the first three must be at "
            "least 1, dropout in [0, 1)"
        )
    for what, value, most in (("frames", frames, 4096), ("num_classes", num_classes, 100_000), ("size", size, 4096)):
        if value > most:
            raise PoofError(f"{what}={value}: at most {most} are taken")
    modules = [modules] if isinstance(modules, str) else modules
    release: Release | None = find(weights) if weights is not None else None
    asked = Asked(name, frames, num_classes, size, dropout, weights if release is None else None)
    model: Recognizer
    base, _, text = name.partition(":")
    if base in NETWORKS:
        network = NETWORKS[base]
        if modules:
            raise _whole(base)
        if isinstance(network.backbone, str):
            if text:
                raise PoofError(f"{base} has no knobs of its own; build it from its backbone: {network.backbone}")
            model = asked.hosted(network.backbone, [parse_request(m) for m in network.modules])
            model.config["modules"] = []
        else:
            model = network.backbone(
                asked, **check_knobs(base, parse_knobs(text, name), network_knobs(network.backbone))
            )
    elif name in BACKBONES:
        requests = [parse_request(module) for module in modules]
        model = asked.hosted(name, requests)
        model.config["modules"] = [[module, dict(knobs)] for module, knobs in requests]
    else:
        raise unknown("backbone or network", name, [*BACKBONES, *NETWORKS])
    return model if release is None else fill(model, release)


def _whole(name: str) -> PoofError:
    """The error for modules given to a network; of the backbones only the likely ones, all would fill the message."""
    own = NETWORKS[name].backbone
    near = [own] if isinstance(own, str) else get_close_matches(name, BACKBONES, 3)
    there = f": {', '.join(near)}" if near else ""
    return PoofError(
        f"{name} is a whole network; give modules to a backbone{there} (`poof recog list` has all {len(BACKBONES)})"
    )


def explain_places(model: Recognizer) -> list[dict[str, Any]]:
    """One row a module inserted: where it went, the shapes (T x C x H x W), parameters and MACs it adds."""
    return [
        {
            "module": line.module,
            "place": str(line.place),
            "in": str(line.before),
            "out": str(line.after),
            "parameters": line.parameters,
            "macs": line.macs,
        }
        for line in model.insertions
    ]

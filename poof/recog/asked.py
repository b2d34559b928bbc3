"""What is asked of every network, and the backbone with modules that it makes: what all builders of networks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from poof.errors import PoofError, names_near
from poof.recog.core.backbone import Factory
from poof.recog.core.model import HostedRecognizer
from poof.recog.core.weights import load_weights
from poof.recog.insertion import make_plan, prepared
from poof.recog.zoo.backbones import BACKBONES


@dataclass(frozen=True)
class Asked:
    """The arguments of `poof.recog.build_model`, which a builder gets before its own knobs."""

    name: str
    frames: int
    num_classes: int
    size: int
    dropout: float
    weights: str | Path | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What makes the same network again, but for its weights."""
        return {key: value for key, value in asdict(self).items() if key != "weights"}

    def hosted(
        self, backbone: str | Factory, modules: Sequence[tuple[str, Mapping[str, Any]]] = ()
    ) -> HostedRecognizer:
        """A backbone, by name or its factory, with modules and with the weights asked for.

        Raises
        ------
        PoofError
            If there is no such backbone, a module has no place in it, or the weights do not fit.
        """
        name = backbone if isinstance(backbone, str) else self.name
        factory = prepared(factory_of(backbone), modules)
        host = factory(self.num_classes)
        plan = make_plan(factory, name, modules, self.frames, self.num_classes, self.size)
        if self.weights is not None:
            load_weights(host, self.weights)
        return HostedRecognizer(host, plan, self.config)


def factory_of(backbone: str | Factory) -> Factory:
    """The factory of a backbone that a network's knob names."""
    if not isinstance(backbone, str):
        return backbone
    if backbone not in BACKBONES:
        raise PoofError(f"backbone={backbone}: choose one of {names_near(backbone, BACKBONES)}")
    return BACKBONES[backbone]

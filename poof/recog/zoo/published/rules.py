"""What one release is: how it is recognised, how its keys are called here, what its network must be.

Patterns see a key without 'module.', '_orig_mod.' and 'base_model.'; the first that matches a part of the key acts, all
of them in order. What names alone cannot do (kernels stored as weight and mask, biases in front of a norm, another
numbering) follows in functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from poof.recog.core.model import HostedRecognizer, Recognizer

State = dict[str, Tensor]
Channels = tuple[float, float, float]
BLOCK = r"(layer\d+)\.(\d+)"
EXCITED = (
    (r"\.conv1\.weight$", ".squeeze.0.weight"),
    (r"\.bn1\.", ".squeeze.1."),
    (r"\.conv2\.weight$", ".depthwise.weight"),
    (r"\.conv3\.weight$", ".expand.0.weight"),
    (r"\.bn3\.", ".expand.1."),
    (r"\.conv3_smallscale2\.", ".coarse.0."),
    (r"\.bn3_smallscale2\.", ".coarse.1."),
    (r"\.conv3_smallscale4\.", ".fine.0."),
    (r"\.bn3_smallscale4\.", ".fine.1."),
)
"""Layers of TEA's and TDN's excitations."""
INSIDE = r"inserted\.\w+\.module\.(?:motion|gate)"


def _nothing(state: State, model: Recognizer) -> Iterator[str]:
    yield from ()


def _none(state: State) -> list[str]:
    return []


@dataclass(frozen=True)
class Rules:
    """One release.

    Attributes
    ----------
    title
        What it is, for messages: 'holds ...'.
    mark
        A pattern that keys of this release alone have.
    build
        How the network for it is built, for messages.
    names
        (pattern, replacement) on each key, in order.
    prefix
        In front of what is left: the backbone's place in poof's network.
    change
        On the renamed tensors, where names are not all.
    differs
        Reasons why a network would compute something else, though the keys fit.
    dropped
        Keys that the release's own code never used.
    bgr
        Mean and standard deviation by which the release normalises frames that are BGR, as OpenCV decodes them; None:
        they are RGB, normalised as poof does.
    """

    title: str
    mark: str
    build: str
    names: tuple[tuple[str, str], ...] = ()
    prefix: str = "backbone."
    change: Callable[[State, Recognizer], State] = field(default=lambda state, model: state)
    differs: Callable[[State, Recognizer], Iterator[str]] = _nothing
    dropped: Callable[[State], list[str]] = _none
    bgr: tuple[Channels, Channels] | None = None

    def rename(self, state: State, model: Recognizer) -> State:
        """The tensors under poof's keys."""
        unused = set(self.dropped(state))
        renamed = {}
        for key, value in state.items():
            if key in unused:
                continue
            name = key.removeprefix("base_model.")
            for pattern, replacement in self.names:
                name = re.sub(pattern, replacement, name)
            if isinstance(model, HostedRecognizer):
                name = re.sub(r"^(new_fc|last_linear|fc)\.", f"{model.classifier}.", name)
            else:
                name = re.sub(r"^(new_fc|last_linear)\.", "fc.", name)
            ours = name.startswith(("inserted.", "busy.", "quiet.", "mbpm.", "laterals.", "main.", "difference_"))
            renamed[name if ours else self.prefix + name] = value
        return self.change(renamed, model)


def has(model: Recognizer, module: str) -> bool:
    """Whether a network has a module of that name."""
    return any(line.module == module for line in model.insertions)


def within(part: str, names: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The same patterns, only on keys with `part` before them."""
    return tuple((rf"({part}.*?){pattern}", rf"\g<1>{replacement}") for pattern, replacement in names)

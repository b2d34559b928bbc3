"""Checkpoints as their authors published them: recognised by their keys, renamed, filled in whole or refused.

A file for each release says what it calls otherwise than poof; `find` reads a file and recognises it; `fill` puts it
into a network. No key is left over or missing without a word, and a file whose network would compute something else
than the one it is put into is refused, with the name of the one that would not.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from poof.errors import PoofError, PoofWarning
from poof.recog.core.model import Recognizer
from poof.recog.core.weights import read_state
from poof.recog.zoo.published.releases import RELEASES

__all__ = ["Release", "fill", "find"]

Model = TypeVar("Model", bound=Recognizer)


@dataclass(frozen=True)
class Release:
    """An authors' file: where it lies, whose it is (a key of `RELEASES`), its tensors under the file's keys."""

    source: str
    kind: str
    state: dict[str, Tensor]


def find(weights: str | Path) -> Release | None:
    """The release that a file is of; None for names of weights, a backbone's own keys and checkpoints of ours.

    Raises
    ------
    PoofError
        If the file cannot be read.
    """
    path = Path(weights)
    if not path.is_file():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)  # of our own checkpoints, which are told of where they are loaded
        state = read_state(path)
    for kind, release in RELEASES.items():
        if any(re.search(release.mark, key) for key in state):
            return Release(str(path), kind, state)
    return None


def fill(model: Model, release: Release) -> Model:
    """Put a release into a network built for it; only a classifier of another number of classes is left as it is.

    Raises
    ------
    PoofError
        If the network is another one: it lacks the modules, computes them otherwise, or has other shapes.
    """
    rules = RELEASES[release.kind]
    renamed = rules.rename(release.state, model)
    said = f"{release.source}: holds {rules.title}"
    for reason in rules.differs(release.state, model):
        raise PoofError(f"{said}, which this network would not compute: {reason}")
    own = model.state_dict()
    left = [key for path in model.classifiers for key in (f"{path}.weight", f"{path}.bias")]
    left = [key for key in left if key in own and key in renamed and renamed[key].shape != own[key].shape]
    for key in left:
        renamed[key] = own[key]
    missing = [key for key in own if key not in renamed and not key.endswith("num_batches_tracked")]
    extra = [key for key in renamed if key not in own]
    other = [key for key in renamed if key in own and renamed[key].shape != own[key].shape]
    if missing or extra or other:
        kinds = (("it lacks", missing), ("it has besides", extra), ("of another shape is", other))
        found = "; ".join(f"{text} '{keys[0]}' and {len(keys) - 1} more" for text, keys in kinds if keys)
        raise PoofError(f"{said}; {rules.build}, not {_called(model)} ({found})")
    if left:
        classes = model.config["num_classes"]
        text = f"{said}; its classifier is of another data set: the one of this network ({classes} classes) starts anew"
        warnings.warn(text, PoofWarning, stacklevel=3)
    if rules.dropped(release.state):
        unused = ", ".join(rules.dropped(release.state))
        warnings.warn(f"{said}; what its own code never used is left out: {unused}", PoofWarning, stacklevel=3)
    model.load_state_dict({key: value.to(own[key].dtype) for key, value in renamed.items()}, strict=False)
    if rules.bgr is not None:
        model.pixels = {"mean": rules.bgr[0], "std": rules.bgr[1], "bgr": True}
    return model


def _called(model: Recognizer) -> str:
    modules = [name for name, _ in model.config.get("modules", [])]
    return " -m ".join([model.config["name"], *modules])

"""Starting a training from a run on other classes: everything but the classifier, modules included."""

from __future__ import annotations

from pathlib import Path

from poof.errors import PoofError
from poof.recog.checkpoint import read_checkpoint
from poof.recog.model import Recognizer


def start_from(model: Recognizer, run: Path | str) -> list[str]:
    """Fill `model` with the weights of a run of the same network; gives the keys left as they are.

    Those are the ones whose first size is the number of classes, where the run had another number of them.

    Raises
    ------
    PoofError
        If the run is of another network: a key is missing, unknown or of another shape.
    """
    content = read_checkpoint(run)
    state, own = content["state"], model.state_dict()
    classes = (content["config"]["num_classes"], model.config["num_classes"])
    for keys, what in ((state.keys() - own.keys(), "this one has no"), (own.keys() - state.keys(), "it lacks")):
        if keys:
            raise PoofError(f"{run}: is of another network: {what} '{min(keys)}'; give the same name and modules")
    left = []
    for key, value in state.items():
        if value.shape == own[key].shape:
            continue
        rest_equal = value.shape[1:] == own[key].shape[1:]
        if not rest_equal or (len(value), len(own[key])) != classes:
            raise PoofError(
                f"{run}: is of another network: '{key}' is {tuple(value.shape)} there and {tuple(own[key].shape)} here"
            )
        left.append(key)
    model.load_state_dict({**state, **{key: own[key] for key in left}})
    return left

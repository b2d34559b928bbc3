"""Transfer learning from a run on other classes: everything but the classifier, modules included."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from poof.errors import PoofError, PoofWarning
from poof.recog.checkpoint import read_checkpoint, take_pixels
from poof.recog.core.model import HostedRecognizer, Recognizer
from poof.recog.core.tensor_files import load_tensors
from poof.recog.core.weights import load_backbone, read_state, tell_classifier
from poof.recog.insertion import parse_request
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.published import fill, find


def start_from(model: Recognizer, run: Path | str) -> list[str]:
    """Fill `model` with the weights of a run of the same network, of its authors, or of its backbone alone.

    Gives the keys left as they are.

    Those are the ones whose first size is the number of classes, where the run had another number of them.

    Raises
    ------
    PoofError
        If the run is of another network: a key is missing (but for those of modules that were added), unknown or of
        another shape.
    """
    release = find(run)
    if release is not None:
        fill(model, release)
        return []
    if isinstance(model, HostedRecognizer) and _is_backbone_alone(Path(run)):
        return _from_backbone(model, Path(run))
    content = read_checkpoint(run)
    state, own = content["state"], model.state_dict()
    classes = (content["config"]["num_classes"], model.config["num_classes"])
    # Modules that were added since start as they are; the rest of the network is the same.
    added = {key for key in own.keys() - state.keys() if key.startswith("inserted.")}
    if added:
        names = sorted({line.module for line in model.insertions} - set(_modules(content)))
        said = f"{run}: has no weights for {', '.join(names) or 'some modules'}; they start anew"
        warnings.warn(said, PoofWarning, stacklevel=2)
    for keys, what in (
        (state.keys() - own.keys(), "this one has no"),
        (own.keys() - state.keys() - added, "it lacks"),
    ):
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
    model.load_state_dict({**state, **{key: own[key] for key in {*left, *added}}})
    take_pixels(model, content, run)
    return left


def _is_backbone_alone(path: Path) -> bool:
    """Whether a file holds weights, but is no checkpoint of ours."""
    if not path.is_file():
        return False
    content = load_tensors(path, "weights")
    return not (isinstance(content, dict) and "poof_recog" in content)


def _from_backbone(model: HostedRecognizer, path: Path) -> list[str]:
    """Fill the backbone from a file in its own keys (MFNet, X3D, torchvision's); modules start anew."""
    left = load_backbone(model.backbone, read_state(path), str(path), model.classifier, model.dims == 3)
    names = sorted({line.module for line in model.insertions})
    if names:
        said = f"{path}: holds a backbone alone; {', '.join(names)} start anew"
        warnings.warn(said, PoofWarning, stacklevel=3)
    if left:
        tell_classifier(str(path))
    return [f"backbone.{key}" for key in left]


def _modules(content: dict[str, Any]) -> list[str]:
    """Names of the modules of a checkpoint's network."""
    name = content["config"]["name"]
    if name in NETWORKS:
        return [parse_request(module)[0] for module in NETWORKS[name].modules]
    return [module for module, _ in content["config"].get("modules", [])]

"""Published weights into a backbone: by torchvision's name or from a file, whole or nothing but the classifier."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from poof.errors import PoofError, PoofWarning, not_there
from poof.recog.core.backbone import Host
from poof.recog.core.tensor_files import check_finite, load_tensors
from poof.torchvision_ops import ensure

WRAPPINGS = ("state_dict", "model", "model_state", "model_state_dict")
"""Under which a state dict stands in the files of other programs."""
PREFIXES = ("module.", "_orig_mod.")
"""What torch's wrappers put in front of every key."""


def load_weights(host: Host, weights: str | Path) -> None:
    """Fill the backbone. Every key must fit; only the classifier may have another number of classes.

    Parameters
    ----------
    weights
        A name in `host.weights`, or a file with a state dict in torchvision's keys.

    Raises
    ------
    PoofError
        If the name is unknown, the file missing or unreadable, or a key does not fit.
    """
    if str(weights) in host.weights:
        source, state = str(weights), _published(host.weights[str(weights)])
    else:
        path = Path(weights)
        if not path.is_file():
            known = ", ".join(host.weights) or "none"
            raise not_there(path, remedy=f"and no published weights of that name (there are: {known})")
        source, state = str(path), read_state(path)
    left = load_backbone(host.net, state, source, host.classifier, host.inflated)
    if left and str(weights) not in host.weights:
        tell_classifier(source)


def tell_classifier(source: str) -> None:
    """Warn that the classifier of a file was not taken."""
    said = f"{source}: its classifier is of another data set; that of this network starts anew"
    warnings.warn(said, PoofWarning, stacklevel=3)


def load_backbone(net: nn.Module, state: dict[str, Tensor], source: str, classifier: str, inflated: bool) -> list[str]:
    """Copy `state` into `net`, strictly but for a classifier of another size; 2D kernels are inflated where needed.

    Gives the keys of the classifier, where it was left as it is.
    """
    own = net.state_dict()
    fitted = {key: _fit(value, own.get(key), inflated) for key, value in state.items()}
    stem = next(key for key, value in own.items() if value.dim() > 3)
    if stem in fitted and fitted[stem].shape[1] == 3 != own[stem].shape[1]:  # pictures of motion have other planes
        fitted[stem] = over_planes(fitted[stem], own[stem].shape[1])
    left = [key for key in (f"{classifier}.weight", f"{classifier}.bias") if key in fitted and key in own]
    left = [key for key in left if fitted[key].shape != own[key].shape]
    for key in left:
        fitted[key] = own[key]
    wrong = [key for key, value in fitted.items() if key in own and value.shape != own[key].shape]
    missing, extra = own.keys() - fitted.keys(), fitted.keys() - own.keys()
    # Files from before batch norm counted its batches lack that key, and nothing depends on it here.
    missing = {key for key in missing if not key.endswith("num_batches_tracked")}
    for kind, keys in (("lacks", missing), ("has the unknown", extra), ("has another shape for", wrong)):
        if keys:
            raise PoofError(
                f"{source}: does not fit this backbone: it {kind} '{min(keys)}' and {len(keys) - 1} more keys"
            )
    net.load_state_dict(fitted, strict=False)
    return left


def over_planes(kernels: Tensor, planes: int) -> Tensor:
    """Kernels (O, 3, ...) of a first convolution for `planes` inputs that are no colours: their mean, for each."""
    return kernels.mean(1, keepdim=True).expand(-1, planes, *kernels.shape[2:])


def inflate(weight: Tensor, time: int) -> Tensor:
    """A 2D kernel (O, I, h, w) as a 3D kernel (O, I, time, h, w) with the same response to a still clip."""
    return weight.unsqueeze(2).expand(-1, -1, time, -1, -1) / time


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a file; it is found, too, under 'state_dict', 'model' and the like
    and behind 'module.' and '_orig_mod.'.

    Of a checkpoint of `poof recog train` it is that of the backbone.
    """
    content: Any = load_tensors(path, "weights")
    if isinstance(content, dict) and "poof_recog" in content:
        state = content["state"] if isinstance(content.get("state"), dict) else {}
        if any(key.startswith("inserted.") for key in state):
            warnings.warn(f"{path}: its modules' weights are left out, the backbone's are taken", PoofWarning, 2)
        content = {key.removeprefix("backbone."): v for key, v in state.items() if key.startswith("backbone.")}
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    ):
        raise PoofError(f"{path}: holds no state dict")
    state = {unwrapped(key): value for key, value in content.items()}
    check_finite(state, str(path))
    return state


def unwrapped(key: str) -> str:
    """A key without what parallel and compiled networks put in front of it."""
    while key.startswith(PREFIXES):
        key = key.partition(".")[2]
    return key


def _fit(value: Tensor, own: Tensor | None, inflated: bool) -> Tensor:
    if own is None:
        return value
    if inflated and value.dim() == 4 and own.dim() == 5:
        return inflate(value, own.shape[2])
    if value.dim() == 5 and own.dim() == 2 and value[0, 0].numel() == 1:
        return value.flatten(1)  # S3D's classifier is published as a 1x1x1 convolution
    return value


def _published(entry: str) -> dict[str, Tensor]:
    ensure()
    from torchvision.models import get_weight

    weights = get_weight(entry)
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except (URLError, OSError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        name = weights.url.rsplit("/", 1)[-1]
        raise PoofError(
            f"{name}: cannot be fetched ({error}); download {weights.url} elsewhere, put it into {cache} "
            "or name the file with --weights"
        ) from error

"""RAFT's weights: torchvision's published files, or a local checkpoint in torchvision's or princeton-vl's naming.

torchvision's networks are the original ones with other names for the same tensors, so a checkpoint of either naming
fits after renaming. `princeton_name` holds the renaming; everything else here checks and explains.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poof.checkpoints import check_finite, read_checkpoint, tensors_in
from poof.errors import PoofError, not_there
from poof.meta_device import on_meta
from poof.origin import sha256_of
from poof.torchvision_ops import ensure

KINDS = ("raft-small", "raft-large")
TIMEOUT = 30.0  # s without an answer before a download counts as failed

# (torchvision, princeton-vl) pieces of a name; each pair holds for every block that it fits.
_ENCODER = (
    (r"^feature_encoder\.", "fnet."),
    (r"^context_encoder\.", "cnet."),
    (r"\.convnormrelu(\d)\.0\.", r".conv\1."),
    (r"\.convnormrelu(\d)\.1\.", r".norm\1."),
    (r"\.convnormrelu\.0\.", ".conv1."),
    (r"\.convnormrelu\.1\.", ".norm1."),
    (r"^(fnet|cnet)\.conv\.", r"\1.conv2."),
)
_UPDATE_SHARED = (
    (r"^update_block\.motion_encoder\.convcorr(\d)\.0\.", r"update_block.encoder.convc\1."),
    (r"^update_block\.motion_encoder\.convflow(\d)\.0\.", r"update_block.encoder.convf\1."),
    (r"^update_block\.motion_encoder\.conv\.0\.", "update_block.encoder.conv."),
    (r"^mask_predictor\.convrelu\.0\.", "update_block.mask.0."),
    (r"^mask_predictor\.conv\.", "update_block.mask.2."),
)
_GRU = {
    "raft-small": ((r"^update_block\.recurrent_block\.convgru1\.conv([zrq])\.", r"update_block.gru.conv\1."),),
    "raft-large": ((r"^update_block\.recurrent_block\.convgru(\d)\.conv([zrq])\.", r"update_block.gru.conv\2\1."),),
}
# princeton-vl's shortcut holds its norm twice: as `downsample.1` and as the block's last norm.
_DOUBLE = re.compile(r"^(cnet|fnet)\.(layer\d\.\d)\.norm(3|4)\.(.*)$")


@dataclass(frozen=True)
class WeightsFile:
    """Where weights come from.

    Attributes
    ----------
    path
        The file.
    state
        Its tensors under torchvision's names.
    sha256
        Checksum of the file.
    """

    path: Path
    state: dict[str, Tensor]
    sha256: str


def new_network(kind: str) -> nn.Module:
    """torchvision's network of `kind` ('raft-small' or 'raft-large') with random weights."""
    ensure()
    from torchvision.models.optical_flow import raft_large, raft_small

    return {"raft-small": raft_small, "raft-large": raft_large}[kind](weights=None)


# ------------------------------------------------------------------------------------------------------------- names


def princeton_name(name: str, kind: str) -> str:
    """The princeton-vl name of a tensor that torchvision calls `name`, without the prefix `module.`."""
    for pattern, replacement in (*_ENCODER, *_UPDATE_SHARED, *_GRU[kind]):
        name = re.sub(pattern, replacement, name)
    return name


def to_princeton(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """A state dict under torchvision's names as princeton-vl's code would save it (without `module.`)."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        other = princeton_name(name, kind)
        shortcut = re.match(r"^(.*)\.downsample\.1\.(.*)$", other)
        if shortcut:
            renamed[f"{shortcut[1]}.norm3.{shortcut[2]}"] = tensor
        renamed[other] = tensor
    return renamed


def to_torchvision(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """A state dict under princeton-vl's names (with or without `module.`) under torchvision's.

    Names that the network does not know are kept as they are, so that strict loading reports them.
    """
    with on_meta():
        wanted = new_network(kind).state_dict()
    back = {princeton_name(name, kind): name for name in wanted}
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        plain = name.removeprefix("module.")
        double = _DOUBLE.match(plain)
        if double and plain not in back and f"{double[1]}.{double[2]}.downsample.1.{double[4]}" in back:
            plain = f"{double[1]}.{double[2]}.downsample.1.{double[4]}"
        renamed[back.get(plain, plain)] = tensor
    return renamed


def kind_of(state: Mapping[str, Tensor]) -> str | None:
    """'raft-small' or 'raft-large' by the first layer's width, None when it is no RAFT; either naming."""
    for name, tensor in state.items():
        if re.search(r"(fnet\.conv1|feature_encoder\.convnormrelu\.0)\.weight$", name):
            return {32: "raft-small", 64: "raft-large"}.get(tensor.shape[0])
    return None


# ----------------------------------------------------------------------------------------------------------- reading


def read_weights(path: Path, kind: str) -> WeightsFile:
    """The weights of `kind` in the file `path`, in torchvision's or princeton-vl's naming.

    Raises
    ------
    PoofError
        If the file is missing, is no checkpoint, holds something else than the network of `kind`, or holds numbers
        that are not finite.
    """
    path = Path(path)
    state = read_state(path)
    found = kind_of(state)
    if found is None:
        some = ", ".join(list(state)[:3])
        raise PoofError(f"{path}: holds no RAFT network (its tensors: {some}, ...); --flow {kind} needs {kind} weights")
    if found != kind:
        raise PoofError(f"{path}: holds {found}, not {kind}; use --flow {found} or name a file of {kind} weights")
    if any("fnet." in name for name in state):
        state = to_torchvision(state, kind)
    with on_meta():
        wanted = new_network(kind).state_dict()
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, torch.zeros((), dtype=torch.long))  # old files lack this unused counter
        if name not in state:
            raise PoofError(f"{path}: lacks the tensor {name} of {kind}; the file is of another version or cut short")
        if state[name].shape != tensor.shape:
            shapes = f"{tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            raise PoofError(f"{path}: {name} has the shape {shapes}; the file is not the standard {kind}")
    check_finite(state, path)
    extra = sorted(set(state) - set(wanted))
    if extra:
        raise PoofError(f"{path}: holds {extra[0]}, which {kind} does not have; the file is of another network")
    return WeightsFile(path, state, sha256_of(path))


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint file, unwrapped and under plain names; nothing in it is executed."""
    if not Path(path).is_file():
        raise not_there(path, "weights file", "give the path of a checkpoint with --weights")
    content = read_checkpoint(path, "give a file of RAFT weights with --weights")
    return tensors_in(content, path)


# --------------------------------------------------------------------------------------------------- published files


def published(kind: str) -> tuple[str, Path]:
    """(address, place on this machine) of torchvision's default weights of `kind`; the place need not exist yet."""
    ensure()
    from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights

    weights: Any = {"raft-small": Raft_Small_Weights, "raft-large": Raft_Large_Weights}[kind].DEFAULT
    return weights.url, Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rsplit("/", 1)[1]


def fetch_published(kind: str) -> Path:
    """The file with torchvision's default weights of `kind`, downloaded unless it is there already.

    Raises
    ------
    PoofError
        If it cannot be downloaded; the message gives the address and where to put the file.
    """
    address, place = published(kind)
    if place.is_file():
        return place
    wanted_hash = place.stem.rsplit("-", 1)[1]  # torchvision ends the name with the start of the SHA-256
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _timeout(TIMEOUT):
            torch.hub.download_url_to_file(address, str(place), hash_prefix=wanted_hash, progress=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise PoofError(
            f"{kind}: its weights cannot be downloaded ({reason}); fetch {address} on another machine and put it at "
            f"{place} or name it with --weights, or use --flow dis, which needs none",
            longest=800,
        ) from error
    return place


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """A limit on silence for connections opened inside; torch.hub sets none and would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

"""Cost of a network: parameters and multiply-accumulates per clip, beside the published figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poof.recog.counting import Count, count_forward, parameters
from poof.recog.insertion import parse_request
from poof.recog.model import Recognizer
from poof.recog.networks import NETWORKS
from poof.recog.networks.base import Network

CONVENTION = (
    "per clip of {frames} frames at {size}x{size}, one view: multiply-accumulates of convolutions, linear layers and "
    "matrix products (attention and recurrences included); other = elements written by all else"
)


@dataclass(frozen=True)
class Profile:
    """Parameters and cost of one clip.

    Attributes
    ----------
    parameters
        Of the whole network.
    count
        MACs and the rest, see `poof.recog.counting`.
    convention
        What was counted, in one line.
    published
        (document, data set, GMACs, millions of parameters, top-1, setting, whether it is this one) rows for a network
        of that name.
    elsewhere
        Settings that have published figures, too.
    """

    parameters: int
    count: Count
    convention: str
    published: tuple[dict[str, Any], ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def gmacs(self) -> float:
        """Billions of multiply-accumulates per clip."""
        return self.count.macs / 1e9


def profile(model: Recognizer) -> Profile:
    """Count one clip of the network's own frames and size."""
    rows = []
    elsewhere = []
    for network in _published(model):
        for p in network.published:
            here = (p.frames, p.size, p.classes) == (model.segments, model.size, model.config["num_classes"])
            setting = f"{p.frames} frames of {p.size} px, {p.classes} classes"
            if not here:
                elsewhere.append(setting)
            row = {"data": p.data, "gmacs": p.gmacs, "mparams": p.mparams, "top1": p.top1, "top5": p.top5}
            rows.append({"document": network.document, **row, "setting": setting, "here": here})
    _, frames, _, size, _ = model.clip_shape
    return Profile(
        parameters(model),
        count_forward(model, model.clip_shape),
        CONVENTION.format(frames=frames, size=size),
        tuple(rows),
        tuple(dict.fromkeys(elsewhere)),
    )


def _published(model: Recognizer) -> list[Network]:
    """The network of that name, or those made of the same backbone and modules."""
    name = model.config["name"]
    if name in NETWORKS:
        return [NETWORKS[name]]
    if "modules" not in model.config:
        return []  # a network with other knobs than the published one
    own = [(module, dict(knobs)) for module, knobs in model.config["modules"]]
    return [n for n in NETWORKS.values() if n.backbone == name and [parse_request(m) for m in n.modules] == own]

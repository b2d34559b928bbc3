"""What a network costs: parameters and multiply-accumulates per clip, beside the published figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poof.recog.counting import Count, count_forward, parameters
from poof.recog.model import Recognizer
from poof.recog.networks import NETWORKS

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
        (document, data set, GMACs, millions of parameters, top-1) rows for a network of that name.
    """

    parameters: int
    count: Count
    convention: str
    published: tuple[dict[str, Any], ...]

    @property
    def gmacs(self) -> float:
        """Billions of multiply-accumulates per clip."""
        return self.count.macs / 1e9


def profile(model: Recognizer) -> Profile:
    """Count one clip of the network's own frames and size."""
    name = model.config["name"]
    rows = []
    if name in NETWORKS:
        for p in NETWORKS[name].published:
            row = {"data": p.data, "gmacs": p.gmacs, "mparams": p.mparams, "top1": p.top1, "top5": p.top5}
            rows.append({"document": NETWORKS[name].document, **row})
    _, frames, _, size, _ = model.clip_shape
    return Profile(
        parameters(model),
        count_forward(model, model.clip_shape),
        CONVENTION.format(frames=frames, size=size),
        tuple(rows),
    )

"""Cost of a network: parameters and multiply-accumulates per clip, beside the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.build import build_model
from poof.recog.core.model import Recognizer
from poof.recog.core.network import Network
from poof.recog.cost.counting import Count, count_forward, parameters
from poof.recog.insertion import Request, parse_knobs, parse_request
from poof.recog.zoo.networks import NETWORKS

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
        MACs and the rest, see `poof.recog.cost.counting`.
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
    rows, elsewhere = published_rows(model)
    _, frames, _, size, _ = model.clip_shape
    return Profile(
        parameters(model),
        count_forward(model, model.clip_shape),
        CONVENTION.format(frames=frames, size=size),
        tuple(rows),
        tuple(dict.fromkeys(elsewhere)),
    )


def published_rows(model: Recognizer) -> tuple[list[dict[str, Any]], list[str]]:
    """What is printed of a network (`Profile.published`), and for which settings other than its own."""
    rows = []
    elsewhere = []
    knobs = parse_knobs(model.config["name"].partition(":")[2], "")
    for network in _published(model):
        for p in network.published:
            if parse_knobs(p.knobs, "") != knobs:
                continue
            here = (p.frames, p.size, p.classes) == (model.segments, model.size, model.config["num_classes"])
            setting = f"{p.frames} frames of {p.size} px, {p.classes} classes"
            if not here:
                elsewhere.append(setting)
            row = {"data": p.data, "gmacs": p.gmacs, "mparams": p.mparams, "top1": p.top1, "top5": p.top5}
            if p.forward_ms is not None:
                row |= {"forward_ms": p.forward_ms, "backward_ms": p.backward_ms}
            rows.append({"document": network.document, **row, "setting": setting, "here": here})
    return rows, elsewhere


def profile_over(
    name: str,
    over: str,
    modules: Sequence[Request] = (),
    frames: int | None = None,
    classes: int = 174,
    size: int | None = None,
) -> list[dict[str, Any]]:
    """One row for each value of a knob: of the last module where there are modules, else of the network.

    Parameters
    ----------
    over
        'delta=1.0,0.875,0.5'.

    Returns
    -------
    list of dict
        The knob, 'M params', 'GMACs', and what the documents print for that value, as 'printed ...'.

    Raises
    ------
    PoofError
        If `over` names no knob with values.
    """
    knob, _, values = over.partition("=")
    rows = []
    for value, (built, asked) in zip(values.split(","), variants(name, over, modules), strict=True):
        with on_meta():
            model = build_model(built, asked, frames, classes, size=size)
        cost = profile(model)
        row: dict[str, Any] = {knob: value, "M params": cost.parameters / 1e6, "GMACs": cost.gmacs}
        for printed in cost.published[:1]:
            names = {"mparams": "M params", "gmacs": "GMACs", "top1": "top-1", "data": "on", "setting": "there"}
            row |= {f"printed {title}": printed[key] for key, title in names.items() if printed[key] is not None}
        rows.append(row)
    return rows


def variants(name: str, over: str, modules: Sequence[Request] = ()) -> list[tuple[str, list[Request]]]:
    """(network, modules) for each value of a knob, as `profile_over` takes it."""
    knob, _, values = over.partition("=")
    if not knob or not values:
        raise PoofError(f"--over {over}: write a knob and its values, as in delta=1.0,0.5")
    ones = [f"{knob}={value}" for value in values.split(",")]
    if not modules:
        return [(str(_with(name, one)), []) for one in ones]
    return [(name, [*modules[:-1], _with(modules[-1], one)]) for one in ones]


def _with(request: Request, knob: str) -> Request:
    """A request for a module, or a network's name, with one knob more."""
    if not isinstance(request, str):
        return request[0], {**request[1], **parse_knobs(knob, knob)}
    return f"{request}{',' if ':' in request else ':'}{knob}"


def _published(model: Recognizer) -> list[Network]:
    """The network of that name, or those made of the same backbone and modules."""
    name = model.config["name"].partition(":")[0]
    if name in NETWORKS:
        return [NETWORKS[name]]
    if "modules" not in model.config:
        return []  # a network with other knobs than the published one
    own = [(module, dict(knobs)) for module, knobs in model.config["modules"]]
    return [n for n in NETWORKS.values() if n.backbone == name and [parse_request(m) for m in n.modules] == own]

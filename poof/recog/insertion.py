"""Insertion plans: which module goes where in a backbone, with its knobs, places and shapes.

It lies below the published networks, which are made of such plans, and below `poof.recog.build`, which knows them.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from poof.errors import FEW, PoofError, names_near
from poof.meta_device import on_meta
from poof.recog.core.backbone import Factory, Host
from poof.recog.core.model import FrameCount, Insertion, Plan, PlannedModule, Recognizer, apply
from poof.recog.core.module import Place, Shape, TemporalModule
from poof.recog.cost.counting import Counting, parameters
from poof.recog.data.lists.base import shown
from poof.recog.zoo.modules import MODULES

Request: TypeAlias = str | tuple[str, Mapping[str, Any]]
"""A module by name, with knobs: 'm2a', 'm2a:shift=zero,attention=tam' or ('m2a', {'shift': 'zero'})."""
_KEEP_SHAPES = (_BatchNorm, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Dropout)
"""The meta device computes their shapes in Python, slower than all convolutions together."""


def prepared(factory: Factory, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> Factory:
    """A factory whose hosts the modules have changed to their needs."""

    def build(classes: int) -> Host:
        host = factory(classes)
        for name, knobs in requests:
            MODULES[name].prepare(host, **knobs)
        return host

    return build


def parse_request(request: Request) -> tuple[str, dict[str, Any]]:
    """(name, knobs) of a module; the name and the knobs' names are checked here, their values by the module."""
    if isinstance(request, str):
        name, _, text = request.partition(":")
        knobs = parse_knobs(text, request)
    else:
        name, knobs = request[0], dict(request[1])
    if name not in MODULES:
        raise unknown("module", name, list(MODULES))
    return name, check_knobs(name, knobs, _knobs(MODULES[name].places) | _knobs(MODULES[name]))


def check_knobs(name: str, knobs: dict[str, Any], valid: Mapping[str, Any]) -> dict[str, Any]:
    for knob, value in knobs.items():
        if knob not in valid:
            raise PoofError(f"{name} has no knob '{knob}'; it has {names_near(knob, valid)}")
        if type(value) is int and isinstance(valid[knob], float):
            knobs[knob] = value = float(value)
        if type(value) is int and isinstance(valid[knob], str):
            knobs[knob] = value = str(value)  # words that may be numbers, as in at=8
        if type(value) is not type(valid[knob]):
            kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(valid[knob]), "a word")
            usual = str(valid[knob]).lower() if isinstance(valid[knob], bool) else valid[knob]
            raise PoofError(f"{name}: {knob}={value}: expected {kind}, as in {knob}={usual}")
    return knobs


def unknown(kind: str, name: str, valid: Sequence[str]) -> PoofError:
    """The error for a name that is not there: the names that were probably meant, and where all are told."""
    close = get_close_matches(name, valid, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    there = "" if len(valid) <= FEW else "; `poof recog list` shows them"
    return PoofError(f"unknown {kind} '{shown(name, 60)}'{hint}; there are {names_near(name, valid)}{there}")


def make_plan(
    factory: Factory,
    backbone: str,
    requests: Sequence[tuple[str, Mapping[str, Any]]],
    frames: int,
    num_classes: int,
    size: int,
) -> Plan:
    """Build each module for the shape that really reaches its place.

    A twin of the host runs once on torch's meta device. The first time a place is reached, its module is built for
    the shape seen there, and its own twin takes part from then on: modules that change a shape are followed.
    """
    plan = Plan()
    if not requests:
        return plan
    with on_meta():
        probe = factory(num_classes)
    probe.net.eval()
    for layer in probe.net.modules():
        if isinstance(layer, _KEEP_SHAPES):
            layer.forward = _unchanged  # type: ignore[assignment, method-assign]
    frame_count = FrameCount(frames)
    for name, knobs in requests:
        _request_places(probe, plan, frame_count, name, knobs, backbone)
    for name, knobs in requests:
        plan.per_segment *= MODULES[name].raw_frames(**_split(name, knobs)[1])
    raw = frames * plan.per_segment
    clips = torch.empty(1, raw, 3, size, size, device="meta")
    frame_count.frames = raw
    with torch.no_grad():
        probe.net(clips.flatten(0, 1) if probe.dims == 2 else clips.transpose(1, 2))
    for name, _ in requests:
        if not any(planned.line.module == name for planned in plan.modules):
            reasons = [text for text in plan.left_out if text.startswith(f"{name} ")]
            reason = reasons[0].removeprefix(f"{name} ") if reasons else "it has no such place"
            raise PoofError(f"{name} cannot go into {backbone}: {reason}")
    return plan


def _unchanged(x: Tensor) -> Tensor:
    return x


def _request_places(
    probe: Host, plan: Plan, frame_count: FrameCount, name: str, knobs: Mapping[str, Any], backbone: str
) -> None:
    costs: dict[tuple[Any, Shape], tuple[int, Shape]] = {}  # of places that are alike, the first one is counted
    for place in MODULES[name].places(probe, **_split(name, knobs)[0]):
        layer = probe.net.get_submodule(place.path)

        def visit(x: Tensor, place: Place = place) -> Tensor:
            return _place(x, place, name, knobs, plan, probe.dims, frame_count, backbone, costs)

        if place.side == "before":
            layer.register_forward_pre_hook(lambda _, inputs, visit=visit: (visit(inputs[0]), *inputs[1:]))
        else:
            layer.register_forward_hook(lambda _, inputs, output, visit=visit: visit(output))


def _place(
    x: Tensor,
    place: Place,
    name: str,
    knobs: Mapping[str, Any],
    plan: Plan,
    dims: int,
    frame_count: FrameCount,
    backbone: str,
    costs: dict[tuple[Any, Shape], tuple[int, Shape]],
) -> Tensor:
    shape = _shape(x, dims, frame_count)
    if shape.frames < MODULES[name].min_frames:
        plan.left_out.append(f"{name} {place}: {shape.frames} frame there, {MODULES[name].min_frames} needed")
        return x
    module = _make(name, {**dict(place.knobs), **knobs}, shape, f"{backbone}, {place}")
    macs, after = costs.get((place.knobs, shape), (0, None))
    if after != shape:
        twin = copy.deepcopy(module).to("meta").eval()
        with Counting() as counting:
            x = apply(twin, x, dims, frame_count)
        macs, after = costs[place.knobs, shape] = counting.count.macs, _shape(x, dims, frame_count)
    line = Insertion(name, place, shape, after, parameters(module), macs)
    key = f"{place.path or 'input'}_{place.side}_{name}".replace(".", "_")
    while any(planned.key == key for planned in plan.modules):
        key += "_again"
    plan.modules.append(PlannedModule(key, module, line))
    return x


def _shape(x: Tensor, dims: int, frame_count: FrameCount) -> Shape:
    return (
        Shape(x.shape[2], x.shape[1], x.shape[3], x.shape[4])
        if dims == 3
        else Shape(frame_count.frames, x.shape[1], x.shape[2], x.shape[3])
    )


def _make(name: str, knobs: Mapping[str, Any], shape: Shape, where: str) -> TemporalModule:
    try:
        return MODULES[name](shape, **_split(name, knobs)[1])
    except PoofError as error:
        raise PoofError(f"{name} in {where} ({shape}): {error}") from None


def _split(name: str, knobs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    moving = _knobs(MODULES[name].places)
    return {k: v for k, v in knobs.items() if k in moving}, {k: v for k, v in knobs.items() if k not in moving}


def _knobs(function: Any) -> dict[str, Any]:
    """Knobs with their defaults: all arguments behind the host or the shape."""
    arguments = list(inspect.signature(function).parameters.values())[1:]
    return {argument.name: argument.default for argument in arguments}


def network_knobs(builder: Callable[..., Recognizer]) -> dict[str, Any]:
    """Knobs of a network's builder with their defaults: what it takes beyond the arguments of every network."""
    arguments = inspect.signature(builder).parameters.values()
    return {a.name: a.default for a in arguments if a.default is not a.empty}


def parse_knobs(text: str, request: str) -> dict[str, Any]:
    return dict(_parse_knob(part, request) for part in text.split(",") if part)


def _parse_knob(text: str, request: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise PoofError(f"'{request}': write knobs as name:knob=value,knob=value")
    if value.lower() in ("true", "false"):
        return key.strip(), value.lower() == "true"
    try:
        return key.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key.strip(), value.strip()

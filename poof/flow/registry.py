"""The flow estimators by name, and the choice between them.

To add one: a file with a subclass of `FlowEstimator`, a function here that builds it, a line in `ESTIMATORS`; or, in a
package of your own, an entry point `poof.flow` (see `plugins`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from poof.errors import PoofError, not_there
from poof.flow import plugins
from poof.flow.base import FlowEstimator
from poof.flow.naming import Named, check_options, parse, unknown, whole

GROUP = "poof.flow"
"""Entry points of other packages' estimators."""
PTLFLOW = "ptlflow"
ITERATIONS = 12
"""RAFT's updates: those it was trained with."""


@dataclass(frozen=True)
class Options:
    """What `create_flow` was asked for; each estimator takes what concerns it."""

    weights: Path | None
    device: str
    iterations: int
    precision: str
    compile: bool
    preset: str
    variant: str = ""


def _dis(preset: str, coarse: bool = False, stride: int = 1) -> FlowEstimator:
    from poof.flow.dis import DisFlow

    estimator = DisFlow(preset, finest_scale=2 if coarse else None, stride=stride)
    estimator.name = "dis-coarse" if coarse else "dis"
    return estimator


def _beside_dis(fine: bool) -> list[FlowEstimator]:
    """The estimators that 'dis' brings along into a blend; with `fine` also itself in longer steps."""
    beside = [_dis("medium", coarse=True), _dis("medium", coarse=True, stride=2)]
    if fine:
        beside.append(_dis("medium", stride=2))
    for estimator in beside:
        same = "the same" if estimator.name == "dis" else "the same at a coarser scale"
        apart = "" if estimator.stride == 1 else f", {estimator.stride} frames at a time"
        estimator.reason = f"{estimator.name}: {same}{apart}, another estimator in the blend"
    return beside


def _raft(kind: str, options: Options) -> FlowEstimator:
    from poof.flow.raft import RaftFlow

    return RaftFlow(kind, options.weights, options.device, options.iterations, options.precision, options.compile)


def _openvino(kind: str, options: Options) -> FlowEstimator:
    from poof.flow.openvino import OpenVinoRaftFlow

    if options.device != "cpu":
        raise PoofError(f"{kind}-openvino: runs on the CPU only, not on {options.device}; use --device cpu")
    return OpenVinoRaftFlow(kind, options.weights, options.iterations, options.precision)


def _started(kind: str, options: Options) -> FlowEstimator:
    from poof.flow.dis import DisFlow
    from poof.flow.start import StartedDisFlow

    return StartedDisFlow(_raft(kind, options), DisFlow(options.preset))


ESTIMATORS: dict[str, Callable[[Options], FlowEstimator]] = {
    "dis": lambda options: _dis(options.preset),
    "dis-coarse": lambda options: _dis(options.preset, coarse=True),
    "raft-small": lambda options: _raft("raft-small", options),
    "raft-large": lambda options: _raft("raft-large", options),
    "raft-small-openvino": lambda options: _openvino("raft-small", options),
    "raft-large-openvino": lambda options: _openvino("raft-large", options),
    "raft-small>dis": lambda options: _started("raft-small", options),
    "raft-large>dis": lambda options: _started("raft-large", options),
}


def available() -> list[str]:
    """The names that `create_flow` knows; those of other packages last."""
    return ["auto", *ESTIMATORS, f"{PTLFLOW}:MODEL@WEIGHTS", *plugins.found(GROUP)]


def options_of(name: str) -> tuple[str, ...]:
    """The options that may stand behind a colon after an estimator's name."""
    if name.startswith("dis"):
        return ("preset",) if name == "dis" else ()
    raft = ("iterations", "precision", "weights")
    return (*raft, "preset") if name.endswith(">dis") else raft


AUTO_PLUS = "auto+"
"""In place of a name: the blend that lands nearest to labels left out, see `planning.estimators`."""


def create_flow(
    name: str = "auto",
    weights: Path | None = None,
    device: str = "auto",
    iterations: int = ITERATIONS,
    precision: str = "fp32",
    compile: bool = False,
    preset: str = "medium",
) -> FlowEstimator:
    """A flow estimator by name.

    Parameters
    ----------
    name
        One of `available()`, with options of its own behind a colon where it has some ('raft-large:iterations=20',
        'raft-small:weights=FILE', 'dis:preset=fast'), which go before the arguments below: 'dis' (OpenCV, no weights,
        CPU) and 'dis-coarse' (its flow of a coarser scale), 'raft-small' and 'raft-large', the same with '-openvino' (a
        faster CPU engine, an extra: pip install 'poof-pose[openvino]') or with '>dis' (DIS begun from RAFT's flow), or
        'auto': RAFT-large on CUDA when its weights are at hand, DIS otherwise. 'ptlflow:sea_raft_m@things' is a network
        of the package ptlflow with weights that it downloads, or with those of a file. The estimator's `reason` says in
        one line what was taken and why.
    weights
        RAFT's checkpoint, in torchvision's or princeton-vl's naming; None takes torchvision's published file, which is
        downloaded unless it is in torch's cache ('auto' never downloads).
    device
        Where RAFT runs: 'auto' (CUDA where there is one), 'cpu', 'cuda', 'cuda:N' or 'mps'. DIS runs on the CPU.
    iterations
        RAFT's updates.
    precision
        RAFT's convolutions in 'fp32', 'bf16' or 'fp16'.
    compile
        `torch.compile` for RAFT on CUDA.
    preset
        DIS' effort: 'ultrafast', 'fast' or 'medium'.

    Raises
    ------
    PoofError
        If a name or option is unknown, the device is not there, or weights are missing or wrong.
    """
    named = parse(name)
    name = named.name
    if weights is not None and not Path(weights).is_file():
        raise not_there(weights, "weights file", "--flow dis needs none")
    weights = None if weights is None else Path(weights)
    if name not in ("auto", PTLFLOW, *ESTIMATORS):
        return _plugin(named, weights, device)
    if name == PTLFLOW:
        from poof.flow.ptlflow import create

        network = create(named, weights, _device(device))
        network.reason = f"{named.text}, as asked for, on {_device(device)}"
        return network
    on_cpu = name.startswith("dis") or name.endswith("-openvino")
    device = "cpu" if on_cpu and device == "auto" else _device(device)
    options = Options(weights, device, iterations, precision, compile, preset)
    if name == "auto":
        check_options(named, ())
        name, reason = _choose(options)
    else:
        options = _with_own(named, options)
        reason = f"{named.text}, as asked for"
    estimator = ESTIMATORS[name](options)
    estimator.reason = reason if name.startswith("dis") else f"{reason}, on {device}"
    return estimator


def _plugin(named: Named, weights: Path | None, device: str) -> FlowEstimator:
    """An estimator of another package."""
    point = plugins.found(GROUP).get(named.name)
    if point is None:
        raise unknown(named, available(), "--flow")
    estimator: FlowEstimator = plugins.create(point, named, device, weights, FlowEstimator, "--flow")
    estimator.reason = estimator.reason or f"{named.text}, as asked for, of the package {plugins.package(point)}"
    return estimator


def _with_own(named: Named, options: Options) -> Options:
    """The options with those that stand in the name."""
    check_options(named, options_of(named.name))
    own = dict(named.options)
    weights = options.weights
    if "weights" in own:
        weights = Path(own["weights"])
        if not weights.is_file():
            raise not_there(weights, "weights file", "--flow dis needs none")
    return replace(
        options,
        weights=weights,
        iterations=whole(named, "iterations", options.iterations),
        precision=own.get("precision", options.precision),
        preset=own.get("preset", options.preset),
    )


def _device(name: str) -> str:
    """The device's name with 'auto' resolved; torch, which takes seconds, is imported only where it must be asked."""
    from poof.flow.device import gpu_driver, resolve_device

    if name == "cpu" or (name == "auto" and not gpu_driver()):
        return "cpu"
    return str(resolve_device(name))


def _choose(options: Options) -> tuple[str, str]:
    """What 'auto' takes, and why."""
    if not options.device.startswith("cuda"):
        reason = "dis, as good on a CPU as raft-small and thirty times as fast"
        if options.weights is not None:
            reason += f" ({options.weights.name} stays unused; --flow raft-small or raft-large takes it)"
        return "dis", reason
    from poof.flow.raft_weights import kind_of, published, read_state

    if options.weights is not None:
        kind = kind_of(read_state(options.weights))
        if kind is None:
            raise PoofError(f"{options.weights}: holds no RAFT network; give RAFT weights or use --flow dis")
        return kind, f"{kind}: there is a CUDA device and {options.weights.name} holds its weights"
    address, place = published("raft-large")
    if place.is_file():
        return "raft-large", f"raft-large: there is a CUDA device and its weights are in {place}"
    return "dis", f"dis: RAFT-large's weights are not at hand; --flow raft-large downloads them from {address}"


def at_hand(
    weights: Path | None = None, device: str = "auto", keep: Path | None = None, iterations: int | None = None
) -> dict[str, list[FlowEstimator]]:
    """The blends that can be had here without a download, by name, the default first: what 'auto+' compares.

    DIS; and with RAFT's weights, those given or in torch's cache, RAFT alone, and both in one blend.

    Parameters
    ----------
    weights, device, keep, iterations
        See `create_flows`.
    """
    found = {"dis": create_flows("dis", device="cpu")}
    if weights is not None:
        from poof.flow.raft_weights import kind_of, read_state

        kind = kind_of(read_state(weights)) if Path(weights).is_file() else ""
        if kind is None:
            raise PoofError(f"{weights}: holds no RAFT network; give RAFT weights or leave --weights out")
        kinds = [kind or "raft-small"]  # a file that is not there is refused below
    else:
        from poof.flow.raft_weights import published

        kinds = [kind for kind in ("raft-small", "raft-large") if published(kind)[1].is_file()]
    for kind in kinds:
        for name in (kind, f"{kind}+dis"):
            found[name] = create_flows(name, weights, device, keep=keep, iterations=iterations)
    return found


def create_flows(
    names: str,
    weights: Path | None = None,
    device: str = "auto",
    both_scales: bool = True,
    keep: Path | None = None,
    iterations: int | None = None,
) -> list[FlowEstimator]:
    """The estimators whose chains enter one blend.

    Parameters
    ----------
    names
        Names of `create_flow` joined by '+', 'raft-small+dis' or 'raft-large:iterations=20+dis' say.
    weights
        RAFT checkpoint, for the names that take one.
    device
        See `create_flow`.
    both_scales
        Let 'dis' bring 'dis-coarse' along, once more in steps of two frames: their chains err differently, and each
        costs a quarter of the first. Beside RAFT, where that costs little, 'dis' itself takes steps of two as well.
    keep
        Folder for the flows of networks, so that other labels, another radius or another run find them again; see
        `CachedFlow`. DIS is hardly slower than reading a file and keeps nothing.
    iterations
        RAFT's updates, of those whose name does not say; None: 12.
    """
    if names == AUTO_PLUS:
        raise PoofError(
            f"--flow {names}: only poof propagate measures which flow suits the footage; elsewhere name one"
        )
    parts = names.split("+")
    plain = [parse(part).name for part in parts]
    twice = [part for part in parts if parts.count(part) > 1]
    if twice:
        raise PoofError(f"--flow {names}: names {twice[0]} twice")
    estimators: list[FlowEstimator] = []
    for part, name in zip(parts, plain):
        takes = name == "auto" or not name.startswith("dis")
        estimators.append(create_flow(part, weights if takes else None, device, iterations or ITERATIONS))
        if both_scales and name in ("auto", "dis") and estimators[-1].name == "dis":
            estimators += _beside_dis("raft" in names)
    if weights is not None and "auto" not in plain and all(name.startswith("dis") for name in plain):
        raise PoofError(f"{weights}: --flow {names} takes no weights; choose raft-small or raft-large, or omit them")
    if iterations is not None and not any("raft" in e.name for e in estimators):
        raise PoofError(
            f"--iterations {iterations}: --flow {names} makes no updates; choose raft-small or raft-large, or omit it"
        )
    if keep is not None:
        from poof.flow.cache import CachedFlow

        estimators = [e if e.grey else CachedFlow(e, keep) for e in estimators]
    return estimators

"""Time of a training step's forward and backward pass, as ratios of networks that take turns.

A machine that is shared, warm or throttled makes milliseconds mean little; passes side by side in time meet the same
machine. So every round runs every network once, each ratio belongs to one round, and the median over the rounds is
given with its quartiles. On CPUs the time is the processor's own, elsewhere that of the clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from poof.errors import PoofError
from poof.progress import Track, silent
from poof.recog.build import build_model
from poof.recog.core.model import Recognizer
from poof.recog.cost.profile import published_rows, variants
from poof.recog.insertion import Request
from poof.recog.zoo.networks import NETWORKS


@dataclass(frozen=True)
class Ratio:
    """Median over the rounds and quartiles of a time over that of the first network."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Latency:
    """One network's passes: median milliseconds a clip, and ratios."""

    forward_ms: float
    backward_ms: float
    forward: Ratio
    backward: Ratio


def paired_latency(
    models: Sequence[Recognizer], rounds: int = 7, batch: int = 2, device: str = "cpu", track: Track = silent
) -> list[Latency]:
    """Latencies of several networks in training mode, with ratios over the first one.

    Parameters
    ----------
    models
        Each gets random clips of its own shape; they are moved to `device`.
    rounds
        Of measuring, behind one that is not counted. The order turns from round to round.
    batch
        Clips a step; batch norms of networks that end in single cells need two.

    Returns
    -------
    list of Latency
        One a network, in their order; the first has ratios of 1.
    """
    if rounds < 1 or batch < 1:
        raise PoofError(f"rounds={rounds}, batch={batch}: both must be at least 1")
    clips = [torch.randn(batch, *model.to(device).clip_shape[1:], device=device) for model in models]
    seconds = np.zeros((rounds + 1, len(models), 2))
    states = [model.training for model in models]
    try:
        for turn in track(range(rounds + 1), "timing", rounds + 1):
            for number in np.roll(np.arange(len(models)), turn).tolist():
                seconds[turn, number] = _step(models[number].train(), clips[number])
    finally:
        for model, state in zip(models, states):
            model.train(state)
            model.zero_grad(set_to_none=True)
    seconds = seconds[1:]
    over = seconds / seconds[:, :1]
    quartiles = np.quantile(over, (0.5, 0.25, 0.75), axis=0)
    medians = 1e3 * np.median(seconds, axis=0) / batch
    ratios = [[Ratio(*map(float, quartiles[:, n, way])) for way in (0, 1)] for n in range(len(models))]
    return [Latency(float(ms[0]), float(ms[1]), one[0], one[1]) for ms, one in zip(medians, ratios, strict=True)]


def latency_table(
    name: str,
    modules: Sequence[Request] = (),
    over: str | None = None,
    beside: str | None = None,
    frames: int | None = None,
    classes: int = 174,
    size: int | None = None,
    rounds: int = 7,
    batch: int = 2,
    device: str = "cpu",
    track: Track = silent,
) -> list[dict[str, Any]]:
    """A row a network and pass, of a network and what it is compared with, beside the printed latencies and ratios.

    Parameters
    ----------
    over
        A knob and its values, as in `poof.recog.cost.profile.profile_over`: each value over the first one.
    beside
        The network to compare with; by default the same backbone without modules.

    Raises
    ------
    PoofError
        If there is nothing to compare with.
    """
    asked = variants(name, over, modules) if over else [(name, list(modules))]
    models = [build_model(one, own, frames, classes, size=size) for one, own in asked]
    if beside is not None or not over:
        base = (beside, []) if beside is not None else _bare(name, modules)
        asked.insert(0, base)
        models.insert(0, build_model(*base, models[0].segments, classes, size=models[0].size))
    printed = [next((row for row in published_rows(model)[0] if "forward_ms" in row), {}) for model in models]
    rows = []
    found = paired_latency(models, rounds, batch, device, track)
    for (one, own), row, latency in zip(asked, printed, found, strict=True):
        for way, ms, ratio in (
            ("forward", latency.forward_ms, latency.forward),
            ("backward", latency.backward_ms, latency.backward),
        ):
            line: dict[str, Any] = {"network": " + ".join([one, *map(str, own)]), "pass": way, "ms": ms}
            line |= {"ratio": ratio.median, "lower": ratio.low, "upper": ratio.high}
            if f"{way}_ms" in row:
                line["printed ms"] = row[f"{way}_ms"]
                if f"{way}_ms" in printed[0]:
                    line["printed ratio"] = row[f"{way}_ms"] / printed[0][f"{way}_ms"]
            rows.append(line)
    return rows


def _bare(name: str, modules: Sequence[Request]) -> tuple[str, list[Request]]:
    """The backbone alone."""
    network = NETWORKS.get(name)
    if modules and name not in NETWORKS:
        return name, []
    if network is not None and isinstance(network.backbone, str) and network.modules:
        return network.backbone, []
    raise PoofError(f"{name}: is no backbone with modules; say what to compare it with (--beside r3d_50)")


def _step(model: Recognizer, clips: torch.Tensor) -> tuple[float, float]:
    """Seconds of one pass forward and backward."""
    device = clips.device
    labels = torch.zeros(len(clips), dtype=torch.int64, device=device)
    model.zero_grad(set_to_none=True)
    begin = _now(device)
    loss = nn.functional.cross_entropy(model(clips), labels) + sum(model.losses().values())
    middle = _now(device)
    loss.backward()
    return middle - begin, _now(device) - middle


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()

"""The costs of every name in the zoo: counted once and kept in `costs.json`, or counted anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from poof.meta_device import on_meta
from poof.progress import Track, silent
from poof.recog.build import build_model
from poof.recog.cost.profile import profile
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.networks import NETWORKS

REFERENCE = "resnet18"
"""What modules are counted in."""
COSTS = Path(__file__).with_name("costs.json")
"""Counted once, for they take a minute; `count_all` counts anew, and a test compares."""
Cost = dict[str, Any]


def count_all(
    frames: int = 8, size: int = 224, classes: int = 174, own: bool = True, track: Track = silent
) -> dict[str, Cost]:
    """Parameters and MACs by name: backbones and 'resnet18 + module' at these settings, networks at their own.

    Parameters
    ----------
    own
        Whether networks have the frames, size and classes of their first published figure instead.
    """
    wanted: list[tuple[str, tuple[str, ...], int, int, int]] = []
    wanted += [(name, (), frames, size, classes) for name in BACKBONES]
    for name, network in NETWORKS.items():
        known = network.published[0].classes if own and network.published else classes
        wanted.append((name, (), network.frames if own else frames, network.size if own else size, known))
    wanted += [(REFERENCE, (name,), frames, size, classes) for name in MODULES]
    found: dict[str, Cost] = {}
    for name, modules, t, side, n in track(wanted, "counting", len(wanted)):
        with on_meta():
            cost = profile(build_model(name, modules, t, n, size=side))
        setting = f"{t} x {side} px, {n} classes"
        found[" + ".join((name, *modules))] = {
            "parameters": cost.parameters,
            "macs": cost.count.macs,
            "setting": setting,
        }
    return found


def costs_of_all(
    frames: int | None = None, size: int | None = None, classes: int | None = None, track: Track = silent
) -> dict[str, Cost]:
    """As `count_all`; without settings those of the published figures, from the file where it is there."""
    own = frames is size is classes is None
    if own and COSTS.is_file():
        return dict(json.loads(COSTS.read_text()))
    return count_all(frames or 8, size or 224, classes or 174, own, track)

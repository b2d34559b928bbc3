"""Tables of all modules, backbones, networks, recipes and formats, for `poof recog list`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from poof.progress import Track, silent
from poof.recog.backbones import BACKBONES
from poof.recog.build import build_model
from poof.recog.data.lists import FORMATS
from poof.recog.modules import MODULES
from poof.recog.networks import NETWORKS
from poof.recog.profile import CONVENTION, profile
from poof.recog.recipes import RECIPES

REFERENCE = "resnet18"
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
        with torch.device("meta"):
            cost = profile(build_model(name, modules, t, n, size=side))
        setting = f"{t} x {side} px, {n} classes"
        found[" + ".join((name, *modules))] = {
            "parameters": cost.parameters,
            "macs": cost.count.macs,
            "setting": setting,
        }
    return found


def catalogue(
    frames: int | None = None,
    size: int | None = None,
    classes: int | None = None,
    costs: bool = True,
    track: Track = silent,
) -> dict[str, Any]:
    """Tables of modules, backbones, networks, recipes and list formats, and the counting convention.

    Costs of modules are what they add to ResNet-18 at their own places. Without settings, networks are counted at
    those of their published figures, from a file; with any of them, all anew.
    """
    found: dict[str, Cost] = {}
    if costs and frames is size is classes is None and COSTS.is_file():
        found = json.loads(COSTS.read_text())
    elif costs:
        own = frames is size is classes is None
        found = count_all(frames or 8, size or 224, classes or 174, own, track)

    def cost(name: str) -> dict[str, Any]:
        if not costs:
            return {}
        one = found[name]
        return {"M params": one["parameters"] / 1e6, "GMACs": one["macs"] / 1e9}

    tables: dict[str, list[dict[str, Any]]] = {"Modules": [], "Backbones": [], "Networks": [], "Recipes": []}
    for name, module in MODULES.items():
        row: dict[str, Any] = {"module": name, "what it does": module.summary, "document": module.document}
        if costs:
            bare, with_it = found[REFERENCE], found[f"{REFERENCE} + {name}"]
            row |= {
                "adds M params": (with_it["parameters"] - bare["parameters"]) / 1e6,
                "adds GMACs": (with_it["macs"] - bare["macs"]) / 1e9,
            }
        tables["Modules"].append(row)
    tables["Backbones"] = [{"backbone": name, **cost(name)} for name in BACKBONES]
    for name, network in NETWORKS.items():
        first = network.published[0] if network.published else None
        setting = found[name]["setting"] if costs else ""
        # A figure of another setting beside ours would only look like a difference.
        same = first is not None and setting in ("", f"{first.frames} x {first.size} px, {first.classes} classes")
        tables["Networks"].append(
            {
                "network": name,
                "document": network.document,
                **({"setting": setting} if costs else {}),
                **cost(name),
                "published GMACs": first.gmacs if first and same else None,
                "published top-1": first.top1 if first else None,
                "on": first.data if first else "",
            }
        )
    tables["Recipes"] = [
        {"recipe": name, "epochs": r.epochs, "batch": r.batch * r.accumulate, "lr": r.lr, "from": r.document}
        for name, r in RECIPES.items()
    ]
    tables["List formats"] = [
        {"format": name, "what it is": (reader.__doc__ or "").strip().splitlines()[0]}
        for name, reader in FORMATS.items()
    ]
    setting = f"{frames or 8} frames of {size or 224} px, {classes or 174} classes"
    convention = f"Modules and backbones counted at {setting}, networks as they stand; " + CONVENTION.partition(": ")[2]
    return {"tables": tables, "convention": convention + ". Published GMACs are the documents' own counts."}

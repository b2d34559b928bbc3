"""Everything there is, as tables: what `poof recog list` prints."""

from __future__ import annotations

from typing import Any

import torch

from poof.progress import Track, silent
from poof.recog.backbones import BACKBONES
from poof.recog.build import build_model
from poof.recog.data.lists import FORMATS
from poof.recog.modules import MODULES
from poof.recog.networks import NETWORKS
from poof.recog.profile import Profile, profile
from poof.recog.recipes import RECIPES

REFERENCE = "resnet18"


def catalogue(
    frames: int = 8, size: int = 224, classes: int = 174, costs: bool = True, track: Track = silent
) -> dict[str, Any]:
    """Tables of modules, backbones, networks, recipes and list formats, and the counting convention.

    Costs of modules are what they add to ResNet-18 at their own places.
    """
    wanted: list[tuple[str, tuple[str, ...]]] = []
    if costs:
        wanted += [(name, ()) for name in (*BACKBONES, *NETWORKS)]
        wanted += [(REFERENCE, (name,)) for name in MODULES]
    found: dict[tuple[str, tuple[str, ...]], Profile] = {}
    for name, modules in track(wanted, "counting", len(wanted)) if wanted else ():
        with torch.device("meta"):
            found[name, modules] = profile(build_model(name, modules, frames, classes, size=size))

    def cost(name: str) -> dict[str, Any]:
        if not costs:
            return {}
        p = found[name, ()]
        return {"M params": p.parameters / 1e6, "GMACs": p.gmacs}

    tables: dict[str, list[dict[str, Any]]] = {"Modules": [], "Backbones": [], "Networks": [], "Recipes": []}
    for name, module in MODULES.items():
        row: dict[str, Any] = {"module": name, "what it does": module.summary, "document": module.document}
        if costs:
            bare, with_it = found[REFERENCE, ()], found[REFERENCE, (name,)]
            row |= {
                "adds M params": (with_it.parameters - bare.parameters) / 1e6,
                "adds GMACs": with_it.gmacs - bare.gmacs,
            }
        tables["Modules"].append(row)
    tables["Backbones"] = [{"backbone": name, **cost(name)} for name in BACKBONES]
    for name, network in NETWORKS.items():
        first = network.published[0] if network.published else None
        tables["Networks"].append(
            {
                "network": name,
                "document": network.document,
                **cost(name),
                "published GMACs": first.gmacs if first else None,
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
    convention = f"Counted with {classes} classes"
    if found:
        convention += ", " + next(iter(found.values())).convention
    return {"tables": tables, "convention": convention + ". Published GMACs are the documents' own counts."}

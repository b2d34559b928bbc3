"""Tables of all modules, backbones, networks, recipes and formats, for `poof recog list`."""

from __future__ import annotations

from typing import Any

from poof.progress import Track, silent
from poof.recog.cost.profile import CONVENTION
from poof.recog.cost.table import REFERENCE, costs_of_all
from poof.recog.data.lists import FORMATS
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.recipes import RECIPES


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
    found = costs_of_all(frames, size, classes, track) if costs else {}

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

"""Label ten video frames, get a thousand.

import poof

pseudo = poof.propagate("video.mp4", "gt.json", radius=10, progress=True)
print(pseudo)
poof.save_labels(pseudo, "pseudo.json")
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "open_video": "poof.video",
    "load_labels": "poof.labels",
    "save_labels": "poof.labels",
    "LabelSet": "poof.labels",
    "Skeleton": "poof.labels",
    "Points": "poof.labels",
    "create_flow": "poof.flow.registry",
    "propagate": "poof.api",
    "refine": "poof.api",
    "train": "poof.api",
    "predict": "poof.api",
    "select": "poof.api",
    "radius": "poof.api",
    "convert": "poof.api",
    "Settings": "poof.propagation",
    "evaluate": "poof.api",
    "export": "poof.exchange",
    "tracks_table": "poof.exchange",
    "write_tracks": "poof.exchange",
    "render_overlay": "poof.api",
    "contact_sheet": "poof.api",
    "PoofError": "poof.errors",
    "PoofWarning": "poof.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Public names are imported at their first use: `import poof` alone is instant."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'poof' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

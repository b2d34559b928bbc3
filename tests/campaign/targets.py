"""Every target of the campaign. To add one: a file with a function `trial(rng, folder)`, a line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from harness import Target, Trial
from mutations import Rng


def _in(module: str) -> Trial:
    """The trial of a module, imported where it runs: most need neither torch nor a decoder."""

    def trial(rng: Rng, folder: Path) -> None:
        import_module(module).trial(rng, folder)

    return trial


TARGETS = (
    Target("labels", _in("labels"), quick=30, share=4),
    Target("lists", _in("lists"), quick=20, share=1),
    Target("projects", _in("projects"), quick=40, share=0.5),
    Target("outputs", _in("outputs"), quick=6, share=2),
    Target("disks", _in("disks"), quick=2),
    Target("kills", _in("kills"), quick=1, seconds=1800, share=3),
    Target("videos", _in("videos"), quick=20, share=3),
    Target("weights", _in("weights"), quick=4, share=2),
)

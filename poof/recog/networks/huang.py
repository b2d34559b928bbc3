"""The networks of Huang (2022), with the figures of its tables.

Its GMACs are counts of standard layers alone: attention products, masked convolutions, input modules and lateral
band-passes are missing from them, and its RNL parameters count a mask. Ours count everything, so they lie above
(GMACs) or below (RNL's parameters).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from poof.recog.networks.base import Network, Published
from poof.recog.networks.bqn import busy_quiet

SSV1 = "Something-Something V1"
CHAPTER_5 = "Huang (2022), Chapter 5"


def published(data: str, top1: float, top5: float | None = None, **more: Any) -> tuple[Published, ...]:
    """One row of a table."""
    return (Published(data, top1, top5, **more),)


def bqn(backbone: str, rows: tuple[Published, ...] = (), **knobs: Any) -> Network:
    """A busy-quiet network."""
    return Network(CHAPTER_5, partial(busy_quiet, backbone=backbone, **knobs), (), rows)


def design(lateral: str, top1: float, top5: float, gmacs: float = 65.9) -> Network:
    """A row of Table 5.7 (or 5.3): both pathways at the same size."""
    return bqn("resnet50", published(SSV1, top1, top5, gmacs=gmacs), lateral=lateral, ratio=1.0)


HUANG: dict[str, Network] = {
    "quiet-resnet50": Network(CHAPTER_5, "resnet50", ("tsm",), published(SSV1, 46.5, 75.3, gmacs=32.8)),
    "busy-resnet50": Network(CHAPTER_5, "resnet50", ("mbpm", "tsm"), published(SSV1, 48.0, 76.8, gmacs=32.8)),
    "busy-mobilenet_v2": Network(CHAPTER_5, "mobilenet_v2", ("mbpm", "tsm"), published(SSV1, 39.8)),
    "busy-x3d_m": Network(CHAPTER_5, "x3d_m", ("mbpm",), published(SSV1, 46.9, frames=16)),
    "bqn-resnet50": bqn("resnet50", published(SSV1, 51.7, 80.5, gmacs=60.0, mparams=47.4)),
    "bqn-resnet101": bqn("resnet101", published(SSV1, 54.9, 81.7, gmacs=231.0, mparams=85.4, frames=16)),
    "bqn-x3d_m": bqn("x3d_m", published(SSV1, 50.6, 79.2, gmacs=9.7, mparams=6.6, frames=16)),
    "bqn-mobilenet_v2": bqn("mobilenet_v2"),
    "bqn-late-resnet50": design("none", 49.6, 78.9, 65.7),
    "bqn-lc1-resnet50": design("lc1", 50.9, 79.8),
    "bqn-lc2-resnet50": design("lc2", 50.9, 79.7),
    "bqn-lc3-resnet50": design("lc3", 51.5, 80.2),
    "bqn-lc4-resnet50": design("bplc", 51.6, 80.5),
    "bqn-lc5-resnet50": design("lc5", 51.3, 79.9),
}

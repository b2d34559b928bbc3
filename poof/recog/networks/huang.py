"""The networks of Huang (2022), with the figures of its tables.

Its GMACs are counts of standard layers alone: attention products, masked convolutions, input modules and lateral
band-passes are missing from them, and its RNL parameters count a mask. Ours count everything, so they lie above
(GMACs) or below (RNL's parameters).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from poof.recog.networks.base import Network, Published
from poof.recog.networks.bqn import busy_quiet
from poof.recog.networks.two_stream import flow_stream, rgb_and_busy, tesnet

SSV1, KINETICS, UCF = "Something-Something V1", "Kinetics-400", "UCF101"
CHAPTER_3 = "Huang (2022), Chapter 3"
CHAPTER_4, CHAPTER_5 = "Huang (2022), Chapter 4", "Huang (2022), Chapter 5"


def published(data: str, top1: float, top5: float | None = None, **more: Any) -> tuple[Published, ...]:
    """One row of a table."""
    return (Published(data, top1, top5, **more),)


def bqn(backbone: str, rows: tuple[Published, ...] = (), **knobs: Any) -> Network:
    """A busy-quiet network."""
    return Network(CHAPTER_5, partial(busy_quiet, backbone=backbone, **knobs), (), rows)


def design(lateral: str, top1: float, top5: float, gmacs: float = 65.9) -> Network:
    """A row of Table 5.7 (or 5.3): both pathways at the same size."""
    return bqn("resnet50", published(SSV1, top1, top5, gmacs=gmacs), lateral=lateral, ratio=1.0)


def attention(
    modules: tuple[str, ...], kinetics: float, ssv1: float | None = None, gmacs: float | None = None, mparams: float = 0
) -> Network:
    """A row of Table 4.6: five blocks in TSM ResNet-50; its parameters are those of 400 classes."""
    rows = published(KINETICS, kinetics, gmacs=gmacs, mparams=mparams or None, classes=400)
    if ssv1 is not None:
        rows = published(SSV1, ssv1, gmacs=gmacs) + rows
    return Network(CHAPTER_4, "resnet50", ("tsm", *modules), rows)


HUANG: dict[str, Network] = {
    # Figures of Inception-ResNet-v2 at 299 pixels, the backbone of the document: split 1, K = 10 and 64, both streams.
    "tesnet-resnet50": Network(CHAPTER_3, "resnet50", ("tsp",), published(UCF, 85.4), 1),
    "tesnet64-resnet50": Network(CHAPTER_3, "resnet50", ("tsp:layers=stem:16+stage3:4,k=64",), published(UCF, 87.8), 1),
    "tesnet2-resnet50": Network(CHAPTER_3, tesnet, (), published(UCF, 95.2), 1),
    "flow-resnet50": Network(CHAPTER_3, flow_stream, (), (), 1),
    "squeezed-resnet50": Network(CHAPTER_3, "resnet50", ("tsp:k=6,d=1", "tsm"), published(SSV1, 42.7)),
    "dan-resnet50": Network(
        CHAPTER_3, "resnet50", ("pwtp:t=4", "tsm"), published(SSV1, 50.1, 78.6, gmacs=43.1, mparams=23.8)
    ),
    "dan-x3d_xs": Network(
        CHAPTER_3,
        "x3d_xs",
        ("pwtp",),
        published(SSV1, 43.1, 73.4, gmacs=0.8, mparams=3.34, frames=4, size=160),
        own_size=160,
    ),
    "dan-x3d_m": Network(
        CHAPTER_3, "x3d_m", ("pwtp:t=3",), published(SSV1, 53.7, 82.1, gmacs=7.0, mparams=3.34, frames=16)
    ),
    "nl-resnet50": attention(("nonlocal",), 74.41, 48.25, 49.38, 31.69),
    "rnl-resnet50": attention(("rnl",), 74.68, 49.24, 41.15, 35.48),
    "rnl1-resnet50": attention(("rnl:blocks=1",), 73.66),
    "se-resnet50": attention(("se",), 73.70, None, 32.89, 24.79),
    "gc-resnet50": attention(("gc",), 73.76, None, 32.90, 24.79),
    "cpa-resnet50": attention(("cpa",), 74.27),
    "se+cpa-resnet50": attention(("se", "cpa"), 74.33),
    "se+rnl-resnet50": attention(("se", "rnl"), 74.97, 49.47, 41.16, 35.95),
    "se+rnl-resnet101": Network(CHAPTER_4, "resnet101", ("tsm", "se", "rnl"), published(SSV1, 50.8, 79.8)),
    "quiet-resnet50": Network(CHAPTER_5, "resnet50", ("tsm",), published(SSV1, 46.5, 75.3, gmacs=32.8)),
    "busy-resnet50": Network(CHAPTER_5, "resnet50", ("mbpm", "tsm"), published(SSV1, 48.0, 76.8, gmacs=32.8)),
    "busy-mobilenet_v2": Network(CHAPTER_5, "mobilenet_v2", ("mbpm", "tsm"), published(SSV1, 39.8)),
    "busy-x3d_m": Network(CHAPTER_5, "x3d_m", ("mbpm",), published(SSV1, 46.9, frames=16)),
    "rgb+busy-resnet50": Network(CHAPTER_5, rgb_and_busy, (), published(SSV1, 50.3)),
    "bqn-resnet50": bqn("resnet50", published(SSV1, 51.7, 80.5, gmacs=60.0, mparams=47.4)),
    "bqn-resnet101": bqn("resnet101", published(SSV1, 54.9, 81.7, gmacs=231.0, mparams=85.4, frames=16)),
    "bqn-x3d_m": bqn("x3d_m", published(SSV1, 50.6, 79.2, gmacs=9.7, mparams=6.6, frames=16)),
    # As its code was released: a connection both ways behind every block, with a convolution on either.
    "bqn-released-x3d_m": replace(bqn("x3d_m", lateral="released", phi="both", quiet="frame"), own_frames=16),
    "bqn-mobilenet_v2": bqn("mobilenet_v2"),
    "bqn-late-resnet50": design("none", 49.6, 78.9, 65.7),
    "bqn-lc1-resnet50": design("lc1", 50.9, 79.8),
    "bqn-lc2-resnet50": design("lc2", 50.9, 79.7),
    "bqn-lc3-resnet50": design("lc3", 51.5, 80.2),
    "bqn-lc4-resnet50": design("bplc", 51.6, 80.5),
    "bqn-lc5-resnet50": design("lc5", 51.3, 79.9),
}

"""The networks of Huang (2022), with the figures of its tables.

Its GMACs are counts of standard layers alone: attention products, masked convolutions, input modules and lateral
band-passes are missing from them, and its RNL parameters count a mask. Ours count everything, so they lie above
(GMACs) or below (RNL's parameters).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from poof.recog.core.network import Network, Published
from poof.recog.zoo.networks.bqn import busy_quiet
from poof.recog.zoo.networks.two_stream import flow_stream, rgb_and_busy, tesnet

SSV1, KINETICS, UCF = "Something-Something V1", "Kinetics-400", "UCF101"
CHAPTER_3 = "Huang (2022), Chapter 3"
CHAPTER_4, CHAPTER_5 = "Huang (2022), Chapter 4", "Huang (2022), Chapter 5"


def published(data: str, top1: float, top5: float | None = None, **more: Any) -> tuple[Published, ...]:
    """One row of a table."""
    return (Published(data, top1, top5, **more),)


def splits(hmdb: float, ucf: float) -> tuple[Published, ...]:
    """Rows of Tables 3.8 and 5.11: means of three splits, from Kinetics."""
    return published("HMDB51, three splits", hmdb, classes=51) + published(f"{UCF}, three splits", ucf, classes=101)


def bqn(backbone: str, rows: tuple[Published, ...] = (), **knobs: Any) -> Network:
    """A busy-quiet network."""
    return Network(CHAPTER_5, partial(busy_quiet, backbone=backbone, **knobs), (), rows)


def design(lateral: str, top1: float, top5: float, gmacs: float = 65.9) -> Network:
    """A row of Table 5.7 (or 5.3): both pathways at the same size."""
    return bqn("resnet50", published(SSV1, top1, top5, gmacs=gmacs), lateral=lateral, ratio=1.0)


INCEPTION = "inception_resnet_v2"
LAYERS_64 = "conv2d_1a:16+repeat_1:4"  # the document's best pyramid for K = 64: No. 5 of Table 3.2 with D of 16 and 4


def tesnet_row(builder: str | Callable[..., Any], modules: tuple[str, ...], top1: float, frames: int = 1) -> Network:
    """A row of Tables 3.2 to 3.4: Inception-ResNet-v2 at 299 pixels, UCF101 split 1."""
    rows = published(UCF, top1, frames=frames, classes=101, size=299)
    return Network(CHAPTER_3, builder, modules, rows, own_size=299)


def representation(module: str, ssv1: float, ucf: float, kinetics: float) -> Network:
    """A row of Tables 3.12 and 5.1."""
    rows = *published(SSV1, ssv1), *published(UCF, ucf, classes=101), *published(KINETICS, kinetics, classes=400)
    return Network(CHAPTER_3, "resnet50", (module, "tsm"), rows)


def attention(
    modules: tuple[str, ...], kinetics: float, ssv1: float | None = None, gmacs: float | None = None, mparams: float = 0
) -> Network:
    """A row of Table 4.6: five blocks in TSM ResNet-50; its parameters are those of 400 classes."""
    rows = published(KINETICS, kinetics, gmacs=gmacs, mparams=mparams or None, classes=400)
    if ssv1 is not None:
        rows = published(SSV1, ssv1, gmacs=gmacs) + rows
    return Network(CHAPTER_4, "resnet50", ("tsm", *modules), rows)


def sizes(quiet: int, busy: int, top1: float, top5: float, gmacs: float, frames: int = 0) -> Network:
    """A row of Table 5.8: sides of both pathways, and frames of the quiet one."""
    rows = published(SSV1, top1, top5, gmacs=gmacs, size=busy)
    return replace(bqn("resnet50", rows, ratio=quiet / busy, quiet_frames=frames), own_size=busy)


def equal(top1: float, top5: float, gmacs: float | None = None, **knobs: Any) -> Network:
    """A row of Tables 5.4 to 5.6: both pathways at 224 pixels."""
    return bqn("resnet50", published(SSV1, top1, top5, gmacs=gmacs), ratio=1.0, **knobs)


HUANG: dict[str, Network] = {
    # One frame, three segments (Table 3.4), K = 10 at the places of Table 3.2, K = 64, flow alone and both streams.
    f"frame-{INCEPTION}": tesnet_row(INCEPTION, (), 83.5),
    f"tsn-{INCEPTION}": tesnet_row(INCEPTION, (), 85.0, 3),
    f"tesnet-{INCEPTION}": tesnet_row(INCEPTION, ("tsp",), 85.4),
    f"tesnet-d1-{INCEPTION}": tesnet_row(INCEPTION, ("tsp:d=1",), 83.1),
    f"tesnet-1a+4a-{INCEPTION}": tesnet_row(INCEPTION, ("tsp:layers=conv2d_1a:3+conv2d_4a:1",), 81.7),
    f"tesnet-1a+a-{INCEPTION}": tesnet_row(INCEPTION, ("tsp:layers=conv2d_1a:3+repeat:1",), 84.9),
    f"tesnet-1a+b-{INCEPTION}": tesnet_row(INCEPTION, ("tsp:layers=conv2d_1a:3+repeat_1:1",), 85.3),
    f"tesnet64-{INCEPTION}": tesnet_row(INCEPTION, (f"tsp:layers={LAYERS_64},k=64",), 87.8),
    f"flow64-{INCEPTION}": tesnet_row(partial(flow_stream, backbone=INCEPTION, k=64, layers=LAYERS_64), (), 88.2),
    f"tesnet2-{INCEPTION}": tesnet_row(partial(tesnet, backbone=INCEPTION, k=64, layers=LAYERS_64), (), 95.2),
    # The same in another backbone, which the document does not have.
    "tesnet-resnet50": Network(CHAPTER_3, "resnet50", ("tsp",), (), 1),
    "tesnet64-resnet50": Network(CHAPTER_3, "resnet50", ("tsp:layers=stem:16+stage3:4,k=64",), (), 1),
    "tesnet2-resnet50": Network(CHAPTER_3, tesnet, (), (), 1),
    "flow-resnet50": Network(CHAPTER_3, flow_stream, (), (), 1),
    # Tables 3.12 and 5.1: 48 raw frames in 8 segments of TSM ResNet-50, whose rows of RGB and MBPM are below.
    "rgbdiff-resnet50": representation("rgbdiff", 46.6, 87.0, 71.4),
    "dynamic-resnet50": representation("dynamic", 43.3, 86.2, 68.3),
    "tvl1-resnet50": representation("flow", 37.4, 88.5, 55.7),
    "squeezed-resnet50": Network(CHAPTER_3, "resnet50", ("tsp:k=6,d=1", "tsm"), published(SSV1, 42.7)),
    "dan-resnet50": Network(
        CHAPTER_3,
        "resnet50",
        ("pwtp:t=4", "tsm"),
        published(SSV1, 50.1, 78.6, gmacs=43.1, mparams=23.8)
        + published(f"{KINETICS}, T = 8", 75.9, 92.2, gmacs=86.7, frames=16, classes=400, size=256)
        + splits(75.3, 96.5),
    ),
    "dan-x3d_xs": Network(
        CHAPTER_3,
        "x3d_xs",
        ("pwtp",),
        published(SSV1, 43.1, 73.4, gmacs=0.8, mparams=3.34, frames=4, size=160),
        own_size=160,
    ),
    "dan-x3d_m": Network(
        CHAPTER_3,
        "x3d_m",
        ("pwtp:t=3",),
        published(SSV1, 53.7, 82.1, gmacs=7.0, mparams=3.34, frames=16)
        + published(f"{KINETICS}, T = 8", 77.3, 92.8, gmacs=7.2, frames=16, classes=400, size=256),
    ),
    "nl-resnet50": attention(("nonlocal",), 74.41, 48.25, 49.38, 31.69),
    "rnl-resnet50": attention(("rnl",), 74.68, 49.24, 41.15, 35.48),
    "rnl1-resnet50": attention(("rnl:blocks=1",), 73.66),
    "se-resnet50": attention(("se",), 73.70, None, 32.89, 24.79),
    "gc-resnet50": attention(("gc",), 73.76, None, 32.90, 24.79),
    "cbam-resnet50": attention(("cbam",), 73.99, None, 32.90, 24.80),
    "cpa-resnet50": attention(("cpa",), 74.27),
    "se+cpa-resnet50": attention(("se", "cpa"), 74.33),
    "se+rnl-resnet50": replace(
        chain := attention(("se", "rnl"), 74.97, 49.47, 41.16, 35.95),
        published=chain.published
        + published(f"{KINETICS}, 30 views", 75.6, 92.3, classes=400)
        + published(f"{KINETICS}, 30 views", 77.2, 93.1, classes=400, frames=16)
        + published(f"{SSV1}, 6 views", 49.5, 78.4)
        + published(f"{SSV1}, 6 views", 51.0, 80.3, frames=16),
    ),
    "se+rnl-resnet101": Network(CHAPTER_4, "resnet101", ("tsm", "se", "rnl"), published(SSV1, 50.8, 79.8)),
    "quiet-resnet50": Network(CHAPTER_5, "resnet50", ("tsm",), published(SSV1, 46.5, 75.3, gmacs=32.8)),
    "busy-resnet50": Network(CHAPTER_5, "resnet50", ("mbpm", "tsm"), published(SSV1, 48.0, 76.8, gmacs=32.8)),
    "busy-mobilenet_v2": Network(CHAPTER_5, "mobilenet_v2", ("mbpm", "tsm"), published(SSV1, 39.8)),
    "busy-x3d_m": Network(CHAPTER_5, "x3d_m", ("mbpm",), published(SSV1, 46.9, frames=16)),
    "rgb+busy-resnet50": Network(CHAPTER_5, rgb_and_busy, (), published(SSV1, 50.3)),
    "bqn-resnet50": bqn(
        "resnet50",
        published(SSV1, 51.7, 80.5, gmacs=60.0, mparams=47.4)
        + published(f"{SSV1}, 6 views", 53.3, 82.0, gmacs=60.0, mparams=47.4)
        + published(f"{SSV1}, 6 views", 54.3, 82.0, gmacs=121.0, mparams=47.4, frames=16)
        + published(f"{KINETICS}, 10 views", 76.8, 92.4, gmacs=121.0, classes=400, frames=16)
        + published(f"{KINETICS}, 10 views", 77.3, 93.2, gmacs=182.0, classes=400, frames=24)
        + splits(77.6, 97.6),
    ),
    "bqn-resnet101": bqn("resnet101", published(SSV1, 54.9, 81.7, gmacs=231.0, mparams=85.4, frames=16)),
    "bqn-x3d_m": bqn(
        "x3d_m",
        published(SSV1, 50.6, 79.2, gmacs=9.7, mparams=6.6, frames=16)
        + published(f"{SSV1}, from Kinetics", 53.7, 81.8, gmacs=9.7, mparams=6.6, frames=16)
        + published(f"{KINETICS}, 30 views", 77.1, 92.5, gmacs=9.7, classes=400, frames=16),
    ),
    # As its code was released: a connection both ways behind every block, with a convolution on either.
    "bqn-released-x3d_m": replace(bqn("x3d_m", lateral="released", phi="both", quiet="frame"), own_frames=16),
    "bqn-mobilenet_v2": bqn("mobilenet_v2"),
    "bqn-late-resnet50": design("none", 49.6, 78.9, 65.7),
    "bqn-lc1-resnet50": design("lc1", 50.9, 79.8),
    "bqn-lc2-resnet50": design("lc2", 50.9, 79.7),
    "bqn-lc3-resnet50": design("lc3", 51.5, 80.2),
    "bqn-lc4-resnet50": design("bplc", 51.6, 80.5),
    "bqn-lc5-resnet50": design("lc5", 51.3, 79.9),
    "bqn-before-resnet50": equal(50.9, 79.8, fusion="before"),
    "bqn-max-resnet50": equal(50.1, 78.7, fusion="max"),
    "bqn-concat-resnet50": equal(51.3, 80.2, fusion="concat"),
    "bqn-res2-resnet50": equal(49.8, 79.1, at="res2"),
    "bqn-res2-3-resnet50": equal(50.1, 78.7, at="res2+res3"),
    "bqn-res2-4-resnet50": equal(50.2, 79.0, at="res2+res3+res4"),
    "bqn-res2-5-resnet50": equal(50.2, 79.2, at="stages"),
    "bqn-4-resnet50": equal(50.2, 79.2, 65.8, at="4"),
    "bqn-8-resnet50": equal(50.7, 79.7, 65.8, at="8"),
    "bqn-192-224-resnet50": sizes(192, 224, 51.5, 79.9, 58.0),
    "bqn-160-224-resnet50": sizes(160, 224, 51.3, 80.1, 50.5),
    "bqn-128-224-resnet50": sizes(128, 224, 50.7, 79.2, 44.4),
    "bqn-224-256-resnet50": sizes(224, 256, 51.8, 80.5, 77.1),
    "bqn-192-256-resnet50": sizes(192, 256, 51.7, 80.2, 68.3),
    "bqn-160-256-resnet50": sizes(160, 256, 51.7, 80.5, 60.7),
    "bqn-128-256-resnet50": sizes(128, 256, 51.3, 79.4, 54.6),
    "bqn-160x6-256-resnet50": sizes(160, 256, 49.6, 78.3, 55.5, frames=6),
    "bqn-224x4-224-resnet50": sizes(224, 224, 48.7, 77.1, 49.4, frames=4),
}

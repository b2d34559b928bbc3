"""The networks of Stergiou (2021), with the figures of Tables 4.2 to 4.6, 5.1 to 5.9 and 6.2 to 6.4.

The printed GMACs of Chapter 4 are reported, not reproducible: they cannot all come from one geometry (r3d-34 needs
time at a quarter in the stem, r3d-101 minus r3d-50 needs all of it). The parameters are reproduced exactly.
Those that Class Regularisation adds are not: its formula has 0.49 M on these backbones (0.9 printed) and costs 0.2
GMACs (1.2 printed). On MTNets they agree: 0.74 M (0.7 printed). For MTNet itself, its literal form and the one whose
cost falls with delta (mtnet-m-whole) see `poof.recog.zoo.backbones.mtnet`, for the one whose checkpoints were released
(mtnet-released-m) `poof.recog.zoo.backbones.mtnet_released`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from poof.recog.core.model import Recognizer
from poof.recog.core.network import Network, Published
from poof.recog.zoo.networks.mtnet import multi_temporal, two_paths

CHAPTER_4, CHAPTER_5, CHAPTER_6 = (f"Stergiou (2021), Chapter {number}" for number in (4, 5, 6))
Row = tuple[float, float, float | None, float | None]
"""Top-1, top-5, GMACs of one view and millions of parameters, mostly on HACS."""

PLAIN: dict[str, Row] = {
    "r3d_34": (74.8, 92.8, 26.6, 63.7),
    "r3d_50": (78.4, 93.8, 52.6, 36.7),
    "r3d_101": (80.5, 95.2, 78.0, 69.1),
    "r2plus1d_34": (75.7, 93.8, 37.8, 61.8),
    "r2plus1d_50": (81.3, 94.5, 83.3, 34.8),
    "r2plus1d_101": (82.9, 95.7, 163.0, 67.2),
}
GATED: dict[str, Row] = {
    "r3d_34": (78.6, 93.6, 26.6, 83.8),
    "r3d_50": (80.3, 95.5, 52.7, 56.9),
    "r3d_101": (81.6, 96.3, 78.1, 107.1),
    "r2plus1d_34": (80.4, 94.3, 37.8, 82.1),
    "r2plus1d_50": (83.8, 96.6, 83.4, 55.0),
    "r2plus1d_101": (84.3, 96.8, 163.1, 105.3),
}
PLAIN_ELSEWHERE: dict[str, dict[str, tuple[float, float]]] = {  # Table 4.5: top-1 and top-5, trained on HACS first
    "Kinetics-700": {
        "r3d_34": (46.1, 67.1), "r3d_50": (49.1, 72.5), "r3d_101": (52.6, 74.6),
        "r2plus1d_34": (46.6, 68.2), "r2plus1d_50": (49.9, 73.3), "r2plus1d_101": (52.5, 75.2),
    },
    "Moments in Time": {
        "r3d_34": (24.9, 50.1), "r3d_50": (28.2, 53.5), "r3d_101": (31.5, 57.4),
        "r2plus1d_34": (25.6, 50.2), "r2plus1d_50": (29.3, 55.2), "r2plus1d_101": (32.2, 57.7),
    },
    "UCF-101": {"r3d_101": (95.8, 98.4), "r2plus1d_101": (95.5, 98.7)},
}  # fmt: skip
GATED_ELSEWHERE: dict[str, dict[str, tuple[float, float]]] = {  # Tables 4.3, 4.4 and 4.6
    "Kinetics-700": {
        "r3d_34": (49.1, 72.7), "r3d_50": (53.5, 74.2), "r3d_101": (56.5, 76.8),
        "r2plus1d_34": (49.4, 73.2), "r2plus1d_50": (54.2, 74.6), "r2plus1d_101": (56.8, 77.4),
    },
    "Moments in Time": {
        "r3d_34": (28.5, 52.3), "r3d_50": (30.7, 55.6), "r3d_101": (33.6, 58.5),
        "r2plus1d_34": (29.0, 54.2), "r2plus1d_50": (31.6, 56.8), "r2plus1d_101": (33.7, 59.1),
    },
    "UCF-101": {
        "r3d_34": (94.8, 98.1), "r3d_50": (95.7, 98.5), "r3d_101": (97.3, 99.5),
        "r2plus1d_34": (94.1, 97.8), "r2plus1d_50": (95.7, 98.8), "r2plus1d_101": (97.3, 99.2),
    },
}  # fmt: skip
MULTI_ELSEWHERE: dict[str, dict[str, tuple[float, float]]] = {  # Tables 5.3, 5.4 and 5.9
    "Moments in Time": {"mtnet_m": (34.5, 58.6), "mtnet_l": (35.2, 59.3)},
    "Kinetics-700": {"mtnet_m": (58.4, 77.6), "mtnet_l": (63.3, 84.1)},
    "UCF-101": {"mtnet_s": (94.2, 98.0), "mtnet_m": (95.4, 98.1), "mtnet_l": (97.4, 99.2)},
}
KINETICS: dict[str, tuple[Row, Row]] = {  # without and with Class Regularisation, from random weights (Table 6.4)
    "r3d_50": ((63.6, 84.5, 52.6, 36.7), (64.2, 85.1, 53.8, 37.6)),
    "r2plus1d_50": ((64.5, 85.2, 83.3, 34.8), (65.2, 86.4, 84.5, 35.7)),
    "wide_r3d_50": ((64.0, 85.4, 168.6, 140.9), (65.3, 86.1, 171.3, 143.4)),
    "r3d_101": ((65.2, 86.3, 78.0, 69.1), (67.7, 87.6, 79.2, 70.0)),
}
MULTI: dict[str, tuple[Row, Row, Row, Row]] = {  # HACS and Kinetics-400, without and with Class Regularisation
    "mtnet_s": ((80.7, 95.2, 5.8, 25.8), (74.8, 92.1, 5.8, 25.8), (81.8, 96.1, 5.8, 26.5), (76.1, 92.4, 5.8, 26.5)),
    "mtnet_m": ((83.4, 95.9, 8.8, 25.8), (76.6, 92.5, 8.8, 25.8), (84.7, 96.7, 8.9, 26.5), (77.7, 92.9, 8.9, 26.5)),
    "mtnet_l": ((86.6, 96.7, 17.6, 50.1), (78.1, 93.2, 17.6, 50.1), (87.5, 97.4, 17.7, 51.2), (78.9, 93.6, 17.7, 51.0)),
}
RELEASED = {"s": (80.712, 95.182), "m": (83.447, 95.872), "l": (86.574, 96.658)}
"""HACS, 16 frames of 256 px: as the release's own table has them beside its checkpoints, without costs."""
RATIOS: dict[str, dict[float, Row]] = {  # Table 5.6, by delta
    "mtnet_m": {
        1.0: (82.2, 93.6, 10.8, 29.7),
        0.875: (83.4, 95.9, 8.8, 25.8),
        0.75: (83.1, 95.6, 6.7, 21.8),
        0.625: (81.6, 93.2, 4.8, 19.3),
        0.5: (79.7, 91.8, 3.6, 18.6),
        0.375: (78.6, 89.4, 2.6, 19.2),
        0.25: (77.1, 88.6, 2.1, 21.0),
    },
    "mtnet_l": {
        1.0: (84.9, 95.7, 20.6, 53.5),
        0.875: (86.6, 96.7, 17.6, 50.1),
        0.75: (86.1, 96.2, 12.5, 45.3),
        0.5: (83.2, 95.3, 7.09, 42.7),
        0.375: (82.1, 93.9, 5.2, 45.3),
        0.25: (80.3, 92.4, 4.1, 47.8),
    },
}
CELLS: dict[str, dict[str, Row]] = {  # Table 5.7
    "mtnet_s": {
        "rnn": (78.8, 93.7, 5.8, 24.3),
        "lstm": (79.9, 94.3, 5.8, 26.5),
        "peephole": (80.1, 94.5, 5.8, 26.5),
        "gru": (80.7, 95.2, 5.8, 25.8),
    },
    "mtnet_m": {
        "rnn": (82.5, 94.8, 8.8, 24.3),
        "lstm": (83.1, 95.4, 8.8, 26.5),
        "peephole": (83.2, 95.6, 8.8, 26.5),
        "gru": (83.4, 95.9, 8.8, 25.8),
    },
}
LATENCIES: dict[str, tuple[float, float]] = {  # Table 5.5, HACS: ms a clip forward and backward, batches of 32
    "r3d_34": (32.7, 74.1),
    "r3d_50": (28.2, 87.7),
    "r3d_101": (41.6, 110.2),
    "r2plus1d_34": (40.8, 152.0),
    "r2plus1d_50": (33.2, 128.7),
    "r2plus1d_101": (49.9, 163.6),
    "srtg-r3d_34": (35.2, 80.6),
    "srtg-r3d_50": (31.8, 96.9),
    "srtg-r3d_101": (49.2, 131.6),
    "srtg-r2plus1d_34": (46.3, 157.0),
    "srtg-r2plus1d_50": (37.6, 141.5),
    "srtg-r2plus1d_101": (58.9, 172.2),
    "mtnet_s": (50.8, 199.6),
    "mtnet_m": (62.8, 216.3),
    "mtnet_l": (98.3, 513.7),
}
CELL_LATENCIES: dict[str, dict[str, tuple[float, float]]] = {  # Table 5.7: one clip of 16 x 256 px
    "mtnet_s": {"rnn": (58, 78), "lstm": (61, 79), "peephole": (68, 85), "gru": (65, 80)},
    "mtnet_m": {"rnn": (84, 113), "lstm": (86, 109), "peephole": (94, 120), "gru": (90, 111)},
}
POOLS = {  # Table 5.8, top-1: pooled over pairs of frames (left four), or with frames that are chosen ("+ cos")
    "pool=average,selection=pool": (77.8, 79.8, 83.8),
    "pool=max,selection=pool": (75.9, 77.6, 82.1),
    "pool=stochastic,selection=pool": (76.8, 78.2, 82.9),
    "pool=soft,selection=pool": (77.8, 80.7, 84.2),
    "pool=average": (80.5, 82.6, 85.9),
    "pool=soft": (80.7, 83.4, 86.6),
}


def network(
    document: str,
    backbone: str | Callable[..., Recognizer],
    modules: tuple[str, ...],
    *rows: tuple[str, Row],
    latency: tuple[float, float] | tuple[None, None] = (None, None),
) -> Network:
    """A backbone with modules and its rows (data set, figures), 16 frames; the parameters are those of 400 classes.

    `latency` is that of the first row.
    """
    published = tuple(
        Published(data, top1, top5, gmacs, mparams, frames=16, classes=400)
        for data, (top1, top5, gmacs, mparams) in rows
    )
    published = (replace(published[0], forward_ms=latency[0], backward_ms=latency[1]), *published[1:])
    return Network(document, backbone, modules, published)


def elsewhere(name: str, tables: dict[str, dict[str, tuple[float, float]]]) -> list[tuple[str, Row]]:
    """Rows of other data sets, for `network`."""
    return [(data, (*rows[name], None, None)) for data, rows in tables.items() if name in rows]


def ablations(name: str) -> tuple[Published, ...]:
    """Rows of Tables 5.6 to 5.8 for an MTNet."""
    there = Published("HACS", frames=16, classes=400)
    rows = [(f"delta={delta}", row) for delta, row in RATIOS.get(name, {}).items()]
    cells = [
        replace(there, knobs=f"cell={cell}", top1=a, top5=b, gmacs=g, mparams=m, forward_ms=to, backward_ms=back)
        for cell, (a, b, g, m) in CELLS.get(name, {}).items()
        for to, back in [CELL_LATENCIES[name][cell]]
    ]
    size = list(MULTI).index(name)
    return (
        *(replace(there, knobs=k, top1=a, top5=b, gmacs=g, mparams=m) for k, (a, b, g, m) in rows),
        *cells,
        *(replace(there, knobs=knobs, top1=tops[size]) for knobs, tops in POOLS.items()),
    )


def multi(name: str, **knobs: Any) -> Network:
    """An MTNet with its ablations."""
    builder = partial(multi_temporal, backbone=name, **knobs)
    rows = ("HACS", MULTI[name][0]), ("Kinetics-400", MULTI[name][1])
    whole = network(CHAPTER_5, builder, (), *rows, *elsewhere(name, MULTI_ELSEWHERE), latency=LATENCIES[name])
    return replace(whole, published=(*whole.published, *ablations(name)))


STERGIOU: dict[str, Network] = {
    **{
        f"stergiou-{name}": network(
            CHAPTER_4,
            name,
            (),
            ("HACS", row),
            *(("Kinetics-400", rows[0]) for key, rows in KINETICS.items() if key == name),
            *elsewhere(name, PLAIN_ELSEWHERE),
            latency=LATENCIES[name],
        )
        for name, row in PLAIN.items()
    },
    "stergiou-wide_r3d_50": network(CHAPTER_6, "wide_r3d_50", (), ("Kinetics-400", KINETICS["wide_r3d_50"][0])),
    **{
        f"srtg-{name}": network(
            f"{CHAPTER_4}; its gate never opens: see sr-{name}",
            name,
            ("srtg",),
            ("HACS", row),
            *elsewhere(name, GATED_ELSEWHERE),
            latency=LATENCIES[f"srtg-{name}"],
        )
        for name, row in GATED.items()
    },
    # What the release runs, whose gate is switched off; the printed figures can only be its.
    **{
        f"sr-{name}": network(
            f"{CHAPTER_4}, as released: no gate",
            name,
            ("sr",),
            ("HACS", row),
            *elsewhere(name, GATED_ELSEWHERE),
            latency=LATENCIES[f"srtg-{name}"],
        )
        for name, row in GATED.items()
    },
    **{
        f"classreg-{name}": network(CHAPTER_6, name, ("classreg",), ("Kinetics-400", rows[1]))
        for name, rows in KINETICS.items()
    },
    **{name.replace("_", "-"): multi(name) for name in MULTI},
    **{f"{name.replace('_', '-')}-whole": multi(name, whole=True) for name in MULTI},
    **{f"{name.replace('_', '-')}-literal": multi(name, split=False, separate=False) for name in MULTI},
    **{
        f"mtnet-released-{depth}": Network(
            f"{CHAPTER_5}, as released",
            partial(two_paths, depth=depth),
            published=(Published("HACS", *tops, frames=16, classes=200, size=256),),
            own_size=256,
        )
        for depth, tops in RELEASED.items()
    },
    "mtconv-r3d_50": network(
        CHAPTER_5,
        partial(multi_temporal, backbone="r3d_50", separate=False),
        (),
        ("Kinetics-400", (74.8, 91.3, 23.1, 35.7)),
    ),
    **{
        f"classreg-{name}{form}": network(
            CHAPTER_6, f"{name}{form}", ("classreg",), ("HACS", rows[2]), ("Kinetics-400", rows[3])
        )
        for name, rows in MULTI.items()
        for form in ("", "_literal")
    },
}

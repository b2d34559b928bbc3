"""MTConv networks with all their knobs; the backbones mtnet_s, mtnet_m and mtnet_l have the defaults, take modules.

The release's network is another one, see `poof.recog.zoo.backbones.mtnet_released`.
"""

from __future__ import annotations

from poof.errors import PoofError
from poof.recog.asked import Asked
from poof.recog.core.model import Recognizer
from poof.recog.core.module import choose
from poof.recog.zoo.backbones.mtnet import MEASURED, SIZES, mtnet, multi_temporal_r3d_50
from poof.recog.zoo.backbones.mtnet_released import DEPTHS, mtnet_released
from poof.recog.zoo.modules.mtconv import MTConvOptions

R3D = "r3d_50"


def multi_temporal(
    asked: Asked,
    *,
    backbone: str = "mtnet_m",
    delta: float = MEASURED.delta,
    split: bool = MEASURED.split,
    separate: bool = MEASURED.separate,
    shared: bool = MEASURED.shared,
    pool: str = MEASURED.pool,
    selection: str = MEASURED.selection,
    cell: str = "gru",
    layers: int = 1,
    whole: bool = False,
) -> Recognizer:
    """An MTNet, or r3d-50 with MTConvs.

    Knobs
    -----
    backbone : mtnet_m
        A key of `poof.recog.zoo.backbones.mtnet.SIZES`, or r3d_50.
    delta, split, separate, shared, pool, selection
        See `MTConvOptions`; 'split=false,separate=false' are the document's equations to the letter.
    cell, layers
        Of the recurrence at the end of each block, see `sr`.
    whole : false
        MTConvs for the 1x1x1 convolutions of MTNet's blocks, too: the cost then falls with delta as in Table 5.6.
    """
    choose("backbone", backbone, (*SIZES, R3D))
    options = MTConvOptions(delta, split, separate, shared, pool, selection)
    if backbone != R3D:
        return asked.hosted(lambda classes: mtnet(backbone, classes, options, cell, layers, whole))
    if whole or separate:
        raise PoofError("backbone=r3d_50: separate and whole are forms of MTNets' blocks")
    return asked.hosted(lambda classes: multi_temporal_r3d_50(classes, options, cell, layers))


def two_paths(asked: Asked, *, depth: str = "s", groups: int = 1, delta: float = MEASURED.delta) -> Recognizer:
    """MTNet as released, for its checkpoints.

    Knobs
    -----
    depth : s
        xs, s, m, l, xl or xxl: blocks a stage, see `poof.recog.zoo.backbones.mtnet_released.DEPTHS`.
    groups : 1
        Of a block's last two convolutions, whose inside is as many times narrower; 8 in the release's "g8".
    delta : 0.875
        Share of the channels that the local path has.
    """
    choose("depth", depth, tuple(DEPTHS))
    return asked.hosted(lambda classes: mtnet_released(classes, depth, groups, delta))

"""MTNet with all its knobs; the backbones mtnet_s, mtnet_m and mtnet_l have the defaults and take modules."""

from __future__ import annotations

from poof.recog.backbones.mtnet import MEASURED, mtnet
from poof.recog.model import Recognizer
from poof.recog.modules.mtconv import MTConvOptions
from poof.recog.networks.asked import Asked


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
) -> Recognizer:
    """An MTNet.

    Parameters
    ----------
    asked
        As of every network.
    backbone
        A key of `poof.recog.backbones.mtnet.SIZES`.
    delta, split, separate, shared, pool, selection
        See `MTConvOptions`; 'split=false,separate=false' are the document's equations to the letter.
    cell, layers
        Of the recurrence at the end of each block, see `sr`.
    """
    options = MTConvOptions(delta, split, separate, shared, pool, selection)
    return asked.hosted(lambda classes: mtnet(backbone, classes, options, cell, layers))

"""MTNet with all its knobs; the backbones mtnet_s, mtnet_m and mtnet_l have the defaults and take modules."""

from __future__ import annotations

from pathlib import Path

from poof.recog.backbones.mtnet import MEASURED, mtnet
from poof.recog.model import HostedRecognizer, Plan, Recognizer
from poof.recog.modules.mtconv import MTConvOptions
from poof.recog.weights import load_weights


def multi_temporal(
    name: str,
    frames: int,
    num_classes: int,
    size: int,
    dropout: float,
    weights: str | Path | None,
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
    name, frames, num_classes, size, dropout, weights
        As of every network.
    backbone
        A key of `poof.recog.backbones.mtnet.SIZES`.
    delta, split, separate, shared, pool, selection
        See `MTConvOptions`; 'split=false,separate=false' are the document's equations to the letter.
    cell, layers
        Of the recurrence at the end of each block, see `sr`.
    """
    options = MTConvOptions(delta, split, separate, shared, pool, selection)
    host = mtnet(backbone, num_classes, options, cell, layers)
    if weights is not None:
        load_weights(host, weights)
    config = {"name": name, "frames": frames, "num_classes": num_classes, "size": size, "dropout": dropout}
    return HostedRecognizer(host, Plan(), config)

"""Training recipes of each document and release: whole presets of the training options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from poof.errors import PoofError, names_near
from poof.recog.core.network import Network
from poof.recog.core.recipe import Recipe, Schedule
from poof.recog.data.sampling import Rule

__all__ = ["RECIPES", "Recipe", "recipe", "recipe_for"]

SMALL = Recipe(document="for data sets of hundreds of clips: short, cosine, small batches")
TSM = Recipe(
    epochs=50,
    batch=64,
    lr=0.01,
    schedule="steps",
    milestones=(20, 40),
    warmup=0,
    flip="none",
    groups="tsm",
    document="Lin et al. (2019), Something-Something, and released code",
)
TSM_KINETICS = replace(
    TSM,
    batch=128,
    lr=0.02,
    weight_decay=1e-4,
    rule="dense",
    flip="swap",
    document="Lin et al. (2019), Kinetics, and released code (which samples densely for the best figures)",
)
FINETUNE = replace(
    TSM,
    epochs=25,
    lr=0.001,
    milestones=(10, 20),
    dropout=0.8,
    flip="swap",
    partial_norm=True,
    document="released code of TSM: UCF101 and HMDB51 from Kinetics weights (--from or --weights)",
)
STERGIOU = Recipe(
    frames=16,
    dropout=0.0,
    epochs=150,
    batch=32,
    lr=0.1,
    schedule="steps",
    milestones=(40, 70, 120),
    warmup=0,
    weight_decay=1e-5,
    clip_norm=0,
    rule="dense",
    window=32,
    short=256,
    augment="stergiou-80",
    multigrid=True,
    document="Stergiou (2021), Section 4.4.1, HACS from random weights",
)
HUANG = Recipe(
    dropout=0.8,
    epochs=50,
    batch=32,
    accumulate=8,
    lr=0.12,
    warmup=7,
    warmup_from=0.1,
    weight_decay=8e-4,
    flip="none",
    augment="jitter",
    groups="huang",
    document="Huang (2022), Sections 3.6.1 and 5.5.1, ResNet-50 on Something-Something V1 (DAN and BQN)",
)
HUANG_KINETICS = replace(
    HUANG,
    dropout=0.5,
    epochs=100,
    accumulate=16,
    lr=0.08,
    weight_decay=2e-4,
    rule="dense",
    flip="swap",
    document="Huang (2022), Sections 3.6.1 and 5.5.1, ResNet-50 on Kinetics-400 from ImageNet (DAN and BQN)",
)
X3D_KINETICS = replace(
    HUANG_KINETICS,
    frames=16,
    epochs=256,
    accumulate=8,
    lr=0.4,
    weight_decay=5e-5,
    document="Huang (2022), Sections 3.6.1 and 5.5.1, X3D on Kinetics-400 from random weights (DAN and BQN)",
)
RNL = Recipe(
    dropout=0.8,
    epochs=50,
    batch=64,
    lr=0.02,
    warmup_from=0.1,
    weight_decay=8e-4,
    flip="none",
    groups="rnl",
    document="Huang (2022), Section 4.6, Something-Something V1, and released code (there: decay 1e-3)",
)
# The document lowers the rate where the validation accuracy saturates.
TESNET = Recipe(
    size=299,
    frames=1,
    epochs=30,
    batch=32,
    lr=0.001,
    schedule="plateau",
    patience=3,
    watch="accuracy",
    warmup=0,
    weight_decay=4e-5,
    clip_norm=0,
    document="Huang (2022), Section 3.3.1, RGB",
)
DEM = Recipe(
    frames=16,
    size=112,
    short=128,
    dropout=0.0,
    epochs=160,
    batch=96,
    accumulate=2,
    lr=0.004,
    schedule="plateau",
    warmup=0,
    weight_decay=0.0,
    clip_norm=0,
    rule="dense",
    window=16,
    augment="zeng",
    floor=4e-7,
    optimizer="adam",
    document="Zeng (2020), Section 4.1.2, rate 1; other rates with --rate",
)
CLASSREG = replace(
    STERGIOU,
    size=256,
    short=None,
    epochs=120,
    batch=16,
    milestones=(50, 100),
    dropout=0.5,
    augment="stergiou-70",
    rule="normal",
    multigrid=False,
    only="modules",
    document="Stergiou (2021), Section 6.4.2, on a trained network (--from)",
)

RECIPES: dict[str, Recipe] = {
    "small": SMALL,
    "m2a": Recipe(
        epochs=30,
        batch=32,
        accumulate=4,
        lr=0.02,
        schedule="steps",
        milestones=(20,),
        warmup=0,
        flip="none",
        document="Gebotys (2022), Chapter 4, and released code",
    ),
    "tsm": TSM,
    "tsm-kinetics": TSM_KINETICS,
    "tsm-finetune": FINETUNE,
    "tdn": replace(
        TSM, epochs=60, milestones=(30, 45, 55), flip="swap", document="released code of TDN, Something-Something"
    ),
    "tdn-kinetics": replace(
        TSM_KINETICS, epochs=100, milestones=(50, 75, 90), rule="uniform", document="released code of TDN, Kinetics"
    ),
    "tea": replace(TSM, lr=0.02, milestones=(30, 40, 45), document="released code of TEA, Something-Something"),
    "tea-finetune": replace(FINETUNE, frames=16, document="released code of TEA: UCF101 and HMDB51, 16 frames"),
    "tam": replace(
        TSM,
        milestones=(30, 40, 45),
        weight_decay=1e-3,
        dropout=0.6,
        document="released code of TAM, Something-Something V1",
    ),
    "tam-kinetics": replace(
        TSM_KINETICS,
        epochs=100,
        batch=64,
        lr=0.01,
        milestones=(50, 75, 90),
        document="released code of TAM, Kinetics (8 clips on each of 8 GPUs)",
    ),
    # Stergiou's frames lie 2 apart in HACS (5 in Kinetics, 3 in Moments in Time): 16 of them in a window of 32.
    "srtg": STERGIOU,
    "transfer": replace(
        STERGIOU,
        epochs=80,
        lr=0.01,
        milestones=(40, 60),
        only="classifier",
        multigrid=False,
        document="Stergiou (2021), Section 4.5, small data sets: the classifier alone (--from)",
    ),
    # The printed rate of 1.16 is taken for X3D's 1.6 of 1024 clips, which makes 0.1 for 64; 8,000 steps of warm-up
    # are about one epoch of HACS.
    "mtnet": replace(
        STERGIOU,
        size=256,
        short=None,
        dropout=0.5,
        epochs=400,
        batch=64,
        schedule="cosine",
        milestones=(),
        warmup=1.0,
        weight_decay=5e-5,
        rule="normal",
        augment="stergiou-70",
        document="Stergiou (2021), Section 5.4.1",
    ),
    "classreg": CLASSREG,
    "classreg-finetune": replace(
        CLASSREG, lr=0.001, milestones=(70,), document="Stergiou (2021), Section 6.4.2, fine-tuning (--from)"
    ),
    "tesnet": TESNET,
    "tesnet-projection": replace(
        TESNET,
        schedule="steps",
        only="modules",
        objective="modules",
        document="Huang (2022), Table 3.1: TSP by its projection loss (MAE) alone",
    ),
    "tesnet-flow": replace(TESNET, lr=0.005, document="Huang (2022), Section 3.3.1, optical flow"),
    "rnl": RNL,
    "rnl-kinetics": replace(
        RNL,
        dropout=0.5,
        lr=0.01,
        weight_decay=1e-4,
        rule="dense",
        flip="swap",
        document="Huang (2022), Section 4.6, Kinetics-400 (100 epochs for its last tables)",
    ),
    "dan": HUANG,
    "dan-kinetics": HUANG_KINETICS,
    "dan-finetune": replace(
        HUANG,
        epochs=10,
        batch=64,
        accumulate=1,
        lr=0.001,
        warmup=0,
        weight_decay=1e-4,
        flip="swap",
        partial_norm=True,
        document="Huang (2022), Sections 3.6.1 and 5.5.1, UCF101 and HMDB51 from Kinetics (--from; DAN and BQN)",
    ),
    "dan-x3d": replace(
        HUANG,
        frames=16,
        weight_decay=4e-4,
        document="Huang (2022), Section 3.6.1, X3D on Something-Something V1 from Kinetics weights",
    ),
    "x3d-kinetics": X3D_KINETICS,
    "bqn-x3d": replace(
        HUANG,
        frames=16,
        epochs=60,
        weight_decay=4e-4,
        document="Huang (2022), Section 5.5.1, X3D-M on Something-Something V1 from Kinetics weights (--from)",
    ),
    "bqn-x3d-scratch": replace(
        HUANG,
        frames=16,
        dropout=0.5,
        epochs=100,
        lr=0.2,
        weight_decay=5e-5,
        document="Huang (2022), Section 5.5.1, X3D-M on Something-Something V1 from random weights",
    ),
    "mbpm": replace(
        HUANG,
        dropout=0.5,
        epochs=80,
        batch=64,
        accumulate=1,
        lr=0.01,
        warmup=0,
        weight_decay=1e-4,
        flip="swap",
        document="Huang (2022), Section 5.3.2, UCF101 from ImageNet; on other data as dan",
    ),
    # Schedule, frames and crops are not printed: those of MFNet's own code for UCF101.
    "kpsem": Recipe(
        frames=16,
        epochs=50,
        batch=64,
        lr=0.005,
        schedule="steps",
        milestones=(21, 42),
        warmup=0,
        nesterov=True,
        weight_decay=1e-4,
        clip_norm=0,
        rule="dense",
        window=32,
        augment="mfnet",
        groups="mfnet",
        document="Cao et al. (2021), Section 4.1, from Kinetics weights; schedule of MFNet's code",
    ),
    # Four clips of each video an epoch for 40 epochs are 160 epochs of one.
    "dem": DEM,
    "dem-transfer": replace(
        DEM,
        epochs=80,
        lr=0.0004,
        optimizer="sgd",
        only="last",
        document="Zeng (2020), Section 4.4, from a run on miniKinetics (--from)",
    ),
}


def recipe(name: str, **changes: Any) -> Recipe:
    """A preset with some options changed; None changes nothing."""
    if name not in RECIPES:
        raise PoofError(f"unknown recipe '{name}'; there are {names_near(name, RECIPES)}")
    return replace(RECIPES[name], **{key: value for key, value in changes.items() if value is not None})


def recipe_for(
    name: str,
    network: Network | None,
    *,
    frames: int | None = None,
    size: int | None = None,
    rule: Rule | None = None,
    rate: int | None = None,
    schedule: Schedule | None = None,
    milestones: tuple[int, ...] | None = None,
    **changes: Any,
) -> Recipe:
    """A preset as it trains a network, with some options changed; None changes nothing.

    Parameters
    ----------
    network
        A document's; None for a backbone.
    frames, size
        If not given: what the network brings of its own (other than 8 frames, 224 pixels), else the recipe's.
    rule, rate
        How frames are chosen; every `rate`-th in a row, by the recipe's rule where that takes frames in a row.
    schedule
        Another schedule leaves the recipe's milestones behind.

    Raises
    ------
    PoofError
        If there is no such recipe, or options contradict each other.
    """
    preset, usual = recipe(name), Recipe()
    if rate is not None and rule == "uniform":
        raise PoofError(f"--rate {rate} takes frames in a row: leave out --sampling uniform")
    if network is not None:
        frames = frames or (network.frames if network.frames != usual.frames else None)
        size = size or (network.size if network.size != usual.size else None)
    frames, size, window = frames or preset.frames, size or preset.size, preset.window
    if rate is not None:
        window = frames * rate
        rule = rule or (preset.rule if preset.rule != "uniform" else "dense")
    elif window is not None:
        window = max(window // preset.frames, 1) * frames
    if milestones is None:
        milestones = preset.milestones if schedule in (None, preset.schedule) else ()
    return replace(
        preset,
        frames=frames,
        size=size,
        rule=rule or preset.rule,
        window=window,
        short=preset.short if size == preset.size else None,
        schedule=schedule or preset.schedule,
        milestones=milestones,
        **{key: value for key, value in changes.items() if value is not None},
    )

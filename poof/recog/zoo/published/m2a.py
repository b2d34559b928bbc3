"""M2A: motion-aware attention."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poof.recog.core.model import Recognizer
from poof.recog.zoo.modules.m2a import MotionAwareAttention
from poof.recog.zoo.published.rules import BLOCK, EXCITED, INSIDE, Rules, State, has, within
from poof.recog.zoo.published.tsm import mobile

NAMES = (
    (
        BLOCK + r"\.conv1\.0\.(?:m2a\.)?(conv_down|conv_up|modules_list)\.",
        r"inserted.\1_\2_conv1_before_m2a.module.\3.",
    ),
    (
        r"features\.(\d+)\.conv\.0\.0\.(conv_down|conv_up|modules_list)\.",
        r"inserted.features_\1_conv_0_0_before_m2a.module.\2.",
    ),
    (BLOCK + r"\.conv1\.[12]\.weight", r"\1.\2.conv1.weight"),
    (r"features\.(\d+)\.conv\.0\.[12]\.weight", r"features.\1.conv.0.weight"),
    (r"module\.conv_down\.", "module.down."),
    (r"module\.conv_up\.", "module.up."),
    (r"modules_list\.0\.motion_mod\.", "motion."),
    (r"modules_list\.0\.attn\.(G|L)\.", r"attention.\1."),
    (r"modules_list\.0\.(G|L)\.", r"attention.\1."),
    (r"modules_list\.0\.", "motion."),
    (r"attention\.G\.", "attention.kernel."),
    (r"attention\.L\.", "attention.gate."),
    *within(INSIDE, EXCITED),
)


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    modules = [m for _, m in model.temporal_modules() if isinstance(m, MotionAwareAttention)]
    if not modules:
        yield "it has M2A's modules; build it with -m m2a:variant=released"
    elif any(".m2a.conv_down" in key for key in state) != model.config["name"].endswith("_viewed"):
        yield "the release's I3D takes frames for colours; build i3d_resnet18_viewed for it, and for no other"
    elif any(module.shift != "zero" for module in modules):
        yield "its differences end in zeros; build it with -m m2a:variant=released"
    elif any(module.variant != "released" for module in modules) and not _plain(modules):
        yield "it leaves out norms and skips where motion or attention stand alone; say variant=released"
    shifted = any(re.search(r"conv1\.2\.weight", key) for key in state)
    if modules and shifted != has(model, "tsm"):
        yield "it shifts features besides; add -m tsm behind m2a" if shifted else "it has no shift; leave out tsm"


def _plain(modules: list[MotionAwareAttention]) -> bool:
    """Whether both variants are the same: motion by differences with attention among frames, or attention alone."""
    return all(m.norm and m.skip and type(m.attention).__name__ == "SelfAttention" for m in modules)


RULES = Rules(
    "M2A",
    r"\.conv_down\.",
    "build its backbone with -m m2a:variant=released and the rows' motion and attention",
    NAMES,
    change=mobile,
    differs=_differs,
)

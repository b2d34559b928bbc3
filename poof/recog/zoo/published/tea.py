"""TEA: motion excitation and multiple temporal aggregation in a Res2Net."""

from __future__ import annotations

from poof.recog.core.model import Recognizer
from poof.recog.zoo.published.rules import BLOCK, EXCITED, INSIDE, Rules, State, within

NAMES = (
    (BLOCK + r"\.me\.", r"inserted.\1_\2_expanded_before_tea.module.motion."),
    (BLOCK + r"\.shifts\.(\d)\.conv\.weight", r"inserted.\1_\2_shifts_\3_after_mta.module.mix.weight"),
    *within(INSIDE, EXCITED),
)


def _shapes(state: State, model: Recognizer) -> State:
    return {key: value.unsqueeze(3) if key.endswith("mix.weight") else value for key, value in state.items()}


RULES = Rules("TEA", r"\.me\.conv1\.", "build tea-res2net50", NAMES, change=lambda s, m: _shapes(s, m))

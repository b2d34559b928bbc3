"""TSM and TSN, and the MobileNetV2 that TSM's and M2A's releases share."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poof.recog.core.model import Recognizer
from poof.recog.zoo.published.rules import BLOCK, Rules, State, has


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    shifted = any(".net.weight" in key for key in state)
    if shifted and not has(model, "tsm"):
        yield "it shifts features in time; build it with -m tsm"
    if any(re.search(BLOCK + r"\.net\.(conv|bn)", key) for key in state):
        yield "it shifts whole blocks (shift_place=block), which poof does not have; take one with blockres"
    if any(re.search(r"layer\d\.net\.|\.nl\.", key) for key in state):
        yield "it has non-local blocks or pools time, which this release's loader does not know"
    if not shifted and has(model, "tsm"):
        yield "it is TSN's, without a shift in time; build it without -m tsm"


def mobile(state: State, model: Recognizer) -> State:
    """The authors' MobileNetV2 numbers the layers of a block without the groups of torchvision's."""
    if not any(re.match(r"backbone\.features\.1\.conv\.1\.weight", key) for key in state):
        return state
    if any(key.startswith("backbone.features.2.conv.0.0.") for key in state):
        return state  # torchvision's own

    def renamed(key: str) -> str:
        match = re.fullmatch(r"backbone\.features\.(\d+)\.conv\.(\d+)\.(.+)", key)
        if match is None:
            return key
        block, layer, rest = int(match[1]), int(match[2]), match[3]
        if block == 1:
            place = {0: "0.0", 1: "0.1", 3: "1", 4: "2"}[layer]
        else:
            place = {0: "0.0", 1: "0.1", 3: "1.0", 4: "1.1", 6: "2", 7: "3"}[layer]
        return f"backbone.features.{block}.conv.{place}.{rest}"

    return {renamed(key): value for key, value in state.items()}


RULES = Rules(
    "TSM or TSN",
    r"^base_model\.|^new_fc\.|\.net\.weight$",
    "build its backbone, with -m tsm for TSM",
    ((r"\.conv1\.net\.", ".conv1."), (r"\.conv\.0\.net\.", ".conv.0.")),
    change=mobile,
    differs=_differs,
)

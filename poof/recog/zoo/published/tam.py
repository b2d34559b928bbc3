"""TAM: the temporal adaptive module."""

from __future__ import annotations

from poof.recog.zoo.published.rules import BLOCK, Rules

RULES = Rules(
    "TAM",
    r"\.tam\.[GL]\.",
    "build its backbone with -m tam",
    (
        (BLOCK + r"\.tam\.G\.", r"inserted.\1_\2_conv2_before_tam.module.kernel."),
        (BLOCK + r"\.tam\.L\.", r"inserted.\1_\2_conv2_before_tam.module.gate."),
        (BLOCK + r"\.net\.", r"\1.\2."),
    ),
)

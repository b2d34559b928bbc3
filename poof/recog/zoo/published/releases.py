"""All releases that are recognised: a file each in this folder, with its `RULES`."""

from __future__ import annotations

from poof.recog.zoo.published import bqn, m2a, mtnet, rnl, srtg, tam, tdn, tea, tsm, x3d
from poof.recog.zoo.published.rules import Rules

RELEASES: dict[str, Rules] = {
    "bqn": bqn.RULES,
    "mtnet": mtnet.RULES,
    "tea": tea.RULES,
    "tdn": tdn.RULES,
    "rnl": rnl.RULES,
    "srtg": srtg.RULES,
    "tam": tam.RULES,
    "m2a": m2a.RULES,
    "x3d": x3d.RULES,
    "tsm": tsm.RULES,
}
"""By name, the most particular first: TSM's keys are in many releases."""

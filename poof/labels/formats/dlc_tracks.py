"""DeepLabCut's inference layout, csv and h5: a row for every frame of the video, with likelihood.

movement, SLEAP, SimBA, B-SOiD and others read it as tracks. It is written here (``--to dlc-tracks``) and read as every
table of DeepLabCut. A person's points have the likelihood 1 and all others less, the scorer is 'poof', with the source
of the others if that is one; so that both come back. Frames without labels are empty rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poof.labels.formats.capabilities import Capabilities, warn_lost
from poof.labels.formats.deeplabcut import load, sheet_of
from poof.labels.formats.dlc_sheet import write_sheet
from poof.labels.formats.provenance import arrays
from poof.labels.model import LabelSet, Source

__all__ = ["CAPABILITIES", "ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".csv", ".h5")
CAPABILITIES = Capabilities(human=True, sources=True, confidence=True, names=True)
_MOST = 0.9999
"""Likelihood that a machine's point has at most."""


def detect(path: Path, head: bytes) -> bool:
    """Never: `poof.labels.formats.deeplabcut` reads it."""
    del path, head
    return False


def claims(path: Path) -> bool:
    """Never by its name: say ``--to dlc-tracks``."""
    del path
    return False


def save(labels: LabelSet, path: Path) -> None:
    """Write a csv or h5 file, by the ending of `path`, atomically; a `PoofWarning` names what does not fit in it."""
    sources = {int(v) for _, _, points in labels for v in points.source[points.labelled & ~points.is_human]}
    uniform = len(sources) == 1 and Source.NONE not in sources
    scorer = f"poof-{Source(*sources).label}" if uniform else "poof"
    count = labels.info.get("frame_count")
    last = (labels.frames or [-1])[-1]
    rows = range(max(last + 1, count if isinstance(count, int) else 0))
    plain = labels.replace(info={key: value for key, value in labels.info.items() if key != "unique_bodyparts"})
    sheet = sheet_of(plain, {frame: frame for frame in rows}, scorer, likelihood=True, sure=1.0, most=_MOST)
    holds = CAPABILITIES
    if path.suffix.lower() == ".h5":
        kept = ("chains", "refinement", "covered", "absent")
        holds = Capabilities(**vars(CAPABILITIES) | dict.fromkeys(kept, True))
        write_sheet(path, sheet, arrays(labels), int(labels.tracked))
    else:
        write_sheet(path, sheet)
        if sources and not uniform:
            holds = Capabilities(**vars(CAPABILITIES) | {"sources": False})
    unsure = any(np.isnan(p.confidence[p.labelled & ~p.is_human]).any() for _, _, p in labels)
    others = ["that the confidence of some points is unknown (0 stands there)"] if unsure else []
    warn_lost(labels, path, "a table of tracks", holds, others)

"""Capabilities of the label formats: what each can hold, and the warning that names what a file of it lost."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from poof.errors import PoofWarning
from poof.labels.model import LabelSet, Source, Visible


@dataclass(frozen=True)
class Capabilities:
    """What comes back from a file of a format; `docs/formats.md` has a column for each.

    Attributes
    ----------
    human
        Which points a person set.
    sources
        Whether the others were propagated, refined or predicted.
    confidence
        How sure each point is.
    chains
        Anchor frame and steps of each point.
    refinement
        Where flow had put a refined point, and whether that is in dispute.
    covered
        Which points are covered.
    hidden
        Points that have coordinates but are out of sight.
    absent
        Which keypoints are absent, as opposed to not labelled.
    boxes
        The boxes of the instances.
    limbs
        The limbs of the skeleton.
    identities
        Whether instances are fixed individuals.
    names
        The names of the individuals.
    size
        The size of the images.
    info
        How the labels were made.
    """

    human: bool = False
    sources: bool = False
    confidence: bool = False
    chains: bool = False
    refinement: bool = False
    covered: bool = False
    hidden: bool = False
    absent: bool = False
    boxes: bool = False
    limbs: bool = False
    identities: bool = False
    names: bool = False
    size: bool = False
    info: bool = False


WORDS = {
    "human": "who set the points",
    "sources": "what made the points",
    "confidence": "confidence",
    "chains": "anchors and steps",
    "refinement": "where flow had put refined points",
    "covered": "occlusion",
    "hidden": "points out of sight",
    "absent": "who is absent and where nobody looked",
    "boxes": "boxes",
    "limbs": "limbs",
    "identities": "that instances are no fixed individuals",
    "names": "names of individuals",
    "size": "the size of the images",
    "info": "how the labels were made",
}
"""How a message names each field of `Capabilities`."""


def present(labels: LabelSet) -> set[str]:
    """The fields of `Capabilities` of which the labels have something to say."""
    found: set[str] = set()
    several = len(labels.instance_ids) > 1
    for _, _, points in labels:
        machine = points.labelled & (points.source != Source.HUMAN)
        if machine.any():
            found |= {"human", "sources"}
            if np.isfinite(points.confidence[machine]).any():
                found.add("confidence")
            if (points.anchor[machine] >= 0).any():
                found.add("chains")
        if points.was_refined.any() or points.in_dispute.any():
            found.add("refinement")
        shown = points.visible[points.labelled]
        if (shown == Visible.OCCLUDED).any():
            found.add("covered")
        if (shown == Visible.UNLABELLED).any():
            found.add("hidden")
        if points.box is not None:
            found.add("boxes")
    absent = sum(int(points.absent.sum()) for _, _, points in labels)
    if absent > len(labels.assumed_absent) and any((~points.decided).any() for _, _, points in labels):
        found.add("absent")  # else an empty cell says it, by the rule for empty keypoints
    if labels.skeleton.edges:
        found.add("limbs")
    if several and not labels.tracked:
        found.add("identities")
    if labels.individuals:
        found.add("names")
    if labels.image_size:
        found.add("size")
    if set(labels.info) - {"video", "scorer"}:
        found.add("info")
    return found


_TRIFLES = {"size", "info", "chains"}
"""What no one misses who hands labels to another tool; named only beside something else."""


def warn_lost(labels: LabelSet, path: Path, format: str, holds: Capabilities, others: Iterable[str] = ()) -> None:
    """One `PoofWarning` that names what reading the file again will not bring back.

    Parameters
    ----------
    labels
        As they were to be written.
    path
        The file.
    format
        What the message calls the format ("a table", "DeepLabCut's format").
    holds
        What the format keeps.
    others
        Further things that are lost, in words.
    """
    missing = [f.name for f in fields(Capabilities) if not getattr(holds, f.name)]
    known = present(labels)
    lost = [name for name in missing if name in known]
    if "human" in lost and "sources" in lost:
        lost.remove("sources")
    words = [WORDS[name] for name in lost if name not in _TRIFLES] + list(others)
    if words:
        warnings.warn(
            f"{path}: {format} cannot hold {', '.join(words)}; keep the labels as .json too", PoofWarning, stacklevel=4
        )

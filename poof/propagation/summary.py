"""Summary of a propagation, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from poof.labels.model import LabelSet, Source, Visible, describe_sources
from poof.propagation.held_out import lowered


def expected(labels: LabelSet) -> float | None:
    """Share of the points that nobody set which is expected within 5 % of the subject; None without any.

    The mean of their confidences, lowered where the person's own labels, each left out, were missed more often than the
    confidences there promised; see `poof.propagation.held_out.offset`.
    """
    made = [p.confidence[p.labelled & ~p.is_human] for _, _, p in labels]
    values = np.concatenate(made or [np.zeros(0)])
    checked = labels.info.get("propagation", {}).get("held_out") or {}
    values = lowered(values[np.isfinite(values)], float(checked.get("offset", 0.0)))
    return float(values.mean()) if len(values) else None


def summarise(labels: LabelSet) -> dict[str, Any]:
    """Counts of a propagated label set, as plain values.

    Returns
    -------
    dict
        anchors (frames), frames (labelled frames), instances, points (by source), occluded (propagated points thought
        to be hidden), absent (keypoints that propagation says are not in the picture), assumed_absent (empty keypoints
        of the label file taken as absent, see `load_labels`), left_out (points by reason), confidence (mean of the
        propagated points), expected (share of them expected within 5 % of the subject: `confidence` as far as this
        footage bears it out), held_out (what that rests on: the person's own labels, each left out), unsure (share of
        them below 0.5), cuts, flow, reasons, damage.
    """
    made = labels.info.get("propagation", {})
    sure = [p.confidence[(p.source == Source.PROPAGATED) & p.labelled] for _, _, p in labels]
    gone = sum(int(((p.source == Source.PROPAGATED) & p.absent).sum()) for _, _, p in labels)
    hidden = sum(int(((p.source == Source.PROPAGATED) & (p.visible == Visible.OCCLUDED)).sum()) for _, _, p in labels)
    values = np.concatenate(sure) if sure else np.zeros(0)
    checked = made.get("held_out")
    return {
        "anchors": len(labels.human().frames),
        "frames": len(labels.frames),
        "instances": len(labels.instance_ids),
        "points": dict(describe_sources(labels)),
        "occluded": hidden,
        "absent": gone,
        "assumed_absent": len(labels.assumed_absent),
        "left_out": made.get("left_out", {}),
        "confidence": float(np.nanmean(values)) if len(values) else None,
        "expected": expected(labels),
        "held_out": {key: checked[key] for key in ("points", "right", "claimed", "offset")} if checked else None,
        "unsure": float((values < 0.5).mean()) if len(values) else None,
        "cuts": made.get("cuts", []),
        "holes": made.get("holes", []),
        "flow": [f["name"] for f in made.get("flow", [])],
        "reasons": [f["reason"] for f in made.get("flow", []) if "reason" in f],
        "damage": made.get("damage"),
    }

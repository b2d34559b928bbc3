"""What the benchmarks share: clips and their neutral scorer, labels of a split, estimators by name, Markdown tables."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.io import loadmat

from poof.flow.base import FlowEstimator
from poof.flow.registry import create_flow
from poof.labels import LabelSet, Points, Skeleton
from poof.labels.model import Visible

SHARED = Path(__file__).resolve().parents[2] / "shared"
WEIGHTS = SHARED / "data" / "weights" / "raft-small.pth"
MEAN_OF = ("camel", "dog", "bear", "reaching", "cam01", "cam02")
"""Clips of the mean: not jhmdb, whose labels are wrong around frames 12-30 (see the protocol)."""


def load_scorer() -> ModuleType:
    """The neutral scorer, from where it lies."""
    path = SHARED / "bench" / "score_propagation.py"
    if not path.is_file():
        sys.exit(f"{path} is not here: the benchmark needs the shared clips and their scorer")
    spec = importlib.util.spec_from_file_location("score_propagation", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def anchor_labels(scorer: ModuleType, split: Any, empty: Visible = Visible.UNLABELLED) -> LabelSet:
    """The anchors of a split as a label set; `empty` is what a keypoint without a label is there."""
    names = tuple(scorer.keypoint_names(split.clip))
    labels = LabelSet(Skeleton(names), image_size=(split.clip.width, split.clip.height))
    for frame in split.anchors:
        xy = np.full((len(names), 2), np.nan, np.float32)
        for row in split.anchor_table[split.anchor_table.frame == frame].itertuples():
            xy[names.index(row.keypoint)] = row.x, row.y
        labels.add(frame, 0, Points.human(frame, xy, np.where(np.isnan(xy[:, 0]), empty, Visible.VISIBLE)))
    return labels


def radius_of(scorer: ModuleType, clip: Any) -> int:
    """The protocol's radius: twice as far where labels are sparse."""
    return int(scorer.RADIUS if clip.dense else 2 * scorer.RADIUS)


def estimator_of(name: str) -> FlowEstimator:
    """An estimator by name, 'dis-coarse/2' say: with the weights it needs, and the stride behind the slash."""
    plain, _, stride = name.partition("/")
    estimator = create_flow(plain, weights=WEIGHTS if "raft" in plain else None)
    estimator.stride = int(stride or 1)
    return estimator


def penn_track(number: str) -> dict[str, Any]:
    """A sequence of Penn Action: x, y and visibility of 13 joints, (frames, 13) each."""
    return loadmat(str(SHARED / "data" / "penn-action-labels" / "labels" / f"{number}.mat"))


def head(*cells: Any) -> str:
    """The first two lines of a Markdown table."""
    return f"{line(*cells)}\n{'|---' * len(cells)}|"


def line(*cells: Any) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"

"""The flow estimators by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.flow.base import FlowEstimator


def _dis(**options: Any) -> FlowEstimator:
    from poof.flow.dis import DisFlow

    return DisFlow()


def _raft_small(**options: Any) -> FlowEstimator:
    from poof.flow.raft import RaftFlow

    return RaftFlow("raft-small", **options)


def _raft_large(**options: Any) -> FlowEstimator:
    from poof.flow.raft import RaftFlow

    return RaftFlow("raft-large", **options)


ESTIMATORS = {"dis": _dis, "raft-small": _raft_small, "raft-large": _raft_large}


def available() -> list[str]:
    """The names that `create_flow` knows."""
    return ["auto", *ESTIMATORS]


def create_flow(
    name: str = "auto",
    weights: Path | None = None,
    device: str = "auto",
    iterations: int = 12,
    precision: str = "fp32",
) -> FlowEstimator:
    """A flow estimator by name."""
    if name == "auto":
        name = "dis"
    if name not in ESTIMATORS:
        raise PoofError(f"unknown flow '{name}'; valid: {', '.join(available())}")
    return ESTIMATORS[name](weights=weights, device=device, iterations=iterations, precision=precision)

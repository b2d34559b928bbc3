"""Optical flow: two frames in, a displacement field out. `create_flow` gives an estimator by name."""

from poof.flow.base import FlowEstimator
from poof.flow.registry import available, create_flow

__all__ = ["FlowEstimator", "available", "create_flow"]

"""Appearance in the loop: networks trained on this footage and the flow, fused where the flow alone is unsure."""

from poof.refine.run import NETWORKS, Refinement, refine

__all__ = ["NETWORKS", "Refinement", "refine"]

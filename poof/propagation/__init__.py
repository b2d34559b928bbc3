"""The POOF equations and what makes them reliable: chains, consistency, merging, confidence."""

from poof.propagation.propagate import propagate
from poof.propagation.settings import Settings
from poof.propagation.summary import summarise

__all__ = ["Settings", "propagate", "summarise"]

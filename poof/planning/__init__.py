"""Before and between labelling: how far labels can be carried on this footage, and which frames to label next."""

from poof.planning.radius import measure_radius
from poof.planning.select import select_frames, select_next

__all__ = ["measure_radius", "select_frames", "select_next"]

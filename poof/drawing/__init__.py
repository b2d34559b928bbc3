"""Pictures of labels: overlay videos, contact sheets, trajectories, curves, flow colours."""

from poof.drawing.flow_colour import flow_to_rgb
from poof.drawing.movie import check_overlay_output, render_overlay
from poof.drawing.overlay import draw_labels
from poof.drawing.plots import (
    accuracy_over_threshold,
    error_over_distance,
    reliability_diagram,
    save_figure,
    training_curves,
)
from poof.drawing.sheet import check_sheet_output, contact_sheet
from poof.drawing.style import Style
from poof.drawing.trajectories import save_trajectories, trajectories

__all__ = [
    "Style",
    "accuracy_over_threshold",
    "check_overlay_output",
    "check_sheet_output",
    "contact_sheet",
    "draw_labels",
    "error_over_distance",
    "flow_to_rgb",
    "reliability_diagram",
    "render_overlay",
    "save_figure",
    "save_trajectories",
    "training_curves",
    "trajectories",
]

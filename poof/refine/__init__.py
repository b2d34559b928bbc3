"""Appearance in the loop: a network trained on this footage and the flow, fused where the flow alone is unsure."""

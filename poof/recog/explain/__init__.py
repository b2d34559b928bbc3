"""Why a network says what it says: Grad-CAM per frame, read-outs of the modules."""

from poof.recog.explain.explain import Explanation, explain
from poof.recog.explain.gradcam import Heat, grad_cam

__all__ = ["Explanation", "Heat", "explain", "grad_cam"]

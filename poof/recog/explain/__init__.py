"""Explanations of a prediction: Grad-CAM, saliency tubes, class feature pyramids, read-outs of the modules."""

from poof.recog.explain.explain import Explanation, explain
from poof.recog.explain.gradcam import Heat, grad_cam
from poof.recog.explain.pyramids import Pyramid, class_feature_pyramid
from poof.recog.explain.tubes import saliency_tube
from poof.recog.explain.ways import Way

__all__ = [
    "Explanation",
    "Heat",
    "Pyramid",
    "Way",
    "class_feature_pyramid",
    "explain",
    "grad_cam",
    "saliency_tube",
]

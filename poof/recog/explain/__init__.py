"""Explanations of a prediction: Grad-CAM, saliency tubes, class feature pyramids, read-outs of the modules."""

from poof.deprecated import old_names
from poof.recog.explain.explain import Explanation, explain
from poof.recog.explain.gradcam import Heat, grad_cam
from poof.recog.explain.methods import ExplanationMethod
from poof.recog.explain.pyramids import Pyramid, class_feature_pyramid
from poof.recog.explain.tubes import saliency_tube

__all__ = [
    "Explanation",
    "ExplanationMethod",
    "Heat",
    "Pyramid",
    "class_feature_pyramid",
    "explain",
    "grad_cam",
    "saliency_tube",
]

__getattr__ = old_names(__name__, {"Way": "ExplanationMethod"})

"""Explanation methods by name, with their options."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from poof.errors import PoofError, names_near
from poof.recog.core.model import Recognizer
from poof.recog.explain.gradcam import Heat, grad_cam
from poof.recog.explain.pyramids import THETA, Mode, Pyramid, class_feature_pyramid
from poof.recog.explain.tubes import Order, saliency_tube

SUFFIXES = {"gradcam": "heat", "tubes": "tube", "pyramids": "pyramid"}
"""What each method's files are called."""


@dataclass(frozen=True)
class ExplanationMethod:
    """An explanation method and its options.

    Attributes
    ----------
    name : gradcam | tubes | pyramids
    stage
        Whose features, from 1, for gradcam (None: 2, as the document shows) and tubes (None: the last).
    threshold, order
        Of tubes, see `poof.recog.explain.tubes.tube`.
    theta, depth, mode
        Of pyramids, see `poof.recog.explain.pyramids.class_feature_pyramid`.
    """

    name: str = "gradcam"
    stage: int | None = None
    threshold: float = 0.0
    order: Order = "document"
    theta: float = THETA
    depth: int = 3
    mode: Mode = "layers"

    def __post_init__(self) -> None:
        if self.name not in SUFFIXES:
            raise PoofError(f"unknown method of explanation '{self.name}'; there are {names_near(self.name, SUFFIXES)}")

    def look(self, model: Recognizer, clip: Tensor, label: int | None) -> tuple[list[Heat], Pyramid | None]:
        """Heat maps of one normalised clip (T, 3, H, W), one or, of pyramids, one a level."""
        if self.name == "gradcam":
            return [grad_cam(model, clip, label, self.stage or 2)], None
        if self.name == "tubes":
            return [saliency_tube(model, clip, label, self.stage, self.threshold, self.order)], None
        pyramid = class_feature_pyramid(model, clip, label, self.theta, self.depth, self.mode)
        return pyramid.heats, pyramid

"""Action recognition: temporal modules by name in backbones by name, compared fairly.

>>> from poof import recog
>>> model = recog.build_model("resnet18", modules=["m2a", "tsm"], frames=8, num_classes=174)
>>> logits = model(clips)          # (N, 8, 3, 224, 224), normalised with model.mean and model.std
"""

from __future__ import annotations

from poof.recog.build import available, build_model, explain_places
from poof.recog.model import Recognizer
from poof.recog.profile import profile, profile_over

__all__ = ["Recognizer", "available", "build_model", "explain_places", "profile", "profile_over"]

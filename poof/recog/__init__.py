"""Action recognition: temporal modules by name in backbones by name, compared fairly.

>>> from poof import recog
>>> model = recog.build_model("resnet18", modules=["m2a", "tsm"], frames=8, num_classes=174)
>>> logits = model(clips)          # (N, 8, 3, 224, 224): model.normalise(uint8 RGB)
"""

from __future__ import annotations

from poof.deprecated import MovedModules
from poof.recog.build import available, build_model, explain_places
from poof.recog.core.model import Recognizer
from poof.recog.cost.profile import profile, profile_over

__all__ = ["Recognizer", "available", "build_model", "explain_places", "profile", "profile_over"]

MOVED = MovedModules(
    {
        "poof.recog.backbones": "poof.recog.zoo.backbones",
        "poof.recog.backbones.base": "poof.recog.core.backbone",
        "poof.recog.evaluate": "poof.recog.evaluation.evaluate",
        "poof.recog.joint": "poof.recog.zoo.modules.joint",
        "poof.recog.judging": "poof.recog.evaluation.judging",
        "poof.recog.model": "poof.recog.core.model",
        "poof.recog.modules": "poof.recog.zoo.modules",
        "poof.recog.modules.base": "poof.recog.core.module",
        "poof.recog.multigrid": "poof.recog.training.multigrid",
        "poof.recog.networks": "poof.recog.zoo.networks",
        "poof.recog.rates": "poof.recog.evaluation.rates",
        "poof.recog.recipes": "poof.recog.zoo.recipes",
        "poof.recog.schedule": "poof.recog.core.recipe",
        "poof.recog.train": "poof.recog.training.train",
    }
)
MOVED.install()

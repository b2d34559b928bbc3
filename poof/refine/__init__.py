"""Appearance in the loop: networks trained on this footage and the flow, fused where the flow alone is unsure.

The package may be called: `poof.refine("video.mp4", "gt.json")` is the function of `poof.api`, whichever of the two
Python finds under that name first.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from poof.refine.learning import NETWORKS
from poof.refine.run import Refinement, refine

__all__ = ["NETWORKS", "Refinement", "refine"]


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Refinement:
        """See `poof.api.refine`."""
        result: Refinement = import_module("poof.api").refine(*arguments, **options)
        return result


sys.modules[__name__].__class__ = _Callable

"""Make `import torchvision` work beside a CPU-only torch.

The registry's Linux wheels of torchvision are CUDA builds. Beside a CPU-only torch their compiled operators cannot be
loaded, and the import itself fails: `RuntimeError: operator torchvision::nms does not exist`. poof needs none of those
operators, only networks, weights and transforms, which are plain Python. Declaring the two operators that the import
looks for is enough. Where the pair matches, nothing is declared and everything works as usual.

One of its files imports `torch._dynamo`, for a function that tells whether `torch.compile` is possible; with what that
imports in turn it takes longer than torch itself. Only who asks it pays for it.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

_DYNAMO = "torch._dynamo.utils"
_libraries: list[Any] = []  # torch forgets the declarations when the Library object dies


@cache
def ensure() -> None:
    """Import torchvision in a way that works and is quick; call before importing from it. Safe to call often."""
    declare()
    if "torchvision" in sys.modules or _DYNAMO in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    stand_in: Any = ModuleType(_DYNAMO)
    stand_in.is_compile_supported = lambda device: import_module(_DYNAMO).is_compile_supported(device)
    sys.modules[_DYNAMO] = stand_in
    try:
        import_module("torchvision")
    finally:
        del sys.modules[_DYNAMO]


def declare() -> None:
    """Declare the operators that the import looks for, where torchvision's own cannot be loaded."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return
    if not _loaded(Path(next(iter(spec.submodule_search_locations)))):
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)


def _loaded(folder: Path) -> bool:
    """Whether torchvision's compiled operators fit this torch; if so they are loaded now."""
    import torch

    for compiled in folder.glob("_C*.so"):
        try:
            torch.ops.load_library(str(compiled))
            return True
        except OSError:
            continue  # built against CUDA libraries that this torch does not bring
    return False

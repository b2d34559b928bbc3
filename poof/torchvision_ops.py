"""Make `import torchvision` work beside a CPU-only torch.

The registry's Linux wheels of torchvision are CUDA builds. Beside a CPU-only torch their compiled operators cannot be
loaded, and the import itself fails: `RuntimeError: operator torchvision::nms does not exist`. poof needs none of those
operators, only networks, weights and transforms, which are plain Python. Declaring the two operators that the import
looks for is enough. Where the pair matches, nothing is declared and everything works as usual.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

_libraries: list[Any] = []  # torch forgets the declarations when the Library object dies


@cache
def ensure() -> None:
    """Call right before `import torchvision`. Safe to call often."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return
    for compiled in Path(next(iter(spec.submodule_search_locations))).glob("_C*.so"):
        try:
            torch.ops.load_library(str(compiled))
            return
        except OSError:
            continue  # built against CUDA libraries that this torch does not bring
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)

"""torchvision imports beside a CPU-only torch, and nothing is declared where the pair matches."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
import torch

from poof import torchvision_ops


def test_torchvision_imports_quickly_and_the_declaration_outlives_garbage_collection() -> None:
    code = (
        "from poof.torchvision_ops import ensure; ensure(); ensure()\n"
        "import gc, sys, torch, torchvision; gc.collect()\n"
        "assert 'torch._dynamo' not in sys.modules and 'torch._dynamo.utils' not in sys.modules\n"
        "from torchvision.ops import roi_align\n"
        "assert sys.modules[roi_align.__module__].is_compile_supported('cpu') in (True, False)\n"
        "import torch._dynamo\n"
        "from torchvision.models.optical_flow import raft_small\n"
        "print(torch.ops.torchvision.nms.default, type(raft_small(weights=None)).__name__)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-800:]
    assert "torchvision.nms" in run.stdout and "RAFT" in run.stdout


def test_a_matching_pair_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    monkeypatch.setattr(torch.library, "Library", None)  # declaring anything would fail
    torchvision_ops.declare()
    assert len(loaded) == 1 and "torchvision" in loaded[0]


def test_without_torchvision_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.library, "Library", None)
    torchvision_ops.declare()

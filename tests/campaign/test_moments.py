"""Ctrl-C at many moments of every long command: it stops, says so, and the same command ends as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    "moments",
    [
        {"propagate": 1},
        pytest.param({"propagate": 2, "render": 2, "select": 2, "train": 2}, marks=pytest.mark.slow),
        pytest.param({"refine": 4, "recog": 4}, marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_ctrl_c_at_many_moments(moments: dict[str, int], tmp_path: Path) -> None:
    words = [word for name, count in moments.items() for word in (name, str(count))]
    done = subprocess.run(
        [sys.executable, str(HERE / "moments.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stdout, f"{done.stdout}{done.stderr[-1000:]}"

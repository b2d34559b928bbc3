"""The quick part of the campaign: a few trials of every target, none of which may find anything; many are slow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest
from harness import Target, report, run
from targets import TARGETS


@pytest.mark.parametrize("times", [1, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_is_found(target: Target, times: int, tmp_path: Path) -> None:
    # With this seed the one kill meets a labelling session; test_moments.py stops longer commands.
    result = run(target, seed=24, first=0, count=times * target.quick, keep=tmp_path)
    assert not result.findings, report([result])
    assert result.trials == times * target.quick


ATTACKS = """
import os, pathlib, time
from harness import Fault, Target
def trial(rng, folder):
    counter = pathlib.Path(__file__).with_name("count")
    number = int(counter.read_text())
    counter.write_text(str(number + 1))
    (folder / "input").write_text(str(rng.integers(100)))
    if number == 1:
        raise Fault("wrong", "two is three")
    if number == 2:
        1 / 0
    if number == 3:
        os.kill(os.getpid(), 11)
    if number == 4:
        time.sleep(60)
TARGETS = [Target("t", trial, 1)]
"""


def test_the_harness_finds_what_there_is(tmp_path: Path) -> None:
    """A fault, an exception, a crash and a hang are findings, and the trials behind them still run."""
    (tmp_path / "targets.py").write_text(ATTACKS)
    (tmp_path / "count").write_text("0")
    shutil.copy(Path(harness.__file__), tmp_path)
    (tmp_path / "go.py").write_text(
        "import pathlib, targets, harness\n"
        "target = harness.Target('t', targets.trial, 1, seconds=2)\n"
        "print(harness.as_json([harness.run(target, 0, 10, 7, pathlib.Path('kept'))]))"
    )
    done = subprocess.run([sys.executable, "go.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    (result,) = json.loads(done.stdout)
    kinds = [(f["trial"], f["kind"]) for f in result["findings"]]
    assert kinds == [(11, "wrong"), (12, "traceback"), (13, "crash"), (14, "hang")]
    assert result["trials"] == 7
    assert [len(list((tmp_path / "kept").rglob(f"t-{n}/**/input"))) for n in range(10, 17)] == [0, 1, 1, 1, 1, 0, 0]

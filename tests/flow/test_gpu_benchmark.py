"""benchmarks/gpu.py: its parts run on the CPU, and without a GPU it says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import gpu


@pytest.mark.slow  # the parts are tested where they live; a person runs the whole
def test_every_part_runs_on_the_cpu_and_agrees_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = gpu.main(["--device", "cpu", "--quick", "--json", str(tmp_path / "gpu.json")])
    told = capsys.readouterr().out
    assert code == 0 and told.endswith("all passed\n"), told
    rows = json.loads((tmp_path / "gpu.json").read_text())
    assert list(rows) == ["flow: agreement", "flow: speed", "propagate", "pose", "recog"]
    assert [row["mean px apart"] == 0 for row in rows["flow: agreement"]] == [True, False]  # fp32 and bf16
    assert rows["propagate"][0]["mean px apart"] == 0
    for part in ("pose", "recog"):
        exact, rounded = rows[part]
        assert exact["loss apart"] == 0 < rounded["loss apart"]
        assert exact["steps/s"] > 0


def test_what_lies_too_far_apart_fails(capsys: pytest.CaptureFixture[str]) -> None:
    bench = gpu.Bench.__new__(gpu.Bench)
    bench.rows = {}
    bench.add("flow: agreement", {"RAFT-small": "fp32", "mean px apart": 0.01}, True)
    bench.add("propagate", {"mean px apart": 3.0}, False)
    assert bench.failed == ["propagate"]
    assert capsys.readouterr().out.splitlines()[-1] == "| 3 | FAIL |"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "device 'cuda': torch" in told and "--device cpu --quick" in told

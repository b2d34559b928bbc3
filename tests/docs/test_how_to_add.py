"""The recipes of docs/architecture.md, followed word for word in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from poof.video import VideoWriter

pytestmark = pytest.mark.xdist_group("how to add")  # one copy of the package for all

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r'^```(python|diff) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)

TRIED = """
import cv2
import numpy as np
import torch

from poof.flow.registry import create_flow
from poof.labels import LabelSet, Points, Skeleton, load_labels, save_labels
from poof.recog.zoo.modules import MODULES
from poof.recog.core.module import Shape

picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (220, 220, 3), np.uint8), (0, 0), 2)
picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
first, second = picture[8:200, 8:200], picture[8:200, 5:197]
flow = create_flow("farneback").estimate(first[None], second[None])
from poof.propagation.trackers.registry import create_tracker

queries = np.array([[0, 90.0, 80.0], [1, 20, 30]])
tracked = create_tracker("lucas-kanade", "cpu").track(np.stack([first, second]), queries)
print("tracker", tracked.xy[1].round(1).tolist(), tracked.visible.tolist())

print("flow", flow.shape, *(f"{abs(np.median(f)):.1f}" for f in flow[0]))

labels = LabelSet(Skeleton(("nose", "tail")))
labels.add(3, 0, Points.human(3, np.array([[1.5, 2.0], [np.nan, np.nan]], np.float32)))
labels.add(7, 0, Points.human(7, np.array([[4.0, 5.0], [6.25, 7.0]], np.float32)))
save_labels(labels, "a.jsonl")
again = load_labels("a.jsonl", missing="unlabelled")
print("labels", again.frames, again.instances[7, 0].xy.tolist(), again.instances[3, 0].labelled.tolist())

module = MODULES["delta"](Shape(3, 2, 4, 4))
x = torch.arange(3.0)[None, :, None, None, None].expand(1, 3, 2, 4, 4) ** 2
print("module", module(x)[0, :, 0, 0, 0].tolist(), end=" ")
torch.nn.init.ones_(module.share)
print(module(x)[0, :, 0, 0, 0].tolist())
"""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with everything that the page adds."""
    folder = tmp_path_factory.mktemp("grown")
    shutil.copytree(ROOT / "poof", folder / "poof")
    for kind, name, text in BLOCK.findall(PAGE.read_text()):
        file = folder / name
        if kind == "python":
            assert not file.exists(), f"{name} is there already: the page needs another example"
            file.write_text(text)
            continue
        lines = text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        there = file.read_text()
        assert there.count(old) == 1, f"{name} has not exactly one place that looks like\n{old}"
        file.write_text(there.replace(old, new))
    return folder


def _run(folder: Path, *words: str) -> str:
    env = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    result = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_page_adds_an_estimator_a_tracker_a_format_a_module_and_a_command(grown: Path) -> None:
    names = [name for kind, name, _ in BLOCK.findall(PAGE.read_text()) if kind == "python"]
    assert [name.split("/")[1] for name in names] == ["flow", "propagation", "labels", "recog", "cli"]
    for name in names:
        subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", grown / name], check=True, cwd=ROOT)
        subprocess.run([sys.executable, "-m", "ruff", "format", "--check", grown / name], check=True, cwd=ROOT)


def test_what_was_added_works(grown: Path) -> None:
    """Known shifts, coordinates and differences come out."""
    said = _run(grown, "-c", TRIED).splitlines()
    assert said == [
        "tracker [[93.0, 80.0], [20.0, 30.0]] [[1.0, 0.0], [1.0, 1.0]]",
        "flow (1, 2, 192, 192) 3.0 0.0",
        "labels [3, 7] [[4.0, 5.0], [6.25, 7.0]] [True, False]",
        "module [0.0, 1.0, 4.0] [0.0, 2.0, 7.0]",  # x, then x + (x - x of the frame before, where there is one)
    ]


def test_the_command_is_in_the_help_and_counts(grown: Path) -> None:
    assert "Count the frames of a video by decoding it." in _run(grown, "-m", "poof", "--help")
    with VideoWriter(grown / "seven.mp4", 25, (64, 48)) as writer:
        for _ in range(7):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    assert _run(grown, "-m", "poof", "count", "seven.mp4") == "seven.mp4: 7 frames\n"

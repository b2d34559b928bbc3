"""First kernels before and after a training: kept, compared, drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from poof import recog
from poof.cli.recog import recog as commands
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.checkpoint import load_model, save_model
from poof.recog.core.input_kernels import input_kernels
from poof.recog.data import ClipList, read_list
from poof.recog.data.motion_task import render_task
from poof.recog.explain.kernels import BUILT, FOUND, draw_kernels, kernel_changes, tiles
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.modules.mbpm import log_kernel
from poof.recog.zoo.recipes import Recipe

FAST = Recipe(epochs=1, batch=4, lr=0.05, warmup=0, flip="none")
CONV = "backbone.conv1.weight"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipList:
    torch.set_num_threads(1)
    return read_list(render_task(tmp_path_factory.mktemp("task"), train=8, test=8, frames=6, size=32)[0])


@pytest.fixture(scope="module")
def run(clips: ClipList, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(3)
    train(recog.build_model("resnet18_quarter", ["mbpm"], 2, 8, size=32), clips, folder, FAST)
    return folder


def test_which_kernels_meet_the_input() -> None:
    with on_meta():
        names = {
            name: {path: tuple(k.shape) for path, k in input_kernels(recog.build_model(name, (), 4, 8)).items()}
            for name in ("bqn-resnet50", "r2plus1d_18", "mobilenet_v2", "tesnet2-resnet50")
        }
    assert names["bqn-resnet50"] == {
        "mbpm.filter.space": (3, 1, 9, 9),
        "mbpm.filter.time": (3, 1, 3, 1),
        f"busy.{CONV}": (64, 3, 7, 7),
        f"quiet.{CONV}": (64, 3, 7, 7),
    }
    assert names["r2plus1d_18"] == {"backbone.stem.0.weight": (45, 3, 1, 7, 7)}
    assert names["mobilenet_v2"] == {"backbone.features.0.0.weight": (32, 3, 3, 3)}
    assert len(names["tesnet2-resnet50"]) == 2


def test_a_training_keeps_what_it_began_with(run: Path, clips: ClipList, tmp_path: Path) -> None:
    torch.manual_seed(3)
    start = input_kernels(recog.build_model("resnet18_quarter", ["mbpm"], 2, 8, size=32))
    model = load_model(run)
    assert model.start_kernels is not None
    assert all(torch.equal(model.start_kernels[path], kernel) for path, kernel in start.items())
    changes = {one.path: one for one in kernel_changes(model)}
    assert list(changes) == list(start)
    trained = model.state_dict()[CONV]
    assert changes[CONV].source == FOUND
    assert changes[CONV].change == pytest.approx(float((trained - start[CONV]).norm() / start[CONV].norm()))
    assert all(one.change and one.change > 0.001 for one in changes.values())
    # A training that goes on does not take its middle for its start.
    (tmp_path / "last.pt").write_bytes((run / "last.pt").read_bytes())
    longer = recog.build_model("resnet18_quarter", ["mbpm"], 2, 8, size=32)
    train(longer, clips, tmp_path, replace(FAST, epochs=2), Settings(resume=True))
    assert longer.start_kernels is not None and torch.equal(longer.start_kernels[CONV], start[CONV])


def test_runs_of_before_know_their_laplacians_alone(run: Path, tmp_path: Path) -> None:
    model = load_model(run)
    model.start_kernels = None
    changes = {one.path: one for one in kernel_changes(model)}
    space = next(one for path, one in changes.items() if path.endswith(".space"))
    assert space.source == BUILT and space.before is not None
    assert np.allclose(space.before[1, 0].numpy(), log_kernel(9, 1.1), atol=1e-7)
    assert changes[CONV].before is None and changes[CONV].change is None
    draw_kernels(list(changes.values()), tmp_path / "k.png", "old")
    assert cv2.imread(str(tmp_path / "k.png")) is not None


def test_tiles_by_hand() -> None:
    kernels = np.zeros((3, 3, 1, 2))
    kernels[0, 0] = [[2.0, -1.0]]  # red, its own extreme 2
    kernels[2, :, 0, 0] = -4.0
    sheet = tiles(kernels)
    assert sheet.shape == (2 + 1, 2 * 2 + 1, 3)
    assert sheet[0, :2, 0].tolist() == [1.0, 0.25] and sheet[0, 0, 1:].tolist() == [0.5, 0.5]
    assert (sheet[0, 3:5] == 0.5).all()  # a kernel of zeros is grey
    assert sheet[2, 0].tolist() == [0.0, 0.0, 0.0] and (sheet[1] == 1).all() and (sheet[2, 3:] == 1).all()
    assert tiles(np.ones((1, 2, 1, 1))).ravel().tolist() == [1.0] * 3  # other planes: their mean


def test_damage_is_told(run: Path, tmp_path: Path) -> None:
    model = load_model(run)
    assert model.start_kernels is not None
    model.start_kernels = {CONV: torch.zeros(1, 3, 7, 7)}
    with pytest.raises(PoofError, match="another shape when its training began"):
        kernel_changes(model)
    model.start_kernels = {CONV: torch.full((1,), torch.nan)}
    save_model(tmp_path / "nan.pt", model)
    with pytest.raises(PoofError, match="at the start of its training: the weights"):
        load_model(tmp_path / "nan.pt")


def test_the_command_needs_no_video(run: Path, tmp_path: Path) -> None:
    application = typer.Typer()
    application.add_typer(commands, name="recog")
    result = CliRunner().invoke(application, ["recog", "explain", str(run), "-o", str(tmp_path / "k"), "--kernels"])
    assert result.exit_code == 0, result.output
    assert "backbone.conv1" in result.output and "16x3x7x7" in result.output
    picture = cv2.imread(str(tmp_path / "k" / "kernels.png"))
    assert picture is not None and picture.shape[1] > 1000
    refused = CliRunner().invoke(application, ["recog", "explain", str(run), "-o", str(tmp_path / "none")])
    assert isinstance(refused.exception, PoofError) and "--kernels" in str(refused.exception)

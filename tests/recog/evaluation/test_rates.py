"""The grid of sub-sampling rates, training the last stage alone, and starting from a run of other classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from poof import recog
from poof.cli.recog import recog as commands
from poof.errors import PoofError, PoofWarning
from poof.recog.checkpoint import load_model, save_model
from poof.recog.data import read_list
from poof.recog.data.dataset import View
from poof.recog.data.motion_task import render_task
from poof.recog.data.sampling import fixed_frames
from poof.recog.evaluation.evaluate import Evaluation
from poof.recog.evaluation.rates import at_rate, judge_rates, mean_change, parse_rates, row_of_grid, training_rate
from poof.recog.training.freeze import only, training_mode
from poof.recog.training.state import State
from poof.recog.training.train import train
from poof.recog.training.transfer import start_from
from poof.recog.zoo.recipes import RECIPES

# Tables 4.1 (videos) and 4.2 (clips), top-1 in percent: (train, test) -> without DEM, with DEM.
VIDEO = {
    (1, 1): (52.52, 53.53), (1, 2): (51.63, 53.13), (1, 4): (47.27, 49.36),
    (2, 1): (50.50, 54.30), (2, 2): (52.24, 55.85), (2, 4): (50.66, 54.75),
    (4, 1): (48.22, 49.00), (4, 2): (53.67, 54.26), (4, 4): (55.26, 56.27),
}  # fmt: skip
CLIP = {
    (1, 1): (40.45, 42.30), (1, 2): (40.25, 42.45), (1, 4): (38.04, 40.61),
    (2, 1): (38.69, 41.90), (2, 2): (41.42, 44.69), (2, 4): (41.77, 45.19),
    (4, 1): (36.35, 36.81), (4, 2): (41.63, 42.56), (4, 4): (45.44, 46.10),
}  # fmt: skip
CHANGES = {
    (1, 2): (-0.89, -0.40, -0.20, 0.15), (1, 4): (-5.25, -4.17, -2.41, -1.69),
    (2, 1): (-1.74, -1.55, -2.73, -2.79), (2, 4): (-1.58, -1.10, 0.35, 0.50),
    (4, 1): (-7.04, -7.27, -9.09, -9.29), (4, 2): (-1.59, -2.01, -3.81, -3.54),
}  # fmt: skip


@pytest.mark.parametrize(("column", "video", "clip"), [(0, 3.015, 3.098), (1, 2.750, 2.993)])
def test_changes_of_the_documents_tables(column: int, video: float, clip: float) -> None:
    cells = []
    for rate in (1, 2, 4):
        figures = {
            test: {"video_top1": VIDEO[rate, test][column], "clip_top1": CLIP[rate, test][column]} for test in (1, 2, 4)
        }
        cells += row_of_grid(f"sr{rate}", rate, figures)
    for cell in cells:
        if cell.train == cell.test:
            assert cell.video_change == cell.clip_change == 0
            continue
        expected = CHANGES[cell.train, cell.test]  # type: ignore[index]
        assert cell.video_change == pytest.approx(expected[column], abs=1e-9)
        assert cell.clip_change == pytest.approx(expected[2 + column], abs=1e-9)
    assert mean_change(cells) == pytest.approx({"video": video, "clip": clip}, abs=6e-4)


def test_changes_need_the_rate_of_training() -> None:
    figures = {1: {"video_top1": 0.5, "clip_top1": 0.4}, 2: {"video_top1": 0.3, "clip_top1": 0.2}}
    for rate in (None, 4):
        cells = row_of_grid("run", rate, figures)
        assert [cell.video_change for cell in cells] == [None, None]
        assert mean_change(cells) == {}


def test_clips_at_a_rate_are_every_nth_frame() -> None:
    view = at_rate(View(segments=4, clips=3), 2)
    frames = fixed_frames(view.rule, 20, view.segments, view.clips, 1, view.window)
    assert frames.tolist() == [[0, 2, 4, 6], [6, 8, 10, 12], [12, 14, 16, 18]]


@pytest.mark.parametrize("text", ["1,x", "", "0,1", "1,1", "2,-1"])
def test_rates_are_read(text: str) -> None:
    assert parse_rates("1,2,4") == (1, 2, 4)
    with pytest.raises(PoofError, match=r"give different whole numbers from 1"):
        parse_rates(text)


def test_videos_shorter_than_a_clip_are_told(tmp_path: Path) -> None:
    _, test = render_task(tmp_path, 8, 8, 6, 32)
    model = recog.build_model("resnet18_quarter", (), 2, 8, size=32)
    with pytest.warns(PoofWarning, match="8 of 8 videos have fewer than the 8 frames that a clip spans at rate 4"):
        judged = judge_rates(model, read_list(test), View(2, 1, 32, flip="none"), (1, 4))
    assert list(judged) == [1, 4]


# --------------------------------------------------------------------------------------------------- the last stage


def trainable(name: str, modules: list[str]) -> tuple[recog.Recognizer, set[str]]:
    model = recog.build_model(name, modules, 4, 3, size=32)
    with only(model, "last"):
        return model, {key for key, p in model.named_parameters() if p.requires_grad}


def test_the_last_stage_is_conv5_with_its_modules_and_the_classifier() -> None:
    model, learns = trainable("r2plus1d_18_quarter", ["dem"])
    for key, _ in model.named_parameters():
        wanted = key.startswith(("backbone.layer4.", "backbone.fc.", "inserted.layer4_"))
        assert (key in learns) == wanted, key


def test_a_side_branch_learns_with_the_classifier() -> None:
    model, learns = trainable("mfnet", ["kpsem", "tsm"])
    for key, _ in model.named_parameters():
        wanted = key.startswith(("backbone.conv5.", "backbone.tail.", "backbone.classifier.", "inserted.conv4_after"))
        assert (key in learns) == wanted, key


def test_frozen_layers_keep_their_statistics() -> None:
    torch.manual_seed(0)
    model = recog.build_model("r2plus1d_18_quarter", ["dem:stages=conv2"], 4, 3, size=32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with only(model, "last"):
        training_mode(model, "last")
        model(torch.randn(2, 4, 3, 32, 32)).sum().backward()
        torch.optim.SGD(model.parameters(), 0.1).step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith(("backbone.layer4.", "backbone.fc.")) for key in changed)
    assert any("running_mean" in key for key in changed)


# --------------------------------------------------------------------------------------------------- other classes


def test_a_run_of_other_classes_gives_all_but_its_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old = recog.build_model("r2plus1d_18_quarter", ["dem:match=true,stages=conv2"], 4, 7, size=32)
    save_model(tmp_path / "best.pt", old)
    new = recog.build_model("r2plus1d_18_quarter", ["dem:match=true,stages=conv2"], 4, 3, size=32)
    assert start_from(new, tmp_path) == ["backbone.fc.weight", "backbone.fc.bias"]
    for key, value in new.state_dict().items():
        assert key.startswith("backbone.fc.") or torch.equal(value, old.state_dict()[key]), key
    same = recog.build_model("r2plus1d_18_quarter", ["dem:match=true,stages=conv2"], 4, 7, size=32)
    assert start_from(same, tmp_path) == []
    for modules, message in (
        ([], r"this one has no 'inserted\.layer1"),
        (["dem:stages=conv2"], r"is \(\d+, .* there and .* here"),
    ):
        other = recog.build_model("r2plus1d_18_quarter", modules, 4, 3, size=32)
        with pytest.raises(PoofError, match=message):
            start_from(other, tmp_path)


# ------------------------------------------------------------------------------------------------------ the commands


def run(*arguments: object) -> str:
    app = typer.Typer()
    app.add_typer(commands, name="recog")
    result = CliRunner().invoke(app, ["recog", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_train_at_rates_transfer_and_judge_the_grid(tmp_path: Path) -> None:
    task = tmp_path / "task"
    run("motion-task", task, "--train", 8, "--test", 8, "--frames", 8, "--size", 32, "-q")
    common = ["--size", 32, "--frames", 4, "--workers", 0, "--epochs", 1]
    network = ["resnet18_quarter", "-m", "tsm", "-d", task / "train.txt"]
    for rate in (1, 2):
        run("train", *network, "-o", tmp_path / f"sr{rate}", "--rate", rate, *common, "-q")
        assert training_rate(load_model(tmp_path / f"sr{rate}")) == rate
        assert training_rate(load_model(tmp_path / f"sr{rate}" / "last.pt")) == rate
    moved = [*network, "-o", tmp_path / "moved", "--from", tmp_path / "sr1", "--only", "last"]
    run("train", *moved, *common, "-q")
    assert training_rate(load_model(tmp_path / "moved")) is None
    stem = [torch.load(tmp_path / name / "best.pt", weights_only=True)["state"] for name in ("sr1", "moved")]
    assert all(torch.equal(stem[0][key], stem[1][key]) for key in stem[0] if "layer4" not in key and "fc" not in key)
    assert not torch.equal(stem[0]["backbone.fc.weight"], stem[1]["backbone.fc.weight"])

    runs = [tmp_path / "sr1", tmp_path / "sr2", tmp_path / "moved"]
    judge = ["-d", task / "test.txt", "--workers", 0]
    text = run("eval", *runs, *judge, "--rates", "1,2", "--clips", 2, "--json", tmp_path / "grid.json")
    assert "off its own rate" in text
    assert "train with --rate" in text
    cells = json.loads((tmp_path / "grid.json").read_text())["cells"]
    assert [(cell["run"], cell["train"], cell["test"]) for cell in cells] == [
        ("sr1", 1, 1), ("sr1", 1, 2), ("sr2", 2, 1), ("sr2", 2, 2), ("moved", None, 1), ("moved", None, 2),
    ]  # fmt: skip
    assert cells[0]["video_change"] == 0
    with pytest.raises(PoofError, match="several runs make a grid with --rates, are judged together"):
        run("eval", *runs, *judge)
    text = run("eval", runs[1], *judge, "--rates", "1,2", "-o", tmp_path / "a.csv", "--per-class")
    assert "per class (sr2 at rate 1)" in text and "per class (sr2 at rate 2)" in text
    text = run("eval", runs[1], *judge, "--rates", "2,1", "--against", tmp_path / "a-r2.csv")
    assert text.count("McNemar (exact)") == 2 and "sr2 at rate 2 against a-r2" in text
    # Without a word, a run is judged as it was trained: in a row, every second frame.
    text = run("eval", runs[1], *judge, "-o", tmp_path / "own.csv")
    assert "clips of 4 frames 2 apart, 32 px, as trained" in text
    assert (tmp_path / "own.csv").read_text() == (tmp_path / "a-r2.csv").read_text()
    text = run("eval", runs[1], *judge, "--sampling", "uniform", "--frames", 3)
    assert "over the whole video" in text and "sampling uniform (trained with dense), frames 3 (trained with 4)" in text
    with pytest.raises(PoofError, match="leave out --sampling uniform"):
        run("train", *network, "-o", tmp_path / "x", "--rate", 2, "--sampling", "uniform", *common)


def test_the_view_of_a_rate_changes_nothing_else() -> None:
    view = View(8, 1, 112, flip="none", clips=10, crops="three", short=128)
    assert replace(at_rate(view, 4), rule=view.rule, window=view.window) == view


# ----------------------------------------------------------------------------------------------------------- recipes


def test_the_rate_falls_when_the_loss_does_not() -> None:
    state = State()
    drops = []
    for loss in (2.0, 1.5, 1.6, 1.5, 1.4, 1.4, 1.4, 1.4, 1.4):
        state.watch(loss, 2)
        drops.append(state.drops)
    assert drops == [0, 0, 0, 1, 1, 1, 2, 2, 3]
    dem = RECIPES["dem"]
    assert [dem.rate(50, n) for n in range(3)] == pytest.approx([4e-3, 4e-4, 4e-5])
    assert dem.batch * dem.accumulate == 192
    assert RECIPES["dem-transfer"].only == "last"
    assert RECIPES["kpsem"].rate(21) == pytest.approx(5e-4)


def test_a_plateau_ends_the_training(tmp_path: Path) -> None:
    train_list, test_list = render_task(tmp_path, 8, 8, 6, 32)
    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", (), 2, 8, size=32, dropout=0.9)
    options = replace(RECIPES["dem"], epochs=9, batch=8, accumulate=1, patience=1, lr=1e-9, floor=1e-11, rule="uniform")
    rows = train(model, read_list(train_list), tmp_path / "run", options, validation=read_list(test_list))
    assert len(rows) < 9
    assert rows[-1]["lr"] == pytest.approx(1e-9 * 0.1 ** (sum_of_drops(rows) - 1))
    assert 0.5 < rows[0]["val_loss"] < 5
    content = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["training"]
    assert content["state"]["drops"] == sum_of_drops(rows) == 3
    assert "exp_avg" in content["optimizer"]["state"][0]


def sum_of_drops(rows: list[dict]) -> int:
    """From the losses alone: each that is not below all before it costs a drop at a patience of 1."""
    losses = [row["val_loss"] for row in rows]
    return sum(loss >= min(losses[:number]) for number, loss in enumerate(losses) if number)


def test_loss_of_an_evaluation_by_hand() -> None:
    scores = np.array([[[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [0.125, 0.875]]])
    judged = Evaluation(scores, np.array([0, 1]), ["a", "b"], ["x", "y"], {})
    logs = [np.log(0.5), np.log(0.25), np.log(1e-12), np.log(0.875)]
    assert judged.loss == pytest.approx(-np.mean(logs))

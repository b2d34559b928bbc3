"""Training, evaluation, comparison, prediction, explanation: on tiny clips, with values that are known."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from poof import recog
from poof.errors import PoofError, PoofWarning
from poof.recog.checkpoint import load_model, read_checkpoint
from poof.recog.data import ClipList, Record, read_list
from poof.recog.data.dataset import View
from poof.recog.data.motion_task import render_task
from poof.recog.evaluation import compare as comparing
from poof.recog.evaluation.evaluate import Evaluation, evaluate, top
from poof.recog.evaluation.predict import predict
from poof.recog.explain import explain, grad_cam
from poof.recog.explain.gradcam import Heat
from poof.recog.explain.pictures import LABELS, LINE, MARGIN, overlay, sheet
from poof.recog.training.curves import draw_curves
from poof.recog.training.parameter_groups import parameter_groups
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.recipes import RECIPES, Recipe, recipe
from poof.video import VideoWriter, open_video

FAST = Recipe(epochs=2, batch=4, lr=0.01, warmup=0, flip="none")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipList, ClipList]:
    torch.set_num_threads(1)
    lists = render_task(tmp_path_factory.mktemp("task"), train=16, test=8, frames=6, size=32)
    return read_list(lists[0]), read_list(lists[1])


def network(modules: tuple[str, ...] = ("tsm",), dropout: float = 0.3) -> recog.Recognizer:
    torch.manual_seed(1)
    return recog.build_model("resnet18_quarter", modules, 4, 8, size=32, dropout=dropout)


def weights(model: recog.Recognizer) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


# ------------------------------------------------------------------------------------------------------ recipes


def test_rates_of_the_presets() -> None:
    m2a = RECIPES["m2a"]
    assert [m2a.rate(e) for e in (0, 19.9, 20, 29)] == pytest.approx([0.02, 0.02, 0.002, 0.002])
    assert m2a.batch * m2a.accumulate == 128
    cosine = Recipe(epochs=11, lr=1.0, warmup=1)
    assert [cosine.rate(e) for e in (0.5, 1, 6, 11)] == pytest.approx([0.5, 1.0, 0.5, 0.0], abs=1e-9)
    assert recipe("tsm", epochs=3, lr=None).lr == RECIPES["tsm"].lr
    with pytest.raises(PoofError, match="unknown recipe 'x'; there are "):
        recipe("x")
    with pytest.raises(PoofError, match="lr=0"):
        recipe("small", lr=0)


def test_groups_of_the_recipe_of_tsm() -> None:
    # ResNet-18 with M2A: 20 norms, convolutions without bias in the host and with bias in the module.
    model = recog.build_model("resnet18_quarter", ["m2a"], 4, 8, size=32)
    groups = parameter_groups(model, "tsm", 0.01, 5e-4)
    found = {(group["scale"], group["weight_decay"]): len(group["params"]) for group in groups}
    assert found == {(1.0, 5e-4): 20 + 2 * 8, (1.0, 0.0): 2 * 20, (2.0, 0.0): 2 * 8, (5.0, 5e-4): 1, (10.0, 0.0): 1}
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in model.parameters()}
    assert sum(found.values()) == len(list(model.parameters()))
    assert [len(group["params"]) for group in parameter_groups(model, "one", 0.01, 5e-4)] == [sum(found.values())]
    with pytest.raises(PoofError, match="groups=two: choose one of one, tsm"):
        parameter_groups(model, "two", 0.01, 5e-4)


def test_the_classifier_learns_five_times_as_fast_with_tsms_groups(
    task: tuple[ClipList, ClipList], tmp_path: Path
) -> None:
    # One step from the same weights on the same batch, without decay: the classifier's change is five times as large.
    def step(groups: str) -> tuple[Tensor, Tensor]:
        model = network(dropout=0)
        before = [v.clone() for v in (model.backbone.fc.weight, model.backbone.conv1.weight)]
        options = replace(FAST, epochs=1, batch=16, schedule="steps", weight_decay=0, clip_norm=0, groups=groups)
        train(model, task[0], tmp_path / groups, options)
        after = (model.backbone.fc.weight, model.backbone.conv1.weight)
        return tuple((a - b).detach() for a, b in zip(after, before))  # type: ignore[return-value]

    (classifier, stem), (faster, same) = step("one"), step("tsm")
    assert classifier.abs().max() > 1e-5
    assert torch.allclose(faster, 5 * classifier, rtol=1e-3, atol=1e-7)
    assert torch.allclose(same, stem, rtol=1e-3, atol=1e-7)


# ----------------------------------------------------------------------------------------------------- training


def test_a_run_that_was_stopped_ends_like_one_that_was_not(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    whole = network()
    history = train(whole, task[0], tmp_path / "whole", FAST, validation=task[1])
    assert [row["epoch"] for row in history] == [1, 2]
    assert {"loss", "accuracy", "val_top1", "read_ms", "forward_ms", "backward_ms"} <= set(history[0])

    # Ctrl-C in the middle of the second epoch: the step is ended and saved.
    stopped, seen = network(), []

    def press(module: torch.nn.Module, inputs: object) -> None:
        if module.training:
            seen.append(1)
            if len(seen) == 4 + 2:
                os.kill(os.getpid(), signal.SIGINT)

    stopped.register_forward_pre_hook(press)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, task[0], tmp_path / "parts", FAST, validation=task[1])
    assert read_checkpoint(tmp_path / "parts" / "last.pt")["training"]["state"]["batches"] == 2
    torch.manual_seed(99)
    resumed = recog.build_model("resnet18_quarter", ["tsm"], 4, 8, size=32, dropout=0.3)
    rows = train(resumed, task[0], tmp_path / "parts", FAST, Settings(resume=True), validation=task[1])
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed)))
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in history])
    assert pd.read_csv(tmp_path / "parts" / "curves.csv")["epoch"].tolist() == [1, 2]


def test_curves_draw_both_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    rows = [{"epoch": 1, "loss": 2.0, "accuracy": 0.5}, {"epoch": 2, "loss": 1.0, "accuracy": 0.75}]
    rows = [row | {"val_loss": 3 * row["loss"], "val_top1": 0.25} for row in rows]
    draw_curves(pd.DataFrame(rows), tmp_path / "curves.png")
    losses, accuracies = ([list(line.get_ydata()) for line in axes.lines] for axes in drawn[0].axes)
    assert losses == [[2.0, 1.0], [6.0, 3.0]]
    assert accuracies == [[50.0, 75.0], [25.0, 25.0]]


def test_curves_draw_the_loss_over_that_of_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
    losses, energies = [2.0, 1.0, 0.5], [0.1, 0.2, 0.3]
    rows = [
        {"epoch": n + 1, "loss": a, "accuracy": 0.5, "pwtp.enopr": b} for n, (a, b) in enumerate(zip(losses, energies))
    ]
    draw_curves(pd.DataFrame(rows), tmp_path / "curves.png")
    own, both = drawn[0].axes[2:4]
    assert list(own.lines[0].get_ydata()) == energies
    assert both.collections[0].get_offsets().tolist() == [list(pair) for pair in zip(energies, losses)]
    assert both.get_legend().get_texts()[0].get_text() == "pwtp.enopr, rank correlation -1.00"


def test_accumulation_equals_one_large_batch(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    # Without batch norm's batch statistics the gradient of the mean is the mean of the gradients.
    def run(name: str, batch: int, accumulate: int) -> list[Tensor]:
        model = network((), dropout=0)
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.train = lambda mode=True, layer=layer: layer  # type: ignore[method-assign]
                layer.training = False
        options = replace(FAST, epochs=1, batch=batch, accumulate=accumulate, clip_norm=0)
        train(model, task[0], tmp_path / name, options)
        return list(model.parameters())

    for a, b in zip(run("large", 16, 1), run("small", 4, 4)):
        assert torch.allclose(a, b, atol=1e-5)


def test_workers_change_nothing(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    one, two = network(), network()
    options = replace(FAST, epochs=1)
    train(one, task[0], tmp_path / "a", options)
    train(two, task[0], tmp_path / "b", options, Settings(workers=1))
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(two)))


def test_losses_of_modules_and_own_ways_back(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    model = network()
    first = next(module for _, module in model.temporal_modules())
    first.losses = lambda: {"extra": model.backbone.fc.bias.square().sum()}  # type: ignore[method-assign]
    names: set[str] = set()

    def backward(model: recog.Recognizer, loss: Tensor, extra: dict[str, Tensor], differentiate: object) -> None:
        names.update(extra)
        differentiate(loss + 0.5 * sum(extra.values()))  # type: ignore[operator]

    train(model, task[0], tmp_path, replace(FAST, epochs=1), backward=backward)
    assert names == {"layer1_0_conv1_before_tsm.extra"}


def test_mixed_precision_trains(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    few = replace(task[0], records=task[0].records[:4])
    rows = train(network(("m2a",)), few, tmp_path, replace(FAST, epochs=1), Settings(amp=True))
    assert np.isfinite(rows[0]["loss"])


def test_broken_clips_are_left_out_until_they_are_too_many(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    clips = replace(task[0], records=(*task[0].records, Record(tmp_path / "bad.npy", 0, line="l.txt line 17")))
    with pytest.raises(PoofError, match=r"1 of 17 clips cannot be read, more than 2% .*bad\.npy"):
        train(network(), clips, tmp_path / "run", replace(FAST, epochs=1))
    with pytest.warns(PoofWarning, match=r"left out: .*bad\.npy"):
        train(network(), clips, tmp_path / "run", replace(FAST, epochs=1), Settings(max_broken=0.1))


def test_the_name_of_a_broken_clip_survives_long_folders(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    folder = tmp_path / ("far" * 60) / ("away" * 50)
    folder.mkdir(parents=True)
    (folder / "bad.npy").write_bytes(b"nothing")
    clips = replace(task[0], records=(*task[0].records, Record(folder / "bad.npy", 0)), name=str(folder / "train.txt"))
    with pytest.raises(PoofError, match=r"train\.txt: 1 of 17 clips .*; first: .*bad\.npy: cannot be .* extract it"):
        train(network(), clips, tmp_path / "run", replace(FAST, epochs=1))


def test_videos_shorter_than_the_clip_are_told(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    # By TSM's rule such a clip is one frame throughout: nothing moves in it.
    np.save(tmp_path / "short.npy", np.zeros((3, 32, 32, 3), np.uint8))
    clips = replace(task[0], records=(*task[0].records, Record(tmp_path / "short.npy", 0)))
    with pytest.warns(PoofWarning, match=r"1 of 17 videos with fewer frames than the 4 of a clip.*short\.npy has 3"):
        train(network(), clips, tmp_path / "run", replace(FAST, epochs=1))


def test_what_cannot_be_trained_is_said(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    other = recog.build_model("resnet18_quarter", [], 4, 3, size=32)
    with pytest.raises(PoofError, match="has 8 classes, the network was built for 3"):
        train(other, task[0], tmp_path, FAST)
    with pytest.raises(PoofError, match="the loss is nan; nothing was kept; begin anew with a lower --lr"):
        model = network()
        torch.nn.init.constant_(model.backbone.fc.weight, float("nan"))
        train(model, task[0], tmp_path, FAST)
    train(network(), task[0], tmp_path, replace(FAST, epochs=1))
    with pytest.raises(PoofError, match=r"trained with lr=0\.01, not 0\.5; resume with the same"):
        train(network(), task[0], tmp_path, replace(FAST, lr=0.5), Settings(resume=True))
    with pytest.raises(PoofError, match="of another network"):
        train(network(("m2a",)), task[0], tmp_path, FAST, Settings(resume=True))
    with pytest.raises(PoofError, match=r"no such checkpoint"):
        train(network(), task[0], tmp_path / "new", FAST, Settings(resume=True))


def test_checkpoints_come_back_with_modules_and_labels(task: tuple[ClipList, ClipList], tmp_path: Path) -> None:
    model = network(("m2a:shift=zero", "tsm"))
    train(model, task[0], tmp_path, replace(FAST, epochs=1))
    loaded = load_model(tmp_path)
    clips = torch.randn(2, 4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(clips), model.eval()(clips))
    assert loaded.labels == list(task[0].labels)
    assert [line.module for line in loaded.insertions] == ["m2a", "tsm"] * 8
    (tmp_path / "other.pt").write_bytes(b"x")
    with pytest.raises(PoofError, match=r"other\.pt: cannot be read as a checkpoint"):
        load_model(tmp_path / "other.pt")


# --------------------------------------------------------------------------------------------------- evaluation


SCORES = np.array(
    [[[0.6, 0.4, 0], [0.1, 0.5, 0.4]], [[0.2, 0.3, 0.5], [0.2, 0.7, 0.1]], [[0, 0.1, 0.9], [0, 0.1, 0.9]]]
)


def test_accuracies_by_hand() -> None:
    judged = Evaluation(SCORES, np.array([1, 1, 2]), ["a", "b", "c"], ["x", "y", "z"], {})
    assert judged.clip_top1 == pytest.approx(4 / 6)  # a: no, yes; b: no, yes; c: yes, yes
    assert judged.video_top1 == pytest.approx(1.0)  # means: .35 .45 .2 | .2 .5 .3 | 0 .1 .9
    assert judged.video_top5 == 1.0
    assert top(SCORES[:, 0], np.array([1, 1, 2]), 2) == 1.0
    assert judged.per_class().to_dict("records")[0] == {"class": "y", "videos": 2, "top1": 1.0, "mostly taken for": ""}
    assert judged.answers()["correct"].tolist() == [True, True, True]


def test_several_views_are_averaged(task: tuple[ClipList, ClipList]) -> None:
    model = network(()).eval()
    view = View(4, 1, 32, flip="none", short=36)
    many = evaluate(model, task[1], replace(view, clips=2, crops="ten"), batch=40)
    assert many.scores.shape == (8, 20, 8)
    single = evaluate(model, task[1], view)
    assert np.allclose(many.scores[:, 4], single.scores[:, 0], atol=1e-5)  # centre crop of the first clip
    assert not model.training
    assert np.allclose(many.video_scores.sum(1), 1, atol=1e-5)


def test_comparison_and_its_picture(tmp_path: Path) -> None:
    rows = [("a", "run", 1, 0), ("b", "run", 1, 0), ("c", "jump", 1, 1), ("d", "jump", 0, 1), ("e", "sit", 1, 0)]
    for name, column in (("one", 2), ("two", 3)):
        frame = pd.DataFrame({"path": [r[0] for r in rows], "label": [r[1] for r in rows]})
        frame.assign(correct=[bool(r[column]) for r in rows]).to_csv(tmp_path / f"{name}.csv", index=False)
    found = comparing.compare(tmp_path / "one.csv", tmp_path / "two.csv")
    assert (found.first, found.second, found.videos) == (0.8, 0.4, 5)
    assert (found.mcnemar.first_only, found.mcnemar.second_only) == (3, 1)
    assert found.mcnemar.p == pytest.approx(0.625)  # exact: 2 * (1 + 4) / 16
    assert found.per_class["class"].tolist() == ["run", "sit", "jump"]
    assert found.per_class["difference"].tolist() == [1.0, 1.0, -0.5]
    assert found.counts == (2, 0, 1)
    comparing.plot_difference(found, ("one", "two"), tmp_path / "d.png", classes=2)
    assert cv2.imread(str(tmp_path / "d.png")) is not None
    (tmp_path / "x.csv").write_text("path,label\na,run\n")
    with pytest.raises(PoofError, match="has no column 'correct'"):
        comparing.compare(tmp_path / "x.csv", tmp_path / "two.csv")


# ------------------------------------------------------------------------------------------- predict and explain


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "clip.mp4", 10, (48, 36)) as writer:
        for number in range(9):
            image = np.full((36, 48, 3), 60, np.uint8)
            image[10:20, 4 * number : 4 * number + 8] = 255
            writer.write(image)
    return tmp_path / "clip.mp4"


def test_predictions_are_ranked(video: Path) -> None:
    (video.parent / "bad.mp4").write_bytes(b"x")
    with pytest.warns(PoofWarning, match=r"bad\.mp4"):
        table, broken = predict(network().eval(), [video, video.parent / "bad.mp4"], View(4, 1, 32), best=3)
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["score"].is_monotonic_decreasing
    assert table["class"].str.fullmatch(r"class \d").all()
    assert [Path(name).name for name in broken] == ["bad.mp4"]


def test_grad_cam_by_hand() -> None:
    # Stage 4 of a frame-by-frame network: the logit is linear in its features, so the maps have a closed form.
    model = recog.build_model("resnet18_quarter", (), 4, 8, size=64).eval()
    clip = torch.randn(4, 3, 64, 64)
    kept: list[Tensor] = []
    handle = model.backbone.layer4.register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    heat = grad_cam(model, clip, label=3, stage=4)
    handle.remove()
    expected = (kept[0] * model.backbone.fc.weight[3][:, None, None]).sum(1).relu()
    assert np.allclose(heat.maps, (expected / expected.max()).detach().numpy(), atol=1e-4)
    assert heat.layer == "backbone.layer4"


@pytest.mark.parametrize("backbone", ["resnet18_quarter", "i3d_resnet18", "mobilenet_v2"])
def test_every_frame_has_a_map_of_its_own(backbone: str) -> None:
    torch.manual_seed(0)
    model = recog.build_model(backbone, ["m2a"], 4, 8, size=64)
    heat = grad_cam(model, torch.randn(4, 3, 64, 64), stage=2)
    assert heat.maps.shape[0] == 4
    assert heat.maps.min() >= 0
    assert heat.maps.max() == pytest.approx(1, abs=0.3)
    assert np.ptp(heat.maps, axis=0).max() > 0.01
    assert model.training
    with pytest.raises(PoofError, match="stages 1 to 4"):
        grad_cam(model, torch.randn(4, 3, 64, 64), stage=5)


def test_explanation_writes_a_sheet_a_video_and_the_entropy(video: Path, tmp_path: Path) -> None:
    model = network(("m2a",)).eval()
    model.labels = [f"kind {i}" for i in range(8)]
    done = explain(model, video, tmp_path / "out", classes=["kind 2", "kind 5"])
    assert [heat.label for heat in done.heats] == [2, 5]
    assert [path.name for path in done.files] == ["clip-heat.png", "clip-heat.mp4"]
    shown = open_video(done.files[1])
    assert (shown.count(), shown.size) == (9, (48, 36))
    assert len(done.diagnostics) == 8
    with pytest.raises(PoofError, match="unknown class 'kind 9'; the network knows kind 0"):
        explain(model, video, tmp_path / "out", classes=["kind 9"])


def test_the_sheet_has_the_videos_own_frames_in_their_size() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(8)]
    maps = np.zeros((8, 2, 2), np.float32)
    maps[5] = 1
    heat = Heat(maps, 0, 0.5, "backbone.layer2")
    picture = sheet(frames, range(8), [heat], ["run"], "a.mp4", (60, 20, 200, 200))
    band = 2 * (240 + MARGIN) + LINE  # two bands of four frames, each above its heat
    assert picture.shape == (LINE + 2 * band, LABELS + 4 * (320 + MARGIN), 3)
    left, top = LABELS + 320 + MARGIN, LINE + band  # frame 5
    shown = picture[top : top + 240, left : left + 320]
    box = np.zeros((240, 320), bool)
    box[20:220, 60:260] = True
    box[21:219, 61:259] = False
    assert (shown[~box] == frames[5][~box]).all() and (shown[box] == 255).all()
    hot = picture[top + 246 : top + 486, left : left + 320]
    assert (hot[:20] == frames[5][:20]).all() and (hot[:, 260:] == frames[5][:, 260:]).all()
    red = overlay(frames[5][20:220, 60:260], maps[5])
    assert (hot[21:219, 61:259] == red[1:-1, 1:-1]).all()
    small = sheet([cv2.resize(frames[0], (1920, 1080))] * 2, [0, 1], [heat], ["run"], "a.mp4", (420, 0, 1080, 1080))
    assert small.shape[:2] == (LINE + 2 * (360 + MARGIN) + LINE, LABELS + 2 * (640 + MARGIN))


def test_cold_places_stay_as_they_are() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    assert (overlay(image, np.zeros((4, 4))) == image).all()
    hot = overlay(image, np.ones((4, 4)))
    assert hot[..., 0].mean() > hot[..., 2].mean()

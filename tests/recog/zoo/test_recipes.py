"""Every published value of every recipe, what the groups and the schedule make of it, and the clips it feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from poof import recog
from poof.errors import PoofError, PoofWarning
from poof.meta_device import on_meta
from poof.recog.checkpoint import save_model
from poof.recog.data import read_list
from poof.recog.data.augment import PIPELINES
from poof.recog.training.freeze import only, training_mode
from poof.recog.training.parameter_groups import parameter_groups
from poof.recog.training.sheet import draw_clips
from poof.recog.training.train import WITHIN
from poof.recog.training.transfer import start_from
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.recipes import RECIPES, Recipe, recipe, recipe_for

# Epochs, clips an update, learning rate, schedule, milestones, warm-up epochs, decay, largest norm of the gradient, ...
DESCENT = """
m2a 30 128 0.02 steps 20 0 0.0005 20
tsm 50 64 0.01 steps 20/40 0 0.0005 20
tsm-kinetics 50 128 0.02 steps 20/40 0 0.0001 20
tsm-finetune 25 64 0.001 steps 10/20 0 0.0005 20
tdn 60 64 0.01 steps 30/45/55 0 0.0005 20
tdn-kinetics 100 128 0.02 steps 50/75/90 0 0.0001 20
tea 50 64 0.02 steps 30/40/45 0 0.0005 20
tea-finetune 25 64 0.001 steps 10/20 0 0.0005 20
tam 50 64 0.01 steps 30/40/45 0 0.001 20
tam-kinetics 100 64 0.01 steps 50/75/90 0 0.0001 20
srtg 150 32 0.1 steps 40/70/120 0 1e-05 0
transfer 80 32 0.01 steps 40/60 0 1e-05 0
mtnet 400 64 0.1 cosine - 1 5e-05 0
classreg 120 16 0.1 steps 50/100 0 1e-05 0
classreg-finetune 120 16 0.001 steps 70 0 1e-05 0
tesnet 30 32 0.001 plateau - 0 4e-05 0
tesnet-projection 30 32 0.001 steps - 0 4e-05 0
tesnet-flow 30 32 0.005 plateau - 0 4e-05 0
rnl 50 64 0.02 cosine - 1 0.0008 20
rnl-kinetics 50 64 0.01 cosine - 1 0.0001 20
dan 50 256 0.12 cosine - 7 0.0008 20
dan-kinetics 100 512 0.08 cosine - 7 0.0002 20
dan-finetune 10 64 0.001 cosine - 0 0.0001 20
dan-x3d 50 256 0.12 cosine - 7 0.0004 20
x3d-kinetics 256 256 0.4 cosine - 7 5e-05 20
bqn-x3d 60 256 0.12 cosine - 7 0.0004 20
bqn-x3d-scratch 100 256 0.2 cosine - 7 5e-05 20
mbpm 80 64 0.01 cosine - 0 0.0001 20
kpsem 50 64 0.005 steps 21/42 0 0.0001 0
dem 160 192 0.004 plateau - 0 0.0 0
dem-transfer 80 192 0.0004 plateau - 0 0.0 0
"""
# ... and frames, size, dropout, rule, window, mirror, augmentation, parameter groups, partial norm.
INPUT = """
m2a 8 224 0.5 uniform None none scales one False
tsm 8 224 0.5 uniform None none scales tsm False
tsm-kinetics 8 224 0.5 dense None swap scales tsm False
tsm-finetune 8 224 0.8 uniform None swap scales tsm True
tdn 8 224 0.5 uniform None swap scales tsm False
tdn-kinetics 8 224 0.5 uniform None swap scales tsm False
tea 8 224 0.5 uniform None none scales tsm False
tea-finetune 16 224 0.8 uniform None swap scales tsm True
tam 8 224 0.6 uniform None none scales tsm False
tam-kinetics 8 224 0.5 dense None swap scales tsm False
srtg 16 224 0.0 dense 32 swap stergiou-80 one False
transfer 16 224 0.0 dense 32 swap stergiou-80 one False
mtnet 16 256 0.5 normal 32 swap stergiou-70 one False
classreg 16 256 0.5 normal 32 swap stergiou-70 one False
classreg-finetune 16 256 0.5 normal 32 swap stergiou-70 one False
tesnet 1 299 0.5 uniform None swap scales one False
tesnet-projection 1 299 0.5 uniform None swap scales one False
tesnet-flow 1 299 0.5 uniform None swap scales one False
rnl 8 224 0.8 uniform None none scales rnl False
rnl-kinetics 8 224 0.5 dense None swap scales rnl False
dan 8 224 0.8 uniform None none jitter huang False
dan-kinetics 8 224 0.5 dense None swap jitter huang False
dan-finetune 8 224 0.8 uniform None swap jitter huang True
dan-x3d 16 224 0.8 uniform None none jitter huang False
x3d-kinetics 16 224 0.5 dense None swap jitter huang False
bqn-x3d 16 224 0.8 uniform None none jitter huang False
bqn-x3d-scratch 16 224 0.5 uniform None none jitter huang False
mbpm 8 224 0.5 uniform None swap jitter huang False
kpsem 16 224 0.5 dense 32 swap mfnet mfnet False
dem 16 112 0.0 dense 16 swap zeng one False
dem-transfer 16 112 0.0 dense 16 swap zeng one False
"""


def test_every_published_value_of_every_recipe() -> None:
    descent = {row.split()[0]: row.split()[1:] for row in DESCENT.strip().splitlines()}
    clips = {row.split()[0]: row.split()[1:] for row in INPUT.strip().splitlines()}
    assert set(descent) == set(clips) == set(RECIPES) - {"small"}
    for name in descent:
        r = RECIPES[name]
        epochs, batch, lr, schedule, milestones, warmup, decay, norm = descent[name]
        assert (r.epochs, r.batch * r.accumulate, r.schedule) == (int(epochs), int(batch), schedule), name
        assert (r.lr, r.warmup, r.weight_decay, r.clip_norm) == tuple(map(float, (lr, warmup, decay, norm))), name
        assert "/".join(map(str, r.milestones)) == milestones.strip("-"), name
        found = (r.frames, r.size, r.dropout, r.rule, r.window, r.flip, r.augment, r.groups, r.partial_norm)
        assert [str(value) for value in found] == clips[name], name
    assert [name for name, r in RECIPES.items() if r.multigrid] == ["srtg", "mtnet"]
    only_parts = {name: r.only for name, r in RECIPES.items() if r.only != "all"}
    assert only_parts == {
        "transfer": "classifier",
        "classreg": "modules",
        "classreg-finetune": "modules",
        "dem-transfer": "last",
        "tesnet-projection": "modules",
    }
    assert [name for name, r in RECIPES.items() if r.objective != "all"] == ["tesnet-projection"]
    kinds = {name: (r.optimizer, r.momentum, r.nesterov) for name, r in RECIPES.items()}
    assert [name for name, kind in kinds.items() if kind != ("sgd", 0.9, False)] == ["kpsem", "dem"]
    assert (kinds["kpsem"], kinds["dem"]) == (("sgd", 0.9, True), ("adam", 0.9, False))
    assert {r.watch for n, r in RECIPES.items() if n.startswith("tesnet")} == {"accuracy"}
    assert (RECIPES["dem"].watch, RECIPES["dem"].floor, RECIPES["dem"].short) == ("loss", 4e-7, 128)
    assert all(r.smoothing == 0 for r in RECIPES.values())


def test_warm_up_begins_at_a_tenth_and_milestones_end_their_epoch() -> None:
    dan = RECIPES["dan"]
    assert [dan.rate(e) for e in (0, 3.5, 7)] == pytest.approx([0.012, 0.066, 0.12])
    tsm = RECIPES["tsm"]
    # An epoch's last update is still in it: the 20 epochs before the milestone all have the first rate.
    assert [tsm.rate(19 + WITHIN), tsm.rate(20), tsm.rate(39 + WITHIN)] == pytest.approx([0.01, 0.001, 0.001])
    assert [RECIPES["classreg"].rate(e) for e in (49.9, 50, 101)] == pytest.approx([0.1, 0.01, 0.001])
    with pytest.raises(PoofError, match="optimizer=lion"):
        Recipe(optimizer="lion")  # type: ignore[arg-type]
    assert ("batch", "32") in dan.lines()


def test_the_classifier_is_known_by_its_place_not_by_its_width() -> None:
    # With 30 classes the second layer of TSP's network for the mixture is as wide as the classifier.
    model = recog.build_model("resnet18_quarter", ["tsp:k=10,d=3"], 1, 30, size=32)
    fast = [g for g in parameter_groups(model, "tsm", 0.01, 5e-4) if g["scale"] == 5.0]
    assert [id(p) for g in fast for p in g["params"]] == [id(model.backbone.fc.weight)]  # type: ignore[union-attr]
    with on_meta():
        both = recog.build_model("bqn-mobilenet_v2", (), 2, 3, size=32)
    assert [type(both.get_submodule(path)).__name__ for path in both.classifiers] == ["Linear"]
    two = recog.build_model("rgb+busy-resnet50:backbone=resnet18_quarter", (), 2, 3, size=32)
    assert two.classifiers == ("rgb.backbone.fc", "busy.backbone.fc")


def test_groups_of_rnl_and_of_mfnet() -> None:
    model = recog.build_model("resnet18_quarter", ["rnl"], 2, 4, size=32)
    kinds = {(g["scale"], g["weight_decay"]): len(g["params"]) for g in parameter_groups(model, "rnl", 0.1, 1.0)}
    norms = [m for _, t in model.temporal_modules() for m in t.modules() if isinstance(m, _BatchNorm)]
    tsm = {(g["scale"], g["weight_decay"]): len(g["params"]) for g in parameter_groups(model, "tsm", 0.1, 1.0)}
    assert len(norms) > 0
    assert kinds[1.0, 1.0] == tsm[1.0, 1.0] + len(norms)  # their weights decay
    assert kinds[1.0, 0.0] == tsm[1.0, 0.0] - 2 * len(norms)
    assert kinds[2.0, 0.0] == tsm.get((2.0, 0.0), 0) + len(norms)
    slow = {g["scale"]: len(g["params"]) for g in parameter_groups(model, "mfnet", 0.1, 1.0)}
    assert slow[1.0] == 2  # the classifier


def test_partial_norm_leaves_all_but_the_first() -> None:
    model = recog.build_model("resnet18_quarter", ["tsm"], 2, 4, size=32)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with only(model, "all", partial_norm=True):
        training_mode(model, "all", partial_norm=True)
        assert [m.training for m in norms] == [True] + [False] * (len(norms) - 1)
        assert [m.weight.requires_grad for m in norms] == [True] + [False] * (len(norms) - 1)
    assert all(m.weight.requires_grad for m in norms)


def test_networks_bring_frames_and_size() -> None:
    assert (NETWORKS["tesnet64-resnet50"].frames, NETWORKS["dem-r2plus1d_18"].size) == (1, 112)
    with on_meta():
        assert recog.build_model("tesnet64-resnet50").clip_shape == (1, 64, 3, 224, 224)
        assert recog.build_model("zeng-r2plus1d_18").clip_shape == (1, 16, 3, 112, 112)
        assert recog.build_model("resnet18").clip_shape == (1, 8, 3, 224, 224)
        cost = recog.profile(recog.build_model("mf-kpsem", num_classes=200))
        assert {row["data"] for row in cost.published if row["here"]} >= {"UCF101"}
        cost = recog.profile(recog.build_model("mf-kpsem", num_classes=174))
    assert not any(row["here"] for row in cost.published)
    assert cost.elsewhere == ("16 frames of 224 px, 200 classes",)


def test_a_recipe_fits_the_network_it_trains() -> None:
    def frames_and_size(name: str, network: str, **options: int) -> tuple[int, int]:
        found = recipe_for(name, NETWORKS.get(network), **options)  # type: ignore[arg-type]
        return found.frames, found.size

    assert frames_and_size("tea-finetune", "tea-res2net50") == (16, 224)  # the network brings nothing of its own
    assert frames_and_size("mtnet", "mtnet-m") == (16, 256)
    assert frames_and_size("tesnet", "tsn-inception_resnet_v2") == (3, 299)
    assert frames_and_size("dan-x3d", "dan-x3d_xs") == (4, 160)
    assert frames_and_size("small", "tesnet64-resnet50") == (1, 224)
    assert frames_and_size("dem", "no network of a document") == (16, 112)
    assert frames_and_size("dem", "mf-kpsem", frames=4, size=64) == (4, 64)


def test_a_rate_keeps_the_rule_of_a_recipe_that_takes_frames_in_a_row() -> None:
    def rule_and_window(name: str, **options: object) -> tuple[str, int | None]:
        found = recipe_for(name, None, **options)  # type: ignore[arg-type]
        return found.rule, found.window

    assert rule_and_window("mtnet") == ("normal", 32)
    assert rule_and_window("mtnet", rate=5) == ("normal", 80)  # Kinetics' frames lie 5 apart
    assert rule_and_window("srtg", rate=3, frames=8) == ("dense", 24)
    assert rule_and_window("tsm", rate=2) == ("dense", 16)
    assert rule_and_window("tsm", rate=2, rule="normal") == ("normal", 16)
    assert rule_and_window("srtg", frames=8) == ("dense", 16)
    with pytest.raises(PoofError, match="--rate 2 takes frames in a row: leave out --sampling uniform"):
        rule_and_window("tsm", rate=2, rule="uniform")


def test_milestones_and_schedule_may_be_others() -> None:
    short = recipe_for("tsm", None, epochs=10, milestones=(4, 8))
    assert [short.rate(epoch) for epoch in (3, 4, 8)] == pytest.approx([0.01, 0.001, 0.0001])
    assert recipe_for("tsm", None, schedule="cosine").milestones == ()
    assert recipe_for("dan", None, schedule="steps", milestones=(9,)).rate(9) == pytest.approx(0.012)
    with pytest.raises(PoofError, match="schedule=linear: choose one of steps, cosine, plateau"):
        recipe_for("tsm", None, schedule="linear")  # type: ignore[arg-type]
    with pytest.raises(PoofError, match="milestones 4 belong to schedule=steps"):
        recipe_for("dan", None, milestones=(4,))


def test_a_run_may_gain_modules(tmp_path: Path) -> None:
    bare = recog.build_model("resnet18_quarter", [], 2, 4, size=32)
    save_model(tmp_path / "last.pt", bare)
    model = recog.build_model("resnet18_quarter", ["m2a:reduction=2"], 2, 4, size=32)
    with pytest.warns(PoofWarning, match="has no weights for m2a; they start anew"):
        assert start_from(model, tmp_path / "last.pt") == []
    assert torch.equal(model.backbone.conv1.weight, bare.backbone.conv1.weight)  # type: ignore[union-attr]
    save_model(tmp_path / "best.pt", model)
    with pytest.raises(PoofError, match="this one has no"):
        start_from(bare, tmp_path / "best.pt")


# ---------------------------------------------------------------------------------------------------- augmentation


def still(height: int = 60, width: int = 80) -> np.ndarray:
    """Four times the same picture: smooth, with all colours."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 3, y * 4, (x + y) * 1.5], -1).clip(0, 255).astype(np.uint8)
    return np.repeat(image[None], 4, 0)


@pytest.mark.parametrize("name", PIPELINES)
def test_all_frames_of_a_clip_are_treated_alike(name: str) -> None:
    frames, seen = still(), set()
    for seed in range(12):
        cut = PIPELINES[name](frames, 48, np.random.default_rng(seed), (1.0, 0.875))
        assert cut.shape == (4, 48, 48, 3) and cut.dtype == np.uint8
        assert all((cut[0] == frame).all() for frame in cut)  # nothing moves or flickers
        assert (PIPELINES[name](frames, 48, np.random.default_rng(seed), (1.0, 0.875)) == cut).all()
        seen.add(cut.tobytes())
    assert len(seen) >= 8


def test_sizes_before_the_cut() -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, None, :, None], (1, 150, 200, 3))
    cuts = [PIPELINES["jitter"](ramp, 112, np.random.default_rng(seed), ()) for seed in range(40)]
    steps = np.array([np.diff(cut[0, 50, :, 0].astype(float)).mean() for cut in cuts])
    scale = 1 / steps  # pixels of the clip for one of the video
    assert 128 / 150 - 0.02 < scale.min() < scale.max() < 160 / 150 + 0.02


@pytest.mark.parametrize(
    ("name", "size", "shorts"),
    [
        ("jitter", 224, range(256, 321)),
        ("jitter", 160, range(182, 229)),  # X3D-XS (Huang 2022, Section 3.6.1)
        ("stergiou-80", 224, [320]),
        ("stergiou-70", 256, [320]),  # Chapter 5 cuts 256 from the same 320 pixels
    ],
)
def test_shorter_sides_before_the_cut(
    monkeypatch: pytest.MonkeyPatch, name: str, size: int, shorts: Sequence[int]
) -> None:
    seen: set[int] = set()

    def shorter(frames: np.ndarray, short: int) -> np.ndarray:
        seen.add(short)
        return frames[:, :size, :size]

    monkeypatch.setattr("poof.recog.data.augment._shorter", shorter)
    blank = np.zeros((1, size, size, 3), np.uint8)
    for seed in range(1500 if len(shorts) > 1 else 1):
        PIPELINES[name](blank, size, np.random.default_rng(seed), ())
    assert (min(seen), max(seen)) == (min(shorts), max(shorts))


def test_chances_of_stergious_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    blurred: list[int] = []
    plain = still(64, 64)

    def blur(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        blurred.append(1)
        return frames

    monkeypatch.setattr("poof.recog.data.augment._gaussian", blur)
    for step in ("_mean_blur", "_colours", "_geometry"):
        monkeypatch.setattr(f"poof.recog.data.augment.{step}", lambda f, rng: f)
    for seed in range(2000):
        PIPELINES["stergiou-80"](plain, 8, np.random.default_rng(seed), ())
    assert abs(len(blurred) / 2000 - 0.8 * 0.4) < 0.035


def test_a_sheet_of_what_a_network_sees(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", still())
    (tmp_path / "l.txt").write_text("a.npy 0\nb.npy 1\n")
    clips = read_list(tmp_path / "l.txt", labels=["x", "y"])
    options = replace(recipe("dem"), frames=4)
    assert draw_clips(clips, options, tmp_path / "sheet.png") == 2
    image = cv2.imread(str(tmp_path / "sheet.png"))
    assert image.shape == (4 + 2 * (112 + 4 + 14), 4 + 4 * 116, 3)

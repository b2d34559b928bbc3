"""Training end to end on small material: it learns, it resumes exactly, it stops with a reason."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from card import card_video

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, Source
from poof.pose import Pair, load_model, predict_pose, recipe_named, train_pose
from poof.pose import training as training_module
from poof.pose.data import examples_of
from poof.pose.instance_boxes import boxes_from_labels
from poof.pose.model import read_checkpoint
from poof.pose.recipes import RECIPES, Recipe
from poof.pose.validation import fit_confidence, judge
from poof.synthetic.clip import truth
from poof.synthetic.samples import sample
from poof.video import ArrayVideo

LOOP: dict[str, Any] = {"body": "unet", "input_size": (64, 64), "device": "cpu"}
"""The small network goes through the same loop, and its checkpoints are a fiftieth of MSPN's."""


def same(a: Any, b: Any) -> bool:
    """Whether two checkpoints hold the same numbers, bit by bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return bool(a == b)


def memorised(folder: Path, pair: Pair, size: tuple[int, int], recipe: Recipe) -> float:
    """Mean error in pixels of the network's input on the frames it was trained on."""
    run = train_pose([pair], folder, recipe=recipe, hold_out=False, stages=1, body="resnet18", input_size=size)
    predicted = predict_pose(pair.video, run.best, boxes_from_labels(pair.labels), flip=False)
    (examples,) = examples_of([pair], pair.labels.skeleton, size)
    errors = [np.hypot(*(predicted.instances[e.frame, e.instance].xy - e.xy).T) * e.crop.scale for e in examples]
    return float(np.nanmean(errors))


def test_memorises_four_frames_to_under_two_pixels(tmp_path: Path, quick: Recipe) -> None:
    pair = card_video(4)
    error = memorised(tmp_path, pair, (64, 64), replace(quick, batch=4, least_steps=16, average=0.7))
    assert error < 2


@pytest.mark.slow
def test_memorises_four_frames_of_a_player_at_full_size(tmp_path: Path, quick: Recipe) -> None:
    scene = sample("demo")
    frames = (0, 15, 30, 45)
    labels = truth(scene)
    labels = LabelSet(labels.skeleton)
    for number, frame in enumerate(frames):
        labels.add(number, 0, Points.human(number, scene.points(frame)[0].astype(np.float32)))
    video = ArrayVideo([scene.image(frame) for frame in frames], name="four frames")
    error = memorised(tmp_path, Pair(video, labels), (256, 192), replace(quick, batch=4, least_steps=60))
    assert error < 2


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, card: Pair, other_card: Pair, quick: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(quick, least_steps=7, augmentation=RECIPES["default"].augmentation, batch=3)
    settings = LOOP | {"recipe": recipe, "seed": 4}
    monkeypatch.setattr(training_module, "_ROUNDS", 2)  # a row of the history every four steps
    monkeypatch.setattr(training_module, "SAVE_SECONDS", 0.0)  # and a checkpoint after each
    whole = train_pose([card], tmp_path / "whole", [other_card], **settings)

    class Killed(Exception):
        pass

    def dying(items: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        for step, item in enumerate(items):
            if description == "training" and step == 2:
                raise Killed
            yield item

    folder = tmp_path / "parts"
    with pytest.raises(Killed):
        train_pose([card], folder, [other_card], **settings, track=dying)
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 2
    with pytest.raises(Killed):
        train_pose([card], folder, [other_card], **settings, track=dying, resume=True)
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 4
    parts = train_pose([card], folder, [other_card], **settings, resume=True)
    for name in ("last.pt", "best.pt"):
        assert same(read_checkpoint(tmp_path / "whole" / name), read_checkpoint(folder / name)), name
    pd.testing.assert_frame_equal(whole.history, parts.history, check_exact=True)
    assert (tmp_path / "whole/curves.csv").read_bytes() == (folder / "curves.csv").read_bytes()


def test_control_c_stops_between_steps_and_loses_nothing(tmp_path: Path, card: Pair, quick: Recipe) -> None:
    def interrupting(items: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        for step, item in enumerate(items):
            if description == "training" and step == 1:
                os.kill(os.getpid(), signal.SIGINT)
            yield item

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_pose([card], tmp_path, recipe=quick, **LOOP, track=interrupting)
    assert signal.getsignal(signal.SIGINT) is before
    assert read_checkpoint(tmp_path / "last.pt")["training"]["step"] == 2
    assert train_pose([card], tmp_path, recipe=quick, **LOOP, resume=True).steps == 6


def test_what_a_run_leaves(tmp_path: Path, card: Pair, quick: Recipe) -> None:
    run = train_pose([card], tmp_path / "deep/run", recipe=quick, **LOOP)
    assert run.split == "2 of 8 labelled frames held out (frames 6 to 7)"
    assert (run.train_examples, run.val_examples, run.batch) == (6, 2, 2)
    assert sorted(p.name for p in (tmp_path / "deep/run").iterdir()) == ["best.pt", "curves.csv", "last.pt"]
    assert run.fresh == list(card.labels.skeleton.keypoints)
    table = pd.read_csv(tmp_path / "deep/run/curves.csv")
    assert table["step"].tolist() == [3, 6]  # once an epoch
    assert set(table) == {
        "step",
        "epoch",
        "rate",
        "train_loss",
        "val_error",
        *(f"val_accuracy_{t}" for t in (5, 10, 20)),
    }
    assert table["epoch"].iloc[-1] == 2
    model = load_model(run.best)
    assert model.skeleton == card.labels.skeleton
    assert model.input_size == (64, 64)
    assert model.recipe["name"] == "quick"
    assert model.validation["points"] == 8
    assert "training" not in read_checkpoint(run.best)
    best = table.set_index("step").loc[run.best_step]
    assert best["val_error"] == pytest.approx(model.validation["error"])


def test_the_best_checkpoint_is_the_best_row(tmp_path: Path, card: Pair, other_card: Pair, quick: Recipe) -> None:
    run = train_pose([card], tmp_path, [other_card], recipe=replace(quick, least_steps=12, average=0), **LOOP)
    scores = run.history[[f"val_accuracy_{t}" for t in (5, 10, 20)]].mean(axis=1)
    assert load_model(run.best).validation["score"] == pytest.approx(scores.max())


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, card: Pair, quick: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, genuine = [], training_module.training_loss

    def breaking(*args: Any) -> torch.Tensor:
        calls.append(1)
        return genuine(*args) * (float("nan") if len(calls) == 5 else 1)

    monkeypatch.setattr(training_module, "training_loss", breaking)
    monkeypatch.setattr(training_module, "SAVE_SECONDS", 0.0)
    with pytest.raises(
        PoofError, match=r"step 5: the loss is nan, training stops; the last good checkpoint is .*last.pt"
    ):
        train_pose([card], tmp_path, recipe=quick, **LOOP)
    kept = read_checkpoint(tmp_path / "last.pt")
    assert kept["training"]["step"] == 4
    assert all(torch.isfinite(v).all() for v in kept["network"].values() if v.is_floating_point())
    calls[:] = [1] * 4
    with pytest.raises(PoofError, match="step 1: the loss is nan, training stops; no checkpoint was written yet"):
        train_pose([card], tmp_path / "new", recipe=quick, **LOOP)


def test_bad_input_is_one_line(tmp_path: Path, card: Pair, other_card: Pair, quick: Recipe) -> None:
    single = LabelSet(card.labels.skeleton, {(0, 0): card.labels.instances[0, 0]})
    nothing = LabelSet(card.labels.skeleton, {(0, 0): Points.empty(4)})
    other = LabelSet(Skeleton(("a", "b")), {(0, 0): Points.human(0, np.array([[1, 2], [30, 40]]))})
    zero = card_video()
    zero.labels.instances[3, 0].box = np.array([1, 2, 0, 7], np.float32)
    cases: list[tuple[str, list[Pair], dict[str, Any]]] = [
        ("no labels to train on", [], {}),
        ("no labelled frame is left to train on", [Pair(card.video, nothing)], {"hold_out": False}),
        ("no labelled frame to validate on", [card], {"validation": [Pair(other_card.video, nothing)]}),
        ("labels of other: is labelled with another skeleton", [card], {"validation": [Pair(other_card.video, other)]}),
        ("frame 3, instance 0: the box is 0x7 pixels", [zero], {"hold_out": False}),
        ("a batch of 9 is larger than the 6 training examples", [card], {"batch": 9}),
        ("a batch needs at least one example", [card], {"batch": 0}),
        ("card: is both trained on and judged by", [card], {"validation": [card]}),
        ("no recipe 'best'; there are thesis, default", [card], {"recipe": "best"}),
        ("an input of 60x64 does not fit a network", [card], {"input_size": (60, 64)}),
        ("--init coco: is neither a file nor one of random, imagenet, mspn50-coco", [card], {"init": "coco"}),
        ("holds no run|there is no such checkpoint", [card], {"resume": True}),
    ]  # fmt: skip
    if not torch.cuda.is_available():
        cases.append(("device 'cuda'", [card], {"device": "cuda"}))
    for message, pairs, options in cases:
        settings = LOOP | {"recipe": quick} | options
        with pytest.raises(PoofError, match=message) as caught:
            train_pose(pairs, tmp_path / "run", settings.pop("validation", None), **settings)
        assert "\n" not in str(caught.value)
    run = train_pose([Pair(card.video, single)], tmp_path / "one", recipe=replace(quick, least_steps=1), **LOOP)
    assert run.split == "nothing held out: a single labelled frame"
    assert load_model(run.best).validation == {}


def test_resuming_with_other_labels_or_settings_is_refused(tmp_path: Path, card: Pair, quick: Recipe) -> None:
    recipe = replace(quick, least_steps=1, batch=6)
    train_pose([card], tmp_path, recipe=recipe, **LOOP)
    with pytest.raises(PoofError, match=r"last.pt: was made with other labels or settings"):
        train_pose([card], tmp_path, recipe=recipe, **LOOP, seed=1, resume=True)
    card.labels.instances[1, 0].xy[0] += 1
    with pytest.raises(PoofError, match=r"last.pt: was made with other labels or settings"):
        train_pose([card], tmp_path, recipe=recipe, **LOOP, resume=True)
    (tmp_path / "last.pt").write_bytes((tmp_path / "best.pt").read_bytes())
    with pytest.raises(PoofError, match="has no training state"):
        train_pose([card], tmp_path, recipe=recipe, **LOOP, resume=True)


def test_a_model_goes_on_with_another_skeleton(tmp_path: Path, card: Pair, quick: Recipe) -> None:
    recipe = replace(quick, least_steps=1, batch=6, tuned=0.5)
    first = train_pose([card], tmp_path / "first", recipe=recipe, **LOOP)
    names = ("LHand", "nose", "ear")
    labels = LabelSet(Skeleton(names))
    for frame, instance, points in card.labels:
        labels.add(frame, instance, Points.human(frame, points.xy[[1, 0, 2]]))
    options = LOOP | {"body": None}
    second = train_pose([Pair(card.video, labels)], tmp_path / "second", init=str(first.best), recipe=recipe, **options)
    assert second.fresh == ["ear"]
    assert second.history["rate"].tolist() == (0.5 * first.history["rate"]).tolist()  # trained weights are tuned gently
    with pytest.raises(PoofError, match=r"best.pt: has body unet, not resnet50"):
        train_pose([card], tmp_path / "third", init=str(first.best), recipe=recipe, **(options | {"body": "resnet50"}))


def test_pseudo_labels_of_a_held_out_frame_are_not_among_the_examples(
    tmp_path: Path, card: Pair, quick: Recipe
) -> None:
    for frame in (1, 2, 4, 5, 7):
        points = card.labels.instances[frame, 0]
        points.source[:] = Source.PROPAGATED
        points.anchor[:] = {1: 0, 2: 3, 4: 3, 5: 6, 7: 6}[frame]
        points.confidence[:] = 0.5
    run = train_pose([card], tmp_path, recipe=replace(quick, least_steps=1), **LOOP)
    # Anchors 0, 3, 6; the last judges, and takes 4, 5 and 7 with it.
    assert run.split == "1 of 3 labelled frames held out (frame 6)"
    assert (run.train_examples, run.val_examples) == (4, 1)


# ------------------------------------------------------------------------------------------------ recipes, measures


def test_learning_rates_by_hand() -> None:
    recipe = Recipe("r", learning_rate=1.0, warmup=0.2, decay="cosine")
    rates = [recipe.rate(step, 10) for step in range(10)]
    assert rates[:2] == pytest.approx([1 / 3, 2 / 3])
    assert rates[2] == 1
    assert rates[6] == pytest.approx(0.5)
    assert rates[9] == pytest.approx(0.5 * (1 + math.cos(math.pi * 7 / 8)))
    assert RECIPES["thesis"].rate(0, 10) == RECIPES["thesis"].rate(9, 10) == 0.01


def test_the_thesis_recipe_is_the_printed_one() -> None:
    thesis = RECIPES["thesis"]
    assert (thesis.optimizer, thesis.learning_rate, thesis.batch, thesis.epochs) == ("adam", 0.01, 32, 10)
    assert thesis.steps(1383, 32) == math.ceil(13830 / 32)
    assert recipe_named("default", epochs=3).steps(10, 5) == 6
    assert recipe_named("thesis", rate=0.5).learning_rate == 0.5
    for wrong in ({"epochs": 0}, {"rate": 0.0}, {"rate": math.nan}):
        with pytest.raises(PoofError):
            recipe_named("default", **wrong)  # type: ignore[arg-type]


def test_validation_measures_by_hand() -> None:
    offsets = np.zeros((2, 3, 2))
    offsets[0, 0] = (3, 4)  # distance 5, mean absolute 3.5
    offsets[0, 1] = (10, 10)  # mean absolute exactly 10: not under 10
    offsets[1, 0] = (-30, 10)  # 20: not under 20
    known = np.array([[True, True, False], [True, False, False]])
    found = judge(offsets, np.ones((2, 3)), known)
    assert found["points"] == 3
    assert found["error"] == pytest.approx((5 + math.sqrt(200) + math.sqrt(1000)) / 3)
    assert found["accuracy"] == {5: pytest.approx(1 / 3), 10: pytest.approx(1 / 3), 20: pytest.approx(2 / 3)}
    assert found["joint_score"][:2] == pytest.approx([0.5, 1 / 3])
    assert math.isnan(found["joint_score"][2])
    assert found["confidence"] is None


def test_the_confidence_curve_recovers_the_one_behind_the_data() -> None:
    rng = np.random.default_rng(0)
    peaks = rng.uniform(0, 1, 20000)
    right = rng.uniform(0, 1, 20000) < 1 / (1 + np.exp(-(-2 + 6 * peaks)))
    a, b = fit_confidence(peaks, right) or (0, 0)
    assert a == pytest.approx(-2, abs=0.15)
    assert b == pytest.approx(6, abs=0.3)
    separated = fit_confidence(np.r_[np.zeros(30), np.ones(30)], np.r_[np.zeros(30), np.ones(30)] > 0)
    assert separated is not None
    assert np.isfinite(separated).all()
    assert fit_confidence(peaks[:10], right[:10]) is None
    assert fit_confidence(peaks, ~right) is None

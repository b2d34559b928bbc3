"""Our numbers against the benchmark's own scorer on real clips, and on hundreds of real skeletons in sports."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from poof.evaluation import evaluate
from poof.evaluation.calibration import auroc
from poof.labels.model import LabelSet, Points, Skeleton, Visible


@pytest.fixture(scope="module")
def scorer(shared: Path) -> ModuleType:
    """The neutral scorer of the propagation benchmark."""
    path = shared / "bench" / "score_propagation.py"
    if not path.is_file():
        pytest.skip(f"no {path}: the scorer is not part of the repository")
    spec = importlib.util.spec_from_file_location("score_propagation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def label_set(table: pd.DataFrame, names: list[str], size: tuple[int, int]) -> LabelSet:
    """One instance a frame from rows frame, keypoint, x, y[, visible, confidence]."""
    labels = LabelSet(Skeleton(tuple(names)), image_size=size)
    where = {name: i for i, name in enumerate(names)}
    for frame, rows in table.groupby("frame"):
        xy = np.full((len(names), 2), np.nan)
        index = rows.keypoint.map(where).to_numpy()
        xy[index] = rows[["x", "y"]].to_numpy()
        points = Points.human(int(frame), xy)
        if "confidence" in rows:
            points.confidence[index] = rows.confidence
        if "hidden" in rows:
            points.visible[index[rows.hidden.to_numpy()]] = Visible.UNLABELLED
        labels.add(int(frame), 0, points)
    return labels


@pytest.mark.parametrize("name", ["bear", "dog", "camel", "cam01", "reaching", "jhmdb"])
def test_the_same_numbers_as_the_benchmarks_scorer(scorer: ModuleType, name: str) -> None:
    clip = scorer.registered()[name]
    if not clip.labels.is_file():
        pytest.skip(f"no {clip.labels}")
    clip.masks = None  # a label file has no masks; both then take 0.2 of the box
    split = scorer.split(clip)
    hidden = split.hidden[split.hidden.visible == 1].reset_index(drop=True)
    generator = np.random.default_rng(0)
    # Halfway between the static copy and the truth, with noise that grows with the distance from the anchor.
    noise = generator.normal(0, 1, (len(hidden), 2)) * hidden.distance.to_numpy()[:, None]
    prediction = hidden[["frame", "keypoint"]].assign(
        x=(hidden.x + hidden.anchor_x) / 2 + noise[:, 0],
        y=(hidden.y + hidden.anchor_y) / 2 + noise[:, 1],
        confidence=generator.uniform(0, 1, len(hidden)).round(2),
    )
    # Only hidden labels are scored, but the boxes are those of all labels of a frame.
    labels = scorer.load_labels(clip)
    shown = labels[labels.visible == 1]
    scored = set(zip(hidden.frame, hidden.keypoint))
    names, size = scorer.keypoint_names(clip), (clip.width, clip.height)
    truth = label_set(
        shown[shown.frame.isin(hidden.frame)].assign(
            hidden=lambda t: [(f, k) not in scored for f, k in zip(t.frame, t.keypoint)]
        ),
        names,
        size,
    )
    for frame, _, points in truth:
        x0, y0, x1, y1 = split.boxes[frame]
        points.box = np.array([x0, y0, x1 - x0, y1 - y0], np.float32)
    report = evaluate(label_set(prediction, names, size), truth, [5, 20], "thesis", frame="crop")
    ours = report.table[report.table.group == "all"].iloc[0]
    theirs = scorer.summarise(scorer.points(split, prediction)[lambda t: t.visible == 1])
    assert ours.points == theirs["n"] == len(hidden)
    assert ours.coverage == theirs["coverage"] == 1.0
    pairs = {"mean": "mean", "p50": "median", "p95": "p95", "delta_avg": "delta_avg", "pck@0.2": "pck02"}
    for column, key in pairs.items():
        assert ours[column] == pytest.approx(theirs[key], rel=1e-4), column  # coordinates are float32
    assert ours["acc@20"] == pytest.approx(theirs["thesis"], abs=1e-12)
    assert 0.05 < ours["acc@5"] < ours["acc@20"]

    table = report.points["prediction"]
    bad = table.error.to_numpy() > 0.1 * table.side.to_numpy()
    assert 0 < bad.mean() < 1
    doubt = 1 - table.confidence.to_numpy()
    assert auroc(doubt, bad, least=5) == pytest.approx(scorer.auroc(doubt, bad), nan_ok=True)


# ------------------------------------------------------------------------------------------------ Penn Action

PENN = ("head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle")  # fmt: skip


def sequence(path: Path) -> LabelSet:
    """A Penn Action track: 13 joints, invisible ones as unlabelled, boxes (corners in the file)."""
    content = loadmat(path)
    height, width = (int(v) for v in content["dimensions"][0, :2])
    labels = LabelSet(Skeleton(PENN), image_size=(width, height))
    for frame in range(len(content["x"])):
        xy = np.stack([content["x"][frame], content["y"][frame]], axis=1).astype(float)
        xy[content["visibility"][frame] == 0] = np.nan
        box = None
        if frame < len(content["bbox"]):
            x0, y0, x1, y1 = content["bbox"][frame].astype(float)
            box = np.array([x0, y0, x1 - x0, y1 - y0])
        if np.isfinite(xy).all(axis=1).sum() >= 2:
            labels.add(frame, 0, Points.human(frame, xy, box=box))
    return labels


@pytest.fixture(scope="module")
def tracks(data: Path) -> dict[str, LabelSet]:
    """Forty sequences from all over the set."""
    folder = data / "penn-action-labels" / "labels"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: the joint tracks are not part of the repository")
    return {path.stem: sequence(path) for path in sorted(folder.glob("*.mat"))[::58]}


def displaced(labels: LabelSet, move: Callable[[Points, int], np.ndarray]) -> LabelSet:
    """The same labels with other coordinates."""
    instances = {}
    for (frame, instance), points in labels.instances.items():
        instances[frame, instance] = points.copy()
        instances[frame, instance].xy = move(points, frame).astype(np.float32)
    return labels.replace(instances=instances)


def test_errors_of_a_tenth_of_the_torso_are_just_that_on_real_skeletons(tracks: dict[str, LabelSet]) -> None:
    generator = np.random.default_rng(0)

    def by_torso(points: Points, frame: int) -> np.ndarray:
        where = {name: i for i, name in enumerate(PENN)}
        diagonals = [
            np.hypot(*(points.xy[where[a]] - points.xy[where[b]]))
            for a, b in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
        ]
        torso = np.nanmax([*diagonals, 0.0])
        angle = generator.uniform(0, 2 * np.pi, len(points))
        return points.xy + 0.1 * torso * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    prediction = {name: displaced(labels, by_torso) for name, labels in tracks.items()}
    report = evaluate({"moved": prediction}, tracks, [0.099, 0.101], "pck-torso")
    row = report.table[report.table.group == "all"].iloc[0]
    assert row.points > 20_000
    assert row["acc@0.099"] == 0.0
    assert row["acc@0.101"] == 1.0
    assert len(report.table[report.table.group == "video"]) == len(tracks)
    assert set(report.table[report.table.group == "joint"]["name"]) == set(PENN)


def test_a_better_copy_of_real_motion_wins_clearly_and_an_equal_one_does_not(tracks: dict[str, LabelSet]) -> None:
    def static(points: Points, frame: int) -> np.ndarray:
        del frame
        return np.broadcast_to(points.xy[points.labelled].mean(axis=0), points.xy.shape)

    def noisy(seed: int) -> Callable[[Points, int], np.ndarray]:
        generator = np.random.default_rng(seed)
        return lambda points, frame: points.xy + generator.normal(0, 8, points.xy.shape)

    sets = {
        name: {video: displaced(labels, move) for video, labels in tracks.items()}
        for name, move in (("noise", noisy(1)), ("other noise", noisy(2)), ("middle", static))
    }
    compared = evaluate(sets, tracks).compare("noise", samples=400)
    assert compared.settings["resampled"] == "video"
    assert compared.settings["clusters"] == len(tracks)
    pairs = compared.pairs[compared.pairs.measure == "acc@20"].set_index("prediction")
    assert pairs.loc["middle", "high"] < -0.3
    assert pairs.loc["middle", "p"] < 1e-100
    assert pairs.loc["other noise", "low"] < 0 < pairs.loc["other noise", "high"]
    assert pairs.loc["other noise", "p"] > 0.01
    own = compared.intervals[compared.intervals.measure == "acc@20"].set_index("prediction")
    assert (own.low <= own.value).all()
    assert (own.value <= own.high).all()

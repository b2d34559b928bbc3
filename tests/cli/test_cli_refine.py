"""`poof refine` as a user types it: results, refusals, nothing half-written, Ctrl-C."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typed import environment, poof, poof_on_a_full_disk, refused

from poof.checkpoints import save_checkpoint
from poof.flow.dis import DisFlow
from poof.labels import load_labels, save_labels
from poof.labels.model import REFINED_COLUMNS, TABLE_COLUMNS, LabelSet, Skeleton, Source
from poof.pose import PoseModel
from poof.pose.unet import UNet
from poof.propagation import Settings, propagate
from poof.refine.combine import KEEP
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter, open_video

LOST = 7, 11
"""Frames between which flow has lost p0 in tracks.json."""


def network(path: Path, skeleton: Skeleton, size: tuple[int, int] = (64, 64), seed: int = 0) -> None:
    """Save a network that has learned nothing but is sure of itself: its maps have peaks, anywhere."""
    torch.manual_seed(seed)
    model = PoseModel(UNet(len(skeleton)), skeleton, size)
    with torch.no_grad():
        model.network.head.weight.mul_(300)  # type: ignore[operator, union-attr]
    save_checkpoint(path, model.as_dict())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with video.mp4 (20 frames of a moving plane), labels of frames 3 and 15, tracks of them, and networks.

    In tracks.json every second keypoint is unsure, and p0 is 12 px off in the frames `LOST`.
    """
    folder = tmp_path_factory.mktemp("clip")
    scene = sample("constant", velocity=(1.0, 0.5), frames=20)
    with VideoWriter(folder / "video.mp4", 25, scene.size, lossless=True) as writer:
        for _, image in SyntheticVideo(scene).frames():
            writer.write(image)
    exact = truth(scene)
    labels = exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in (3, 15)})
    tracks = propagate(open_video(folder / "video.mp4"), labels, DisFlow(), Settings(radius=6))
    for frame, _, points in tracks:
        unsure = (points.source == Source.PROPAGATED) & (np.arange(len(points)) % 2 == 0)
        points.confidence[unsure] = 0.4
        if LOST[0] <= frame <= LOST[1]:
            points.xy[0] += 12, 0
            points.confidence[0] = 0.1
    save_labels(exact, folder / "truth.json")
    save_labels(labels, folder / "labels.json")
    save_labels(tracks, folder / "tracks.json")
    for name, other in (("video.mp4", "other.mp4"), ("labels.json", "other.labels.json")):
        shutil.copy(folder / name, folder / other)
    refined = tracks.replace(instances={key: points.copy() for key, points in tracks.instances.items()})
    refined.instances[8, 0].source[0] = Source.REFINED
    save_labels(refined, folder / "refined.json")
    moved = labels.replace(instances={key: points.copy() for key, points in labels.instances.items()})
    moved.instances[15, 0].xy[2] += 3
    save_labels(moved, folder / "moved.json")
    network(folder / "a.pt", exact.skeleton)
    network(folder / "b.pt", exact.skeleton, seed=1)
    network(folder / "wide.pt", exact.skeleton, (64, 96))
    network(folder / "mouse.pt", Skeleton(("nose", "tail")))
    return folder


def given(clip: Path) -> list[str]:
    """What a quick run needs: nothing is propagated, nothing is trained."""
    files = ("video.mp4", "--labels", "labels.json", "--tracks", "tracks.json", "--model", "a.pt", "--model", "b.pt")
    return [name if name.startswith("--") else str(clip / name) for name in files]


def left(folder: Path) -> list[str]:
    """Names of what is in a folder, without the cache."""
    return sorted(p.name for p in folder.iterdir() if p.name != "cache")


def test_both_results_of_a_point_are_written_and_counted(clip: Path, tmp_path: Path) -> None:
    result = poof("refine", *given(clip), "-o", "out.csv", "-o", "out.json", "--json", "s.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert left(tmp_path) == ["out.csv", "out.json", "s.json"]  # no folder of networks: none was trained
    table = pd.read_csv(tmp_path / "out.csv")
    assert tuple(table.columns)[:-1] == TABLE_COLUMNS + REFINED_COLUMNS
    tracks = load_labels(clip / "tracks.json").to_table()
    keys = ["frame", "instance", "keypoint"]
    both = table.merge(tracks, on=keys, suffixes=("", "_track"))
    assert len(both) == len(table) == len(tracks) == 160

    human, refined = both.source == "human", both.source == "refined"
    assert human.sum() == 16 and set(both.frame[human]) == {3, 15}
    np.testing.assert_allclose(both.loc[human, ["x", "y"]], both.loc[human, ["x_track", "y_track"]], atol=1e-3)
    assert (refined == ((both.source_track == "propagated") & (both.confidence_track < KEEP))).all()
    tracked = both.loc[refined, ["x_track", "y_track"]]
    np.testing.assert_allclose(both.loc[refined, ["flow_x", "flow_y"]], tracked, atol=1e-3)
    assert both.loc[~refined, ["flow_x", "flow_y"]].isna().all(axis=None)

    summary = json.loads((tmp_path / "s.json").read_text())
    moved = np.hypot(both.x - both.flow_x, both.y - both.flow_y)[refined]
    assert summary["frames"] == 20 and summary["human"] == 16 and summary["refined"] == int(refined.sum()) >= 72
    assert summary["propagated"] == 160 - 16 - summary["refined"] and summary["unsure"] == pytest.approx(0.5)
    assert summary["moved_median"] == pytest.approx(np.median(moved), abs=2e-3)
    assert summary["moved_most"] == pytest.approx(moved.max(), abs=2e-3)
    # Flow is right everywhere but in LOST, and the fusion has flow of its own: there the two are 12 px apart.
    assert summary["disputed"] == int(both.disputed.sum()) >= LOST[1] - LOST[0] + 1
    assert both.disputed[(both.keypoint == "p0") & both.frame.between(*LOST)].all()
    assert summary["models"] == [str(clip / "a.pt"), str(clip / "b.pt")]
    assert summary["model"] is None and summary["skipped"] == ""
    for words in ("points in dispute", str(summary["disputed"]), "poof select", "out.csv, out.json"):
        assert words in result.stdout

    native = load_labels(tmp_path / "out.json")
    assert native.to_table().disputed.tolist() == both.disputed.tolist()
    assert native.info["refinement"]["models"] == summary["models"]


def test_sure_flow_is_left_alone(clip: Path, tmp_path: Path) -> None:
    video, labels = clip / "video.mp4", clip / "labels.json"
    result = poof("refine", video, "--labels", labels, "-r", 6, "--json", "s.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert left(tmp_path) == ["s.json", "video.refined.csv", "video.refined.json"]  # and no empty folder of a run
    assert "not refined" in result.stdout and "--always refines all the same" in result.stdout
    summary = json.loads((tmp_path / "s.json").read_text())
    assert "flow is unsure of 0.0% of its points" in summary["skipped"]
    assert summary["refined"] == summary["disputed"] == 0 and summary["models"] == [] and summary["model"] is None
    assert summary["human"] == 16 and summary["propagated"] == 144 and summary["moved_median"] is None
    table = pd.read_csv(tmp_path / "video.refined.csv")
    assert tuple(table.columns)[:-1] == TABLE_COLUMNS and table.columns[-1].startswith("poof:")
    assert set(table.source) == {"human", "propagated"}


def test_several_videos_in_their_order(clip: Path, tmp_path: Path) -> None:
    video, labels, tracks = clip / "video.mp4", clip / "labels.json", clip / "tracks.json"
    twice = [video, video, "-l", labels, "-l", labels, "-t", tracks, "-t", tracks, "-m", clip / "a.pt"]
    result = poof("refine", *twice, "-o", "one.csv", "-o", "two.csv", "--quiet", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert left(tmp_path) == ["one.csv", "two.csv"]
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()


V, L, T, M = "{clip}/video.mp4", "{clip}/labels.json", "{clip}/tracks.json", "{clip}/a.pt"
W, OF_W = "{clip}/other.mp4", "{clip}/other.labels.json"
RUN = [V, "-l", L, "-t", T, "-m", M]
REFUSALS: dict[str, tuple[list[str], list[str]]] = {
    "no such video": (["nothing.mp4", "-l", L], ["nothing.mp4", "check the path"]),
    "labels for a video": ([L, "-l", L], ["labels.json"]),
    "no such labels": ([V, "-l", "nothing.json"], ["nothing.json", "check the path"]),
    "a video for labels": ([V, "-l", V], ["video.mp4", "is no label file"]),
    "no such tracks": ([V, "-l", L, "-t", "nothing.json"], ["nothing.json", "check the path"]),
    "labels for tracks": ([V, "-l", L, "-t", L, "-m", M], ["labels.json", "no point that flow has carried"]),
    "refined for tracks": ([V, "-l", L, "-t", "{clip}/refined.json"], ["refined.json", "is refined already"]),
    "tracks of other labels": (
        [V, "-l", "{clip}/moved.json", "-t", T, "-m", M],
        ["video.mp4", "frame 15", "the tracks hold other labels", "poof propagate"],
    ),
    "too few labels": ([V, W, "-l", L], ["labels.json", "to which of the videos", "video.mp4, other.mp4"]),
    "too many labels": ([V, "-l", L, "-l", L], ["labels.json: is given twice", "leave one out"]),
    "too few tracks": ([V, W, "-l", L, "-l", OF_W, "-t", T], ["other.mp4: none", "tracks.json", "is of this video"]),
    "too few outputs": ([V, V, "-l", L, "-l", L, "-o", "x.json"], ["1 --output for 2 videos"]),
    "two videos of one name": ([V, V, "-l", L, "-l", L], ["video.refined.json", "written twice", "-o"]),
    "one file for two": ([*RUN, "-o", "x.json", "--json", "x.json"], ["x.json", "written twice", "--json"]),
    "unknown network": ([*RUN, "--network", "huge"], ["--network huge", "small, fine, mspn"]),
    "unknown precision": ([*RUN, "--precision", "half"], ["'half'", "auto, bfloat16, float32"]),
    "unknown device": ([*RUN, "--device", "tpu"], ["tpu"]),
    "unknown flow": ([*RUN, "--flow", "magic"], ["magic", "dis"]),
    "no such model": ([*RUN, "-m", "best.pt"], ["best.pt", "no such network", "best.pt of an earlier run"]),
    "a model of another skeleton": ([*RUN[:-1], "{clip}/mouse.pt"], ["mouse.pt", "other keypoints than the labels"]),
    "models of two sizes": ([*RUN, "-m", "{clip}/wide.pt"], ["wide.pt", "crops of another size", "a.pt"]),
    "labels for a model": ([*RUN[:-1], L], ["labels.json", "no PyTorch checkpoint"]),
    "unknown ending": ([*RUN, "-o", "x.abc"], ["x.abc", ".json"]),
    "no such folder": ([*RUN, "-o", "no/x.json"], ["no/x.json", "no folder"]),
    "no folder for the summary": ([*RUN, "--json", "no/s.json"], ["no/s.json", "no folder"]),
    "a file for the run": ([V, "-l", L, "-t", T, "--run", L], ["labels.json", "cannot be made", "--run"]),
    "no radius": ([V, "-l", L, "-r", "0"], ["--radius 0"]),
}
"""Arguments that cannot work, and what the refusal must say."""


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_work_is_refused_in_one_line(name: str, clip: Path, tmp_path: Path) -> None:
    arguments, words = REFUSALS[name]
    result = poof("refine", *[argument.format(clip=clip) for argument in arguments], cwd=tmp_path)
    refused(result, *words)
    assert "a fault of poof" not in result.stderr
    assert left(tmp_path) == []


def test_files_of_others_are_kept_and_own_ones_replaced(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("precious")
    for more in ([], ["--force"]):
        refused(poof("refine", *given(clip), "-o", "mine.json", *more, cwd=tmp_path), "mine.json", "never")
    assert (tmp_path / "mine.json").read_text() == "precious" and left(tmp_path) == ["mine.json"]
    (tmp_path / "mine.json").unlink()
    for _ in range(2):
        assert poof("refine", *given(clip), "-o", "mine.json", cwd=tmp_path).returncode == 0
    assert load_labels(tmp_path / "mine.json").frames == list(range(20))


def test_a_full_disk_leaves_nothing_behind(clip: Path, tmp_path: Path) -> None:
    result = poof_on_a_full_disk("refine", *given(clip), cwd=tmp_path)
    refused(result, "video.refined.json", "cannot be written")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []


def test_ctrl_c_says_what_is_kept(clip: Path, tmp_path: Path) -> None:
    """Stopped while the first network is in training."""
    arguments = ["refine", str(clip / "video.mp4"), "-l", str(clip / "labels.json"), "-t", str(clip / "tracks.json")]
    process = subprocess.Popen(
        [sys.executable, "-m", "poof", *arguments],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    begun, patience = tmp_path / "runs" / "refine-video" / "net-1" / "refine.json", time.monotonic() + 300
    while not begun.exists() and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "poof: finished parts are kept; the same command goes on from there" in said
    assert said.count("poof: stopped") == 1 and "Traceback" not in said
    assert left(tmp_path) == ["runs"] and json.loads(begun.read_text())["done"] is False
    assert not (tmp_path / "runs" / "refine-video" / "best.pt").exists()


def mean_error(labels: LabelSet, exact: LabelSet) -> float:
    """Over p0 in the frames where flow has lost it, pixels."""
    frames = range(LOST[0], LOST[1] + 1)
    return float(np.mean([np.hypot(*(labels.instances[f, 0].xy[0] - exact.instances[f, 0].xy[0])) for f in frames]))


@pytest.mark.slow
def test_a_lost_point_is_found_and_the_model_predicts(clip: Path, tmp_path: Path) -> None:
    """Trains; the second time the network is taken over, and the labels are the same."""
    command = ["refine", clip / "video.mp4", "-l", clip / "labels.json", "-t", clip / "tracks.json", "--nets", 1]
    first = poof(*command, "-o", "first.json", "--json", "s.json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    exact = load_labels(clip / "truth.json")
    assert mean_error(load_labels(clip / "tracks.json"), exact) > 11
    assert mean_error(load_labels(tmp_path / "first.json"), exact) < 2
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["model"] == "runs/refine-video/best.pt" and len(summary["models"]) == 1
    stamps = [Path(tmp_path / model).stat().st_mtime_ns for model in summary["models"]]
    assert poof(*command, "-o", "second.json", cwd=tmp_path).returncode == 0
    assert [Path(tmp_path / model).stat().st_mtime_ns for model in summary["models"]] == stamps
    one, two = (load_labels(tmp_path / f"{name}.json").to_table() for name in ("first", "second"))
    pd.testing.assert_frame_equal(one, two)
    seen = ["predict", clip / "video.mp4", "--model", summary["model"], "--labels", clip / "labels.json"]
    predicted = poof(*seen, "-o", "seen.csv", cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    assert set(pd.read_csv(tmp_path / "seen.csv").frame) >= set(range(3, 16))

"""Situations from bug reports of other tools that go through several rooms, each with its right value.

Those of one room stand with it: `labels/test_label_foreign.py`, `video/test_video_cases.py`,
`recog/data/test_data_bad_lists.py`, and those of the fuzz campaign in `labels/test_label_hdf5.py` as well.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

import poof
from poof import recog
from poof.errors import PoofError, PoofWarning
from poof.evaluation.evaluate import evaluate as judge
from poof.flow.dis import DisFlow
from poof.flow.raft import RaftFlow
from poof.labels import load_labels
from poof.recog.data.dataset import ClipDataset, View
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists import ClipList, read_list
from poof.recog.evaluation.evaluate import evaluate
from poof.recog.training.train import train
from poof.recog.zoo.recipes import Recipe
from poof.video import VideoWriter

VIEW = View(4, 1, 16, flip="none")


@pytest.fixture
def cases(data: Path) -> Path:
    """`shared/data/cases`."""
    return data / "cases"


@pytest.fixture(scope="module")
def lists(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists of the reports beside clips made for them: s/c0/v0.mp4 to s/c3/v7.mp4."""
    folder = tmp_path_factory.mktemp("lists")
    for case in ("05-constant-network-scores-100", "06-val-list-lacks-last-class", "22-flip-without-names"):
        for path in (data / "cases" / case).glob("*.txt"):
            (folder / path.name).write_bytes(path.read_bytes())
    rng = np.random.default_rng(0)
    for clip in {line.split()[0] for path in folder.glob("*.txt") for line in path.read_text().splitlines()}:
        (folder / clip).parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(folder / clip, 25, (32, 32)) as writer:
            for image in rng.integers(0, 255, (4, 32, 32, 3)).astype(np.uint8):
                writer.write(image)
    return folder


def network() -> recog.Recognizer:
    torch.manual_seed(0)
    return recog.build_model("resnet18_quarter", [], 4, 4, size=32)


def test_identities_of_sleap(cases: Path) -> None:
    """03: two animals, no ghosts: the same as with the key that every other tool uses."""
    sleap, track = (load_labels(cases / "03-sleap-object-id" / f"two_{name}.json") for name in ("sleap", "track"))
    assert sleap.instance_ids == track.instance_ids == [1, 2] and sleap.tracked
    assert sleap.instances.keys() == track.instances.keys()
    for key, points in sleap.instances.items():
        np.testing.assert_array_equal(points.xy, track.instances[key].xy)


@pytest.mark.parametrize(("value", "right"), [(0.0, 0.25), (float("nan"), None)])
def test_a_network_that_says_the_same_of_every_clip(lists: Path, value: float, right: float | None) -> None:
    """05: right by chance, one clip in four; one that says nothing is an error."""
    model = network()
    with torch.no_grad():
        for parameter in model.backbone.fc.parameters():
            parameter.fill_(value)
    clips = read_list(lists / "val4.txt")
    if right is None:
        with pytest.raises(PoofError, match="the network's scores are not finite"):
            evaluate(model, clips, VIEW)
    else:
        judged = evaluate(model, clips, VIEW)
        assert (len(clips), judged.video_top1, judged.summary()["mean_class_top1"]) == (8, right, right)


def test_a_validation_list_without_the_last_class(lists: Path, tmp_path: Path) -> None:
    """06: its labels are valid for a network of four classes."""
    recipe = Recipe(epochs=1, batch=10, lr=0.01, warmup=0, flip="none")
    with warnings.catch_warnings(action="ignore"):
        both: list[ClipList] = [read_list(lists / name) for name in ("train4.txt", "val3.txt")]
    assert [len(clips.labels) for clips in both] == [4, 3]
    rows = train(network(), both[0], tmp_path / "run", recipe, validation=both[1])
    assert 0 <= rows[0]["val_top1"] <= 1 and (tmp_path / "run" / "last.pt").exists()


def test_frames_that_two_tools_name_in_their_own_ways(cases: Path) -> None:
    """13: the numbers agree in all 61 frames: no error at all."""
    folder = cases / "13-eval-image-names"
    prediction, truth = load_labels(folder / "pred_dlc.csv"), load_labels(folder / "truth_cvat.json")
    with pytest.warns(PoofWarning, match=r"img0000 and frame_000000 for frame 0\); matched by frame number"):
        found = judge(prediction, truth, score_anchors=True)
    (points,) = found.points.values()
    assert len(points) == 4 * 61 and points["error"].max() == 0


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod."])
def test_weights_of_a_compiled_network(data: Path, tmp_path: Path, prefix: str) -> None:
    """17: the same flow as with the names that the network itself has."""
    whole = data / "weights" / "raft-small.pth"
    state = torch.load(whole, map_location="cpu", weights_only=True)
    torch.save(OrderedDict((f"{prefix}{name}", value) for name, value in state.items()), tmp_path / "compiled.pth")
    rng = np.random.default_rng(0)
    first = rng.integers(0, 255, (128, 128, 3)).astype(np.uint8)
    second = np.roll(first, 2, 1)
    flows = [
        RaftFlow("raft-small", path, "cpu", 2).estimate(first[None], second[None])
        for path in (whole, tmp_path / "compiled.pth")
    ]
    np.testing.assert_array_equal(*flows)


def test_a_subject_that_leaves_and_comes_back(cases: Path) -> None:
    """21: no point stands for it in the 31 frames in which it is away, or none that anybody would trust."""
    folder = cases / "21-leaves-and-returns"
    made = poof.propagate(folder / "leave.mp4", folder / "leave.gt.json", DisFlow(), radius=20)
    seen = set(load_labels(folder / "leave.full.json").frames)
    away = [p.confidence[p.labelled] for frame, _, p in made if frame not in seen]
    sure = np.concatenate(away) if away else np.zeros(1)
    assert len(seen) == 30 and sure.mean() < 0.2 and sure.max() < 0.5


def test_mirroring_without_names(lists: Path) -> None:
    """22: classes that are numbers may be each other's mirror: said, and nothing is mirrored."""
    clips = read_list(lists / "train4.txt")
    with pytest.warns(PoofWarning, match="the classes have numbers only, so no clip is mirrored"):
        data = ClipDataset(clips, View(4, 1, 16, flip="swap"), FrameCounts(), training=True)
    assert (data.mirrored == -1).all()

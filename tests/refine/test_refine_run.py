"""`poof.refine.refine` as a whole: exact labels, the same numbers for a seed, going on after a kill, refusals."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poof.errors import PoofError
from poof.flow.dis import DisFlow
from poof.labels import LabelSet, Source
from poof.pose import MSPN, RECIPES, Pair, load_model, predict_pose, split
from poof.pose.instance_boxes import boxes_from_labels
from poof.propagation import Settings, propagate
from poof.refine import NETWORKS, Refinement, refine
from poof.refine import learning as learning_module
from poof.refine import run as run_module
from poof.refine.combine import KEEP
from poof.refine.learning import Network
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import ArrayVideo

pytestmark = pytest.mark.xdist_group("refine run")  # one run for all

SETTINGS = Settings(radius=4)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of 64 px that learns for three steps: the machinery is what is tested here."""
    quick = replace(RECIPES["footage"], name="quick", epochs=1, least_steps=3, most_steps=3, batch=4)
    monkeypatch.setitem(RECIPES, "quick", quick)
    monkeypatch.setitem(NETWORKS, "small", Network("unet", None, "quick", 64))


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Twelve frames of a rendered figure, labelled in frames 2 and 9."""
    scene = sample("constant", velocity=(1.5, 0.5), frames=12)
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()], name="plane")
    exact = truth(scene)
    return Pair(video, exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in (2, 9)}))


@pytest.fixture(scope="module")
def tracks(pair: Pair) -> LabelSet:
    """What flow makes of it, with every second point made unsure so that there is something to refine."""
    carried = propagate(pair.video, pair.labels, DisFlow(), SETTINGS)
    for _, _, points in carried:
        unsure = (points.source == Source.PROPAGATED) & (np.arange(len(points)) % 2 == 0)
        points.confidence[unsure] = 0.4
    return carried


@pytest.fixture(scope="module")
def result(pair: Pair, tracks: LabelSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Refinement, Path]]:
    """A finished run and its folder."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        small.__wrapped__(patch)  # type: ignore[attr-defined]
        yield go(pair, tracks, folder), folder


def go(pair: Pair, tracks: LabelSet | None, folder: Path, **options: Any) -> Refinement:
    given = None if tracks is None else [tracks]
    common: dict[str, Any] = {"flow": [DisFlow()], "settings": SETTINGS, "device": "cpu", "precision": "float32"}
    common["always"] = True  # three steps teach too little to pass the check
    return refine([pair], folder, tracks=given, **common | options)


def arrays(labels: LabelSet) -> np.ndarray:
    return np.concatenate([np.c_[p.xy, p.confidence, p.source].ravel() for _, _, p in labels])


def test_labels_are_exact_and_both_results_are_kept(result: tuple[Refinement, Path], tracks: LabelSet) -> None:
    refined = result[0].labels[0]
    assert sorted(refined.instances) == sorted(tracks.instances)
    moved = 0
    for key, points in refined.instances.items():
        before = tracks.instances[key]
        human = before.is_human
        np.testing.assert_array_equal(points.xy[human], before.xy[human])
        assert (points.confidence[human] == 1).all() and (points.source[human] == Source.HUMAN).all()
        sure = ~human & (before.confidence >= KEEP)
        np.testing.assert_array_equal(points.xy[sure], before.xy[sure])
        unsure = before.labelled & ~human & (before.confidence < KEEP)
        assert (points.source[unsure] == Source.REFINED).all()
        if unsure.any():
            assert points.flow_xy is not None
            np.testing.assert_array_equal(points.flow_xy[unsure], before.xy[unsure])
            assert np.isnan(points.flow_xy[~unsure]).all()
        np.testing.assert_array_equal(points.anchor, before.anchor)
        assert ((points.confidence[points.labelled] >= 0) & (points.confidence[points.labelled] <= 1)).all()
        assert (points.xy[points.labelled] >= 0).all()
        moved += int(unsure.sum())
    assert moved > 20 and result[0].as_dict()["refined"] == moved


def test_another_seed_gives_other_labels(
    result: tuple[Refinement, Path], pair: Pair, tracks: LabelSet, tmp_path: Path
) -> None:
    other = go(pair, tracks, tmp_path / "other", seed=1)
    assert not np.array_equal(arrays(other.labels[0]), arrays(result[0].labels[0]))


def test_its_two_networks_differ_and_the_model_predicts(result: tuple[Refinement, Path], pair: Pair) -> None:
    first, second = (load_model(path) for path in result[0].models)
    assert not np.array_equal(first.network.head.weight.detach(), second.network.head.weight.detach())  # type: ignore[union-attr]
    model = result[0].model
    assert model is not None and model.parent == result[1]
    predicted = predict_pose(pair.video, model, boxes_from_labels(pair.labels), precision="float32")
    assert predicted.skeleton.keypoints == pair.labels.skeleton.keypoints and len(predicted.frames) == 12


def test_a_run_killed_at_each_stage_goes_on_and_ends_as_with_the_same_seed_in_one_go(
    result: tuple[Refinement, Path], pair: Pair, tracks: LabelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    train, fuse = learning_module.train_pose, run_module.fuse

    def broken_training(data: Any, folder: Path, **options: Any) -> Any:
        if len(trained) == allowed:
            raise KeyboardInterrupt
        trained.append(folder.name)
        return train(data, folder, **options)

    def broken_fusion(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(learning_module, "train_pose", broken_training)
    monkeypatch.setattr(run_module, "fuse", broken_fusion)
    for allowed in (0, 1, 2):  # killed in the first network, in the second, in the fusion
        with pytest.raises(KeyboardInterrupt):
            go(pair, tracks, tmp_path)
        assert trained == ["net-1", "net-2"][:allowed]  # each once; two labels are too few for a check
    monkeypatch.setattr(run_module, "fuse", fuse)
    finished = go(pair, tracks, tmp_path)
    assert trained == ["net-1", "net-2"]
    np.testing.assert_array_equal(arrays(finished.labels[0]), arrays(result[0].labels[0]))


def test_changed_labels_train_anew(
    result: tuple[Refinement, Path], pair: Pair, tracks: LabelSet, tmp_path: Path
) -> None:
    shutil.copytree(result[1], tmp_path, dirs_exist_ok=True)
    model = tmp_path / result[0].models[0].relative_to(result[1])
    before = model.stat().st_mtime_ns
    go(pair, tracks, tmp_path)
    assert model.stat().st_mtime_ns == before
    changed = tracks.replace(instances={key: p.copy() for key, p in tracks.instances.items()})
    changed.instances[5, 0].confidence[:] = 0.3
    go(pair, changed, tmp_path)
    assert model.stat().st_mtime_ns > before


def test_networks_of_an_earlier_run_are_enough(
    result: tuple[Refinement, Path], pair: Pair, tracks: LabelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_module, "train_pose", None)
    again = go(pair, tracks, tmp_path / "none", models=result[0].models)
    np.testing.assert_array_equal(arrays(again.labels[0]), arrays(result[0].labels[0]))
    assert again.model is None and not (tmp_path / "none").exists()


def test_a_second_round_changes_the_model_only(
    result: tuple[Refinement, Path], pair: Pair, tracks: LabelSet, tmp_path: Path
) -> None:
    twice, first = go(pair, tracks, tmp_path, rounds=2), result[0]
    np.testing.assert_array_equal(arrays(twice.labels[0]), arrays(first.labels[0]))
    assert twice.model is not None and first.model is not None
    kept, other = load_model(twice.model).network, load_model(first.model).network
    assert not np.array_equal(kept.head.weight.detach(), other.head.weight.detach())  # type: ignore[union-attr]


def test_nothing_to_gain_trains_nothing_unless_asked(pair: Pair, tmp_path: Path) -> None:
    sure = propagate(pair.video, pair.labels, DisFlow(), SETTINGS)
    for _, _, points in sure:
        points.confidence[points.labelled] = 0.99
    skipped = go(pair, sure, tmp_path / "run", always=False)
    assert "unsure of 0.0% of its points" in skipped.skipped and not skipped.models
    assert not (tmp_path / "run").exists()
    np.testing.assert_array_equal(arrays(skipped.labels[0]), arrays(sure))
    assert len(go(pair, sure, tmp_path / "run", always=True, nets=1).models) == 1


def test_several_videos_share_their_networks(pair: Pair, tracks: LabelSet, tmp_path: Path) -> None:
    both = refine(
        [pair, pair],
        tmp_path,
        tracks=[tracks, tracks],
        flow=[DisFlow()],
        settings=SETTINGS,
        device="cpu",
        precision="float32",
        always=True,
        nets=1,
    )
    assert len(both.labels) == 2 and len(both.models) == 1
    np.testing.assert_array_equal(arrays(both.labels[0]), arrays(both.labels[1]))


def test_mspn_can_look_as_well(pair: Pair, tracks: LabelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "mspn", Network("resnet18", 1, "quick", 64))
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], least_steps=1, most_steps=1))
    result = go(pair, tracks, tmp_path, network="mspn", nets=1)
    assert isinstance(load_model(result.models[0]).network, MSPN)
    assert result.as_dict()["refined"] > 20
    refined = result.labels[0].instances[5, 0]
    assert np.hypot(*(refined.xy - tracks.instances[5, 0].xy).T).max() < 40  # flow and leash hold it


def test_refined_points_do_not_leak_into_validation(result: tuple[Refinement, Path], pair: Pair) -> None:
    divided = split([Pair(pair.video, result[0].labels[0])])
    for _, _, points in divided.train[0].labels:
        assert not (points.source == Source.REFINED).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "huge"}, "--network huge: valid are small, fine, mspn"),
        ({"nets": 0}, "--nets 0: at least one"),
        ({"init": "imagenet"}, "--init imagenet: there are no such weights"),
        ({"models": ["missing.pt"]}, "missing.pt: there is no such checkpoint"),
        ({"rounds": 3}, "--rounds 3: valid are 1 and 2"),
        ({"settings": Settings(method="chain")}, "--method chain"),
    ],
)
def test_senseless_options_are_refused(
    options: dict[str, Any], message: str, pair: Pair, tracks: LabelSet, tmp_path: Path
) -> None:
    with pytest.raises(PoofError, match=message):
        go(pair, tracks, tmp_path, **options)


def test_tracks_of_other_labels_are_refused(pair: Pair, tracks: LabelSet, tmp_path: Path) -> None:
    other = pair.labels.replace(instances={key: p.copy() for key, p in pair.labels.instances.items()})
    other.instances[9, 0].xy[0] += 3
    with pytest.raises(PoofError, match="plane: frame 9: the tracks hold other labels"):
        go(Pair(pair.video, other), tracks, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(pair: Pair, tracks: LabelSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PoofError, match=r"file.*cannot be made.*--run"):
        go(pair, tracks, tmp_path / "file")


# The fewest stages and the most: without tracks it propagates by itself, three labels allow a check.
@pytest.mark.parametrize(("given", "labelled"), [(True, (2, 9)), (False, (2, 5, 9))])
def test_the_stages_told_before_are_those_that_come(
    given: bool, labelled: tuple[int, ...], pair: Pair, tmp_path: Path
) -> None:
    exact = truth(sample("constant", velocity=(1.5, 0.5), frames=12))
    labels = exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in labelled})
    own, told = Pair(pair.video, labels), list[str]()
    carried = propagate(own.video, own.labels, DisFlow(), SETTINGS) if given else None

    def track(items: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        told.append(description.partition(":")[0])
        yield from items

    result = go(own, carried, tmp_path, always=True, rounds=2, track=track)
    assert len(result.labels[0].frames) == 12
    assert result.labels[0].info["refinement"]["network"] == "small"
    assert told == run_module.stages([labels], "small", 2, 2, carried=given, trained=False)

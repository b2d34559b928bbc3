"""A refinement that does not help says so: the person's own labels, each left out, decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refine_fakes import COLOURS, ConstantFlow, spots_model, spotted

from poof.labels import LabelSet, Points, Source
from poof.pose import RECIPES, Pair
from poof.propagation import Settings, propagate
from poof.refine import NETWORKS, learning, refine
from poof.refine import check as check_module
from poof.refine.check import Check, _around, _as_frequent, check, compared
from poof.refine.learning import Network, left_out, without
from poof.video import ArrayVideo

SIZE = (96, 96)
PLACES = np.array([[30.0, 30.0], [60.0, 32.0], [45.0, 64.0]])


def scene(slip: float) -> tuple[Pair, LabelSet]:
    """Three spots that stand still in 13 frames, labelled in 0, 6 and 12; without a label flow is so many px off."""
    images = [spotted(PLACES, SIZE, sigma=3.0) for _ in range(13)]
    labels = LabelSet(COLOURS, image_size=SIZE)
    for frame in (0, 6, 12):
        labels.add(frame, 0, Points.human(frame, PLACES))
    pair = Pair(ArrayVideo(images, name="spots"), labels)
    tracks = propagate(pair.video, labels, ConstantFlow(0.0, 0.0), Settings(radius=3))
    made = tracks.info["propagation"]["held_out"]
    assert made["points"] == 9 and max(made["error"]) < 1e-3
    made["x"] = [x + slip for x in made["x"]]
    return pair, tracks


def unsure(tracks: LabelSet) -> LabelSet:
    """The same with flow unsure of everything, so that the networks have a say."""
    for _, _, points in tracks:
        points.confidence[points.source == Source.PROPAGATED] = 0.3
    made = tracks.info["propagation"]["held_out"]
    made["confidence"] = [0.3] * made["points"]
    return tracks


def checked(slip: float, dark: float = 0.0) -> Check | None:
    pair, tracks = scene(slip)
    unsure(tracks)
    model = spots_model((96, 96), 2, dark)
    return check([pair], [tracks], [model, model], [(frozenset({6}),)] * 2, ConstantFlow(0.0, 0.0), "float32")


def test_networks_that_see_what_flow_loses_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "ENOUGH", 3)
    found = checked(slip=6.0)
    assert found is not None and found.helps
    assert found.points == 3
    assert found.flow == pytest.approx(6 / 34, rel=0.01)  # the spots span 30 x 34 px
    assert found.refined < 0.03
    assert "nearer to your own labels" in str(found) and "3 points" in str(found)


def test_networks_that_do_harm_do_not() -> None:
    """An error of .05 is as wide as what other footage says: the middle of the two decides, 6 % farther from it."""
    assert Check(20, 0.02, 0.0211, 0.05).helps and not Check(20, 0.02, 0.0213, 0.05).helps
    assert Check(20, 0.02, 0.0211, 0.05).expected == pytest.approx((0.055 - 0.06) / 2)
    told = str(Check(20, 0.02, 0.03, 0.1))
    assert told.startswith("with the networks flow comes 50 % farther from your own labels") and "20 points)" in told
    assert not Check(20, 0.02, 0.02, 0.0).helps  # nothing was moved


def test_few_labels_do_not_outweigh_other_footage() -> None:
    """Nine points at a dog's label: 9 % farther, give or take 30 %."""
    few = Check(9, 0.063, 0.069, 0.3)
    assert not few.told and few.helps and few.expected == pytest.approx(-0.0558, abs=1e-3)
    assert "9 points: within chance, 59 %)" in str(few)
    many = Check(900, 0.063, 0.069, 0.03)
    assert many.told and not many.helps and "chance" not in str(many)


def test_errors_are_compared_pair_by_pair() -> None:
    """By hand: the same change of every error is certain, whatever the errors; half of the points count as one."""
    before = np.array([0.01, 0.02, 0.2])
    sure = compared(before, 0.9 * before, np.ones(3))
    assert sure.change == pytest.approx(-0.1) and sure.error == pytest.approx(0, abs=1e-9) and sure.told
    found = compared(np.array([0.1, 0.1]), np.array([0.05, 0.1]), np.array([1.0, 3.0]))
    assert found.flow == pytest.approx(0.1) and found.refined == pytest.approx(0.0875)
    assert found.error == pytest.approx(np.sqrt(2 * (0.0375**2 + 0.0375**2)) / 0.4)


def test_too_few_labels_or_unknown_chain_ends_are_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(6.0) is None  # three points
    monkeypatch.setattr(check_module, "ENOUGH", 1)
    pair, tracks = scene(6.0)
    tracks.info = {}  # as from a CSV
    model, flow = spots_model((96, 96)), ConstantFlow(0.0, 0.0)
    assert check([pair], [tracks], [model], [(frozenset({6}),)], flow, "float32") is None


def test_only_the_frames_around_a_left_out_label_are_looked_at() -> None:
    labels = LabelSet(COLOURS, image_size=SIZE)
    for frame in range(41):
        labels.add(frame, 0, Points.human(frame, PLACES))
        if frame % 10:
            labels.instances[frame, 0].source[:] = Source.PROPAGATED
    reached = {(20, 0): Points.empty(3)}
    around = _around(labels, reached, frozenset({20}))
    assert around.frames == [0, *range(10, 31), 40]
    assert around.human().frames == [0, 10, 30, 40] and around.instances[20, 0] is reached[20, 0]


def test_points_count_as_often_as_flow_is_as_sure_of_others() -> None:
    labels = LabelSet(COLOURS, image_size=SIZE)
    points = Points.human(0, PLACES)
    points.source[:] = Source.PROPAGATED
    points.confidence[:] = [0.99, 0.98, 0.2]
    labels.add(1, 0, points)
    weight = _as_frequent(np.array([0.99, 0.25, 0.1]), [labels])
    np.testing.assert_allclose(weight, [2.0, 0.5, 0.5])  # two sure points for one, one unsure for two


def test_a_fifth_of_the_labels_is_left_out_never_the_outermost() -> None:
    labels = LabelSet(COLOURS, image_size=SIZE)
    for frame in range(0, 110, 10):
        labels.add(frame, 0, Points.human(frame, PLACES))
    assert left_out([labels], 1) == [(frozenset({30, 70}),)]
    assert left_out([labels], 2) == [(frozenset({20, 60}),), (frozenset({40, 80}),)]  # each network its own
    few = labels.replace(instances={k: p for k, p in labels.instances.items() if k[0] < 30})
    assert left_out([few], 2) == [(frozenset({10}),)] * 2  # there is one only
    for first, second in left_out([few, labels], 2):
        assert first <= {10} and len(first) + len(second) == 3
    two = labels.replace(instances={k: p for k, p in labels.instances.items() if k[0] < 20})
    assert left_out([two], 2) == [(frozenset(),)] * 2


def test_what_came_from_a_label_is_left_out_with_it() -> None:
    _, tracks = scene(0.0)
    left = without(tracks, frozenset({6}))
    assert {int(a) for _, _, p in left for a in p.anchor[p.labelled]} == {0, 12}
    assert (6, 0) not in left.instances and (1, 0) in left.instances


@pytest.mark.parametrize(
    ("helps", "always", "network"),
    [
        (True, False, "fine"),
        (False, False, "fine"),
        (False, True, "small"),
        pytest.param(
            True, False, "small", marks=pytest.mark.slow
        ),  # the kind as in the last, the check as in the first
    ],
)
def test_what_does_not_help_is_not_kept(
    helps: bool, always: bool, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = replace(RECIPES["footage"], name="quick", epochs=1, least_steps=5, most_steps=5, batch=4)
    monkeypatch.setitem(RECIPES, "quick", quick)
    for kind in ("small", "fine"):
        monkeypatch.setitem(NETWORKS, kind, Network("unet", None, "quick", 64))
    pair, tracks = scene(6.0)
    unsure(tracks)
    steps: list[tuple[str, int]] = []
    train = learning.train_pose

    def counted(data: Any, folder: Path, **options: Any) -> Any:
        steps.append((folder.name, options["recipe"].most_steps))
        return train(data, folder, **options)

    monkeypatch.setattr(learning, "train_pose", counted)
    said = Check(12, 0.04, 0.03 if helps else 0.05, 0.02)
    monkeypatch.setattr("poof.refine.run.check", lambda *_: said)
    flow = [ConstantFlow(0.0, 0.0)]
    result = refine(
        [pair], tmp_path, tracks=[tracks], flow=flow, network=network, device="cpu", precision="float32", always=always
    )
    summary = result.as_dict()
    assert summary["check"]["helps"] is helps and summary["check"]["points"] == 12
    if helps or always:
        rest = 2 if network == "small" else 5  # its own kind goes on, others begin anew
        assert steps == [("net-1-first", 3), ("net-2-first", 3), ("net-1", rest), ("net-2", rest)]
        assert summary["refined"] > 0 and result.model is not None and not result.skipped
    else:
        assert steps == [("net-1-first", 3), ("net-2-first", 3)]  # nothing more is spent on it
        assert summary["refined"] == 0 and result.model is None
        assert "25 % farther from your own labels" in result.skipped
        for key, points in result.labels[0].instances.items():
            np.testing.assert_array_equal(points.xy, tracks.instances[key].xy)

"""`poof select --labels`: how unsure frames are, and which label takes most of that away."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.errors import PoofError
from poof.labels.model import LabelSet, Points, Skeleton, Source, Visible
from poof.planning.select import select_next
from poof.planning.uncertainty import disputes, frame_uncertainty, next_frames
from poof.propagation import Settings, propagate
from poof.synthetic import ExactFlow, SyntheticVideo, sample, truth

SKELETON = Skeleton(("nose", "tail"))


def add(labels: LabelSet, frame: int, nose: float | None, tail: float | None, human: bool, instance: int = 0) -> None:
    """Points with these confidences; None leaves one out."""
    points = Points.empty(2)
    for k, value in enumerate((nose, tail)):
        if value is not None:
            points.xy[k] = 5, 5
            points.confidence[k] = value
            points.visible[k] = Visible.VISIBLE
            points.source[k] = Source.HUMAN if human else Source.PROPAGATED
    labels.add(frame, instance, points)


def every(count: int) -> np.ndarray:
    """All frames are usable."""
    return np.ones(count, bool)


# --------------------------------------------------------------------------------------------------------- uncertainty


def test_uncertainty_by_hand() -> None:
    labels = LabelSet(SKELETON)
    add(labels, 2, 1, 1, human=True)
    add(labels, 3, 0.9, 0.5, human=False)
    add(labels, 4, 0.8, None, human=False)  # the tail is expected: frame 2 shows it
    add(labels, 6, 1, None, human=True)  # the person left the tail out
    add(labels, 7, 0.6, None, human=False)  # nobody expects a tail here: neither 6 nor 9 has one
    add(labels, 9, 1, None, human=True)
    add(labels, 10, float("nan"), None, human=False)  # a point of unknown confidence
    got = frame_uncertainty(labels, 12)
    np.testing.assert_allclose(got, [1, 1, 0, 0.3, 0.6, 1, 0, 0.4, 1, 0, 0.5, 1], atol=1e-6)


def test_a_subject_that_is_not_there_is_not_missed() -> None:
    labels = LabelSet(SKELETON)
    for frame in (0, 6, 12):
        add(labels, frame, 1, 1, human=True)
    add(labels, 12, 1, 1, human=True, instance=1)  # comes in between 6 and 12
    for frame in (3, 9):
        add(labels, frame, 0.8, 0.8, human=False)
    got = frame_uncertainty(labels, 13)
    assert got[3] == pytest.approx(0.2)
    assert got[9] == pytest.approx((0.2 + 1) / 2)  # half of the expected points are unknown


def test_without_human_labels_everything_is_unknown() -> None:
    assert frame_uncertainty(LabelSet(SKELETON), 4).tolist() == [1, 1, 1, 1]


# ---------------------------------------------------------------------------------------------------------- the choice


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 60), st.integers(0, 2**31), st.booleans())
def test_the_first_choice_is_worth_most(count: int, seed: int, cut: bool) -> None:
    rng = np.random.default_rng(seed)
    uncertainty = rng.random(count)
    labelled = sorted(rng.choice(count, rng.integers(1, 3), replace=False).tolist())
    uncertainty[labelled] = 0
    middle = count // 2
    scenes = [range(middle), range(middle, count)] if cut else [range(count)]
    usable = rng.random(count) < 0.7
    usable[labelled] = False
    order, worth = next_frames(uncertainty, labelled, scenes, usable, 1, 0)
    if not usable.any():
        assert order == []
        return
    by_hand = np.zeros(count)
    for scene in scenes:
        own = [f for f in labelled if f in scene]
        for f in scene:
            for t in scene:
                near = min((abs(t - a) for a in own), default=len(scene))
                by_hand[f] += uncertainty[t] ** 2 * max(0, near - abs(t - f))
    best = np.where(usable, by_hand, -1).max()
    assert usable[order[0]]
    assert by_hand[order[0]] == pytest.approx(best, abs=1e-6) and worth[0] == pytest.approx(best, abs=1e-6)


def test_equal_uncertainty_halves_the_longest_gap() -> None:
    uncertainty = np.ones(101)
    uncertainty[[0, 60, 100]] = 0
    order, worth = next_frames(uncertainty, [0, 60, 100], [range(101)], every(101), 2, 0)
    assert abs(order[0] - 30) <= 1 and abs(order[1] - 80) <= 1  # the frame beside the middle is worth as much
    assert worth[0] > worth[1] > 0


def test_the_unsure_stretch_comes_first() -> None:
    uncertainty = np.full(101, 0.1)
    uncertainty[70:90] = 0.8
    uncertainty[[0, 60, 100]] = 0
    (frame,), _ = next_frames(uncertainty, [0, 60, 100], [range(101)], every(101), 1, 0)
    assert 70 <= frame < 90


def test_a_label_is_of_no_use_behind_a_cut() -> None:
    uncertainty = np.ones(60)
    uncertainty[15] = 0
    order, _ = next_frames(uncertainty, [15], [range(30), range(30, 60)], every(60), 1, 0)
    assert order == [45] or order == [44]


def test_choices_keep_their_distance_until_there_is_no_room() -> None:
    uncertainty = np.zeros(21)
    uncertainty[9:12] = 1.0
    labelled = [0, 20]
    order, _ = next_frames(uncertainty, labelled, [range(21)], every(21), 4, 5)
    assert order[0] == 10
    for index, frame in enumerate(order[:3]):
        assert all(abs(frame - other) >= 5 for other in [*labelled, *order[:index]])
    order, _ = next_frames(uncertainty, labelled, [range(21)], every(21), 40, 5)
    assert sorted(order) == list(range(1, 20))


# --------------------------------------------------------------------------------------------------------- the disputes


def dispute(labels: LabelSet, frame: int, *keypoints: int, instance: int = 0) -> None:
    """Refined points, of which some are in dispute; labelled with full confidence: uncertainty plays no part."""
    add(labels, frame, 1, 1, human=False, instance=instance)
    points = labels.instances[frame, instance]
    points.source[:] = Source.REFINED
    points.disputed = np.isin(np.arange(2), keypoints)


def test_disputes_are_named_until_a_person_decides() -> None:
    labels = LabelSet(SKELETON)
    add(labels, 0, 1, 1, human=True)
    dispute(labels, 2, 0, 1)
    dispute(labels, 5, 1)
    dispute(labels, 6)
    dispute(labels, 30, 0)  # behind the end
    assert disputes(labels, 10) == {2: ["nose", "tail"], 5: ["tail"]}
    labels.instances[2, 0].source[0] = Source.HUMAN
    labels.instances[5, 0].source[1] = Source.HUMAN
    assert disputes(labels, 10) == {2: ["tail"]}
    dispute(labels, 2, 0, instance=1)
    dispute(labels, 7, 1, instance=3)
    labels.individuals = {3: "Bo"}
    assert disputes(labels, 10) == {2: ["tail of instance 0", "nose of instance 1"], 7: ["tail of Bo"]}


def numbers(count: int, **disputed: int) -> np.ndarray:
    """(count,) disputed points, by frames called f3 ..."""
    values = np.zeros(count, int)
    for name, value in disputed.items():
        values[int(name[1:])] = value
    return values


def test_most_disputes_come_first_then_the_usual_order() -> None:
    uncertainty = np.ones(101)
    uncertainty[[0, 60, 100]] = 0
    usual, worth = next_frames(uncertainty, [0, 60, 100], [range(101)], every(101), 2, 5)
    disputed = numbers(101, f70=1, f8=3, f45=3, f92=2)
    order, gains = next_frames(uncertainty, [0, 60, 100], [range(101)], every(101), 5, 5, disputed)
    # 45 and 8 tie: 45, in the middle of the gap, is worth more.
    assert order[:4] == [45, 8, 92, 70]
    assert abs(order[4] - 26) <= 1  # now the longest gap is 8-45: the usual order goes on in its middle
    assert usual[0] in (29, 30, 31) and worth[0] > gains[0]
    assert disputed.sum() == 9, "the argument is not changed"


def test_a_run_of_disputes_is_offered_once() -> None:
    """A label in it will be carried to the frames around, which lose their place in the queue, but not across a cut."""
    uncertainty = np.full(60, 0.1)
    uncertainty[[0, 59]] = 0
    disputed = np.zeros(60, int)
    disputed[20:29] = 2
    disputed[24] = 3
    disputed[50] = 1
    order, _ = next_frames(uncertainty, [0, 59], [range(60)], every(60), 5, 5, disputed)
    assert order[:2] == [24, 50]
    assert not set(order[2:]) & set(range(20, 29))
    order, _ = next_frames(uncertainty, [0, 59], [range(60)], every(60), 3, 3, disputed)
    assert order[0] == 24 and set(order[1:]) <= set(range(20, 29))  # 21 or 20, and 27 or 28
    order, _ = next_frames(uncertainty, [0, 59], [range(26), range(26, 60)], every(60), 3, 5, disputed)
    assert order == [24, 50, 28]  # 28 is nearer than 5 to 24: it waits for the other, but for no frame without disputes


def test_disputes_keep_their_distance_from_labels_where_they_can() -> None:
    uncertainty = np.ones(41)
    labelled = [0, 20, 40]
    uncertainty[labelled] = 0
    disputed = numbers(41, f1=5, f9=1, f22=2)
    order, _ = next_frames(uncertainty, labelled, [range(41)], every(41), 3, 5, disputed)
    assert order == [9, 22, 1]  # 5 from every label, 2, 1
    usable = every(41)
    usable[9] = False
    assert next_frames(uncertainty, labelled, [range(41)], usable, 1, 5, disputed)[0] == [22]


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 50), st.integers(0, 2**31), st.integers(0, 6))
def test_disputes_never_break_the_promises(count: int, seed: int, apart: int) -> None:
    rng = np.random.default_rng(seed)
    uncertainty = rng.random(count)
    labelled = sorted(rng.choice(count, 2, replace=False).tolist())
    uncertainty[labelled] = 0
    scenes = [range(count // 2), range(count // 2, count)] if seed % 2 else [range(count)]
    usable = rng.random(count) < 0.7
    disputed = rng.integers(0, 3, count) * (rng.random(count) < 0.3)
    order, worth = next_frames(uncertainty, labelled, scenes, usable, count, apart, disputed)
    allowed = set(np.flatnonzero(usable).tolist()) - set(labelled)
    assert len(order) == len(worth) and sorted(order) == sorted(allowed), "every frame that may be chosen, once"
    if any(disputed[f] for f in allowed):
        assert disputed[order[0]] > 0
    none = next_frames(uncertainty, labelled, scenes, usable, count, apart, np.zeros(count, int))
    assert none == next_frames(uncertainty, labelled, scenes, usable, count, apart)


# ------------------------------------------------------------------------------------------------ the public function


def test_carried_labels_tell_where_the_next_one_helps() -> None:
    scene = sample("constant", frames=40)
    exact = truth(scene)
    video = SyntheticVideo(scene)
    some = exact.replace(instances={key: p.copy() for key, p in exact.instances.items() if key[0] in (4, 12)})
    carried = propagate(video, some, ExactFlow(scene), Settings(6, crop=False))
    chosen = select_next(video, carried, 2, 6)
    assert chosen.uncertainty is not None and chosen.uncertainty[[4, 12]].tolist() == [0, 0]
    assert chosen.uncertainty[8] < 0.5 and chosen.uncertainty[30] == 1  # carried well, and not at all
    assert all(frame > 18 for frame in chosen.frames)  # where no label reached
    assert chosen.frames == sorted(chosen.order) and set(chosen.worth) == set(chosen.frames)
    again = select_next(video, carried, 2, 6, seen=chosen.seen)
    assert again.order == chosen.order
    told = chosen.as_dict(video.fps)
    assert [row["frame"] for row in told["frames"]] == chosen.order


def test_human_labels_alone_serve_and_it_is_said() -> None:
    scene = sample("constant", frames=30)
    exact = truth(scene)
    some = exact.replace(instances={key: p for key, p in exact.instances.items() if key[0] in (0, 8, 29)})
    chosen = select_next(SyntheticVideo(scene), some, 1, 5)
    assert chosen.frames[0] in (18, 19)
    assert any("not propagated" in note for note in chosen.notes)


def refined(video: SyntheticVideo, exact: LabelSet, **disputed: tuple[str, ...]) -> LabelSet:
    """Exact points in every frame, a person's in 0, 20 and 39, the others refined; some in dispute, by frames f3 ..."""
    labels = exact.replace(instances={key: points.copy() for key, points in exact.instances.items()})
    for frame, _, points in labels:
        if frame not in (0, 20, 39):
            points.source[points.labelled] = Source.REFINED
            points.confidence[points.labelled] = 0.7
        points.disputed = np.isin(exact.skeleton.keypoints, disputed.get(f"f{frame}", ()))
    return labels


def test_frames_where_flow_and_appearance_disagree_are_offered_first() -> None:
    scene = sample("constant", frames=40)
    video, exact = SyntheticVideo(scene), truth(scene)
    a, b = exact.skeleton.keypoints[:2]
    labels = refined(video, exact, f5=(a,), f26=(a, b), f20=(a, b))
    chosen = select_next(video, labels, 4, 6)
    assert chosen.order[:2] == [26, 5] and 20 not in chosen.frames  # in 20 a person set the points
    assert chosen.disputed == {26: [a, b], 5: [a]}
    assert "2 frames hold points where flow and appearance disagree; among the chosen: 2" in chosen.notes
    told = chosen.as_dict(video.fps)["frames"]
    assert [row["disputed"] for row in told] == [[a, b], [a], [], []]
    only = select_next(video, labels, 1, 6, candidates=[4, 5, 6], seen=chosen.seen)
    assert only.order == [5] and any("among the chosen: 1" in note for note in only.notes)
    labels.instances[26, 0].source[:2] = Source.HUMAN
    after = select_next(video, labels, 2, 6, seen=chosen.seen)
    assert after.order[0] == 5 and 26 not in after.frames
    assert "1 frame holds points where flow and appearance disagree; among the chosen: 1" in after.notes
    calm = select_next(video, refined(video, exact), 2, 6, seen=chosen.seen)
    assert calm.disputed == {} and not any("disagree" in note for note in calm.notes)


def test_labels_that_cannot_serve_are_refused() -> None:
    scene = sample("constant", frames=10)
    video, exact = SyntheticVideo(scene), truth(scene)
    with pytest.raises(PoofError, match="no point that a person set"):
        select_next(video, exact.replace(instances={}), 2)
    beyond = exact.replace(instances={(40, 0): exact.instances[3, 0]})
    with pytest.raises(PoofError, match="ends at frame 9, the labels name frame 40"):
        select_next(video, beyond, 2)
    with pytest.raises(PoofError, match="made at 320x256"):
        select_next(video, exact.replace(image_size=(320, 256)), 2)
    full = select_next(video, exact, 3)
    assert full.frames == [] and any("only 0 of 3" in note for note in full.notes)


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, LabelSet]:
    """A folder of 40 images, and their exact labels."""
    from PIL import Image

    scene = sample("constant", frames=40)
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(scene.image(number)).save(folder / f"{number:03d}.png")
    return folder, truth(scene)


def test_the_command_tells_what_is_disputed(tmp_path: Path, clip: tuple[Path, LabelSet]) -> None:
    import typer
    from typer.testing import CliRunner

    from poof.cli.select import select
    from poof.labels import save_labels

    folder, exact = clip
    b = exact.skeleton.keypoints[1]
    exact.skeleton = Skeleton(("[bold]", *exact.skeleton.keypoints[1:]))  # no markup
    labels = refined(SyntheticVideo(sample("constant", frames=40)), exact, f5=("[bold]", b), f12=(b,))
    save_labels(labels, tmp_path / "refined.json")
    app = typer.Typer()
    app.command()(select)
    arguments = [str(folder), "-n", "3", "-r", "6", "-l", str(tmp_path / "refined.json")]
    done = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / "next.json")])
    assert done.exit_code == 0, done.output
    assert "flow and appearance disagree on" in done.output
    lines = [line.split() for line in done.output.splitlines()]
    lines = lines[lines.index(["frame", "time", "uncertainty", "flow", "and", "appearance", "disagree", "on"]) :]
    assert lines[1][:4] == ["5", "0.20", "s", "0.30"] and lines[1][4:] == ["[bold],", b]
    assert lines[2][0] == "12" and lines[2][4:] == [b] and len(lines[3]) == 4
    assert "note: 2 frames hold points where flow and appearance disagree; among the chosen: 2" in done.output
    told = json.loads((tmp_path / "next.json").read_text())
    assert [row["disputed"] for row in told["frames"]] == [["[bold]", b], [b], []]
    assert told["frames"][0]["frame"] == 5 and told["frames"][1]["frame"] == 12


def test_the_command(tmp_path: Path, clip: tuple[Path, LabelSet]) -> None:
    import typer
    from typer.testing import CliRunner

    from poof.cli.select import select
    from poof.labels import save_labels

    folder, exact = clip
    some = exact.replace(instances={key: p for key, p in exact.instances.items() if key[0] in (0, 8, 39)})
    save_labels(some, tmp_path / "gt.json")
    app = typer.Typer()
    app.command()(select)
    done = CliRunner().invoke(
        app, [str(folder), "-n", "2", "-l", str(tmp_path / "gt.json"), "--sheet", str(tmp_path / "next.png")]
    )
    assert done.exit_code == 0, done.output
    assert "uncertainty" in done.output and "not propagated" in done.output and "disagree" not in done.output
    assert (tmp_path / "next.png").is_file()

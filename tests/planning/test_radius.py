"""`poof radius` on clips whose drift is known by construction, on hand-made errors, and on a real clip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poof.cli.common import jsonable
from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.flow.cache import CachedFlow
from poof.flow.registry import create_flow
from poof.labels.model import LabelSet, Points, Skeleton, Visible
from poof.planning.chain_errors import ChainErrors, measure_chain_errors
from poof.planning.distance_curve import largest_below, monotone
from poof.planning.radius import FEWEST_PAIRS, measure_radius, report
from poof.propagation import Settings
from poof.propagation.subject import subject_sides
from poof.synthetic import ExactFlow, SyntheticVideo, sample, truth
from poof.video import open_video
from poof.video.base import ArrayVideo, Damage, Video

WHOLE = Settings(crop=False)  # ExactFlow knows frames, not parts of them
STEP = 0.5  # pixels that the keypoints of the drift sample leave the flow by in each frame


def only(labels: LabelSet, *frames: int) -> LabelSet:
    """The labels of some frames."""
    return labels.replace(instances={key: p.copy() for key, p in labels.instances.items() if key[0] in frames})


@pytest.fixture(scope="module")
def drift(tmp_path_factory: pytest.TempPathFactory) -> tuple[Video, LabelSet, FlowEstimator, float]:
    """Video, labels of every frame, exact flow and the subject's longer side."""
    scene = sample("drift", frames=40)
    labels = truth(scene)
    sides = list(subject_sides(labels, 0).values())
    assert np.ptp(sides) < 1e-3  # all move alike: every anchor has the same unit
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])
    return video, labels, CachedFlow(ExactFlow(scene), tmp_path_factory.mktemp("flows")), sides[0]


# ------------------------------------------------------------------------------------------- drift by construction


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("expected", [3, 7, 12])
def test_the_radius_follows_from_the_drift(
    drift: tuple[Video, LabelSet, FlowEstimator, float], expected: int, every: int
) -> None:
    video, exact, flow, side = drift
    labels = only(exact, *range(0, 40, every))
    threshold = (expected + 0.5) * STEP / side
    found = measure_radius(video, labels, flow, threshold, 15, WHOLE)
    assert found.radius == found.choice == expected
    assert found.interval == (expected, expected)
    assert not found.at_least
    np.testing.assert_allclose(found.curve.error, STEP * np.arange(1, 16) / side, atol=1e-4)
    np.testing.assert_allclose(found.curve.low, found.curve.error, atol=1e-4)
    assert {name: curve.radius for name, curve in found.keypoints.items()} == dict.fromkeys(
        exact.skeleton.keypoints, expected
    )
    within = np.arange(1, 16) <= expected
    measured = found.curve.points > 0
    np.testing.assert_array_equal(measured, np.arange(1, 16) % every == 0)
    np.testing.assert_allclose(found.curve.outside[measured], (~within[measured]).astype(float))


def test_a_threshold_that_is_never_reached_gives_the_longest_measured_distance(
    drift: tuple[Video, LabelSet, FlowEstimator, float],
) -> None:
    video, exact, flow, _ = drift
    found = measure_radius(video, only(exact, 0, 4, 8, 12, 16, 20), flow, 0.5, 10, WHOLE)
    assert (found.radius, found.at_least) == (8, True)
    assert "or more" in found.message
    assert np.isnan(found.curve.error[8:]).all()


def test_a_drift_above_the_threshold_in_the_first_frame_leaves_no_radius(
    drift: tuple[Video, LabelSet, FlowEstimator, float],
) -> None:
    video, exact, flow, side = drift
    found = measure_radius(video, only(exact, *range(12)), flow, 0.5 * STEP / side, 5, WHOLE)
    assert found.radius == 0
    assert found.choice == 1
    assert found.message.startswith("no radius keeps the mean error under")


def test_slower_drift_backwards_counts_as_much_as_forwards(
    drift: tuple[Video, LabelSet, FlowEstimator, float],
) -> None:
    video, exact, flow, side = drift
    errors = measure_chain_errors(video, only(exact, 10, 16), [flow], 8, WHOLE)
    assert errors.frame.tolist() == [10, 16]
    met = np.argwhere(errors.met).tolist()
    assert met == [[0, 0, 5], [1, 1, 5]]  # 10 forward to 16, 16 backward to 10
    np.testing.assert_allclose(errors.error[errors.met], 6 * STEP / side, atol=1e-4)
    assert errors.pairs().tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


# ------------------------------------------------------------------------------------------------- too few labels


def test_a_single_label_cannot_tell_and_the_cycle_error_suggests(
    drift: tuple[Video, LabelSet, FlowEstimator, float],
) -> None:
    video, exact, flow, _ = drift
    found = measure_radius(video, only(exact, 20), flow, max_radius=6, settings=WHOLE)
    assert found.radius is None and found.interval is None and found.pairs == 0
    # Exact flow returns exactly: nothing speaks against the longest distance, and the drift goes unseen.
    assert found.cycle_radius == found.choice == 6
    assert "too few to tell" in found.message and "no pair" in found.message and "a guess" in found.message


def test_pairs_that_are_too_few_are_counted_but_not_believed(
    drift: tuple[Video, LabelSet, FlowEstimator, float],
) -> None:
    video, exact, flow, side = drift
    found = measure_radius(video, only(exact, 10, 13), flow, max_radius=6, settings=WHOLE)
    assert found.radius is None and found.pairs == 1
    assert f"{FEWEST_PAIRS} are needed" in found.message
    np.testing.assert_allclose(found.curve.error[2], 3 * STEP / side, atol=1e-4)  # shown all the same


def test_labels_too_far_apart_are_told_what_would_reach(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    video, exact, flow, _ = drift
    found = measure_radius(video, only(exact, 2, 14, 28), flow, max_radius=5, settings=WHOLE)
    assert found.radius is None
    assert any("--max-radius 12" in note for note in found.notes)


def test_a_radius_below_the_nearest_pair_says_that_it_is_a_straight_line(
    drift: tuple[Video, LabelSet, FlowEstimator, float],
) -> None:
    video, exact, flow, side = drift
    found = measure_radius(video, only(exact, *range(0, 40, 6)), flow, 4.5 * STEP / side, 12, WHOLE)
    assert found.radius == 4
    assert any("closer than 6 frames" in note for note in found.notes)


# ----------------------------------------------------------------------------------------- what counts, what does not


def test_nothing_is_carried_across_a_cut() -> None:
    before, after = (sample("constant", seed=seed, velocity=(1.0, 0.5), frames=10) for seed in (0, 5))
    images = [scene.image(number) for scene in (before, after) for number in range(10)]
    labels = only(truth(before), 6, 8)
    for frame in (1, 3):
        labels.add(10 + frame, 0, Points.human(10 + frame, truth(after).instances[frame, 0].xy))
    errors = measure_chain_errors(ArrayVideo(images), labels, [create_flow("dis")], 8, Settings())
    assert errors.cuts == [10]
    met = {(int(errors.frame[s]), int((1, -1)[w] * (d + 1))) for s, w, d in np.argwhere(errors.met)}
    assert met == {(6, 2), (8, -2), (11, 2), (13, -2)}
    assert np.isfinite(errors.cycle[1, 0, 0]).all()  # 8 to 9
    assert np.isnan(errors.cycle[1, 0, 1:]).all()  # and no farther


def test_a_chain_that_left_the_image_counts_with_its_last_place() -> None:
    scene = sample("constant", velocity=(6.0, 0.0), frames=20)
    exact = truth(scene)
    start = exact.instances[0, 0].xy.astype(float)
    k = int(start[:, 0].argmax())
    alone = np.full_like(start, np.nan)
    alone[k] = start[k]
    stays = np.full_like(start, np.nan)
    stays[k] = 150.0, start[k, 1] + 3
    labels = LabelSet(exact.skeleton, image_size=exact.image_size)
    labels.add(0, 0, Points.human(0, alone.astype(np.float32), box=np.array([0, 0, 50, 20])))
    labels.add(19, 0, Points.human(19, stays.astype(np.float32), box=np.array([0, 0, 50, 20])))
    assert start[k, 0] + 6 * 19 > scene.size[0]
    errors = measure_chain_errors(SyntheticVideo(scene), labels, [ExactFlow(scene)], 19, WHOLE)
    inside = int((scene.size[0] - 0.5 - start[k, 0]) // 6)
    last = start[k] + [6.0 * inside, 0]
    assert errors.error[0, 0, 18, k] == pytest.approx(np.hypot(*(last - stays[k])) / 50, abs=1e-3)


def test_guessed_places_of_hidden_keypoints_are_no_measure(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    video, exact, flow, _ = drift
    labels = only(exact, 5, 8, 11)
    labels.instances[8, 0].visible[2] = Visible.OCCLUDED
    errors = measure_chain_errors(video, labels, [flow], 6, WHOLE)
    of = {int(frame): index for index, frame in enumerate(errors.frame)}
    assert np.isnan(errors.error[of[8], :, :, 2]).all()  # neither from it
    assert np.isnan(errors.error[of[5], 0, 2, 2])  # nor to it
    assert np.isfinite(errors.error[of[5], 0, 5, 2])  # the two beside it count
    assert np.isfinite(errors.error[of[5], 0, 2, [0, 1, 3]]).all()


def test_only_what_a_person_set_counts(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    from poof.propagation import propagate

    video, exact, flow, _ = drift
    some = only(exact, 5, 15)
    carried = propagate(video, some, flow, Settings(10, crop=False))
    assert len(carried.frames) > 20
    a, b = (measure_radius(video, labels, flow, max_radius=12, settings=WHOLE) for labels in (some, carried))
    assert jsonable(a.as_dict()) == jsonable(b.as_dict())


def test_subjects_without_identities_are_linked_first(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    video, exact, flow, _ = drift
    skeleton = Skeleton(("a", "b", "c", "d"))
    named, swapped = (LabelSet(skeleton, image_size=exact.image_size, tracked=t) for t in (True, False))
    for frame in range(0, 30, 4):
        xy = exact.instances[frame, 0].xy
        for number, part in enumerate((xy[:4], xy[4:])):
            named.add(frame, number, Points.human(frame, part))
            swapped.add(frame, (number + frame // 4) % 2, Points.human(frame, part))
    a, b = (measure_radius(video, labels, flow, 0.05, 8, WHOLE) for labels in (named, swapped))
    assert a.pairs == b.pairs == 2 * (7 + 6)
    np.testing.assert_allclose(b.curve.error, a.curve.error, atol=1e-6)


def test_labels_behind_damage_do_not_count(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    video, exact, flow, side = drift

    class Broken(ArrayVideo):
        def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
            yield from super().frames(start, 20 if stop is None else min(stop, 20))
            if stop is None or stop > 20:
                self.damage = Damage(20, "truncated")

    broken = Broken([image for _, image in video.frames()])
    found = measure_radius(broken, only(exact, *range(0, 40, 3)), flow, max_radius=6, settings=WHOLE)
    assert found.pairs == 6 + 5  # of frames 0, 3, ... 18
    np.testing.assert_allclose(found.curve.error[5], 6 * STEP / side, atol=1e-4)
    assert any("damaged from frame 20" in note for note in found.notes)


class Counted(ArrayVideo):
    """Counts the passes and the frames it gave."""

    passes = given = 0

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        self.passes += 1
        for item in super().frames(start, stop):
            self.given += 1
            yield item


def test_the_video_is_read_once(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    video, exact, flow, _ = drift
    counted = Counted([image for _, image in video.frames()])
    a = measure_radius(counted, exact, flow, max_radius=10, settings=WHOLE)
    assert counted.passes == 1 and counted.given <= 40
    b = measure_radius(video, exact, flow, max_radius=10, settings=WHOLE)
    assert json.dumps(jsonable(a.as_dict())) == json.dumps(jsonable(b.as_dict()))  # and the result is determined


# --------------------------------------------------------------------------------------------------- curve and interval


def test_monotone_by_hand() -> None:
    # Means 1, 3, 2, -, 6 of 1, 1, 3, 0, 1 points: 3 and 2 pool to (3 + 3*2) / 4; distance 4 lies half-way to 6.
    fitted = monotone(np.array([1, 3, 6, 0, 6, 0.0]), np.array([1, 1, 3, 0, 1, 0.0]))
    np.testing.assert_allclose(fitted[:5], [1, 2.25, 2.25, 4.125, 6])
    assert np.isnan(fitted[5])
    # The first measured distance is 2: distance 1 lies on the line from 0.
    np.testing.assert_allclose(monotone(np.array([0, 8.0]), np.array([0, 2.0])), [2, 4])
    assert np.isnan(monotone(np.zeros(3), np.zeros(3))).all()


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 5)), min_size=1, max_size=12))
def test_monotone_never_falls_and_keeps_the_mean(rows: list[tuple[float, int]]) -> None:
    means, count = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)
    fitted = monotone(means * count, count)
    known = np.isfinite(fitted)
    assert known.sum() == (np.flatnonzero(count)[-1] + 1 if count.any() else 0)
    assert (np.diff(fitted[known]) >= -1e-9).all()
    has = count > 0
    np.testing.assert_allclose((fitted[has] * count[has]).sum(), (means * count).sum(), atol=1e-6)
    radius = largest_below(fitted, 5.0)
    if radius:
        assert fitted[radius - 1] <= 5.00001
    if radius is not None and radius < known.sum():
        assert fitted[radius] > 5.0


def errors_of(rates: np.ndarray, reach: int = 20) -> tuple[ChainErrors, LabelSet]:
    """Anchors that each drift at a rate of their own, met at every distance, both ways; one keypoint."""
    error = np.broadcast_to(
        rates[:, None, None, None] * np.arange(1, reach + 1)[None, None, :, None], (len(rates), 2, reach, 1)
    ).copy()
    frames = 100 * np.arange(len(rates))
    labels = LabelSet(Skeleton(("nose",)))
    return ChainErrors(frames, np.zeros(len(rates), int), error, error / 8), labels


def test_the_interval_holds_what_anchors_differ_by() -> None:
    rng = np.random.default_rng(3)
    rates = rng.uniform(0.002, 0.008, 30)
    found = report(*errors_of(rates))
    assert found.radius == int(0.05 / rates.mean())
    assert found.interval is not None
    low, high = found.interval
    assert low < found.radius < high
    # The standard error of the mean rate is known: the interval must be about +-1.96 of it.
    spread = 1.96 * rates.std() / np.sqrt(len(rates))
    np.testing.assert_allclose(found.curve.low[9], 10 * (rates.mean() - spread), rtol=0.03)
    np.testing.assert_allclose(found.curve.high[9], 10 * (rates.mean() + spread), rtol=0.03)
    again = report(*errors_of(rates))
    assert again.interval == found.interval
    alike = report(*errors_of(np.full(30, 0.004)))
    assert alike.interval == (12, 12)


def test_the_cycle_error_suggests_a_radius_by_its_usual_share() -> None:
    # Error 0.004 a frame, cycle error an eighth of it: 4 * 0.0005 * 25 frames are 5 %, beyond the reach of 20.
    assert report(*errors_of(np.full(8, 0.004))).cycle_radius == 20
    assert report(*errors_of(np.full(8, 0.01))).cycle_radius == 10
    errors, labels = errors_of(np.full(8, 0.01))
    np.testing.assert_allclose(report(errors, labels).guess, 0.005 * np.arange(1, 21))
    errors.cycle[:, :, 15:] = np.nan  # no chain came that far
    assert np.isnan(report(errors, labels).guess[15:]).all()
    errors.cycle[:] = np.nan
    assert report(errors, labels).cycle_radius is None


def test_a_keypoint_that_fails_early_is_named() -> None:
    good, _ = errors_of(np.full(10, 0.004))
    bad = np.concatenate([good.error, good.error, 4 * good.error], axis=3)
    labels = LabelSet(Skeleton(("nose", "tail", "paw")))
    found = report(ChainErrors(good.frame, good.instance, bad, bad / 8), labels)
    assert found.radius == 6  # the mean rate is 0.008
    assert {name: curve.radius for name, curve in found.keypoints.items()} == {"nose": 12, "tail": 12, "paw": 3}
    assert not any("less than half" in note for note in found.notes)
    bad[..., 2] *= 1.01
    found = report(ChainErrors(good.frame, good.instance, bad, bad / 8), labels)
    assert any("paw 3" in note for note in found.notes) == (found.keypoints["paw"].radius < found.radius / 2)


def test_pairs_are_counted_once_for_both_ways_and_for_each_subject() -> None:
    error = np.full((3, 2, 4, 1), np.nan)
    error[0, 0, 2] = error[1, 1, 2] = 0.1  # frames 10 and 13 of subject 0, both ways
    error[2, 0, 2] = 0.2  # the same frames of subject 1
    errors = ChainErrors(np.array([10, 13, 10]), np.array([0, 0, 1]), error, error)
    assert errors.pairs().tolist() == [0, 0, 2, 0]


# ------------------------------------------------------------------------------------------------ errors and commands


def test_what_makes_no_sense_is_refused(drift: tuple[Video, LabelSet, FlowEstimator, float]) -> None:
    video, exact, flow, _ = drift
    with pytest.raises(PoofError, match=r"--threshold 5: .*0.05"):
        measure_radius(video, exact, flow, threshold=5)
    with pytest.raises(PoofError, match="--max-radius 0"):
        measure_radius(video, exact, flow, max_radius=0)
    with pytest.raises(PoofError, match="no point that a person set"):
        measure_radius(video, exact.replace(instances={}), flow)
    beyond = only(exact, 30, 35)
    beyond.instances[60, 0] = beyond.instances.pop((35, 0))
    with pytest.raises(PoofError, match="ends at frame 39, the labels name frame 60"):
        measure_radius(video, beyond, flow, max_radius=40, settings=WHOLE)


@pytest.mark.slow  # quick: the clips whose drift is known
def test_a_real_clip(data: Path) -> None:
    table = pd.read_csv(data / "dlc-reaching" / "labels_video_416x374.csv")
    table = table[(table.visible > 0) & (table.frame < 40)]
    names = tuple(dict.fromkeys(table.keypoint))
    labels = LabelSet(Skeleton(names), image_size=(416, 374))
    for frame, rows in table.groupby("frame"):
        xy = np.full((len(names), 2), np.nan, np.float32)
        for row in rows.itertuples():
            xy[names.index(row.keypoint)] = row.x, row.y
        labels.add(int(frame), 0, Points.human(int(frame), xy))
    video = open_video(data / "dlc-reaching" / "vid.avi")
    found = measure_radius(video, labels, create_flow("dis"), max_radius=8)
    assert found.pairs >= FEWEST_PAIRS
    error = found.curve.error[np.isfinite(found.curve.error)]
    assert 0.003 < error[0] < 0.1 and error[-1] < 0.5
    assert (found.curve.low <= found.curve.error + 1e-9)[: len(error)].all()
    assert (found.curve.error <= found.curve.high + 1e-9)[: len(error)].all()
    assert found.cycle_radius is not None and 0 <= found.cycle_radius <= 8


def test_the_command(drift: tuple[Video, LabelSet, FlowEstimator, float], tmp_path: Path) -> None:
    import typer
    from PIL import Image
    from typer.testing import CliRunner

    from poof.cli.radius import radius
    from poof.labels import save_labels

    video, exact, _, _ = drift
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, image in video.frames(0, 16):
        Image.fromarray(image).save(folder / f"{number:03d}.png")
    save_labels(only(exact, 2, 5, 8, 11, 14), tmp_path / "gt.json")
    app = typer.Typer()
    app.command()(radius)
    outputs = [tmp_path / name for name in ("curve.png", "curve.csv", "curve.json")]
    arguments = [str(folder), "--labels", str(tmp_path / "gt.json"), "--flow", "dis", "--max-radius", "6", "-t", "0.1"]
    for flag, path in zip(("--plot", "--csv", "--json"), outputs):
        arguments += [flag, str(path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "radius 6 or more" in done.output and "95 % interval" in done.output
    assert outputs[0].stat().st_size > 5000
    told = json.loads(outputs[2].read_text())
    assert told["radius"] == 6 and told["pairs"] == 7 and told["at_least"] is True
    table = pd.read_csv(outputs[1], keep_default_na=False)
    assert set(table.keypoint) == {"", *exact.skeleton.keypoints}
    outputs[1].write_text("mine")
    assert isinstance(CliRunner().invoke(app, arguments).exception, PoofError)
    outputs[1].unlink()
    save_labels(only(exact, 8), tmp_path / "gt.json", force=True)
    done = CliRunner().invoke(app, [*arguments, "--force"])
    assert done.exit_code == 0, done.output
    assert "too few to tell" in done.output and "a guess" in done.output
    assert json.loads(outputs[2].read_text())["radius"] is None

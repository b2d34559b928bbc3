"""`evaluate` on label sets whose numbers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.errors import PoofError, PoofWarning
from poof.evaluation import evaluate as plain_evaluate
from poof.evaluation.evaluate import parse_size, parse_thresholds
from poof.evaluation.report import Report
from poof.labels.model import LabelSet, Points, Skeleton, Source

evaluate = partial(plain_evaluate, metric="thesis", frame="crop")  # what most numbers here were worked out in

NAN = float("nan")
Make = Callable[..., LabelSet]
# A box of 30x40 is 37.5x50 with its margin, 3:4 already, so that a px of the video is 5.12 px of the 256x192 crop.
CORNERS = np.array([[100.0, 100.0], [130.0, 140.0]])
CROP = 5.12


def moved(by: list) -> np.ndarray:
    """The corners, moved by (2,) for all or (2, 2) for each."""
    return CORNERS + np.asarray(by, float)


def whole(report: Report, prediction: str | None = None) -> dict[str, float]:
    """The row of all points."""
    table = report.table[report.table.group == "all"]
    return table[table.prediction == (prediction or report.names[0])].iloc[0].to_dict()


def test_the_thesis_measures_in_the_crop_and_strictly(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS})
    # Errors (|dx| + |dy|) / 2 of 1.5 and 4 px: 7.68 and 20.48 px of the crop.
    report = evaluate(machine({(0, 0): moved([[1, -2], [8, 0]])}), truth)
    row = whole(report)
    assert [row[f"acc@{t}"] for t in (5, 10, 20, 30)] == [0.0, 0.5, 0.5, 1.0]
    assert report.unit == "px of the 256x192 crop"
    assert row["mean"] == pytest.approx((np.sqrt(5) + 8) / 2)  # Euclidean px of the video
    exact = evaluate(machine({(0, 0): moved([[0, 0], [8, 0]])}), truth, [4 * CROP], frame="crop")
    assert whole(exact)[f"acc@{4 * CROP:g}"] == 0.5  # at exactly the threshold it is wrong


def test_raw_pixels_and_euclidean_error_on_request(people: Make, machine: Make) -> None:
    truth, prediction = people({(0, 0): CORNERS}), machine({(0, 0): moved([[3, 4], [0, 0]])})
    assert whole(evaluate(prediction, truth, [3.5], frame="image"))["acc@3.5"] == 0.5
    assert whole(evaluate(prediction, truth, [3.6], frame="image"))["acc@3.6"] == 1.0
    assert whole(evaluate(prediction, truth, [5.0], metric="l2", frame="image"))["acc@5"] == 0.5
    assert whole(evaluate(prediction, truth, [5.1], metric="l2", frame="image"))["acc@5.1"] == 1.0
    assert whole(evaluate(prediction, truth, [25.5], metric="l2"))["acc@25.5"] == 0.5  # 5 px are 25.6 px of the crop


def test_the_files_box_goes_before_the_extent_of_the_points(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS}, boxes={(0, 0): [0, 0, 300, 400]})  # ten times as large
    report = evaluate(machine({(0, 0): moved([8, 0])}), truth, [2.0, 2.1])
    assert report.points["prediction"].score.tolist() == pytest.approx([4 * 0.512] * 2)
    assert [whole(report)[k] for k in ("acc@2", "acc@2.1")] == [0.0, 1.0]


def test_pck_by_box_torso_head_and_reference(people: Make, machine: Make) -> None:
    names = ("left_shoulder", "right_hip", "neck", "head")
    xy = np.array([[0, 0], [30, 40], [0, 10], [0, 22]], float)  # box side 40, torso 50, head 12
    truth = people({(0, 0): xy}, names)
    prediction = machine({(0, 0): np.add(xy, [[4, 0], [4.5, 0], [1.1, 0], [0, 0]])}, names)
    share = {
        metric: evaluate(prediction, truth, [0.1], metric=metric).points["prediction"].score.to_numpy()
        for metric in ("pck-box", "pck-torso", "pck-head")
    }
    error = np.array([4, 4.5, 1.1, 0])
    np.testing.assert_allclose(share["pck-box"], error / 40, rtol=1e-6)
    np.testing.assert_allclose(share["pck-torso"], error / 50, rtol=1e-6)
    np.testing.assert_allclose(share["pck-head"], error / 12, rtol=1e-6)
    assert whole(evaluate(prediction, truth, [0.1], metric="pck-box"))["acc@0.1"] == 0.5  # 4 is not below 4
    report = evaluate(prediction, truth, metric="pck-reference", reference=["neck", "left_shoulder"])
    np.testing.assert_allclose(report.points["prediction"].score, error / 10, rtol=1e-6)
    assert report.thresholds == (0.05, 0.1, 0.2, 0.5)
    assert report.main_threshold == 0.2
    assert report.unit == "of neck - left_shoulder"


def test_points_without_a_normaliser_are_not_judged_and_counted(people: Make, machine: Make) -> None:
    names = ("left_shoulder", "right_hip", "tail")
    truth = people({(0, 0): [[0, 0], [30, 40], [5, 5]], (1, 0): [[0, 0], [NAN, NAN], [5, 5]]}, names)
    prediction = machine({(0, 0): [[0, 0], [30, 40], [5, 5]], (1, 0): [[0, 0], [0, 0], [5, 5]]}, names)
    report = evaluate(prediction, truth, metric="pck-torso")
    assert whole(report)["acc@0.1"] == 1.0
    assert whole(report)["points"] == 5
    assert "2 points have no size" in report.notes[0]
    truth = people({(1, 0): [[0, 0], [NAN, NAN], [5, 5]]}, names)
    with pytest.raises(PoofError, match="no labelled instance has the size that pck-torso needs"):
        evaluate(prediction, truth, metric="pck-torso")


def test_a_single_point_has_no_crop_and_says_so(people: Make, machine: Make) -> None:
    truth, prediction = people({(0, 0): [[5, 5]]}, ("ball",)), machine({(0, 0): [[6, 5]]}, ("ball",))
    with pytest.raises(PoofError, match="no crop to measure in; take --frame image"):
        evaluate(prediction, truth)
    assert whole(evaluate(prediction, truth, frame="image"))["acc@5"] == 1.0


def test_missing_predictions_are_wrong_and_show_in_the_coverage(people: Make, machine: Make) -> None:
    truth = people({(f, 0): CORNERS for f in range(4)})
    prediction = machine({(0, 0): CORNERS, (1, 0): [[100, 100], [NAN, NAN]]})
    row = whole(evaluate(prediction, truth))
    assert row["coverage"] == 3 / 8
    assert row["acc@30"] == 3 / 8
    assert row["mean"] == 0.0  # of what was predicted
    assert row["pck@0.2"] == 3 / 8
    report = evaluate(prediction, truth)
    assert report.points["prediction"].source.tolist().count("missing") == 5
    assert "prediction: nothing was predicted in 2 of 4 labelled frames; they count as wrong" in report.notes


def test_occluded_truth_counts_unless_asked_otherwise(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS}, visible={(0, 0): [2, 1]})
    prediction = machine({(0, 0): moved([[0, 0], [500, 0]])})
    assert whole(evaluate(prediction, truth))["acc@20"] == 0.5
    seen = evaluate(prediction, truth, occluded="ignore")
    assert (whole(seen)["points"], whole(seen)["acc@20"]) == (1, 1.0)
    assert seen.notes[0] == "1 occluded points are not judged"
    assert seen.points["prediction"].unit[0] == pytest.approx(CROP)  # the crop is that of the whole subject
    # So is the area that OKS is measured by, though one point is left to judge.
    apart = evaluate(machine({(0, 0): moved([1, 0])}), truth, occluded="ignore")
    assert apart.truth["video"].instances[0, 0].box.tolist() == [100, 100, 30, 40]
    assert apart.oks().AP[0] == 1.0
    hidden = evaluate(prediction, truth, occluded="only")
    assert (whole(hidden)["points"], whole(hidden)["acc@20"]) == (1, 0.0)
    with pytest.raises(PoofError, match="nothing is left to judge: 2 visible points do not count"):
        evaluate(prediction, people({(0, 0): CORNERS}), occluded="only")


def test_labels_outside_the_image_and_unlabelled_points_are_never_judged(people: Make, machine: Make) -> None:
    truth = people(
        {(0, 0): [*CORNERS.tolist(), [NAN, NAN], [9, 9]]}, ("a", "b", "c", "d"), visible={(0, 0): [2, 2, 0, 0]}
    )
    report = evaluate(machine({(0, 0): np.zeros((4, 2))}, ("a", "b", "c", "d")), truth)
    assert report.points["prediction"].keypoint.tolist() == ["a", "b"]
    assert report.points["prediction"].unit[0] == pytest.approx(CROP)


def test_a_persons_points_in_a_prediction_prove_nothing(people: Make, machine: Make) -> None:
    truth = people({(f, 0): CORNERS for f in range(5)})
    carried = machine({(f, 0): CORNERS + 100 * (f != 2) for f in range(5)}, anchors=(2,))
    report = evaluate(carried, truth)
    assert whole(report)["points"] == 8
    assert whole(report)["acc@30"] == 0.0
    assert report.notes[0] == "2 points that a person set in a prediction's file are not judged"
    assert whole(evaluate(carried, truth, score_anchors=True))["acc@30"] == 0.2
    # The same points are left out for a prediction beside it, so that both are judged by the same ones.
    other = machine({(f, 0): CORNERS for f in range(5)})
    both = evaluate({"carried": carried, "other": other}, truth)
    assert [whole(both, n)["points"] for n in both.names] == [8, 8]
    # A file in which all is a person's keeps no provenance.
    assert whole(evaluate(people({(f, 0): CORNERS for f in range(5)}), truth))["points"] == 10


def test_only_people_make_truth(people: Make, machine: Make) -> None:
    mixed = machine({(f, 0): CORNERS for f in range(5)}, anchors=(2,))
    prediction = machine({(f, 0): CORNERS for f in range(5)})
    with pytest.warns(PoofWarning, match="the labels: 8 of 10 points were not set by a person"):
        report = evaluate(prediction, mixed)
    assert set(report.points["prediction"].frame) == {2}
    assert report.as_dict()["notes"][0].startswith("the labels: 8 of 10")
    with pytest.warns(PoofWarning, match="no point was set by a person"):
        report = evaluate(prediction, machine({(f, 0): CORNERS for f in range(5)}))
    assert whole(report)["points"] == 10


def test_by_source_and_by_distance_to_the_anchor(people: Make, machine: Make) -> None:
    truth = people({(f, 0): CORNERS for f in range(31)})
    prediction = machine({(f, 0): CORNERS + 2.0 * f for f in range(30)}, anchors=(0,))
    for points in (prediction.instances[f, 0] for f in range(12, 30)):
        points.source[:] = Source.REFINED
    table = evaluate(prediction, truth).table
    distance = table[table.group == "distance"].set_index("name")
    assert distance.points.to_dict() == {"1-2": 4, "3-5": 6, "6-10": 10, "11-20": 20, "over 20": 20}
    assert distance.loc["1-2", "mean"] == pytest.approx(np.sqrt(8) * 1.5)
    assert distance.loc["over 20", "coverage"] == 0.9  # frame 30 was not predicted, and is as far as it is
    source = table[table.group == "source"].set_index("name")
    assert source.points.to_dict() == {"missing": 2, "propagated": 22, "refined": 36}
    assert source.loc["missing", "acc@30"] == 0


def test_per_joint_and_its_mean(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS, (1, 0): CORNERS, (2, 0): [CORNERS[0], [NAN, NAN]]}, boxes={
        (f, 0): [100, 100, 30, 40] for f in range(3)})  # fmt: skip
    prediction = machine({(f, 0): moved([[0, 0], [0, 100 * f]]) for f in range(3)})
    table = evaluate(prediction, truth).table
    joints = table[table.group == "joint"].set_index("name")
    assert joints["acc@20"].to_dict() == {"a": 1.0, "b": 0.5}
    assert joints.points.to_dict() == {"a": 3, "b": 2}
    assert (
        table[table.group == "mean of joints"].iloc[0]["acc@20"] == 0.75
    )  # as the thesis' Table 3.4; of all points 0.8
    assert table[table.group == "all"].iloc[0]["acc@20"] == 0.8


def test_several_videos_and_several_predictions(people: Make, machine: Make) -> None:
    truth = {"v": people({(0, 0): CORNERS}), "w": people({(7, 0): CORNERS, (8, 0): CORNERS})}
    good = {v: machine(dict.fromkeys(labels.instances, CORNERS)) for v, labels in truth.items()}
    bad = {v: machine(dict.fromkeys(labels.instances, CORNERS + 90)) for v, labels in truth.items()}
    mixed = {"v": good["v"], "w": bad["w"]}
    report = evaluate({"good": good, "mixed": mixed}, truth)
    assert whole(report, "good")["acc@20"] == 1.0
    assert whole(report, "mixed")["acc@20"] == pytest.approx(1 / 3)
    videos = report.table[(report.table.group == "video") & (report.table.prediction == "mixed")]
    assert videos.set_index("name")["acc@20"].to_dict() == {"v": 1.0, "w": 0.0}
    alone = evaluate(mixed, truth)
    assert whole(alone)["acc@20"] == pytest.approx(1 / 3)
    with pytest.raises(PoofError, match="half: has no prediction for the video w"):
        evaluate({"half": {"v": good["v"]}}, truth)
    assert report.oks().set_index("prediction").AP.to_dict() == pytest.approx({"good": 1.0, "mixed": 34 / 101})


def test_rows_of_all_predictions_are_the_same_points(people: Make, machine: Make) -> None:
    truth = people({(f, i): CORNERS + 200 * i for f in range(3) for i in range(2)})
    left = machine({(f, 1 - i): CORNERS + 200 * i for f in range(3) for i in range(2)}, tracked=False)
    right = machine({(1, 0): CORNERS})
    report = evaluate({"left": left, "right": right}, truth)
    keys = ["video", "frame", "instance", "keypoint", "x", "y", "unit"]
    assert report.points["left"][keys].equals(report.points["right"][keys])
    assert whole(report, "left")["acc@5"] == 1.0
    assert whole(report, "right")["acc@5"] == 2 / 12
    assert whole(evaluate(left, truth, match="id"))["acc@5"] == 0.0


def test_surplus_instances_are_told(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS})
    prediction = machine({(0, 0): CORNERS, (0, 1): CORNERS + 100, (5, 1): CORNERS}, tracked=False)
    report = evaluate(prediction, truth)
    assert report.notes[-1] == "prediction: 1 predicted instances are no labelled one; only OKS counts them as false"


def test_other_skeletons_are_matched_by_name(people: Make, machine: Make) -> None:
    truth = people({(0, 0): [*CORNERS.tolist(), [110, 110]]}, ("left_eye", "tail", "nose"))
    prediction = machine({(0, 0): [[110, 110], [100, 100], [0, 0]]}, ("Nose", "LeftEye", "paw"))
    with pytest.warns(PoofWarning, match="prediction: has no tail; judged by the 2 keypoints shared"):
        report = evaluate(prediction, truth)
    assert report.keypoints == ("left_eye", "nose")
    assert whole(report)["acc@5"] == 1.0
    with pytest.raises(PoofError, match=r"no keypoint in common with the labels \(x, y against left_eye, tail, nose\)"):
        evaluate(machine({(0, 0): CORNERS}, ("x", "y")), truth)


@pytest.mark.filterwarnings("ignore::poof.errors.PoofWarning")
def test_two_predictions_without_a_keypoint_in_common(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS})
    sets = {"one": machine({(0, 0): CORNERS}, ("a", "z")), "two": machine({(0, 0): CORNERS}, ("b", "z"))}
    with pytest.raises(PoofError, match="no keypoint of the labels is in all predictions"):
        evaluate(sets, truth)


def test_videos_with_other_keypoints_are_refused(people: Make, machine: Make) -> None:
    truth = {"v": people({(0, 0): CORNERS}), "w": people({(0, 0): CORNERS}, ("a", "c"))}
    with pytest.raises(PoofError, match="w: its keypoints differ"):
        evaluate({v: machine({(0, 0): CORNERS}) for v in truth}, truth)
    # The order of the keypoints is free.
    truth["w"] = people({(0, 0): CORNERS[::-1]}, ("b", "a"))
    report = evaluate({v: machine({(0, 0): CORNERS}) for v in truth}, truth)
    assert whole(report)["acc@5"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": [5, -1]}, "thresholds: -1 is not a positive number"),
        ({"thresholds": [0]}, "thresholds: 0 is not a positive number"),
        ({"thresholds": [NAN]}, "thresholds: nan is not a positive number"),
        ({"thresholds": []}, "thresholds: none given"),
        ({"thresholds": [20], "metric": "pck-box"}, "20 is more than the whole normaliser"),
        ({"metric": "pckh"}, "metric: 'pckh' is not one of thesis, l2, pck-box"),
        ({"frame": "video"}, "frame: 'video' is not one of crop, image"),
        ({"occluded": "yes"}, "occluded: 'yes' is not one of score, ignore, only"),
        ({"match": "best"}, "match: 'best' is not one of auto, id, nearest"),
        ({"metric": "pck-reference"}, "go together"),
        ({"reference": ["a", "b"]}, "go together"),
        ({"metric": "pck-torso"}, "PCK by torso needs a shoulder and the opposite hip"),
    ],
)
def test_bad_options_are_one_clear_line(people: Make, machine: Make, options: dict, message: str) -> None:
    with pytest.raises(PoofError, match=message) as error:
        evaluate(machine({(0, 0): CORNERS}), people({(0, 0): CORNERS}), **options)
    assert "\n" not in str(error.value)


def test_empty_labels_and_mismatched_mappings(people: Make, machine: Make) -> None:
    prediction = machine({(0, 0): CORNERS})
    with pytest.raises(PoofError, match="the labels: no labelled points"):
        evaluate(prediction, people({(0, 0): CORNERS}, visible={(0, 0): [0, 0]}))
    truth = people({(0, 0): CORNERS})
    for wrong in ({}, {"p": prediction, "q": {"video": prediction}}):
        with pytest.raises(PoofError, match="label sets of one video, or mappings of the same videos"):
            evaluate(wrong, truth)
    with pytest.raises(PoofError, match="label sets of one video, or mappings of the same videos"):
        evaluate(prediction, {"v": truth})
    with pytest.raises(PoofError, match="p: has no prediction for the video video"):
        evaluate({"p": {"v": prediction}}, truth)


def test_texts_become_numbers() -> None:
    assert parse_thresholds("5,10, 2.5") == (5.0, 10.0, 2.5)
    with pytest.raises(PoofError, match="thresholds: 'ten' is not a number"):
        parse_thresholds("5,ten")
    assert parse_size("854x480") == (854, 480)
    for wrong in ("854", "0x3", "axb", "8,4"):
        with pytest.raises(PoofError, match="is not WIDTHxHEIGHT"):
            parse_size(wrong)


def test_thresholds_are_sorted_and_single(people: Make, machine: Make) -> None:
    report = evaluate(machine({(0, 0): CORNERS}), people({(0, 0): CORNERS}), [30, 5, 5.0, 12])
    assert report.thresholds == (5.0, 12.0, 30.0)
    assert report.main_threshold == 12.0
    assert evaluate(machine({(0, 0): CORNERS}), people({(0, 0): CORNERS})).main_threshold == 20.0


def test_delta_avg_needs_the_size_of_the_frames(people: Make, machine: Make) -> None:
    truth, prediction = people({(0, 0): CORNERS}), machine({(0, 0): moved([[5, 0], [0, 5]])})
    unknown = evaluate(prediction, truth)
    assert np.isnan(whole(unknown)["delta_avg"])
    assert "--size" in unknown.notes[0]
    known = evaluate(prediction, truth, image_size=(512, 256))  # 2.5 and 5 px
    assert whole(known)["delta_avg"] == pytest.approx((0 + 0 + 0.5 + 1 + 1) / 5)
    half_hidden = people({(0, 0): CORNERS}, visible={(0, 0): [2, 1]})  # TAP-Vid knows visible points only
    assert whole(evaluate(prediction, half_hidden, image_size=(512, 256)))["delta_avg"] == pytest.approx(3 / 5)
    in_file = machine({(0, 0): moved([[5, 0], [0, 5]])}, image_size=(512, 256))
    assert whole(evaluate(in_file, truth))["delta_avg"] == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------------ properties


def random_sets(seed: int, frames: int = 6, instances: int = 2) -> tuple[LabelSet, LabelSet]:
    """Truth with gaps and a noisy, gappy prediction of it."""
    generator = np.random.default_rng(seed)
    names = ("a", "b", "c")
    truth, prediction = LabelSet(Skeleton(names)), LabelSet(Skeleton(names))
    for frame in range(frames):
        for instance in range(instances):
            xy = generator.uniform(0, 100, (3, 2)) + 300 * instance
            noisy = xy + generator.normal(0, 5, xy.shape)
            xy[generator.random(3) < 0.2] = NAN
            noisy[generator.random(3) < 0.2] = NAN
            truth.add(frame, instance, Points.human(frame, xy, generator.integers(1, 3, 3)))
            prediction.add(frame, instance, Points.human(frame, noisy))
    return truth, prediction


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000))
def test_accuracy_grows_with_the_threshold_up_to_the_coverage(seed: int) -> None:
    truth, prediction = random_sets(seed)
    report = evaluate(prediction, truth, [1, 5, 10, 20, 1e7])
    values = [whole(report)[f"acc@{t:g}"] for t in report.thresholds]
    assert values == sorted(values)
    points = report.points["prediction"]
    sized = np.isfinite(points.unit)
    assert values[-1] == pytest.approx(np.isfinite(points.error[sized]).mean())


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000))
def test_neither_the_order_of_instances_nor_of_keypoints_matters(seed: int) -> None:
    truth, prediction = random_sets(seed)
    turned = LabelSet(Skeleton(("c", "a", "b")))
    for (frame, instance), p in reversed(list(prediction.instances.items())):
        turned.add(frame, instance, Points.human(frame, p.xy[[2, 0, 1]]))
    ours, theirs = evaluate(prediction, truth).table, evaluate(turned, truth).table
    columns = ["points", "coverage", "acc@5", "acc@10", "acc@20", "mean", "p95", "pck@0.2"]
    np.testing.assert_array_equal(ours[columns].to_numpy(float), theirs[columns].to_numpy(float))


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.floats(0.1, 8), st.floats(-500, 500))
def test_the_crop_makes_the_accuracy_independent_of_scale_and_place(seed: int, scale: float, shift: float) -> None:
    truth, prediction = random_sets(seed)

    def resized(labels: LabelSet) -> LabelSet:
        instances = {}
        for key, p in labels.instances.items():
            instances[key] = p.copy()
            instances[key].xy = (p.xy.astype(np.float64) * scale + shift).astype(np.float32)
        return labels.replace(instances=instances)

    ours = evaluate(prediction, truth).points["prediction"].score.to_numpy()
    theirs = evaluate(resized(prediction), resized(truth)).points["prediction"].score.to_numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=2e-2)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000))
def test_the_truth_itself_is_perfect(seed: int) -> None:
    truth, _ = random_sets(seed)
    report = evaluate(truth, truth)
    row = whole(report)
    assert (row["coverage"], row["p99"], row["pck@0.2"]) == (1.0, 0.0, 1.0)
    assert report.oks().AP[0] == 1.0


def test_inputs_are_left_as_they_were(people: Make, machine: Make) -> None:
    truth = people({(f, 0): CORNERS for f in range(3)}, visible={(f, 0): [2, 1] for f in range(3)})
    prediction = machine({(f, 0): CORNERS for f in range(3)}, anchors=(1,))
    before = [p.copy() for p in (*truth.instances.values(), *prediction.instances.values())]
    evaluate(prediction, truth, occluded="ignore").oks()
    for old, new in zip(before, (*truth.instances.values(), *prediction.instances.values()), strict=True):
        np.testing.assert_array_equal(old.xy, new.xy)
        np.testing.assert_array_equal(old.visible, new.visible)
        assert new.box is None


def test_the_default_is_euclidean_pixels_of_the_video_and_the_thesis_stands_beside(people: Make, machine: Make) -> None:
    truth = people({(0, 0): CORNERS})
    row = whole(plain_evaluate(machine({(0, 0): moved([[3, 4], [0, 9]])}), truth))
    assert (row["acc@5"], row["acc@10"], row["mean"], row["p50"]) == (0.0, 1.0, 7.0, 7.0)
    assert row["thesis@20"] == whole(evaluate(machine({(0, 0): moved([[3, 4], [0, 9]])}), truth))["acc@20"]


def absences(people: Make, machine: Make) -> tuple[LabelSet, LabelSet]:
    """Truth: a in all of 4 frames, b absent in the last two. Prediction: both everywhere but a in frame 1."""
    truth, prediction = people({(f, 0): CORNERS for f in range(4)}), machine({(f, 0): CORNERS for f in range(4)})
    for frame in (2, 3):
        truth.instances[frame, 0] = Points.human(frame, CORNERS, np.array([2, -1]))
        prediction.instances[frame, 0].confidence[:] = 0.9, 0.2 + 0.4 * (frame == 3)
    gone = np.array([True, False])
    prediction.instances[1, 0].put(gone, Points.empty(2))
    return truth, prediction


def test_points_where_the_labels_say_absent_are_false_positives(people: Make, machine: Make) -> None:
    truth, prediction = absences(people, machine)
    report = plain_evaluate(prediction, truth)
    row = whole(report)
    assert (row["points"], row["misses"], row["absent"], row["false_positives"]) == (6, 1, 2, 2)
    joints = report.table[report.table.group == "joint"].set_index("name")
    assert joints["false_positives"].tolist() == [0, 2] and joints["misses"].tolist() == [1, 0]
    # A confidence of .9, in float32 a little below it, is one.
    assert report.presence((0.9,))[["tp", "fp"]].to_numpy().tolist() == [[2, 0]]
    table = report.presence((0.0, 0.5, 0.7)).set_index("confidence")
    counts = table[["tp", "fn", "fp", "tn"]].to_numpy().tolist()
    assert counts[0] == [5, 1, 2, 0] and counts[1] == [5, 1, 1, 1] and counts[2][2:] == [0, 2]
    assert table.precision[0.5] == 5 / 6 and table.recall[0.5] == 5 / 6
    nothing = prediction.replace(instances={k: p.copy() for k, p in prediction.instances.items()})
    for frame in (2, 3):
        nothing.instances[frame, 0].put(np.array([False, True]), Points.empty(2))
    assert whole(plain_evaluate(nothing, truth))["false_positives"] == 0


def test_an_absence_that_the_predictions_file_has_from_a_person_is_not_judged(people: Make, machine: Make) -> None:
    truth, prediction = absences(people, machine)
    prediction.instances[2, 0].put(np.array([False, True]), Points.human(2, CORNERS, np.array([2, -1])))
    row = whole(plain_evaluate(prediction, truth))
    assert (row["absent"], row["false_positives"]) == (1, 1)


def test_frames_go_by_names_where_both_name_the_same_images_else_by_numbers(people: Make) -> None:
    by_number = {0: "img000.png", 4: "img004.png", 9: "img009.png"}
    truth = people({(f, 0): CORNERS + f for f in by_number}, frame_names=by_number)
    names = dict(enumerate(by_number.values()))
    folder = people({(n, 0): CORNERS + f for n, f in enumerate(by_number)}, frame_names=names)
    with pytest.warns(PoofWarning, match="matched by the names of 3 images"):
        row = whole(plain_evaluate(folder, truth))
    assert (row["points"], row["mean"]) == (6, 0.0)
    other = people({(f, 0): CORNERS + f for f in by_number}, frame_names={f: f"frame_{f:06}.jpg" for f in by_number})
    with pytest.warns(PoofWarning, match=r"frame_000000 and img000 for frame 0\); matched by frame number"):
        assert whole(plain_evaluate(other, truth))["mean"] == 0.0


def test_files_of_two_videos_are_told(people: Make, machine: Make) -> None:
    truth, prediction = people({(0, 0): CORNERS}), machine({(0, 0): CORNERS})
    truth.info["video"], prediction.info["video"] = "mice/top.mp4", "side.mp4"
    with pytest.warns(
        PoofWarning, match=r"^prediction: was made of side\.mp4, the labels of top\.mp4; if these are two"
    ):
        evaluate(prediction, truth)
    prediction.info["video"] = "elsewhere/Top.avi"
    evaluate(prediction, truth)  # a warning would be an error here

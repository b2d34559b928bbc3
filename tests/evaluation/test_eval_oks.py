"""Object keypoint similarity and COCO's AP against values from the formula and from counting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from poof.errors import PoofError
from poof.evaluation import oks
from poof.labels.model import LabelSet, Skeleton

NAN = float("nan")
Make = Callable[..., LabelSet]

SQUARE = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
NAMES = ("a", "b", "c", "d")
AREA = 0.53 * 100 * 100


def shift_for(similarity: float, sigma: float = oks.DEFAULT_SIGMA, area: float = AREA) -> float:
    """The distance at which OKS has a given value: exp(-d^2 / (2 area (2 sigma)^2)) solved for d."""
    return float(np.sqrt(-8 * area * sigma**2 * np.log(similarity)))


def test_similarity_follows_the_formula() -> None:
    sigmas = np.full(4, 0.05)
    there = np.ones(4, bool)
    assert oks.similarity(SQUARE, there, SQUARE, AREA, sigmas) == 1.0
    moved = np.add(SQUARE, [3.0, 4.0])
    assert oks.similarity(SQUARE, there, moved, AREA, sigmas) == pytest.approx(np.exp(-25 / (8 * AREA * 0.05**2)))
    moved[1] = NAN  # not predicted: nothing for this keypoint
    three_quarters = 0.75 * np.exp(-25 / (8 * AREA * 0.05**2))
    assert oks.similarity(SQUARE, there, moved, AREA, sigmas) == pytest.approx(three_quarters)
    there[1] = False  # not labelled: not asked for
    assert oks.similarity(SQUARE, there, moved, AREA, sigmas) == pytest.approx(np.exp(-25 / (8 * AREA * 0.05**2)))
    assert np.isnan(oks.similarity(SQUARE, np.zeros(4, bool), moved, AREA, sigmas))


def test_sigmas_by_name_by_number_and_by_mapping() -> None:
    skeleton = Skeleton(("Left Wrist", "tail"))
    np.testing.assert_allclose(oks.keypoint_sigmas(skeleton), [0.062, 0.067])
    np.testing.assert_allclose(oks.keypoint_sigmas(skeleton, 0.025), [0.025, 0.025])
    np.testing.assert_allclose(oks.keypoint_sigmas(skeleton, {"tail": 0.1}), [0.062, 0.1])
    assert pytest.approx(np.mean(list(oks.COCO_SIGMAS.values())), abs=5e-4) == oks.DEFAULT_SIGMA
    for wrong, message in ((0.0, "positive"), (NAN, "positive"), ({"nose": 0.1}, "no keypoint 'nose'")):
        with pytest.raises(PoofError, match=message):
            oks.keypoint_sigmas(skeleton, wrong)


def test_defaults_are_the_evaluators_own_for_coco() -> None:
    from faster_coco_eval.core.cocoeval import Params

    own = Params(iouType="keypoints").kpt_oks_sigmas
    np.testing.assert_allclose(oks.keypoint_sigmas(Skeleton(tuple(oks.COCO_SIGMAS))), own)


def test_area_is_a_share_of_the_box_that_never_vanishes() -> None:
    assert oks.object_area(np.array([0, 0, 10, 20])) == pytest.approx(0.53 * 200)
    assert oks.object_area(np.array([0, 0, 0, 20])) == pytest.approx(0.53 * 5 * 20)
    assert np.isnan(oks.object_area(np.array([0, 0, 0, 0])))


def test_perfect_predictions_have_ap_1(people: Make) -> None:
    truth = people({(f, i): np.add(SQUARE, [150 * i, f]) for f in range(5) for i in range(3)}, NAMES)
    result = oks.average_precision({"v": truth}, {"v": truth})
    assert result == {"AP": 1.0, "AP50": 1.0, "AP75": 1.0, "AR": 1.0, "instances": 15}


@pytest.mark.parametrize(("similarity", "reached"), [(0.99, 10), (0.88, 8), (0.72, 5), (0.52, 1), (0.48, 0)])
def test_shifted_predictions_reach_as_many_thresholds_as_their_similarity(
    people: Make, machine: Make, similarity: float, reached: int
) -> None:
    truth = people({(f, 0): SQUARE + 10 * f for f in range(4)}, NAMES)
    shifted = machine({(f, 0): SQUARE + 10 * f + [shift_for(similarity), 0] for f in range(4)}, NAMES)
    result = oks.average_precision({"v": shifted}, {"v": truth})
    assert result["AP"] == pytest.approx(reached / 10)  # thresholds 0.50, 0.55 ... 0.95
    assert result["AR"] == pytest.approx(reached / 10)
    assert result["AP50"] == float(similarity > 0.5)
    assert result["AP75"] == float(similarity > 0.75)
    # Stricter sigmas, lower AP.
    assert oks.average_precision({"v": shifted}, {"v": truth}, 0.01)["AP"] <= result["AP"]


def test_a_false_instance_that_is_surer_halves_the_precision(people: Make, machine: Make) -> None:
    truth = people({(0, 0): SQUARE}, NAMES)
    far = SQUARE + 5000
    surer = machine({(0, 0): far, (0, 1): SQUARE}, NAMES, confidence={(0, 0): 0.9, (0, 1): 0.8})
    assert oks.average_precision({"v": surer}, {"v": truth})["AP"] == pytest.approx(0.5)
    less_sure = machine({(0, 0): far, (0, 1): SQUARE}, NAMES, confidence={(0, 0): 0.1, (0, 1): 0.8})
    assert oks.average_precision({"v": less_sure}, {"v": truth})["AP"] == pytest.approx(1.0)


def test_a_missed_instance_costs_half_the_recall(people: Make, machine: Make) -> None:
    truth = people({(0, 0): SQUARE, (0, 1): SQUARE + 300}, NAMES)
    half = machine({(0, 0): SQUARE}, NAMES)
    result = oks.average_precision({"v": half}, {"v": truth})
    assert result["AP"] == pytest.approx(51 / 101)  # recalls 0.00 ... 0.50 of the 101 that COCO reads
    assert result["AR"] == pytest.approx(0.5)


def test_points_that_are_not_predicted_lower_the_similarity_but_make_no_false_instance(
    people: Make, machine: Make
) -> None:
    truth = people({(0, 0): SQUARE}, NAMES)
    three = SQUARE.copy()
    three[0] = NAN  # its true place is the image's origin, where COCO's files put what is missing
    partial = machine({(0, 0): three}, NAMES)
    assert oks.average_precision({"v": partial}, {"v": truth})["AP"] == pytest.approx(0.6)  # 0.75 reaches 0.50 ... 0.75
    none = machine({(1, 0): SQUARE}, NAMES)
    assert oks.average_precision({"v": none}, {"v": truth})["AP"] == 0.0


def test_instances_without_labelled_points_are_neither_missed_nor_false(people: Make) -> None:
    truth = people({(0, 0): SQUARE, (0, 1): SQUARE + 300}, NAMES, boxes={(0, 0): [0, 0, 100, 100],
                                                                         (0, 1): [300, 300, 100, 100]})  # fmt: skip
    both = people({(0, 0): SQUARE, (0, 1): SQUARE + 300}, NAMES)
    truth.instances[0, 1].visible[:] = 0
    result = oks.average_precision({"v": both}, {"v": truth})
    assert result["AP"] == 1.0
    assert result["instances"] == 1
    truth.instances[0, 0].visible[:] = 0
    assert np.isnan(oks.average_precision({"v": both}, {"v": truth})["AP"])


def test_an_instance_too_small_to_be_judged_makes_no_false_alarm(people: Make) -> None:
    dot = np.array([[400.0, 400.0], [NAN, NAN], [NAN, NAN], [NAN, NAN]])  # one point and no box: no area
    truth = people({(0, 0): SQUARE, (0, 1): dot}, NAMES)
    prediction = people({(0, 0): SQUARE, (0, 1): SQUARE * 0.3 + 390}, NAMES)
    result = oks.average_precision({"v": prediction}, {"v": truth})
    assert (result["AP"], result["instances"]) == (1.0, 1)
    elsewhere = people({(0, 0): SQUARE, (0, 1): SQUARE + 5000}, NAMES)
    elsewhere.instances[0, 0].confidence[:] = 0.5
    assert oks.average_precision({"v": elsewhere}, {"v": truth})["AP"] == pytest.approx(0.5)


def test_videos_do_not_mix(people: Make) -> None:
    one, two = people({(0, 0): SQUARE}, NAMES), people({(0, 0): SQUARE + 400}, NAMES)
    assert oks.average_precision({"v": one, "w": two}, {"v": one, "w": two})["AP"] == 1.0
    assert oks.average_precision({"v": two, "w": one}, {"v": one, "w": two})["AP"] == 0.0

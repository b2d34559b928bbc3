"""Keypoints by name, instances by number, name or nearness."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from poof.errors import PoofError
from poof.evaluation import matching
from poof.labels.model import LabelSet, Points, Skeleton

NAN = float("nan")
Make = Callable[..., LabelSet]
SHAPE = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 50.0]])
NAMES = ("a", "b", "c")
SIGMAS = np.full(3, 0.067)


def points(*shifts: float) -> dict[int, Points]:
    return {i: Points.human(0, SHAPE + s) for i, s in enumerate(shifts)}


def test_keypoints_are_found_by_name_whatever_the_case_and_separators() -> None:
    truth = Skeleton(("left_eye", "Tail Base", "nose"))
    theirs = Skeleton(("NOSE", "LeftEye", "ear"))
    assert matching.common_keypoints(truth, [theirs]) == ["left_eye", "nose"]
    assert matching.common_keypoints(truth, [theirs, Skeleton(("nose",))]) == ["nose"]
    # An exact name goes before a similar one.
    assert matching.common_keypoints(Skeleton(("L", "l")), [Skeleton(("l", "L"))]) == ["L", "l"]


def test_selected_keypoints_take_everything_along(people: Make) -> None:
    labels = people({(4, 1): [[1, 2], [NAN, NAN], [5, 6]]}, NAMES, visible={(4, 1): [1, 0, 2]})
    chosen = matching.select_keypoints(labels, ["C", "a"]).instances[4, 1]
    np.testing.assert_array_equal(chosen.xy, [[5, 6], [1, 2]])
    assert chosen.visible.tolist() == [2, 1]
    assert chosen.anchor.tolist() == [4, 4]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_instances_find_their_nearest_whatever_their_numbers(order: tuple[int, ...]) -> None:
    true = points(0, 40, 300)
    predicted = {order[i]: Points.human(0, true[i].xy + 3) for i in range(3)}
    assert matching.pair_instances(predicted, true, False, SIGMAS) == {i: order[i] for i in range(3)}


def test_far_predictions_are_still_told_apart_by_distance() -> None:
    # Both similarities are 0 to the last bit; the pairs with less way between them win.
    true = points(0, 1000)
    predicted = {5: Points.human(0, true[1].xy + 400), 6: Points.human(0, true[0].xy - 400)}
    assert matching.pair_instances(predicted, true, False, SIGMAS) == {0: 6, 1: 5}


def test_the_best_sum_wins_over_the_greedy_choice() -> None:
    true = points(0, 10)
    predicted = {0: Points.human(0, SHAPE + 6), 1: Points.human(0, SHAPE - 30)}
    # Prediction 0 is nearest to truth 1, and prediction 1 is left with truth 0.
    assert matching.pair_instances(predicted, true, False, SIGMAS) == {0: 1, 1: 0}


def test_more_or_fewer_predictions_than_instances() -> None:
    true = points(0, 200)
    assert matching.pair_instances(points(201), true, False, SIGMAS) == {1: 0}
    assert matching.pair_instances(points(500, 1, 201), true, False, SIGMAS) == {0: 1, 1: 2}


def test_by_number_nearness_is_no_argument() -> None:
    true, predicted = points(0, 200), points(200, 0)
    assert matching.pair_instances(predicted, true, True, SIGMAS) == {0: 0, 1: 1}
    assert matching.pair_instances(predicted, true, False, SIGMAS) == {0: 1, 1: 0}


def test_auto_takes_numbers_only_where_they_mean_something(people: Make) -> None:
    two = people({(0, 0): SHAPE, (0, 1): SHAPE}, NAMES)
    loose = people({(0, 0): SHAPE, (0, 1): SHAPE}, NAMES, tracked=False)
    other = people({(0, 7): SHAPE, (0, 8): SHAPE}, NAMES)
    single, renumbered = people({(0, 0): SHAPE}, NAMES), people({(0, 3): SHAPE}, NAMES)
    assert matching.pairs_by_id(two, two, "auto")
    assert not matching.pairs_by_id(loose, two, "auto")
    assert not matching.pairs_by_id(other, two, "auto")
    assert not matching.pairs_by_id(renumbered, single, "auto")
    assert matching.pairs_by_id(loose, two, "id")
    assert not matching.pairs_by_id(two, two, "nearest")
    found, _ = matching.predicted_columns(renumbered, single, False, SIGMAS)
    assert found.px.tolist() == [0, 20, 0]


def test_individuals_are_the_same_by_name(people: Make) -> None:
    truth = people({(0, 0): SHAPE, (0, 1): SHAPE}, NAMES, individuals={0: "Ann", 1: "Bob"})
    prediction = people({(0, 0): SHAPE + 5, (0, 1): SHAPE + 9, (0, 2): SHAPE}, NAMES,
                        individuals={0: "Bob", 1: "Ann"})  # fmt: skip
    same = matching.same_individuals(prediction, truth)
    np.testing.assert_array_equal(same.instances[0, 1].xy, SHAPE + 5)
    np.testing.assert_array_equal(same.instances[0, 0].xy, SHAPE + 9)
    assert same.instance_ids == [0, 1, 3]  # the third gets a number that nobody has
    assert same.individuals == {1: "Bob", 0: "Ann"}
    assert matching.same_individuals(people({(0, 0): SHAPE}, NAMES), truth).instance_ids == [0]


def test_the_table_has_a_row_for_every_labelled_point_and_its_prediction(people: Make, machine: Make) -> None:
    truth = people(
        {(2, 0): [[1, 2], [3, 4], [NAN, NAN]], (5, 0): [[5, 6], [7, 8], [9, 9]], (9, 0): [[1, 1], [1, 1], [1, 1]]},
        NAMES,
        visible={(2, 0): [2, 1, 0], (5, 0): [2, 2, 0], (9, 0): [0, 0, 2]},
    )
    sizes = {"unit": {(2, 0): 0.5, (5, 0): 0.25, (9, 0): 1.0}}
    table = matching.truth_table(truth, "v", sizes)
    assert table.frame.tolist() == [2, 2, 5, 5, 9]  # (5, c) stands outside the image, (9, a) and (9, b) too
    assert table.keypoint.tolist() == ["a", "b", "a", "b", "c"]
    assert table.visible.tolist() == [2, 1, 2, 2, 2]
    assert table.unit.tolist() == [0.5, 0.5, 0.25, 0.25, 1.0]
    prediction = machine(
        {(0, 0): SHAPE, (2, 0): [[1, 3], [NAN, NAN], [0, 0]], (5, 0): SHAPE, (5, 4): SHAPE}, NAMES,
        confidence=0.25, anchors=(0,),
    )  # fmt: skip
    found, surplus = matching.predicted_columns(prediction, truth, True, SIGMAS)
    assert surplus == 1  # instance 4 of frame 5
    np.testing.assert_array_equal(found.px, [1, NAN, 0, 20, NAN])
    np.testing.assert_array_equal(found.confidence, [0.25, NAN, 0.25, 0.25, NAN])
    assert found.source.tolist() == ["propagated", "missing", "propagated", "propagated", "missing"]
    assert found.distance.tolist() == [2, 2, 5, 5, 9]  # from anchor 0, for missing points too


def test_distances_are_to_the_nearest_frame_that_points_were_carried_from(people: Make, machine: Make) -> None:
    truth = people({(f, 0): SHAPE for f in range(10)}, NAMES)
    carried = machine({(f, 0): SHAPE for f in range(10)}, NAMES, anchors=(1, 8))
    found, _ = matching.predicted_columns(carried, truth, True, SIGMAS)
    assert found.distance[::3].tolist() == [1, 0, 1, 2, 3, 3, 2, 1, 0, 1]
    assert found.source[:6].tolist() == ["propagated"] * 3 + ["human"] * 3
    # A person's labels that nothing was carried from are no anchors.
    found, _ = matching.predicted_columns(people({(f, 0): SHAPE for f in range(10)}, NAMES), truth, True, SIGMAS)
    assert found.distance.isna().all()


def test_label_sets_that_cannot_belong_together_are_refused(people: Make) -> None:
    truth = people({(f, 0): SHAPE for f in (10, 20)}, NAMES, image_size=(640, 480), frame_names={10: "img10.png"})
    cases = [
        (people({(0, 0): np.full((3, 2), NAN)}, NAMES), "p: holds no points"),
        (people({(11, 0): SHAPE}, NAMES), r"no frame in common.*frames 11-11 against frames 10-20.*numbered from 0"),
        (
            people({(10, 0): SHAPE}, NAMES, image_size=(320, 240)),
            r"320x240.*640x480.*poof convert p SCALED.* --scale 2$",
        ),
        (people({(10, 0): SHAPE}, NAMES, image_size=(480, 640)), "width and height are exchanged.*turned by 90"),
    ]
    for prediction, message in cases:
        with pytest.raises(PoofError, match=message):
            matching.check_same_video(prediction, truth, "p")
    matching.check_same_video(people({(10, 0): SHAPE}, NAMES, frame_names={10: "other/img10.jpg"}), truth, "p")


def test_predictions_made_on_frames_of_another_size_are_known_by_their_factors() -> None:
    random = np.random.default_rng(3)
    true = random.uniform((100, 50), (600, 400), (40, 2))
    noisy = true + random.normal(0, 4, true.shape)
    x, y = matching.another_scale(true, (noisy + 0.5) * (2, 1.5) - 0.5) or (0, 0)
    assert (x, y) == pytest.approx((0.5, 2 / 3), rel=0.01)
    # Points that are merely far off, few, missing or of the same size tell nothing.
    assert matching.another_scale(true, noisy) is None
    assert matching.another_scale(true, random.permutation(noisy)) is None
    assert matching.another_scale(true, noisy + 80) is None
    assert matching.another_origin(true, noisy - (80, 30)) == pytest.approx((80, 30), abs=2)
    assert matching.another_origin(true, noisy + 80) is None  # no crop's points lie right of their frame's
    assert matching.another_origin(true, noisy - 20) is None and matching.another_origin(true, noisy) is None
    assert matching.another_origin(true, random.permutation(noisy) - 80) is None
    assert matching.another_origin(true[:4], noisy[:4] - 80) is None
    assert matching.another_scale(true[:4], 2 * noisy[:4]) is None
    assert matching.another_scale(true, np.full_like(true, NAN)) is None

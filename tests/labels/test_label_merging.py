"""Several label files of one video: what each says is kept, contradictions are named or decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels
from poof.labels.merging import merged

NAMES = ("nose", "tail")


def person(frames: dict[int, list[list[float]]], names: tuple[str, ...] = NAMES) -> LabelSet:
    result = LabelSet(Skeleton(names))
    for frame, xy in frames.items():
        result.add(frame, 0, Points.human(frame, np.array(xy, float)))
    return result


A = [[1.0, 2.0], [3.0, 4.0]]
NOTHING = [np.nan, np.nan]


def test_frames_and_points_of_both_are_kept_in_any_order_of_keypoints() -> None:
    one = person({0: A, 5: [[1, 1], NOTHING]})
    two = person({5: [[7, 8], NOTHING], 9: [[5, 6], [3, 4]]}, ("tail", "nose"))
    both = merged([one, two], ["a.json", "b.json"])
    assert both.frames == [0, 5, 9] and both.skeleton.keypoints == NAMES
    assert both.instances[5, 0].xy.tolist() == [[1, 1], [7, 8]]
    assert both.instances[9, 0].xy.tolist() == [[3, 4], [5, 6]]


def test_a_contradiction_is_named_and_can_be_decided() -> None:
    one, two = person({3: A}), person({3: [[1.0, 2.0], [30.0, 4.0]]})
    with pytest.raises(PoofError, match=r"frame 3: tail is \(3\.0, 4\.0\) in a\.json and \(30\.0, 4\.0\) in b\.json"):
        merged([one, two], ["a.json", "b.json"])
    for prefer, x in (("b.json", 30), ("last", 30), ("first", 3), ("a.json", 3)):
        assert merged([one, two], ["x/a.json", "b.json"], prefer).instances[3, 0].xy[1, 0] == x
    with pytest.raises(PoofError, match=r"--prefer c\.json: is none of the label files \(a\.json, b\.json\)"):
        merged([one, two], ["a.json", "b.json"], "c.json")


def test_absent_against_set_is_a_contradiction_and_an_assumed_absence_is_none() -> None:
    one = person({3: A})
    two = LabelSet(one.skeleton)
    two.add(3, 0, Points.human(3, np.array([[1.0, 2.0], NOTHING]), np.array([2, -1])))
    with pytest.raises(PoofError, match=r"tail is \(3\.0, 4\.0\) in a\.json and absent in b\.json"):
        merged([one, two], ["a.json", "b.json"])
    two.assumed_absent = {(3, 0, 1)}
    for sets in ([one, two], [two, one]):
        assert merged(sets, ["a.json", "b.json"]).instances[3, 0].xy[1].tolist() == [3, 4]


def test_a_correction_of_a_label_wins_over_the_label(tmp_path: Path) -> None:
    made = person({0: A, 1: A})
    made.instances[1, 0].source[:] = Source.PROPAGATED
    save_labels(person({0: A}), tmp_path / "gt.json")
    save_labels(made, tmp_path / "v.csv")
    table = pd.read_csv(tmp_path / "v.csv", dtype=str, keep_default_na=False)
    table.loc[0, "x"], table.loc[2, "x"] = "50", "60"  # the person's own point and a carried one
    table.to_csv(tmp_path / "v.csv", index=False)
    files = [tmp_path / "gt.json", tmp_path / "v.csv"]
    for order in (files, files[::-1]):
        both = merged([load_labels(f) for f in order], [str(f) for f in order])
        assert both.instances[0, 0].xy[0].tolist() == [50, 2] and both.instances[1, 0].xy[0].tolist() == [60, 2]
        assert str(both.changes) == "2 corrected"
        assert both.instances[1, 0].is_human.tolist() == [True, False]


def test_a_copy_in_poofs_result_gives_way_to_a_label_that_was_moved_since(tmp_path: Path) -> None:
    made = person({0: A, 1: A})
    made.instances[1, 0].source[:] = Source.PROPAGATED
    save_labels(made, tmp_path / "v.csv")
    both = merged([load_labels(tmp_path / "v.csv"), person({0: [[9.0, 9.0], [3.0, 4.0]]})], ["v.csv", "gt.json"])
    assert both.instances[0, 0].xy[0].tolist() == [9, 9]


def test_subjects_without_identities_are_matched_by_place() -> None:
    one, two = person({}), person({})
    one.tracked = two.tracked = False
    for instance, x in enumerate((0.0, 100.0)):
        one.add(0, instance, Points.human(0, np.array([[x, 0], [x + 20, 0]])))
        two.add(0, 1 - instance, Points.human(0, np.array([[x, 0], [np.nan] * 2])))
    two.add(0, 2, Points.human(0, np.array([[400.0, 0], [420, 0]])))
    both = merged([one, two], ["a", "b"])
    assert sorted(both.at(0)) == [0, 1, 2] and both.instances[0, 2].xy[0, 0] == 400


def test_other_sizes_and_other_keypoints() -> None:
    one, two = person({0: A}), person({1: A})
    one.image_size, two.image_size = (640, 480), (320, 240)
    with pytest.raises(PoofError, match=r"a and b: were made at 640x480 and 320x240"):
        merged([one, two], ["a", "b"])
    with pytest.raises(PoofError, match="b: is labelled with another skeleton"):
        merged([person({0: A}), person({1: A}, ("nose", "paw"))], ["a", "b"])
    few = merged([person({0: A}), person({1: [[7.0, 8.0]]}, ("tail",))], ["a", "b"])
    assert few.instances[1, 0].xy[1].tolist() == [7, 8] and not few.instances[1, 0].decided[0]

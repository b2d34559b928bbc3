"""What a person can do, one operation after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from label_material import FRAMES, put

from poof.errors import PoofError
from poof.labelling.document import FOREVER, Said, with_span, without
from poof.labelling.edits import OPERATIONS
from poof.labelling.session import Session
from poof.labels import Points, Source, Visible

Opened = Callable[..., Session]


def carried(session: Session, frame: int, xy: list[list[float]], confidence: float = 0.4) -> None:
    """Put points of a machine into a frame."""
    points = Points.empty(len(xy))
    points.xy[:] = xy
    points.visible[:] = Visible.VISIBLE
    points.source[:] = Source.PROPAGATED
    points.confidence[:] = confidence
    session.machine.carried[frame, 0] = points


def test_a_point_is_set_covered_and_absent(opened: Opened) -> None:
    session = opened()
    session.edit(
        [put(3, 0, 10.25, 20.5), put(3, 1, 1, 2, state=1), {"op": "set", "frame": 3, "keypoint": 2, "state": -1}]
    )
    points = session.shown(3, 0)
    assert points is not None
    assert points.xy[0].tolist() == [10.25, 20.5] and points.xy[1].tolist() == [1, 2]
    assert points.visible.tolist() == [2, 1, -1] and points.by_person.all()
    assert session.document.at(3) == {
        (0, 0): Said(10.25, 20.5, 2),
        (0, 1): Said(1.0, 2.0, 1),
        (0, 2): Said(None, None, -1),
    }


def test_covered_without_a_place_takes_the_one_that_is_shown(opened: Opened) -> None:
    session = opened()
    carried(session, 4, [[5, 6], [7, 8], [9, 10]])
    session.edit([{"op": "set", "frame": 4, "keypoint": 1, "state": 1}])
    assert session.document.at(4) == {(0, 1): Said(7.0, 8.0, 1)}
    with pytest.raises(PoofError, match="no place yet"):
        session.edit([{"op": "set", "frame": 5, "keypoint": 1, "state": 1}])


def test_clear_gives_the_point_back_to_the_machine(opened: Opened) -> None:
    session = opened()
    carried(session, 4, [[5, 6], [7, 8], [9, 10]])
    session.edit([put(4, 0, 1, 1), put(4, 1, 2, 2)])
    session.edit([{"op": "clear", "frame": 4, "keypoint": 0}])
    points = session.shown(4, 0)
    assert points is not None and points.xy.tolist() == [[5, 6], [2, 2], [9, 10]]
    assert points.by_person.tolist() == [False, True, False]
    session.edit([{"op": "clear", "frame": 4, "keypoint": None}])
    assert session.document.at(4) == {}


def test_delete_from_here_on_hides_what_machines_say_and_labels_go(opened: Opened) -> None:
    session = opened()
    for frame in (3, 6, 9):
        carried(session, frame, [[frame, 1], [frame, 2], [frame, 3]])
    session.edit([put(3, 0, 1, 1), put(8, 0, 2, 2), put(8, 1, 3, 3)])
    session.edit([{"op": "delete", "from": 6, "keypoint": 0}])
    assert session.document.hidden(0, 0) == [(6, FOREVER)]
    assert (
        (0, 0) not in session.document.at(8) and (0, 1) in session.document.at(8) and (0, 0) in session.document.at(3)
    )
    for frame, seen in ((3, True), (6, False), (9, False)):
        points = session.shown(frame, 0)
        assert points is not None and points.labelled[0] == seen and points.labelled[2]


def test_a_point_set_again_is_there_again_from_here_on(opened: Opened) -> None:
    session = opened()
    session.edit([{"op": "delete", "from": 6, "keypoint": 0}])
    session.edit([put(20, 0, 1, 1)])
    assert session.document.hidden(0, 0) == [(6, 19)]
    session.undo()
    assert session.document.hidden(0, 0) == [(6, FOREVER)] and session.document.at(20) == {}


def test_accept_makes_what_is_shown_the_persons(opened: Opened) -> None:
    session = opened()
    for frame in (3, 4):
        carried(session, frame, [[5, 6], [7, 8.1234], [9, 10]])
    session.machine.carried[3, 0].visible[2] = Visible.ABSENT
    session.machine.carried[3, 0].xy[2] = np.nan
    session.edit([put(3, 0, 1, 1)])
    session.edit([{"op": "accept", "from": 3, "to": 5}])
    assert session.document.at(3) == {
        (0, 0): Said(1.0, 1.0, 2),
        (0, 1): Said(7.0, 8.123, 2, True),
        (0, 2): Said(None, None, -1, True),
    }
    assert session.document.marked("seen") == [3, 4, 5]
    assert set(session.labels(machine=False).frames) == {3, 4}
    assert set(session.labels(machine=False, accepted=False).frames) == {3}
    session.undo()
    assert session.document.marked("seen") == [] and len(session.document.at(3)) == 1 and session.document.at(4) == {}


def test_copy_fills_what_the_person_left_open(opened: Opened) -> None:
    session = opened()
    session.edit([put(3, 0, 1, 1), {"op": "set", "frame": 3, "keypoint": 1, "state": -1}, put(4, 0, 9, 9)])
    session.edit([{"op": "copy", "frame": 4, "from": 3}])
    assert session.document.at(4) == {(0, 0): Said(9.0, 9.0, 2), (0, 1): Said(None, None, -1)}
    with pytest.raises(PoofError, match="no points to copy"):
        session.edit([{"op": "copy", "frame": 4, "from": 30}])


def test_keypoints_edges_and_subjects(opened: Opened) -> None:
    session = opened(keypoints=["left eye", "right eye"])
    session.edit([{"op": "add_keypoint", "name": " nose "}, {"op": "add_edge", "a": 0, "b": 2}])
    session.edit([{"op": "rename_keypoint", "keypoint": 2, "name": "<b>nose</b>"}, {"op": "add_subject"}])
    session.edit([{"op": "rename_subject", "subject": 1, "name": "Anna"}])
    skeleton = session.document.skeleton()
    assert skeleton.keypoints == ("left eye", "right eye", "<b>nose</b>")
    assert skeleton.edges == ((0, 2),) and skeleton.symmetry == ((0, 1),)
    session.edit([put(3, 2, 1, 1, subject=1)])
    labels = session.labels()
    assert labels.individuals == {1: "Anna"} and labels.instances.keys() == {(3, 1)}
    session.edit([{"op": "remove_edge", "a": 2, "b": 0}])
    assert session.document.edges == []


def test_points_made_before_a_keypoint_was_added_are_still_shown(opened: Opened) -> None:
    session = opened()
    carried(session, 4, [[5, 6], [7, 8], [9, 10]])
    session.edit([{"op": "add_keypoint", "name": "d"}])
    points = session.shown(4, 0)
    assert points is not None and points.labelled.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "edit, words",
    [
        ({"op": "fly"}, "no edit 'fly'"),
        ("set", "no edit 'set'"),
        (put(FRAMES, 0, 1, 1), f"no frame {FRAMES}"),
        (put(-1, 0, 1, 1), "no frame -1"),
        (put(True, 0, 1, 1), "must be a whole number"),
        (put(1, 3, 1, 1), "no keypoint 3"),
        (put(1, -1, 1, 1), "no keypoint -1"),
        (put(1, 0, float("nan"), 1), "is no place"),
        (put(1, 0, "1", 1), "is no place"),
        (put(1, 0, 1000, 1), "outside the picture"),
        (put(1, 0, 1, -2), "outside the picture"),
        (put(1, 0, 1, 1, state=5), "no state 5"),
        (put(1, 0, 1, 1, subject=4), "no subject 4"),
        ({"op": "delete", "from": 5, "to": 2, "keypoint": 0}, "earlier frame first"),
        ({"op": "accept", "from": 5, "to": 2}, "earlier frame first"),
        ({"op": "add_keypoint", "name": "a"}, "already"),
        ({"op": "add_keypoint", "name": "  "}, "needs a name"),
        ({"op": "add_keypoint", "name": "x\ny"}, "one line"),
        ({"op": "add_keypoint", "name": "x" * 200}, "one line"),
        ({"op": "add_edge", "a": 0, "b": 0}, "two different"),
    ],
)
def test_senseless_edits_are_refused_and_nothing_happens(opened: Opened, edit: object, words: str) -> None:
    session = opened()
    before = session.revision
    with pytest.raises(PoofError, match=words):
        session.edit([put(1, 1, 5, 5), edit])  # type: ignore[list-item]
    assert session.revision == before and session.document.frames == []


def test_what_changes_nothing_is_no_step(opened: Opened) -> None:
    session = opened()
    session.edit([put(1, 1, 5, 5)])
    assert session.edit([put(1, 1, 5, 5)]).step is None
    assert session.edit([{"op": "clear", "frame": 9, "keypoint": 0}]).step is None


def test_every_operation_survives_the_journal(opened: Opened) -> None:
    session = opened()
    carried(session, 4, [[5, 6], [7, 8], [9, 10]])
    for edit in (
        put(3, 0, 1, 1),
        {"op": "accept", "from": 4},
        {"op": "copy", "frame": 7, "from": 3},
        {"op": "clear", "frame": 7, "keypoint": 0},
        {"op": "delete", "from": 40, "keypoint": 1},
        {"op": "skip", "frame": 9},
        {"op": "add_keypoint", "name": "d"},
        {"op": "rename_keypoint", "keypoint": 3, "name": "ä\u202e<script>"},
        {"op": "add_edge", "a": 0, "b": 3},
        {"op": "remove_edge", "a": 0, "b": 3},
        {"op": "add_subject", "name": "x"},
        {"op": "rename_subject", "subject": 1, "name": "y"},
    ):
        assert session.edit([edit]).step is not None, edit
    kept = dict(session.document._values)
    session.close()
    again = opened(keypoints=[])
    assert again.document._values == kept
    assert set(OPERATIONS) == {
        "set", "accept", "copy", "clear", "delete", "skip", "add_keypoint", "rename_keypoint", "add_edge",
        "remove_edge", "add_subject", "rename_subject",
    }  # fmt: skip


def test_spans() -> None:
    assert with_span([(1, 3)], 4, 6) == [(1, 6)]
    assert with_span([(1, 3), (10, 12)], 5, 6) == [(1, 3), (5, 6), (10, 12)]
    assert with_span([(1, 3), (5, 9)], 2, 7) == [(1, 9)]
    assert without([(1, 9)], 3, 5) == [(1, 2), (6, 9)]
    assert without([(1, 9)], 0, 20) == []

"""Undo and redo as steps of their own: by several people, across restarts, in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_material import put

from poof.labelling.journal import Journal
from poof.labelling.session import Conflict, NothingToDo, Session
from poof.video import open_video

Opened = Callable[..., Session]


def values(session: Session) -> dict:  # type: ignore[type-arg]
    return dict(session.document._values)


def test_undo_and_redo_are_steps_with_revisions(opened: Opened) -> None:
    session = opened()
    start = session.revision
    session.edit([put(1, 0, 1, 1)], "me")
    before = values(session)
    session.edit([put(1, 0, 2, 2), put(2, 0, 3, 3)], "me")
    after = values(session)
    assert session.undo("me").step.revision == start + 3  # type: ignore[union-attr]
    assert values(session) == before
    assert session.redo("me").step.revision == start + 4  # type: ignore[union-attr]
    assert values(session) == after
    with pytest.raises(NothingToDo):
        session.redo("me")


def test_undo_goes_on_after_a_restart_and_without_limit(opened: Opened) -> None:
    session = opened()
    stages = []
    for n in range(30):
        stages.append(values(session))
        session.edit([put(n, n % 3, n, 5)], "me")
    for _ in range(5):
        session.undo("me")
    session.close()
    session = opened(keypoints=[])
    session.redo("somebody new")
    for stage in reversed(stages[:26]):
        session.undo("somebody new")
        assert values(session) == stage
    with pytest.raises(NothingToDo):
        session.undo("somebody new")  # keypoints that the command named stay


def test_each_takes_back_their_own_while_both_are_here(opened: Opened) -> None:
    session = opened()
    session.edit([put(1, 0, 1, 1)], "me")
    session.edit([put(2, 0, 2, 2)], "you")
    assert session.history.to_undo("me", {"you"}).what == "a set in frame 1"  # type: ignore[union-attr]
    session.undo("me", {"you"})
    assert session.document.frames == [2]
    session.undo("me")  # you left
    assert session.document.frames == []


def test_a_step_that_somebody_else_built_on_is_not_taken_back(opened: Opened) -> None:
    session = opened()
    session.edit([put(1, 0, 1, 1)], "me")
    session.edit([put(1, 0, 2, 2)], "you")
    with pytest.raises(Conflict) as refused:
        session.undo("me", {"you"})
    assert refused.value.client == "you" and refused.value.places == {(1, 0)}
    assert session.document.at(1)[0, 0].x == 2


def test_a_new_edit_ends_what_could_be_redone_by_oneself_only(opened: Opened) -> None:
    session = opened()
    session.edit([put(1, 0, 1, 1)], "me")
    session.edit([put(2, 0, 1, 1)], "you")
    session.undo("you", {"me"})
    session.undo("me", {"you"})
    session.edit([put(3, 0, 1, 1)], "me")
    assert session.history.to_redo("me", {"you"}) is None
    assert session.history.to_redo("you", {"me"}) is not None


def test_the_one_who_edits_what_somebody_changed_since_is_told(opened: Opened) -> None:
    session = opened()
    base = session.revision
    session.edit([put(1, 0, 1, 1)], "you", base)
    session.edit([put(1, 1, 1, 1)], "me", base)  # another point: no conflict
    with pytest.raises(Conflict) as refused:
        session.edit([put(2, 0, 5, 5), put(1, 0, 2, 2)], "me", base)
    assert refused.value.places == {(1, 0)} and refused.value.revision == base + 1
    assert session.document.frames == [1] and session.document.at(1)[0, 0].x == 1
    session.edit([put(1, 0, 2, 2)], "me", refused.value.revision)
    assert session.document.at(1)[0, 0].x == 2


actions = st.lists(
    st.tuples(
        st.sampled_from(["edit", "undo", "redo", "reopen"]), st.integers(0, 3), st.integers(0, 2), st.integers(0, 50)
    ),
    max_size=25,
)


@given(actions)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_is_as_with_a_list_of_states(clip: Path, steps: list[tuple[str, int, int, int]]) -> None:
    """Against the plainest model: a list of states and a place in it."""
    video = open_video(clip)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "l.json"

        def fresh() -> Session:
            return Session(video, Journal(file.with_suffix(".journal")), file)

        session = fresh()
        session.edit([{"op": "add_keypoint", "name": name} for name in "abc"], undoable=False)
        states, at = [values(session)], 0
        for kind, frame, k, x in steps:
            if kind == "edit":
                if session.edit([put(frame, k, x, 1)], "me").step is not None:
                    states[at + 1 :] = [values(session)]
                    at += 1
            elif kind == "reopen":
                session.close()
                session = fresh()
            else:
                to = at - 1 if kind == "undo" else at + 1
                try:
                    (session.undo if kind == "undo" else session.redo)("me")
                    at = to
                except NothingToDo:
                    assert not 0 <= to < len(states)
            assert values(session) == states[at]
        session.close()

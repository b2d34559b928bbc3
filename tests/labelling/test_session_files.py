"""What is on disk, when, and what is never written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from label_material import exact, put

from poof.errors import PoofError
from poof.labelling.journal import Journal
from poof.labelling.session import Session
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels

Opened = Callable[..., Session]


def test_the_label_file_follows_and_says_what_was_said(opened: Opened, place: Path) -> None:
    session = opened()
    session.edit([put(3, 0, 10.123, 20.5), {"op": "set", "frame": 3, "keypoint": 1, "state": -1}])
    for _ in range(100):
        if (place / "plane.labels.json").exists():
            break
        time.sleep(0.05)
    labels = load_labels(place / "plane.labels.json")
    points = labels.instances[3, 0]
    assert points.xy[0].round(3).tolist() == [pytest.approx(10.123, abs=1e-3), 20.5]
    assert points.visible.tolist() == [2, -1, 0]


def test_the_users_file_is_never_written(opened: Opened, place: Path) -> None:
    save_labels(exact(10, 20), place / "mine.json")
    before = (place / "mine.json").read_bytes(), (place / "mine.json").stat().st_mtime_ns
    session = opened(place / "mine.json")
    session.edit([put(10, 0, 1, 1)])
    session.close()
    assert ((place / "mine.json").read_bytes(), (place / "mine.json").stat().st_mtime_ns) == before
    assert load_labels(place / "plane.labels.json").instances[10, 0].xy[0].tolist() == [1, 1]


def test_in_place_keeps_the_users_file_up_to_date(opened: Opened, place: Path) -> None:
    save_labels(exact(10, 20), place / "mine.json")
    session = opened(place / "mine.json", in_place=True)
    session.edit([put(10, 0, 1, 1)])
    session.close()
    assert load_labels(place / "mine.json").instances[10, 0].xy[0].tolist() == [1, 1]
    again = opened(place / "mine.json", in_place=True)
    assert again.revision == session.revision and not again.notes


def test_files_that_are_not_the_sessions_are_refused(opened: Opened, place: Path) -> None:
    save_labels(exact(10, 20), place / "plane.labels.json")
    with pytest.raises(PoofError, match="exists already"):
        opened()
    with pytest.raises(PoofError, match="your own file and is only read"):
        opened(place / "plane.labels.json")
    save_labels(exact(10, 20), place / "mine.csv")
    with pytest.raises(PoofError, match="not be kept in place"):
        opened(place / "mine.csv", in_place=True)
    with pytest.raises(PoofError, match="kept as COCO JSON"):
        opened(output=place / "x.csv")
    (place / "x.journal").write_text("something else\n")
    with pytest.raises(PoofError, match="line 1 is damaged"):
        opened(output=place / "x.json")
    assert (place / "x.journal").read_text() == "something else\n"
    assert sorted(p.name for p in place.iterdir()) == ["mine.csv", "plane.labels.json", "x.journal"]


def test_what_was_imported_keeps_names_boxes_and_edges(opened: Opened, place: Path) -> None:
    skeleton = Skeleton(("nose", "tail"), ((0, 1),), name="mouse")
    points = Points.human(5, np.array([[1.5, 2.25], [np.nan, np.nan]]), np.array([1, -1]), np.array([0, 0, 30, 40]))
    labels = LabelSet(skeleton, {(5, 3): points}, (160, 128), individuals={3: "Mickey"})
    save_labels(labels, place / "mine.json")
    session = opened(place / "mine.json")
    session.save()
    again = load_labels(place / "plane.labels.json")
    assert again.skeleton == skeleton and again.individuals == {3: "Mickey"}
    kept = again.instances[5, 3]
    assert kept.xy[0].tolist() == [1.5, 2.25] and kept.visible.tolist() == [1, -1] and kept.box is not None
    assert kept.box.tolist() == [0, 0, 30, 40]


def test_points_of_machines_in_the_file_are_shown_as_such(opened: Opened, place: Path) -> None:
    labels = exact(10, 12)
    labels.instances[12, 0].source[:] = Source.PREDICTED
    labels.instances[12, 0].confidence[:] = 0.5
    save_labels(labels, place / "mine.json")
    session = opened(place / "mine.json")
    assert session.document.frames == [10]
    shown = session.shown(12, 0)
    assert shown is not None and (shown.source == Source.PREDICTED).all()
    # Where the labels that they were made from are no longer these, they are gone; undo brings them back.
    session.edit([put(10, 0, 1, 1)])
    assert session.shown(12, 0) is None
    session.undo()
    assert session.shown(12, 0) is not None


def test_a_file_changed_by_another_program_is_taken_in_and_can_be_undone(opened: Opened, place: Path) -> None:
    session = opened()
    session.edit([put(3, 0, 1, 1), put(4, 0, 2, 2)])
    session.close()
    labels = load_labels(place / "plane.labels.json")
    labels.instances[3, 0].xy[0] = 7, 8
    del labels.instances[4, 0]
    save_labels(labels, place / "plane.labels.json", force=True)
    again = opened(keypoints=[])
    assert again.document.at(3)[0, 0].x == 7 and again.document.frames == [3]
    assert "changed by another program" in again.notes[0]
    again.undo()
    assert again.document.at(3)[0, 0].x == 1 and again.document.frames == [3, 4]


def test_a_changed_input_brings_what_is_new_and_overwrites_nothing(opened: Opened, place: Path) -> None:
    save_labels(exact(10), place / "mine.json")
    session = opened(place / "mine.json")
    session.edit([put(10, 0, 1, 1)])
    session.close()
    save_labels(exact(10, 20), place / "mine.json", force=True)
    again = opened(place / "mine.json")
    assert again.document.frames == [10, 20] and again.document.at(10)[0, 0].x == 1
    assert "differ from what was said here" in again.notes[0]


def test_one_program_at_a_time(opened: Opened) -> None:
    first = opened()
    with pytest.raises(PoofError, match="open in another poof label"):
        opened()
    first.close()
    opened(keypoints=[])


def test_another_videos_journal_is_refused(opened: Opened, place: Path) -> None:
    Journal(place / "plane.labels.journal", {"size": [10, 10]}).close()
    with pytest.raises(PoofError, match="10x10"):
        opened()


# ------------------------------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("kept", [1, 5, 40])
def test_a_line_that_a_crash_cut_off_is_no_step(opened: Opened, place: Path, kept: int) -> None:
    session = opened()
    session.edit([put(3, 0, 1, 1)])
    session.close()
    journal, file = place / "plane.labels.journal", place / "plane.labels.json"
    whole, labels = journal.read_bytes(), file.read_bytes()
    session = opened(keypoints=[])
    session.edit([put(4, 0, 2, 2)])
    session.close()
    longer = journal.read_bytes()[len(whole) :]
    journal.write_bytes(whole + longer[:kept])
    file.write_bytes(labels)  # the journal is on disk before it
    again = opened(keypoints=[])
    assert again.document.frames == [3]
    again.edit([put(5, 0, 3, 3)])
    again.close()
    assert opened(keypoints=[]).document.frames == [3, 5]


def test_damage_in_the_middle_is_said_and_nothing_is_touched(opened: Opened, place: Path) -> None:
    session = opened()
    session.edit([put(3, 0, 1, 1)])
    session.close()
    journal = place / "plane.labels.journal"
    lines = journal.read_bytes().split(b"\n")
    lines[1] = lines[1][:20]
    journal.write_bytes(b"\n".join(lines))
    before = journal.read_bytes()
    with pytest.raises(PoofError, match="line 2 is damaged"):
        opened(keypoints=[])
    assert journal.read_bytes() == before


def test_a_step_is_on_disk_before_it_counts(opened: Opened, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    synced: list[bytes] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append((place / "plane.labels.journal").read_bytes())
        real(handle)

    heard: list[str] = []
    session.listen(lambda name, facts: heard.append(f"{name} {len(synced)}"))
    monkeypatch.setattr(os, "fsync", fsync)
    session.edit([put(3, 0, 77.5, 1)])
    assert b"77.5" in synced[0] and heard[0] == "edit 1"


def test_a_full_disk_refuses_the_edit_and_keeps_the_rest(opened: Opened, place: Path) -> None:
    session = opened()
    session.edit([put(3, 0, 1, 1)])
    session.save()
    size = (place / "plane.labels.journal").stat().st_size
    import signal

    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
    try:
        with pytest.raises(PoofError, match="cannot be written"):
            session.edit([put(4, 0, 2, 2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert session.document.frames == [3]
    session.edit([put(5, 0, 2, 2)])
    session.close()
    assert opened(keypoints=[]).document.frames == [3, 5]


def test_kill_9_at_any_time_loses_nothing_confirmed(clip: Path, place: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from poof.labelling.opening import open_session
        session = open_session(sys.argv[1], keypoints=["a"])
        for n in range(100000):
            session.edit([{"op": "set", "frame": n % 60, "keypoint": 0, "x": n % 100, "y": n // 100 % 90}])
            print(session.revision, n, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(clip)], stdout=subprocess.PIPE, text=True, cwd=place)
    assert process.stdout is not None
    confirmed = [process.stdout.readline() for _ in range(40)]
    time.sleep(0.7)  # into the saving of the label file
    process.kill()
    confirmed += process.stdout.readlines()
    revision, n = map(int, [line for line in confirmed if line.endswith("\n")][-1].split())
    from poof.labelling.opening import open_session

    session = open_session(clip)
    assert session.revision >= revision and not session.notes
    step = next(s for s in session.history.steps if s.revision == revision)
    assert step.changes[0].now.x == n % 100
    session.close()
    labels = load_labels(place / "plane.labels.json")
    assert labels.instances.keys() == session.labels(machine=False).instances.keys()

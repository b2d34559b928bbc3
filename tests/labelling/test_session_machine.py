"""What machines say beside the person: which of them is shown, and for how long; proposals; jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from label_material import FRAMES, exact, put

from poof.errors import PoofError
from poof.labelling.machine import padded
from poof.labelling.proposals import propose, unseen
from poof.labelling.services import Services
from poof.labelling.session import Session
from poof.labelling.video_scan import VideoScan, mark_of
from poof.labels import LabelSet, Points, Source, load_labels, save_labels
from poof.planning.survey import survey
from poof.propagation.segments import reach
from poof.video import open_video
from poof.video.access import FrameAccess

Opened = Callable[..., Session]


def refined(frames: range, anchors: LabelSet, shift: float = 1.0) -> LabelSet:
    """Refined points in `frames` beside the labels."""
    instances = {key: p.copy() for key, p in anchors.instances.items()}
    for frame in sorted(set(frames) - set(anchors.frames)):
        points = exact(frame).instances[frame, 0]
        points.xy += shift
        points.source[:] = Source.REFINED
        points.confidence[:] = 0.7
        points.flow_xy = points.xy + 3
        points.disputed = np.arange(len(points)) == 2
        instances[frame, 0] = points
    return anchors.replace(instances=instances)


def test_refined_points_are_shown_where_the_labels_are_theirs(opened: Opened, place: Path) -> None:
    save_labels(exact(10, 40), place / "mine.json")
    session = opened(place / "mine.json")
    carried = exact(12).instances[12, 0]
    carried.source[:] = Source.PROPAGATED
    session.machine.carried[12, 0] = carried
    session.show_refined(refined(range(11, 50), exact(10, 40)), reach(10))

    def source(frame: int) -> Source:
        shown = session.shown(frame, 0)
        assert shown is not None
        return Source(int(shown.source[0]))

    assert source(12) == source(45) == Source.REFINED and source(10) == Source.HUMAN
    shown = session.shown(12, 0)
    assert shown is not None and shown.in_dispute.tolist()[:4] == [False, False, True, False]
    session.edit([put(10, 1, 5, 5)])  # reaches to frame 31
    assert source(12) == Source.PROPAGATED and session.shown(31, 0) is None and source(32) == Source.REFINED
    session.undo()
    assert source(12) == Source.REFINED and source(31) == Source.REFINED


def test_refined_points_are_there_again_after_a_restart(opened: Opened, place: Path) -> None:
    save_labels(exact(10), place / "mine.json")
    session = opened(place / "mine.json")
    save_labels(refined(range(11, 15), exact(10)), session.refined_file)
    session.close()
    again = opened(place / "mine.json").shown(12, 0)
    assert again is not None and again.source[0] == Source.REFINED


def test_padded() -> None:
    points = Points.human(3, np.array([[1.0, 2], [3, 4]]))
    longer = padded(points, 3)
    assert longer.xy[:2].tolist() == [[1, 2], [3, 4]] and not longer.decided[2] and longer.source[2] == 0
    assert padded(points, 1).xy.tolist() == [[1, 2]] and padded(points, 2) is points


# ----------------------------------------------------------------------------------------------------------- proposals


def uncertain(session: Session, frame: int, confidence: list[float]) -> None:
    points = Points.empty(3)
    points.xy[:] = 50
    points.visible[:], points.source[:], points.confidence[:] = 2, Source.PROPAGATED, confidence
    session.machine.carried[frame, 0] = points


def test_before_labels_frames_are_spread(opened: Opened) -> None:
    kind, chosen, _ = propose(opened(), unseen(FRAMES), 3, 10)
    assert (kind == "first" and [p.frame for p in chosen] == [10, 29, 49]) or len(chosen) == 3
    assert all(not p.points for p in chosen)


def test_the_uncertain_point_is_named_and_the_sure_ones_are_not(opened: Opened) -> None:
    session = opened()
    session.edit([put(f, k, 50, 50) for f in (0, 59) for k in range(3)])
    for frame in range(1, 59):
        uncertain(session, frame, [0.95, 0.95, 0.3 if 25 <= frame <= 35 else 0.95])
    kind, chosen, _ = propose(session, unseen(FRAMES), 1, 10)
    assert kind == "next" and chosen[0].points == [(0, 2)] and 28 <= chosen[0].frame <= 32
    assert "c" in chosen[0].reason and "30 %" in chosen[0].reason
    # One point that was corrected does not make the others of its frame sure.
    frame = chosen[0].frame
    for f in range(20, 40):
        uncertain(session, f, [0.3, 0.95, 0.95])
    session.edit([put(frame, 2, 50, 50)])
    _, chosen, _ = propose(session, unseen(FRAMES), 1, 10)
    assert chosen[0].points == [(0, 0)] and 27 <= chosen[0].frame <= 33


def test_disputes_come_first(opened: Opened) -> None:
    session = opened()
    session.edit([put(f, k, 50, 50) for f in (0, 59) for k in range(3)])
    for frame in range(1, 59):
        uncertain(session, frame, [0.3, 0.3, 0.3])
    session.machine.carried[50, 0].disputed = np.array([False, True, False])
    _, chosen, _ = propose(session, unseen(FRAMES), 2, 10)
    assert chosen[0].frame == 50 and chosen[0].points[0] == (0, 1) and "disagree" in chosen[0].reason
    assert abs(chosen[1].frame - 50) >= 5


def test_seen_skipped_and_absent_are_left_alone(opened: Opened) -> None:
    session = opened()
    absent = [{"op": "set", "frame": f, "keypoint": 2, "state": -1} for f in (0, 59)]
    session.edit([put(f, k, 50, 50) for f in (0, 59) for k in range(2)] + absent)
    for frame in range(1, 59):
        uncertain(session, frame, [0.9, 0.9, 0.9])
        session.machine.carried[frame, 0].xy[2], session.machine.carried[frame, 0].visible[2] = np.nan, 0
    _, chosen, _ = propose(session, unseen(FRAMES), 5, 10)
    assert not chosen  # both neighbours say that c is absent: nobody misses it
    for frame in range(20, 40):
        uncertain(session, frame, [0.3, 0.9, 0.9])
        session.machine.carried[frame, 0].xy[2], session.machine.carried[frame, 0].visible[2] = np.nan, 0
    session.edit([{"op": "skip", "frame": f} for f in range(20, 35)] + [{"op": "accept", "from": 35, "to": 36}])
    _, chosen, _ = propose(session, unseen(FRAMES), 9, 10)
    assert {p.frame for p in chosen} <= {37, 38, 39}


def test_the_pass_over_the_video_is_kept(clip: Path, place: Path) -> None:
    def passed() -> tuple[VideoScan, FrameAccess]:
        access = FrameAccess(open_video(clip))
        scan = VideoScan(access, place / "kept", mark_of(access.video), lambda: False)
        scan.run()
        return scan, access

    first, access = passed()
    assert first.done and not first.changed and access.confirmed and first.seen is not None
    wanted = survey(open_video(clip))
    assert np.allclose(first.seen.sharpness, wanted.sharpness) and first.seen.cuts == wanted.cuts
    again, access = passed()
    assert access.confirmed and again.seen is not None
    assert np.array_equal(again.seen.looks, first.seen.looks) and not again._times


# ---------------------------------------------------------------------------------------------------------------- jobs


def finished(job, seconds: float = 600.0):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while job.state == "running" and time.monotonic() < end:
        time.sleep(0.02)
    return job


def test_a_sheet_is_drawn_in_a_process_of_its_own(
    opened: Opened, services: Callable[..., Services], place: Path
) -> None:
    session = opened()
    session.edit([put(10, 0, 50, 50), put(10, 1, 60, 50)])
    job = finished(services(session).start_job("sheet", 0, {}))
    assert job.state == "done", job.message
    assert job.files == [place / "plane.sheet.png"] and job.files[0].read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(FileExistsError):
        services(session).start_job("sheet", 0, {})


def test_a_job_that_fails_says_why_and_one_that_is_stopped_is_stopped(
    opened: Opened, services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session = opened()
    made = services(session)
    with pytest.raises(PoofError, match="nothing is labelled"):
        made.start_job("refine", 0, {})
    session.edit([put(10, 0, 50, 50)])
    with pytest.raises(PoofError, match="no job dance"):
        made.start_job("dance", 0, {})
    waits = tmp_path / "waits.py"
    waits.write_text(
        "import sys, time, json\nsys.stdin.readline()\nprint(json.dumps({'stage': 'waiting', 'done': 1, 'total': 9}), "
        "flush=True)\ntime.sleep(6000)\n"
    )
    import subprocess
    import sys as system

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda args, **more: real([system.executable, str(waits)], **more))
    job = made.start_job("refine", 0, {})
    while not job.stage:
        time.sleep(0.01)
    assert (job.stage, job.done, job.total) == ("waiting", 1, 9)
    with pytest.raises(PoofError, match="one refinement or training at a time"):
        made.start_job("train", 0, {})
    made.jobs.stop(job.id)
    assert finished(job).state == "stopped"
    waits.write_text("import sys\nsys.stdin.readline()\nprint('no room')\nsys.exit(1)\n")
    job = finished(made.start_job("refine", 0, {}))
    assert (job.state, job.message) == ("failed", "no room")


def test_a_job_ends_with_the_server(tmp_path: Path, clip: Path) -> None:
    import subprocess
    import sys as system

    save_labels(exact(10), tmp_path / "labels.json")
    process = subprocess.Popen(
        [system.executable, "-m", "poof.labelling.job_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    spec = {
        "kind": "overlay",
        "video": str(clip),
        "labels": str(tmp_path / "labels.json"),
        "output": str(tmp_path / "o.mp4"),
    }
    process.stdin.write(json.dumps(spec) + "\n")
    process.stdin.close()
    assert process.wait(600) in (0, 1)


@pytest.mark.slow
def test_refinement_from_the_page(opened: Opened, services: Callable[..., Services], place: Path) -> None:
    save_labels(exact(10, 30), place / "mine.json")
    session = opened(place / "mine.json")
    made = services(session)
    job = finished(made.start_job("refine", 0, {}), 600)
    assert job.state == "done", job.message
    if job.files:
        assert load_labels(job.files[0]).human().frames == [10, 30]

"""Labels carried behind the page: the same as `poof propagate`, only what is touched, nearest to the eye first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_material import exact, put

from poof.flow.dis import DisFlow
from poof.labelling.live_propagation import LivePropagation
from poof.labelling.session import Session
from poof.labels import LabelSet, Source, save_labels
from poof.propagation import Settings, propagate
from poof.propagation.result_cache import ResultCache
from poof.video import open_video

Opened = Callable[..., Session]


class Slow(DisFlow):
    """Counts its pairs, and waits for leave before each call once told to."""

    def __init__(self) -> None:
        super().__init__("ultrafast")
        self.pairs = 0
        self.leave = threading.Event()
        self.leave.set()
        self.entered = threading.Event()

    def both(self, first, second):  # type: ignore[no-untyped-def]
        self.entered.set()
        self.leave.wait(20)
        self.pairs += len(first)
        return super().both(first, second)


@pytest.fixture
def carrying(place: Path):  # type: ignore[no-untyped-def]
    """Starts live propagations: gives live, flow, and what it told."""
    made: list[LivePropagation] = []

    def get(*sessions: Session) -> tuple[LivePropagation, Slow, list[tuple[str, dict[str, Any]]]]:
        flow, told = Slow(), []
        live = LivePropagation(
            sessions, [flow], Settings(5), ResultCache(place.parent / "cache"), lambda n, f: told.append((n, f))
        )
        made.append(live)
        return live, flow, told

    yield get
    for live in made:
        live.close()


def machine(session: Session) -> dict[tuple[int, int], np.ndarray]:
    return {place: p.xy for place, p in session.machine.carried.items()}


def plain(clip: Path, labels: LabelSet) -> dict[tuple[int, int], np.ndarray]:
    made = propagate(open_video(clip), labels, DisFlow("ultrafast"), Settings(5))
    return {place: p.xy for place, p in made.instances.items() if (p.source == Source.PROPAGATED).any()}


def same(a: dict[tuple[int, int], np.ndarray], b: dict[tuple[int, int], np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


def labels_file(place: Path, *frames: int) -> Path:
    save_labels(exact(*frames), place / "mine.json")
    return place / "mine.json"


def test_in_the_end_every_point_is_that_of_propagate(opened: Opened, clip: Path, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 10, 20, 31))
    live, _, told = carrying(session)
    live.start()
    assert live.wait(30, settled=True)
    assert same(machine(session), plain(clip, session.labels(machine=False)))
    session.edit([put(25, 2, 60.5, 60.5), {"op": "clear", "frame": 20, "keypoint": 1}])
    assert live.wait(30, settled=True)
    assert same(machine(session), plain(clip, session.labels(machine=False)))
    assert {name for name, _ in told} == {"propagated", "work"}
    shown = session.shown(25, 0)
    assert shown is not None and shown.xy[2].tolist() == [60.5, 60.5]


def test_an_edit_computes_the_windows_it_touches(opened: Opened, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 10, 20, 30, 40))
    live, flow, told = carrying(session)
    live.start()
    assert live.wait(30, settled=True)
    flow.pairs, told[:] = 0, []
    x, y = exact(30).instances[30, 0].xy[0]
    session.edit([put(30, 0, float(x) + 1.5, float(y))])
    assert live.wait(30, settled=True)
    assert flow.pairs == 20  # from 20 to 40
    changed = [facts["frames"] for name, facts in told if name == "propagated"]
    assert min(c[0] for c in changed) >= 19 and max(c[1] for c in changed) <= 41


def test_undo_computes_nothing(opened: Opened, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 10, 20))
    live, flow, _ = carrying(session)
    live.start()
    assert live.wait(30, settled=True)
    before = machine(session)
    session.edit([put(15, 0, 50, 50)])
    assert live.wait(30, settled=True)
    assert not same(machine(session), before)
    flow.pairs = 0
    session.undo()
    assert live.wait(30, settled=True)
    assert flow.pairs == 0 and same(machine(session), before)


def test_the_part_at_the_eye_comes_first(opened: Opened, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 5, 30, 55))
    live, _, told = carrying(session)
    live.look(0, 57)
    live.start()
    assert live.wait(30)
    order = [facts["frames"][0] for name, facts in told if name == "propagated"]
    assert order[0] > 45 and order[-1] < 20


def test_work_that_an_edit_made_stale_is_dropped(opened: Opened, clip: Path, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 10, 20))
    live, flow, told = carrying(session)
    flow.leave.clear()
    live.start()
    assert flow.entered.wait(10)
    session.edit([put(15, 0, 50, 50)])  # while the flow is under way
    flow.leave.set()
    assert live.wait(30, settled=True)
    assert same(machine(session), plain(clip, session.labels(machine=False)))
    revisions = [facts["revision"] for name, facts in told if name == "propagated" and facts["frames"][0] < 20]
    assert set(revisions) == {session.revision}


def test_a_label_that_goes_takes_its_points_with_it(opened: Opened, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 10))
    live, _, _ = carrying(session)
    live.start()
    assert live.wait(30, settled=True) and session.machine.carried
    session.edit([{"op": "clear", "frame": 10, "keypoint": None}])
    assert live.wait(30, settled=True)
    assert not session.machine.carried


def test_the_persons_points_are_never_moved(opened: Opened, place: Path, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened(labels_file(place, 10, 20))
    live, _, _ = carrying(session)
    live.start()
    rng = np.random.default_rng(0)
    said: dict[tuple[int, int], tuple[float, float]] = {}
    for _ in range(15):
        frame, k = int(rng.integers(5, 26)), int(rng.integers(0, 5))
        x, y = (round(float(v), 3) for v in rng.uniform(5, 120, 2))
        session.edit([put(frame, k, x, y)])
        said[frame, k] = x, y
        time.sleep(0.01)
        for (f, c), xy in said.items():
            shown = session.shown(f, 0)
            assert shown is not None and shown.xy[c] == pytest.approx(xy, abs=1e-3)
    assert live.wait(30, settled=True)
    for (f, c), xy in said.items():
        shown = session.shown(f, 0)
        assert shown is not None and shown.xy[c] == pytest.approx(xy, abs=1e-3) and shown.is_human[c]


def test_what_cannot_be_carried_is_said_and_tried_again_after_an_edit(opened: Opened, carrying) -> None:  # type: ignore[no-untyped-def]
    session = opened()
    live, flow, _ = carrying(session)

    def broken(first, second):  # type: ignore[no-untyped-def]
        from poof.errors import PoofError

        raise PoofError("no flow today")

    whole, flow.both = flow.both, broken  # type: ignore[method-assign]
    live.start()
    session.edit([put(10, 0, 50, 50)])
    assert live.wait(10, settled=True)
    assert live.work(0) == {"state": "error", "done": 0, "total": 0, "message": "no flow today"}
    flow.both = whole  # type: ignore[method-assign]
    session.edit([put(10, 1, 60, 60)])
    assert live.wait(10, settled=True)
    assert live.work(0)["state"] == "idle" and (12, 0) in session.machine.carried


def test_beside_an_edit_a_quick_flow_comes_first_and_the_final_one_stays(
    opened: Opened, clip: Path, place: Path
) -> None:
    session = opened(labels_file(place, 5, 30))
    told: list[tuple[str, dict[str, Any]]] = []
    slow, quick = Slow(), Slow()
    quick.name = "dis-coarse"
    live = LivePropagation([session], [slow], Settings(15), None, lambda n, f: told.append((n, f)), [quick])
    live.start()
    try:
        assert live.wait(60, settled=True) and quick.pairs == 0
        slow.leave.clear()
        session.edit([put(17, 0, 60, 60)])
        for _ in range(1000):
            if quick.pairs and any(n == "propagated" and f["revision"] == session.revision for n, f in told):
                break
            time.sleep(0.01)
        first = [f["frames"] for n, f in told if n == "propagated" and f["revision"] == session.revision]
        assert 7 <= first[0][0] <= 16 and 18 <= first[0][1] <= 27
        assert live.work(0)["state"] == "working"
        slow.leave.set()
        assert live.wait(60, settled=True)
        whole = propagate(open_video(clip), session.labels(machine=False), DisFlow("ultrafast"), Settings(15))
        for key, points in session.machine.carried.items():
            assert np.array_equal(points.xy, whole.instances[key].xy, equal_nan=True)
    finally:
        slow.leave.set()
        live.close()

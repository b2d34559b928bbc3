"""The cache gives exactly what the estimator gives, stays below its limit, and survives kills, damage and company."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flow_material import texture

from poof.errors import PoofError, PoofWarning
from poof.flow import FlowEstimator, create_flow
from poof.flow.cache import HEADER, CachedFlow, FlowStore
from poof.flow.dis import DisFlow


class Counting(DisFlow):
    """DIS that counts what it is asked for."""

    def __init__(self, preset: str = "fast") -> None:
        super().__init__(preset)
        self.prepared = 0
        self.computed = 0

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        self.prepared += len(images)
        return super().prepare(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        self.computed += len(first)
        return super().between(first, second)

    def both(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.computed += 2 * len(first)
        return super().both(first, second)


@pytest.fixture
def images() -> np.ndarray:
    return np.stack([texture(30, 44, seed) for seed in range(5)])


def entries(folder: Path) -> list[Path]:
    """What is in the cache, without files that are just being written."""
    return sorted(path for path in folder.glob("??/*.flow") if not path.name.startswith("."))


# --------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize("name", ["dis", "raft-small"])
def test_a_hit_equals_a_miss_equals_no_cache(
    name: str, tmp_path: Path, images: np.ndarray, random_weights: Callable[[str], Path]
) -> None:
    weights = random_weights(name) if name == "raft-small" else None
    plain = create_flow(name, weights=weights, device="cpu", iterations=3)
    expected = plain.both(plain.prepare(images[:-1]), plain.prepare(images[1:]))
    for _ in range(2):  # the second time another object, as another run would have
        cached = CachedFlow(create_flow(name, weights=weights, device="cpu", iterations=3), tmp_path / "cache")
        frames = cached.prepare(images)
        for got, want in zip(cached.both(frames[:-1], frames[1:]), expected):
            np.testing.assert_array_equal(got, want)
            assert got.dtype == np.float32 and got.flags.writeable
    assert (cached.hits, cached.misses) == (8, 0)
    np.testing.assert_array_equal(cached.estimate(images[:-1], images[1:]), expected[0])


def test_it_is_an_estimator_like_the_one_behind(tmp_path: Path) -> None:
    inner = create_flow("dis")
    cached = CachedFlow(inner, tmp_path)
    assert isinstance(cached, FlowEstimator)
    assert (cached.name, cached.reason, cached.describe()) == (inner.name, inner.reason, inner.describe())
    assert cached.batch_size(9, 9) == inner.batch_size(9, 9)
    assert cached.between([], []).shape[0] == 0
    with pytest.raises(ValueError):
        cached.between(cached.prepare(np.zeros((1, 8, 8, 3), np.uint8)), [])


def test_only_what_is_missing_is_computed(tmp_path: Path, images: np.ndarray) -> None:
    inner = Counting()
    cached = CachedFlow(inner, tmp_path)
    frames = cached.prepare(images)
    assert inner.prepared == 0
    cached.between(frames[:2], frames[1:3])
    assert (inner.prepared, inner.computed) == (3, 2)
    cached.between(frames[:3], frames[1:4])
    assert (inner.prepared, inner.computed) == (4, 3)  # frame 3 and the pair (2, 3) are new
    cached.both(frames[:1], frames[1:2])
    assert inner.computed == 5  # the way back was missing
    fresh = CachedFlow(inner, tmp_path)
    again = fresh.prepare(images)
    fresh.both(again[:1], again[1:2])
    assert (inner.prepared, inner.computed) == (4, 5)


def test_the_caller_may_reuse_its_array(tmp_path: Path, images: np.ndarray) -> None:
    expected = DisFlow().estimate(images[:1], images[1:2])
    cached = CachedFlow(DisFlow(), tmp_path)
    frames = cached.prepare(images)
    images[:] = 0
    np.testing.assert_array_equal(cached.between(frames[:1], frames[1:2]), expected)


# --------------------------------------------------------------------------------------------------------------- keys


def test_anything_that_changes_the_result_is_another_entry(tmp_path: Path, images: np.ndarray) -> None:
    a, b = images[:1], images[1:2]
    changed = a.copy()
    changed[0, 17, 23, 1] ^= 1  # one bit
    cases: list[tuple[FlowEstimator, np.ndarray, np.ndarray]] = [
        (DisFlow("medium"), a, b),
        (DisFlow("fast"), a, b),
        (DisFlow("medium"), b, a),
        (DisFlow("medium"), changed, b),
        (DisFlow("medium"), a[:, :20], b[:, :20]),
        (DisFlow("medium"), np.zeros((1, 6, 10, 3), np.uint8), np.zeros((1, 6, 10, 3), np.uint8)),
        (DisFlow("medium"), np.zeros((1, 10, 6, 3), np.uint8), np.zeros((1, 10, 6, 3), np.uint8)),  # the same bytes
    ]
    for number, (estimator, first, second) in enumerate(cases, start=1):
        cached = CachedFlow(estimator, tmp_path)
        got = cached.estimate(first, second)
        assert (cached.hits, cached.misses) == (0, 1)
        assert len(entries(tmp_path)) == number
        np.testing.assert_array_equal(got, estimator.estimate(first, second))


# ------------------------------------------------------------------------------------------------------------- damage


def test_damaged_entries_are_ignored_removed_and_replaced(tmp_path: Path, images: np.ndarray) -> None:
    expected = DisFlow().estimate(images[:1], images[1:2])
    CachedFlow(DisFlow(), tmp_path).estimate(images[:1], images[1:2])
    (entry,) = entries(tmp_path)
    good = entry.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 4
    other_size = HEADER.pack(*HEADER.unpack_from(good)[:1], 44, 30, HEADER.unpack_from(good)[3]) + good[HEADER.size :]
    for bad in (
        b"",
        good[:5],
        good[: HEADER.size],
        good[:-4],
        good + b"\0",
        bytes(flipped),
        b"x" * len(good),
        other_size,
    ):
        entry.write_bytes(bad)
        assert FlowStore(tmp_path).get(entry.parent.name + entry.stem, 30, 44) is None
        assert not entry.exists()
        entry.write_bytes(bad)
        cached = CachedFlow(DisFlow(), tmp_path)
        np.testing.assert_array_equal(cached.estimate(images[:1], images[1:2]), expected)
        assert cached.misses == 1
        assert entry.read_bytes() == good


def test_what_a_killed_process_left_is_removed(tmp_path: Path, images: np.ndarray) -> None:
    CachedFlow(DisFlow(), tmp_path).estimate(images[:1], images[1:2])
    folder = entries(tmp_path)[0].parent
    old, young = folder / ".old-123.flow", folder / ".young-456.flow"
    old.write_bytes(b"half"), young.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    cached = CachedFlow(DisFlow(), tmp_path)
    assert not old.exists()
    assert young.exists()  # may be another process at work
    cached.estimate(images[:1], images[1:2])
    assert cached.hits == 1


def test_a_kill_in_the_middle_leaves_only_whole_entries(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from poof.flow.cache import FlowStore\n"
        "store = FlowStore(sys.argv[1]); rng = np.random.default_rng(0); print('ready', flush=True)\n"
        "for k in range(10**6):\n"
        "    store.put(f'{k:064x}'[::-1], np.full((2, 300, 400), k, np.float32))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 600
    while len(entries(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = FlowStore(tmp_path)
    found = entries(tmp_path)
    assert len(found) >= 3
    for path in found:
        key = path.parent.name + path.stem
        flow = store.get(key, 300, 400)
        assert flow is not None
        assert (flow == int(key[::-1], 16)).all()


# -------------------------------------------------------------------------------------------------------------- limit


def field(value: float) -> np.ndarray:
    return np.full((2, 10, 25), value, np.float32)  # 2000 bytes and the header


def test_the_limit_holds_and_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    one = HEADER.size + 2000
    store = FlowStore(tmp_path, limit_bytes=10 * one)
    for k in range(10):
        store.put(f"{k:064d}", field(k))
        os.utime(store._path(f"{k:064d}"), (1000 + k, 1000 + k))
    assert len(entries(tmp_path)) == 10
    assert store.get(f"{0:064d}", 10, 25) is not None  # used now, so the oldest by use are 1 and 2
    store.put(f"{99:064d}", field(99))
    kept = {int(path.parent.name + path.stem) for path in entries(tmp_path)}
    assert kept == {0, 3, 4, 5, 6, 7, 8, 9, 99}
    for k in range(100, 160):
        store.put(f"{k:064d}", field(k))
        assert sum(path.stat().st_size for path in entries(tmp_path)) <= 10 * one


def test_a_folder_that_is_too_full_is_trimmed_at_the_start(tmp_path: Path) -> None:
    store = FlowStore(tmp_path)
    for k in range(10):
        store.put(f"{k:064d}", field(k))
    FlowStore(tmp_path, limit_bytes=5000)
    assert len(entries(tmp_path)) == 2


def test_a_field_larger_than_the_limit_is_not_kept(tmp_path: Path, images: np.ndarray) -> None:
    cached = CachedFlow(DisFlow(), tmp_path, limit_bytes=1000)
    expected = DisFlow().estimate(images[:1], images[1:2])
    np.testing.assert_array_equal(cached.estimate(images[:1], images[1:2]), expected)
    assert entries(tmp_path) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_is_not_positive_is_refused(tmp_path: Path, limit: int) -> None:
    with pytest.raises(PoofError, match="give a positive size"):
        FlowStore(tmp_path, limit)


# ------------------------------------------------------------------------------------------------------------ company


def test_threads_and_processes_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from poof.flow.cache import FlowStore\n"
        "store = FlowStore(sys.argv[1], 40_000); bad = 0\n"
        "for turn in range(6):\n"
        "    for k in range(30):\n"
        "        flow = store.get(f'{k:064d}', 10, 25)\n"
        "        bad += flow is not None and not (flow == k).all()\n"
        "        store.put(f'{k:064d}', np.full((2, 10, 25), k, np.float32))\n"
        "sys.exit(bad)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(tmp_path)]) for _ in range(3)]
    store = FlowStore(tmp_path, 40_000)

    def work(_: int) -> None:
        for k in range(30):
            flow = store.get(f"{k:064d}", 10, 25)
            assert flow is None or (flow == k).all()
            store.put(f"{k:064d}", field(k))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert [process.wait() for process in processes] == [0, 0, 0]
    store.trim()
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 40_000


def test_threads_share_a_cached_estimator(tmp_path: Path, images: np.ndarray) -> None:
    cached = CachedFlow(DisFlow(), tmp_path)
    expected = DisFlow().estimate(images[:-1], images[1:])
    frames = cached.prepare(images)
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda k: cached.between(frames[k : k + 1], frames[k + 1 : k + 2])[0], [0, 1, 2, 3] * 3))
    np.testing.assert_array_equal(np.stack(got), np.concatenate([expected] * 3))


# ------------------------------------------------------------------------------------------------------------- faults


def test_a_full_disk_is_said_once_and_the_work_goes_on(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cached = CachedFlow(DisFlow(), tmp_path)
    expected = DisFlow().estimate(images[:-1], images[1:])
    frames = cached.prepare(images)
    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.warns(PoofWarning, match="no more flows are kept, the work goes on: .*No space left") as caught:
        np.testing.assert_array_equal(cached.between(frames[:-1], frames[1:]), expected)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cached.between(frames[:-1], frames[1:])


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PoofError, match="cannot hold the flow cache"):
        FlowStore(tmp_path / "file" / "cache")


def test_a_folder_that_vanishes_stops_the_keeping_only(tmp_path: Path, images: np.ndarray) -> None:
    cached = CachedFlow(DisFlow(), tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    with pytest.warns(PoofWarning, match="no more flows are kept"):
        assert cached.estimate(images[:1], images[1:2]).shape == (1, 2, 30, 44)

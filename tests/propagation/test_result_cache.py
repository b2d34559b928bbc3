"""Runs that go on and labels that are corrected: the same as a full run, with only the touched windows computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from poof.flow.dis import DisFlow
from poof.labels.model import LabelSet, Points
from poof.propagation import Settings, propagate
from poof.propagation.result_cache import ResultCache, cache_folder, fingerprint, key_of
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import open_video
from poof.video.base import ArrayVideo


class Counting(DisFlow):
    """DIS that counts its pairs."""

    def __init__(self) -> None:
        super().__init__("ultrafast")
        self.pairs = 0

    def both(self, first, second):  # type: ignore[no-untyped-def]
        self.pairs += len(first)
        return super().both(first, second)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A textured plane of 60 frames as an image folder."""
    path = tmp_path_factory.mktemp("frames")
    scene = sample("constant", velocity=(0.75, 0.5), frames=60)
    for number, image in SyntheticVideo(scene).frames():
        cv2.imwrite(str(path / f"{number:03d}.png"), image[..., ::-1])
    return path


def labels_at(*frames: int) -> LabelSet:
    exact = truth(sample("constant", velocity=(0.75, 0.5), frames=60))
    return exact.replace(instances={k: p.copy() for k, p in exact.instances.items() if k[0] in frames})


def same(a: LabelSet, b: LabelSet) -> bool:
    return a.instances.keys() == b.instances.keys() and all(
        np.array_equal(getattr(p, name), getattr(b.instances[key], name), equal_nan=True)
        for key, p in a.instances.items()
        for name in ("xy", "visible", "source", "anchor", "steps", "confidence")
    )


def run(folder: Path, labels: LabelSet, cache: ResultCache | None, **options: object) -> tuple[LabelSet, int]:
    flow = Counting()
    result = propagate(open_video(folder), labels, flow, Settings(5, **options), cache=cache)  # type: ignore[arg-type]
    return result, flow.pairs


@pytest.mark.parametrize("method", ["blend", "chain"])
def test_a_second_run_computes_nothing_and_gives_the_same(folder: Path, tmp_path: Path, method: str) -> None:
    plain, pairs = run(folder, labels_at(10, 20, 40), None, method=method)
    first, kept_pairs = run(folder, labels_at(10, 20, 40), ResultCache(tmp_path), method=method)
    again, none = run(folder, labels_at(10, 20, 40), ResultCache(tmp_path), method=method)
    assert same(plain, first) and same(plain, again)
    assert (kept_pairs, none) == (pairs, 0)


def test_an_added_label_runs_only_the_windows_it_touches(folder: Path, tmp_path: Path) -> None:
    run(folder, labels_at(10, 20, 30, 40), ResultCache(tmp_path))
    full, _ = run(folder, labels_at(10, 20, 25, 30, 40), None)
    more, pairs = run(folder, labels_at(10, 20, 25, 30, 40), ResultCache(tmp_path))
    assert same(full, more)
    assert pairs == 10  # from 20 to 30, nothing else


def test_a_corrected_label_runs_the_windows_on_both_sides(folder: Path, tmp_path: Path) -> None:
    run(folder, labels_at(10, 20, 30, 40), ResultCache(tmp_path))
    corrected = labels_at(10, 20, 30, 40)
    corrected.instances[30, 0].xy[2] += 1.5
    full, _ = run(folder, corrected, None)
    more, pairs = run(folder, corrected, ResultCache(tmp_path))
    assert same(full, more)
    assert pairs == 20


def test_chains_that_run_through_a_label_are_kept_right(folder: Path, tmp_path: Path) -> None:
    """Keypoint 3 is missing at 20, so its chains cross that frame; then 30 changes, which they arrive at."""

    def given() -> LabelSet:
        labels = labels_at(12, 16, 20, 40)
        gap = labels.instances[16, 0]
        gap.xy[3] = np.nan
        labels.instances[16, 0] = Points.human(16, gap.xy)
        return labels

    run(folder, given(), ResultCache(tmp_path))
    changed = given()
    changed.instances[20, 0].xy[3] += 2
    full, _ = run(folder, changed, None)
    more, _ = run(folder, changed, ResultCache(tmp_path))
    assert same(full, more)
    changed.instances[12, 0].xy[3] -= 1
    assert same(run(folder, changed, None)[0], run(folder, changed, ResultCache(tmp_path))[0])


def test_a_run_that_was_stopped_goes_on(folder: Path, tmp_path: Path) -> None:
    flow = Counting()

    def stop_after(count: int):  # type: ignore[no-untyped-def]
        def track(items, description, total=None):  # type: ignore[no-untyped-def]
            for number, item in enumerate(items):
                if number == count:
                    raise KeyboardInterrupt
                yield item

        return track

    with pytest.raises(KeyboardInterrupt):
        propagate(open_video(folder), labels_at(10, 20, 40), flow, Settings(5), stop_after(17), ResultCache(tmp_path))
    full, pairs = run(folder, labels_at(10, 20, 40), None)
    rest, remaining = run(folder, labels_at(10, 20, 40), ResultCache(tmp_path))
    assert same(full, rest)
    assert 0 < remaining <= pairs - 15  # the segments 5-10 and 10-20 were done


@pytest.mark.parametrize("options", [{"crop": False}, {"area": 10_000}, {"method": "chain"}])
def test_other_settings_are_other_entries(folder: Path, tmp_path: Path, options: dict[str, object]) -> None:
    _, pairs = run(folder, labels_at(10), ResultCache(tmp_path))
    assert run(folder, labels_at(10), ResultCache(tmp_path), **options)[1] == pairs


def test_what_only_concerns_merging_needs_no_new_flow(folder: Path, tmp_path: Path) -> None:
    run(folder, labels_at(10, 14), ResultCache(tmp_path), method="chain")
    assert run(folder, labels_at(10, 14), ResultCache(tmp_path), method="chain", overlap="blend")[1] == 0
    assert run(folder, labels_at(10, 14), ResultCache(tmp_path), method="chain", min_confidence=0.4)[1] == 0


def test_damaged_entries_and_folders_that_cannot_be_written_do_no_harm(folder: Path, tmp_path: Path) -> None:
    full, pairs = run(folder, labels_at(10), ResultCache(tmp_path))
    for entry in tmp_path.glob("*.npz"):
        entry.write_bytes(entry.read_bytes()[:100])
    result, again = run(folder, labels_at(10), ResultCache(tmp_path))
    assert same(full, result) and again == pairs
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert same(full, run(folder, labels_at(10), ResultCache(blocked))[0])


def test_trimming_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, limit=4500)
    for number in range(4):
        cache.put(key_of(number), {"a": np.full(200, number, np.float64)})
    assert cache.get(key_of(0)) is not None
    import os

    for number in range(4):
        os.utime(
            tmp_path / f"{key_of(number)}.npz",
            (1000 + (number == 0) * 100 + number, 1000 + (number == 0) * 100 + number),
        )
    cache.trim()
    assert [cache.get(key_of(n)) is not None for n in range(4)] == [True, False, False, True]


def test_keys_tell_arrays_and_values_apart() -> None:
    assert key_of(1, [2, 3]) == key_of(1, [2, 3])
    assert (
        len({key_of(1), key_of("1"), key_of([1]), key_of(np.array([1])), key_of(np.array([1.0])), key_of(1, "")}) == 6
    )


def test_fingerprints_follow_the_content(folder: Path, tmp_path: Path) -> None:
    assert fingerprint(open_video(folder)) == fingerprint(open_video(folder))
    (tmp_path / "other").mkdir()
    for image in folder.iterdir():
        (tmp_path / "other" / image.name).write_bytes(image.read_bytes())
    first = fingerprint(open_video(tmp_path / "other"))
    assert first == fingerprint(open_video(folder))
    cv2.imwrite(str(tmp_path / "other" / "059.png"), np.zeros((128, 160, 3), np.uint8))
    assert fingerprint(open_video(tmp_path / "other")) != first
    assert fingerprint(ArrayVideo([np.zeros((4, 4, 3), np.uint8)])) is None


def test_the_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("POOF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "poof"


# ---------------------------------------------------------------------------------------------- a part of the video


def thinned(labels: LabelSet) -> LabelSet:
    """Without keypoint 3 in every second labelled frame and without 1 in the others: chains cross all of them."""
    for number, frame in enumerate(labels.frames):
        points = labels.instances[frame, 0]
        drop = np.zeros(len(points), bool)
        drop[3 if number % 2 else 1] = True
        points.put(drop, Points.empty(len(points)))
    return labels


def five(thin: bool) -> LabelSet:
    chosen = labels_at(10, 20, 30, 40, 45)
    return thinned(chosen) if thin else chosen


@cache
def whole_of(folder: Path, thin: bool) -> tuple[LabelSet, int]:
    return run(folder, five(thin), None)


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize(
    "only, alone",
    [
        (range(21, 30), 10),
        (range(20, 21), 20),
        *(
            pytest.param(*part, marks=pytest.mark.slow)
            for part in ((range(36, 38), 10), (range(12), 15), (range(50, 90), 5))
        ),
    ],
)
def test_a_part_is_as_in_the_whole(folder: Path, tmp_path: Path, only: range, alone: int, thin: bool) -> None:
    whole, pairs = whole_of(folder, thin)
    kept, flow = ResultCache(tmp_path), Counting()
    part = propagate(open_video(folder), five(thin), flow, Settings(5), cache=kept, only=only)
    assert flow.pairs == alone or (thin and flow.pairs > alone)
    anchors = set(five(thin).frames)
    near = {k: p for k, p in whole.instances.items() if k[0] in only or k[0] in anchors}
    assert part.instances.keys() == near.keys()
    for (frame, _), points in part.instances.items():
        if frame in only:
            assert np.array_equal(points.xy, near[frame, 0].xy, equal_nan=True)
            assert np.array_equal(points.confidence, near[frame, 0].confidence, equal_nan=True)
    # What was kept of the part serves the whole, and spoils nothing.
    later = Counting()
    assert same(propagate(open_video(folder), five(thin), later, Settings(5), cache=kept), whole)
    assert later.pairs == pairs - flow.pairs or thin

"""Sampling, flips, lists, transforms, extraction and checks: tables from the published rules, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.errors import PoofError, PoofWarning
from poof.recog.data import ClipList, read_list
from poof.recog.data import sampling as rules
from poof.recog.data.dataset import ClipDataset, EpochSampler, View, collate
from poof.recog.data.extract import check, extract
from poof.recog.data.flips import mirror_labels
from poof.recog.data.frames import FrameCounts, read_frames
from poof.recog.data.lists import Record, detect, read_labels
from poof.recog.data.lists.split import split_off
from poof.recog.data.motion_task import CLASSES, order_accuracy, render_clip, render_task
from poof.recog.data.transform import fixed_crops, normalise, random_crop, resize, to_tensor
from poof.video import VideoWriter

# ----------------------------------------------------------------------------------------------------- sampling


class Fixed:
    """A generator that gives what a test wants and keeps what it was asked."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.asked: list[tuple[int, int]] = []

    def integers(self, low: int, high: int, size: int | None = None) -> np.ndarray | int:
        self.asked.append((low, high))
        value = min(self.value, high - 1)
        return value if size is None else np.full(size, value)


@pytest.mark.parametrize(
    ("count", "segments", "draw", "expected", "asked"),
    [
        (16, 8, 1, [1, 3, 5, 7, 9, 11, 13, 15], [(0, 2)]),  # d = 2
        (17, 8, 0, [0, 2, 4, 6, 8, 10, 12, 14], [(0, 2)]),  # the seventeenth frame is never seen
        (8, 8, 5, [0, 1, 2, 3, 4, 5, 6, 7], [(0, 1)]),
        (7, 8, 0, [0] * 8, []),  # fewer frames than segments
        (1, 8, 0, [0] * 8, []),
        (30, 1, 29, [29], [(0, 30)]),
    ],
)
def test_uniform_training(count: int, segments: int, draw: int, expected: list[int], asked: list) -> None:
    rng = Fixed(draw)
    assert rules.train_frames("uniform", count, segments, rng).tolist() == expected
    assert rng.asked == asked


def test_uniform_training_of_short_clips_with_neighbours() -> None:
    # 10 frames, 8 segments of 5: (10 - 5 + 1) // 8 = 0 but 10 > 8, so sorted draws from [0, 6).
    rng = Fixed(3)
    got = rules.train_frames("uniform", 10, 8, rng, length=5)
    assert rng.asked == [(0, 6)]
    assert got.reshape(8, 5)[0].tolist() == [3, 4, 5, 6, 7]
    assert rules.train_frames("uniform", 3, 1, Fixed(0), length=5).tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("count", "validation", "test"),
    [
        (16, [1, 3, 5, 7, 9, 11, 13, 15], [1, 3, 5, 7, 9, 11, 13, 15]),
        (20, [1, 3, 6, 8, 11, 13, 16, 18], [1, 3, 6, 8, 11, 13, 16, 18]),  # tick 2.5
        (9, [0, 1, 2, 3, 5, 6, 7, 8], [0, 1, 2, 3, 5, 6, 7, 8]),  # tick 1.125
        (8, [0] * 8, [0, 1, 2, 3, 4, 5, 6, 7]),  # the guard of validation is missing in the test
        (3, [0] * 8, [0, 0, 0, 1, 1, 2, 2, 2]),
        (1, [0] * 8, [0] * 8),
    ],
)
def test_uniform_validation_and_test(count: int, validation: list[int], test: list[int]) -> None:
    assert rules.validation_frames("uniform", count, 8, np.random.default_rng(0)).tolist() == validation
    assert rules.fixed_frames("uniform", count, 8).tolist() == [test]


def test_second_clip_starts_the_segments() -> None:
    assert rules.fixed_frames("uniform", 20, 8, clips=2).tolist() == [
        [1, 3, 6, 8, 11, 13, 16, 18],
        [0, 2, 5, 7, 10, 12, 15, 17],
    ]


def test_dense() -> None:
    rng = Fixed(10)
    assert rules.train_frames("dense", 100, 8, rng).tolist() == [10, 18, 26, 34, 42, 50, 58, 66]
    assert rng.asked == [(0, 36)]
    assert rules.train_frames("dense", 20, 8, Fixed(5)).tolist() == [0, 8, 16, 4, 12, 0, 8, 16]  # modulo the length
    clips = rules.fixed_frames("dense", 164, 8, clips=3)
    assert clips[:, 0].tolist() == [0, 50, 100]
    assert clips[1].tolist() == [50, 58, 66, 74, 82, 90, 98, 106]


@given(
    count=st.integers(1, 400),
    segments=st.integers(1, 32),
    length=st.integers(1, 5),
    clips=st.integers(1, 10),
    rule=st.sampled_from(["uniform", "dense"]),
)
@settings(max_examples=150, deadline=None)
def test_frames_exist_and_clips_are_ordered(count: int, segments: int, length: int, clips: int, rule: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        rules.train_frames(rule, count, segments, rng, length),
        rules.validation_frames(rule, count, segments, rng, length),
        *rules.fixed_frames(rule, count, segments, clips, length),
    ]
    for row in rows:
        assert len(row) == segments * length
        assert row.min() >= 0
        assert row.max() < count
        if rule == "uniform":
            assert (np.diff(row.reshape(segments, length)[:, 0]) >= 0).all()


def test_impossible_clips_are_refused() -> None:
    with pytest.raises(PoofError, match="video of 0 frames"):
        rules.fixed_frames("uniform", 0, 8)
    with pytest.raises(PoofError, match="clips=0"):
        rules.fixed_frames("uniform", 9, 8, clips=0)


# -------------------------------------------------------------------------------------------------------- flips


def pairs(labels: list[str]) -> list[tuple[int, int]]:
    return [(i, int(j)) for i, j in enumerate(mirror_labels(labels)) if j > i]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("sthv1_label_map.txt", [(2, 4), (30, 41), (52, 66)]),
        ("something_v1_category.txt", [(86, 87), (93, 94), (166, 167)]),
        ("sthv2_label_map.txt", [(86, 87), (93, 94), (166, 167)]),
        ("kinetics_label_map_k400.txt", []),
    ],
)
def test_flip_pairs_of_the_published_orders(data: Path, file: str, expected: list[tuple[int, int]]) -> None:
    labels = read_labels(data / "label-maps" / file)
    assert pairs(labels) == expected
    mirrored = mirror_labels(labels)
    assert (mirrored >= 0).all()
    assert (mirrored[mirrored] == np.arange(len(labels))).all()


def test_jester_turns_too(data: Path) -> None:
    labels = read_labels(data / "label-maps" / "jester_label_map.txt")
    named = {frozenset((labels[i], labels[j])) for i, j in pairs(labels)}
    assert frozenset(("Swiping Left", "Swiping Right")) in named
    assert frozenset(("Turning Hand Clockwise", "Turning Hand Counterclockwise")) in named


def test_a_side_without_partner_must_not_be_mirrored() -> None:
    assert mirror_labels(["turn left", "jump", "pull it right out"]).tolist() == [-1, 1, 2]
    assert mirror_labels(["move_left", "MoveRight"]).tolist() == [1, 0]


# -------------------------------------------------------------------------------------------------------- lists


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Three image folders of five frames and two tiny videos."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c d"):
        (tmp_path / name).mkdir()
        for number in range(1, 6):
            image = np.full((24, 32, 3), 40 * number, np.uint8)
            cv2.imwrite(str(tmp_path / name / f"img_{number:05d}.jpg"), image)
    for name in ("v1.mp4", "v2.mp4"):
        with VideoWriter(tmp_path / name, 25, (32, 24)) as writer:
            for number in range(12):
                writer.write(np.full((24, 32, 3), 20 * number, np.uint8) + rng.integers(0, 2, (24, 32, 3), np.uint8))
    return tmp_path


LISTS = [
    ("l.txt", "a 5 0\nb 4 1\nc d 5 1\n", "frames", [("a", 0, 0, 5), ("b", 1, 0, 4), ("c d", 1, 0, 5)]),
    ("l.txt", "v1.mp4 1\n\nv2.mp4 0\n", "videos", [("v1.mp4", 1, 0, None), ("v2.mp4", 0, 0, None)]),
    ("l.txt", "v1.mp4, 1\nc d, 0", "videos", [("v1.mp4", 1, 0, None), ("c d", 0, 0, None)]),
    ("l.txt", "a, 5, 0\nc d,4,1", "frames", [("a", 0, 0, 5), ("c d", 1, 0, 4)]),
    ("l.txt", "a 2 4 1\nb 1 5 0", "span", [("a", 1, 1, 3), ("b", 0, 0, 5)]),
    ("l.txt", "a;2;4;1\nc d;1;5;0", "span", [("a", 1, 1, 3), ("c d", 0, 0, 5)]),
    ("l.csv", "path,label\nv1.mp4,run\na,jump\n", "csv", [("v1.mp4", 1, 0, None), ("a", 0, 0, None)]),
    (
        "l.csv",
        "path,label,start,count,split\na,1,1,3,train\nb,0,,,train\nb,0,,,test",
        "csv",
        [("a", 1, 1, 3), ("b", 0, 0, None)],
    ),
    ("l.csv", "a;go left\nb;go right", "something-v1", [("a", 0, 0, None), ("b", 1, 0, None)]),
    ("l.json", json.dumps([{"id": "v1", "template": "Do [something]"}]), "something-v2", [("v1.mp4", 0, 0, None)]),
    (
        "l.csv",
        'original_vido_id video_id frame_id path labels\na 0 0 a/1.jpg "0"\na 0 1 a/2.jpg "0"\n',
        "slowfast",
        [("a", 0, 0, 2)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "format", "expected"), LISTS)
def test_list_formats(clips: Path, name: str, text: str, format: str, expected: list) -> None:
    (clips / name).write_text(text)
    assert detect(clips / name) == format
    got = read_list(clips / name)
    assert [(r.path.relative_to(clips).as_posix(), r.label, r.start, r.count) for r in got.records] == expected


def test_lists_with_an_offset_look_like_spans_and_must_be_named(clips: Path) -> None:
    # 'a 2 3 1' is frames 2 to 3 counted from 1 for IBM, 3 frames from number 2 on for mmaction2.
    (clips / "l.txt").write_text("a 2 3 1\nb 0 5 0\n")
    got = read_list(clips / "l.txt", format="offset")
    assert [(r.path.name, r.label, r.start, r.count) for r in got.records] == [("a", 1, 2, 3), ("b", 0, 0, 5)]
    with pytest.raises(PoofError, match=r"l\.txt line 2: frames 0 to 5 are no span; frames count from 1.*offset"):
        read_list(clips / "l.txt")


def test_kinetics_csv_finds_clips_as_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "high kick").mkdir()
    (tmp_path / "high kick" / "abc_000003_000013.mp4").touch()
    (tmp_path / "k.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nhigh kick,abc,3,13,train\nhigh kick,x,3,13,val\n"
    )
    got = read_list(tmp_path / "k.csv")
    assert [(r.path.name, r.label) for r in got.records] == [("abc_000003_000013.mp4", 0)]


def test_hmdb_flags(tmp_path: Path) -> None:
    for label, lines in (("kick", "a.avi 1\nb.avi 2\nc.avi 0\n"), ("run", "d.avi 1 \n")):
        (tmp_path / f"{label}_test_split1.txt").write_text(lines)
        (tmp_path / label).mkdir()
    for name in ("kick/a.avi", "kick/b.avi", "run/d.avi"):
        (tmp_path / name).touch()
    got = read_list(tmp_path)
    assert [(r.path.name, r.label) for r in got.records] == [("a.avi", 0), ("d.avi", 1)]
    with pytest.warns(PoofWarning, match="1 class has no clip: run"):
        assert [r.path.name for r in read_list(tmp_path, part="test").records] == ["b.avi"]


def test_ucf101_mini(data: Path) -> None:
    folder = data / "ucf101-mini" / "ucfTrainTestlist"
    train, test = read_list(folder), read_list(folder, part="test")
    assert (len(train), len(test)) == (78, 27)
    assert train.labels == test.labels == ("BabyCrawling", "Punch", "PushUps")
    assert not {r.path for r in train.records} & {r.path for r in test.records}
    assert all(r.path.parent.name == test.labels[r.label] for r in test.records)
    assert len(read_list(data / "ucf101-mini" / "UCF-101")) == 105


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 5 0\ngone 5 0", r"l\.txt line 2: .*gone is not there \(1 of 2 clips are missing\); .*--root"),
        ("a 5 1\nb 5 2", r"line 2: label 2 is beyond the 2 classes; labels count from 0, this list begins at 1"),
        ("a 5 0\nb five 1", r"line 2: 'five' is no number of frames"),
        ("a 5 -1\nb 5 0", r"line 1: label -1 is beyond"),
        ("\n# nothing\n", r"lists no clip"),
        ("justaname", r"line 1: expected 'path label'"),
    ],
)
def test_bad_lists_name_the_line(clips: Path, text: str, message: str) -> None:
    (clips / "l.txt").write_text(text)
    with pytest.raises(PoofError, match=message):
        read_list(clips / "l.txt", labels=["x", "y"])


def test_classes_without_a_clip_are_named(clips: Path) -> None:
    (clips / "l.txt").write_text("a 5 0")
    with pytest.warns(PoofWarning, match="1 class has no clip: run"):
        read_list(clips / "l.txt", labels=["jump", "run"])
    with pytest.raises(PoofError, match=r"unknown list format 'x'; there are .* \(12 in all\)"):
        read_list(clips / "l.txt", format="x")
    with pytest.raises(PoofError, match="no such list"):
        read_list(clips / "none.txt")


# -------------------------------------------------------------------------------------------- frames, transforms


def test_frames_of_folders_videos_and_arrays_are_the_same_numbers(clips: Path) -> None:
    counts = FrameCounts()
    folder = Record(clips / "a", 0, start=1, count=3)
    assert counts.of(folder) == 3
    assert [int(f.mean()) for f in read_frames(folder, np.array([0, 2, 2]))] == [80, 160, 160]
    video = Record(clips / "v1.mp4", 0)
    assert counts.of(video) == 12
    means = read_frames(video, np.array([11, 0, 5])).mean((1, 2, 3))
    assert np.allclose(means, [220, 0.5, 100], atol=4)
    np.save(clips / "x.npy", np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(3, 3))
    assert read_frames(Record(clips / "x.npy", 0, 1), np.array([0, 3]))[:, 0, 0, 0].tolist() == [1, 4]
    with pytest.raises(PoofError, match="has no image 9; it holds 5"):
        read_frames(Record(clips / "a", 0), np.array([9]))


def test_counts_are_kept_and_renewed(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(clips / "v1.mp4", 0)
    counts = FrameCounts(tmp_path / "counts.json")
    assert counts.fill([record]) == {}
    monkeypatch.setattr("poof.recog.data.frames.open_video", lambda path: pytest.fail("counted twice"))
    assert FrameCounts(tmp_path / "counts.json").of(record) == 12
    monkeypatch.undo()
    with VideoWriter(clips / "v1.mp4", 25, (32, 24)) as writer:
        for _ in range(5):
            writer.write(np.zeros((24, 32, 3), np.uint8))
    assert FrameCounts(tmp_path / "counts.json").of(record) == 5


def test_random_crops_are_square_parts_of_the_clip() -> None:
    frames = np.broadcast_to(np.arange(80, dtype=np.uint8)[None, None, :, None], (3, 60, 80, 3))
    widths = set()
    for seed in range(60):
        crop = random_crop(frames, 60, np.random.default_rng(seed))
        assert crop.shape == (3, 60, 60, 3)
        assert (crop[0] == crop[2]).all()
        widths.add(round(float(crop[0, 0, -1, 0]) - float(crop[0, 0, 0, 0]) + 1))
    assert max(widths) == 60
    assert min(widths) <= 41  # 0.66 * 60 = 39


def test_crops_of_a_test_lie_where_they_should() -> None:
    frames = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, None, :, None], (2, 64, 96, 3))
    lefts = lambda crops: [int(c[0, 0, 0, 0]) for c in crops]  # noqa: E731
    assert lefts(fixed_crops(frames, 64, "center", 64)) == [16]
    assert lefts(fixed_crops(frames, 64, "three", 64)) == [0, 16, 32]
    five = fixed_crops(frames, 32, "five", 64)
    assert lefts(five) == [0, 64, 0, 64, 32]
    ten = fixed_crops(frames, 32, "ten", 64)
    assert all((a[:, :, ::-1] == b).all() for a, b in zip(ten[:5], ten[5:]))
    assert fixed_crops(np.zeros((1, 30, 50, 3), np.uint8), 56)[0].shape == (1, 56, 56, 3)
    with pytest.raises(PoofError, match="do not fit"):
        fixed_crops(frames, 64, short=32)


def test_normalisation_is_imagenets() -> None:
    frames = np.full((1, 2, 2, 3), 255, np.uint8)
    got = normalise(to_tensor(frames), (0.5, 0.25, 0.0), (0.5, 0.5, 2.0))
    assert got[0, :, 0, 0].tolist() == [1.0, 1.5, 0.5]
    assert resize(frames, 2, 2) is frames


# ------------------------------------------------------------------------------------------- dataset, extraction


def test_what_is_random_depends_on_seed_epoch_and_record(clips: Path) -> None:
    (clips / "l.txt").write_text("v1.mp4 0\nv2.mp4 1")
    names = read_list(clips / "l.txt")

    def read(index: int, epoch: int, seed: int = 0) -> np.ndarray:
        views = ClipDataset(names, View(4, 1, 16, flip="plain"), FrameCounts(), True, seed)[index, epoch].views
        assert views is not None
        return views.numpy()

    assert (read(0, 1) == read(0, 1)).all()
    assert not (read(0, 1) == read(0, 2)).all()
    assert not (read(0, 1) == read(0, 1, seed=1)).all()


def test_mirrored_clips_change_their_label(tmp_path: Path) -> None:
    wedge = np.broadcast_to(np.arange(0, 240, 10, dtype=np.uint8)[None, None, :, None], (8, 24, 24, 3))
    np.save(tmp_path / "w.npy", wedge)
    (tmp_path / "l.txt").write_text("w.npy 0\n")
    with pytest.warns(PoofWarning, match="no clip: go right"):
        names = read_list(tmp_path / "l.txt", labels=["go left", "go right"])
    dataset = ClipDataset(names, View(4, 1, 16), FrameCounts(), True)
    seen = set()
    for epoch in range(20):
        sample = dataset[0, epoch]
        assert sample.views is not None
        row = sample.views[0, 0, 0, 0].float()
        seen.add((bool(row[-1] < row[0]), sample.label))
    assert seen == {(False, 0), (True, 1)}


def test_broken_clips_are_left_out_of_a_batch_and_named(clips: Path) -> None:
    (clips / "bad.mp4").write_bytes(b"no video")
    (clips / "l.txt").write_text("v1.mp4 0\nbad.mp4 1\nv2.mp4 1")
    dataset = ClipDataset(read_list(clips / "l.txt"), View(4, 1, 16), FrameCounts(), False)
    batch = collate([dataset[i] for i in range(3)])
    assert batch.labels.tolist() == [0, 1]
    assert batch.indices.tolist() == [0, 2]
    assert [index for index, _ in batch.broken] == [1]
    assert "bad.mp4" in batch.broken[0][1]


@given(length=st.integers(1, 60), batch=st.integers(1, 9), skip=st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_epochs_visit_every_clip_once_in_batches_of_two_and_more(length: int, batch: int, skip: int) -> None:
    sampler = EpochSampler(length, batch, seed=3)
    sampler.set_epoch(2)
    whole = list(sampler)
    assert sorted(i for part in whole for i, _ in part) == list(range(length))
    assert len(sampler) == len(whole)
    assert all(len(part) > 1 for part in whole) or batch == 1 or length == 1
    sampler.set_epoch(2, skip)
    assert list(sampler) == whole[skip:]
    sampler.set_epoch(3)
    assert length < 8 or list(sampler) != whole


@pytest.mark.parametrize("kind", ["jpg", "npy"])
def test_extraction_keeps_the_frames_and_goes_on(clips: Path, tmp_path: Path, kind: str) -> None:
    (clips / "bad.mp4").write_bytes(b"no video")
    (clips / "l.txt").write_text("v1.mp4 0\nbad.mp4 1\nv2.mp4 1\na 1\n")
    names = read_list(clips / "l.txt", labels=["jump", "run"])
    done = extract(names, tmp_path / "out", kind, short=0)
    assert [path.name for path in done.broken] == ["bad.mp4"]
    assert done.frames == 12 + 12 + 5
    assert done.bytes_after > 0
    again = read_list(tmp_path / "out" / "list.txt")
    assert again.labels == ("jump", "run")
    for old, new in zip([names.records[0], names.records[2]], again.records):
        frames = np.array([0, 7, 11])
        assert np.abs(read_frames(old, frames).astype(int) - read_frames(new, frames)).max() <= (
            3 if kind == "jpg" else 0
        )
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "out").rglob("*.*"))]
    extract(names, tmp_path / "out", kind, short=0)
    assert len(list((tmp_path / "out").rglob("*.*"))) == len(times)


@pytest.mark.filterwarnings("ignore::poof.errors.PoofWarning")
def test_check_names_each_broken_file(clips: Path) -> None:
    (clips / "bad.mp4").write_bytes(b"no video")
    whole = (clips / "v2.mp4").read_bytes()
    (clips / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (clips / "a" / "img_00003.jpg").write_bytes(b"")
    (clips / "l.csv").write_text("path,label,count\nv1.mp4,0,\nbad.mp4,0,\ncut.mp4,0,\na,0,\nb,0,5\nc d,0,9\n")
    broken = check(read_list(clips / "l.csv"))
    assert {path.name for path in broken} == {"bad.mp4", "cut.mp4", "a", "c d"}
    assert "img_00003.jpg" in broken[clips / "a"]


# -------------------------------------------------------------------------------------------------- motion task


@pytest.mark.parametrize("label", [0, 2, 4, 6])
def test_partners_show_the_same_frames_backwards(label: int) -> None:
    clip = render_clip(label, seed=3)
    assert clip.shape == (24, 64, 64, 3)
    assert (render_clip(label + 1, seed=3) == clip[::-1]).all()
    assert not (clip == clip[::-1]).all()
    assert not (render_clip(label, seed=4) == clip).all()


def test_the_square_gets_faster_in_either_direction() -> None:
    directions = set()
    for seed in range(12):
        clip = render_clip(4, seed, frames=16, size=64).astype(int)
        change = np.abs(np.diff(clip, axis=0)).sum((1, 2, 3))
        assert change[-4:].sum() > 2 * change[:4].sum()
        still = clip.min(0)
        centre = [
            ((frame - still).sum((0, 2)) * np.arange(64)).sum() / (frame - still).sum() for frame in clip[[0, -1]]
        ]
        directions.add(centre[1] > centre[0])
    assert directions == {True, False}


def test_order_accuracy_of_one_who_sees_no_order_is_a_half() -> None:
    labels = np.arange(8)
    blind = np.repeat(np.eye(4), 2, axis=0).repeat(2, axis=1)
    assert order_accuracy(blind, labels) == 0.5
    assert order_accuracy(np.eye(8), labels) == 1.0
    assert order_accuracy(-np.eye(8), labels) == 0.0


def test_rendered_task_is_a_list_like_any_other(tmp_path: Path) -> None:
    train, test = render_task(tmp_path / "task", train=16, test=8, frames=4, size=16)
    names = read_list(train)
    assert names.labels == CLASSES
    assert [r.label for r in read_list(test).records] == list(range(8))
    assert mirror_labels(CLASSES).tolist() == [1, 0, 2, 3, 4, 5, 6, 7]
    with pytest.raises(PoofError, match="8 classes need one each"):
        render_task(tmp_path, train=4, test=8)


def test_a_folder_of_lists_is_read_by_its_parts(tmp_path: Path) -> None:
    render_task(tmp_path, train=16, test=8, frames=4, size=16)
    for part, count in (("train", 16), ("test", 8)):
        assert read_list(tmp_path, part=part).records == read_list(tmp_path / f"{part}.txt").records
        assert len(read_list(tmp_path, part=part).records) == count
    # Class folders that have a list beside them stay class folders.
    (tmp_path / "train" / "left").mkdir()
    (tmp_path / "train" / "left" / "a.mp4").touch()
    assert [record.path.name for record in read_list(tmp_path, part="train").records] == ["a.mp4"]


def test_both_clips_of_a_pair_are_in_the_set_and_the_same_frames_are_chosen(tmp_path: Path) -> None:
    # Otherwise the frames themselves would tell a clip from its partner, and a network without order might score.
    _, test = render_task(tmp_path / "task", train=8, test=16, size=16)
    clips = [np.load(record.path) for record in read_list(test).records]
    chosen = rules.fixed_frames("uniform", len(clips[0]), 8)[0]
    for first, second in zip(clips[::2], clips[1::2]):
        assert (first == second[::-1]).all()
        assert (first[chosen] == second[chosen][::-1]).all()
    assert not (clips[0] == clips[8]).all()


# ------------------------------------------------------------------------------------- segments of several frames


def test_dense_clips_of_several_frames_a_segment_are_in_a_row() -> None:
    """As the released code of BQN and DAN: S x T frames in a row, segments begin anew behind the end."""
    for count in range(3, 193):
        for segments, length in ((8, 3), (16, 8)):
            total = segments * length
            for clips, starts in ((10, np.linspace(0, max(count - total, 0), 10, dtype=int)),):
                expected = []
                for start in starts:
                    row = []
                    for segment in range(segments):
                        frame = (start + segment * length) % count
                        for _ in range(length):
                            row.append(frame)
                            frame = min(frame + 1, count - 1)
                    expected.append(row)
                assert rules.fixed_frames("dense", count, segments, clips, length).tolist() == expected
    draw = rules.train_frames("dense", 200, 16, Fixed(30), length=8)
    assert draw.tolist() == list(range(30, 158))  # 128 frames, all different
    assert rules.fixed_frames("dense", 200, 16, 1, 8)[0].tolist() == list(range(36, 164))  # one clip: the centre
    assert rules.fixed_frames("dense", 40, 2, 1, 3, window=12)[0].tolist() == [14, 16, 18, 20, 22, 24]  # rate 2


def test_a_single_dense_clip_is_the_centre_one() -> None:
    assert rules.fixed_frames("dense", 100, 8)[0].tolist() == list(range(18, 82, 8))
    assert rules.fixed_frames("dense", 20, 8)[0].tolist() == [0, 8, 16, 4, 12, 0, 8, 16]
    assert rules.fixed_frames("dense", 100, 64, window=32)[0].tolist() == list(range(34, 98))  # never all one frame


def test_starts_of_the_normal_rule() -> None:
    """Fig. 5.6 of Stergiou (2021): N(L/4, L/6), in the first half."""
    rng = np.random.default_rng(0)
    starts = np.array([rules.train_frames("normal", 240, 4, rng, window=8)[0] for _ in range(2000)])
    assert (starts.min(), starts.max()) == (0, 120)
    inside = starts[(starts > 0) & (starts < 120)]
    assert abs(inside.mean() - 60) < 2
    assert abs((starts == 0).mean() - 0.0668) < 0.02  # a quarter below its own 1.5 standard deviations
    assert rules.fixed_frames("normal", 100, 8).tolist() == rules.fixed_frames("dense", 100, 8).tolist()


def test_a_validation_part_keeps_recordings_together(tmp_path: Path) -> None:
    names = [f"v_{kind}_g{group:02d}_c{clip:02d}.npy" for kind in "AB" for group in range(8) for clip in range(3)]
    records = tuple(Record(tmp_path / name, int(name[2] == "B")) for name in names)
    clips = ClipList((*records, Record(tmp_path / "alone.npy", 2)), ("A", "B", "C"), "l")
    rest, part = split_off(clips, 0.15, seed=1)
    assert len(rest) + len(part) == len(clips)
    assert [sum(r.label == c for r in part.records) for c in range(3)] == [3, 3, 0]  # one group of each: 3 of 24
    groups = [{r.path.stem[:-4] for r in some.records} for some in (rest, part)]
    assert not groups[0] & groups[1]
    assert split_off(clips, 0.15, seed=1)[1] == part
    assert split_off(clips, 0.15, seed=2)[1] != part
    with pytest.raises(PoofError, match="no class has two recordings"):
        split_off(ClipList(clips.records[-1:], clips.labels, "l"))

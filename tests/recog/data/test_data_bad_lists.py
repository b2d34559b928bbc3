"""Lists that are broken, deceptive or meant for another tool: one line each, nothing read wrongly, nothing left out
without a word."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from poof.errors import PoofError, PoofWarning
from poof.recog.data import ClipList, Record, read_list
from poof.recog.data.dataset import ClipDataset, View
from poof.recog.data.extract import check
from poof.recog.data.frames import FrameCounts, read_frames
from poof.recog.data.lists import FORMATS, detect, write_list
from poof.recog.data.lists.base import shown


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Arrays of five frames under names that lists stumble over, and a folder of images."""
    for name in ("a.npy", "run, then jump.npy", "run 5 0.npy", "b.npy", "#c.npy", "v.mp4"):
        (tmp_path / name).touch()
        if name.endswith(".npy"):
            np.save(tmp_path / name, np.full((5, 8, 8, 3), 7, np.uint8))
    (tmp_path / "d 5").mkdir()
    cv2.imwrite(str(tmp_path / "d 5" / "img_00001.jpg"), np.zeros((8, 8, 3), np.uint8))
    return tmp_path


def listed(folder: Path, text: str, name: str = "l.txt", **options: object) -> list[tuple[str, int]]:
    (folder / name).write_text(text)
    got = read_list(folder / name, **options)  # type: ignore[arg-type]
    return [(record.path.name, record.label) for record in got.records]


def test_a_comma_in_a_name(clips: Path) -> None:
    expected = [("run, then jump.npy", 1), ("a.npy", 0)]
    assert listed(clips, "run, then jump.npy 1\na.npy 0") == expected
    assert listed(clips, "run, then jump.npy, 1\na.npy, 0") == expected
    assert listed(clips, 'path,label\n"run, then jump.npy",1\na.npy,0\n', "l.csv") == expected
    with pytest.raises(PoofError, match=r"line 2: 3 fields, the header has 2; put names with commas into"):
        listed(clips, "path,label\nrun, then jump.npy,1\na.npy,0\n", "l.csv")


def test_names_that_end_in_numbers_and_what_is_written_is_read(clips: Path) -> None:
    assert listed(clips, "d 5 0\na.npy 1") == [("d 5", 0), ("a.npy", 1)]
    names = ("a.npy", "run, then jump.npy", "run 5 0.npy", "#c.npy", "d 5")
    records = tuple(Record(clips / name, number % 2) for number, name in enumerate(names))
    for order in (records, records[::-1]):
        write_list(ClipList(order, ("x", "y"), "l"), clips / "w.txt")
        got = read_list(clips / "w.txt")
        assert [(r.path.resolve(), r.label, r.start, r.count) for r in got.records] == [
            (r.path.resolve(), r.label, 0, None) for r in order
        ]


@pytest.mark.parametrize("text", ["v.mp4 0 1", "v.mp4 1 3 3", "v.mp4,0,1", "v.mp4 0\nv.mp4 0 1", "v.mp4 0\nv.mp4 0,1"])
def test_several_labels_a_line_are_refused(clips: Path, text: str) -> None:
    with pytest.raises(PoofError, match="several labels a clip are not supported"):
        listed(clips, text)


def test_frames_of_videos_are_taken_when_the_format_is_named(clips: Path) -> None:
    (clips / "l.txt").write_text("v.mp4 20 0")
    assert read_list(clips / "l.txt", format="frames").records[0].count == 20
    with pytest.raises(PoofError, match="0 is no number of frames"):
        listed(clips, "v.mp4 0 0", format="frames")


def test_one_bad_row_is_left_out_when_that_is_allowed(clips: Path) -> None:
    rows = ["a.npy 0", "b.npy 1"] * 10
    for bad, said in [
        ("gone.npy 0", "gone.npy is not there"),
        ("a.npy one", "'one' is no label"),
        ("b.npy 9", "label 9 is beyond the 2 classes"),
        ("\x1b[31m 0", r"'\\x1b\[31m' is no file name"),
    ]:
        text = "\n".join([*rows[:3], bad, *rows[3:]])
        with pytest.raises(PoofError, match=f"line 4: .*{said}"):
            listed(clips, text, labels=["x", "y"])
        with pytest.warns(PoofWarning, match=f"left out: .*line 4: .*{said}"):
            got = listed(clips, text, labels=["x", "y"], max_broken=0.05)
        assert len(got) == 20
        with pytest.raises(PoofError, match=r"line 4: "):
            listed(clips, text, labels=["x", "y"], max_broken=0.04)


def test_class_folders_take_all_videos_and_name_what_they_leave(tmp_path: Path) -> None:
    for name in ("a/1.wmv", "a/2.flv", "b/1.TS", "b/2.mp4", "b/3.m2ts", "a/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert len(read_list(tmp_path)) == 5
    (tmp_path / "b" / "notes.docx").touch()
    with pytest.warns(PoofWarning, match=r"1 files in the class folders .* no clips \(1 \.docx; first: .*notes"):
        assert len(read_list(tmp_path)) == 5


def test_no_mirror_where_sides_cannot_be_known(clips: Path) -> None:
    (clips / "l.txt").write_text("a.npy 0\nb.npy 1")
    numbers = read_list(clips / "l.txt")
    with pytest.warns(PoofWarning, match=r"numbers only, so no clip is mirrored.*--labels.*--flip plain"):
        dataset = ClipDataset(numbers, View(2, 1, 8), FrameCounts(), True)
    assert (dataset.mirrored == -1).all()
    named = read_list(clips / "l.txt", labels=["go left", "go right"])
    assert ClipDataset(named, View(2, 1, 8), FrameCounts(), True).mirrored.tolist() == [1, 0]
    assert ClipDataset(numbers, View(2, 1, 8, flip="plain"), FrameCounts(), True).mirrored.tolist() == [0, 1]


def test_classes_of_a_list_are_matched_with_the_networks(clips: Path) -> None:
    (clips / "l.txt").write_text("a.npy 0\nb.npy 1")
    numbers = read_list(clips / "l.txt")
    assert numbers.with_labels(["x", "y", "z"]).labels == ("x", "y", "z")  # the last class has no clip
    with pytest.raises(PoofError, match=r"has class 1, the network 1 classes \(0 to 0\)"):
        numbers.with_labels(["x"])
    named = read_list(clips / "l.txt", labels=["y", "x"])
    assert [r.label for r in named.with_labels(["w", "x", "y"]).records] == [2, 1]
    with pytest.raises(PoofError, match=r"does not know the class 'y' \(1 of 2 classes, it has 2\)"):
        named.with_labels(["x", "z"])
    assert [r.label for r in named.with_labels(["class 0", "class 1"]).records] == [0, 1]


LONG = "9" * 6000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.txt", "\x1b[31m"),
        ("l.txt", "0" * 5000),
        ("l.txt", f"a {'0' * 3000} 1"),
        ("l.txt", f"{'x' * 400} 1"),
        ("l.txt", f"a.npy {LONG}"),
        ("l.txt", "a.npy 99999999999999999999\na.npy 1"),
        ("l.txt", "a.npy ²"),
        ("l.txt", "a\0b 1"),
        ("l.csv", "path,label\ninf"),
        ("l.csv", "path,label,start\na.npy,x,-5"),
        ("l.csv", f"path,label\na.npy,{LONG}"),
        ("l.csv", "label,youtube_id,time_start,time_end\nx y,a,0,10,train\nz,b,1,11,train"),
        ("l.csv", "label,youtube_id,time_start,time_end\nx,a,inf,1e400"),
        ("l.csv", "label,youtube_id\nx,../\x07"),
        ("l.csv", "original_vido_id video_id frame_id path labels\na 0 0 p x"),
        ("l.csv", 'path,label\n"a.npy,0'),
        ("l.json", '[{"id": "line\\nbreak", "template": "Do"}]'),
        ("l.json", f'[{{"id": {"1" * 400}, "template": "Do"}}]'),
        ("l.json", f'[{{"id": {LONG}, "template": "Do"}}]'),
        ("l.json", '[{"id": "\\ud800", "template": "Do"}]'),
        ("l.json", '[{"id": "a", "template": 3}]'),
        ("l.json", '{"id": 1}'),
        ("l.json", "[" * 100_000),
        ("l.json", f'[{{"id": "a", "template": "{"x" * 2000}"}}]'),
    ],
)
def test_what_cannot_be_a_list_is_said_in_one_short_line(clips: Path, name: str, text: str) -> None:
    (clips / name).write_bytes(text.encode("utf-8"))
    with pytest.raises(PoofError) as caught:
        read_list(clips / name)
    message = str(caught.value).replace(str(clips), "")
    assert message.isprintable()
    assert len(message) < 300


def test_fuzzed_lists_end_in_a_list_or_one_line(clips: Path) -> None:
    seeds = {
        "l.txt": "a.npy 0\nb.npy 1\nd 5 1 0\nrun, then jump.npy, 1\n",
        "f.txt": "a 5 0\nd 5 1 0",
        "l.csv": "path,label,start,count,split\na.npy,x,0,5,train\nb.npy,y,1,2,test\n",
        "k.csv": "label,youtube_id,time_start,time_end,split\nx y,a,0,10,train\nz,b,1.5,11,train\n",
        "s.csv": 'original_vido_id video_id frame_id path labels\na.npy 0 0 a/1.jpg "0"\na.npy 0 1 a/2.jpg "0"\n',
        "v1.csv": "a.npy;go left\nb.npy;go right",
        "l.json": json.dumps([{"id": "a", "template": "Do [x]"}, {"id": "b", "template": "Let [x]"}]),
    }
    parts = ["\0", "\x1b[1m", "\u2028", "inf", "nan", "-1", "1e9", "9" * 30, "9" * 5000, "x" * 400, "/../"]
    parts += [",", ";", '"', " ", "\n", "\r", "²", "{", "]"]
    rng = random.Random(0)
    for turn in range(700):
        name = rng.choice(list(seeds))
        text = seeds[name]
        for _ in range(rng.randint(1, 3)):
            start = rng.randint(0, len(text))
            text = text[:start] + rng.choice(["", rng.choice(parts)]) + text[start + rng.choice([0, 0, 1, 5, 30]) :]
        (clips / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        format = rng.choice(["auto", "auto", *FORMATS]) if name.endswith("txt") else "auto"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PoofWarning)
                got = read_list(clips / name, format=format, max_broken=rng.choice([0, 0.5]))
            assert all(0 <= r.label < len(got.labels) and r.start >= 0 for r in got.records), (turn, text)
            assert all(label.isprintable() for label in got.labels), (turn, text)
        except PoofError as error:
            message = str(error).replace(str(clips), "")
            assert message.isprintable() and len(message) < 400, (turn, message)


def test_no_ordinary_file_is_read(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "l.txt")
    with pytest.raises(PoofError, match="is no ordinary file"):
        read_list(tmp_path / "l.txt")
    with pytest.raises(PoofError, match="no such list"):
        read_list(Path("x" * 5000))
    assert shown("a\x1b" + "b" * 500, 20).startswith("a\\x1b")


def test_a_decoder_that_fails_costs_its_clip_alone(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise ValueError("31 is not a valid Type")

    monkeypatch.setattr("poof.recog.data.frames.open_video", fail)
    monkeypatch.setattr("poof.recog.data.extract.open_video", fail)
    record = Record(clips / "v.mp4", 0)
    names = ClipList((record, Record(clips / "a.npy", 0)), ("x",), "l")
    assert list(FrameCounts().fill(names.records)) == [clips / "v.mp4"]
    assert "31 is not a valid Type" in check(names)[clips / "v.mp4"]
    with pytest.raises(PoofError, match="31 is not a valid Type"):
        read_frames(record, np.array([0]))


@pytest.mark.parametrize("text", ["[1]", '{"x": 5}', '{"x": ["a", 1, 2]}', "[" * 100_000, "\0"])
def test_a_broken_cache_of_counts_costs_time_alone(clips: Path, text: str) -> None:
    (clips / "counts.json").write_text(text)
    assert FrameCounts(clips / "counts.json").of(Record(clips / "a.npy", 0)) == 5


def test_the_cases_of_public_reports(data: Path) -> None:
    folder = data / "cases"
    assert len(read_list(folder / "10-containers-ignored" / "mix")) == 12
    for name in ("multi.txt", "multi3.txt"):
        with pytest.raises(PoofError, match="several labels a clip are not supported"):
            read_list(folder / "11-multi-label-list" / name)
    for path in sorted((folder / "fuzz").glob("list-recog-*")):
        kind = {"offset": "offset"}.get(path.stem, "auto")
        with pytest.raises(PoofError) as caught:
            read_list(path, format=kind)
        message = str(caught.value).replace(str(path), "")
        assert message.isprintable() and len(message) < 300, message
        if path.suffix == ".txt":
            for form in ("frames", "offset", "videos", "span"):
                with pytest.raises(PoofError):
                    read_list(path, format=form)
    assert detect(folder / "05-constant-network-scores-100" / "val4.txt") == "videos"

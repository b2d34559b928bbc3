"""What other tools write, that would be silently wrong: each gives its right value, a warning, or a refusal."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, check_fit, load_labels, save_labels
from poof.labels.formats.image_numbers import numbers_of

PATH = Path("gt.json")
PLACES = ((50.0, 70.0), (40.0, 80.0), (60.0, 80.0), (50.0, 90.0))


def coco(folder: Path, places: Any = PLACES, **fields: Any) -> Path:
    """One annotated image of 240x180."""
    points = [value for x, y in places for value in (x, y, 2)]
    names = [f"k{i}" for i in range(len(places))]
    document = {
        "images": [{"id": 1, "file_name": "img7.png", "width": 240, "height": 180}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": points} | fields],
        "categories": [{"id": 1, "name": "mouse", "keypoints": names, "skeleton": []}],
    }
    path = folder / "gt.json"
    path.write_text(json.dumps(document))
    return path


# ------------------------------------------------------------------------------------------------ boxes


@pytest.mark.parametrize(
    "box",
    [[40, 70, 1, 1], [0.17, 0.39, 0.08, 0.11], [0, 0, 0, 0], [140, 100, 20, 20], [40, 70, -20, -20]],
    ids=["one pixel", "shares", "nothing", "elsewhere", "negative"],
)
def test_a_box_that_does_not_hold_the_points_is_left_out(tmp_path: Path, box: list[float]) -> None:
    with pytest.warns(PoofWarning, match="left out 1 of 1 boxes"):
        labels = load_labels(coco(tmp_path, bbox=box))
    assert labels.instances[7, 0].box is None


def test_corners_given_as_a_box_are_left_out(tmp_path: Path) -> None:
    far = [(x + 150, y + 60) for x, y in PLACES]
    with pytest.warns(PoofWarning, match="left out 1 of 1 boxes"):
        labels = load_labels(coco(tmp_path, far, bbox=[185, 125, 215, 155]))
    assert labels.instances[7, 0].box is None


@pytest.mark.parametrize("box", [[30, 60, 40, 40], [40.5, 71, 19, 18], [0, 0, 240, 180], [45, 70, 15, 20]])
def test_a_box_that_holds_most_of_them_stays(tmp_path: Path, box: list[float]) -> None:
    np.testing.assert_array_equal(load_labels(coco(tmp_path, bbox=box)).instances[7, 0].box, np.float32(box))


# ------------------------------------------------------------------------------------------------ marks and shares


@pytest.mark.parametrize("mark", [(0, 0), (-1, -1)])
def test_a_mark_for_missing_is_no_point(tmp_path: Path, mark: tuple[int, int]) -> None:
    with pytest.warns(PoofWarning, match=r"took 1 points at \(0, 0\) or \(-1, -1\) as missing, not labelled \(k3\)"):
        labels = load_labels(coco(tmp_path, [*PLACES[:3], mark]))
    points = labels.instances[7, 0]
    assert points.labelled.tolist() == [True, True, True, False]
    assert not points.absent.any(), "nothing says that somebody looked"


def test_only_marks_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match="means missing; label at least one frame"):
        load_labels(coco(tmp_path, [(0, 0), (-1, -1)]))


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_shares_of_the_image_are_refused(tmp_path: Path, low: float) -> None:
    places = np.random.default_rng(0).uniform(low, 1, (5, 2)).tolist()
    with pytest.raises(PoofError, match="shares of the image, not pixels; export them in pixels"):
        load_labels(coco(tmp_path, places))


def test_the_corner_pixel_of_poofs_own_labels_stays(tmp_path: Path) -> None:
    """A person's point is never dropped, whatever format it travelled through."""
    points = Points.human(3, np.array([[0.0, 0.0], [-1.0, -1.0], [0.5, 0.25]]))
    labels = LabelSet(Skeleton(("a", "b", "c")), {(3, 0): points})
    for name in ("x.json", "x.csv", "x.h5", "CollectedData_x.csv"):
        save_labels(labels, tmp_path / name)
        again = load_labels(tmp_path / name).instances[3, 0]
        np.testing.assert_allclose(again.xy, points.xy, atol=0.0011)


# ------------------------------------------------------------------------------------------------ numbers and names


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"keypoints": [1e9, 1, 2] * 4}, "beyond any picture"),
        ({"keypoints": [10**400, 1, 2] * 4}, "a huge integer"),
        ({"track_id": 2**40}, "no whole number"),
        ({"track_id": 10**400}, "no whole number"),
        ({"score": 10**400}, ""),
        ({"bbox": [10**400] * 4}, ""),
    ],
)
def test_numbers_out_of_their_range(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = coco(tmp_path, **change)
    if reason:
        with pytest.raises(PoofError, match=reason):
            load_labels(path)
    else:
        with warnings.catch_warnings(action="ignore"):
            assert len(load_labels(path)) == 1


@pytest.mark.parametrize("value", [10**400, 1e300, -1, 2**31, 1.5, True, "7"])
def test_frame_numbers_out_of_their_range(tmp_path: Path, value: Any) -> None:
    path = coco(tmp_path)
    document = json.loads(path.read_text())
    document["images"][0]["frame_index"] = value
    path.write_text(json.dumps(document))
    with pytest.raises(PoofError, match="frame"):
        load_labels(path)


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "\ud800", "a\u202eb", "x" * 300, " "])
def test_names_that_cannot_be_shown(tmp_path: Path, name: str) -> None:
    path = coco(tmp_path)
    for change in (("categories", "keypoints"), ("categories", "name"), ("images", "file_name")):
        document = json.loads(path.read_text())
        if change[1] == "keypoints":
            document["categories"][0]["keypoints"][0] = name
        else:
            document[change[0]][0][change[1]] = f"{name}7.png" if change[1] == "file_name" else name
        (tmp_path / "bad.json").write_text(json.dumps(document))
        if change[1] == "file_name" and name.startswith(("x", " ")):
            continue
        with warnings.catch_warnings(action="ignore"), pytest.raises(PoofError, match="rename it") as caught:
            load_labels(tmp_path / "bad.json")
        assert len(str(caught.value)) <= 300
        assert str(caught.value).isprintable()


# ------------------------------------------------------------------------------------------------ frames of images


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["img005_cam2.png", "img017_cam2.png"], [5, 17]),
        (["frame_012_1920x1080.png", "frame_013_1920x1080.png"], [12, 13]),
        (["12_a3f9c2.png", "30_8b1d44.png"], [12, 30]),
        (["frame_12_ms_480.png", "frame_13_ms_520.png"], [12, 13]),
        (["img_3_frame_3.png", "img_9_frame_9.png"], [3, 9]),
    ],
    ids=["camera", "size", "hash", "milliseconds beside a frame", "twice the same"],
)
def test_the_number_that_tells_images_apart_is_the_frame(names: list[str], frames: list[int]) -> None:
    with warnings.catch_warnings(action="ignore"):
        assert list(numbers_of(PATH, names).values()) == frames


def test_another_number_than_the_last_is_told() -> None:
    with pytest.warns(PoofWarning, match=r"took 5 of 'img005_cam2\.png' as its frame"):
        numbers_of(PATH, ["img005_cam2.png", "img017_cam2.png"])


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["cam2_img005.png", "cam2_img017.png"], [5, 17]),
        (["2024-05-01_clip_88"], [88]),
        (["run3/0042.png", "run3/0043.png"], [42, 43]),
        (["a1_3.png", "b2_frame_7.png"], None),
    ],
)
def test_the_last_number_is_plain(names: list[str], frames: list[int] | None) -> None:
    if frames is None:
        with pytest.warns(PoofWarning, match="several numbers"):
            numbers_of(PATH, names)
    else:
        assert list(numbers_of(PATH, names).values()) == frames


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["clip-00.00.00.000.png", "clip-00.00.00.040.png"], "named by a time"),
        (["vlcsnap-2023-11-02-10h22m00s040.png"], "named by a time"),
        (["a_12_480.png", "a_13_520.png"], r"could be the frame \(12 or 480\)"),
        (["left.png"], "has no number"),
    ],
)
def test_names_that_do_not_tell_the_frame_are_refused(names: list[str], reason: str) -> None:
    with pytest.raises(PoofError, match=reason):
        numbers_of(PATH, names)


# ------------------------------------------------------------------------------------------------ width and height


def test_exchanged_width_and_height_are_a_rotation() -> None:
    labels = LabelSet(Skeleton(("a",)), {(0, 0): Points.human(0, np.array([[100.0, 200.0]]))}, image_size=(180, 240))
    for size in ((240, 180), (480, 360)):
        with pytest.raises(PoofError, match="width and height are exchanged") as caught:
            check_fit(labels, size, None, "clip.mp4")
        assert "--scale" not in str(caught.value)
    labels.image_size = None
    with pytest.raises(PoofError, match=r"; .*all fit 180x240, turned by a quarter") as caught:
        check_fit(labels, (240, 180), None, "clip.mp4")
    assert "--scale" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ public reports


def read(path: Path) -> tuple[LabelSet, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = load_labels(path)
    return labels, [str(warning.message) for warning in caught]


def test_cases_of_public_reports(data: Path) -> None:
    cases = data / "cases"
    for clip, ours in (("b", False), ("bear", True)):  # those of the bear bear poof's mark: nothing is to be said
        right, none = read(cases / "02-bogus-bbox" / f"{clip}_none.json")
        assert not none
        for name in ("one", "norm"):
            labels, told = read(cases / "02-bogus-bbox" / f"{clip}_{name}.json")
            assert all(points.box is None for points in labels.instances.values())
            assert any("boxes" in text for text in told) is not ours
            for key, points in right.instances.items():
                np.testing.assert_array_equal(labels.instances[key].xy, points.xy)
    for name in ("zeros", "minus1"):
        labels, told = read(cases / "09-zeros-for-missing" / f"{name}.csv")
        tail = labels.skeleton.index("tail")
        assert not any(points.labelled[tail] for points in labels.instances.values())
        assert all(points.labelled[:tail].all() for points in labels.instances.values())
        assert len(told) == 1
    for name in ("n_lossless", "n_vlc"):
        with pytest.raises(PoofError, match="named by a time"):
            load_labels(cases / "07-timestamp-names" / f"{name}.json")
    for name in ("limb0", "limb33"):
        labels, told = read(cases / "14-limb-out-of-range" / f"{name}.json")
        assert sum(int(p.labelled.sum()) for p in labels.instances.values()) == 16
        assert any("limbs" in text for text in told)
    labels, _ = read(cases / "15-individuals-as-categories" / "catind.json")
    assert sorted(labels.individuals.values()) == ["mouseA", "mouseB"]
    assert len(labels.instance_ids) == 2
    labels, _ = read(cases / "16-rotated-labels-remedy" / "gt.json")
    assert labels.image_size is not None
    with pytest.raises(PoofError, match="width and height are exchanged"):
        check_fit(labels, labels.image_size[::-1], None, "rotc.mp4")
    with pytest.raises(PoofError, match="shares of the image"):
        load_labels(cases / "24-normalised-keypoints" / "normxy.json")


# ------------------------------------------------------------------------------------------------ cells and files


@pytest.mark.parametrize("word", ["NA", "nan", "N/A", "None", "null", "#N/A"])
def test_words_for_an_empty_cell(tmp_path: Path, word: str) -> None:
    path = tmp_path / "CollectedData_me.csv"
    path.write_text(
        "scorer,me,me,me,me\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"
        f"labeled-data/v/img3.png,1.5,2.5,{word},{word}\n"
    )
    points = load_labels(path).instances[3, 0]
    assert points.labelled.tolist() == [True, False]


def test_what_is_no_ordinary_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path, reason in (
        (tmp_path / "pipe.json", "no ordinary file"),
        (Path("/dev/zero"), "no ordinary file"),
        (tmp_path, "is a folder"),
        (tmp_path / ("x" * 400), "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with pytest.raises(PoofError, match=reason):
            load_labels(path)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("labels-csv-escape-4f71.csv", "confidence '\\x1b[31m' is not a number"),
        ("rd-csv-escape-4be2.csv", "frame '\\x1b[31m' is not a number"),
        ("rd-csv-traceback-57bb.csv", "11 frames"),
        ("rd-csv-wrong-2c83.csv", "left paw has the likelihood 1000, outside 0..1"),
        ("rd-csv-wrong-a38e.csv", "nose has the likelihood -1, outside 0..1"),
        ("rd-json-escape-4be2.json", "names category \\x1b[31mred\\x1b[0m, which the file does not have"),
        ("rd-json-longline-12cd.json", "which the file does not have"),
        ("rd-json-traceback-947d.json", "the image '\\ud800' holds a control character"),
        ("rd-json-traceback-f6f2.json", "10000000000000000000 is no frame number"),
        ("rd-json-wrong-9619.json", "frame 6: a keypoint holds '1' instead of a number"),
        ("rd-json-wrong-a60b.json", "frame 11: a keypoint holds '2' instead of a number"),
        ("rd-json-wrong-baae.json", "track_id 10000000000000000000 is no whole number from 0"),
    ],
)
def test_inputs_of_a_campaign(data: Path, tmp_path: Path, name: str, right: str) -> None:
    """A refusal is one printable line; what is read comes back from every format."""
    try:
        labels, _ = read(data / "cases" / "fuzz" / name)
        told = f"{len(labels.frames)} frames"
        for ending in ("json", "csv"):
            save_labels(labels, tmp_path / f"o.{ending}")
            assert load_labels(tmp_path / f"o.{ending}").instances.keys() == labels.instances.keys()
    except PoofError as error:
        told = str(error)
    assert right in told and told.isprintable() and len(told) <= 300


@pytest.mark.parametrize("value", ["1", True, [1], {"x": 1}])
def test_texts_are_no_numbers(tmp_path: Path, value: object) -> None:
    path = coco(tmp_path, keypoints=[50, 70, 2, 40, 80, value, 60, 80, 2, 50, 90, 2])
    with pytest.raises(PoofError, match="instead of a number"):
        load_labels(path)


@pytest.mark.parametrize("ending", [".h5", ".csv", ".slp", ".xml", ".json"])
def test_individuals_of_one_name_stay_apart(tmp_path: Path, ending: str) -> None:
    """SLEAP lets several tracks have one name; a table by names had its columns twice and was refused."""
    labels = LabelSet(Skeleton(("a", "b")), image_size=(64, 48), individuals={0: "Anna", 1: "Anna 2", 2: "Anna"})
    for number in range(3):
        labels.add(4, number, Points.human(4, np.float32([[10 + number, 9], [20, 30 + number]])))
    with warnings.catch_warnings(action="ignore"):
        save_labels(labels, tmp_path / "a.slp")
    with pytest.warns(PoofWarning, match="several individuals are called 'Anna'; the later ones have a number"):
        read = load_labels(tmp_path / "a.slp")
    assert list(read.individuals.values()) == ["Anna", "Anna 2", "Anna 3"]
    with warnings.catch_warnings(action="ignore"):
        save_labels(read, tmp_path / f"b{ending}")
        again = load_labels(tmp_path / f"b{ending}")
    assert sorted(points.xy.tolist() for _, _, points in again) == [
        [[10 + number, 9], [20, 30 + number]] for number in range(3)
    ]


def test_the_largest_number_of_an_instance_comes_back(tmp_path: Path) -> None:
    """Numbers of ten digits were read as names."""
    labels = LabelSet(Skeleton(("a",)))
    labels.add(3, 2**31 - 1, Points.human(3, np.array([[5, 6]], np.float32)))
    save_labels(labels, tmp_path / "o.csv")
    assert list(load_labels(tmp_path / "o.csv").instances) == [(3, 2**31 - 1)]
    text = (tmp_path / "o.csv").read_text().replace("2147483647", "2147483648")
    (tmp_path / "o.csv").write_text(text)
    assert load_labels(tmp_path / "o.csv").individuals == {0: "2147483648"}, "beyond it, it is a name"

"""`poof export`: frames and tables under names that agree, in the projects of other tools."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from poof.errors import PoofError, PoofWarning
from poof.exchange import PEERS, export
from poof.exchange.choosing import chosen, confident, hardness
from poof.exchange.yolo import line, split
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels
from poof.video.base import ArrayVideo

SIZE = (64, 48)
CONFIG = """Task: reach
scorer: Ann
multianimalproject: {several}
video_sets:
  /data/clip.mp4:
    crop: 0, 64, 0, 48
{parts}
skeleton: []
iteration: 2
"""
ONE = "bodyparts:\n- tail\n- nose\n- ear"
TWO = "bodyparts: MULTI!\nmultianimalbodyparts:\n- tail\n- nose\nuniquebodyparts: []\nindividuals:\n- Bob\n- Ann"


@pytest.fixture
def footage() -> ArrayVideo:
    """Thirty frames; the grey of each is its number."""
    return ArrayVideo([np.full((SIZE[1], SIZE[0], 3), frame, np.uint8) for frame in range(30)], name="clip.mp4")


def result(several: bool = False) -> LabelSet:
    """A person labelled frames 0 and 20; in between points were carried, the more unsure the farther away."""
    labels = LabelSet(Skeleton(("nose", "tail"), ((0, 1),), (), "mouse"), image_size=SIZE)
    for frame in range(0, 21, 2):
        for instance in range(2 if several else 1):
            points = Points.human(frame, np.array([[10.0 + frame + instance, 20.0], [30.0, 10.0 + frame]]))
            if frame not in (0, 20):
                points.source[:], points.anchor[:], points.steps[:] = Source.PROPAGATED, 0, frame
                points.confidence[:] = 1 - min(frame, 20 - frame) / 20
            labels.add(frame, instance, points)
    return labels


def project(folder: Path, several: bool = False) -> Path:
    (folder / "config.yaml").write_text(CONFIG.format(several=str(several).lower(), parts=TWO if several else ONE))
    return folder


def grey(path: Path) -> int:
    """The number of the frame that an image shows."""
    return int(np.asarray(Image.open(path))[0, 0, 0])


# ------------------------------------------------------------------------------------------------ what is chosen


def test_hard_frames_first_and_a_persons_go_along() -> None:
    labels = result()
    assert max(hardness(labels), key=hardness(labels).__getitem__) == 10
    assert chosen(labels, "all", None) == list(range(0, 21, 2))
    assert chosen(labels, "every:3", None) == [0, 6, 12, 18]
    assert chosen(labels, "4,8", None) == [4, 8]
    assert chosen(labels, "all", 1) == [0, 10, 20]
    assert chosen(labels, "all", 2) == [0, 4, 10, 20], "not the neighbour of the hardest one"
    assert chosen(labels, "all", 0) == [0, 20]
    for wrong, message in (("4,5", "nothing is labelled in frame 5"), ("some", "say all, every:N")):
        with pytest.raises(PoofError, match=message):
            chosen(labels, wrong, None)


def test_points_below_a_confidence() -> None:
    kept, dropped = confident(result(), 0.7)
    assert dropped == 2 * 3
    assert kept.frames == [0, 2, 4, 6, 14, 16, 18, 20]
    with pytest.raises(PoofError, match="--min-confidence 2"):
        confident(result(), 2)


# ------------------------------------------------------------------------------------------------ DeepLabCut


def test_machine_labels_into_a_project(tmp_path: Path, footage: ArrayVideo) -> None:
    made = export(result(), footage, "dlc", project(tmp_path), count=3)
    folder = tmp_path / "labeled-data" / "clip"
    assert [f.name for f in made.files] == ["machinelabels-iter2.h5", "machinelabels.csv"]
    assert "CollectedData" not in " ".join(f.name for f in folder.iterdir())
    table = pd.read_hdf(folder / "machinelabels-iter2.h5")  # without a key, as DeepLabCut reads
    assert isinstance(table, pd.DataFrame)
    assert table.columns.names == ["scorer", "bodyparts", "coords"]
    assert table.columns.get_level_values("scorer").unique().tolist() == ["Ann"]
    assert table.columns.get_level_values("bodyparts").unique().tolist() == ["tail", "nose", "ear"]
    assert table.index.tolist() == [("labeled-data", "clip", f"img{frame:02d}.png") for frame in made.frames]
    assert made.frames == [0, 4, 10, 16, 20]
    for frame in made.frames:
        assert grey(folder / f"img{frame:02d}.png") == frame
    table = table.sort_index(axis=1)
    np.testing.assert_allclose(table.loc[("labeled-data", "clip", "img10.png"), ("Ann", "nose")], [0.5, 20, 20])
    assert table.loc[("labeled-data", "clip", "img00.png"), ("Ann", "nose", "likelihood")] == 1
    back = load_labels(folder / "machinelabels-iter2.h5")
    assert back.instances[0, 0].is_human[:2].all() and not back.instances[10, 0].is_human.any()
    csv = load_labels(folder / "machinelabels.csv")
    np.testing.assert_allclose(csv.instances[10, 0].xy, back.instances[10, 0].xy)


def test_what_a_person_labelled_in_the_project_stays_out(tmp_path: Path, footage: ArrayVideo) -> None:
    folder = project(tmp_path) / "labeled-data" / "clip"
    folder.mkdir(parents=True)
    Image.new("RGB", SIZE, (200, 0, 0)).save(folder / "img0004.png")
    table = folder / "CollectedData_Ann.csv"
    table.write_text("scorer,Ann,Ann\nbodyparts,nose,nose\ncoords,x,y\nlabeled-data/clip/img0004.png,1,2\n")
    before = table.read_bytes()
    made = export(result(), footage, "dlc", tmp_path)
    assert 4 not in made.frames and 6 in made.frames
    assert (folder / "img0006.png").is_file(), "named as those that are there"
    assert grey(folder / "img0004.png") == 200 and table.read_bytes() == before
    assert any("1 frames stay out: a person labelled them" in note for note in made.notes)
    with pytest.raises(PoofError, match="is there already and a person's"):
        export(result(), footage, "dlc", tmp_path, as_labels=True)
    export(result(), footage, "dlc", tmp_path)
    (folder / "machinelabels.csv").write_text("changed by a person")
    with pytest.raises(PoofError, match=r"machinelabels\.csv: exists already and is not what poof wrote there"):
        export(result(), footage, "dlc", tmp_path, force=True)


@pytest.mark.parametrize(
    ("peer", "name"), [("lp", "CollectedData.csv"), ("cvat", "annotations.xml"), ("label-studio", "tasks.json")]
)
@pytest.mark.filterwarnings("ignore::poof.errors.PoofWarning")
def test_a_second_export_takes_the_place_of_the_first_unless_a_person_changed_it(
    tmp_path: Path, footage: ArrayVideo, peer: str, name: str
) -> None:
    export(result(), footage, peer, tmp_path, count=2)
    first = (tmp_path / name).read_bytes()
    export(result(), footage, peer, tmp_path, count=4)
    assert (tmp_path / name).read_bytes() != first
    changed = (tmp_path / name).read_text() + "\n"
    (tmp_path / name).write_text(changed)
    with pytest.raises(PoofError, match="exists already and is not what poof wrote there"):
        export(result(), footage, peer, tmp_path, force=True)
    assert (tmp_path / name).read_text() == changed


def test_as_labels_with_a_list_of_what_is_machine_made(tmp_path: Path, footage: ArrayVideo) -> None:
    made = export(result(), footage, "dlc", project(tmp_path), as_labels=True, count=2)
    assert [f.name for f in made.files] == [
        "CollectedData_Ann.h5",
        "CollectedData_Ann.csv",
        "CollectedData_Ann.machine.csv",
    ]
    table = pd.read_hdf(made.files[0])
    assert isinstance(table, pd.DataFrame)
    assert table.columns.get_level_values("coords").unique().tolist() == ["x", "y"]
    for file in made.files[:2]:
        back = load_labels(file)
        assert back.instances[10, 0].source[:2].tolist() == [Source.PROPAGATED] * 2
        assert back.instances[20, 0].is_human[:2].all()


def test_a_project_of_several_animals(tmp_path: Path, footage: ArrayVideo) -> None:
    labels = result(several=True)
    labels.individuals = {1: "Bob"}
    made = export(labels, footage, "dlc", project(tmp_path, several=True), frames="10")
    table = pd.read_hdf(made.files[0])
    assert isinstance(table, pd.DataFrame)
    row = table.iloc[0]
    assert row["Ann", "Bob", "nose", "x"] == 21 and row["Ann", "Ann", "nose", "x"] == 20
    labels.individuals = {1: "Eve"}
    with pytest.raises(PoofError, match="has no place for 'Eve'; its individuals are Bob, Ann"):
        export(labels, footage, "dlc", tmp_path, force=True)


def test_what_does_not_fit_a_project(tmp_path: Path, footage: ArrayVideo) -> None:
    with pytest.raises(PoofError, match=r"is no DeepLabCut project, it has no config\.yaml"):
        export(result(), footage, "dlc", tmp_path)
    project(tmp_path)
    other = result().replace(skeleton=Skeleton(("nose", "paw")))
    with pytest.raises(PoofError, match="has no bodypart paw"):
        export(other, footage, "dlc", tmp_path)
    with pytest.raises(PoofError, match="is a project of one animal"):
        export(result(several=True), footage, "dlc", tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["config.yaml"], "nothing half-written"


def test_frames_beyond_the_video_leave_nothing(tmp_path: Path, footage: ArrayVideo) -> None:
    labels = result()
    labels.add(40, 0, labels.instances[0, 0].copy())
    with pytest.raises(PoofError, match="ends before frame 40"):
        export(labels, footage, "dlc", project(tmp_path))
    assert not list(tmp_path.rglob("*.png")) and not list(tmp_path.rglob("*.h5"))


def test_a_project_by_hand_through_export_and_deeplabcuts_merge(data: Path, tmp_path: Path) -> None:
    """The rules of DeepLabCut 3.0's merge_annotateddatasets, and of napari-deeplabcut's saving before it."""
    from poof import propagate
    from poof.propagation import Settings
    from poof.video import open_video

    source = data / "dlc-reaching"
    folder = tmp_path / "labeled-data" / "vid"
    folder.mkdir(parents=True)
    parts = ("Hand", "Finger1", "Tongue", "Joystick1", "Joystick2")
    names = "".join(f"- {name}\n" for name in parts)
    config = CONFIG.format(several="false", parts=f"bodyparts:\n{names}").replace(
        "/data/clip.mp4", str(source / "vid.avi")
    )
    (tmp_path / "config.yaml").write_text(config.replace("scorer: Ann", "scorer: Mackenzie"))
    truth = load_labels(source / "labels_video_416x374.csv")
    first = truth.frames[:3]
    labelled = truth.replace(instances={key: points for key, points in truth.instances.items() if key[0] in first})
    for ending in (".h5", ".csv"):
        save_labels(labelled, folder / f"CollectedData_Mackenzie{ending}")
    given = load_labels(tmp_path, video="vid.avi")
    assert given.frames == first and given.skeleton.keypoints == parts
    carried = propagate(open_video(source / "vid.avi"), given, settings=Settings(radius=1))
    made = export(carried, source / "vid.avi", "dlc", tmp_path)

    persons = pd.read_hdf(folder / "CollectedData_Mackenzie.h5")
    machine = pd.read_hdf(made.files[0])
    assert isinstance(persons, pd.DataFrame) and isinstance(machine, pd.DataFrame)
    assert not set(machine.index) & set(persons.index)
    refined = machine.loc[:, machine.columns.get_level_values("coords") != "likelihood"]
    assert list(refined.columns) == list(persons.columns)
    assert persons.columns.levels[0][0] == machine.columns.levels[0][0] == "Mackenzie"
    merged = pd.concat([persons, refined]).sort_index().reindex(list(parts), axis=1, level=1)
    assert len(merged) == len(carried.frames)
    merged.to_hdf(tmp_path / "CollectedData_Mackenzie.h5", key="df_with_missing", mode="w")
    back = load_labels(tmp_path / "CollectedData_Mackenzie.h5")
    assert back.frames == carried.frames
    for (frame, instance), points in carried.instances.items():
        keep = points.labelled & (points.visible > 0)
        np.testing.assert_allclose(points.xy[keep], back.instances[frame, instance].xy[keep], atol=0.01)


# ------------------------------------------------------------------------------------------------ the others


@pytest.mark.filterwarnings("ignore::poof.errors.PoofWarning")
@pytest.mark.parametrize("to", [peer for peer in PEERS if peer != "dlc"])
@pytest.mark.parametrize("pattern", [None, "shot{:04d}.jpg"])
def test_names_agree_in_images_and_tables(tmp_path: Path, footage: ArrayVideo, to: str, pattern: str | None) -> None:
    labels = result()
    if pattern:
        labels.frame_names = {0: pattern.format(0), 20: pattern.format(20)}
    out = tmp_path / "out"
    made = export(labels, footage, to, out, count=2)
    assert made.frames == [0, 4, 10, 20]
    names = {
        "lp": "img{:08d}.png",
        "label-studio": "img{:06d}.png",
        "yolo-pose": "clip_{:06d}.png",
        "cvat": "frame_{:06d}.PNG",
    }[to]
    names = pattern if pattern and to != "cvat" else names
    images = {path.name: path for path in out.rglob("*") if path.suffix in (".png", ".jpg")}
    if to != "cvat":
        assert sorted(images) == [names.format(frame) for frame in made.frames]
        assert all(abs(grey(images[names.format(frame)]) - frame) <= 2 for frame in made.frames)
    tables = {"lp": "CollectedData.csv", "label-studio": "tasks.json", "cvat": "coco_keypoints.json"}
    if to in tables:
        text = (out / tables[to]).read_text()
        assert all(names.format(frame) in text for frame in made.frames)
        back = load_labels(out / tables[to])
        assert back.frames == made.frames
        for frame in made.frames:
            np.testing.assert_allclose(back.instances[frame, 0].xy, labels.instances[frame, 0].xy, atol=0.01)
            assert back.instances[frame, 0].is_human.all() == (frame in (0, 20))


def test_cvat_gets_labels_for_its_constructor(tmp_path: Path, footage: ArrayVideo) -> None:
    made = export(result(several=True), footage, "cvat", tmp_path / "out")
    (label,) = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert (label["name"], label["type"]) == ("mouse", "skeleton")
    assert [part["name"] for part in label["sublabels"]] == ["nose", "tail"]
    assert made.images == 0
    assert len(load_labels(tmp_path / "out" / "annotations.xml")) == 22


def test_yolo_pose(tmp_path: Path, footage: ArrayVideo) -> None:
    made = export(result(several=True), footage, "yolo-pose", tmp_path / "out")
    settings = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert (settings["kpt_shape"], settings["flip_idx"], settings["names"]) == ([2, 3], [0, 1], {0: "mouse"})
    lines = (tmp_path / "out" / "train" / "labels" / "clip_000010.txt").read_text().splitlines()
    assert len(lines) == 2
    numbers = [float(cell) for cell in lines[0].split()]
    np.testing.assert_allclose(numbers[5:], [20 / 64, 20 / 48, 2, 30 / 64, 20 / 48, 2], atol=1e-6)
    assert len(list((tmp_path / "out" / "val" / "labels").iterdir())) == 1
    assert "36 points are no person's" in made.notes[-1]
    with pytest.raises(PoofError, match="holds labels already; choose another folder"):
        export(result(), footage, "yolo-pose", tmp_path / "out")


def test_a_yolo_line() -> None:
    points = Points.human(0, np.array([[16.0, 12.0], [48.0, 36.0], [np.nan, np.nan]]), np.array([2, 1, 0]))
    points.box = np.array([8, 6, 48, 36], np.float32)
    assert line(points, SIZE) == ("0 0.500000 0.500000 0.750000 0.750000 0.250000 0.250000 2 0.750000 0.750000 1 0 0 0")
    assert line(Points.empty(2), SIZE) == ""
    assert split(list(range(25))) == (list(range(23)), [23, 24])


def test_mistakes(tmp_path: Path, footage: ArrayVideo) -> None:
    with pytest.raises(PoofError, match="no tool 'sleap' to export to; there are dlc, lp, cvat"):
        export(result(), footage, "sleap", tmp_path / "out")
    with pytest.raises(PoofError, match="--as-labels is for --to dlc"):
        export(result(), footage, "lp", tmp_path / "out", as_labels=True)
    with pytest.raises(PoofError, match="one subject in a table"):
        export(result(several=True), footage, "lp", tmp_path / "out")
    small = result().replace(image_size=(32, 24))
    with pytest.raises(PoofError, match="scale them first"):
        export(small, footage, "cvat", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_balance_is_told(tmp_path: Path, footage: ArrayVideo) -> None:
    with pytest.warns(PoofWarning):
        made = export(result().replace(skeleton=Skeleton(("a", "b"), ((0, 1),))), footage, "lp", tmp_path / "a")
    assert not made.notes
    labels = result()
    for frame in range(1, 20, 2):
        labels.add(frame, 0, labels.instances[10, 0].copy())
    with pytest.warns(PoofWarning):
        made = export(labels, footage, "lp", tmp_path / "b")
    assert made.notes == [
        "19 tracked frames, most of them easy, beside 2 that a person labelled unbalance a training set; --count takes"
        " the hardest"
    ]

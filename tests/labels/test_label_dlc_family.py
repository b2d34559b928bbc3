"""Tables in DeepLabCut's layout: who set a point, Lightning Pose, tracks, projects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from peer_material import assert_same, rich

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Source, Visible, load_labels, save_labels

WITH_LIKELIHOOD = """scorer,Ann,Ann,Ann,Ann,Ann,Ann
bodyparts,nose,nose,nose,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood
labeled-data/v/img007.png,1,2,0.25,3,4,
"""


# ------------------------------------------------------------------------------------------------ who set a point


def test_a_likelihood_tells_who_set_a_point(tmp_path: Path) -> None:
    (tmp_path / "machinelabels.csv").write_text(WITH_LIKELIHOOD)
    points = load_labels(tmp_path / "machinelabels.csv").instances[7, 0]
    assert points.source.tolist() == [Source.PREDICTED, Source.HUMAN]
    np.testing.assert_allclose(points.confidence, [0.25, 1])
    (tmp_path / "CollectedData_Ann.csv").write_text(WITH_LIKELIHOOD)
    points = load_labels(tmp_path / "CollectedData_Ann.csv").instances[7, 0]
    assert points.source.tolist() == [Source.HUMAN] * 2


@pytest.mark.parametrize("name", ["out.h5", "machinelabels-iter0.h5", "machinelabels.csv", "CollectedData_Ann.csv"])
def test_what_no_person_set_never_comes_back_as_a_persons(tmp_path: Path, name: str) -> None:
    labels = rich()
    with pytest.warns(PoofWarning, match="cannot hold"):
        save_labels(labels, tmp_path / name)
    back = load_labels(tmp_path / name)
    assert_same(labels, back, "confidence")
    for key, points in labels.instances.items():
        np.testing.assert_array_equal(points.is_human, back.instances[key].is_human)
        if name != "machinelabels.csv":  # a likelihood alone does not tell what made the point
            np.testing.assert_array_equal(points.source, back.instances[key].source)


def test_the_list_beside_collected_data(tmp_path: Path) -> None:
    path = tmp_path / "CollectedData_Ann.csv"
    with pytest.warns(PoofWarning, match=r"that 22 points are no person's, CollectedData_Ann\.machine\.csv lists them"):
        save_labels(rich(), path)
    assert "likelihood" not in path.read_text()
    x = rich().instances[3, 0].xy[0, 0]
    path.write_text(path.read_text().replace(f"{x:.3f}".rstrip("0"), f"{x + 3:.3f}"))
    points = load_labels(path).instances[3, 0]
    assert points.source.tolist() == [Source.HUMAN, *[Source.PROPAGATED] * 3], "moved by a person"
    path.unlink()
    with pytest.warns(PoofWarning, match="cannot hold occlusion"):
        save_labels(rich().human(), path)
    assert not (tmp_path / "CollectedData_Ann.machine.csv").exists()


def test_3d_tables_are_refused_with_what_they_are(tmp_path: Path) -> None:
    text = "scorer,A,A,A\nbodyparts,nose,nose,nose\ncoords,x,y,z\n0,1,2,3\n"
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(PoofError, match=r"is a 3D table \(it has a column z\) in units of the world"):
        load_labels(tmp_path / "a.csv")


# ------------------------------------------------------------------------------------------------ tracks


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_tracks_have_a_row_for_every_frame(tmp_path: Path, ending: str) -> None:
    labels = rich()
    labels.info["frame_count"] = 50
    path = tmp_path / f"tracks{ending}"
    with pytest.warns(PoofWarning):
        save_labels(labels, path, format="dlc-tracks")
    if ending == ".h5":
        table = pd.read_hdf(path)  # without a key, as DeepLabCut reads it: our group is no second table
    else:
        table = pd.read_csv(path, header=[0, 1, 2, 3])  # index_col would take the empty first row for its name
        table = table.set_index(table.columns[0])
    assert isinstance(table, pd.DataFrame)
    assert table.index.tolist() == list(range(50))
    if ending == ".h5":
        assert table.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    row = table.loc[3, ("poof", "individual2", "nose")]
    np.testing.assert_allclose(row, [*labels.instances[3, 1].xy[0], 0.9], atol=1e-3)
    assert table.loc[2, ("poof", "individual1", "nose", "likelihood")] == 1
    assert table.loc[5].isna().all()
    back = load_labels(path)
    assert_same(labels, back, "confidence", *(("source", "visible", "anchor") if ending == ".h5" else ()))
    for key, points in labels.instances.items():
        np.testing.assert_array_equal(points.is_human, back.instances[key].is_human)


def test_the_scorer_tells_what_made_the_points(tmp_path: Path) -> None:
    labels = rich(several=False)
    for _, _, points in labels:
        points.source[points.source == Source.REFINED] = Source.PROPAGATED
        points.confidence[0] = 1.0  # sure, but no person's
    with pytest.warns(PoofWarning):
        save_labels(labels, tmp_path / "t.csv", format="dlc-tracks")
    assert (tmp_path / "t.csv").read_text().startswith("scorer,poof-propagated")
    back = load_labels(tmp_path / "t.csv")
    assert_same(labels, back, "source")


# ------------------------------------------------------------------------------------------------ Lightning Pose


def test_lightning_pose_there_and_back(tmp_path: Path) -> None:
    labels = rich(several=False)
    with pytest.warns(PoofWarning, match=r"that 11 points are no person's, lp\.machine\.csv lists them"):
        save_labels(labels, tmp_path / "lp.csv", format="lp")
    lines = (tmp_path / "lp.csv").read_text().splitlines()
    assert lines[2].startswith("coords,x,y,x,y,"), "Lightning Pose ignores the place of what `visible` calls covered"
    assert lines[3].startswith("labeled-data/clip/img002.png,"), "one column of paths"
    table = pd.read_csv(tmp_path / "lp.csv", header=[0, 1, 2], index_col=0)
    assert table.shape == (5, 8)
    back = load_labels(tmp_path / "lp.csv")
    for key, points in labels.instances.items():
        keep = points.labelled
        np.testing.assert_allclose(points.xy[keep], back.instances[key].xy[keep], atol=0.01)
        for field in ("source", "confidence"):
            np.testing.assert_allclose(getattr(points, field)[keep], getattr(back.instances[key], field)[keep])
    with pytest.raises(PoofError, match="one subject in a table, these labels 2"):
        save_labels(rich(), tmp_path / "two.csv", format="lp")
    assert not (tmp_path / "two.csv").exists()


def test_lightning_poses_own_tables(tmp_path: Path) -> None:
    text = "scorer,t,t,t,t,t,t\nbodyparts,a,a,a,b,b,b\ncoords,x,y,visible,x,y,visible\n"
    rows = "labeled-data/img01.png,1,2,1,,,0\nlabeled-data/img02.png,1,2,2,,,1\nlabeled-data/img03.png,1,2,2,,,2\n"
    (tmp_path / "labels.csv").write_text(text + rows)
    labels = load_labels(tmp_path / "labels.csv")
    assert labels.instances[1, 0].visible.tolist() == [Visible.OCCLUDED, Visible.UNLABELLED], "0 is not absent"
    assert labels.instances[2, 0].visible.tolist() == [Visible.VISIBLE, Visible.UNLABELLED], "covered, who knows where"
    assert labels.instances[3, 0].visible.tolist() == [Visible.VISIBLE, Visible.ABSENT]
    text = "scorer,t,t,t,set\nbodyparts,a,a,a,\ncoords,x,y,likelihood,\n"
    (tmp_path / "predictions.csv").write_text(f"{text}labeled-data/img01.png,1,2,0.5,train\n")
    points = load_labels(tmp_path / "predictions.csv").instances[1, 0]
    assert (points.source.tolist(), points.confidence.tolist()) == ([Source.PREDICTED], [0.5])


# ------------------------------------------------------------------------------------------------ projects

CONFIG = """Task: reach
scorer: {scorer}
multianimalproject: false
video_sets:
  C:\\videos\\one.mp4:
    crop: 0, 640, 0, 480
  /data/two.avi:
    crop: 0, 640, 0, 480
bodyparts:
- tail
- nose
- ear
skeleton:
- - nose
  - ear
"""
TABLE = "scorer,Ann,Ann,Ann,Ann\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"


def project(folder: Path, scorer: str = "Ann", videos: tuple[str, ...] = ("one", "two")) -> Path:
    (folder / "config.yaml").write_text(CONFIG.format(scorer=scorer))
    for i, video in enumerate(videos):
        (folder / "labeled-data" / video).mkdir(parents=True)
        table = f"{TABLE}labeled-data/{video}/img00{i}.png,1,2,3,4\n"
        (folder / "labeled-data" / video / "CollectedData_Ann.csv").write_text(table)
    return folder


def test_a_project_is_read_in_its_own_order(tmp_path: Path) -> None:
    project(tmp_path)
    for given in (tmp_path, tmp_path / "config.yaml"):
        labels = load_labels(given, video="somewhere/two.avi")
        assert labels.skeleton.keypoints == ("tail", "nose", "ear")
        assert labels.skeleton.edges == ((1, 2),)
        points = labels.instances[1, 0]
        assert points.xy[:2].tolist() == [[3, 4], [1, 2]]
        assert points.visible.tolist() == [2, 2, Visible.UNLABELLED], "the table has no column for the ear"
        assert (labels.info["scorer"], labels.info["video"]) == ("Ann", "two")


def test_spaces_around_bodyparts_are_no_part_of_their_names(tmp_path: Path) -> None:
    """The tables are read without them; 'tail ' and 'tail' were two keypoints, and what was written was refused."""
    project(tmp_path)
    config = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace("- tail\n", "- 'tail '\n").replace("- ear\n", "- ' ear'\n"))
    labels = load_labels(tmp_path, video="two")
    assert labels.skeleton.keypoints == ("tail", "nose", "ear") and labels.skeleton.edges == ((1, 2),)
    save_labels(labels, tmp_path / "out.csv")
    assert load_labels(tmp_path / "out.csv").skeleton.keypoints == ("tail", "nose", "ear")


def test_which_video_of_a_project(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(PoofError, match=r"2 videos are labelled \(one, two\); choose one \(--video\)"):
        load_labels(tmp_path)
    with pytest.raises(PoofError, match="'three' is none of them"):
        load_labels(tmp_path, video="three")


# Lists of lists: ten lines that are thousands of millions of words when they are written out.
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG.format(scorer="Bob"), "names the scorer 'Bob', the labels of one are by 'Ann'"),
        (CONFIG.format(scorer="''"), "names no scorer"),
        ("scorer: Ann\nbodyparts: [\n", "is broken YAML at line 3"),
        ("scorer: Ann\n", "names no bodyparts"),
        ("scorer: !!python/object/apply:os.system [echo]\n", "is broken YAML"),
        ("- scorer:\n", "is no configuration of DeepLabCut"),
        (CONFIG.format(scorer="Bob") + "\nskeleton: 7\n", "names the scorer 'Bob'"),
        (BOMB + "scorer: Ann\nbodyparts: *a9\n", "names no bodyparts"),
        (BOMB + CONFIG.format(scorer="Bob") + "\nskeleton: [[*a9, nose]]\n", "names the scorer 'Bob'"),
    ],
)
def test_bad_projects(tmp_path: Path, config: str, message: str) -> None:
    project(tmp_path, videos=("one",))
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(PoofError) as caught:
        load_labels(tmp_path / "config.yaml", format="dlc-project")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_project_without_labels(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match="no video of the project is labelled"):
        load_labels(project(tmp_path, videos=()))


def test_the_genuine_files_are_a_persons(data: Path) -> None:
    labels: LabelSet = load_labels(data / "dlc-reaching" / "CollectedData_Mackenzie.h5")
    assert all(points.by_person[points.decided].all() for _, _, points in labels)

"""Our files by other tools' own readers and writers, and back: within 0.01 px, with identities, sources, scores."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peer_material import SIZE, assert_same, rich
from PIL import Image

from poof.exchange import export
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels
from poof.video.base import ArrayVideo

pytestmark = [
    pytest.mark.filterwarnings("ignore::poof.errors.PoofWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
NEEDS = "needs {}, which `make peers` installs"


@pytest.fixture
def sio() -> Any:
    return pytest.importorskip("sleap_io", reason=NEEDS.format("sleap-io"))


@pytest.fixture
def movement() -> Any:
    pytest.importorskip("movement", reason=NEEDS.format("movement"))
    with warnings.catch_warnings(action="ignore"):
        from movement.io import load_dataset, save_poses

        return load_dataset, save_poses


def people_are_people(a: LabelSet, b: LabelSet) -> None:
    """No machine's point is a person's after a round trip, no person's a machine's."""
    for key, points in a.instances.items():
        np.testing.assert_array_equal(points.is_human, b.instances[key].is_human, err_msg=str(key))


# ------------------------------------------------------------------------------------------------ SLEAP


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_slp_through_sleap_io(sio: Any, tmp_path: Path, several: bool, kept: bool) -> None:
    labels = rich(several)
    save_labels(labels, tmp_path / "a.slp")
    theirs = sio.load_slp(str(tmp_path / "a.slp"), open_videos=False)
    assert [node.name for node in theirs.skeleton.nodes] == list(labels.skeleton.keypoints)
    assert theirs.skeleton.edge_inds == [(0, 1), (0, 2), (0, 3)]
    assert [track.name for track in theirs.tracks] == (["track_0", "track_1"] if several else [])
    assert theirs.videos[0].filename == "clip.mp4" and list(theirs.videos[0].shape[1:3]) == [SIZE[1], SIZE[0]]
    assert [frame.frame_idx for frame in theirs] == labels.frames
    for frame in theirs:
        for one in frame.instances:
            number = int(one.track.name[-1]) if one.track else 0
            points = labels.instances[frame.frame_idx, number]
            predicted = type(one).__name__ == "PredictedInstance"
            keep = points.labelled & (points.is_human != predicted)
            np.testing.assert_allclose(one.numpy()[keep], points.xy[keep], atol=0.01)
            if predicted:
                np.testing.assert_allclose(one.numpy(scores=True)[keep, 2], points.confidence[keep], atol=1e-6)
    theirs.save(str(tmp_path / "b.slp"), preserve_unknown=kept)
    back = load_labels(tmp_path / "b.slp")
    assert_same(labels, back, "confidence", *(("source", "visible", "anchor", "steps") if kept else ()))
    people_are_people(labels, back)
    assert back.skeleton == labels.skeleton and back.tracked and back.image_size == labels.image_size


def test_slp_in_movement(movement: Any, tmp_path: Path) -> None:
    labels = rich()
    save_labels(labels, tmp_path / "a.slp")
    ds = movement[0](str(tmp_path / "a.slp"), source_software="SLEAP")
    assert ds["keypoints"].values.tolist() == list(labels.skeleton.keypoints)
    for frame in (3, 4):
        for instance in (0, 1):
            found = ds.position.sel(time=frame, individuals=f"track_{instance}").values.T
            np.testing.assert_allclose(found, labels.instances[frame, instance].xy, atol=0.01)
            sure = ds.confidence.sel(time=frame, individuals=f"track_{instance}").values
            np.testing.assert_allclose(sure, labels.instances[frame, instance].confidence, atol=1e-6)


def test_sleap_ios_own_files(sio: Any, tmp_path: Path) -> None:
    """Written from its own objects, not from ours."""
    skeleton = sio.Skeleton(["a", "b"], edges=[("a", "b")], symmetries=[("a", "b")])
    video = sio.Video(filename="v.mp4", open_backend=False)
    tracks = [sio.Track("Ann"), sio.Track("Bob")]
    user = sio.Instance.from_numpy(np.array([[1.0, 2.0], [np.nan, np.nan]]), skeleton=skeleton, track=tracks[1])
    machine = sio.PredictedInstance.from_numpy(
        np.array([[3.0, 4.0], [5.0, 6.0]]), skeleton=skeleton, point_scores=np.array([0.5, 0.25]), track=tracks[0]
    )
    frames = [sio.LabeledFrame(video=video, frame_idx=17, instances=[user, machine])]
    sio.Labels(frames).save(str(tmp_path / "a.slp"))
    labels = load_labels(tmp_path / "a.slp", missing="unlabelled")
    names = {name: number for number, name in labels.individuals.items()}
    assert labels.frames == [17] and set(names) == {"Ann", "Bob"}
    ann, bob = labels.instances[17, names["Ann"]], labels.instances[17, names["Bob"]]
    assert bob.source.tolist() == [Source.HUMAN, Source.NONE] and bob.xy[0].tolist() == [1, 2]
    assert ann.source.tolist() == [Source.PREDICTED] * 2 and ann.confidence.tolist() == [0.5, 0.25]
    assert labels.skeleton.edges == ((0, 1),) and labels.skeleton.symmetry in (((0, 1),), ((1, 0),))


@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_analysis_files_of_sleap_io(sio: Any, tmp_path: Path, preset: str) -> None:
    labels = rich()
    save_labels(labels, tmp_path / "a.slp")
    theirs = sio.load_slp(str(tmp_path / "a.slp"), open_videos=False)
    sio.save_analysis_h5(theirs, str(tmp_path / "a.h5"), preset=preset)
    back = load_labels(tmp_path / "a.h5")
    for key in ((3, 0), (3, 1), (4, 0), (4, 1)):
        np.testing.assert_allclose(back.instances[key].xy, labels.instances[key].xy, atol=0.01)
        np.testing.assert_allclose(back.instances[key].confidence, labels.instances[key].confidence, atol=1e-6)
    assert back.skeleton.edges == labels.skeleton.edges


# ------------------------------------------------------------------------------------------------ DeepLabCut's layout


@pytest.mark.parametrize("ending", [".csv", ".h5"])
@pytest.mark.parametrize("several", [True, False])
def test_tracks_in_movement(movement: Any, tmp_path: Path, ending: str, several: bool) -> None:
    load_dataset, save_poses = movement
    labels = rich(several)
    labels.info["frame_count"] = 44
    save_labels(labels, tmp_path / f"a{ending}", format="dlc-tracks")
    ds = load_dataset(str(tmp_path / f"a{ending}"), source_software="DeepLabCut")
    assert ds.sizes["time"] == 44
    for (frame, instance), points in labels.instances.items():
        one = ds.isel(individuals=instance).sel(time=frame)
        np.testing.assert_allclose(one.position.values.T, points.xy, atol=0.01)
        keep = points.labelled
        np.testing.assert_allclose(one.confidence.values[keep], points.confidence[keep], atol=1e-4)
    assert np.isnan(ds.position.sel(time=5)).all()
    save_poses.to_dlc_file(ds, str(tmp_path / f"b{ending}"))
    back = load_labels(next(tmp_path.glob(f"b*{ending}")), missing="unlabelled")
    for key, points in labels.instances.items():
        np.testing.assert_allclose(back.instances[key].xy, points.xy, atol=0.01)


def test_nwb_is_one_line_of_movement(movement: Any, tmp_path: Path) -> None:
    load_dataset, save_poses = movement
    save_labels(rich(several=False), tmp_path / "a.csv", format="dlc-tracks")
    files = save_poses.to_nwb_file(load_dataset(str(tmp_path / "a.csv"), source_software="DeepLabCut", fps=30))
    assert files is not None


def test_movements_own_files(movement: Any, tmp_path: Path) -> None:
    load_dataset, save_poses = movement
    labels = rich()
    save_labels(labels, tmp_path / "a.csv", format="dlc-tracks")
    ds = load_dataset(str(tmp_path / "a.csv"), source_software="DeepLabCut")
    save_poses.to_sleap_analysis_file(ds, str(tmp_path / "b.h5"))
    back = load_labels(tmp_path / "b.h5")
    for key, points in labels.instances.items():
        np.testing.assert_allclose(back.instances[key].xy, points.xy, atol=0.01)
    save_poses.to_lp_file(ds, str(tmp_path / "lp.csv"))
    alone = load_labels(sorted(tmp_path.glob("lp*.csv"))[0], missing="unlabelled")
    np.testing.assert_allclose(alone.instances[3, 0].xy, labels.instances[3, 0].xy, atol=0.01)
    assert alone.instances[3, 0].source.tolist() == [Source.PREDICTED] * 4


# ------------------------------------------------------------------------------------------------ COCO


def with_images(folder: Path, labels: LabelSet) -> Path:
    """A COCO file that names every frame up to the last, and their images beside it."""
    labels.frame_names = {frame: f"img{frame:06d}.png" for frame in range(labels.frames[-1] + 1)}
    for name in labels.frame_names.values():
        Image.new("RGB", SIZE).save(folder / name)
    save_labels(labels, folder / "gt.json")
    return folder / "gt.json"


def test_coco_through_sleap_io(sio: Any, tmp_path: Path) -> None:
    labels = rich()
    theirs = sio.load_coco(str(with_images(tmp_path, labels)))
    frames = [frame for frame in theirs if len(frame.instances)]
    assert [frame.frame_idx for frame in frames] == labels.frames
    for frame in frames:
        assert [one.track.name for one in frame.instances] == ["track_1", "track_2"], "0 would be no identity"
        for i, one in enumerate(frame.instances):
            np.testing.assert_allclose(one.numpy(), labels.instances[frame.frame_idx, i].xy, atol=0.01)
    (tmp_path / "out").mkdir()
    sio.save_coco(theirs, str(tmp_path / "out" / "back.json"))
    back = load_labels(tmp_path / "out" / "back.json")
    ids = back.instance_ids
    assert len(ids) == 2 and back.tracked
    for (frame, instance), points in labels.instances.items():
        np.testing.assert_allclose(back.instances[frame, ids[instance]].xy, points.xy, atol=0.01)


def test_coco_in_pycocotools(tmp_path: Path) -> None:
    coco_api = pytest.importorskip("pycocotools.coco", reason=NEEDS.format("pycocotools"))
    from pycocotools.cocoeval import COCOeval

    labels = rich()
    save_labels(labels, tmp_path / "gt.json")
    truth = coco_api.COCO(str(tmp_path / "gt.json"))
    assert sorted(image["frame_index"] for image in truth.loadImgs(truth.getImgIds())) == labels.frames
    assert len(truth.getAnnIds()) == len(labels)
    results = [
        {k: a[k] for k in ("image_id", "category_id", "keypoints")} | {"score": a.get("score", 1.0)}
        for a in truth.dataset["annotations"]
    ]
    machine = [a["score"] for a in truth.dataset["annotations"] if "score" in a]
    assert machine and all(0 < score < 1 for score in machine)
    judged = COCOeval(truth, truth.loadRes(results), "keypoints")
    judged.params.kpt_oks_sigmas = np.full(len(labels.skeleton), 0.05)
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    assert judged.stats[0] == pytest.approx(1.0)


# ------------------------------------------------------------------------------------------------ the others


def test_label_studio_tasks_in_sleap_io(sio: Any, tmp_path: Path) -> None:
    labels = rich(several=False).human()
    save_labels(labels, tmp_path / "a.json", format="label-studio")
    tasks = json.loads((tmp_path / "a.json").read_text())
    assert all(task["annotations"] for task in tasks)
    theirs = sio.load_labelstudio(str(tmp_path / "a.json"), list(labels.skeleton.keypoints))
    assert sorted(frame.frame_idx for frame in theirs) == labels.frames
    frame = next(frame for frame in theirs if frame.frame_idx == 7)
    found = sorted(one.numpy()[0].tolist() for one in frame.instances)
    expected = sorted(points.xy[0].tolist() for points in labels.at(7).values())
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_yolo_pose_in_sleap_io(sio: Any, tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("nose", "tail")), image_size=(64, 48))
    for frame in range(12):
        labels.add(frame, 0, Points.human(frame, np.array([[10.0 + frame, 20.0], [30.0, 5.0]])))
    footage = ArrayVideo([np.zeros((48, 64, 3), np.uint8)] * 12, name="clip")
    export(labels, footage, "yolo-pose", tmp_path / "out")
    skeleton = sio.Skeleton(["nose", "tail"])
    theirs = sio.load_ultralytics(str(tmp_path / "out"), split="train", skeleton=skeleton)
    found = sorted(frame.instances[0].numpy()[0, 0] for frame in theirs)
    np.testing.assert_allclose(found, [10.0 + frame for frame in range(11)], atol=0.01)


def test_tracks_netcdf_in_movement(movement: Any, tmp_path: Path) -> None:
    import xarray
    from movement.kinematics import compute_velocity
    from movement.validators.datasets import ValidPosesInputs

    from poof.exchange import tracks_table, write_tracks

    labels = rich()
    table, log = tracks_table(labels, fps=25)
    write_tracks(table, log, tmp_path / "t.nc")
    ds = xarray.open_dataset(tmp_path / "t.nc")
    ValidPosesInputs.validate(ds)
    one = ds.position.sel(individuals="individual2", time=3 / 25, method=None)
    np.testing.assert_allclose(one.values.T, labels.instances[3, 1].xy, atol=0.01)
    assert compute_velocity(ds.position).shape == ds.position.shape

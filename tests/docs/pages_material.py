"""What the pages take for given: a short clip, and labels of three of its frames as each tool writes them."""

from __future__ import annotations

import csv
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from poof.labels import LabelSet, save_labels
from poof.labels.io import load_labels
from poof.labels.model import Points
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter

FRAMES, LABELLED = 15, (1, 7, 13)
SIZE = (256, 144)


@cache
def _clip() -> tuple[tuple[np.ndarray, ...], LabelSet]:
    """The first frames of the demo, small, and the truth."""
    scene = sample("demo")
    across = SIZE[0] / scene.size[0], SIZE[1] / scene.size[1]
    frames = tuple(
        cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
        for _, image in islice(SyntheticVideo(scene).frames(), FRAMES)
    )
    exact = truth(scene)
    labels = LabelSet(exact.skeleton, image_size=SIZE)
    for frame, instance, points in exact:
        if frame < FRAMES:
            xy = ((points.xy + 0.5) * across - 0.5).astype(np.float32)
            inside = (xy >= 0).all(1) & (xy <= np.subtract(SIZE, 1)).all(1)
            visible = np.where(inside, points.visible, 0).astype(np.int8)
            labels.add(frame, instance, Points.human(frame, np.where(inside[:, None], xy, np.nan), visible))
    return frames, labels


def write_video(path: Path, backwards: bool = False) -> None:
    """The clip as H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 30, SIZE) as writer:
        for image in reversed(_clip()[0]) if backwards else _clip()[0]:
            writer.write(image)


def exact() -> LabelSet:
    """Every frame labelled."""
    return _clip()[1]


def given() -> LabelSet:
    """Three frames labelled."""
    kept = {key: points for key, points in exact().instances.items() if key[0] in LABELLED}
    return exact().replace(instances=kept)


def for_demo(folder: Path) -> None:
    """What `poof demo -o demo` leaves, smaller."""
    write_video(folder / "demo/video.mp4")
    save_labels(given(), folder / "demo/labels.json")
    save_labels(exact(), folder / "demo/truth.json")


def for_all(folder: Path) -> None:
    """video.mp4, labels.json, truth.json."""
    write_video(folder / "video.mp4")
    save_labels(given(), folder / "labels.json")
    save_labels(exact(), folder / "truth.json")


def for_many(folder: Path) -> None:
    """Two videos, the second of them backwards, and a label file of each."""
    (folder / "labels").mkdir()
    write_video(folder / "monday.mp4")
    save_labels(given(), folder / "labels/monday.json")
    write_video(folder / "tuesday.mp4", backwards=True)
    labels = LabelSet(given().skeleton, image_size=SIZE)
    for frame, instance, points in given():
        other = FRAMES - 1 - frame
        labels.add(other, instance, Points.human(other, points.xy, points.visible))
    save_labels(labels, folder / "labels/tuesday.json")


def for_deeplabcut(folder: Path) -> None:
    """A project by hand: config.yaml, the video, and CollectedData as DeepLabCut writes it."""
    project, names = folder / "reach", given().skeleton.keypoints
    write_video(project / "videos/video.mp4")
    parts = "\n".join(f"- {name}" for name in names)
    (project / "config.yaml").write_text(
        f"Task: reach\nscorer: Ann\ndate: Jan1\nmultianimalproject: false\nproject_path: {project}\n"
        f"video_sets:\n  {project}/videos/video.mp4:\n    crop: 0, {SIZE[0]}, 0, {SIZE[1]}\nbodyparts:\n{parts}\n"
        "skeleton: []\niteration: 0\n"
    )
    labelled = project / "labeled-data/video"
    labelled.mkdir(parents=True)
    with (labelled / "CollectedData_Ann.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["scorer", "", "", *["Ann"] * 2 * len(names)])
        table.writerow(["bodyparts", "", "", *[name for name in names for _ in "xy"]])
        table.writerow(["coords", "", "", *["x", "y"] * len(names)])
        for frame, _, points in given():
            cells = ["" if np.isnan(value) else f"{value:.3f}" for value in points.xy.ravel()]
            table.writerow(["labeled-data", "video", f"img{frame:04}.png", *cells])
            cv2.imwrite(str(labelled / f"img{frame:04}.png"), _clip()[0][frame][..., ::-1])


def for_sleap(folder: Path) -> None:
    """labels.slp beside the video. It is written by poof: sleap-io is tried on such files in tests/peers."""
    write_video(folder / "video.mp4")
    labels = given()
    labels.info["video"] = "video.mp4"
    save_labels(labels, folder / "labels.slp")
    assert load_labels(folder / "labels.slp").frames == list(LABELLED)


def for_cvat(folder: Path) -> None:
    """annotations.xml by hand, as "CVAT for video 1.1": key frames, and what CVAT puts between them."""
    write_video(folder / "video.mp4")
    labels = given()
    names = labels.skeleton.keypoints
    spans = "".join(f"<label><name>{name}</name><type>points</type><parent>player</parent></label>" for name in names)
    shapes = []
    for frame in range(LABELLED[0], LABELLED[-1] + 1):
        key = frame in LABELLED
        points = labels.instances[frame if key else LABELLED[0], 0]
        inner = "".join(
            f'<points label="{name}" keyframe="{int(key)}" outside="{int(np.isnan(x))}" occluded="{int(seen == 1)}"'
            f' points="{np.nan_to_num(x):.2f},{np.nan_to_num(y):.2f}"></points>'
            for name, (x, y), seen in zip(names, points.xy, points.visible)
        )
        shapes.append(f'<skeleton frame="{frame}" keyframe="{int(key)}">{inner}</skeleton>')
    (folder / "annotations.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><labels>'
        f"<label><name>player</name><type>skeleton</type></label>{spans}</labels><original_size><width>{SIZE[0]}</width>"
        f"<height>{SIZE[1]}</height></original_size></task><source>video.mp4</source></meta>"
        f'<track id="0" label="player" source="manual">{"".join(shapes)}</track></annotations>'
    )

"""The footage of `study.py`: rendered players driven by real sports motion, and the two views of pose2sim.

Penn Action's tracks drive the renderer. Two domains, cut apart by sequence and by sport:

- *familiar*: every sport but the target's, in a hall and on a field, in court and track outfits, at most one
  occluder; what a public model was trained on;
- *target*: tennis serves and baseball pitches, on a rink, in padded ice outfits, with a post and a passing board in
  front, more blur, tremor and noise; some sequences to label, others to choose recipes by, others to judge by.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from poof.labels import LabelSet, Points, Skeleton, load_labels
from poof.pose import Pair
from poof.synthetic import PENN_ACTION, PLAYER, Motion, Scene, build_scene, from_tracks, penn_joints, truth
from poof.video import open_video
from poof.video.base import Video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TARGET_SPORTS = ("tennis_serve", "baseball_pitch")
LENGTH = 70  # frames of a target sequence
SEEN = 0.85  # least share of visible joints in a sequence: the others' tracks are guesses
SIZE = (224, 208)

# The twelve joints of the thesis and what BODY_25B calls them; a player without the head.
BODY_25B = {name: f"{name[0].upper()}{name.partition('_')[2].title()}" for name in PLAYER.keypoints[1:]}
TWELVE = Skeleton(
    keypoints=PLAYER.keypoints[1:],
    edges=tuple((a - 1, b - 1) for a, b in PLAYER.edges if a and b),
    symmetry=tuple((a - 1, b - 1) for a, b in PLAYER.symmetry),
    name=PLAYER.name,
)


def check_data() -> None:
    """Stop when the tracks or videos are not there."""
    for folder in ("penn-action-labels", "pose2sim"):
        if not (DATA / folder).is_dir():
            sys.exit(f"{DATA / folder} is not here: the study needs the shared tracks and videos")


def sequences() -> tuple[list[Path], list[Path]]:
    """Track files of the familiar and of the target sports, long and seen well enough, in a fixed mixed order."""
    familiar, target = [], []
    for path in sorted((DATA / "penn-action-labels" / "labels").glob("*.mat")):
        content = loadmat(str(path), squeeze_me=True)
        wanted = str(content["action"]) in TARGET_SPORTS
        if float(np.mean(content["visibility"])) < SEEN or len(content["x"]) < (LENGTH if wanted else 20):
            continue
        (target if wanted else familiar).append(path)
    for paths in (familiar, target):
        np.random.default_rng(5).shuffle(paths)  # type: ignore[arg-type]
    return familiar, target


def motion_of(path: Path) -> Motion:
    """The motion of a track file."""
    content = loadmat(str(path), squeeze_me=True)
    joints, visible = penn_joints(content["x"], content["y"], content["visibility"])
    return from_tracks(joints, PENN_ACTION, visible)


def familiar_pairs(paths: Sequence[Path], frames: int) -> list[Pair]:
    """`frames` evenly spaced frames of each sequence, labelled, half of them in a hall, half on a field."""
    pairs = []
    for seed, path in enumerate(paths):
        scene = build_scene(motion_of(path), ("hall", "field")[seed % 2], 100 + seed, SIZE, occluders=seed // 2 % 2)
        pairs.append(filmed(scene, np.linspace(0, scene.frames - 1, frames).round().astype(int)))
    return pairs


def target_pairs(paths: Sequence[Path], first_seed: int, step: int = 1) -> list[Pair]:
    """Every `step`-th frame of each sequence in the target domain, labelled."""
    scenes = [build_scene(motion_of(p), "rink", first_seed + i, SIZE, LENGTH, occluders=2) for i, p in enumerate(paths)]
    return [filmed(scene, range(0, scene.frames, step)) for scene in scenes]


def filmed(scene: Scene, frames: Sequence[int] | np.ndarray) -> Pair:
    """Some frames of a scene, numbered anew, with their exact labels."""
    exact = truth(scene)
    labels = exact.replace(instances={})
    for number, frame in enumerate(frames):
        points = exact.instances.get((int(frame), 0))
        if points is not None:
            labels.add(number, 0, Points.human(number, points.xy, points.visible))
    return Pair(Film(scene, [int(frame) for frame in frames]), labels)


class Film(Video):
    """Some frames of a scene, numbered anew; rendered when they are first looked at, and kept."""

    def __init__(self, scene: Scene, numbers: Sequence[int]) -> None:
        self.name, self.size, self.fps = scene.name, scene.size, scene.fps
        self._scene, self._numbers = scene, numbers
        self._images: dict[int, np.ndarray] = {}

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        for number in range(max(start, 0), len(self._numbers) if stop is None else min(stop, len(self._numbers))):
            if number not in self._images:
                self._images[number] = self._scene.image(self._numbers[number])
            yield number, self._images[number].copy()

    def count(self) -> int:
        """See `Video.count`."""
        return len(self._numbers)


def camera_pair(name: str) -> Pair:
    """cam01 or cam02 of pose2sim with its reliable labels, taken for a person's, of the twelve joints."""
    video = open_video(DATA / "pose2sim" / f"{name}.mp4")
    found = load_labels(DATA / "pose2sim" / f"{name}.labels.csv")
    columns = [found.skeleton.index(BODY_25B[joint]) for joint in TWELVE.keypoints]
    labels = LabelSet(TWELVE, image_size=video.size)
    for frame, instance, points in found:
        if points.labelled[columns].any():
            labels.add(frame, instance, Points.human(frame, points.xy[columns]))
    return Pair(video, labels)


def labelled(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """The videos in which somebody labelled `count` frames in all, evenly spaced over the footage, end to end."""
    where = [(i, frame) for i, pair in enumerate(pairs) for frame in pair.labels.frames]
    chosen = {where[int((k + 0.5) * len(where) / count)] for k in range(count)}
    kept = []
    for i, (video, labels) in enumerate(pairs):
        instances = {key: points for key, points in labels.instances.items() if (i, key[0]) in chosen}
        if instances:
            kept.append(Pair(video, labels.replace(instances=instances)))
    return kept

"""The stress protocol's clips: the shared ones made harder, and rendered ones with large motion.

Every case is a clip of the neutral scorer with a label file of its own, so that its rules choose the anchors and judge.

plain   the clip as it is, R = 10
half    every second frame, R = 10; the animals twice, from their first and from their second frame
third   every third frame, R = 7; the animals three times
small   half the size in both directions, R = 10
fewer   the clip as it is, R = 20: half as many labels
light   the animals as they are, under a light that swells and fades by 15 % and flickers by 3 %, R = 10
fast    rendered: a pitcher, a bowler, a batter and a tennis player by the tracks of Penn Action

Cases with fewer than two anchors or ten scored points are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from clips_and_tables import penn_track

from poof.synthetic import PENN_ACTION, SyntheticVideo, build_scene, from_tracks, penn_joints, truth
from poof.video import open_video
from poof.video.base import ArrayVideo, Video

GROUPS = ("plain", "half", "third", "small", "fewer", "light", "fast")
ANIMALS = ("camel", "dog", "bear")
RENDERED = {  # name -> (track of Penn Action, place, seed); none of them chose a constant elsewhere
    "pitch": ("0113", "field", 21),
    "bowl": ("0589", "hall", 22),
    "bat": ("0281", "field", 23),
    "tennis": ("2136", "rink", 24),
}
LEAST_ANCHORS, LEAST_POINTS = 2, 10


@dataclass(frozen=True)
class Case:
    """One clip of the protocol.

    Attributes
    ----------
    name : str
        '<clip>/<group>', with the first frame behind it where a clip is taken several times.
    base : str
        The clip it was made of; cam01 and cam02, two views of one person, are one.
    group : str
        One of `GROUPS`.
    radius : int
        R of the protocol.
    clip
        As the neutral scorer wants it.
    video
        Makes the frames.
    """

    name: str
    base: str
    group: str
    radius: int
    clip: Any
    video: Callable[[], Video]

    @property
    def reach(self) -> int:
        """The radius to propagate with: twice R where labels are sparse."""
        return self.radius if self.clip.dense else 2 * self.radius


def cases(scorer: Any, folder: Path) -> list[Case]:
    """Every case; label files are written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Case] = []
    for name, clip in scorer.registered().items():
        base = "cam" if name in ("cam01", "cam02") else name
        found.append(Case(f"{name}/plain", base, "plain", 10, clip, lambda c=clip: open_video(c.video)))
        for group, step, radius in (("half", 2, 10), ("third", 3, 7)):
            for first in range(step if name in ANIMALS else 1):
                title = f"{name}/{group}{first or ''}"
                thin = _thinned(scorer, clip, title, step, first, folder)
                video = _frames(clip, lambda images, s=step, f=first: images[f::s])
                found.append(Case(title, base, group, radius, thin, video))
        half = _shrunken(scorer, clip, f"{name}/small", folder)
        found.append(Case(f"{name}/small", base, "small", 10, half, _frames(clip, _halved)))
        found.append(Case(f"{name}/fewer", base, "fewer", 20, clip, lambda c=clip: open_video(c.video)))
        if name in ANIMALS:
            found.append(Case(f"{name}/light", base, "light", 10, clip, _frames(clip, _flickering)))
    for name in RENDERED:
        clip = _rendered(scorer, name, folder)
        video = _frames(clip, lambda images: images)
        found.append(Case(f"{name}/fast", name, "fast", 10, clip, video))
    return [case for case in found if _enough(scorer, case)]


def _enough(scorer: Any, case: Case) -> bool:
    split = scorer.split(case.clip, case.radius)
    return len(split.anchors) >= LEAST_ANCHORS and int((split.hidden.visible == 1).sum()) >= LEAST_POINTS


def _write(table: pd.DataFrame, title: str, folder: Path) -> Path:
    path = folder / f"{title.replace('/', '-')}.csv"
    table.to_csv(path, index=False)
    return path


def _frames(clip: Any, chosen: Callable[[list[np.ndarray]], list[np.ndarray]]) -> Callable[[], Video]:
    """A video in memory of what `chosen` takes of the frames."""

    def make() -> Video:
        images = [np.ascontiguousarray(image) for _, image in open_video(clip.video).frames(0, clip.frames)]
        return ArrayVideo(chosen(images), name=clip.name)

    return make


def _halved(images: list[np.ndarray]) -> list[np.ndarray]:
    size = images[0].shape[1] // 2, images[0].shape[0] // 2
    return [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]


def _flickering(images: list[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    light = [1 + 0.15 * np.sin(2 * np.pi * n / 25) + rng.normal(0, 0.03) for n in range(len(images))]
    return [np.clip(np.rint(image * level), 0, 255).astype(np.uint8) for image, level in zip(images, light)]


def _thinned(scorer: Any, clip: Any, title: str, step: int, first: int, folder: Path) -> Any:
    """Every `step`-th frame from `first` on."""
    table = scorer.load_labels(clip)
    table = table[table.frame % step == first]
    labels = _write(table.assign(frame=table.frame // step), title, folder)
    # Masks go by frame numbers; they only serve a metric that is not looked at here.
    count = len(range(first, clip.frames, step))
    return dataclasses.replace(clip, name=title, labels=labels, frames=count, masks=None)


def _shrunken(scorer: Any, clip: Any, title: str, folder: Path) -> Any:
    """Half the size; the origin is the centre of the first pixel."""
    table = scorer.load_labels(clip)
    labels = _write(table.assign(x=(table.x + 0.5) / 2 - 0.5, y=(table.y + 0.5) / 2 - 0.5), title, folder)
    size = {"width": clip.width // 2, "height": clip.height // 2}
    return dataclasses.replace(clip, name=title, labels=labels, masks=None, **size)


def _rendered(scorer: Any, name: str, folder: Path) -> Any:
    """A rendered scene as a folder of pictures with its label file."""
    pictures, labels = folder / name, folder / f"{name}.csv"
    if not labels.is_file():
        pictures.mkdir(exist_ok=True)
        scene = _scene(name)
        for number, image in SyntheticVideo(scene).frames():
            cv2.imwrite(str(pictures / f"{number:05d}.png"), image[..., ::-1])
        table = truth(scene).to_table()
        table["visible"] = (table.visible == 2).astype(int)
        table[["frame", "keypoint", "x", "y", "visible"]].to_csv(labels, index=False)
    height, width = cv2.imread(str(pictures / "00000.png")).shape[:2]
    return scorer.Clip(name, labels, pictures, width, height, len(list(pictures.glob("*.png"))), True)


def _scene(name: str) -> Any:
    """The scene of a rendered clip."""
    number, place, seed = RENDERED[name]
    content = penn_track(number)
    joints, visible = penn_joints(content["x"], content["y"], content["visibility"])
    motion = from_tracks(joints, PENN_ACTION, visible)
    return build_scene(motion, place, seed, size=(480, 384), frames=min(63, int(motion.length) + 1), occluders=1)

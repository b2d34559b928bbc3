"""Small rendered clips with labels, as a folder that can become a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poof.labels import save_labels
from poof.labels.model import LabelSet
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter


def clip(path: Path, velocity: tuple[float, float] = (1.0, 0.5), frames: int = 16) -> LabelSet:
    """Write a lossless video of a moving plane; its exact labels."""
    scene = sample("constant", velocity=velocity, frames=frames)
    with VideoWriter(path, 25, scene.size, lossless=True) as writer:
        for _, image in SyntheticVideo(scene).frames():
            writer.write(image)
    return truth(scene)


def part(labels: LabelSet, frames: Sequence[int]) -> LabelSet:
    """The labels of some frames."""
    return labels.replace(instances={key: p for key, p in labels.instances.items() if key[0] in frames})


def folder_of(place: Path, names: Sequence[str], frames: int = 16) -> dict[str, LabelSet]:
    """Clips with labels of frames 3 and 10 in `labels/`; name -> exact labels."""
    (place / "labels").mkdir(parents=True)
    exact = {}
    for number, name in enumerate(names):
        exact[name] = clip(place / f"{name}.mp4", (1.0 + 0.25 * number, 0.5), frames)
        save_labels(part(exact[name], (3, 10)), place / "labels" / f"{name}.json")
    return exact

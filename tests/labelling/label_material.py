"""The clip of the tests of labelling, its true points, and edits."""

from __future__ import annotations

from functools import cache

from poof.labels import LabelSet
from poof.synthetic import sample, truth

FRAMES = 60


def scene():  # type: ignore[no-untyped-def]
    """A textured plane that moves evenly."""
    return sample("constant", velocity=(0.75, 0.5), frames=FRAMES)


@cache
def _whole() -> LabelSet:
    return truth(scene())


def exact(*frames: int) -> LabelSet:
    """The true points of some frames."""
    whole = _whole()
    return whole.replace(instances={k: p.copy() for k, p in whole.instances.items() if k[0] in frames})


def put(frame: int, keypoint: int, x: float, y: float, **more: object) -> dict[str, object]:
    """An edit that sets a point."""
    return {"op": "set", "frame": frame, "keypoint": keypoint, "x": x, "y": y, **more}

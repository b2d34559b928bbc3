"""The data model: skeleton, points with their provenance, and the label set of one video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from poof.errors import PoofError, names_near
from poof.labels.changes import Changes
from poof.labels.symmetry import mirror_pairs

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray

TABLE_COLUMNS = ("frame", "instance", "keypoint", "x", "y", "confidence", "visible", "source", "anchor", "steps")
"""What every table of labels has."""
REFINED_COLUMNS = ("flow_x", "flow_y", "disputed")
"""What follows in a table of refined labels."""
MAX_COORDINATE = 1e6
"""Pixels; no picture is larger, and a coordinate beyond is a mistake of the file."""
PRESENCE_COLUMN = "presence"
"""What follows where it was estimated whether keypoints are in the picture at all."""

_PER_POINT = ("xy", "visible", "source", "anchor", "steps", "confidence")
_OPTIONAL: dict[str, Any] = {"flow_xy": np.nan, "disputed": False, "presence": np.nan}
"""What only some points have, and the value that says nothing."""


class Source(IntEnum):
    """Where a point comes from. `NONE` marks a point that is not labelled."""

    NONE = 0
    HUMAN = 1
    PROPAGATED = 2
    PREDICTED = 3
    REFINED = 4

    @property
    def label(self) -> str:
        """The lower-case name that files carry, '' for `NONE`."""
        return "" if self is Source.NONE else self.name.lower()


class Visible(IntEnum):
    """COCO's visibility flag, and `ABSENT`, which COCO does not have: somebody looked, and it is not in the picture.

    `UNLABELLED`: nobody looked; it also serves points with coordinates that left the image.
    """

    ABSENT = -1
    UNLABELLED = 0
    OCCLUDED = 1
    VISIBLE = 2


@dataclass(frozen=True)
class Skeleton:
    """The names of the keypoints and how they hang together.

    Attributes
    ----------
    keypoints
        Names, in file order; all different.
    edges
        Pairs of keypoint indices that are drawn as limbs.
    symmetry
        Pairs (left, right) of keypoint indices that swap in a mirrored image.
    name
        What the instances are ('person', 'mouse'); COCO's category name.
    """

    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()
    symmetry: tuple[tuple[int, int], ...] = ()
    name: str = "subject"

    def __post_init__(self) -> None:
        if not self.keypoints:
            raise PoofError("a skeleton needs at least one keypoint")
        names = [keypoint.strip() for keypoint in self.keypoints]  # tables are read without spaces around names
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise PoofError(f"keypoint names must differ; given twice: {', '.join(twice)}")
        for a, b in (*self.edges, *self.symmetry):
            if not (0 <= a < len(self.keypoints) and 0 <= b < len(self.keypoints)):
                raise PoofError(f"edge ({a}, {b}) points outside the {len(self.keypoints)} keypoints")

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def mirror_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs (left, right) that swap in a mirrored image: `symmetry`, or where it is empty, by the names."""
        return self.symmetry or mirror_pairs(self.keypoints)

    def index(self, keypoint: str) -> int:
        """The position of a keypoint by name; a `PoofError` tells the nearest names, all where they are few."""
        try:
            return self.keypoints.index(keypoint)
        except ValueError:
            near = names_near(keypoint, self.keypoints)
            raise PoofError(f"no keypoint '{keypoint}'; the skeleton has {near}") from None


@dataclass(eq=False)
class Points:
    """The K keypoints of one instance in one frame, each with its provenance.

    Attributes
    ----------
    xy : (K, 2) float32
        Pixels of the full frame, origin at the centre of the top-left pixel, x to the right. NaN: not labelled.
    visible : (K,) int8
        `Visible`: 0 not labelled or out of frame, 1 occluded, 2 visible, -1 absent: looked for and not in the picture.
    source : (K,) int8
        `Source`; for an absent point who says so.
    anchor : (K,) int32
        Frame of the human label the point was carried from; for a human point its own frame; -1 without.
    steps : (K,) int32
        Frames between the point and its anchor; 0 for a human point.
    confidence : (K,) float32
        In [0, 1]; 1 for a human point, NaN where unknown or not labelled. For an absent point: that it is absent.
    box : (4,) float32 or None
        x, y, width, height of the instance as the label file gave it.
    flow_xy : (K, 2) float32 or None
        Where flow alone had put the points that were refined afterwards, in pixels as `xy`. NaN: not refined; None:
        none is.
    disputed : (K,) bool or None
        Whether flow and appearance put the point in different places, so that a person should look; `in_dispute` says
        whether that is still open. None: none is.
    """

    xy: Array
    visible: Array
    source: Array
    anchor: Array
    steps: Array
    confidence: Array
    box: Array | None = None
    flow_xy: Array | None = None
    disputed: Array | None = None
    presence: Array | None = None

    @classmethod
    def empty(cls, count: int) -> Points:
        """`count` points, none of them labelled."""
        return cls(
            xy=np.full((count, 2), np.nan, np.float32),
            visible=np.zeros(count, np.int8),
            source=np.zeros(count, np.int8),
            anchor=np.full(count, -1, np.int32),
            steps=np.zeros(count, np.int32),
            confidence=np.full(count, np.nan, np.float32),
        )

    @classmethod
    def human(cls, frame: int, xy: Array, visible: Array | None = None, box: Array | None = None) -> Points:
        """Points a person set in `frame`; `visible` defaults to 2.

        NaN rows of `xy` (K, 2) stay unlabelled, unless `visible` says that they are absent (-1).
        """
        points = cls.empty(len(xy))
        points.xy[:] = xy
        if visible is not None:
            points.xy[np.asarray(visible) == Visible.ABSENT] = np.nan
        set_ = points.labelled
        points.visible[set_] = Visible.VISIBLE if visible is None else np.asarray(visible)[set_]
        if visible is not None:
            points.visible[np.asarray(visible) == Visible.ABSENT] = Visible.ABSENT
            set_ = points.decided
        points.source[set_] = Source.HUMAN
        points.anchor[set_] = frame
        points.confidence[set_] = 1.0
        points.box = None if box is None else np.asarray(box, np.float32)
        return points

    def __len__(self) -> int:
        return len(self.xy)

    @property
    def labelled(self) -> Array:
        """(K,) bool: which points have coordinates."""
        return np.isfinite(self.xy).all(axis=1)

    @property
    def absent(self) -> Array:
        """(K,) bool: which keypoints are said not to be in the picture."""
        return self.visible == Visible.ABSENT

    @property
    def decided(self) -> Array:
        """(K,) bool: which keypoints have coordinates or are absent; of the others nothing is known."""
        return self.labelled | self.absent

    @property
    def is_human(self) -> Array:
        """(K,) bool: which points a person set, with coordinates; `by_person` has the absent ones too."""
        return (self.source == Source.HUMAN) & ~self.absent

    @property
    def by_person(self) -> Array:
        """(K,) bool: of which keypoints a person said where they are, or that they are absent."""
        return self.source == Source.HUMAN

    @property
    def was_refined(self) -> Array:
        """(K,) bool: the labelled points of which `flow_xy` tells where flow alone had put them."""
        if self.flow_xy is None:
            return np.zeros(len(self), bool)
        return self.labelled & np.isfinite(self.flow_xy).all(axis=1)

    @property
    def in_dispute(self) -> Array:
        """(K,) bool: the labelled points that are `disputed` and that no person has set since."""
        if self.disputed is None:
            return np.zeros(len(self), bool)
        return self.labelled & ~self.is_human & self.disputed

    def copy(self) -> Points:
        """An independent copy."""
        return self.ordered(np.arange(len(self)))

    def ordered(self, order: Sequence[int] | Array) -> Points:
        """An independent copy that holds the keypoints with these indices, in this order."""
        order = np.asarray(order, np.int64)
        known = [name for name in (*_PER_POINT, *_OPTIONAL) if getattr(self, name) is not None]
        parts: dict[str, Any] = {name: getattr(self, name)[order] for name in known}
        return Points(**parts, box=None if self.box is None else self.box.copy())

    def put(self, where: Array, other: Points) -> None:
        """Overwrite the points at `where` (K,) bool with those of `other`, all that is known of each included."""
        for name in _PER_POINT:
            getattr(self, name)[where] = getattr(other, name)[where]
        for name, nothing in _OPTIONAL.items():
            own, new = getattr(self, name), getattr(other, name)
            if own is None and new is None:
                continue
            blank = np.full_like(new if own is None else own, nothing)
            own, new = (blank if values is None else values for values in (own, new))
            setattr(self, name, np.where(where.reshape(-1, *(1,) * (own.ndim - 1)), new, own))

    def extent(self) -> Array | None:
        """(4,) x, y, width, height around the labelled points, None when there are none."""
        if not self.labelled.any():
            return None
        low, high = np.nanmin(self.xy, axis=0), np.nanmax(self.xy, axis=0)
        return np.concatenate([low, high - low]).astype(np.float32)


@dataclass(eq=False)
class LabelSet:
    """The labels of one video.

    Attributes
    ----------
    skeleton
        Names and structure of the K keypoints.
    instances
        (frame, instance) -> `Points`. Frames are 0-based and mean the n-th decoded frame; instances are small integers.
    image_size
        (width, height) of the frames in pixels, None when the file does not say.
    tracked
        Whether an instance number means the same individual in every frame. Files without identities number the
        instances of each frame as they stand there.
    frame_names
        Frame -> file name of its image, where the file gave one.
    info
        How the labels were made (flow, weights, method, options); written to the file.
    individuals
        Instance -> name of the individual, where the file gave one.
    assumed_absent
        (frame, instance, keypoint index) of the points that are absent by the rule for empty keypoints only, see
        `load_labels`: the file's format cannot say so.
    changes
        What a person changed in the file since poof wrote it; nothing for files of other origin.
    """

    skeleton: Skeleton
    instances: dict[tuple[int, int], Points] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    tracked: bool = True
    frame_names: dict[int, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    individuals: dict[int, str] = field(default_factory=dict)
    assumed_absent: set[tuple[int, int, int]] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)

    def __len__(self) -> int:
        return len(self.instances)

    def __repr__(self) -> str:
        """One line: how much of what, for whom."""
        from poof.labels.representations import in_a_line

        return in_a_line(self)

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        from poof.labels.representations import as_html

        return as_html(self)

    def to_frame(self, video: Any = None) -> pd.DataFrame:
        """A tidy pandas table: a row for each point or absence, see `poof.labels.representations.to_frame`."""
        from poof.labels.representations import to_frame

        return to_frame(self, video)

    def to_xarray(self, video: Any = None) -> Any:
        """An xarray dataset as movement lays it out, see `poof.labels.representations.to_xarray`."""
        from poof.labels.representations import to_xarray

        return to_xarray(self, video)

    def __iter__(self) -> Iterator[tuple[int, int, Points]]:
        """(frame, instance, points) in order of frame, then instance."""
        for frame, instance in sorted(self.instances):
            yield frame, instance, self.instances[frame, instance]

    @property
    def frames(self) -> list[int]:
        """The frames that carry at least one instance, ascending."""
        return sorted({frame for frame, _ in self.instances})

    @property
    def instance_ids(self) -> list[int]:
        """Every instance number, ascending."""
        return sorted({instance for _, instance in self.instances})

    def at(self, frame: int) -> dict[int, Points]:
        """The instances of one frame, by number; a look through the whole set (`by_frame` serves loops)."""
        return {instance: self.instances[frame, instance] for f, instance in sorted(self.instances) if f == frame}

    def by_frame(self) -> dict[int, dict[int, Points]]:
        """Frame -> its instances by number, both ascending."""
        frames: dict[int, dict[int, Points]] = {}
        for frame, instance, points in self:
            frames.setdefault(frame, {})[instance] = points
        return frames

    def add(self, frame: int, instance: int, points: Points) -> None:
        """Put an instance into a frame; a `PoofError` on a second one of the same number or another length."""
        if len(points) != len(self.skeleton):
            raise PoofError(f"frame {frame}: {len(points)} points for a skeleton of {len(self.skeleton)} keypoints")
        if (frame, instance) in self.instances:
            raise PoofError(f"frame {frame}: instance {instance} is labelled twice; keep one of them")
        self.instances[frame, instance] = points

    def human(self) -> LabelSet:
        """Only what a person said, set or absent: instances with at least one such point, their others unlabelled."""
        kept: dict[tuple[int, int], Points] = {}
        for key, points in self.instances.items():
            if points.by_person.any():
                only = points.copy()
                only.put(~points.by_person, Points.empty(len(points)))
                kept[key] = only
        return self.replace(instances=kept)

    def replace(self, **changes: Any) -> LabelSet:
        """A label set with some attributes exchanged; the others are shared."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return LabelSet(**(values | changes))

    # ------------------------------------------------------------------------------------------------ as a table

    def to_table(self) -> pd.DataFrame:
        """One row a labelled or absent point, columns `TABLE_COLUMNS`; what the long CSV holds.

        Absent points have NaN for x and y and `visible` -1. `REFINED_COLUMNS` follow if some point was refined or is in
        dispute: two float columns, NaN where the point was not refined, and a bool column; `PRESENCE_COLUMN` if the
        presence of some point was estimated.
        """
        refined = any(p.was_refined.any() or p.in_dispute.any() for p in self.instances.values())
        estimated = any(p.presence is not None and np.isfinite(p.presence).any() for p in self.instances.values())
        columns = TABLE_COLUMNS + (REFINED_COLUMNS if refined else ()) + ((PRESENCE_COLUMN,) if estimated else ())
        rows: dict[str, list[Any]] = {name: [] for name in columns}
        names = np.array(self.skeleton.keypoints, dtype=object)
        for frame, instance, points in self:
            keep = points.decided
            count = int(keep.sum())
            rows["frame"] += [frame] * count
            rows["instance"] += [instance] * count
            rows["keypoint"] += names[keep].tolist()
            rows["x"] += points.xy[keep, 0].tolist()
            rows["y"] += points.xy[keep, 1].tolist()
            rows["confidence"] += points.confidence[keep].tolist()
            rows["visible"] += points.visible[keep].tolist()
            rows["source"] += [Source(s).label for s in points.source[keep]]
            rows["anchor"] += points.anchor[keep].tolist()
            rows["steps"] += points.steps[keep].tolist()
            if refined:
                flow = np.full_like(points.xy, np.nan) if points.flow_xy is None else points.flow_xy
                rows["flow_x"] += flow[keep, 0].tolist()
                rows["flow_y"] += flow[keep, 1].tolist()
                rows["disputed"] += points.in_dispute[keep].tolist()
            if estimated:
                presence = np.full(len(points), np.nan) if points.presence is None else points.presence
                rows[PRESENCE_COLUMN] += presence[keep].tolist()
        import pandas as pd  # slow to import, and few need a table

        return pd.DataFrame(rows)


def same_skeleton(a: Skeleton, b: Skeleton) -> bool:
    """Whether two skeletons have the same keypoints in the same order (edges and name may differ)."""
    return a.keypoints == b.keypoints


def describe_sources(labels: LabelSet) -> Mapping[str, int]:
    """Number of labelled points by source name."""
    counts: dict[str, int] = {}
    for _, _, points in labels:
        for value in points.source[points.labelled]:
            name = Source(value).label or "unknown"
            counts[name] = counts.get(name, 0) + 1
    return counts

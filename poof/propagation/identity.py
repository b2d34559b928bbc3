"""Identity tracking: instances of label files without identities are linked from label to label.

Many tools number the instances of each frame as they stand there. Chains from two labels may be merged only when they
start from the same individual, so every instance is first carried to the next labelled frames and compared with what a
person labelled there: how far it arrives from it, both ways in time, and how different its colours are. Which
individuals are the same is the assignment with the least sum of these costs (Hungarian method). What costs too much,
or could as well be exchanged, is not linked: a new number is honest, a wrong one would blend two individuals.

The flow is DIS on frames shrunk until the smallest subject is about `SUBJECT` pixels long. Where a subject passes
behind another, flow follows the one in front. Keypoints at which forward and backward flow contradict each other
(Sundaram, Brox, Keutzer, 'Dense point trajectories by GPU-accelerated large displacement optical flow', ECCV 2010)
therefore move with the body from there on; a body of which nothing is seen keeps its last velocity.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import cv2
import numpy as np

from poof.errors import PoofWarning
from poof.flow.dis import DisFlow
from poof.flow.field import FlowField, Region
from poof.labels.check import check_fit
from poof.labels.model import LabelSet, Points, Visible
from poof.progress import Track, silent
from poof.propagation.coarse_flow import CoarseFlow
from poof.propagation.regions import COARSE
from poof.propagation.segments import reach
from poof.propagation.subject import subject_sides
from poof.video.base import Video

SUBJECT = 100.0
"""Pixels that the smallest subject is shown at, where that takes no fewer than `COARSE` and no more than `LARGEST`
pixels for the longer side of the frame. Below 50, flow misses the limbs of a runner."""
LARGEST = 640
"""Most pixels for the longer side of the frame as shown; in wide views with small subjects this is what costs time."""
COLOUR = 50.0
"""CIE76 colour difference that counts as much as one side of the subject; clothes of two teams differ by more."""
BLUR = 2.0
"""Standard deviation, shown pixels, of the Gaussian through which colours are read."""
SEEN = 1 / 3
"""Least share of keypoints from which the movement of a body is read."""
MEMORY = 0.7
"""Share of the velocity of a body that it keeps at each step; the rest is its latest step."""
MIN_MARGIN = 0.4
"""Least loss, in gates, by which two links must be better than their exchange.

Eight clips in which two or three subjects cross (five rendered, three of real animals pasted into each other's clips),
labels 5 to 21 frames apart, occlusion marked or not: of 2430 labels 2210 keep their number, 2 take the wrong one, 101
cost too much, 117 are ambiguous; 114 of these and both wrong ones where a runner slowly overtakes another in the same
outfit. Mean distances along `CoarseFlow` alone exchange subjects in 89 of 478 frames there."""


def gate(steps: int) -> float:
    """Cost from which labels `steps` frames apart are not of the same individual: 0.4 + 0.02 steps, at most 0.8.

    On the clips of `MIN_MARGIN` 95 % of the true pairs pass, and 1.3 % of those whose true partner is not labelled.
    Individuals that look alike pass whenever they stand within a third of their longer side of each other.
    """
    return min(0.4 + 0.02 * steps, 0.8)


def distances(arrived: np.ndarray, labelled: np.ndarray, side: float | np.ndarray) -> np.ndarray:
    """(..., K) distances of points (..., K, 2), pixels, in longer sides of the subject; at most 1, also where lost."""
    return np.fmin(np.linalg.norm(arrived - labelled, axis=-1) / side, 1.0)


def link_identities(video: Video, labels: LabelSet, radius: int, track: Track = silent) -> LabelSet:
    """Labels whose instance numbers mean the same individual wherever that can be known.

    Instances are linked between labelled frames whose windows of +-`radius` frames touch; beyond, propagation never
    brings them together. Scene cuts end identities. One pass over the video; memory is bounded by the radius.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        Any label set. One that is tracked already, or has at most one instance in every frame, is returned as it is.
    radius
        R of the propagation to come, frames.
    track
        Shows progress.

    Returns
    -------
    LabelSet
        The same points, tracked. Individuals are numbered from 0 in the order in which they appear, names of
        individuals are dropped. `info["identities"]` counts individuals and links, and lists the ambiguous frames.

    Raises
    ------
    PoofError
        If the labels cannot belong to the video, see `check_fit`.

    Warns
    -----
    PoofWarning
        If labels could not be told apart; those individuals get new numbers.
    """
    if labels.tracked or all(len(here) < 2 for here in labels.by_frame().values()):
        return labels
    check_fit(labels, video.size, None, video.name)
    linker = _Linker(video.size, labels, radius)
    windows = _windows(labels.frames, radius)
    pictures = linker.pictures(video, [w for w in windows if len(w) > 1], track)
    for window in windows:
        linker.forget()
        last = next(pictures, None) if len(window) > 1 else None
        linker.meet(window[0], last)
        for before, frame in pairwise(window):
            # Behind the end of the video nothing is linked; whether it may end there is not decided here.
            between = [] if last is None else [last, *islice(pictures, frame - before)]
            if len(between) <= frame - before:
                linker.forget()
                last = None
            else:
                linker.advance(between)
                last = between[-1]
            linker.meet(frame, last)
    for _ in pictures:  # none is left, but only now the progress comes to its end
        pass
    if linker.ambiguous:
        frames = ", ".join(map(str, linker.ambiguous[:5])) + (" ..." if len(linker.ambiguous) > 5 else "")
        warnings.warn(
            f"{video.name}: frame {frames}: cannot tell who is who of those labelled before, new numbers begin there;"
            " identities in the label file (track_id) would settle it",
            PoofWarning,
            stacklevel=2,
        )
    made = {"individuals": linker.count, "links": linker.links, "ambiguous_frames": linker.ambiguous}
    return labels.replace(
        instances={(f, linker.numbers[f, i]): points for (f, i), points in labels.instances.items()},
        tracked=True,
        individuals={},
        assumed_absent={(f, linker.numbers[f, i], k) for f, i, k in labels.assumed_absent},
        info=labels.info | {"identities": made},
    )


def _windows(frames: Sequence[int], radius: int) -> list[list[int]]:
    """Labelled frames in groups of which the windows touch."""
    windows = [[frames[0]]]
    for before, frame in pairwise(frames):
        if frame - before > reach(radius):
            windows.append([])
        windows[-1].append(frame)
    return windows


def contradicts(step: np.ndarray, returned: np.ndarray) -> np.ndarray:
    """(..., K) whether forward flow w and the backward flow w' at its end disagree, both (..., K, 2), flow pixels.

    |w + w'|^2 > 0.01 (|w|^2 + |w'|^2) + 0.5 (Sundaram et al. 2010); False where one of them is NaN.
    """
    with np.errstate(invalid="ignore"):
        length = (step**2).sum(axis=-1) + (returned**2).sum(axis=-1)
        return np.asarray(((step + returned) ** 2).sum(axis=-1) > 0.01 * length + 0.5)


def _median(steps: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(..., 2) median over the `chosen` (..., K) of `steps` (..., K, 2); NaN where none is."""
    ordered = np.sort(np.where(chosen[..., None], steps, np.nan), axis=-2)  # NaN last
    count = chosen.sum(axis=-1)
    low, high = (np.maximum(at, 0)[..., None, None] for at in ((count - 1) // 2, count // 2))
    return np.asarray(np.take_along_axis(ordered, low, -2) + np.take_along_axis(ordered, high, -2))[..., 0, :] / 2


@dataclass
class Course:
    """Where the keypoints of an individual, or of many at once, are on their way from their labels.

    Attributes
    ----------
    xy : (..., K, 2) float64
        Pixels of the frame; NaN for keypoints that were not labelled or left the image.
    seen : (..., K) bool
        Whether what flow tells at the keypoint is still the individual's own movement.
    velocity : (..., 2)
        Of the body, pixels a frame; NaN before the first step.
    """

    xy: np.ndarray
    seen: np.ndarray
    velocity: np.ndarray

    @classmethod
    def of(cls, points: Points) -> Course:
        """The start at a label; keypoints marked occluded move with the body."""
        return cls(points.xy.astype(np.float64), points.visible == Visible.VISIBLE, np.full(2, np.nan))

    @classmethod
    def together(cls, courses: Sequence[Course]) -> Course:
        """Many as one, so that a step costs little more than that of one."""
        return cls(*(np.stack([getattr(c, name) for c in courses]) for name in ("xy", "seen", "velocity")))

    def __getitem__(self, place: int) -> Course:
        return Course(self.xy[place], self.seen[place], self.velocity[place])

    def step(self, there: FlowField, back: FlowField) -> Course:
        """The next frame, by the flow to it and the flow back from it, both of the whole frame."""
        shape = self.xy.shape
        step = there.sample(self.xy.reshape(-1, 2)).astype(np.float64).reshape(shape)
        returned = back.sample((self.xy + step).reshape(-1, 2)).astype(np.float64).reshape(shape)
        scale = there.region.scale
        going: np.ndarray = np.isfinite(self.xy).all(axis=-1)
        seen: np.ndarray = self.seen & going & ~contradicts(step * scale, returned * scale)
        known = (going.any(axis=-1) & (seen.sum(axis=-1) >= SEEN * going.sum(axis=-1)))[..., None]
        first = np.isnan(self.velocity)
        body = _median(step, seen)
        learned = np.where(first, body, MEMORY * self.velocity + (1 - MEMORY) * body)
        kept = np.where(first, np.nan_to_num(_median(step, going)), self.velocity)
        velocity, seen = np.where(known, learned, kept), seen & known
        xy = self.xy + np.where(seen[..., None], step, velocity[..., None, :])
        return Course(np.where(there.region.contains(xy)[..., None], xy, np.nan), seen, velocity)


@dataclass
class _Picture:
    """A shrunken frame: `shown` in colour for flow and colours, `coarse` in grey for the cuts."""

    shown: np.ndarray
    coarse: np.ndarray
    real: bool = True
    """Whether the frame could be read."""


def _lab(picture: _Picture) -> np.ndarray:
    """CIELAB of a frame as shown, a little blurred."""
    lab = cv2.cvtColor(picture.shown.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return cv2.GaussianBlur(lab, (0, 0), BLUR)


@dataclass
class _Individual:
    """Someone who may be met again: the latest label of each of the K keypoints, and where they are now.

    `since` holds the frames of those labels (-1: none), `colours` (K, 3) is CIELAB there, `side` the longer side of the
    subject at the latest of them, pixels.
    """

    number: int
    xy: np.ndarray
    since: np.ndarray
    visible: np.ndarray
    colours: np.ndarray
    side: float
    course: Course

    @property
    def latest(self) -> int:
        return int(self.since.max())

    def update(self, frame: int, points: Points, colours: np.ndarray, side: float) -> None:
        """Take a label over."""
        set_, start = points.labelled, Course.of(points)
        self.xy[set_], self.since[set_] = points.xy[set_], frame
        self.visible[set_], self.colours[set_] = start.seen[set_], colours[set_]
        self.side = side
        xy = np.where(set_[:, None], start.xy, self.course.xy)
        self.course = Course(xy, np.where(set_, start.seen, self.course.seen), self.course.velocity)


@dataclass
class _Everyone:
    """All N known individuals in arrays, so that an instance is compared with them at once.

    `arrived`, `xy` (N, K, 2), `since`, `visible` (N, K), `colours` (N, K, 3), `sides` (N,), as `_Individual` has them;
    `frames` are all that occur in `since`.
    """

    arrived: np.ndarray
    xy: np.ndarray
    since: np.ndarray
    visible: np.ndarray
    colours: np.ndarray
    sides: np.ndarray
    frames: frozenset[int]

    @classmethod
    def of(cls, known: Sequence[_Individual]) -> _Everyone:
        since = np.stack([one.since for one in known])
        return cls(
            np.stack([one.course.xy for one in known]),
            np.stack([one.xy for one in known]),
            since,
            np.stack([one.visible for one in known]),
            np.stack([one.colours for one in known]),
            np.array([one.side for one in known]),
            frozenset(np.unique(since).tolist()),
        )

    def costs(
        self,
        frame: int,
        points: Points,
        colours: np.ndarray,
        returned: dict[int, np.ndarray],
        side: float,
        reach: int,
    ) -> np.ndarray:
        """(N,) what speaks against an instance being each of them, from 0 to 2; infinite without a common keypoint.

        The mean over the common keypoints, forwards and backwards, of the `distances` between where the one arrives and
        where the other is labelled; plus the mean colour difference at keypoints that are visible in both labels, in
        units of `COLOUR`, at most 1.
        """
        common = points.labelled & (self.since >= max(0, frame - reach))
        origin = np.full_like(self.xy, np.nan)
        for since, xy in returned.items():
            origin = np.where((self.since == since)[..., None], xy, origin)
        there = distances(self.arrived, points.xy, self.sides[:, None])
        back = distances(origin, self.xy, side)
        both = common & self.visible & (points.visible == Visible.VISIBLE)
        both = np.where(both.any(axis=1, keepdims=True), both, common)
        difference = np.fmin(np.linalg.norm(self.colours - colours, axis=2) / COLOUR, 1.0)
        count, shown = common.sum(axis=1), both.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.where(common, (there + back) / 2, 0.0).sum(axis=1) / count
            cost = apart + np.where(both, difference, 0.0).sum(axis=1) / shown
        return np.where(count > 0, cost, np.inf)


class _Linker:
    """Goes through the video from labelled frame to labelled frame and gives every instance its number."""

    def __init__(self, size: tuple[int, int], labels: LabelSet, radius: int) -> None:
        self.numbers: dict[tuple[int, int], int] = {}
        self.count = self.links = 0
        self.ambiguous: list[int] = []
        self._reach = reach(radius)
        self._labels = labels.by_frame()
        alone = labels.replace(instances={(n, 0): points for n, points in enumerate(labels.instances.values())})
        self._sides = dict(zip(labels.instances, subject_sides(alone, 0).values()))
        smallest = np.percentile(list(self._sides.values()), 10)
        self._region = Region.whole(size, int(np.clip(max(size) * SUBJECT / smallest, COARSE, LARGEST)))
        self._coarse, self._dis = CoarseFlow(size), DisFlow("medium")
        self._known: list[_Individual] = []
        self._flows: deque[tuple[FlowField, FlowField]] = deque(maxlen=self._reach)

    def pictures(self, video: Video, windows: Sequence[Sequence[int]], track: Track) -> Iterator[_Picture]:
        """The frames of all `windows`, shrunken, in order; ends where the video does."""
        if not windows:
            return
        wanted = {f for window in windows for f in range(window[0], window[-1] + 1)}
        first, stop = windows[0][0], windows[-1][-1] + 1
        for number, image, real in track(video.filled(first, stop), "linking instances", stop - first):
            if number in wanted:
                yield _Picture(self._region.cut(image), self._coarse.shrink(image), real)

    def forget(self) -> None:
        """Nobody labelled so far will be met again."""
        self._known = []
        self._flows.clear()

    def advance(self, pictures: Sequence[_Picture]) -> None:
        """Carry everyone through consecutive frames."""
        cuts = self._coarse.segment([picture.coarse for picture in pictures]).cuts
        grey = self._dis.prepare(np.stack([picture.shown for picture in pictures]))
        for index, fields in enumerate(zip(*self._dis.both(grey[:-1], grey[1:]))):
            if index in cuts or not (pictures[index].real and pictures[index + 1].real):
                self.forget()
                continue
            there, back = (FlowField(data, self._region) for data in fields)
            if self._known:
                courses = Course.together([known.course for known in self._known]).step(there, back)
                for place, known in enumerate(self._known):
                    known.course = courses[place]
            self._flows.append((there, back))

    def meet(self, frame: int, picture: _Picture | None) -> None:
        """Number the instances of a labelled frame; without its picture nobody may be known."""
        here = list(self._labels[frame].items())
        self._known = [known for known in self._known if frame - known.latest <= self._reach]
        lab = None if picture is None else _lab(picture)
        colours = [self._colours(points, lab) for _, points in here]
        gain = np.zeros((len(self._known), len(here)))
        if self._known:
            everyone = _Everyone.of(self._known)
            gates = np.array([gate(frame - known.latest) for known in self._known])
            returned = self._return(frame, [points for _, points in here], everyone.frames)
            for column, (instance, points) in enumerate(here):
                origin = {since: xy[column] for since, xy in returned.items()}
                costs = everyone.costs(
                    frame, points, colours[column], origin, self._sides[frame, instance], self._reach
                )
                gain[:, column] = np.fmax(0.0, 1 - costs / gates)
        links, ambiguous = assign(gain, np.array([known.latest for known in self._known]))
        for column, (instance, points) in enumerate(here):
            known = (
                self._known[links[column]] if column in links and column not in ambiguous else self._new(len(points))
            )
            known.update(frame, points, colours[column], self._sides[frame, instance])
            self.numbers[frame, instance] = known.number
        # Whoever was ambiguous is here under a new number, and would only compete with it.
        ended = {self._known[links[column]].number for column in ambiguous}
        self._known = [known for known in self._known if known.number not in ended]
        self.links += len(links) - len(ambiguous)
        self.ambiguous += [frame] if ambiguous else []

    def _new(self, count: int) -> _Individual:
        nowhere, never = np.full((count, 2), np.nan), np.zeros(count, bool)
        course = Course(nowhere.copy(), never.copy(), np.full(2, np.nan))
        known = _Individual(self.count, nowhere, np.full(count, -1), never, np.full((count, 3), np.nan), 0.0, course)
        self._known.append(known)
        self.count += 1
        return known

    def _return(self, frame: int, here: Sequence[Points], wanted: frozenset[int]) -> dict[int, np.ndarray]:
        """Where the keypoints of M labels were in the `wanted` frames before, (M, K, 2) by frame."""
        course, found = Course.together([Course.of(points) for points in here]), {}
        for steps, (there, back) in enumerate(reversed(self._flows), 1):
            course = course.step(back, there)
            if frame - steps in wanted:
                found[frame - steps] = course.xy
        return found

    def _colours(self, points: Points, lab: np.ndarray | None) -> np.ndarray:
        """(K, 3) CIELAB at the keypoints, NaN where unlabelled."""
        found = np.full((len(points), 3), np.nan)
        if lab is not None:
            at = np.rint(self._region.to_shown(points.xy[points.labelled])).astype(int)
            x, y = np.clip(at, 0, np.array(self._region.shown) - 1).T
            found[points.labelled] = lab[y, x]
        return found


def assign(gain: np.ndarray, latest: np.ndarray) -> tuple[dict[int, int], set[int]]:
    """Which instances are which of the known individuals.

    Parameters
    ----------
    gain : (N, M)
        By how much of the gate each of N individuals and M instances stays under it; 0: they are not the same.
    latest : (N,) int
        The frame in which each individual was last labelled.

    Returns
    -------
    links : dict
        Instance (column) -> individual (row): the assignment of the largest total gain.
    ambiguous : set
        The columns of links that could be exchanged, with each other or with someone who is not linked, at a loss below
        `MIN_MARGIN`. Someone not linked who was labelled longer ago than the one to be replaced does not count: had it
        been there, it would have been labelled since.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and most labels have identities

    rows, columns = linear_sum_assignment(gain, maximize=True)
    links = {int(c): int(r) for r, c in zip(rows, columns) if gain[r, c] > 0}
    partner = np.full(gain.shape[0], -1)
    partner[list(links.values())] = list(links)
    linked = partner >= 0
    theirs = np.where(linked, gain[np.arange(len(partner)), partner], 0.0) if gain.size else np.zeros(len(partner))
    free = np.setdiff1d(np.arange(gain.shape[1]), list(links))
    ambiguous = set()
    for column, row in links.items():
        mine = np.where(linked, gain[row, partner], 0.0)
        loss = gain[row, column] + theirs - gain[:, column] - mine
        plausible = (gain[:, column] > 0) | (mine > 0)
        exchange = plausible & (linked | (latest >= latest[row])) & (loss < MIN_MARGIN)
        exchange[row] = False
        others = gain[row, free]
        if exchange.any() or ((others > 0) & (gain[row, column] - others < MIN_MARGIN)).any():
            ambiguous.add(column)
    return links, ambiguous

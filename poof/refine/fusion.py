"""Flow and appearance fused over a video: one pass, in memory that holds a few spans between labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from poof.flow.base import FlowEstimator
from poof.labels import LabelSet
from poof.pose.crops import Crop
from poof.progress import Track, silent
from poof.propagation.prefetch import prefetch
from poof.propagation.subject import subject_sides
from poof.refine.appearance import Appearance
from poof.refine.beliefs import Grid, Motion, even, likelihood, normalised, passed, points, predicted, read
from poof.refine.following_crops import crops_of
from poof.refine.mirror import told_apart
from poof.refine.motion import motions
from poof.video.base import Video

READ_AHEAD = 8
"""Frames decoded ahead of their use."""
MOST_HELD = 3
"""Spans between labels that are held at most, for keypoints that the label at the end of the first one lacks."""


@dataclass(frozen=True)
class Fused:
    """What the fusion makes of an instance in one frame; K keypoints.

    Attributes
    ----------
    xy : (K, 2)
        Positions in pixels of the frame; in a labelled frame what its neighbours say, not the labels.
    mass : (K,)
        How much of the belief lies around them.
    spread : (K,)
        How far the belief is spread, in longer sides of the subject.
    alone : (K, 2)
        Where the networks alone see the points, pixels of the frame.
    peak : (K,)
        How much of the heat map lies around that.
    side : float
        Longer side of the subject, pixels.
    """

    xy: np.ndarray
    mass: np.ndarray
    spread: np.ndarray
    alone: np.ndarray
    peak: np.ndarray
    side: float


@dataclass
class _Span:
    """Consecutive frames up to a label, which is the last of them, or to the end of what was propagated."""

    frames: list[int] = field(default_factory=list)
    likelihoods: list[Tensor] = field(default_factory=list)
    onward: list[Motion | None] = field(default_factory=list)  # the step into each frame
    back: list[Motion | None] = field(default_factory=list)  # the step from each frame into the one before
    seen: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    crops: list[Crop] = field(default_factory=list)
    behind: list[Tensor] = field(default_factory=list)  # for each frame, what earlier ones say


class InstanceFusion:
    """The fusion of one instance, fed frame by frame.

    Beliefs pass through labels that lack a keypoint: forwards through any number of them, backwards through at most
    `MOST_HELD` less one, since so many spans between labels are held at most. They end where a label says absent.

    Parameters
    ----------
    tracks
        Human and propagated points.
    instance
        Which one.
    appearance
        Networks trained on the footage.
    flow
        Estimator of the motion.
    size
        (height, width) of the networks' crops.
    cuts
        Frames that begin a new scene.
    """

    def __init__(
        self,
        tracks: LabelSet,
        instance: int,
        appearance: Appearance,
        flow: FlowEstimator,
        size: tuple[int, int],
        cuts: Collection[int] = (),
    ) -> None:
        self._points = {frame: points for (frame, i), points in tracks.instances.items() if i == instance}
        self._crops = crops_of(tracks, instance, size)
        self._side = float(np.median(list(subject_sides(tracks.human(), instance).values())))
        self._grid = Grid.over(next(iter(self._crops.values())), self._side)  # crops differ in their places only
        self._appearance, self._flow = appearance, flow
        self._cuts = set(cuts)
        self._pairs = tracks.skeleton.mirror_pairs
        self._device = appearance.device
        self._before: tuple[int, np.ndarray] | None = None  # the last frame and its image
        self._open = _Span()
        self._waiting: list[_Span] = []  # each ends at a label; their ways back may need the spans after them
        self._start: Tensor | None = None  # the belief in the frame before the open span

    def push(self, frame: int, image: np.ndarray) -> Iterator[tuple[int, Fused]]:
        """Take the next frame, in ascending order, and give what is settled by it.

        A frame without the instance ends a run.
        """
        crop = self._crops.get(frame)
        if crop is None or (self._before is not None and self._before[0] != frame - 1):
            yield from self.finish()
        if crop is None:
            return
        grid = self._grid
        span = self._open
        if self._before is None:
            self._start = even(grid, len(self._points[frame]), self._device)
        onward: Motion | None = None
        back: Motion | None = None
        if self._before is not None and frame not in self._cuts:
            earlier, other = self._before
            pair = (other, image), (self._crops[earlier], crop)
            onward, back = motions(*pair, grid, self._side, self._flow, self._device)
        mine = self._points[frame]
        propagated = grid.of_frame(mine.xy, crop)
        maps = self._appearance.maps(image, crop, grid)
        maps = told_apart(maps, self._pairs, propagated, mine.confidence, grid)
        span.frames.append(frame)
        span.likelihoods.append(likelihood(maps, grid, propagated))
        span.onward.append(onward)
        span.back.append(back)
        span.crops.append(crop)
        alone, peak, _ = read(maps, grid)
        span.seen.append((grid.to_frame(alone, crop), peak))
        self._before = frame, image
        if self._points[frame].by_person.any():
            yield from self._close()

    def finish(self) -> Iterator[tuple[int, Fused]]:
        """Give what is left: no frame of this run follows."""
        if self._open.frames:
            self._pass_on()
            self._waiting.append(self._open)
        while self._waiting:
            yield from self._settle(self._waiting.pop(0), self._waiting)
        self._open, self._before = _Span(), None

    def _close(self) -> Iterator[tuple[int, Fused]]:
        """The open span has met a label: those before it that need no later one can be settled."""
        self._pass_on()
        self._waiting.append(self._open)
        self._open = _Span()
        while len(self._waiting) > 1 and (len(self._waiting) > MOST_HELD or not self._missed(self._waiting)):
            yield from self._settle(self._waiting.pop(0), self._waiting)

    def _missed(self, spans: Sequence[_Span]) -> bool:
        """Whether there is a keypoint that the labels at the end of all these spans lack."""
        said = [self._points[span.frames[-1]].by_person for span in spans]
        return not np.any(said, axis=0).all()

    def _settle(self, span: _Span, following: Sequence[_Span]) -> Iterator[tuple[int, Fused]]:
        """The beliefs of a span whose surroundings are known."""
        grid = self._grid
        after = even(grid, len(span.likelihoods[0]), self._device)  # what later frames say of the span's last frame
        for later in reversed(following):
            # From the label at the end of a later span back to the one before it, for the keypoints that this one
            # lacks.
            last = self._labelled(later.frames[-1], normalised(after * later.likelihoods[-1]))
            _, beyond = passed(last, later.likelihoods[-2::-1], later.back[:0:-1], grid)
            after = predicted(beyond, later.back[0], grid)
        for index in reversed(range(len(span.frames))):
            frame, seen = span.frames[index], span.likelihoods[index]
            belief = normalised(span.behind[index] * after * seen)
            cells, mass, spread = read(belief, grid)
            alone, peak = span.seen[index]
            yield frame, Fused(grid.to_frame(cells, span.crops[index]), mass, spread, alone, peak, self._side)
            here = self._labelled(frame, normalised(after * seen))
            after = predicted(here, span.back[index], grid)

    def _pass_on(self) -> None:
        """Pass the belief forwards through the open span, whose last frame may hold labels."""
        span = self._open
        assert self._start is not None
        grid = self._grid
        span.behind, last = passed(self._start, span.likelihoods, span.onward, grid)
        self._start = self._labelled(span.frames[-1], last)

    def _labelled(self, frame: int, belief: Tensor) -> Tensor:
        """A belief in which the points that a person has set are where they are, and absent ones nowhere."""
        grid = self._grid
        mine = self._points[frame]
        human, absent = (
            torch.from_numpy(which).to(belief.device)[:, None, None]
            for which in (mine.is_human & mine.labelled, mine.by_person & mine.absent)
        )
        cells = grid.of_frame(np.nan_to_num(mine.xy), self._crops[frame])
        belief = torch.where(absent, even(grid, len(belief), belief.device), belief)
        return torch.where(human, points(grid, cells, belief.device), belief)


def fuse(
    video: Video,
    tracks: LabelSet,
    appearance: Appearance,
    flow: FlowEstimator,
    size: tuple[int, int],
    track: Track = silent,
) -> dict[tuple[int, int], Fused]:
    """The fusion of every instance of a video.

    Parameters
    ----------
    video
        Where the tracks were made.
    tracks
        Human and propagated points; what `propagate` gives.
    appearance, flow, size
        See `InstanceFusion`.
    track
        Shows progress.

    Returns
    -------
    dict
        (frame, instance) -> `Fused`, for every frame that has the instance.
    """
    made = tracks.info.get("propagation", {})
    # Behind a hole in the video begins something new as well.
    cuts = [*made.get("cuts", []), *(hole["stop"] for hole in made.get("holes", []))]
    by_instance: Mapping[int, InstanceFusion] = {
        i: InstanceFusion(tracks, i, appearance, flow, size, cuts) for i in tracks.instance_ids
    }
    frames = tracks.frames
    result: dict[tuple[int, int], Fused] = {}
    wanted = prefetch(video.frames(frames[0], frames[-1] + 1), READ_AHEAD)
    with torch.no_grad():
        for frame, image in track(wanted, "fusing", frames[-1] + 1 - frames[0]):
            for i, one in by_instance.items():
                result |= {(settled, i): fused for settled, fused in one.push(frame, image)}
        for i, one in by_instance.items():
            result |= {(settled, i): fused for settled, fused in one.finish()}
    return result

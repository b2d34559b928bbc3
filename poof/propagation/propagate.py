"""Carry the keypoints a person set to the frames around them: the public function."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from poof.deprecated import old_arguments
from poof.errors import PoofError, PoofWarning
from poof.flow.base import FlowEstimator
from poof.labels.check import check_fit
from poof.labels.model import LabelSet, Points, Source, Visible
from poof.labels.record import MAKING
from poof.progress import Track, silent
from poof.propagation.confidence import confidence
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.evidence import Evidence, compared, gather
from poof.propagation.held_out import as_info, held_out, without_labels
from poof.propagation.identity import link_identities
from poof.propagation.merge import Merged, blend, by_distance, nearest
from poof.propagation.presence import estimate, states
from poof.propagation.result_cache import ResultCache
from poof.propagation.segments import reach
from poof.propagation.settings import Settings
from poof.propagation.subject import subject_sides
from poof.propagation.trackers.base import PointTracker
from poof.propagation.trackers.evidence import tracker_evidence
from poof.propagation.trackers.files import TracksFile
from poof.propagation.trackers.follow import Follower
from poof.propagation.trackers.trajectories import Trajectory
from poof.propagation.visibility import visibility
from poof.video.base import Video


@old_arguments(memo="cache")
def propagate(
    video: Video,
    labels: LabelSet,
    flow: FlowEstimator | Sequence[FlowEstimator] | None = None,
    settings: Settings | None = None,
    track: Track = silent,
    cache: ResultCache | None = None,
    only: range | None = None,
    trackers: Sequence[PointTracker | TracksFile] = (),
) -> LabelSet:
    """Labels for the frames up to R before and after each human label (Gebotys 2022, section 3.2).

    Parameters
    ----------
    video
        Where the labels were made, see `poof.open_video`.
    labels
        What a person set; propagated points among them are replaced. Instances of a file without identities are
        linked from label to label first, see `link_identities`.
    flow
        One estimator or several whose chains enter one blend; None takes `create_flows("auto")`.
    settings
        Radius, method and so on; the defaults of `Settings`.
    track
        Shows progress.
    cache
        Keeps finished parts on disk: an interrupted run goes on where it stopped, and labels that were added or
        changed re-run only the windows they touch.
    only
        Propagate to these frames alone, for a part that is wanted at once. Several estimators are then compared on what
        lies near them; otherwise their points are those of the whole.
    trackers
        Point trackers, or files of tracks, whose evidence enters the blend beside flow's; see
        `poof.propagation.trackers`.

    Returns
    -------
    LabelSet
        What a person said, unchanged, and the propagated points, each with anchor, steps, confidence and visibility.
        Keypoints that some label says are absent also have `presence`; where it is below `Settings.min_presence` they
        are absent, and never is there a point between two labels that say so.
        `info["propagation"]` says how they were made and what was left out; its `held_out` (not with `only`) what the
        same blend makes of the person's labels when each is left out, see `poof.propagation.held_out`.

    Raises
    ------
    PoofError
        If there are no human labels, or labels that cannot belong to the video: another size, frames beyond its end,
        points outside the image; or tracks that cannot belong to them.
    """
    settings = settings or Settings()
    if trackers and settings.method != "blend":
        raise PoofError(f"--method {settings.method}: takes no tracks beside flow; use blend, or leave the tracker out")
    estimators = estimators_of(flow, settings.method == "blend")
    anchors = anchors_of(video, labels, settings, track)
    from_files = {n: t.trajectories(video, anchors) for n, t in enumerate(trackers) if isinstance(t, TracksFile)}
    engine = Engine(video, anchors, estimators, settings, cache, only)
    for _ in track(engine.run(), "propagating", engine.total):
        pass
    carried = engine.result()
    if carried.end is not None:
        anchors = _before_end(anchors, video, carried.end)
    tracked = [
        from_files[n] if isinstance(t, TracksFile) else follow(video, anchors, t, settings, carried, track, cache, only)
        for n, t in enumerate(trackers)
    ]
    result = anchors.replace(
        instances={key: points.copy() for key, points in anchors.instances.items()},
        image_size=video.size,
        info={key: value for key, value in anchors.info.items() if key not in MAKING},
    )
    left_out: dict[str, int] = {}
    tracks, checked = {}, {}
    for instance in anchors.instance_ids:
        frames, (chains, human) = carried.frames_of(instance), chains_of(anchors, instance, carried)
        sides, far = subject_sides(anchors, instance), reach(settings.radius)
        if only is None:  # flow alone: where a tracker was asked it says the label itself
            without = without_labels(chains)
            joint = merged(without, frames, replace(settings, radius=far))
            checked[instance] = held_out(joint, without, frames, human, sides)
        tracked_evidence = [
            tracker_evidence(one, anchors, instance, frames, sides, far, carried.cuts, chains) for one in tracked
        ]
        chains += [chain for evidence in tracked_evidence for chain in evidence]
        tracks[instance] = frames, merged(chains, frames, settings), chains
    near = None if only is None else range(only.start - reach(settings.radius), only.stop + reach(settings.radius))
    present = estimate(video, anchors, tracks, near)
    for instance, track_ in tracks.items():
        _fill(result, instance, *track_, present[instance], carried.cuts, settings, left_out, only)
    if video.frame_names is not None:
        result.frame_names = {frame: video.frame_names[frame] for frame in result.frames}
    result.info["video"] = video.name
    result.info["propagation"] = {
        "settings": settings.describe(),
        "flow": [e.describe() | ({"reason": e.reason} if e.reason else {}) for e in estimators],
        "cuts": [cut for cut in carried.cuts if not any(h.start <= cut <= h.stop for h in video.holes)],
        "left_out": left_out,
        "damage": None if video.damage is None else {"frame": video.damage.frame, "reason": video.damage.reason},
        "holes": [{"start": h.start, "stop": h.stop, "reason": h.reason} for h in video.holes],
        "video_end": carried.end,
        "held_out": as_info(checked),
    }
    if trackers:
        result.info["propagation"]["trackers"] = [t.describe() for t in trackers]
    return result


def anchors_of(video: Video, labels: LabelSet, settings: Settings, track: Track = silent) -> LabelSet:
    """What a person set, with identities; a `PoofError` where that is nothing, or cannot belong to the video."""
    anchors = _with_points(link_identities(video, labels.human(), settings.radius, track))
    if not anchors.instances:
        raise PoofError(f"{video.name}: the labels hold no point that a person set; label a frame first")
    known = None if video.frame_names is None else len(video.frame_names)  # others are counted by reading them
    check_fit(anchors, video.size, known, video.name)
    return anchors


def _with_points(anchors: LabelSet) -> LabelSet:
    """The instances of which a person set some point in some frame; there is nothing to carry of the others."""
    some = {instance for _, instance, points in anchors if points.is_human.any()}
    return anchors.replace(instances={key: p for key, p in anchors.instances.items() if key[1] in some})


def _before_end(anchors: LabelSet, video: Video, end: int) -> LabelSet:
    """The anchors that the video holds; those behind damage are left out with a warning, behind its end refused."""
    lost = [frame for frame in anchors.frames if frame >= end]
    if video.damage is None or len(lost) == len(anchors.frames):
        check_fit(anchors, video.size, end, video.name)
    elif lost:
        warnings.warn(
            f"{video.name}: damaged from frame {end} on ({video.damage.reason});"
            f" labels of frame {lost[0]} and later are left out",
            PoofWarning,
            stacklevel=3,
        )
    return anchors.replace(instances={key: p for key, p in anchors.instances.items() if key[0] < end})


def follow(
    video: Video,
    anchors: LabelSet,
    tracker: PointTracker,
    settings: Settings,
    carried: FlowChains,
    track: Track = silent,
    cache: ResultCache | None = None,
    only: range | None = None,
) -> list[Trajectory]:
    """The trajectories of a tracker from every label, within the scenes that the pass over the video found."""
    follower = Follower(video, anchors, tracker, reach(settings.radius), carried.cuts, carried.end, cache, only)
    for _ in track(follower.run(), f"tracking, {tracker.name}", follower.total):
        pass
    return follower.result()


def chains_of(anchors: LabelSet, instance: int, carried: FlowChains) -> tuple[list[Evidence], np.ndarray]:
    """The evidence of an instance's chains and the human points (F, K, 2), over `carried.frames_of(instance)`."""
    frames = carried.frames_of(instance)
    human, occluded = human_points(anchors, instance, frames)
    sides = subject_sides(anchors, instance)
    chains = [
        [gather(one.over(frames), direction, human, occluded, sides) for direction, one in zip((1, -1), both)]
        for both in carried.chains[instance]
    ]
    return compared(chains), human


def human_points(labels: LabelSet, instance: int, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, K, 2) points that a person set in the frames, NaN elsewhere, and (F, K) which of them are marked occluded."""
    human = np.full((len(frames), len(labels.skeleton), 2), np.nan)
    occluded = np.zeros(human.shape[:2], bool)
    for row, frame in enumerate(frames):
        points = labels.instances.get((int(frame), instance))
        if points is not None and points.is_human.any():
            human[row, points.is_human] = points.xy[points.is_human]
            occluded[row] = points.is_human & (points.visible == Visible.OCCLUDED)
    return human, occluded


def merged(chains: Sequence[Evidence], frames: np.ndarray, settings: Settings) -> Merged:
    """The chains of an instance merged as the settings say."""
    if settings.method == "blend":
        return blend(chains, frames)
    if settings.overlap == "blend":
        return by_distance(chains, frames, settings.radius)
    return nearest(chains, frames, settings.radius)


def _fill(
    result: LabelSet,
    instance: int,
    frames: np.ndarray,
    joint: Merged,
    chains: Sequence[Evidence],
    present: np.ndarray,
    cuts: Sequence[int],
    settings: Settings,
    left_out: dict[str, int],
    only: range | None = None,
) -> None:
    """Add the propagated points of an instance to the result, and its keypoints that are absent, as labels near say."""
    state = states(result, instance, frames)
    human = human_points(result, instance, frames)[0]
    sure = confidence(joint, chains)
    flags = visibility(joint, chains, frames, human)
    set_ = state > 0
    distance = _distance(frames, set_)
    wanted = (state == 0) & (True if only is None else np.isin(frames, only)[:, None])
    within = (distance <= settings.radius) & wanted
    got = within & np.isfinite(joint.xy).all(axis=-1)
    gone = (np.minimum(distance, _distance(frames, state < 0)) <= settings.radius) & wanted
    with np.errstate(invalid="ignore"):
        # Where there is no place to give, the more probable state is told.
        gone &= present < np.where(np.isfinite(joint.xy).all(axis=-1), settings.min_presence, 0.5)
        kept = got & ~gone & (sure >= settings.min_confidence)
    for row in np.flatnonzero((kept | gone).any(axis=1)):
        frame, keep, absent = int(frames[row]), kept[row], gone[row]
        points = result.instances.get((frame, instance)) or Points.empty(keep.size)
        points.xy[keep] = joint.xy[row, keep]
        points.visible[keep] = flags[row, keep]
        points.confidence[keep] = sure[row, keep]
        points.visible[absent] = Visible.ABSENT
        points.confidence[absent] = 1 - present[row, absent]
        made = keep | absent
        points.source[made] = Source.PROPAGATED
        points.anchor[made] = joint.anchor[row, made]
        points.steps[made] = joint.steps[row, made]
        if np.isfinite(present[row, made]).any():
            points.presence = np.where(made, present[row], np.nan).astype(np.float32)
        result.instances[frame, instance] = points
    cut = _behind_cut(frames, set_, distance, cuts)
    for reason, mask in (
        ("behind a scene cut", within & ~got & ~gone & cut),
        ("left the image", within & ~got & ~gone & ~cut & ~_behind_absent(frames, state)),
        ("absent, as labels beside them say", got & gone),
        (f"confidence below {settings.min_confidence:g}", got & ~gone & ~kept),
    ):
        if mask.any():
            left_out[reason] = left_out.get(reason, 0) + int(mask.sum())


def _behind_absent(frames: np.ndarray, state: np.ndarray) -> np.ndarray:
    """(F, K) whether the nearest statement of a person about the keypoint, before or after, is that it is absent."""
    return _distance(frames, state < 0) < _distance(frames, state > 0)


def _distance(frames: np.ndarray, set_: np.ndarray) -> np.ndarray:
    """(F, K) frames to the nearest frame in which the keypoint is set; infinite when it never is."""
    distance = np.full(set_.shape, np.inf)
    for k in range(set_.shape[1]):
        at = frames[set_[:, k]]
        if len(at):
            distance[:, k] = np.abs(frames[:, None] - at[None, :]).min(axis=1)
    return distance


def _behind_cut(frames: np.ndarray, set_: np.ndarray, distance: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """(F, K) whether a scene begins between a frame and the nearest one in which the keypoint is set."""
    behind = np.zeros(set_.shape, bool)
    for k in range(set_.shape[1]):
        at = frames[set_[:, k]]
        if not len(at):
            continue
        near = at[np.abs(frames[:, None] - at[None, :]).argmin(axis=1)]
        low, high = np.minimum(frames, near), np.maximum(frames, near)
        for cut in cuts:
            behind[:, k] |= (low < cut) & (cut <= high)
    return behind & np.isfinite(distance)


def estimators_of(flow: FlowEstimator | Sequence[FlowEstimator] | None, several: bool) -> list[FlowEstimator]:
    """The estimators as a list; None takes those of `create_flows("auto")`, `several` as for a blend."""
    if flow is None:
        from poof.flow.registry import create_flows

        return create_flows("auto", both_scales=several)
    return [flow] if isinstance(flow, FlowEstimator) else list(flow)

"""The Python API: every step of the work as one function that takes paths or objects.

A video is a path or a `Video`, labels are a path, several paths (merged, see `poof.labels.merging`) or a `LabelSet`.
With `progress=True` a function shows the bar that the command shows; `track` takes one of your own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poof.deprecated import old_arguments
from poof.errors import PoofError
from poof.labels import LabelSet
from poof.labels.formats.reading import Missing
from poof.printable import plural
from poof.progress import Track, bar, silent
from poof.video import Video, open_video

if TYPE_CHECKING:
    from poof.evaluation import Report
    from poof.flow.base import FlowEstimator
    from poof.planning.radius import RadiusReport
    from poof.planning.select import Selection
    from poof.pose import Run
    from poof.pose.splitting import Pair
    from poof.propagation import Settings
    from poof.propagation.result_cache import ResultCache
    from poof.propagation.trackers import PointTracker, TracksFile
    from poof.refine.run import Refinement

Footage = str | Path | Video
Labels = str | Path | LabelSet | Sequence[str | Path]


@old_arguments(memo="cache")
def propagate(
    video: Footage,
    labels: Labels,
    flow: str | FlowEstimator | Sequence[FlowEstimator] | None = None,
    settings: Settings | None = None,
    track: Track | None = None,
    cache: ResultCache | None = None,
    *,
    radius: int | None = None,
    progress: bool = False,
    missing: Missing = "absent",
    prefer: str | None = None,
    trackers: Sequence[str | Path | PointTracker | TracksFile] = (),
) -> LabelSet:
    """Carry labels to the frames around them; see `poof.propagation.propagate` for what comes back.

    Parameters
    ----------
    video, labels
        Paths or objects.
    flow
        A name as after `--flow`, or estimators; None takes 'auto'.
    settings, cache
        See `poof.propagation.propagate`.
    radius
        Frames before and after each label, in place of that of the settings.
    track, progress
        See above.
    missing, prefer
        See `load_labels` and `poof.labels.merging.merged`.
    trackers
        Paths of tracks that another tool made, or point trackers (`poof.propagation.trackers`).
    """
    from dataclasses import replace

    from poof.flow.registry import create_flows
    from poof.propagation import Settings
    from poof.propagation import propagate as run
    from poof.propagation.trackers import TracksFile

    footage, given = opened(video), labels_of(video, labels, missing, prefer)
    settings = settings or Settings()
    if isinstance(flow, str):
        flow = create_flows(flow)
    if radius is not None:
        settings = replace(settings, radius=radius)
    beside = [TracksFile(one) if isinstance(one, (str, Path)) else one for one in trackers]
    return run(footage, given, flow, settings, shown(track, progress), cache, trackers=beside)


def refine(
    video: Footage | Sequence[Footage],
    labels: Labels | Sequence[Labels],
    folder: str | Path | None = None,
    *,
    radius: int | None = None,
    track: Track | None = None,
    progress: bool = False,
    **options: Any,
) -> Refinement:
    """Propagate, train networks on the footage and repair what flow lost; see `poof.refine.run.refine`.

    Parameters
    ----------
    video, labels
        Of one video, or a list of each.
    folder
        Of the networks; 'runs/refine-VIDEO' when None.
    radius
        Frames before and after each label.
    track, progress
        See above.
    options
        Further ones of `poof.refine.run.refine`.
    """
    from poof.propagation import Settings
    from poof.refine.run import refine as run

    pairs = _pairs(video, labels)
    if radius is not None:
        options["settings"] = Settings(radius=radius)
    where = Path(folder) if folder is not None else Path("runs") / f"refine-{Path(pairs[0].video.name).stem}"
    return run(pairs, where, track=shown(track, progress), **options)


def train(
    labels: Labels | Sequence[Labels],
    video: Footage | Sequence[Footage],
    folder: str | Path,
    *,
    track: Track | None = None,
    progress: bool = False,
    **options: Any,
) -> Run:
    """Train a pose model on labels, of one video or a list of each; see `poof.pose.train_pose` for the options."""
    from poof.pose import train_pose

    return train_pose(_pairs(video, labels), folder, track=shown(track, progress), **options)


def predict(
    video: Footage,
    model: Any,
    labels: Labels | None = None,
    *,
    track: Track | None = None,
    progress: bool = False,
    **options: Any,
) -> LabelSet:
    """Run a pose model on a video; `labels` tell where the subjects are. See `poof.pose.predict_pose`."""
    from poof.pose import boxes_from_labels, predict_pose

    boxes = None if labels is None else boxes_from_labels(labels_of(video, labels))
    return predict_pose(opened(video), model, boxes, track=shown(track, progress), **options)


def select(
    video: Footage,
    count: int = 20,
    labels: Labels | None = None,
    *,
    radius: int = 10,
    strategy: str = "even",
    track: Track | None = None,
    progress: bool = False,
) -> Selection:
    """Which frames to label first, or next where there are labels already; see `poof.planning.select`."""
    from poof.planning.select import select_frames, select_next

    footage = opened(video)
    if labels is None:
        return select_frames(footage, count, radius, strategy, track=shown(track, progress))
    return select_next(footage, labels_of(video, labels), count, radius, track=shown(track, progress))


def radius(
    video: Footage, labels: Labels, *, track: Track | None = None, progress: bool = False, **options: Any
) -> RadiusReport:
    """How far labels can be carried on this footage; see `poof.planning.radius.measure_radius` for the options."""
    from poof.planning.radius import measure_radius

    return measure_radius(opened(video), labels_of(video, labels), track=shown(track, progress), **options)


def evaluate(
    predictions: Labels | Mapping[str, Any], truth: Labels | Mapping[str, Any], *options: Any, **named: Any
) -> Report:
    """How good predictions are, by the labels people set; see `poof.evaluation.evaluate` for the options.

    Both sides are a path or a `LabelSet`, or mappings as there, with paths for label sets wherever one likes; several
    files of one video are merged.
    """
    from poof.evaluation import evaluate as run

    return run(_loaded(predictions), _loaded(truth), *options, **named)


def convert(
    source: Labels, target: str | Path | None = None, *, scale: float | None = None, force: bool = False, **options: Any
) -> LabelSet:
    """Read labels of any format and, with a target, write them in the format of its name.

    Parameters
    ----------
    source
        A path or labels, or several of one video, which are merged.
    target
        The file to write; see `save_labels`.
    scale
        Resize the frames by so much; the labels follow.
    force
        See `save_labels`.
    options
        Of `load_labels`.
    """
    from poof.labels import save_labels, scaled

    labels = _loaded(source, **options)
    if scale is not None:
        labels = scaled(labels, scale, scale)
    if target is not None:
        save_labels(labels, target, force)
    return labels


def render_overlay(
    video: Footage, labels: Labels, path: str | Path, force: bool = False, track: Track | None = None,
    *, progress: bool = False, **options: Any,
) -> int:  # fmt: skip
    """Write a video with the labels drawn on it; see `poof.drawing.render_overlay`."""
    from poof.drawing import render_overlay as run

    return run(opened(video), labels_of(video, labels), path, force, shown(track, progress), **options)


def contact_sheet(
    video: Footage, labels: Labels, path: str | Path, *,
    track: Track | None = None, progress: bool = False, **options: Any,
) -> list[int]:  # fmt: skip
    """Write a picture of labelled frames; see `poof.drawing.contact_sheet`."""
    from poof.drawing import contact_sheet as run

    return run(opened(video), labels_of(video, labels), path, track=shown(track, progress), **options)


def opened(video: Footage) -> Video:
    """A path as a video; a video as it is."""
    return open_video(video) if isinstance(video, (str, Path)) else video


def labels_of(video: Footage, labels: Labels, missing: Missing = "absent", prefer: str | None = None) -> LabelSet:
    """Labels as they are, or read from one or several files of the video."""
    if isinstance(labels, LabelSet):
        return labels
    from poof.labels.pairing import labels_for

    files = [labels] if isinstance(labels, (str, Path)) else list(labels)
    return labels_for([opened(video)], files, missing=missing, prefer=prefer)[0].labels


def shown(track: Track | None, progress: bool) -> Track:
    """What shows the progress."""
    return track or (bar if progress else silent)


def _pairs(video: Footage | Sequence[Footage], labels: Labels | Sequence[Labels]) -> list[Pair]:
    """Each video with its labels."""
    from poof.pose.splitting import Pair

    several = isinstance(video, (list, tuple))
    videos: Sequence[Any] = video if several else [video]  # type: ignore[assignment]
    sets: Sequence[Any] = labels if several and isinstance(labels, (list, tuple)) else [labels]
    if len(sets) != len(videos):
        raise PoofError(f"{plural(len(sets), 'label set')} for {plural(len(videos), 'video')}; give one for each")
    return [Pair(opened(v), labels_of(v, one)) for v, one in zip(videos, sets)]


def _loaded(value: Any, **options: Any) -> Any:
    """The same with label files read, with options of `load_labels`; those of a list, all of one video, as one."""
    from poof.labels import load_labels
    from poof.labels.merging import merged

    if isinstance(value, (str, Path)):
        return load_labels(value, **options)
    if isinstance(value, (list, tuple)):
        return merged([_loaded(one, **options) for one in value], [str(one) for one in value])
    if isinstance(value, Mapping):
        return {name: _loaded(inner) for name, inner in value.items()}
    return value

"""The work on one video as functions with plain arguments, to run here, in a process, or on a cluster.

Each gives an `Outcome`; what it has written is recorded, so that the next run knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poof.files import make_folder
from poof.labels import save_labels
from poof.labels.model import LabelSet
from poof.labels.replacing import check_label_output
from poof.printable import plural
from poof.progress import Track, silent
from poof.projects.contents import checksum
from poof.projects.records import Record, Records
from poof.projects.sources import Source, read
from poof.video import Video

if TYPE_CHECKING:
    from poof.flow.base import FlowEstimator
    from poof.planning.estimators import Comparison
    from poof.propagation import Settings


@dataclass
class Outcome:
    """What was done with one video.

    Attributes
    ----------
    summary : dict
        Numbers, as the command writes them with --json.
    covered : Coverage or None
        Which frames carry points.
    written : list of Path
    notes : list of str
        Lines for the person, in their order.
    flows : Comparison or None
        Which flow was worth what, where that was asked.
    """

    summary: dict[str, Any] = field(default_factory=dict)
    covered: Any = None
    written: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    flows: Any = None


@dataclass(frozen=True)
class Mark:
    """Where it is kept what a result was made of."""

    kind: str
    name: str
    parts: Mapping[str, Any]
    folder: Path | None = None
    base: Path | None = None

    def keep(self, outputs: Sequence[Path], summary: Mapping[str, Any]) -> None:
        """Keep the record of what was written."""
        sums = {str(path.absolute()): checksum(path) for path in outputs}
        Records(self.folder, self.base).put(self.kind, self.name, Record(dict(self.parts), sums, dict(summary)))


def propagate(
    *,
    source: Source,
    outputs: Sequence[Path],
    settings: Mapping[str, Any],
    flow: str = "auto",
    weights: Path | None = None,
    device: str = "auto",
    iterations: int | None = None,
    trackers: Sequence[str] = (),
    tracks_from: Path | None = None,
    auto_radius: bool = False,
    cache: bool = True,
    pictures: Sequence[Path] = (),
    force: bool = False,
    mark: Mark | None = None,
    track: Track = silent,
) -> Outcome:
    """`poof propagate` for one video; see there.

    Parameters
    ----------
    source
        The video and its labels.
    outputs
        Label files to write.
    settings
        Of `Settings`.
    pictures
        Overlay video and contact sheet to draw, or none.
    mark
        What the result is recorded as.
    """
    from poof.propagation import Settings
    from poof.propagation import propagate as run
    from poof.propagation.coverage import coverage
    from poof.propagation.result_cache import ResultCache, cache_folder
    from poof.propagation.trackers import TracksFile
    from poof.propagation.trackers.registry import create_tracker

    video = source.open()
    given = read(source, video)
    check(outputs, pictures, [given.labels], "propagate", source, force)
    kept = cache_folder() / "flows" if cache else None
    notes = [*given.notes]
    estimators, chosen, compared = settled(
        video, given.labels, Settings(**settings), notes, track,
        flow=flow, weights=weights, device=device, iterations=iterations, kept=kept, auto_radius=auto_radius,
    )  # fmt: skip
    beside: list[Any] = [create_tracker(name, device) for name in trackers]
    beside += [TracksFile(tracks_from)] if tracks_from is not None else []
    results = ResultCache(cache_folder() / "segments") if cache else None
    result = run(video, given.labels, estimators, chosen, track, results, trackers=beside)
    covered = coverage(video, result, chosen.radius)
    done = keep(result, covered, video.name, given.changes, outputs, mark, [*notes], compared)
    draw(video, result, pictures, track)
    done.written += pictures
    return done


def keep(
    result: LabelSet,
    covered: Any,
    video: str,
    changes: Mapping[str, int],
    outputs: Sequence[Path],
    mark: Mark | None,
    notes: list[str],
    compared: Any = None,
) -> Outcome:
    """Write what was propagated, and note what it was made of."""
    from poof.propagation.summary import summarise

    write(result, outputs)
    summary = summarise(result) | {"video": video} | seen(covered, changes)
    if compared is not None:
        summary["flows"] = compared.as_dict()
    if mark is not None:
        mark.keep(outputs, facts_of(result, covered))
    return Outcome(summary, covered, list(outputs), notes, compared)


def settled(
    video: Video,
    labels: LabelSet,
    settings: Settings,
    notes: list[str],
    track: Track,
    *,
    flow: str,
    weights: Path | None,
    device: str,
    iterations: int | None,
    kept: Path | None,
    auto_radius: bool,
) -> tuple[list[FlowEstimator], Settings, Comparison | None]:
    """Estimators and settings for a video, with what only the video can tell measured: the flow, and the radius.

    Parameters
    ----------
    notes
        Gets what was measured, for the person.
    kept
        Folder for the flows of networks.

    Returns
    -------
    estimators, settings, and which flow was worth what where that was asked
    """
    from poof.flow.registry import AUTO_PLUS, at_hand, create_flows
    from poof.planning.estimators import compare_flows

    compared = None
    if flow == AUTO_PLUS:
        candidates = at_hand(weights, device, kept, iterations)
        compared = compare_flows(video, labels, candidates, settings, track)
        flow, estimators = compared.choice, list(candidates[compared.choice])
        weights, iterations = (weights, iterations) if "raft" in flow else (None, None)
    else:
        estimators = create_flows(flow, weights, device, settings.method == "blend", kept, iterations)
    if auto_radius:
        lone = create_flows(flow, weights, device, False, kept, iterations)
        settings = measured(video, labels, lone, settings, track, notes)
    return estimators, settings, compared


def measured(
    video: Video,
    labels: LabelSet,
    estimators: Sequence[FlowEstimator],
    settings: Settings,
    track: Track,
    notes: list[str],
) -> Settings:
    """The settings with the radius that `poof radius` would measure, and what that leaves out noted."""
    from poof.planning.radius import measure_radius, uncovered

    report = measure_radius(video, labels, estimators, settings=settings, track=track)
    notes.append(f"radius {report.choice}: {report.message}")
    lost = uncovered(labels, report.choice, settings.radius)
    if lost:
        notes.append(
            f"note: that leaves {plural(lost, 'frame')} without labels that --radius {settings.radius} would give, less"
            " surely"
        )
    return replace(settings, radius=report.choice)


def carry(
    *,
    source: Source,
    radius: int,
    max_size: int | None,
    flow: str,
    weights: Path | None,
    device: str,
    track: Track = silent,
) -> Outcome:
    """Carry the labels of a video so that every segment of it is in the cache afterwards."""
    from poof.flow.registry import create_flows
    from poof.propagation import Settings
    from poof.propagation import propagate as run
    from poof.propagation.result_cache import ResultCache, cache_folder

    video = source.open()
    labels = read(source, video).labels
    estimators = create_flows(flow, weights, device, True, cache_folder() / "flows")
    settings = Settings(radius=radius, max_size=max_size)
    run(video, labels, estimators, settings, track, ResultCache(cache_folder() / "segments"))
    return Outcome()


def fuse(
    *,
    source: Source,
    outputs: Sequence[Path],
    folder: Path,
    models: Sequence[Path],
    options: Mapping[str, Any],
    pictures: Sequence[Path] = (),
    cache: bool = True,
    force: bool = False,
    mark: Mark | None = None,
    track: Track = silent,
) -> Outcome:
    """The second half of `poof refine` for one video: what networks see is fused with the flow.

    Without `models`, where flow is sure of nearly everything, the labels stay as carried.
    """
    from poof.flow.registry import create_flows
    from poof.pose.splitting import Pair
    from poof.propagation import Settings
    from poof.propagation import propagate as by_flow
    from poof.propagation.coverage import coverage
    from poof.propagation.result_cache import ResultCache, cache_folder
    from poof.refine import refine as run
    from poof.refine.run import Refinement

    video = source.open()
    given = read(source, video)
    check(outputs, pictures, [given.labels], "refine", source, force)
    keep = cache_folder() / "flows" if cache else None
    estimators = create_flows(options["flow"], options["weights"], options["device"], True, keep)
    settings = Settings(radius=options["radius"], max_size=options["max_size"])
    results = ResultCache(cache_folder() / "segments") if cache else None
    if models:
        result = run(
            [Pair(video, given.labels)], folder, models=models, flow=estimators, settings=settings, cache=results,
            network=options["network"], device=options["device"], precision=options["precision"], track=track,
        )  # fmt: skip
    else:
        result = Refinement([by_flow(video, given.labels, estimators, settings, track, results)], 0.0)
        result.skipped = "flow is sure of nearly all its points"
    labels = result.labels[0]
    write(labels, outputs)
    draw(video, labels, pictures, track)
    covered = coverage(video, labels, options["radius"])
    summary = result.as_dict() | {"skipped": result.skipped} | seen(covered, given.changes)
    if mark is not None:
        mark.keep(outputs, facts_of(labels, covered))
    return Outcome(summary, covered, [*outputs, *pictures], given.notes)


def predict(
    *,
    source: Source,
    outputs: Sequence[Path],
    models: Sequence[Path],
    boxes: Path | None = None,
    with_labels: bool = False,
    options: Mapping[str, Any],
    force: bool = False,
    mark: Mark | None = None,
    track: Track = silent,
) -> Outcome:
    """`poof predict` for one video; `with_labels`: the subjects' boxes come from its labels."""
    from poof.labels.pairing import Given
    from poof.pose import predict_pose
    from poof.pose.files import boxes_of

    video = source.open()
    given = read(source, video) if with_labels else None
    check(outputs, (), [], "predict", source, force)
    around = boxes_of(video, None if given is None else Given(given.labels, given.files), boxes)
    result = predict_pose(video, list(models), around, track=track, **options)
    write(result, outputs)
    confidence = result.to_table()["confidence"]
    summary = {
        "frames": len(result.frames),
        "subjects": len(result),
        "keypoints": len(confidence),
        "confidence": float(confidence.mean()) if len(confidence) else None,
        "unsure": float((confidence < 0.5).mean()) if len(confidence) else None,
        "damage": None if video.damage is None else video.damage.frame,
    }
    if mark is not None:
        mark.keep(outputs, facts_of(result, None, video.count()))
    return Outcome(summary, None, list(outputs), [] if given is None else given.notes)


def render(
    *,
    source: Source,
    overlay: Path | None,
    sheet: Path | None,
    plots: Path | None,
    style: Mapping[str, Any],
    span: str = "labelled",
    scale: float | None = None,
    tiles: int = 24,
    columns: int | None = None,
    force: bool = False,
    mark: Mark | None = None,
    track: Track = silent,
) -> Outcome:
    """`poof render` for one video."""
    from poof.drawing import Style, contact_sheet, render_overlay, save_trajectories

    video = source.open()
    given = read(source, video)
    look = Style(**style)
    done = Outcome(notes=[*given.notes])
    for path in (overlay, sheet):
        if path is not None:
            make_folder(path.parent, "-o")
    if sheet is not None:
        frames = contact_sheet(video, given.labels, sheet, columns, tiles, force, track, look)
        done.notes.append(f"{sheet}: contact sheet, {len(frames)} of {len(given.labels.frames)} labelled frames")
        done.written.append(sheet)
    if plots is not None:
        pages = save_trajectories(given.labels, plots, force, track, title=Path(video.name).name)
        done.notes.append(f"{plots}: trajectories, {plural(len(pages), 'page')}")
    if overlay is not None:
        count = render_overlay(
            video, given.labels, overlay, force, track, style=look, span=span, scale=scale  # type: ignore[arg-type]
        )  # fmt: skip
        done.notes.append(f"{overlay}: overlay video, {plural(count, 'frame')}")
        done.written.append(overlay)
    if mark is not None:
        mark.keep(done.written, {})
    return done


def select(
    *, source: Source, count: int, radius: int, strategy: str, with_labels: bool, track: Track = silent
) -> Outcome:
    """`poof select` for one video; what was chosen is `covered`."""
    from poof.planning.select import select_frames, select_next

    video = source.open()
    notes: list[str] = []
    if with_labels:
        given = read(source, video)
        notes = given.notes
        chosen = select_next(video, given.labels, count, radius, track=track)
    else:
        chosen = select_frames(video, count, radius, strategy, track=track)
    return Outcome(chosen.as_dict(video.fps), (chosen, video.fps), [], notes)


def convert(
    *,
    source: Source,
    target: Path,
    format: str | None,
    scale: tuple[float, float] | None,
    force: bool = False,
    mark: Mark | None = None,
    track: Track = silent,
) -> Outcome:
    """A label file of a video in another format."""
    from poof.labels import describe_sources, scaled
    from poof.labels.io import format_for
    from poof.labels.record import kind_of

    del track
    video = source.open()
    given = read(source, video)
    labels = given.labels if scale is None else scaled(given.labels, *scale)
    written = format_for(target, format)
    labels.info = labels.info | {"video": Path(video.name).name}
    if written == "dlc-tracks":
        labels.info["frame_count"] = video.count()
    check_label_output(target, [labels], kind_of(labels), force=force, option="-o")
    make_folder(target.parent, "-o")
    save_labels(labels, target, format=written, checked=True)
    points = ", ".join(f"{count} {name}" for name, count in describe_sources(labels).items())
    if mark is not None:
        mark.keep([target], {})
    told = f"{target}: {len(labels.frames)} frames, {len(labels)} instances; points: {points} ({written})"
    return Outcome({}, None, [target], [*given.notes, told])


def write(labels: LabelSet, outputs: Sequence[Path]) -> None:
    """A result into its files, whose folders are made where they are not there."""
    for path in outputs:
        make_folder(path.parent, "-o")
        save_labels(labels, path, checked=True)


def seen(covered: Any, changes: Mapping[str, int]) -> dict[str, Any]:
    """What every summary says of the frames, and of what a person had changed."""
    return {
        "video_frames": covered.total if covered.exact else None,
        "gaps": [gap.as_dict() for gap in covered.gaps],
        "changes": dict(changes),
    }


def draw(video: Video, labels: LabelSet, pictures: Sequence[Path], track: Track) -> None:
    """Overlay video and contact sheet, where they are wanted."""
    if pictures:
        from poof.drawing import contact_sheet, render_overlay

        render_overlay(video, labels, pictures[0], True, track)
        contact_sheet(video, labels, pictures[1], force=True)


def check(
    outputs: Sequence[Path],
    pictures: Sequence[Path],
    labels: Sequence[LabelSet],
    kind: str,
    source: Source,
    force: bool,
) -> None:
    """Refuse outputs that may not be replaced, before any work is done."""
    from poof.files import check_output
    from poof.labels.io import format_for

    for path in outputs:
        format_for(path, None)
        if source.project is not None and not path.parent.exists():
            make_folder(path.parent, "results in poof.toml")
        # In a project results are replaced when labels went or options changed; a person's words are still looked for.
        own = source.project is not None
        check_label_output(path, labels, kind, None if own else str(source.video), force or own)
    for path in pictures:
        check_output(path, force)


def facts_of(labels: LabelSet, covered: Any, frames: int | None = None) -> dict[str, Any]:
    """What the status says of a result."""
    import numpy as np

    made = [p for _, _, p in labels]
    sure = np.concatenate([p.confidence[p.labelled & ~p.is_human] for p in made] or [np.zeros(0)])
    total = covered.total if covered is not None else frames
    return {
        "frames": total,
        "exact": covered.exact if covered is not None else True,
        "covered": covered.frames if covered is not None else len(labels.frames),
        "confidence": float(np.nanmean(sure)) if len(sure) else None,
        "disputes": int(sum(p.in_dispute.sum() for p in made)),
        "anchors": len(labels.human().frames),
    }

"""`poof eval`: how good predictions are, by the labels people set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common, inputs, many
from poof.cli.inputs import next_step
from poof.cli.terminal import console
from poof.printable import plural


class Metric(StrEnum):
    """What the thresholds are compared with."""

    THESIS = "thesis"
    L2 = "l2"
    PCK_BOX = "pck-box"
    PCK_TORSO = "pck-torso"
    PCK_HEAD = "pck-head"
    PCK_REFERENCE = "pck-reference"


class Frame(StrEnum):
    """In which pixels."""

    CROP = "crop"
    IMAGE = "image"


class Occluded(StrEnum):
    """What becomes of occluded truth."""

    SCORE = "score"
    IGNORE = "ignore"
    ONLY = "only"


class Match(StrEnum):
    """How instances are paired."""

    AUTO = "auto"
    ID = "id"
    NEAREST = "nearest"


class Resample(StrEnum):
    """What the bootstrap draws."""

    AUTO = "auto"
    FRAME = "frame"
    VIDEO = "video"


def evaluate(
    predictions: Annotated[
        list[str],
        typer.Argument(
            metavar="PRED...",
            help="Predictions to judge side by side: [NAME=]FILE, with several --labels [NAME=]FILE,FILE or a folder;"
            " in a project its results, by the labels in truth.",
            show_default=False,
        ),
    ],
    labels: Annotated[
        list[Path], typer.Option("--labels", "-l", help="Labels people set; once a video.", show_default=False)
    ],
    thresholds: Annotated[
        str | None,
        typer.Option(help="Errors strictly below are right (default: 5,10,20,30 px; PCK 0.05,0.1,0.2,0.5)."),
    ] = None,
    metric: Annotated[
        Metric,
        typer.Option(help="l2: Euclidean; thesis: (|dx|+|dy|)/2; pck-...: Euclidean over a size of the body."),
    ] = Metric.L2,
    frame: Annotated[
        Frame, typer.Option(help="Thresholds are px of the image, or px of a 256x192 crop around the subject.")
    ] = Frame.IMAGE,
    occluded: Annotated[Occluded, typer.Option(help="Occluded truth: score it, ignore it, or only that.")] = (
        Occluded.SCORE
    ),
    match: Annotated[Match, typer.Option(help="Pair instances by id, to the nearest, or as fits.")] = Match.AUTO,
    reference: Annotated[
        str | None, typer.Option(metavar="A,B", help="Keypoints whose distance is the size for pck-reference.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size of the frames, for delta_avg, where no file tells it.")
    ] = None,
    score_anchors: Annotated[
        bool, typer.Option("--score-anchors", help="Also judge what a person set in a prediction's file.")
    ] = False,
    per_joint: Annotated[bool, typer.Option("--per-joint", help="Also per joint.")] = False,
    per_video: Annotated[bool, typer.Option("--per-video", help="Also per video.")] = False,
    per_source: Annotated[bool, typer.Option("--per-source", help="Also by source: propagated, predicted ...")] = False,
    per_distance: Annotated[bool, typer.Option("--per-distance", help="Also by frames to the nearest anchor.")] = False,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the others are compared with (default: the first).")
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Samples for 95 % intervals; 0: none.", min=0, max=100_000)] = 1000,
    resample: Annotated[
        Resample, typer.Option(help="What they draw: frames or videos; auto: videos from 10 on.")
    ] = Resample.AUTO,
    seed: Annotated[int, typer.Option(help="Of the random numbers.", min=0)] = 0,
    oks: Annotated[bool, typer.Option("--oks", help="Also COCO's AP over object keypoint similarity.")] = False,
    sigma: Annotated[
        float | None, typer.Option(help="One OKS sigma for all keypoints (default: COCO's by name, else 0.067).")
    ] = None,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Also whether the confidence foretells what is right.")
    ] = False,
    curve: Annotated[Path | None, typer.Option(help="Draw the accuracy over the threshold into this file.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write every number as a table.")] = None,
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Error of predictions in pixels, misses and false positives, per joint and video, compared with each other.

    Every point that a person labelled is judged, except where the prediction's own file has it from a person; what was
    not predicted is wrong. A point where the labels say absent is a false positive. Several predictions are judged by
    the same points and compared with the first.
    """
    del debug

    from poof import evaluation
    from poof.evaluation import tables
    from poof.evaluation.files import paths_of
    from poof.files import check_apart, check_output

    outputs = [(p, o) for p, o in ((curve, "--curve"), (csv, "--csv"), (json, "--json")) if p is not None]
    sets = None
    if not predictions:
        sets = _in_project()
        predictions, labels = [], []
    read = [(path, "--labels") for path in labels]
    check_apart(outputs, [*read, *((path, "a prediction") for text in predictions for path in paths_of(text))])
    for path, _ in outputs:
        check_output(path, force)
    limits = None if thresholds is None else evaluation.parse_thresholds(thresholds)
    judged = sets if sets is not None else {"": evaluation.load_pairs(predictions, labels)}
    options: dict[str, Any] = {
        "metric": metric.value,
        "frame": frame.value,
        "occluded": occluded.value,
        "match": match.value,
        "score_anchors": score_anchors,
        "reference": None if reference is None else [name.strip() for name in reference.split(",")],
        "image_size": None if size is None else evaluation.parse_size(size),
    }
    drawn: Any = resample.value
    for name, (predicted, truth) in judged.items():
        if name and not quiet:
            console().print(f"{name}: {plural(len(truth), 'video')} ({', '.join(truth)})")
        report = evaluation.evaluate(predicted, truth, limits, **options)
        chosen = report.known(baseline)
        compared = report.compare(chosen, bootstrap, seed, drawn) if bootstrap else None
        precision = report.oks(sigma) if oks else None
        trust = report.calibration() if calibration else None

        shown = [tables.error_table(report), tables.accuracy_table(report, compared)]
        if any(len(table) for table in report.absences.values()):
            shown.append(tables.presence_table(report.presence()))
        if compared is not None and len(report.names) > 1:
            shown.append(tables.comparison_table(compared))
        groups = {"joint": per_joint, "video": per_video, "source": per_source, "distance": per_distance}
        shown += [tables.group_table(report, group, chosen) for group, wanted in groups.items() if wanted]
        if precision is not None:
            shown.append(tables.oks_table(precision))
        if trust is not None:
            shown.append(tables.calibration_table(trust, report.unit))
        if not quiet:
            # Names of files and keypoints may hold brackets and colons, which are no markup.
            out = console(wide=True)
            for table in shown:
                out.print(table)
            for note in report.notes:
                out.print(f"note: {note}", style="dim")
            if sets is not None and not any(groups.values()):
                next_step("poof", "eval", "--per-joint", what="which keypoints are off")
            elif not any(groups.values()):
                files = [word for path in labels for word in ("-l", path)]
                next_step("poof", "eval", *predictions, *files, "--per-joint", what="which keypoints are off")

        every = inputs.named_for(csv, name)
        if every is not None:
            report.to_csv(every)
        numbers = inputs.named_for(json, name)
        if numbers is not None:
            extras: dict[str, Any] = {
                "files": {"predictions": predictions, "labels": [str(path) for path in labels]},
                "comparison": None if compared is None else compared.as_dict(),
                "oks": None if precision is None else precision.to_dict("records"),
                "calibration": None if trust is None else trust.to_dict("records"),
            }
            common.write_json(numbers, report.as_dict() | extras)
        drawn_to = inputs.named_for(curve, name)
        if drawn_to is not None:
            from poof.drawing.plots import accuracy_over_threshold, save_figure

            grid, accuracies = report.curve()
            figure = accuracy_over_threshold(grid, accuracies, marked=report.thresholds, unit=report.unit)
            save_figure(figure, drawn_to, force)


def _in_project() -> dict[str, tuple[dict[str, dict[str, Any]], dict[str, Any]]]:
    """Vocabulary -> (result -> video -> labels, video -> truth), of the videos that have all results of the group."""
    from poof.errors import PoofError
    from poof.labels import load_labels
    from poof.projects.plan import TAGS
    from poof.projects.sources import Source, read

    project, _, films = many.known_project()
    groups: dict[str, list[tuple[str, Any, dict[str, Path]]]] = {}
    for film in films:
        if film.trouble or not film.truth:
            continue
        source = Source(film.path, tuple(film.truth), tuple(film.called), project=project)
        truth = read(source, source.open()).labels
        files = {tag: project.results / f"{film.name}.{tag}.json" for tag in TAGS.values()}
        made = {tag: path for tag, path in files.items() if path.exists()}
        if made:
            groups.setdefault(truth.skeleton.name, []).append((film.name, truth, made))
    if not groups:
        places = ", ".join(str(place) for place in project.truth)
        raise PoofError(
            f"{places}: holds no labels to judge the results by; put labels there that were not carried, of other"
            " frames or set aside before, and make results with poof propagate"
        )
    judged = {}
    for name, rows in groups.items():
        tags = [tag for tag in TAGS.values() if all(tag in made for _, _, made in rows)]
        if not tags:
            raise PoofError(
                f"{name}: no result is there of every video with truth; poof status tells which are missing"
            )
        predicted = {tag: {video: load_labels(made[tag]) for video, _, made in rows} for tag in tags}
        judged[name if len(groups) > 1 else ""] = (predicted, {video: truth for video, truth, _ in rows})
    return judged

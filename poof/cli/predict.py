"""`poof predict`: run a pose model on video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common, inputs
from poof.cli.terminal import say


def predict(
    inputs_: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO", help="Video files, or folders of images.", show_default=False),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Checkpoint of a pose model.", show_default=False)
    ] = None,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(
            "--ensemble",
            metavar="A.pt B.pt ...",
            help="Checkpoints; each joint from the one that was best on it in validation.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels", "-l", help="Take the subjects' boxes from these labels; may be repeated.", show_default=False
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes", help="Take them from a CSV: frame, x, y, width, height[, instance].", show_default=False
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Labels to write (.json, .csv); for several videos one for each, or a folder."
            " [default: VIDEO.predicted.json]",
            show_default=False,
        ),
    ] = None,
    category: common.Category = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirrored image: surer, half as fast.")] = True,
    start: Annotated[int, typer.Option(min=0, help="First frame.")] = 0,
    stop: Annotated[int | None, typer.Option(min=1, help="Frame before which to end.", show_default=False)] = None,
    batch: Annotated[int, typer.Option(min=1, help="Crops at a time.")] = 16,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    on_damage: common.OnDamage = "stop",
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Predict keypoints in every frame of a video.

    Without --labels and --boxes, one subject is looked for in the whole frame: fine when it fills the picture.
    """
    del debug
    from poof.labels import save_labels
    from poof.labels.replacing import check_label_output
    from poof.pose import predict_pose
    from poof.pose.files import models_and_videos, people_of

    videos, models = models_and_videos(inputs_, model, ensemble or [])
    written = inputs.outputs_of(videos, output, "predicted", ("json",))
    footage = inputs.opened(videos, on_damage)
    given = inputs.labels_of(footage, labels, quiet, category) if labels else None
    others = [*((m, "--model") for m in models), *([(boxes, "--boxes")] if boxes else [])]
    others += [(p, "-l") for p in labels or []]
    inputs.check_outputs(videos, [[] for _ in videos], given or [], "predict", named=True, inputs=others)
    from poof.files import check_apart

    check_apart([(p, "-o") for paths in written for p in paths], [*((v, "VIDEO") for v in videos), *others])
    for paths, source in zip(written, videos):
        for path in paths:
            check_label_output(path, [], "predict", str(source), force)
    for number, (video, paths) in enumerate(zip(footage, written)):
        people = people_of(video, None if given is None else given[number], boxes)
        predicted = predict_pose(
            video,
            models,
            people,
            start=start,
            stop=stop,
            flip=flip,
            batch=batch,
            device=device,
            precision=precision,  # type: ignore[arg-type]  # checked inside
            track=common.track(quiet),
        )
        for path in paths:
            save_labels(predicted, path, checked=True)
        if not quiet:
            confidence = predicted.to_table()["confidence"]
            until = "" if video.damage is None else f" (the video is damaged from frame {video.damage.frame} on)"
            say(
                f"{', '.join(map(str, paths))}: {inputs.plural(len(predicted.frames), 'frame')}{until},"
                f" {inputs.plural(len(predicted), 'subject')}, {inputs.plural(len(confidence), 'keypoint')};"
                f" {confidence.mean():.0%} of them expected within 5 % of the crop,"
                f" {(confidence < 0.5).mean():.0%} below confidence 0.5"
            )
    if not quiet:
        inputs.next_step("poof", "render", videos[0], "-l", written[0][0], what="look at it")

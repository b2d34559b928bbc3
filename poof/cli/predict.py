"""`poof predict`: run a pose model on video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.terminal import say


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO", help="Video file or folder of images.", show_default=False),
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
        Path | None,
        typer.Option("--labels", "-l", help="Take the subjects' boxes from these labels.", show_default=False),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes", help="Take them from a CSV: frame, x, y, width, height[, instance].", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Labels to write (.json, .csv). [default: VIDEO.predicted.json]", show_default=False
        ),
    ] = None,
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
    from poof.files import check_output
    from poof.labels import save_labels
    from poof.pose import predict_pose
    from poof.pose.files import load_people, models_and_video

    video_path, models = models_and_video(inputs, model, ensemble or [])
    output = output or Path(f"{video_path.stem}.predicted.json")
    check_output(output, force)
    video, people = load_people(video_path, labels, boxes, on_damage)
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
    save_labels(predicted, output, force)
    if not quiet:
        confidence = predicted.to_table()["confidence"]
        say(
            f"{output}: {len(predicted.frames)} frames, {len(predicted)} subjects, {len(confidence)} keypoints; "
            f"mean confidence {confidence.mean():.2f}, {(confidence < 0.5).mean():.0%} below 0.5"
        )

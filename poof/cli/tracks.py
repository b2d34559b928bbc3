"""`poof tracks`: a result as a table for analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli.common import Category, Debug, Force, Quiet
from poof.cli.terminal import say


def tracks(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Labels of any format, best as poof wrote them.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="tracks.csv, .parquet (needs pyarrow) or .nc (as movement has it).")
    ],
    video: Annotated[
        Path | None,
        typer.Option("--video", help="Times are this video's timestamps; default: as RESULT names it."),
    ] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Frames a second, instead of timestamps.")] = None,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", help="Leave out machine-made points below this.")
    ] = 0.0,
    max_gap: Annotated[
        int, typer.Option("--max-gap", help="Bridge gaps of at most so many frames, never where a keypoint is absent.")
    ] = 0,
    smooth: Annotated[
        list[str] | None,
        typer.Option("--smooth", help="median:5, savgol:7,2 or one-euro:1,0.01; may be given several times."),
    ] = None,
    category: Category = None,
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write tracks for analysis: a row a frame, individual and keypoint, in seconds, with speed; raw positions beside.

    Every step is logged in the file. movement reads .nc with xarray.open_dataset, and --to dlc-tracks of poof convert.
    """
    from poof.errors import PoofError
    from poof.exchange import Steps, tracks_table, write_tracks
    from poof.files import check_output
    from poof.labels import load_labels
    from poof.video import open_video

    del debug
    steps = Steps(min_confidence, max_gap, tuple(smooth or ()))
    check_output(output, force)
    footage = open_video(video) if video else None
    labels = load_labels(
        result, footage.frame_names if footage else None, category=category, video=str(video) if video else None
    )
    named = labels.info.get("video")
    if footage is None and fps is None and isinstance(named, str) and named:
        found = next((path for path in (Path(named), result.parent / Path(named).name) if path.exists()), None)
        footage = open_video(found) if found else None
    if footage is not None and labels.frames[-1] >= footage.count():
        raise PoofError(
            f"{footage.name}: ends at frame {footage.count() - 1}, the labels name frame {labels.frames[-1]};"
            " give the labelled video"
        )
    table, log = tracks_table(labels, footage, fps, steps)
    write_tracks(table, log, output, force)
    if not quiet:
        rows = f"{table['frame'].nunique()} frames, {table['individual'].nunique()} individuals"
        say(f"{output}: {rows}, {table['keypoint'].nunique()} keypoints")
        for line in log:
            say(f"- {line}")

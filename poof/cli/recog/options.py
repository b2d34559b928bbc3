"""Options that several `poof recog` commands share, and how they print tables."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli.terminal import console, say

if TYPE_CHECKING:
    import pandas as pd

    from poof.recog.core.model import Recognizer
    from poof.recog.data import ClipList
    from poof.recog.data.dataset import View


class Rule(StrEnum):
    """How frames are chosen."""

    UNIFORM = "uniform"
    DENSE = "dense"
    NORMAL = "normal"


class Average(StrEnum):
    """What is averaged over the views of a video."""

    PROBABILITIES = "probabilities"
    SCORES = "scores"


class Crops(StrEnum):
    """Crops of a test."""

    CENTER = "center"
    THREE = "three"
    FIVE = "five"
    TEN = "ten"


AS_TRAINED = "(default: as trained)"
Sampling = Annotated[Rule | None, typer.Option("--sampling", help=f"How frames are chosen {AS_TRAINED}.")]
Rate = Annotated[int | None, typer.Option("--rate", help=f"Clips of every n-th frame in a row {AS_TRAINED}.", min=1)]
Window = Annotated[int | None, typer.Option("--window", help=f"Frames that a dense clip spans {AS_TRAINED}.", min=1)]
OtherFrames = Annotated[int | None, typer.Option("--frames", help=f"Frames (segments) a clip {AS_TRAINED}.", min=1)]
OtherSize = Annotated[int | None, typer.Option("--size", help=f"Side of the crops {AS_TRAINED}.", min=16, max=4096)]
Short = Annotated[
    int | None, typer.Option("--short", help="Shorter side before cropping (default: as trained, or size * 256/224).")
]
Averaged = Annotated[
    Average, typer.Option("--average", help="Over a video's views: probabilities, or scores as TSM and TEA do.")
]
Name = Annotated[str, typer.Argument(metavar="NETWORK", help="A backbone or a whole network (`poof recog list`).")]
Modules = Annotated[
    list[str] | None,
    typer.Option("--module", "-m", help="Temporal module, repeatable: NAME or NAME:KNOB=VALUE,KNOB=VALUE."),
]
Frames = Annotated[int, typer.Option(help="Frames (segments) a clip.", min=1)]
Size = Annotated[int, typer.Option(help="Side of the square input in pixels.", min=16)]
OWN = "(default: the recipe's, or those a published network brings)"
NetworkFrames = Annotated[int | None, typer.Option("--frames", help=f"Frames (segments) a clip {OWN}.", min=1)]
NetworkSize = Annotated[int | None, typer.Option("--size", help=f"Side of the square input, pixels {OWN}.", min=16)]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        "-d",
        help="List of clips (any of the known formats), or a folder: of classes, of UCF101's or HMDB51's lists.",
        show_default=False,
    ),
]
Root = Annotated[Path | None, typer.Option(help="Folder that the list's paths start from (default: near the list).")]
Labels = Annotated[Path | None, typer.Option(help="Class names, one a line (default: what the list tells).")]
Format = Annotated[str, typer.Option(help="Format of the list, where its looks deceive; see `poof recog list`.")]
Split = Annotated[int, typer.Option(help="Number of the split, for formats that hold several.", min=1)]
Workers = Annotated[int, typer.Option(help="Processes that read clips.", min=0)]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training, or one of its .pt files.")]


def clip_list(
    path: Path,
    root: Path | None,
    labels: Path | None,
    format: str,
    split: int,
    part: str,
    max_broken: float = 0.0,
) -> ClipList:
    """The list a command was given; `max_broken` is the share of its rows that may be bad."""
    from poof.recog.data.lists import read_labels, read_list

    names = None if labels is None else read_labels(labels)
    return read_list(path, root=root, labels=names, part=part, split=split, format=format, max_broken=max_broken)


def of_part(data: Path, part: str, split: int) -> str:
    """What is said where --data has parts and one of them is taken; nothing where it has none."""
    from poof.recog.data.lists import detect

    parts = data.is_dir() and (detect(data) != "folders" or (data / "test").is_dir() or (data / "val").is_dir())
    return f" of the {part} part (--part; split {split})" if parts else ""


def load(run: Path, device: str) -> Recognizer:
    """The network of a run on a device."""
    from poof.recog.checkpoint import load_model
    from poof.recog.device import pick_device

    return load_model(run, pick_device(device))


def view_of(model: Recognizer, quiet: bool, **changes: Any) -> View:
    """How a network is judged: as trained, but for the options that were given; says which those are."""
    from poof.recog.evaluation.judging import described, judging_view

    view, differences = judging_view(model, **changes)
    if not quiet:
        say(f"clips of {described(view)}" + (f"; {', '.join(differences)}" if differences else ", as trained"))
    return view


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, for `show`."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def show(rows: Sequence[dict[str, Any]], title: str = "", formats: dict[str, str] | None = None) -> None:
    """Print rows as a table; `formats` gives a format for a column, numbers stand to the right."""
    from rich import box
    from rich.table import Table

    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        values = [row.get(column) for row in rows]
        number = all(v is None or isinstance(v, (int, float)) for v in values)
        table.add_column(column, justify="right" if number else "left", no_wrap=number)
    for row in rows:
        table.add_row(*(_cell(row.get(c), (formats or {}).get(c, "{}")) for c in columns))
    # Cut columns are worse than long lines when the output goes to a file.
    console(wide=True).print(table)


def _cell(value: Any, form: str) -> str:
    if value is None:
        return "-"
    return form.format(value) if isinstance(value, (int, float)) else str(value)

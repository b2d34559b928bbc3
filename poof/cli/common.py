"""Shared by the commands: options, error handling, output."""

from __future__ import annotations

import ctypes
import functools
import inspect
import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from poof import interrupts
from poof.cli.terminal import never_fail
from poof.errors import PoofError, PoofWarning
from poof.printable import one_line
from poof.progress import Track, bar, silent

Force = Annotated[
    bool,
    typer.Option("--force", help="Replace what another poof command, run or version wrote; files of others never are."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the printed table as JSON.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where the machine has it.")]
Footage = Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file, or folder of images.")]
Labels = Annotated[Path, typer.Option("--labels", "-l", help="Your labels: COCO JSON, DeepLabCut, CSV and others.")]
Footages = Annotated[
    list[Path],
    typer.Argument(
        metavar="VIDEO", help="Video files, or folders of images; in a project those out of date.", show_default=False
    ),
]
LabelFiles = Annotated[
    list[Path],
    typer.Option(
        "--labels",
        "-l",
        help="Your labels: COCO JSON, DeepLabCut, CSV and others. May be repeated: files of one video are merged, those"
        " of several find theirs by what they say, or by name.",
        show_default=False,
    ),
]
Prefer = Annotated[
    str | None,
    typer.Option("--prefer", metavar="FILE", help="Where label files contradict each other, this one is right."),
]
MissingRule = Annotated[
    str,
    typer.Option(
        "--missing",
        metavar="RULE",
        help="What an empty keypoint beside set ones means where the format cannot tell: absent or unlabelled.",
    ),
]
Flow = Annotated[
    str, typer.Option("--flow", help="auto, dis, raft-small, raft-large, or several with + (raft-small+dis).")
]
Iterations = Annotated[
    int | None,
    typer.Option("--iterations", help="Updates of RAFT's flow. [default: 12]", min=1, max=1000, show_default=False),
]
Weights = Annotated[Path | None, typer.Option("--weights", help="RAFT checkpoint; default: torchvision's.")]
MaxSize = Annotated[int | None, typer.Option("--max-size", help="Longest side that the flow sees, pixels.")]
Crop = Annotated[bool, typer.Option("--crop/--no-crop", help="Compute flow around the subjects only.")]
OnDamage = Annotated[
    str,
    typer.Option(
        "--on-damage",
        help="Of a damaged video: stop there, or continue behind it (frames keep their numbers, holes are left out).",
    ),
]
Category = Annotated[
    str | None, typer.Option("--category", help="Which category, when the labels have keypoints for several.")
]

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Parameters of mallopt(3)."""


def show_version(wanted: bool) -> None:
    """What `poof --version` prints."""
    if wanted:
        from poof import __version__

        print(f"poof {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=show_version)
    ] = False,
) -> None:
    """Label ten video frames, get a thousand: optical flow carries your keypoints to the frames around them."""
    del version


def help_of(command: Callable[..., Any]) -> str:
    """A command's docstring, each paragraph on one line: Typer would break lines where the file does."""
    return "\n\n".join(" ".join(part.split()) for part in (inspect.getdoc(command) or "").split("\n\n"))


def in_group(command: Callable[..., None]) -> Callable[..., None]:
    """A command that trains, in every process that torchrun started; only the first prints, asks and writes.

    The command must have `device`, `quiet`, `force` and `json`, and finds its group by `poof.parallel.current`.
    """

    @functools.wraps(command)
    def run(**options: Any) -> None:
        if "WORLD_SIZE" not in os.environ:
            return command(**options)
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # it would tell of gates that happen to be open
        from poof.parallel import joined

        with joined(options["device"]) as (group, device):
            options["device"] = device
            if not group.main:  # what the first one writes is no file of somebody else
                options |= {"quiet": True, "force": True, "json": None}
            return command(**options)

    return run


def guarded(app: Callable[..., Any]) -> int:
    """Run the application; every error becomes one line on standard error."""

    def show(message: Any, category: Any, *_: Any, **__: Any) -> None:
        if issubclass(category, PoofWarning):
            print(f"poof: warning: {message}", file=sys.stderr)

    never_fail()
    if "--debug" not in sys.argv:
        warnings.showwarning = show
    warnings.simplefilter("always", PoofWarning)
    try:
        with interrupts.remembered():
            code = app(standalone_mode=False)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except PoofError as error:
        if "--debug" in sys.argv:
            raise
        print(f"poof: error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if not _began_with_ctrl_c(error):
            return _told(error)
        code = STOPPED
    if code == STOPPED:  # Typer turns Ctrl-C into this exit code without a word
        print("poof: stopped", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _told(error: Exception) -> int:
    """Say in one line what a command ended with, unless `--debug` wants it whole; the exit code."""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's, which Typer carries in itself
        where = getattr(getattr(error, "ctx", None), "command_path", "poof")
        where = re.sub(r"^\S*python\S* -m poof|^root", "poof", where)
        message = one_line(error.format_message())
        message = message.replace(": Value error, ", ": ")  # Typer's way to say which choices there are
        if message.startswith("Invalid value: missing "):
            message = message.removeprefix("Invalid value: ")
        if message:  # a bare `poof` has shown its help, and says no more
            print(f"poof: error: {message} ({where} --help)", file=sys.stderr)
        return int(error.exit_code)
    if "--debug" in sys.argv:
        raise error
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
        told = one_line(f"{name}: {error.strerror}; check the path, its permissions and the free space")
        print(f"poof: error: {told}", file=sys.stderr)
        return 1
    if isinstance(error, MemoryError):
        print("poof: error: not enough memory; close other programs or take less at once", file=sys.stderr)
        return 1
    reason = one_line(f"{type(error).__name__}: {error}")
    print(f"poof: error: {reason} (a fault of poof; --debug shows where)", file=sys.stderr)
    return 1


def _began_with_ctrl_c(error: BaseException | None) -> bool:
    """Whether a Ctrl-C is behind an error: modules in C make an ImportError of one that meets their beginning."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def own_lines_only() -> None:
    """Keep what libraries written in C print off the terminal (libpng, FFmpeg, TIFF): a message of ours says it once.

    They write to the file that standard error is, Python writes to a copy of it from now on. For the process of a
    command only; the library leaves standard error alone.
    """
    try:
        if sys.stderr is None or sys.stderr.fileno() != 2:
            return
        copy = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return
    # First the copy, so that a Ctrl-C in between still finds where to say so.
    sys.stderr = open(copy, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")  # noqa: PTH123, SIM115
    os.dup2(nowhere, 2)
    os.close(nowhere)

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        # A Ctrl-C that a finaliser swallowed: it is remembered, see `poof.interrupts`.
        if not issubclass(found.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(found)

    sys.unraisablehook = unraisable


def settle_for_flow(keep_memory: bool = True) -> None:
    """Settings of the process that make flow faster, for the start of a command that computes it.

    `keep_memory`: what was freed stays with the process; no for one that goes on for hours beside others.

    They change no result. The library leaves them to whoever imports it; here the process is ours. Those of the user's
    environment hold.
    """
    # Pairs are spread over the cores already. More threads inside a small image or matrix only wait for each other, and
    # wait by spinning. Both libraries look once, when they are imported.
    for name in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(name, "1")
    # glibc hands every large block back to the system as soon as it is freed, and the system empties the block page by
    # page before the next pair gets it again. Here blocks stay; one arena a core, for what stays in one arena is of no
    # use to the threads of another (eight a core: 40 % more memory after 400 pairs).
    if keep_memory and sys.platform.startswith("linux") and not any(name.startswith("MALLOC_") for name in os.environ):
        with suppress(OSError, AttributeError):  # other C libraries have no mallopt
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
            mallopt(M_ARENA_MAX, os.cpu_count() or 1)


def track(quiet: bool) -> Track:
    """The progress bar of a command."""
    return silent if quiet else bar


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically; NaN becomes null. An object says that poof wrote it."""
    from poof.files import write_text

    marked = {"poof": {"version": 1}} | value if isinstance(value, dict) else value
    write_text(path, json.dumps(jsonable(marked), indent=1) + "\n")


def jsonable(value: Any) -> Any:
    """The same structure in strict JSON: NaN and infinities as None, numpy scalars as numbers."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value

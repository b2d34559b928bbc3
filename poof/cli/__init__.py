"""The command line. One file per command; a command parses options, calls one public function, prints its result.

To add a command: one new file with a function that Typer can read, one line in `COMMANDS`. Only light modules may be
imported at the top of a command's file: `poof --help` must answer in under half a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from poof.cli import common, usage

COMMANDS = (
    ("demo", "poof.cli.demo", "demo"),
    ("init", "poof.cli.init", "init"),
    ("status", "poof.cli.status", "status"),
    ("label", "poof.cli.label", "label"),
    ("propagate", "poof.cli.propagate", "propagate"),
    ("radius", "poof.cli.radius", "radius"),
    ("select", "poof.cli.select", "select"),
    ("train", "poof.cli.train", "train"),
    ("predict", "poof.cli.predict", "predict"),
    ("refine", "poof.cli.refine", "refine"),
    ("eval", "poof.cli.eval", "evaluate"),
    ("convert", "poof.cli.convert", "convert"),
    ("export", "poof.cli.export", "export"),
    ("tracks", "poof.cli.tracks", "tracks"),
    ("render", "poof.cli.render", "render"),
    ("recog", "poof.cli.recog", "recog"),
)
"""Name on the command line, module, function."""


def build(words: Sequence[str] = ()) -> typer.Typer:
    """The application with every command of `COMMANDS`, or with what a command line needs of it.

    Parameters
    ----------
    words
        The command line, if known. Where it begins with a command's name only that one is made, and for a bare
        ``--help`` only names and summaries: making all takes longer than anything else at the start.
    """
    from importlib import import_module

    app = typer.Typer(
        name="poof",
        help="Label ten video frames, get a thousand.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(common.root)
    named = [line for line in COMMANDS if line[0] == next(iter(words), None)]
    listed = list(words) in (["--help"], ["-h"])
    for name, module, function in named or COMMANDS:
        command = getattr(import_module(module), function)
        group = isinstance(command, typer.Typer)
        if listed:
            app.command(name, help=command.info.help if group else common.help_of(command))(_nothing)
        elif group:
            for info in command.registered_commands:
                info.cls = usage.Command
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=usage.Command, help=common.help_of(command))(command)
    return app


def _nothing() -> None:
    """Stands for a command that is listed only."""


def command(words: Sequence[str] = ()) -> Any:
    """The application as a command, with flags that are shown as flags; `words` as in `build`."""
    return usage.show_flags(typer.main.get_command(build(words)))


def main() -> None:
    """Entry point; see `poof.__main__.main`."""
    from poof.__main__ import main as start

    start()

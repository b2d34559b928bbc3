"""The command line. One file per command; a command parses options, calls one public function, prints its result.

To add a command: one new file with a function that Typer can read, one line in `COMMANDS`. Only light modules may be
imported at the top of a command's file: `poof --help` must answer in under half a second.
"""

from __future__ import annotations

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


def build() -> typer.Typer:
    """The application with every command of `COMMANDS`."""
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
    for name, module, function in COMMANDS:
        command = getattr(import_module(module), function)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=usage.Command, help=common.help_of(command))(command)
    return app


def command() -> Any:
    """The application as a command, with flags that are shown as flags."""
    return usage.show_flags(typer.main.get_command(build()))


def main() -> None:
    """Entry point; see `poof.__main__.main`."""
    from poof.__main__ import main as start

    start()

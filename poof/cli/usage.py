"""Usage errors and help of the command line: what is missing or mistyped, and how flags are shown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from poof.cli.sight import LABELS
from poof.endings import VIDEO_ENDINGS

EXAMPLES = {
    "video": ("video.mp4", VIDEO_ENDINGS),
    "videos": ("video.mp4", VIDEO_ENDINGS),
    "inputs_": ("video.mp4", VIDEO_ENDINGS),
    "labels": ("labels.json", LABELS),
    "data": ("labels.json", LABELS),
    "predictions": ("video.poof.json", LABELS),
    "model": ("runs/refine-video/best.pt", (".pt",)),
    "source": ("labels.json", LABELS),
    "target": ("labels.csv", ()),
}
"""Parameter -> what stands for it in an example, and the endings of files that may."""
ALSO = {
    "predict": (("model", "ensemble"), "--model FILE", "-m"),
    "train": (("video",), "--video VIDEO", "-v"),
}
"""Command -> parameters of which one is needed though Click does not know, how the first is called, and its flag."""


FILLED = {
    "propagate": ("videos", "labels"),
    "refine": ("videos", "labels"),
    "render": ("videos", "labels"),
    "radius": ("videos", "labels"),
    "predict": ("inputs_",),
    "select": ("videos",),
    "label": ("videos",),
    "eval": ("predictions", "labels"),
    "train": ("data",),
    "convert": ("source", "target"),
    "export": ("result", "video"),
}
"""Command -> what it takes from the project when it is given none of it."""


class Command(TyperCommand):
    """A command that names all that is missing at once, with an example made of the files in sight.

    In a project nothing is missing: `FILLED` is taken from there, and `poof.toml` has the defaults of the options.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does; a missing argument becomes a list of all that are missing."""
        given = list(args)
        if not {"--help", "-h"} & set(args):
            self._settle_project(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if type(error).__name__ != "MissingParameter":
                raise
            raise typer.BadParameter(self._missing(ctx, given), ctx=ctx) from None

    def _settle_project(self, ctx: Any, args: list[str]) -> None:
        """Take the options of the project in whose folder the command was called, and need no arguments there."""
        from poof.projects.project_root import find

        name = str(ctx.info_name)
        within = ctx.parent is not None and ctx.parent.parent is not None  # poof recog train is another train
        if name not in FILLED or within:
            return
        file = find()
        if file is None:
            return
        from poof.projects.project import load

        options = load(file).options_of(name)
        ctx.default_map = {p.name: options[p.name] for p in self.params if p.name in options}
        filled = [p for p in self.params if p.name in FILLED[name]]
        try:
            values = self.make_parser(ctx).parse_args(args=list(args))[0]
        except Exception:
            return  # told when the command is parsed
        labels = [p for p in filled if p.name in ("labels", "target", "video")]
        some = any(values.get(p.name) not in (None, (), [], "") for p in labels)
        for parameter in filled:
            # Labels without videos are an incomplete call, in a project too.
            parameter.required = bool(parameter.required and some)

    def _missing(self, ctx: Any, args: list[str]) -> str:
        """What is missing, in one line."""
        try:
            values, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        except Exception:
            values = {}
        required = [p for p in self.params if p.required]
        missing = [p for p in required if values.get(p.name) in (None, (), [], "")]
        named = [" ".join((_option(p), _name(p))) if _option(p) else _name(p) for p in missing]
        words: list[str] = []
        level = ctx
        while level.parent is not None:
            words.insert(0, level.info_name)
            level = level.parent
        words.insert(0, "poof")
        names, called, flag = ALSO.get(words[-1], ((), "", ""))
        example = _example(required, names[:1], flag)
        if names and not any(values.get(name) for name in names):
            named.append(called)
        told = ", ".join(named[:-1]) + (" and " if len(named) > 1 else "") + named[-1]
        return f"missing {told}; for example: {shlex.join([*words, *example])}"


def _option(parameter: Any) -> str:
    """'-l' or '--labels' for an option, '' for an argument."""
    if parameter.param_type_name == "argument":
        return ""
    return str(max(parameter.opts, key=len))


def _name(parameter: Any) -> str:
    return str(parameter.metavar or ("FILE" if _option(parameter) else parameter.name.upper()))


def _example(required: list[Any], also: Sequence[str] = (), flag: str = "") -> list[str]:
    """Values for the required parameters, and for one that Click takes for optional: files of this folder that fit."""
    try:
        here = sorted(p for p in [*Path().iterdir(), *Path().glob("runs/*/best.pt")] if not p.name.startswith("."))
    except OSError:
        here = []
    words: list[str] = []
    used: set[str] = set()
    wanted = [(p.name, min(p.opts, key=len) if _option(p) else "", _name(p)) for p in required]
    for name, short, called in [*wanted, *((name, flag, "") for name in also)]:
        usual, endings = EXAMPLES.get(name, (called, ()))
        fitting = [str(p) for p in here if p.suffix.lower() in endings and str(p) not in used]
        plain = [file for file in fitting if ".poof." not in file and ".overlay." not in file]
        value = (plain or fitting or [usual])[0]
        used.add(value)
        words += [short, value] if short else [value]
    return words


def show_flags(command: Any) -> Any:
    """The command with flags that are shown as flags, without a type; groups with all their commands."""
    for parameter in getattr(command, "params", []):
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    if hasattr(command, "get_help_option"):
        made = command.get_help_option

        def help_flag(context: Any) -> Any:  # it is made when it is first asked for
            option = made(context)
            if option is not None:
                option.metavar = ""
            return option

        command.get_help_option = help_flag
    for inner in getattr(command, "commands", {}).values():
        show_flags(inner)
    return command

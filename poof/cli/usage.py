"""Usage errors and help of the command line: what is missing or mistyped, and how flags are shown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from poof.cli.sight import in_sight

EXAMPLES = {
    "video": ("video.mp4", "videos"),
    "videos": ("video.mp4", "videos"),
    "inputs_": ("video.mp4", "videos"),
    "labels": ("labels.json", "labels"),
    "data": ("labels.json", "labels"),
    "predictions": ("video.poof.json", "results"),
    "result": ("video.poof.json", "results"),
    "model": ("runs/refine-video/best.pt", "models"),
    "source": ("labels.json", "labels"),
    "tracks output": ("tracks.csv", ""),
    "to": ("cvat", ""),
    "export output": ("task", ""),
    "network": ("resnet18", ""),
    "recog data": ("LIST", ""),
    "recog output": ("runs/first", ""),
    "explain output": ("heat", ""),
    "extract output": ("frames", ""),
    "motion-task output": ("motion-task", ""),
    "run": ("runs/first", "runs"),
    "runs": ("runs/first", "runs"),
}
"""Parameter, behind its command where that matters -> what stands for it in an example, and what in sight may."""
ALSO = {
    "predict": (("model", "ensemble"), "--model FILE", "-m"),
    "train": (("video",), "--video VIDEO", "-v"),
}
"""Command -> parameters of which one is needed though Click does not know, how the first is called, and its flag."""


FILLED = {
    "propagate": ("videos", "labels"),
    "refine": ("videos", "labels"),
    "render": ("videos", "labels"),
    "radius": (),
    "predict": ("inputs_",),
    "select": ("videos",),
    "label": ("videos",),
    "eval": ("predictions", "labels"),
    "train": ("data",),
    "convert": ("source", "target"),
    "export": ("result", "video"),
}
"""Command -> what it takes from the project when it is given none of it."""
ALONE = {"--show-recipe": ("data", "output")}
"""Flag -> what its command needs no more where it is given."""


class Command(TyperCommand):
    """A command that names all that is missing at once, with an example made of the files in sight.

    In a project nothing is missing: `FILLED` is taken from there, and `poof.toml` has the defaults of the options.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does; a missing argument becomes a list of all that are missing."""
        given = list(args)
        for flag in ALONE.keys() & set(args):
            for parameter in self.params:
                parameter.required = bool(parameter.required and parameter.name not in ALONE[flag])
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
        missing = [p for p in self.params if p.required and values.get(p.name) in (None, (), [], "")]
        named = [" ".join((_option(p), _name(p))) if _option(p) else _name(p) for p in missing]
        words: list[str] = []
        level = ctx
        while level.parent is not None:
            words.insert(0, level.info_name)
            level = level.parent
        wanted = [(p.name, min(p.opts, key=len) if _option(p) else "") for p in missing]
        names, called, flag = ALSO.get(" ".join(words), ((), "", ""))
        if names and not any(values.get(name) for name in names):
            named.append(called)
            wanted.append((names[0], flag))
        example = ["poof", *words, *(args if values else []), *_example(wanted, words, args)]
        told = ", ".join(named[:-1]) + (" and " if len(named) > 1 else "") + named[-1]
        return f"missing {told}; for example: {shlex.join(example)}"


def _option(parameter: Any) -> str:
    """'-l' or '--labels' for an option, '' for an argument."""
    if parameter.param_type_name == "argument":
        return ""
    return str(max(parameter.opts, key=len))


def _name(parameter: Any) -> str:
    return str(parameter.metavar or ("FILE" if _option(parameter) else parameter.name.upper()))


def _example(wanted: Sequence[tuple[str, str]], command: Sequence[str], given: Sequence[str]) -> list[str]:
    """Values for what is missing, (parameter, option) each: files of this folder that fit, else usual names."""
    there = in_sight()
    words: list[str] = []
    for name, short in wanted:
        here = [f"{word} {name}" for word in command if f"{word} {name}" in EXAMPLES]
        usual, kind = EXAMPLES.get([name, *here][-1], (name.upper(), ""))
        fitting = [path for path in there.get(kind, []) if path not in (*words, *given)]
        value = (fitting or [usual])[0]
        if name == "target":
            value = _target([*given, *words, "labels.json"][0])
        words += [short, value] if short else [value]
    return words


def _target(source: str) -> str:
    """A name beside the source for what it is converted to, of another format, that is not taken."""
    path = Path(source)
    names = [str(path.with_suffix(ending)) for ending in (".json", ".csv", ".slp", ".xml") if ending != path.suffix]
    return next((name for name in names if not Path(name).exists()), f"{path.stem}.new.json")


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

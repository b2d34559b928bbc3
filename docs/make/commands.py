"""The page of every command and option, made from the code by Typer's own generator."""

from __future__ import annotations

from typing import Any


def page() -> str:
    """Markdown: each command with its usage, arguments, options and defaults."""
    import typer
    from typer.cli import get_docs_for_click

    from poof.cli import command

    app = command()
    _whole_lines(app)
    text = get_docs_for_click(obj=app, ctx=typer.Context(app, info_name="poof"), name="poof", title="Commands")
    return text.replace("`<list[Path]>`", "")


def names() -> list[str]:
    """Every command as it is typed: `propagate`, `recog train`."""
    from poof.cli import command

    return sorted(_names(command(), ()))


def _names(command: Any, before: tuple[str, ...]) -> list[str]:
    found = [" ".join(before)] if before else []
    for name, inner in getattr(command, "commands", {}).items():
        found += _names(inner, (*before, name))
    return found


def _whole_lines(command: Any) -> None:
    """Lists of commands have the whole first sentence, not its first 45 characters."""
    for inner in getattr(command, "commands", {}).values():
        inner.short_help = (inner.help or "").split("\n", 1)[0]
        _whole_lines(inner)

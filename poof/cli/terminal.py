"""Terminal output of the commands: text is printed as it is, without markup or control codes."""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from poof.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def say(text: object, err: bool = False) -> None:
    """Print a line to standard output, or to standard error."""
    print(printable(text), file=sys.stderr if err else sys.stdout)


def console(soft_wrap: bool = False, wide: bool = False) -> Console:
    """A rich console for tables of names and numbers; `wide`: 200 columns where it is no terminal that has a width."""
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            lines = "\n".join(map(printable, text.split("\n")))
            return super().render_str(lines, **(options | {"markup": False, "emoji": False, "highlight": False}))

    made = Plain(markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)
    if wide and not made.is_terminal:
        made.width = 200
    return made


def never_fail() -> None:
    """Characters that the terminal's encoding lacks are escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")

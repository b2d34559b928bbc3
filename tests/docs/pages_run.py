"""Run the fenced blocks of a page: `bash` through the command line, `python` in one namespace, in this process."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poof.errors import PoofWarning

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUICK = {"--epochs": "1", "--nets": "1"}
"""Options that make the quick tests quick; the slow ones run what is written."""


@dataclass(frozen=True)
class Block:
    """A fenced block: language, further words, text."""

    language: str
    words: tuple[str, ...]
    text: str


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    return [Block(kind, tuple(words.split()), text) for kind, words, text in FENCE.findall(page.read_text())]


def lines(text: str) -> list[str]:
    """Command lines, those continued with a backslash joined, without comments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def run(page: Path, whole: bool) -> None:
    """Every block in order, in the current folder; `whole` runs the slow ones too, and all as they are written.

    A `text` block says what the block before it printed: its lines have to begin lines of that, numbers aside.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if block.language == "python":
            printed = _python(block.text, names)
        elif block.language == "bash":
            if not whole and {"slow", "quick-has-it"} & set(block.words):
                continue
            printed = "".join(_poof(line, whole) for line in lines(block.text))
        elif block.language == "text":
            for line in block.text.strip().splitlines():
                assert _shape(line) in _shape(printed), f"{page.name}: {line!r} was not printed, but:\n{printed}"


def _shape(text: str) -> str:
    return re.sub(r"\d+", "#", re.sub(r"\s+", " ", text))


def _python(text: str, names: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "page", "exec"), names)
    return out.getvalue()


def _poof(line: str, whole: bool) -> str:
    """Run `poof ...` here: a process for each would spend its time on imports."""
    from typer.testing import CliRunner

    from poof.cli import build

    words = shlex.split(line)
    assert words[0] == "poof", f"a page runs poof and nothing else, not: {line}"
    if not whole:
        words = [QUICK.get(before, word) for before, word in zip(["", *words], words)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)  # what a format cannot hold is told, and is no mistake of the page
        done = CliRunner().invoke(build(), words[1:])
    assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception}"
    return done.output

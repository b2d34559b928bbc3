"""What the commands print: names are text, errors one line, whatever is in them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from poof.cli import build
from poof.cli.common import guarded
from poof.cli.terminal import console, say
from poof.labels import LabelSet, Points, Skeleton, load_labels, save_labels


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["poof", *map(str, words)])
    return guarded(build())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "gt.json"
    save_labels(LabelSet(Skeleton(("a",)), {(1, 0): Points.human(1, np.array([[1.0, 2.0]]))}), path)
    return path


@pytest.mark.parametrize("name", ["a[/]b.json", "[red]x.json", "\x1b[31mx.json", "two\nlines.json", "ä 🙂.json"])
def test_names_of_outputs_are_printed_as_text(
    source: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.parent / name
    target.parent.mkdir(exist_ok=True)
    assert run(monkeypatch, "convert", source, target) == 0
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    assert [line.startswith("next: ") for line in told.out.splitlines()][:1] == [False]
    assert len(told.out.splitlines()) <= 2
    assert load_labels(target).frames == [1]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["convert", "{source}", "{folder}/x.json", "--scale", "\x1b[31m"], 2, "--scale"),
        (["convert", "--\x1b[31m"], 2, "\\x1b[31m"),
        (["nothing\x07"], 2, "\\x07"),
        (["convert", "{folder}/" + "x" * 400, "{folder}/o.json"], 1, "cannot be read"),
        (["convert", "{source}", "{folder}/" + "y" * 400 + ".json"], 1, "too long"),
        (["convert", "{source}", "/dev/full"], 1, "/dev/full"),
        (["convert", "/dev/zero", "{folder}/o.json"], 1, "no ordinary file"),
    ],
)
def test_errors_are_one_printable_line(
    source: Path, words: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    filled = [word.replace("{source}", str(source)).replace("{folder}", str(source.parent)) for word in words]
    assert run(monkeypatch, *filled) == code
    told = capsys.readouterr().err
    assert told.startswith("poof: error: ") and message in told
    assert len(told.splitlines()) == 1 and len(told) < 400
    assert "\x1b" not in told and "\x07" not in told and "fault of poof" not in told


def test_tables_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table("[bold]head[/]", ":smile:")
    table.add_row("a[/]b", "\x1b[31mred")
    out = console(wide=True)
    out.print(table)
    out.print("[red]note[/]")
    say("\x1b]0;title\x07")
    told = capsys.readouterr().out
    for text in ("[bold]head[/]", ":smile:", "a[/]b", "\\x1b[31mred", "[red]note[/]", "\\x1b]0;title\\x07"):
        assert text in told
    assert "\x1b" not in told

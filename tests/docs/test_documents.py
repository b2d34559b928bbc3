"""docs/documents.md has every numbered table and figure of the five documents, and every command on it is one."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "documents.md").read_text()
COMMANDS = sorted(set(re.findall(r"`((?:poof|python) [^`]+)`", PAGE)))


def numbers(*chapters: tuple[int, int, int]) -> list[str]:
    """Chapter, first and last number."""
    return [f"{chapter}.{number}" for chapter, first, last in chapters for number in range(first, last + 1)]


PRINTED = {
    ("Gebotys", "Table"): numbers((3, 1, 4), (4, 1, 6)),
    ("Gebotys", "Figure"): numbers((1, 1, 2), (3, 1, 3), (4, 1, 5)),
    ("Huang", "Table"): numbers((2, 1, 1), (3, 1, 13), (4, 1, 8), (5, 1, 11)),
    ("Huang", "Figure"): numbers((2, 1, 11), (3, 1, 19), (4, 1, 11), (5, 1, 11)),
    ("Cao", "Table"): ["1", "2"],
    ("Cao", "Figure"): [str(number) for number in range(1, 11)],
    ("Zeng", "Table"): numbers((3, 1, 1), (4, 1, 4)),
    ("Zeng", "Figure"): numbers((2, 1, 1), (3, 1, 3), (4, 1, 3)),
    ("Stergiou", "Table"): numbers((3, 1, 1), (4, 1, 7), (5, 1, 9), (6, 1, 6), (7, 1, 1)),
    ("Stergiou", "Figure"): numbers((1, 1, 2), (2, 1, 2), (4, 1, 7), (5, 1, 8), (6, 1, 5), (7, 1, 12), (8, 1, 1)),
}
"""As the documents number them: every number that their texts hold."""


def rows(author: str) -> list[list[str]]:
    section = re.split(rf"^## {author}$", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| ")
    ]


def expanded(cell: str) -> list[str]:
    """'Figures 2.1, 3.1 to 3.3' as single numbers."""
    found = []
    for part in re.sub(r"^(Table|Figure)s? ", "", cell).split(", "):
        first, _, last = part.partition(" to ")
        chapter, _, start = first.rpartition(".")
        end = int((last or first).rpartition(".")[2])
        found += [f"{chapter}.{n}" if chapter else str(n) for n in range(int(start), end + 1)]
    return found


@pytest.mark.parametrize(("author", "kind"), PRINTED)
def test_every_number_is_on_the_page_once(author: str, kind: str) -> None:
    there = [number for row in rows(author) if row[0].startswith(kind) for number in expanded(row[0])]
    assert sorted(there) == sorted(PRINTED[author, kind])


@pytest.mark.parametrize("author", ["Gebotys", "Huang", "Cao", "Zeng", "Stergiou"])
def test_every_row_says_what_came_out(author: str) -> None:
    """And a row that has no command says that nothing is computed in it."""
    for number, shows, command, came in rows(author)[1:]:
        assert shows and came, number
        assert command or re.search("literature|data set", came), number
        assert "absent" not in came


def test_the_printed_numbers_are_those_of_the_texts(shared: Path) -> None:
    texts = sorted((shared / "seeds").glob("*.txt"))
    for author, text in zip(("Gebotys", "Huang", "Cao", "Zeng", "Stergiou"), texts, strict=True):
        found = re.findall(r"(Table|Figure|Fig\.) ?([0-9]+(?:\.[0-9]+)?)", text.read_text())
        for kind, number in found:
            own = PRINTED[author, "Table" if kind == "Table" else "Figure"]
            assert number in own, (author, kind, number)


@cache
def whole() -> Any:
    """The command line."""
    from poof.cli import command

    return command()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "python":
        script = ROOT / words[1]
        options = [word for word in words[2:] if word.startswith("--")]
        assert script.is_file() and all(f'"{option}"' in script.read_text() for option in options)
        if script.name == "documents.py":
            sys.path.insert(0, str(script.parent))
            from documents_tables import tables

            assert {word for word in words[2:] if word not in options and not word.isdigit()} <= set(tables())
        return
    from poof.recog.insertion import parse_request
    from poof.recog.zoo.backbones import BACKBONES
    from poof.recog.zoo.networks import NETWORKS
    from poof.recog.zoo.recipes import RECIPES

    inner: Any = whole()
    rest = words[1:]
    while getattr(inner, "commands", None):
        inner, rest = inner.commands[rest[0]], rest[1:]
    context = inner.make_context(inner.name, rest)
    if inner.name in ("profile", "train"):
        assert context.params["network"] in {"NAME", *NETWORKS, *BACKBONES}
        assert context.params.get("recipe") in {None, *RECIPES}
        for module in context.params["module"] or ():
            parse_request(module)


def test_the_last_section_is_what_the_kept_runs_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import documents
    from documents_report import summary
    from documents_tables import chosen

    summary(chosen([]), argparse.Namespace(runs=documents.RUNS, seeds=3))
    lines = capsys.readouterr().out.splitlines()
    section = PAGE.split("## What the small runs came to")[1].splitlines()
    assert len(lines) > 2 and [line for line in section if line.startswith("|")] == lines


def test_the_table_from_imagenet_is_that_of_the_kept_runs(capsys: pytest.CaptureFixture[str]) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import recog_imagenet
    from kept_runs import RUNS

    recog_imagenet.show("ucf", 5, RUNS)
    lines = capsys.readouterr().out.splitlines()
    section = (ROOT / "benchmarks/README.md").read_text().split("### From ImageNet")[1].split("###")[0].splitlines()
    assert len(lines) > 2 and [line for line in section if line.startswith("|")] == lines

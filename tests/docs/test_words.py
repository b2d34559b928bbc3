"""Everything that a user reads uses the words of docs/glossary.md, and none of those that it lists as not used."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
UNUSED = "## Words that are not used"
APART = ("CHANGELOG.md", "label-api.md")
"""The past as it was, and the names of JSON fields."""
PAGES = [p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if p.name not in APART]

sys.path.insert(0, str(ROOT / "docs" / "make"))
import commands  # noqa: E402


@cache
def banned() -> dict[str, str]:
    """Word -> what to write instead, from the last table of the glossary."""
    rows = re.findall(r"^\| (?!not \|)([a-z -]+) \| (.+) \|$", GLOSSARY.read_text().split(UNUSED)[1], re.MULTILINE)
    return dict(rows)


@cache
def _any() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(banned())})s?\b", re.IGNORECASE)


def found(text: str) -> list[str]:
    """The banned words in a text, in singular or plural, with what to write instead; code does not count."""
    if not _any().search(text):
        return []
    plain = re.sub(r"^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]*`|\]\([^)]*\)", " ", text, flags=re.MULTILINE | re.DOTALL)
    there = sorted({match[1].lower() for match in _any().finditer(plain)})
    return [f"{word}: write {banned()[word]}" for word in there]


def said(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and text of what a file may print: strings with a space in them that are no docstrings."""
    silent = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    } | {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in silent
        and " " in node.value
    ]


def test_the_glossary_says_what_to_write_instead() -> None:
    assert {"doubt", "passage", "lesson", "marker"} <= set(banned())
    assert found("The doubts of\nyour landmark") == [
        "doubt: write uncertain, low confidence",
        "landmark: write keypoint",
    ]
    assert found("`doubt` and\n\n    poof --marker\n") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages(page: Path) -> None:
    assert found(page.read_text().split(UNUSED)[0]) == []


def test_help() -> None:
    wrong = {
        name: words
        for name, text in re.findall(r"^## `poof ([^`]+)`\n(.*?)(?=^## |\Z)", commands.page(), re.MULTILINE | re.DOTALL)
        if (words := found(text.replace("* `", "* ")))
    }
    assert wrong == {}
    assert "propagate" in commands.names() and "recog train" in commands.names()


def test_output_and_errors() -> None:
    wrong = []
    for file in sorted((ROOT / "poof").rglob("*.py")):
        source = file.read_text()
        if not _any().search(source):
            continue  # parsing all takes seconds
        for line, text in said(ast.parse(source)):
            wrong += [f"{file.relative_to(ROOT)}:{line}: {words}" for words in found(text.strip())]
    assert wrong == []


def test_every_term_of_the_states_and_sources_is_explained() -> None:
    """What a file or a table may say stands in the glossary."""
    from poof.labels.model import Source

    text = GLOSSARY.read_text()
    assert [s.label for s in Source if s.label and s.label not in text] == []
    assert [word for word in ("visible", "covered", "absent", "not labelled") if word not in text] == []

"""What a user reads, and names and docstrings in the code, hold none of the words that docs/glossary.md lists."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
UNUSED = "## Words that are not used"
IN_NAMES = "### In names of the code"
APART = ("CHANGELOG.md", "label-api.md")
"""The past as it was, and the names of JSON fields."""
EXEMPT = {
    ("poof/planning/select.py", "doubt"),  # an old name, deprecated
    ("poof/labels/plain_pickle.py", "memo"),  # what pickle's own documents call it
}
"""File and name that may stay."""
PAGES = [p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if p.name not in APART]

sys.path.insert(0, str(ROOT / "docs" / "make"))
import commands  # noqa: E402


@cache
def banned() -> dict[str, str]:
    """Word -> what to write instead, in text and in names, from the glossary."""
    return _rows(GLOSSARY.read_text().split(UNUSED)[1].split(IN_NAMES)[0])


@cache
def banned_in_names() -> dict[str, str]:
    """Word -> what to write instead, in names of the code."""
    return banned() | _rows(GLOSSARY.read_text().split(IN_NAMES)[1])


def _rows(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| (?!not \|)([a-z -]+) \| (.+) \|$", text, re.MULTILINE))


@cache
def _any() -> re.Pattern[str]:
    return _pattern(frozenset(banned()))


@cache
def _pattern(words: frozenset[str]) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(sorted(words))})s?\b", re.IGNORECASE)


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


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of all that a file names: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


@cache
def banned_in_name(name: str) -> list[str]:
    """The banned words in a name, whether its words are joined_so or JoinedSo."""
    words = " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)).lower()
    there = sorted({match[1] for match in _pattern(frozenset(banned_in_names())).finditer(words)})
    return [f"{word}: write {banned_in_names()[word]}" for word in there]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that stands by itself: docstrings, also of constants and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def test_words_are_found_in_names() -> None:
    assert banned_in_name("LoneChains") == banned_in_name("_lone_chain") != []
    assert banned_in_name("doubts") == banned_in_name("IN_DOUBT") == ["doubt: write uncertain, low confidence"]
    assert banned_in_name("memory_format") == banned_in_name("plane") == []
    tree = ast.parse("class Memo:\n    lesson = 1\n    def put(self, arrival): self.doubt = arrival\n")
    assert {name for _, name in names(tree) if banned_in_name(name)} == {"Memo", "lesson", "arrival", "doubt"}


def test_names_and_docstrings_of_the_code() -> None:
    wrong = []
    for file in sorted((ROOT / "poof").rglob("*.py")):
        where = file.relative_to(ROOT)
        tree = ast.parse(file.read_text())
        for line, name in [*((0, part) for part in where.with_suffix("").parts), *names(tree)]:
            if (where.as_posix(), name) not in EXEMPT:
                wrong += [f"{where}:{line}: {name}: {words}" for words in banned_in_name(name)]
        for line, text in docstrings(tree):
            wrong += [f"{where}:{line}: {words}" for words in found(text)]
    assert wrong == []


def test_every_term_of_the_states_and_sources_is_explained() -> None:
    """What a file or a table may say stands in the glossary."""
    from poof.labels.model import Source

    text = GLOSSARY.read_text()
    assert [s.label for s in Source if s.label and s.label not in text] == []
    assert [word for word in ("visible", "covered", "absent", "not labelled") if word not in text] == []

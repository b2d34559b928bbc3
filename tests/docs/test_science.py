"""docs/science.md has every numbered equation of the five documents, and every home that it names is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "science.md").read_text()
ROW = re.compile(r"^\| \(([0-9.]+)\) \| .+ \| `([\w.]+)` \|$", re.MULTILINE)
NUMBERED = {
    "Gebotys": ((3, 3), (4, 5)),
    "Huang": ((3, 19), (4, 14), (5, 5)),
    "Cao": ((0, 12),),
    "Zeng": ((3, 5),),
    "Stergiou": ((4, 7), (5, 11), (6, 1), (7, 5)),
}
"""Author -> (chapter, number of its last equation); chapter 0: not counted by chapters."""


def _sections() -> dict[str, str]:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return {part.split(" ", 1)[0]: part for part in parts}


def _found(path: str) -> Any:
    """The object of a dotted path; a module, or what is in one."""
    thing = _module_of(path)
    for name in path.removeprefix(thing.__name__).split(".")[1:]:
        thing = getattr(thing, name)
    return thing


@pytest.mark.parametrize("author", NUMBERED)
def test_every_equation_has_a_row(author: str) -> None:
    numbers = [number for number, _ in ROW.findall(_sections()[author])]
    wanted = [
        f"{chapter}.{number}" if chapter else str(number)
        for chapter, last in NUMBERED[author]
        for number in range(1, last + 1)
    ]
    assert numbers == wanted


def test_every_home_is_there_and_says_something() -> None:
    homes = sorted(set(re.findall(r"`(poof\.[\w.]+)`", PAGE)))
    assert len(homes) > 60
    assert [home for home in homes if not (_found(home).__doc__ or "").strip()] == []


def test_a_row_of_an_equation_leads_to_code_that_names_the_document_or_the_number() -> None:
    """The file of a home mentions the author, or the equation's number."""
    lost = []
    for author, section in _sections().items():
        for number, home in ROW.findall(section):
            file = Path(str(_module_of(home).__file__)).read_text()
            if author not in file and not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", file):
                lost.append(f"{author} ({number}): {home}")
    assert lost == []


def _module_of(home: str) -> Any:
    """The module in which a home lies."""
    for cut in range(home.count(".") + 1, 0, -1):
        try:
            return importlib.import_module(".".join(home.split(".")[:cut]))
        except ModuleNotFoundError:
            continue
    raise AssertionError(f"no module in {home}")

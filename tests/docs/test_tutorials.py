"""The tutorials and how-to pages run: every fenced command, in order, on a small rendered clip."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pages_material as material
import pages_run
import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS: dict[str, Callable[[Path], None]] = {
    "first-model": material.for_demo,
    "deeplabcut": material.for_deeplabcut,
    "sleap": material.for_sleap,
    "cvat": material.for_cvat,
    "python": material.for_all,
    "many-videos": material.for_many,
}
LONGEST = ("first-model", "many-videos")
"""Their commands are each quick elsewhere: in the how-to pages, in `tests/pose` and in `tests/projects`."""
PAGES = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, which looks like a terminal of 120 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_every_tutorial_is_run() -> None:
    assert {page.stem for page in (ROOT / "docs/tutorials").glob("*.md")} == set(TUTORIALS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONGEST else name for name in TUTORIALS]
)
def test_a_tutorial_runs_on_a_short_clip(name: str, here: Path) -> None:
    TUTORIALS[name](here)
    pages_run.run(ROOT / f"docs/tutorials/{name}.md", whole=False)


@pytest.mark.slow
def test_the_first_one_runs_as_it_is_written(here: Path) -> None:
    pages_run.run(ROOT / "docs/tutorials/first-model.md", whole=True)
    import poof

    report = poof.evaluate("video.poof.json", "demo/truth.json").table
    whole = report[report.group == "all"].iloc[0]
    assert whole["mean"] < 3.5 and whole["acc@5"] > 0.8, "the figures in the text"


@pytest.mark.parametrize("page", sorted((ROOT / "docs/how-to").glob("*.md")), ids=lambda p: p.stem)
def test_a_how_to_page_runs(page: Path, here: Path) -> None:
    material.for_all(here)
    pages_run.run(page, whole=False)


def _typed() -> Iterator[tuple[str, str]]:
    """Page and line of every command of poof that stands in a block of code."""
    for page in PAGES:
        text = page.read_text()
        fenced = "\n".join(body for kind, _, body in pages_run.FENCE.findall(text) if kind in ("bash", "console", "sh"))
        indented = "\n".join(re.findall(r"^(?: {4}|\t)(.*)$", pages_run.FENCE.sub("", text), re.MULTILINE))
        for line in pages_run.lines(fenced + "\n" + indented):
            if found := re.match(r"(?:\$ )?(?:\.venv/bin/)?(poof [a-z].*)", line):
                yield str(page.relative_to(ROOT)), found[1]


def test_every_command_in_a_page_has_the_options_it_is_given() -> None:
    """A page that names an option which is gone is wrong, whether its commands are run or not."""
    from poof.cli import command

    whole = command()
    wrong, count = [], 0
    for page, line in _typed():
        words = shlex.split(line.replace("...", ""), comments=True)[1:]
        inner = whole
        while words and words[0] in getattr(inner, "commands", {}):
            inner = inner.commands[words.pop(0)]
        known = {name for parameter in inner.params for name in (*parameter.opts, *parameter.secondary_opts)}
        known |= {"--help", "-h"}
        wrong += [
            f"{page}: {line}: no {word}"
            for word in words
            if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known
        ]
        count += 1
    assert count > 40 and wrong == []

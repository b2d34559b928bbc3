"""Which files of the repository are pages of the site, and where their links lead there."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files outside of docs/ -> pages. README.md itself is not copied: docs/index.md stands for it."""
PICTURES = (".png", ".jpg", ".svg")
LINK = re.compile(r"(?<!\\)(!?)\[([^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"(^```.*?^```|^(?: {4}|\t)[^\n]*$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
"""Fenced and indented blocks, and code in a line: no links in there."""


class BrokenLink(Exception):
    """A link in a page that leads nowhere."""


def page_of(file: Path) -> str | None:
    """The site's path of a file of the repository; None where it is no part of the site."""
    name = file.relative_to(ROOT).as_posix()
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    inside = name.removeprefix("docs/")
    return inside if inside != name and not inside.startswith("make/") and file.suffix in (".md", *PICTURES) else None


def sources() -> list[Path]:
    """Every Markdown file and picture that the site is made of."""
    inside = [p for p in sorted((ROOT / "docs").rglob("*")) if p.is_file() and page_of(p)]
    return inside + [ROOT / name for name in ELSEWHERE if name != "README.md"]


def links(text: str) -> list[str]:
    """Targets of all links and pictures of a Markdown text; what stands in code is no link."""
    return [match[2] for match in LINK.findall(CODE.sub("", text))]


def rewritten(file: Path, text: str, made: frozenset[str] = frozenset()) -> str:
    """The text of a page with links as the site needs them; links to code become their text alone.

    Raises
    ------
    BrokenLink
        A link to a file that is neither in the repository nor in `made`, the pages made from the code.
    """
    here = page_of(file)
    if here is None:
        raise ValueError(f"{file} is no page")

    def one(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        aim = (file.parent / path).resolve()
        page = aim.relative_to(ROOT / "docs").as_posix() if aim.is_relative_to(ROOT / "docs") else ""
        if page not in made:
            if not aim.is_relative_to(ROOT) or not aim.exists():
                raise BrokenLink(f"{file.relative_to(ROOT)}: no {target}")
            page = page_of(aim) or ""
        if not page:
            return words
        to = os.path.relpath(page, Path(here).parent)
        return f"{mark}[{words}]({to}{'#' + anchor if anchor else ''})"

    return "".join(part if i % 2 else LINK.sub(one, part) for i, part in enumerate(CODE.split(text)))

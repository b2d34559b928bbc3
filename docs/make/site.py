"""Build the site: python docs/make/site.py. Warnings and links that lead nowhere end it with 1."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import calls
import checked
import commands
import drawing
from pages import ROOT, BrokenLink, page_of, rewritten, sources

BUILD = ROOT / "build" / "docs"
SITE = ROOT / "site"


def main() -> int:
    """Copy, make, build, check; the exit code."""
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    made = {"reference/commands.md": commands.page(), "rooms.svg": drawing.svg(), "one-propagate.md": calls.page()}
    try:
        for file in sources():
            target = BUILD / str(page_of(file))
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".md":
                target.write_text(rewritten(file, file.read_text(), frozenset(made)))
            else:
                shutil.copy(file, target)
    except BrokenLink as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    for name, text in made.items():
        (BUILD / name).parent.mkdir(parents=True, exist_ok=True)
        (BUILD / name).write_text(text)
    menu = [line for line in (ROOT / "zensical.toml").read_text().splitlines() if _there(line)]
    (BUILD.parent / "zensical.toml").write_text("\n".join(menu) + "\n")
    zensical = Path(sys.executable).parent / "zensical"
    built = subprocess.run([zensical, "build", "--clean", "--strict"], cwd=BUILD.parent, check=False)
    if built.returncode:
        return 1
    shutil.move(BUILD.parent / "site", SITE)
    broken, outside = checked.check(SITE)
    for line in broken:
        print(f"docs: broken link: {line}", file=sys.stderr)
    pages = len(list(SITE.rglob("*.html")))
    print(f"docs: {pages} pages in {SITE.relative_to(ROOT)}/, {len(outside)} links to elsewhere:")
    for link in outside:
        print(f"  {link}")
    return 1 if broken else 0


def _there(line: str) -> bool:
    """Whether the page that a line of the menu names is there; of all other lines True."""
    page = re.match(r'\s*"([^"]+\.md)",$', line)
    return page is None or (BUILD / page[1]).is_file()


if __name__ == "__main__":
    sys.exit(main())

"""Links of the built site: every internal one leads to a page and a place in it; the external ones are listed."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Links, places, and what a browser would load by itself, of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in ("id", "name"):
                self.places.add(value)
            if name == "href" and tag == "a":
                self.links.append(value)
            if (name == "src") or (name == "href" and tag == "link"):
                self.loads.append(value)


def check(site: Path) -> tuple[list[str], list[str]]:
    """Broken internal links as 'page: target', and all external ones, of a folder of HTML files."""
    pages: dict[Path, _Page] = {}
    for file in sorted(site.rglob("*.html")):
        pages[file] = _Page()
        pages[file].feed(file.read_text())
    broken, outside = [], set()
    for file, page in pages.items():
        if file.name == "404.html":
            continue  # its links are those of the server's root
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme in ("data", "javascript", "mailto"):
                continue
            if parts.scheme or parts.netloc:
                outside.add(link)
                continue
            aim = file if not parts.path else (file.parent / unquote(parts.path)).resolve()
            aim = aim / "index.html" if aim.is_dir() else aim
            place = unquote(parts.fragment)
            if not aim.is_file() or (place and aim in pages and place not in pages[aim].places and place != "__top"):
                broken.append(f"{file.relative_to(site)}: {link}")
    return broken, sorted(outside)

"""The map of docs/architecture.md is complete, and the drawing shows what import-linter allows and nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()

sys.path.insert(0, str(ROOT / "docs" / "make"))
import drawing  # noqa: E402
import pages  # noqa: E402


def test_every_room_has_a_row_and_every_file_it_names_is_there() -> None:
    table = PAGE.split("## The rooms")[1].split("## Who imports whom")[0]
    rooms = {p.name for p in (ROOT / "poof").iterdir() if (p / "__init__.py").is_file()}
    assert rooms - set(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)) == set()
    assert [name for name in re.findall(r"`([\w/]+\.py)`", table) if not (ROOT / "poof" / name).is_file()] == []


def test_the_steps_of_one_propagate_name_what_is_there() -> None:
    steps = PAGE.split("## One propagate")[1].split("## How to add")[0]
    named = re.findall(r"`((?:propagation|video|labels)(?:/\w+\.py|\.\w+))`", steps)
    assert len(named) >= 7
    missing = []
    for name in named:
        room, _, rest = name.replace("/", ".").partition(".")
        rest = rest.removesuffix(".py")
        there = (ROOT / "poof" / room / f"{rest}.py").is_file() or rest in (
            ROOT / "poof" / room / "__init__.py"
        ).read_text()
        missing += [] if there else [name]
    assert missing == []


def test_the_drawing_has_every_room_and_imports_only_go_down() -> None:
    """Marks lie right of the diagonal: that is what the page says of the picture."""
    order = [room for layer in drawing.layers() for room in layer]
    imports = drawing.imports()
    assert all(order.index(other) > order.index(room) for room, others in imports.items() for other in others)
    assert "labels" in imports["propagation"] and "cli" not in {o for others in imports.values() for o in others}
    tree = ElementTree.fromstring(drawing.svg())
    texts = {element.text for element in tree.iter() if element.tag.endswith("text")}
    circles = [element for element in tree.iter() if element.tag.endswith("circle")]
    assert set(order) <= texts and len(circles) == sum(map(len, imports.values()))


def test_links_of_all_pages_lead_somewhere() -> None:
    """What the build of the site refuses, without the build."""
    made = frozenset({"reference/commands.md", "rooms.svg", "one-propagate.md"})
    for file in pages.sources():
        if file.suffix == ".md":
            pages.rewritten(file, file.read_text(), made)
    for target in pages.links((ROOT / "README.md").read_text()):
        assert re.match(r"https?:|#", target) or (ROOT / target.split("#")[0]).exists(), target


def test_links_are_rewritten_and_code_is_left_alone() -> None:
    page = ROOT / "docs/how-to/correct.md"
    text = "[figures](../../benchmarks/README.md#speed) and [code](../../poof/api.py), `a[0](1)`\n\n    b[1](2)\n"
    assert pages.rewritten(page, text) == "[figures](../benchmarks.md#speed) and code, `a[0](1)`\n\n    b[1](2)\n"


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "zensical.toml").read_text()
    shown = {str(pages.page_of(p)) for p in pages.sources() if p.suffix == ".md"}
    assert sorted(page for page in shown if f'"{page}"' not in menu) == []


def test_a_broken_link_of_the_built_site_is_found(tmp_path: Path) -> None:
    """Pages, places in pages, and pictures; links to elsewhere are listed, not followed."""
    import checked

    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="a/">1</a><a href="a/#here">2</a><a href="a/#gone">3</a><a href="b/">4</a><img src="x.png">'
        '<a href="https://example.org/">5</a><a href="#top">6</a><p id="top">'
    )
    (tmp_path / "a/index.html").write_text('<p id="here"><a href="../">1</a>')
    broken, outside = checked.check(tmp_path)
    assert broken == ["index.html: a/#gone", "index.html: b/", "index.html: x.png"]
    assert outside == ["https://example.org/"]

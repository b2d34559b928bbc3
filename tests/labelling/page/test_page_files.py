"""The page's own files: complete, from nowhere else, and nothing in them that the content policy forbids."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import poof.labelling.page

STATIC = Path(poof.labelling.page.__file__).parent / "static"
MODULES = sorted(path.name for path in STATIC.glob("*.js"))


def test_every_module_is_fetched_at_once() -> None:
    # Without this a browser learns of a module only when it has read the one that imports it.
    head = (STATIC / "index.html").read_text(encoding="utf-8")
    listed = re.findall(r'(?:modulepreload" href|script type="module" src)="/static/([^"]+)"', head)
    assert sorted(listed) == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_a_module_makes_no_markup_of_data_and_knows_no_other_host(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}
    imported = re.findall(r'from "\./([^"]+)"', text)
    assert set(imported) <= set(MODULES)


def test_the_page_has_no_inline_script_or_style() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\bsrc=)|javascript:", text)
    assert not re.search(r"(?:src|href)=\"(?!/static/)", text)

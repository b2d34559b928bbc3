"""Every library that poof brings along may be used, changed and passed on without conditions on poof's own code."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

ALLOWED = (
    "0BSD", "Apache", "BSD", "BSL-1.0", "CC0-1.0", "FreeBSD", "ISC", "LLVM-exception", "MIT", "MPL-2.0",
    "Mozilla Public License 2.0", "PSF", "Python Software Foundation", "Unlicense", "Zlib", "zlib",
)  # fmt: skip
"""How a licence may begin. MPL-2.0 asks for changes of its own files alone."""
READ = {"faster-coco-eval": "Apache-2.0", "networkx": "BSD-3-Clause"}
"""Whose metadata say nothing usable: what the licence file beside them says."""
CUDA = re.compile(r"nvidia-|cuda-")
"""NVIDIA's libraries, proprietary: torch brings them where its CUDA build is installed; the CPU build has none."""
APART = {"peers"}
"""Extras that no user installs: other tools' readers, run by `make peers` in a place of their own."""


def licence(name: str) -> str:
    """Of an installed distribution: its licence expression, else its classifiers, else the first line of the field."""
    metadata = distribution(name).metadata
    if name in READ:
        return READ[name]
    classifiers = [c.rsplit(" :: ", 1)[1] for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    named = [c for c in classifiers if c != "OSI Approved"]
    return metadata.get("License-Expression") or " OR ".join(named) or str(metadata.get("License", "")).split("\n")[0]


def allowed(expression: str) -> bool:
    """Of parts joined by OR one has to be allowed, of those joined by AND or WITH all."""
    flat = expression.replace("(", " ").replace(")", " ").strip()
    return any(
        all(part.strip().startswith(ALLOWED) for part in re.split(r" AND | WITH ", choice))
        for choice in flat.split(" OR ")
    )


def reached(direct: list[str]) -> dict[str, str]:
    """Licence by name of every installed distribution that the requirements lead to."""
    todo, found = [Requirement(line) for line in direct], {}
    while todo:
        requirement = todo.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in found or CUDA.match(name) or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            below = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # an extra that is not installed here
        found[name] = licence(name)
        todo += [Requirement(line) for line in below]
    return found


def test_every_dependency_has_a_permissive_licence() -> None:
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() if name not in APART for line in lines]
    found = reached(PROJECT["dependencies"] + extras)
    assert {"torch", "numpy", "h11", "pytest"} <= set(found)
    assert {name: said for name, said in found.items() if not allowed(said)} == {}


@pytest.mark.parametrize(
    ("expression", "right"),
    [
        ("MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-2.0-only OR BSD-2-Clause", True),
        ("", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
    ],
)
def test_an_expression_is_read_as_it_is_meant(expression: str, right: bool) -> None:
    assert allowed(expression) is right

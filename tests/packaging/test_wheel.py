"""What a user installs: a wheel with every file of the package, which runs where there is no clone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheel")  # built once

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("tests/conftest.py", "docs/formats.md", "examples/propagate_in_python.py", "constraints.txt", "Makefile")
"""Of the source archive: with these, `make test` and `make docs` run from it."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    pytest.importorskip("build", reason="build is not installed (pip install -e '.[dev]')")
    pytest.importorskip("hatchling", reason="hatchling is not installed (pip install -e '.[dev]')")
    folder = tmp_path_factory.mktemp("dist")
    line = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(line, check=True, capture_output=True, text=True)
    return folder


def _wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


def _source(built: Path) -> list[str]:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        return [name.split("/", 1)[1] for name in file.getnames()]


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(_wheel(built)) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    ours = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "poof").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert names == ours
    assert {"poof/py.typed", "poof/recog/cost/costs.json", "poof/labelling/page/static/index.html"} <= names


def test_the_wheel_has_a_free_name_and_the_command_is_poof(built: Path) -> None:
    with zipfile.ZipFile(_wheel(built)) as file:
        inside = {name.rsplit("/", 1)[1]: file.read(name).decode() for name in file.namelist() if ".dist-info/" in name}
    metadata = message_from_string(inside["METADATA"])
    version = re.search(r'__version__ = "(.+)"', (ROOT / "poof/__init__.py").read_text())
    assert metadata["Name"] == "poof-pose"  # `poof` is a backup tool on the index
    assert version is not None and metadata["Version"] == version[1]
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert "poof = poof.__main__:main" in inside["entry_points.txt"]
    assert "BSD 3-Clause" in inside["LICENSE"]


def test_the_source_archive_has_what_a_clone_has(built: Path) -> None:
    names = _source(built)
    assert not [needed for needed in NEEDED if needed not in names]
    assert not [
        name for name in names if name.startswith((".venv", "runs/", "site/", "dist/")) or "__pycache__" in name
    ]


def test_citation_and_package_agree() -> None:
    import yaml

    import poof

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (poof.__version__, project["license"])
    assert [work["authors"][0]["family-names"] for work in citation["references"]] == [
        "Gebotys", "Huang", "Cao", "Zeng", "Stergiou",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_wheel_runs_the_demo_without_the_clone(built: Path, tmp_path: Path) -> None:
    """The heavy libraries are those of this environment; of poof there is the wheel alone."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    run = {"check": True, "capture_output": True, "text": True, "cwd": tmp_path}
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    (purelib,) = (tmp_path / "venv/lib").glob("python3*/site-packages")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", _wheel(built)], env=clean, **run)
    (purelib / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run([python, "-c", "import poof; print(poof.__file__)"], env=clean, **run).stdout
    assert Path(where.strip()).is_relative_to(tmp_path)
    said = subprocess.run([tmp_path / "venv/bin/poof", "demo", "-o", "demo"], env=clean, **run).stdout
    assert "straight lines" in said and (tmp_path / "demo/video.poof.csv").is_file()

"""What every test shares: where the real material lies, and skipping, with the reason, when it is absent."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from forked import forked_reader
from hypothesis import settings

from poof.labels import hdf5_reader

# What is kept between runs must not be what the user of this machine keeps.
os.environ.setdefault("POOF_CACHE", tempfile.mkdtemp(prefix="poof-tests-"))


# On a busy machine any example may take longer than hypothesis' 200 ms.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def control_c() -> None:
    """Ctrl-C as Python has it: a script's background ignores it, in the commands that a test starts as well, and some
    packages take it when they are imported."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def hdf5_forks() -> Iterator[None]:
    """HDF5 is read in forks of the tests' process, which may have used more memory already than a reader is given."""
    with forked_reader(), mock.patch.object(hdf5_reader, "_limit"):
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos, labels and weights beside the repository."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no {SHARED / 'data'}: the real clips are not part of the repository")
    return SHARED


@pytest.fixture(scope="session")
def data(shared: Path) -> Path:
    """`shared/data`."""
    return shared / "data"

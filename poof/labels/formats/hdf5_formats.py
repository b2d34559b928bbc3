"""Which HDF5-based label format a file has, by the names in it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from poof.errors import PoofError
from poof.labels.formats import unsupported
from poof.labels.hdf5 import MAGIC, read_hdf5


def must_be_hdf5(path: Path) -> None:
    """Refuse a file that does not begin as HDF5 does, before a process is started to read it."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise PoofError(f"{path}: is no HDF5 file; leave --from out, or export it again")


def hdf5_kind(path: Path) -> str:
    """'sleap', 'sleap-analysis' or 'deeplabcut'.

    Raises
    ------
    PoofError
        If the file is damaged or of another format; the message says of which.
    """
    state = path.stat()
    return _kind(path.absolute(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _kind(path: Path, changed: int, size: int) -> str:
    """The kind of a file as it was at that time: several formats ask, the file is opened once."""
    del changed, size
    contents = read_hdf5(path, [])
    names = {*contents.groups, *contents.datasets}
    if {"/frames", "/instances"} <= names:
        return "sleap"
    if {"/tracks", "/node_names"} <= names:
        return "sleap-analysis"
    if any("pandas_type" in attributes for attributes in contents.groups.values()):
        return "deeplabcut"
    raise PoofError(f"{path}: {unsupported.hdf5(names, contents.groups.get('/', {}))}")

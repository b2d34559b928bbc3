"""HDF5 files of others, read in a process of its own so that they can neither run code nor crash this one.

How to use it, for any label format that lies in HDF5::

    contents = read_hdf5(path)                              # everything
    contents = read_hdf5(path, ["/points", "/frames"])      # the values of these datasets only, of the rest the names
    contents.groups["/metadata"]["json"]                    # attributes: numbers, str, bytes, lists of them
    contents.values("/points")                              # an array, structured for a compound type
    contents.texts("/tracks_json")                          # list of str, for text of fixed or variable length

A child process does the reading (`poof.labels.hdf5_reader`), with h5py, which cannot unpickle; what comes back are
arrays of numbers and text. Objects (PyTables' pickled cells and attributes) are never decoded: as attributes they
arrive as the bytes they are, as datasets they are missing with a reason. `poof.labels.plain_pickle` reads the names
that pandas stores pickled, without unpickling. It takes about 0.2 s a file.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from poof.errors import PoofError

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_BYTES = 2**31
SECONDS = 60

Attributes = dict[str, Any]


@dataclass
class Dataset:
    """A dataset as it came out of the file.

    Attributes
    ----------
    attributes
        Name -> number, text, bytes, or list of them.
    shape
        As the file says.
    values
        The values, None where they could not or should not be read.
    strings
        Of a dataset of variable length text, flat.
    missing
        Why there are neither.
    """

    attributes: Attributes
    shape: tuple[int, ...]
    values: np.ndarray | None = None
    strings: list[str] | None = None
    missing: str = ""


@dataclass
class Contents:
    """What a file holds; paths begin with a slash.

    Attributes
    ----------
    path
        The file, for messages.
    groups
        Path -> attributes; '/' is the file itself.
    datasets
        Path -> dataset.
    """

    path: Path
    groups: dict[str, Attributes] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)

    def values(self, name: str) -> np.ndarray:
        """The values of a dataset; a `PoofError` if it is missing, is text of variable length or holds objects."""
        dataset = self._dataset(name)
        if dataset.values is None:
            raise PoofError(f"{self.path}: {name} cannot be read ({dataset.missing or 'it is text'}); export it again")
        return dataset.values

    def texts(self, name: str) -> list[str]:
        """The text of a dataset, flat; a `PoofError` if it is missing or no text."""
        dataset = self._dataset(name)
        if dataset.strings is not None:
            return dataset.strings
        values = self.values(name)
        if values.dtype.kind != "S":
            raise PoofError(f"{self.path}: {name} holds {values.dtype}, not text; export it again")
        return [text.decode("utf-8", "replace") for text in values.ravel().tolist()]

    def _dataset(self, name: str) -> Dataset:
        if name not in self.datasets:
            raise PoofError(f"{self.path}: is HDF5 but has no {name}; export it again")
        return self.datasets[name]


def read_hdf5(path: Path, wanted: Sequence[str] = ("*",), limit: int = MAX_BYTES, seconds: int = SECONDS) -> Contents:
    """Read an HDF5 file in a process of its own.

    Parameters
    ----------
    path
        The file.
    wanted
        Paths, or patterns with * and ?, of the datasets whose values are wanted; the others are named only.
    limit
        Bytes that all values together may take.
    seconds
        After which the file is given up.

    Raises
    ------
    PoofError
        If the file is damaged, takes too long, or cannot be read.
    """
    reader = Path(__file__).with_name("hdf5_reader.py")
    command = [sys.executable, "-P", str(reader), str(path), json.dumps(list(wanted)), str(limit), str(seconds)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except (OSError, ValueError) as error:
        raise PoofError(f"{path}: cannot be read (no process for HDF5: {error}); try again") from None
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    contents, reason = Contents(path), ""
    try:
        assert process.stdout is not None
        reason = _receive(process.stdout, contents)
    except (OSError, ValueError, KeyError, TypeError):  # it ended in the middle of a word
        reason = "the HDF5 library fails on it"
    finally:
        timer.cancel()
        process.kill()
        with suppress(OSError):
            process.communicate()
    if late.is_set():
        reason = f"it took over {seconds} s"
    if reason:
        raise PoofError(f"{path}: is a damaged or unknown HDF5 file ({reason}); export it again")
    return contents


class _Pipe:
    """A stream that numpy reads from, instead of taking it for a file on disk."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.read = stream.read


def _receive(stream: IO[bytes], contents: Contents) -> str:
    """Fill `contents` from the reader's output; why that failed, '' if it did not."""
    while line := stream.readline():
        entry = json.loads(line)
        if entry.get("end"):
            return ""
        if "error" in entry:
            return str(entry["error"])
        attributes = {name: _attribute(kind, value) for name, (kind, value) in entry["attributes"].items()}
        if "shape" not in entry:
            contents.groups[entry["path"]] = attributes
            continue
        dataset = Dataset(attributes, tuple(entry["shape"]), None, entry.get("texts"), entry.get("missing", ""))
        if entry["array"]:
            dataset.values = np.lib.format.read_array(_Pipe(stream), allow_pickle=False)
            if dataset.values.size != math.prod(dataset.shape):
                raise ValueError("of another size")
        contents.datasets[entry["path"]] = dataset
    return "the HDF5 library fails on it"


def _attribute(kind: str, value: Any) -> Any:
    """An attribute as the reader sent it; None for one that is neither number nor text."""
    if kind == "b":
        return value.encode("latin-1")
    return value if kind in "ns" else None

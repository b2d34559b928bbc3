"""The program that `poof.labels.hdf5` runs in a process of its own: it reads one HDF5 file and writes what it found.

It imports nothing of poof, so that it starts fast, and never returns Python objects: numbers, text and arrays of them
leave it, everything else is named and left out. h5py has no code that unpickles; links out of the file, data in other
files and filter plugins are not followed. A file that makes libhdf5 crash, loop or ask for all memory ends this process
alone.

Standard output: for each group and dataset one line of JSON, behind it, where the line says ``"array": true``, the
values in numpy's .npy format; at last ``{"end": true}``, or ``{"error": reason}``.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from contextlib import suppress
from typing import Any

import numpy as np

MAX_NODES = 100_000
MAX_ATTRIBUTE = 2**24


def main(path: str, wanted: list[str], limit: int, seconds: int) -> None:
    """Write the contents of `path` to standard output.

    Parameters
    ----------
    path
        The file.
    wanted
        Patterns (fnmatch) of the paths of the datasets whose values are wanted.
    limit
        Bytes that all values together may take.
    seconds
        Of processor time, after which the process ends.
    """
    _limit(limit, seconds)
    os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # no code of other people to decompress with
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    import h5py

    out = sys.stdout.buffer
    left = limit
    with h5py.File(path, "r") as file:
        seen: set[Any] = set()
        todo: list[tuple[str, Any]] = [("/", file)]
        while todo:
            name, node = todo.pop()
            entry: dict[str, Any] = {"path": name, "attributes": _attributes(node)}
            values = None
            if isinstance(node, h5py.Dataset):
                entry |= {"shape": list(node.shape or ()), "dtype": str(node.dtype)}
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted):
                    try:
                        values, left = _values(h5py, node, left)
                    except Exception as error:  # h5py and libhdf5 raise a dozen kinds for damaged data
                        entry["missing"] = _line(error)
                else:
                    entry["missing"] = "not asked for"
                if isinstance(values, list):
                    entry["texts"], values = values, None
                entry["array"] = values is not None
            _say(out, entry)
            if values is not None:
                np.lib.format.write_array(out, values, allow_pickle=False)
            if isinstance(node, h5py.Group):
                key = h5py.h5o.get_info(node.id).addr
                if key in seen:
                    continue
                seen.add(key)
                for child in list(node):
                    if len(seen) + len(todo) > MAX_NODES:
                        raise ValueError(f"more than {MAX_NODES} objects")
                    if type(node.get(child, getlink=True)) is not h5py.HardLink:
                        continue
                    found = node[child]
                    if isinstance(found, (h5py.Group, h5py.Dataset)):
                        todo.append((f"{name.rstrip('/')}/{child}", found))
    _say(out, {"end": True})


def _values(h5py: Any, node: Any, left: int) -> tuple[Any, int]:
    """The values of a dataset, an array or a list of texts, and how many bytes the others may still take."""
    if node.external or node.is_virtual:
        raise ValueError("its data lie in another file")
    text = h5py.check_string_dtype(node.dtype)
    if node.size is None:
        raise ValueError("empty")
    size = int(node.size) * max(node.dtype.itemsize, 1)
    if size > left:
        raise ValueError(f"{size} bytes are too many")
    if text is not None and text.length is None:
        texts = [value.decode("utf-8", "replace") for value in np.ravel(node[()]).tolist()]
        return texts, left - size - sum(map(len, texts))
    if not _plain(node.dtype):
        raise ValueError(f"holds objects, not numbers or text ({node.dtype})")
    return np.ascontiguousarray(node[()]).reshape(node.shape), left - size


def _plain(dtype: np.dtype[Any]) -> bool:
    """Whether a type is made of numbers, truth values and text of fixed length only."""
    if dtype.fields:
        return all(_plain(field[0]) for field in dtype.fields.values())
    if dtype.subdtype:
        return _plain(dtype.subdtype[0])
    return dtype.kind in "biufcS"


def _attributes(node: Any) -> dict[str, Any]:
    """Name -> [kind, value] of the attributes that are numbers ('n'), text ('s') or bytes ('b', as Latin-1)."""
    found: dict[str, Any] = {}
    with suppress(Exception):  # a damaged list of attributes
        for name in list(node.attrs):
            if not isinstance(name, str):
                continue
            with suppress(Exception):  # a damaged attribute
                found[name] = _plain_value(node.attrs[name])
    return found


def _plain_value(value: Any) -> list[Any]:
    if type(value).__name__ == "Empty":
        return ["b", ""]
    if getattr(value, "nbytes", 0) > MAX_ATTRIBUTE:
        return ["?", "too large"]
    if isinstance(value, (bytes, np.bytes_)):
        return ["b", bytes(value).decode("latin-1")]
    if isinstance(value, str):
        return ["s", value]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        return ["n", value.tolist()]
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return ["s", [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in value.ravel().tolist()]]
    return ["?", str(getattr(value, "dtype", type(value).__name__))]


def _limit(limit: int, seconds: int) -> None:
    """Bounds of this process, where the system has them."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (2 * limit + 2**31, 2 * limit + 2**31))


def _say(out: Any, value: dict[str, Any]) -> None:
    out.write(json.dumps(value).encode("ascii") + b"\n")


def _line(error: BaseException) -> str:
    lines = str(error).split("\n")
    return f"{lines[0][:120] or type(error).__name__}"


def run(words: list[str]) -> None:
    """The whole program, with the words behind its name; it does not return."""
    try:
        main(words[0], json.loads(words[1]), int(words[2]), int(words[3]))
    except Exception as error:
        _say(sys.stdout.buffer, {"error": _line(error)})
    sys.stdout.buffer.flush()
    os._exit(0)  # closing a damaged file may crash


if __name__ == "__main__":
    run(sys.argv[1:])

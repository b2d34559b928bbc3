"""Locks of run folders: one process at a time, since two would mix their checkpoints."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from poof.errors import PoofError

try:
    import fcntl
except ImportError:  # Windows has none; there two runs are not kept apart
    fcntl = None  # type: ignore[assignment]

_ours: dict[tuple[int, int], int] = {}  # (device, inode) of the folders that this process has locked, and how often
_guard = threading.Lock()


@contextmanager
def locked(folder: Path, option: str) -> Iterator[None]:
    """Keep other processes out of a folder that exists; may be nested within one process.

    The folder itself is locked, by the system: no file is left, and a process that is killed lets go.

    Raises
    ------
    PoofError
        If another process has it; `option` is how the command lets one choose another.
    """
    handle = _take(folder, option)
    try:
        yield
    finally:
        _let_go(handle)


def _take(folder: Path, option: str) -> int | None:
    if fcntl is None:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None  # whoever writes into it says why
    key = _key(handle)
    with _guard:
        if key in _ours:
            _ours[key] += 1
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise PoofError(
                f"{folder}: another poof is at work in it; wait until that is done, or choose another with {option}"
            ) from None
        except OSError:
            pass  # a file system without locks
        _ours[key] = 1
        return handle


def _let_go(handle: int | None) -> None:
    if handle is None:
        return
    with _guard:
        key = _key(handle)
        _ours[key] -= 1
        if not _ours[key]:
            del _ours[key]
    # The lock belongs to the handle that took it; the outermost is closed last.
    with suppress(OSError):
        os.close(handle)


def _key(handle: int) -> tuple[int, int]:
    state = os.fstat(handle)
    return state.st_dev, state.st_ino

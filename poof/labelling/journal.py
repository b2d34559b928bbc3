"""The journal of a labelling session: one line of JSON a step, only ever appended to, on disk before anyone is told.

A line that a crash cut off is the last one and was never confirmed: it is cut away when the journal is opened. Anything
else that cannot be read is damage, and is said. One process at a time has a journal open.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from poof.errors import PoofError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

VERSION = 1
"""Of the lines' meaning."""
HEAD = "poof-label-journal"
"""Field of the first line; its value is the version."""


class Journal:
    """An open journal.

    Parameters
    ----------
    path
        Created when missing.
    head
        More fields of the first line of a new journal.

    Attributes
    ----------
    head : dict
        The first line.
    lines : list of dict
        All others that were there when it was opened.

    Raises
    ------
    PoofError
        If it cannot be opened or written, another process has it open, it is damaged, or it is something else.
    """

    def __init__(self, path: Path, head: dict[str, Any] | None = None) -> None:
        self.path = Path(path).resolve()
        self._file = -1
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise PoofError(f"{path}: cannot be opened ({error.strerror}); choose another place with -o") from error
        try:
            self._lock()
            self.head, self.lines, end = self._read()
            if end is not None:
                os.ftruncate(self._file, end)
            if not self.head:
                self.head = {HEAD: VERSION} | (head or {})
                self.append(self.head)
                sync_folder(self.path.parent)
        except BaseException:
            self.close()
            raise

    def append(self, line: dict[str, Any]) -> None:
        """Write a line; it is on disk when this returns.

        Raises
        ------
        PoofError
            If it cannot be written; the journal is as it was.
        """
        data = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise PoofError(f"{self.path}: cannot be written ({error.strerror}); free space and try again") from error

    def close(self) -> None:
        """Let it go, for others."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1  # the number may soon be another file's

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PoofError(
                f"{self.path}: is open in another poof label; use that page, or end that program first"
            ) from None

    def _read(self) -> tuple[dict[str, Any], list[dict[str, Any]], int | None]:
        """The first line, the others, and where the file is to be cut off, if it is."""
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        cut = whole if whole < len(data) else None
        lines: list[dict[str, Any]] = []
        for number, text in enumerate(data[:whole].split(b"\n")[:-1], 1):
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                raise PoofError(
                    f"{self.path}: line {number} is damaged; restore the file, or move it away to begin anew"
                )
            lines.append(line)
        if not lines:
            if cut is not None and data[:1] not in (b"{", b"\0"):
                raise PoofError(f"{self.path}: is no journal of poof label; choose another place with -o")
            return {}, [], cut
        head = lines[0]
        if HEAD not in head:
            raise PoofError(f"{self.path}: is no journal of poof label; choose another place with -o")
        if not isinstance(head[HEAD], int) or head[HEAD] > VERSION:
            raise PoofError(f"{self.path}: was written by a newer poof; update poof")
        return head, lines[1:], cut


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk too, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

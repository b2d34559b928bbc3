"""Writing files so that a crash, a full disk or Ctrl-C never leaves half a file behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from poof.errors import PoofError


def check_output(path: Path, force: bool = False) -> None:
    """Refuse an output that exists (unless `force`), lies in no folder or cannot be written.

    Called before the work starts, so that nobody waits an hour for an error.

    Raises
    ------
    PoofError
        If `path` exists and `force` is false, is a folder, or its folder is missing or read-only.
    """
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        raise PoofError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise PoofError(f"{path}: exists already; choose another name with -o or overwrite it with --force")
    if not folder.is_dir():
        raise PoofError(f"{path}: there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK):
        raise PoofError(f"{path}: the folder {folder} is read-only; choose another place with -o")


@contextmanager
def made_folder(folder: Path, option: str) -> Iterator[None]:
    """Make a folder for a run, with those above it; what is still empty at the end goes again.

    Raises
    ------
    PoofError
        If it cannot be made or written; `option` is how the command lets one choose another.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PoofError(f"{folder}: cannot be made ({error.strerror}); choose another place with {option}") from error
    if not os.access(folder, os.W_OK):
        raise PoofError(f"{folder}: is read-only; choose another place with {option}")
    try:
        yield
    finally:
        for path in made:
            with suppress(OSError):  # there is something in it
                path.rmdir()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name once the block ends without an error.

    The temporary name keeps the suffix of `path`, since many writers choose the format by it.

    Raises
    ------
    PoofError
        If the file cannot be written (disk full, folder read-only); the temporary file is removed.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes private files; give the result the mode an ordinary open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None and error.filename not in (None, str(temporary), str(path)):
            raise
        raise PoofError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another place"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)

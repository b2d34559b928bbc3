"""Writing files so that a crash, a full disk or Ctrl-C never leaves half a file behind.

Everything poof writes goes through `atomic` (or `write_bytes`, `write_text`): a temporary file beside the output is
written, flushed to the disk, read back, and only then takes the output's name. A process that is killed leaves its
temporary file; the next one that writes into the folder removes it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from poof.errors import PoofError
from poof.integrity import check_whole
from poof.locks import locked
from poof.origin import Origin, origin_of, remember

try:
    import fcntl
except ImportError:  # Windows has none; there temporary files of killed runs stay
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r"\..*\.poof-[a-z0-9_]{8}(\.[^.]*)?")
_LONGEST_NAME = 200
_tidied: set[str] = set()


def check_output(path: Path, force: bool = False, labels: bool = False) -> None:
    """Refuse an output that would overwrite somebody's file, lies in no folder or cannot be written.

    Called before the work starts, so that nobody waits an hour for an error. What poof itself wrote is replaced without
    asking, what looks as if it had with `force`; a file of anybody else, or one changed since, is never overwritten.
    Labels take the place of labels only (`labels`), as `poof.labels.replacing` allows.

    Raises
    ------
    PoofError
        If `path` may not be replaced, is a folder or a device, or its folder is missing or read-only.
    """
    path = Path(path)
    folder = path.parent
    kind = _kind(path)
    if kind is not None and stat.S_ISDIR(kind):
        raise PoofError(f"{path}: is a folder; name a file")
    if kind is not None and not stat.S_ISREG(kind):
        raise PoofError(f"{path}: is no ordinary file; choose another name with -o")
    if kind is not None:
        origin = origin_of(path)
        if origin is Origin.LABELS and not labels:
            raise PoofError(f"{path}: exists already and holds labels; choose another name for this output")
        if origin is Origin.FOREIGN:
            raise PoofError(
                f"{path}: exists already and is not what poof wrote there, so it is never overwritten; choose another"
                " name with -o, or move it away"
            )
        if origin is Origin.ALIKE and not force:
            raise PoofError(f"{path}: exists already; choose another name with -o or overwrite it with --force")
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise PoofError(f"{path}: the name is longer than {_LONGEST_NAME} bytes; choose a shorter one with -o")
    if not folder.is_dir():
        raise PoofError(f"{path}: there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK):
        raise PoofError(f"{path}: the folder {folder} is read-only; choose another place with -o")
    tidy(folder)


def check_apart(outputs: Sequence[tuple[Path, str]], inputs: Sequence[tuple[Path, str]] = ()) -> None:
    """Refuse outputs that are inputs, or each other, under whatever name.

    Parameters
    ----------
    outputs, inputs
        Paths, each with the option or word that the user gave it with.

    Raises
    ------
    PoofError
        Naming both.
    """
    for number, (path, option) in enumerate(outputs):
        for other, way in inputs:
            if _same(path, other):
                raise PoofError(f"{path}: is given with {way} and would be overwritten ({option}); name another output")
        for other, way in outputs[:number]:
            if _same(path, other):
                both = option if option == way else f"{way} and {option}"
                raise PoofError(f"{path}: would be written twice ({both}); name another file for one of them")


def _same(a: Path, b: Path) -> bool:
    """Whether two paths are one file, or will be."""
    try:
        return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))
    except (OSError, ValueError):
        return False


def there(path: Path) -> bool:
    """Whether something lies under a name; False for names that nothing can have, which `Path.exists` fails on."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _kind(path: Path) -> int | None:
    """The mode bits of what lies under a name, None for nothing; a `PoofError` for a name that can have nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PoofError(f"{path}: cannot be a file here ({reason}); choose another name") from None


def make_folder(folder: Path, option: str) -> list[Path]:
    """Make a folder for outputs, with those above it, and tidy it; which of them are new, the innermost first.

    Raises
    ------
    PoofError
        If it cannot be made or written; `option` is how the command lets one choose another.
    """
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PoofError(f"{folder}: cannot be made ({reason}); choose another place with {option}") from error
    if not os.access(folder, os.W_OK):
        raise PoofError(f"{folder}: is read-only; choose another place with {option}")
    tidy(folder)
    return made


@contextmanager
def made_folder(folder: Path, option: str) -> Iterator[None]:
    """Make a folder for a run, with those above it; what is still empty at the end goes again.

    Other processes are kept out of it meanwhile, see `poof.locks`.

    Raises
    ------
    PoofError
        If it cannot be made or written, or another process works in it; `option` is how the command lets one choose
        another.
    """
    made = make_folder(folder, option)
    with locked(folder, option):
        try:
            yield
        finally:
            for path in made:
                with suppress(OSError):  # there is something in it
                    path.rmdir()


@contextmanager
def atomic(path: Path, durable: bool = True, check: Callable[[Path], object] = check_whole) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name once the block ends without an error.

    The temporary name keeps the suffix of `path`, since many writers choose the format by it.

    Parameters
    ----------
    path
        The output.
    durable
        Whether the file must survive a power failure; caches, which are checked when read, need not.
    check
        Reads the finished temporary file and raises an `OSError` if it is not whole.

    Raises
    ------
    PoofError
        If the file cannot be written (disk full, folder read-only); the temporary file is removed and what was under
        the name before stays.
    """
    path = Path(path)
    tidy(path.parent)
    temporary: Path | None = None
    handle = -1
    try:
        handle, temporary = _temporary(path)
        try:
            yield temporary
        except (OSError, KeyboardInterrupt):
            raise
        except Exception:
            # Libraries raise errors of their own when a write fails; whether that was it, another write tells.
            _try_to_write(temporary)
            raise
        if durable:
            _to_disk(temporary)
        check(temporary)
        # mkstemp makes private files; give the result the mode an ordinary open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        if durable:
            remember(path, temporary)
        temporary.replace(path)
        if durable:
            with suppress(OSError):  # not every system lets one open folders
                _to_disk(path.parent)
    except OSError as error:
        if temporary is not None and error.filename not in (None, str(temporary), str(path)):
            raise
        raise PoofError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another place"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file as `atomic` does; what is on the disk is compared with `data` before it takes the name."""

    def same(temporary: Path) -> None:
        if temporary.read_bytes() != data:
            raise OSError("what was read back is not what was written")

    with atomic(path, check=same) as temporary:
        temporary.write_bytes(data)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files of which none means anything without the others: only when all are on the disk they take their names.

    Those named last take theirs first.
    """
    with ExitStack() as stack:
        for path, data in contents.items():
            temporary = stack.enter_context(atomic(path))
            temporary.write_bytes(data)
            _to_disk(temporary)
            if temporary.read_bytes() != data:
                raise OSError("what was read back is not what was written")


def write_text(path: Path, text: str | Iterable[str]) -> None:
    """Write a text, whole or in parts, in UTF-8 as `write_bytes` does, holding no more than a part of it at once.

    Half a character, which UTF-8 cannot hold, becomes '?'.
    """
    written = hashlib.blake2b()

    def same(temporary: Path) -> None:
        with temporary.open("rb") as file:
            if hashlib.file_digest(file, hashlib.blake2b).digest() != written.digest():
                raise OSError("what was read back is not what was written")

    with atomic(path, check=same) as temporary, temporary.open("wb") as file:
        for part in [text] if isinstance(text, str) else text:
            data = part.encode("utf-8", "replace")
            written.update(data)
            file.write(data)


def tidy(folder: Path) -> None:
    """Remove the temporary files that killed runs left in `folder`; once a process for each folder."""
    try:
        key = os.path.realpath(folder)
        if fcntl is None or key in _tidied:
            return
        _tidied.add(key)
        left = [entry.path for entry in os.scandir(folder) if _TEMPORARY.fullmatch(entry.name)]
    except (OSError, ValueError):
        return
    for name in left:
        with suppress(OSError):
            handle = os.open(name, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer holds this lock as long as it lives
                Path(name).unlink()
            finally:
                os.close(handle)


def _temporary(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, locked so that no other process tidies it away: its handle and its name."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.poof-", suffix=path.suffix)
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if Path(name).stat().st_ino == os.fstat(handle).st_ino:
                return handle, Path(name)
        os.close(handle)  # tidied away before it was locked


def _to_disk(path: Path) -> None:
    """Wait until a file or the entries of a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _try_to_write(path: Path) -> None:
    """An `OSError` if nothing can be added to a file."""
    with path.open("ab") as file:
        file.write(bytes(2**18))
        file.flush()
        os.fsync(file.fileno())


def trim_folder(folder: Path, limit: int) -> None:
    """Drop the files of a folder that were used longest ago, as far as all together exceed `limit` bytes."""
    entries = []
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):  # another process may be faster
                state = path.stat()
                entries.append((max(state.st_mtime_ns, state.st_atime_ns), state.st_size, path))
    size = sum(entry[1] for entry in entries)
    for _, bytes_, path in sorted(entries):
        if size <= limit:
            break
        with suppress(OSError):
            path.unlink()
            size -= bytes_

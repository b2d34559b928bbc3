"""Errors and warnings for the user: one line with the file, the frame and the remedy."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from poof.printable import LONGEST, one_line


class PoofError(Exception):
    """A problem the user can solve. The message is one line that names the file, the frame and the remedy.

    What files and libraries put into it is made printable, and long ones are shortened in the middle; `longest` is for
    those that hold an address and a path of poof's own.
    """

    def __init__(self, message: object = "", longest: int = LONGEST) -> None:
        super().__init__(one_line(message, longest))


class PoofWarning(UserWarning):
    """Something the user should know that does not stop the work; one line, as an error is."""

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(message))


NEAR = 3
"""Names that an error tells where there are many."""
FEW = 8
"""So many are all told."""
MANY = 10_000
"""Names of a folder that are looked at for the one that was meant."""
ALIKE = 0.75
"""Least likeness of a file's name to one that was given (difflib's ratio): a letter wrong, another ending."""


def names_near(name: object, known: Iterable[object]) -> str:
    """The names that a mistyped one may have meant: all of few, else the three nearest and how many there are.

    Parameters
    ----------
    name
        What was given.
    known
        What is there, in the order to be told.

    Returns
    -------
    str
        'dis, dis-coarse, auto (9 in all)', say; 'none' where there is none.
    """
    names = [str(each) for each in known]
    if len(names) <= FEW:
        return ", ".join(names) or "none"
    told = {each.lower(): each for each in reversed(names)}
    close = [told[each] for each in get_close_matches(str(name).lower(), told, NEAR, 0.0)]
    return f"{', '.join(close)} ({len(names)} in all)"


def not_there(path: str | Path, what: str = "file", remedy: str = "check the path") -> PoofError:
    """The error about a file that is not there, with up to three names of its folder that are nearly the same.

    Parameters
    ----------
    path
        What was given.
    what
        What it was taken for: 'label file', say.
    remedy
        What else to do.
    """
    path, near = Path(path), ""
    with suppress(OSError, ValueError), os.scandir(path.parent) as entries:
        names = {entry.name.lower(): entry.name for entry in islice(entries, MANY) if not entry.name.startswith(".")}
        close = [names[name] for name in get_close_matches(path.name.lower(), names, NEAR, ALIKE)]
        near = f" (there is {', '.join(close)})" if close else ""
    return PoofError(f"{path}: there is no such {what}{near}; {remedy}")


def first_names(names: Sequence[str]) -> str:
    """All of few names, else the first three and how many there are."""
    if len(names) <= FEW:
        return ", ".join(names)
    return f"{', '.join(names[:NEAR])}, ... ({len(names)} in all)"

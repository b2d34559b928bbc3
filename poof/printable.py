"""Text from files and command lines as it may stand on a terminal: no control codes, no half characters, one line."""

from __future__ import annotations

import re

LONGEST = 300
"""Characters of a message."""
_LONG_PATH = 40

# C0 and C1 controls, line and paragraph separators, marks that turn the direction of writing, lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    """The text with everything that a terminal would obey, or cannot show, as a Python escape (``\\x1b``)."""
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), str(text))


def is_printable(text: str) -> bool:
    """Whether a name can be shown as it is."""
    return _UNPRINTABLE.search(text) is None


def plural(count: int, noun: str) -> str:
    """'1 frame', '2 frames'."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def one_line(text: object, longest: int = LONGEST) -> str:
    """The text printable and at most `longest` characters long.

    Messages begin with the file and end with the remedy. Where one is too long, first the folders of the file are
    left out, then the middle.
    """
    line = printable(text)
    if len(line) > longest:
        path, colon, rest = line.partition(": ")
        if colon and len(path) > _LONG_PATH:
            line = f"{_cut(path, max(_LONG_PATH, longest - len(rest) - 2), 4)}: {rest}"
    return _cut(line, longest, longest * 3 // 5)


def _cut(line: str, longest: int, head: int) -> str:
    """The line without its middle, `head` characters of which stay in front."""
    if len(line) <= longest:
        return line
    return f"{line[:head]} ... {line[len(line) - (longest - head - 5) :]}"

"""Text that may stand on a terminal."""

from __future__ import annotations

import pytest

from poof.errors import PoofError, PoofWarning
from poof.printable import is_printable, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        ("\ud800", "\\ud800"),
        ("\u202eback", "\\u202eback"),
        ("café 🙂 日本", "café 🙂 日本"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert is_printable(shown) and is_printable(text) == (text == shown)


def test_messages_are_one_line_of_300_characters() -> None:
    path = "/data/" + "folder/" * 60 + "labels.json"
    for message in (PoofError(f"{path}: holds {'x' * 900}; rename it"), PoofWarning(f"{path}: \x1b[2J{'y' * 900}; do")):
        text = str(message)
        assert len(text) <= 300 and is_printable(text)
        assert text.startswith("/dat ... ") and "labels.json: " in text
    assert str(PoofError(f"{path}: holds {'x' * 900}; rename it")).endswith("; rename it")
    assert one_line("short") == "short"

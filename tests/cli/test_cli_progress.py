"""The progress bar gives the items it wraps, unchanged, and ends full."""

from __future__ import annotations

import io

import pytest

from poof.progress import Stages, bar, silent


@pytest.mark.parametrize("track", [silent, bar])
def test_items_pass_through_in_order(track) -> None:  # type: ignore[no-untyped-def]
    assert list(track(iter("abc"), "letters", 5)) == ["a", "b", "c"]
    assert list(track([], "nothing", 0)) == []


def test_the_bar_ends_full_when_there_was_less_than_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(said, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr", said)
    monkeypatch.setenv("TERM", "xterm")
    list(bar(range(3), "counting", 5))
    assert "counting" in said.getvalue() and "3/3" in said.getvalue()


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poof.progress.PLAIN_SECONDS", 0.0)
    list(bar(range(3), "counting", 5))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4 and lines[0].startswith("counting: 1 of 5, ") and lines[0].endswith(" left")
    assert lines[-1] == "counting: 3 in 0:00"


def test_stages_say_which_of_how_many_they_are() -> None:
    seen: list[str] = []

    def track(items, description, total=None):  # type: ignore[no-untyped-def]
        seen.append(description)
        yield from items

    staged = Stages(track, ["propagating", "training", "training", "fusing"])
    for name in ("propagating", "training", "fusing", "drawing"):  # one training was done by an earlier run
        assert list(staged("ab", name)) == ["a", "b"]
    assert seen == ["[1/4] propagating", "[2/4] training", "[4/4] fusing", "drawing"]


def test_an_error_inside_the_loop_reaches_the_caller() -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield 1
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        list(bar(broken(), "counting", 2))

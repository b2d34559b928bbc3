"""The progress bar gives the items it wraps, unchanged, and ends full."""

from __future__ import annotations

import pytest

from poof.progress import bar, silent


@pytest.mark.parametrize("track", [silent, bar])
def test_items_pass_through_in_order(track) -> None:  # type: ignore[no-untyped-def]
    assert list(track(iter("abc"), "letters", 5)) == ["a", "b", "c"]
    assert list(track([], "nothing", 0)) == []


def test_the_bar_ends_full_when_there_was_less_than_announced(capsys: pytest.CaptureFixture[str]) -> None:
    list(bar(range(3), "counting", 5))
    shown = capsys.readouterr().err
    assert "counting" in shown and "3/3" in shown


def test_an_error_inside_the_loop_reaches_the_caller() -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield 1
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        list(bar(broken(), "counting", 2))

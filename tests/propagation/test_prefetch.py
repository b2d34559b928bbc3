"""Prefetching: order, errors where they belong, and threads that end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from poof.propagation.prefetch import prefetch


def threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_the_same_items_in_the_same_order_and_no_more_ahead_than_asked() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    found = []
    for item in prefetch(items(), 3):
        found.append(item)
        assert len(made) <= item + 1 + 3 + 1  # those handed out, three waiting, one in the hand of the thread
    assert found == list(range(50)) and threads() == 0


def test_an_error_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    waiting = prefetch(items(), 5)
    assert [next(waiting), next(waiting)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(waiting)
    assert threads() == 0


def test_whoever_stops_early_leaves_no_thread() -> None:
    waiting = prefetch(iter(range(10**6)), 2)
    assert next(waiting) == 0 and threads() == 1
    waiting.close()  # type: ignore[attr-defined]
    assert threads() == 0
    assert next(prefetch(iter(range(10**6)), 2)) == 0  # dropped
    assert threads() == 0

"""Ctrl-C: interrupts are never lost.

Python turns it into a `KeyboardInterrupt` wherever the program is just then. Where that is inside a finaliser, a
callback of a library or an import that tries things out, the exception is swallowed, and the work goes on as if nobody
had pressed anything. A command therefore remembers it, and every loop over frames, steps or files asks.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_pressed = threading.Event()


def pressed() -> bool:
    """Whether Ctrl-C was pressed and the work goes on all the same."""
    return _pressed.is_set()


def check() -> None:
    """Raise the `KeyboardInterrupt` that was lost, if there is one; costs next to nothing."""
    if _pressed.is_set() and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


@contextmanager
def remembered() -> Iterator[None]:
    """Inside, a Ctrl-C that is swallowed comes again at the next `check`; for the whole of a command.

    Only in the main thread, where Python handles signals, and only where nobody else handles this one.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def handler(*_: Any) -> None:
        _pressed.set()
        raise KeyboardInterrupt

    _pressed.clear()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _pressed.clear()


@contextmanager
def between_steps() -> Iterator[threading.Event]:
    """Ctrl-C sets the event instead of breaking into a step; a second one breaks in as usual.

    One that came before, or that nobody looked at inside, is raised: `KeyboardInterrupt` is never lost.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handler(*_: Any) -> None:
        if asked.is_set():
            _pressed.set()
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        check()
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
        if before is signal.default_int_handler:  # no command is left that would end by it: who goes on may work
            _pressed.clear()
    if asked.is_set():
        raise KeyboardInterrupt

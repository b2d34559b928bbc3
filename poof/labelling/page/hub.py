"""Events to every open page, as Server-Sent Events: from any thread, in order, none waiting for a slow reader."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

MOST_WAITING = 2000
"""Events that a page may be behind; then its line is cut, it connects again and reads everything anew."""
HEARTBEAT = 15.0
"""Seconds between signs of life."""


class Hub:
    """The pages that listen."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: dict[object, tuple[str, asyncio.Queue[str | None]]] = {}
        self._lock = threading.Lock()
        self._due: dict[tuple[str, Any], float] = {}
        self._closed = False

    @property
    def present(self) -> set[str]:
        """The clients that listen now."""
        with self._lock:
            return {client for client, _ in self._lines.values()}

    def publish(self, name: str, data: dict[str, Any]) -> None:
        """Send an event to every page; from any thread."""
        text = f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, allow_nan=False)}\n\n"
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._put, text)

    def publish_once(self, name: str, data: dict[str, Any], key: Any, every: float = 1.0) -> None:
        """Send an event that says 'look again', at most once in `every` seconds for a key; none is lost."""
        with self._lock:
            if (name, key) in self._due:
                return
            now = time.monotonic()
            self._due[name, key] = now
        loop = self._loop
        if loop is None or loop.is_closed():
            with self._lock:
                self._due.pop((name, key), None)
            return

        def fire() -> None:
            with self._lock:
                self._due.pop((name, key), None)
            self.publish(name, data)

        loop.call_soon_threadsafe(lambda: loop.call_later(every, fire) and None)

    async def stream(self, client: str, hello: dict[str, Any]) -> AsyncIterator[str]:
        """The events for a page, as they come, until it goes."""
        self._loop = asyncio.get_running_loop()
        line: asyncio.Queue[str | None] = asyncio.Queue()
        mark = object()
        with self._lock:
            self._lines[mark] = (client, line)
        try:
            yield f"retry: 1000\nevent: hello\ndata: {json.dumps(hello)}\n\n"
            while not self._closed:
                try:
                    text = await asyncio.wait_for(line.get(), HEARTBEAT)
                except TimeoutError:
                    text = ": here\n\n"
                if text is None:
                    return
                yield text
        finally:
            with self._lock:
                self._lines.pop(mark, None)

    def close(self) -> None:
        """Cut every line."""
        self._closed = True
        for _, line in list(self._lines.values()):
            line.put_nowait(None)

    def _put(self, text: str) -> None:
        for _, line in list(self._lines.values()):
            line.put_nowait(text if line.qsize() < MOST_WAITING else None)

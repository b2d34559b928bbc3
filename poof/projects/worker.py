"""The worker process of `poof.projects.jobs`: it reads jobs from its input and prints its progress.

Messages are pickled, each after its length; both ends are poof's own. The process ends when its input does, so that
none is left when the one that started it is gone, however that came.
"""

from __future__ import annotations

import os
import pickle
import queue
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import IO, Any, TypeVar

from poof import interrupts
from poof.errors import PoofError, PoofWarning
from poof.printable import one_line

T = TypeVar("T")
SINGLE = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""Variables that hold libraries to one thread."""
TELL = 0.2
"""Seconds between two messages of progress."""


def send(stream: IO[bytes], message: Any) -> None:
    """Write a message."""
    data = pickle.dumps(message)
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read a message; an `EOFError` at the end."""
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    (size,) = struct.unpack("<Q", head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def function_of(name: str) -> Callable[..., Any]:
    """'module:name' as the function."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def told(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, PoofError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs or take fewer --jobs"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return one_line(f"{error.filename}: {error.strerror}; check the path, its permissions and the free space")
    return one_line(f"{type(error).__name__}: {error} (a fault of poof; --jobs 1 --debug shows where)")


def peak_memory() -> int:
    """Bytes that this process took at most."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def main() -> int:
    """Work until the input ends."""
    outgoing = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever libraries print must not come between the messages
    os.dup2(nowhere, 2)
    incoming: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(incoming,), daemon=True).start()
    lock = threading.Lock()

    def say(*message: Any) -> None:
        with lock:
            send(outgoing, message)

    try:
        while True:
            with interrupts.remembered():
                job = incoming.get()
                if job is None:
                    return 0
                _work(job, say)
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _work(job: dict[str, Any], say: Callable[..., None]) -> None:
    """Do one job and say how it ended."""
    notes: list[str] = []

    def show(message: Any, category: Any, *_: Any, **__: Any) -> None:
        if issubclass(category, PoofWarning):
            notes.append(str(message))

    warnings.showwarning = show
    warnings.simplefilter("always", PoofWarning)
    base = peak_memory()
    say("begun", base)

    def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        last, done = 0.0, 0
        say("progress", description, 0, total, peak_memory())
        for item in items:
            interrupts.check()
            yield item
            done += 1
            now = time.monotonic()
            if now - last >= TELL:
                last = now
                say("progress", description, done, total, peak_memory())
        say("progress", description, done, total, peak_memory())

    try:
        value = function_of(job["function"])(track=track, **job["arguments"])
    except KeyboardInterrupt:
        raise
    except Exception as error:
        say("failed", told(error), notes, traceback.format_exc())
        return
    say("done", value, notes, peak_memory())


def _listen(incoming: queue.SimpleQueue[Any]) -> None:
    stream = os.fdopen(os.dup(0), "rb")
    try:
        while True:
            incoming.put(receive(stream))
    except (EOFError, OSError):
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())

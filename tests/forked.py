"""The process that reads HDF5, forked from the test's instead of started anew, which costs ten times the reading.

The same program runs in it. `tests/labels/test_label_hdf5.py` and one trial in twenty of the campaign start it as poof
does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import h5py  # noqa: F401 - imported before the fork

from poof.labels import hdf5, hdf5_reader


class _Forked:
    """What `poof.labels.hdf5` uses of a `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        del options
        receive, send = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(receive)
            null = os.open(os.devnull, os.O_RDWR)
            for place, file in enumerate((null, send, null)):
                os.dup2(file, place)
            sys.stdout = sys.__stdout__  # pytest has put another in its place
            try:
                hdf5_reader.run(list(command[command.index("-P") + 2 :]))
            finally:
                os._exit(1)
        os.close(send)
        self.stdout = os.fdopen(receive, "rb")

    def kill(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> None:
        """Wait for its end."""
        self.stdout.close()
        os.waitpid(self.pid, 0)


@contextlib.contextmanager
def forked_reader() -> Iterator[None]:
    """Files of HDF5 are read in forks of this process."""
    names = {"Popen": _Forked, "DEVNULL": subprocess.DEVNULL, "PIPE": subprocess.PIPE}
    with mock.patch.object(hdf5, "subprocess", SimpleNamespace(**names)):
        yield

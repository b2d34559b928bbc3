"""Ctrl-C at many moments of commands: `moments.py NAME COUNT NAME COUNT ...` in an empty folder.

It prints what is wrong, a line each. Everything is imported once; each run of a command is a fork of that process,
with an alarm that presses Ctrl-C.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2  # noqa: F401 - imported before the forks, as are the others
import torch
from kills import COMMANDS, WANTED, make, more_of
from small import shorten

from poof.cli import build, common

SECONDS = 120


def run(name: str, folder: Path, after: float | None) -> tuple[int, str, float]:
    """Run the command in a fork, with Ctrl-C after so many seconds: exit code, standard error, seconds."""
    words = ["poof", *COMMANDS[name], *more_of(folder, name)]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as told:
        pid = os.fork()
        if not pid:
            os.chdir(folder)
            os.dup2(told.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
            sys.argv = words
            signal.signal(signal.SIGALRM, _press)
            if after is not None:
                signal.setitimer(signal.ITIMER_REAL, max(after, 1e-4))
            code = 1
            try:
                code = common.guarded(build())
            except KeyboardInterrupt:  # after the command's own last line
                code = common.STOPPED
            finally:
                sys.stdout.flush()
                os._exit(code)
        for _ in range(100 * SECONDS):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            time.sleep(0.01)
        else:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -9, f"no end within {SECONDS} s", SECONDS
        told.seek(0)
        return os.waitstatus_to_exitcode(status), told.read().decode(errors="replace"), time.monotonic() - begun


def _press(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def outputs(name: str, folder: Path) -> dict[str, str]:
    """The outputs that must be the same after any interruption, by their checksums."""
    same = [path for path in WANTED[name] if path.endswith((".json", ".mp4", ".png")) and "curves" not in path]
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in same}


def main() -> None:
    """All moments of all commands."""
    torch.set_num_threads(1)
    shorten()
    for name, count in zip(sys.argv[1::2], sys.argv[2::2]):
        stop(name, int(count), Path.cwd() / name)


def stop(name: str, count: int, base: Path) -> None:
    """All moments of one command, in folders below `base`."""
    whole = base / "whole"
    whole.mkdir(parents=True)
    os.environ["POOF_CACHE"] = str(base / "cache-whole")
    make(whole)
    code, told, usual = run(name, whole, None)
    if code:
        print(f"{name}: {code}: {told[-200:]!r}")
        return
    right, stopped = outputs(name, whole), 0
    for i in range(count):
        os.environ["POOF_CACHE"] = str(base / f"cache-{i}")
        folder = base / str(i)
        folder.mkdir()
        make(folder)
        given = {path.name for path in folder.iterdir()}
        code, told, _ = run(name, folder, (i + 0.5) / count * usual)
        stopped += code == common.STOPPED
        if code not in (0, common.STOPPED) or "Traceback" in told or "fault of poof" in told:
            print(f"{name}, moment {i}: {code}: {told[-300:]!r}")
        elif code and "poof: stopped" not in told:
            print(f"{name}, moment {i}: says {told[-100:]!r}")
        code, told, _ = run(name, folder, None)
        if code:
            print(f"{name}, moment {i}: does not go on: {told[-300:]!r}")
        elif outputs(name, folder) != right:
            print(f"{name}, moment {i}: ends with something else")
        if stray := {path.name for path in folder.iterdir()} - given - {path.split("/")[0] for path in WANTED[name]}:
            print(f"{name}, moment {i}: {sorted(stray)} stay")
    print(f"{name}: stopped {stopped} of {count}", file=sys.stderr)


if __name__ == "__main__":
    main()

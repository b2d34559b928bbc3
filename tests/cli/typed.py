"""Commands as users type them, for the tests of the command line."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """One thread, a cache in `folder`, wide lines."""
    return os.environ | {"POOF_CACHE": str(folder / "cache"), "COLUMNS": "160", "OMP_NUM_THREADS": "1"} | more


@functools.cache
def _prepared() -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("prepared.py"))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def poof(*arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, forked from one that is `prepared`; `more` are environment variables."""
    words = [str(argument) for argument in arguments]
    process = _prepared()
    assert process.stdin and process.stdout
    with tempfile.TemporaryDirectory() as told:
        out, err = Path(told, "out"), Path(told, "err")
        job = [words, str(cwd), environment(cwd, **more), str(out), str(err)]
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())


def poof_started(*arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Start Python anew for the command, as a shell does."""
    return run([sys.executable, "-m", "poof"], *arguments, cwd=cwd, **more)


def run(program: list[str], *arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=cwd,
        env=environment(cwd, **more),
        capture_output=True,
        text=True,
        timeout=1800,
    )


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line on standard error with the words, exit code 1, no traceback."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("poof: error")]
    assert result.returncode == 1 and len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    for word in words:
        assert word in lines[0]


def poof_on_a_full_disk(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same where a limit on file sizes stands in for a full disk: writes beyond it fail in the same place."""
    return poof(*arguments, cwd=cwd, LARGEST_FILE="2000")

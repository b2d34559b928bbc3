"""Commands as users type them, for the tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """One thread, a cache in `folder`, wide lines."""
    return os.environ | {"POOF_CACHE": str(folder / "cache"), "COLUMNS": "160", "OMP_NUM_THREADS": "1"} | more


def poof(*arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own; `more` are environment variables."""
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
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); sys.argv[0] = 'poof';"
        "from poof.cli import main; main()"
    )
    return run([sys.executable, "-c", script], *arguments, cwd=cwd)

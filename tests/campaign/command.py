"""poof's command line in this process, and what every call of it must keep to."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Sequence

from harness import Fault, check_message

from poof.cli import build
from poof.cli.common import guarded


def poof(words: Sequence[str]) -> tuple[int, str, str]:
    """Run a command: exit code, standard output, standard error; a `Fault` if it breaks a rule of the command line."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv, warnings.showwarning, warnings.filters[:]
    sys.argv = ["poof", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = guarded(build())
    finally:
        sys.argv, warnings.showwarning, warnings.filters[:] = before
    told = err.getvalue()
    if code not in (0, 1, 2):
        raise Fault("wrong", f"exit code {code}: {told[-100:]}")
    if "fault of poof" in told or "Traceback" in told:
        raise Fault("traceback", told.strip()[:250] + told.strip()[-80:])
    lines = [line for line in told.split("\n") if line.strip()]
    if code == 1 and (not lines or not lines[-1].startswith("poof: error: ")):
        raise Fault("wrong", f"exit code 1 without an error: {told[-100:]!r}")
    if code == 0 and "poof: error" in told:
        raise Fault("wrong", f"exit code 0 with an error: {told[-100:]!r}")
    if code != 2:  # Typer draws a box around errors of usage
        for line in lines:
            check_message(line.removeprefix("poof: error: ").removeprefix("poof: warning: "))
    for line in out.getvalue().split("\n"):
        if "\x1b" in line or "\x07" in line or "\r" in line:
            raise Fault("escape", repr(line[:100]))
    return code, out.getvalue(), told

"""`python -m poof` and the command `poof`: what has to be settled before anything else is imported."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main() -> None:
    """Entry point: errors are one line and exit code 1 (2 for usage, 130 for Ctrl-C); `--debug` shows the traceback."""
    signal.signal(signal.SIGINT, _stopped)
    from poof.cli import command, common

    if "--debug" not in sys.argv:
        common.own_lines_only()
    # A shell that asks for completions has its words in the environment, and may ask for any command's.
    app = command() if "_POOF_COMPLETE" in os.environ else command(sys.argv[1:] or ["--help"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = common.guarded(app)
    except KeyboardInterrupt:  # between two statements of ours
        code = common.STOPPED
        print("poof: stopped", file=sys.stderr)

    def finished(*_: Any) -> None:
        os._exit(code)

    # The work is done or given up: a Ctrl-C while Python clears up changes nothing any more.
    signal.signal(signal.SIGINT, finished)
    sys.exit(code)


def _stopped(*_: Any) -> None:
    """Ctrl-C while modules are imported, of which there are many and some try things out."""
    # Not file 2: `own_lines_only` has left that to the libraries.
    os.write(2 if sys.stderr is None else sys.stderr.fileno(), b"poof: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()

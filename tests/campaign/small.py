"""What the kills hit: `small.py poof WORDS...` is poof with short trainings, `small.py label` a session of edits."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any

EDITS = 60


def edit(number: int) -> dict[str, Any]:
    """The edit of that number: every keypoint of every frame is set twice, at another place."""
    frame, keypoint = number % 14, number // 14 % 2
    return {"op": "set", "frame": frame, "keypoint": keypoint, "x": 1.0 + number, "y": 2.0 + keypoint}


def label() -> None:
    """Make the edits that the session does not have yet; a line for each that counts."""
    from poof.errors import PoofError
    from poof.labelling.opening import open_session

    try:
        session = open_session("images", None, "out.json", keypoints=["a", "b"])
    except PoofError as error:
        sys.exit(f"poof: error: {error}")
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    begun = session.revision - 1  # the first step names the keypoints
    print("begin", begun, flush=True)
    for number in range(begun, EDITS):
        if stopped:
            break
        session.edit([edit(number)])
        print("done", number, flush=True)
        time.sleep(0.02)
    session.close()
    if stopped:
        print("poof: stopped", file=sys.stderr)
        sys.exit(130)


def shorten() -> None:
    """Networks of `refine` learn for a few steps only."""
    from poof.pose.recipes import RECIPES

    RECIPES["footage"] = replace(RECIPES["footage"], epochs=1, least_steps=12, most_steps=12)


def main() -> None:
    """One of the two."""
    what, *words = sys.argv[1:]
    print("start", flush=True)
    if what == "label":
        label()
        return
    from poof.__main__ import main as poof

    shorten()
    sys.argv = ["poof", *words]
    poof()


def _stopped(*_: Any) -> None:
    """As poof does it while modules are imported."""
    os.write(2, b"poof: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _stopped)
    main()

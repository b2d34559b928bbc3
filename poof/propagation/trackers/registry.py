"""The point trackers by name.

To add one: a file with a subclass of `PointTracker`, a line in `TRACKERS`; or, in a package of your own, an entry point
`poof.trackers` (see `poof.flow.plugins`). Nothing of a tracker is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from poof.flow import plugins
from poof.flow.device import resolve_device
from poof.flow.naming import Named, check_options, parse, unknown, whole
from poof.propagation.trackers.base import PointTracker

GROUP = "poof.trackers"
"""Entry points of other packages' trackers."""
OPTIONS = ("weights", "code", "sha256", "window", "longest")
"""What may stand behind a tracker's name: NAME:weights=FILE,window=30."""
FEWEST, SMALLEST = 4, 64
"""Least frames of a window, and least of the longest side."""


def _parts(named: Named) -> dict[str, Any]:
    """Where weights and code are, as the name says."""
    places = {key: Path(named.options[key]) for key in ("weights", "code") if key in named.options}
    return {**places, "digest": named.options.get("sha256")}


def _cotracker(named: Named, device: str) -> PointTracker:
    from poof.propagation.trackers.cotracker import CoTracker3

    return CoTracker3(named.name, device, **_parts(named))


def _alltracker(named: Named, device: str) -> PointTracker:
    from poof.propagation.trackers.alltracker import AllTracker

    return AllTracker(named.name, device, **_parts(named))


def _tapnext(named: Named, device: str) -> PointTracker:
    from poof.propagation.trackers.tapnext import TapNext

    return TapNext(device, **_parts(named))


TRACKERS: dict[str, Callable[[Named, str], PointTracker]] = {
    "cotracker3": _cotracker,
    "cotracker3-online": _cotracker,
    "alltracker": _alltracker,
    "alltracker-tiny": _alltracker,
    "tapnext": _tapnext,
}


def available() -> list[str]:
    """The names that `create_tracker` knows; those of other packages last."""
    return [*TRACKERS, *plugins.found(GROUP)]


def create_tracker(name: str, device: str = "auto") -> PointTracker:
    """A point tracker by name.

    Parameters
    ----------
    name
        One of `available()`, with options behind a colon: 'cotracker3:weights=FILE,window=30'. `weights` is a file of
        the authors' weights in place of those that they publish, `code` a copy of their repository, `sha256` the
        checksum that the weights must have, `window` the most frames of one call, `longest` the longest side of the
        frames it is given, pixels. Code and weights that are not at hand are downloaded: naming a tracker asks for it.
    device
        Where it runs: 'auto' (CUDA where there is one), 'cpu', 'cuda', 'cuda:N' or 'mps'.

    Raises
    ------
    PoofError
        If the name or an option is unknown, or code or weights are missing or wrong.
    """
    named = parse(name, "--tracker")
    place = str(resolve_device(device))
    if named.name in TRACKERS:
        check_options(named, OPTIONS, "--tracker")
        tracker = TRACKERS[named.name](named, place)
    else:
        point = plugins.found(GROUP).get(named.name)
        if point is None:
            raise unknown(named, available(), "--tracker")
        # Whose window and size are the caller's business, whatever the tracker is.
        own = replace(named, options={k: v for k, v in named.options.items() if k not in ("window", "longest")})
        tracker = plugins.create(point, own, place, None, PointTracker, "--tracker")
    tracker.window = whole(named, "window", tracker.window, "--tracker", FEWEST)
    tracker.longest = whole(named, "longest", tracker.longest, "--tracker", SMALLEST)
    tracker.reason = tracker.reason or f"{named.text}, on {place}"
    return tracker

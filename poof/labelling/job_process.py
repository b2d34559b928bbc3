"""The process of a job of the page: it reads its task from its input, a line of JSON, and prints its progress.

Ends as soon as its input does: then nobody waits for it any more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from poof.errors import PoofError

T = TypeVar("T")


def say(**facts: Any) -> None:
    """A line to whoever started this."""
    print(json.dumps(facts), flush=True)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Progress as lines."""
    say(stage=description, done=0, total=total)
    for done, item in enumerate(items, 1):
        yield item
        say(stage=description, done=done, total=total)


def main() -> int:
    """Read, do, and say how it ended."""
    spec = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        files, message = KINDS[spec["kind"]](spec)
    except KeyboardInterrupt:
        return 130
    except PoofError as error:
        say(state="failed", message=str(error))
        return 1
    say(state="done", files=files, message=message)
    return 0


def _end_with_input() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(1)


def _sheet(spec: dict[str, Any]) -> tuple[list[str], str]:
    from poof.drawing import contact_sheet
    from poof.labels import load_labels
    from poof.video import open_video

    video = open_video(spec["video"])
    contact_sheet(video, load_labels(spec["labels"], video.frame_names), spec["output"], force=True, track=track)
    return [spec["output"]], f"written: {Path(spec['output']).name}"


def _overlay(spec: dict[str, Any]) -> tuple[list[str], str]:
    from poof.drawing import render_overlay
    from poof.labels import load_labels
    from poof.video import open_video

    video = open_video(spec["video"])
    render_overlay(video, load_labels(spec["labels"], video.frame_names), spec["output"], True, track)
    return [spec["output"]], f"written: {Path(spec['output']).name}"


def _refine(spec: dict[str, Any]) -> tuple[list[str], str]:
    from poof.flow.registry import create_flows
    from poof.labels import load_labels, save_labels
    from poof.pose.splitting import Pair
    from poof.propagation import Settings
    from poof.propagation.result_cache import ResultCache, cache_folder
    from poof.refine import refine
    from poof.video import open_video

    video = open_video(spec["video"])
    pair = Pair(video, load_labels(spec["labels"], video.frame_names).human())
    result = refine(
        [pair],
        spec["folder"],
        flow=create_flows(spec["flow"], keep=cache_folder() / "flows"),
        settings=Settings(radius=spec["radius"]),
        cache=ResultCache(cache_folder() / "segments"),
        track=track,
    )
    facts = result.as_dict()
    if result.skipped:
        return [], f"not refined: {result.skipped}"
    save_labels(result.labels[0], spec["output"], force=True)
    return [spec["output"]], f"{facts['refined']} points refined, {facts['disputed']} to look at"


def _train(spec: dict[str, Any]) -> tuple[list[str], str]:
    from poof.labels import load_labels
    from poof.pose import recipe_named, train_pose
    from poof.pose.splitting import Pair
    from poof.video import open_video

    video = open_video(spec["video"])
    pair = Pair(video, load_labels(spec["labels"], video.frame_names))
    folder = Path(spec["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    run = train_pose([pair], folder, recipe=recipe_named("default", spec.get("epochs"), None), track=track)
    summary = run.summary()
    return [str(folder / "best.pt")], summary[-1] if summary else f"written: {folder / 'best.pt'}"


KINDS = {"sheet": _sheet, "overlay": _overlay, "refine": _refine, "train": _train}
"""Kind of job -> function; it gives the files it wrote and a line for the person."""

if __name__ == "__main__":
    sys.exit(main())

"""The test protocol of a network: as it was trained, unless told otherwise, and then it is said.

What training fixes of the input (rule, window, frames, size, crop) is kept with the network in `Recognizer.trained_on`
and in its checkpoint; the classes and the normalisation are the network's own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from poof.errors import PoofError, names_near
from poof.recog.core.model import Recognizer
from poof.recog.data.dataset import View
from poof.recog.data.lists.base import ClipList, Record
from poof.recog.data.sampling import RULES, Rule, span
from poof.recog.data.transform import Crops

KEPT = ("segments", "per_segment", "size", "rule", "window", "short")
"""Of a view, what a checkpoint keeps."""


def keep_view(model: Recognizer, view: View) -> None:
    """Note in the network what its training fixes of the input."""
    model.trained_on = {key: getattr(view, key) for key in KEPT} | model.pixels


def trained_view(model: Recognizer) -> View:
    """One centre clip and crop as in training; uniform for networks that do not tell."""
    kept = {key: value for key, value in (model.trained_on or {}).items() if key in KEPT}
    view = View(model.segments, model.per_segment, model.size, flip="none")
    return replace(view, **kept)


def judging_view(
    model: Recognizer,
    *,
    rule: Rule | None = None,
    rate: int | None = None,
    window: int | None = None,
    frames: int | None = None,
    size: int | None = None,
    short: int | None = None,
    clips: int = 1,
    crops: Crops = "center",
) -> tuple[View, list[str]]:
    """The view to judge by, and what differs from training, for people.

    Parameters
    ----------
    rule, rate, window, frames, size, short
        What is to be otherwise than in training; `rate` n is every n-th frame, `frames` the segments of a clip, between
        which the distance stays as it was.
    clips, crops
        Of a test, per video.

    Raises
    ------
    PoofError
        For combinations that contradict each other, and frames that the network cannot take.
    """
    trained = trained_view(model)
    if rate is not None and (window is not None or rule == "uniform"):
        raise PoofError(f"rate={rate} takes frames in a row: leave out window and sampling uniform")
    if rule is not None and rule not in RULES:
        raise PoofError(f"sampling={rule}: choose one of {names_near(rule, RULES)}")
    if window is not None and rule == "uniform":
        raise PoofError(f"window={window}: sampling uniform has none")
    view = replace(trained, clips=clips, crops=crops, short=trained.short if short is None else short)
    if size is not None:
        view = replace(view, size=size, short=short)
    if frames is not None and frames != view.segments:
        if view.window is not None:
            view = replace(view, window=max(view.window // view.segments, 1) * frames)
        view = replace(view, segments=frames)
        _check_frames(model, frames)
    if rule is not None:
        view = replace(view, rule=rule)
    if rate is not None:
        window = view.segments * view.per_segment * rate
    if window is not None:
        view = replace(view, window=window, rule="dense" if view.rule == "uniform" else view.rule)
    return view, _differences(trained, view)


def described(view: View) -> str:
    """A view in words: 8 frames over the whole video, 224 px."""
    frames = f"{view.segments} frames" if view.per_segment == 1 else f"{view.segments} x {view.per_segment} frames"
    where = "over the whole video"
    if view.rule != "uniform":
        total = view.segments * view.per_segment
        step = max(span(view.segments, view.per_segment, view.window) // total, 1)
        where = "in a row" if step == 1 else f"{step} apart"
    return f"{frames} {where}, {view.size} px"


def marks(records: Iterable[Record]) -> torch.Tensor:
    """(N,) int64: what tells clips apart wherever the data set lies: folder, file and first frame."""
    names = ["/".join([*Path(r.path).parts[-2:], str(r.start)]) for r in records]
    return torch.tensor([zlib.crc32(name.encode("utf-8", "replace")) for name in names], dtype=torch.int64)


def chosen_on(model: Recognizer, clips: ClipList) -> int:
    """How many of these clips chose the network among the epochs of its training: a figure on them is too good."""
    if model.chosen_on is None:
        return 0
    known = set(model.chosen_on.tolist())
    return sum(mark in known for mark in marks(clips.records).tolist())


def _check_frames(model: Recognizer, frames: int) -> None:
    raw = frames * model.per_segment
    training = model.training
    try:
        with torch.inference_mode():
            device = next(model.parameters()).device
            model.eval()(torch.zeros(1, raw, 3, model.size, model.size, device=device))
    except (RuntimeError, ValueError, IndexError, PoofError) as error:
        text = f"frames={frames}: {model.config['name']} was built for {model.segments} and takes no other number"
        raise PoofError(text) from error
    finally:
        model.train(training)


def _differences(trained: View, view: View) -> list[str]:
    changes: list[tuple[str, Any, Any]] = [
        ("sampling", trained.rule, view.rule),
        ("frames", trained.segments, view.segments),
        ("size", trained.size, view.size),
    ]
    if view.rule != "uniform" and trained.rule != "uniform":
        before, now = (span(v.segments, v.per_segment, v.window) for v in (trained, view))
        changes.append(("window", before, now))
    return [f"{name} {now} (trained with {before})" for name, before, now in changes if before != now]

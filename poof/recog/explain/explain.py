"""Explanation of a video: heat maps as a sheet and a video, and the read-outs of the modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poof.deprecated import old_arguments
from poof.errors import PoofError, names_near
from poof.files import make_folder
from poof.progress import Track, silent
from poof.recog.core.model import Recognizer
from poof.recog.data.dataset import View
from poof.recog.data.frames import FrameCounts, read_frames
from poof.recog.data.lists.base import Record
from poof.recog.data.sampling import fixed_frames
from poof.recog.data.transform import fixed_crops, to_tensor
from poof.recog.evaluation.evaluate import class_names
from poof.recog.evaluation.judging import trained_view
from poof.recog.explain.gradcam import Heat
from poof.recog.explain.graph import write_graph
from poof.recog.explain.methods import SUFFIXES, ExplanationMethod
from poof.recog.explain.modules import module_sheet
from poof.recog.explain.pictures import overlay_video, save_picture, sheet


@dataclass(frozen=True)
class Explanation:
    """What `explain` found and wrote.

    Attributes
    ----------
    heats
        One per class asked for; of pyramids, one per class and level.
    diagnostics
        Read-outs of the modules (attention entropy ...) on this clip, by module.
    files
        The pictures and the video.
    """

    heats: list[Heat]
    diagnostics: dict[str, dict[str, float]]
    files: list[Path]


@old_arguments(way="method")
def explain(
    model: Recognizer,
    source: Path,
    folder: Path,
    classes: Sequence[str] = (),
    method: ExplanationMethod | None = None,
    view: View | None = None,
    video: bool = True,
    track: Track = silent,
    cells: Sequence[tuple[int, int, int]] = (),
) -> Explanation:
    """Heat maps of one clip of a video, the centre crop, as `name-heat.png` and `name-heat.mp4` in `folder`.

    The files of tubes and pyramids are called `name-tube` and `name-pyramid`; a pyramid has an overlay video a level
    and the graph of its channels as `name-pyramid-graph.png` and `.json`. What modules have to show of their own
    (squeezed images, attention maps) is `name-heat-modules.png` and so on.

    Parameters
    ----------
    classes
        Names of classes to ask about, a row each; none for the one the network prefers. Videos and graph show the
        first.
    method
        How to explain; Grad-CAM by default.
    view
        How the clip is cut; as in training by default.
    video
        Whether the overlay video is wanted.
    cells
        (t, y, x) of the points whose attention is drawn (Figs. 4.8 to 4.10 of Huang 2022): the column of the sheet,
        from 0, and the pixel in what the network saw. Without any it is that of the cell whose features change most.

    Raises
    ------
    PoofError
        For an unknown class, a cell outside of the clip, or cells where no module attends to cells.
    """
    method = method or ExplanationMethod()
    names = class_names(model)
    for name in classes:
        if name not in names:
            raise PoofError(f"unknown class '{name}'; the network knows {names_near(name, names)}")
    record = Record(source, 0, line=str(source))
    count = FrameCounts().of(record)
    view = view or trained_view(model)
    mark_cells(model, cells, view)
    numbers = fixed_frames(view.rule, count, view.segments, 1, view.per_segment, view.window)[0]
    frames = read_frames(record, numbers)
    height, width = frames.shape[1:3]
    clip = fixed_crops(frames, view.size, short=view.short)[0]
    device = next(model.parameters()).device
    inputs = model.normalise(to_tensor(clip).to(device))
    wanted: list[int | None] = [names.index(name) for name in classes] or [None]
    looks = [method.look(model, inputs, label) for label in wanted]
    heats = [heat for some, _ in looks for heat in some]
    with model.watching(), torch.inference_mode():
        model.eval()(inputs[None])
    make_folder(folder, "-o")
    stem = f"{source.stem}-{SUFFIXES[method.name]}"
    files = [folder / f"{stem}.png"]
    seen = numbers[:: model.per_segment]
    part = _seen_part(width, height, view.size, view.short)
    whole = list(frames[:: model.per_segment])
    save_picture(sheet(whole, seen.tolist(), heats, names, source.name, part), files[0])
    pictures = model.pictures()
    if pictures:
        files.append(folder / f"{stem}-modules.png")
        save_picture(module_sheet(clip, numbers.tolist(), model.per_segment, pictures, source.name), files[-1])
    first, pyramid = looks[0]
    if pyramid is not None:
        files += [folder / f"{stem}-graph.png", folder / f"{stem}-graph.json"]
        saw = list(clip[:: model.per_segment])
        write_graph(pyramid, names, files[-2], files[-1], source.name, saw, seen.tolist())
    if video and source.suffix != ".npy":
        order = np.argsort(seen, kind="stable")
        for level, heat in enumerate(first):
            files.append(folder / (f"{stem}.mp4" if pyramid is None else f"{stem}-{level}.mp4"))
            overlay_video(source, files[-1], replace(heat, maps=heat.maps[order]), seen[order], part, track)
    return Explanation(heats, model.diagnostics(), files)


def parse_cell(text: str) -> tuple[int, int, int]:
    """'4,30,56' as (t, y, x)."""
    try:
        t, y, x = (int(part) for part in text.split(","))
    except ValueError:
        raise PoofError(f"cell {text}: give column, row and column of the pixel, as in 4,30,56") from None
    return t, y, x


def mark_cells(model: Recognizer, cells: Sequence[tuple[int, int, int]], view: View) -> None:
    """Tell the modules in which cells attend to cells whose attention is asked for; none: as they choose."""
    attending = [module for _, module in model.temporal_modules() if module.marked is not None]
    if cells and not attending:
        raise PoofError("no module of this network attends from cell to cell: cells are for rnl and nonlocal")
    sizes = (view.segments, view.size, view.size)
    for cell in cells:
        if not all(0 <= part < size for part, size in zip(cell, sizes)):
            written = ",".join(map(str, cell))
            raise PoofError(f"cell {written}: there are {sizes[0]} frames of {sizes[1]} x {sizes[2]} px, from 0,0,0 on")
    for module in attending:
        module.marked = [((t + 0.5) / sizes[0], (y + 0.5) / sizes[1], (x + 0.5) / sizes[2]) for t, y, x in cells]


def mean_diagnostics(rows: Sequence[dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Read-outs of several clips averaged, a row a module."""
    names = {name: None for row in rows for name in row}
    table = []
    for name in names:
        keys = {key: None for row in rows for key in row.get(name, {})}
        means = {key: float(np.mean([row[name][key] for row in rows if key in row.get(name, {})])) for key in keys}
        table.append({"module": name, **means})
    return table


def _seen_part(width: int, height: int, size: int, short: int | None) -> tuple[int, int, int, int]:
    """x, y, width, height in source pixels of the centre crop that `fixed_crops` takes."""
    side = min(width, height) * size / (short or round(size * 256 / 224))
    side = min(round(side), width, height)
    return (width - side) // 2, (height - side) // 2, side, side

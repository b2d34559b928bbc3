"""First kernels of a network before and after its training: Figs. 5.10 and 5.11 of Huang (2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from poof.errors import PoofError
from poof.files import atomic
from poof.recog.build import build_model
from poof.recog.core.input_kernels import input_kernels
from poof.recog.core.model import Recognizer

COLOURS = ("tab:red", "tab:green", "tab:blue")
FOUND, BUILT = "as this training found it", "built anew from its knobs"
SPACE, TIME = ".space", ".time"


@dataclass(frozen=True)
class KernelChange:
    """One layer's kernels before and after training.

    Attributes
    ----------
    path
        Of the weights in the network.
    before
        None where nobody knows.
    after
        The same shape.
    source
        Where `before` is from.
    """

    path: str
    before: Tensor | None
    after: Tensor
    source: str = FOUND

    @property
    def change(self) -> float | None:
        """Norm of the difference over the norm of what was there before."""
        if self.before is None:
            return None
        return float((self.after - self.before).norm() / self.before.norm())


def kernel_changes(model: Recognizer) -> list[KernelChange]:
    """The kernels of `poof.recog.core.input_kernels` beside those that the training of this network began with.

    Runs of before poof kept them know their Laplacians alone, which are built anew from the knobs; random or published
    convolutions are lost then.

    Raises
    ------
    PoofError
        Where a kernel has changed its shape since.
    """
    start, source = model.start_kernels, FOUND
    after = {path: kernel.cpu() for path, kernel in input_kernels(model).items()}
    if start is None:
        start, source = {}, BUILT
        if any(path.endswith(SPACE) for path in after):
            start = {path: k for path, k in input_kernels(build_model(**model.config)).items() if ".filter." in path}
    for path in after.keys() & start.keys():
        if start[path].shape != after[path].shape:
            raise PoofError(f"'{path}' had another shape when its training began: the checkpoint is damaged")
    return [KernelChange(path, start.get(path), kernel, source) for path, kernel in after.items()]


def table(changes: list[KernelChange]) -> list[dict[str, Any]]:
    """A row a layer, for people."""
    return [
        {
            "kernels": one.path.removesuffix(".weight"),
            "shape": "x".join(map(str, one.after.shape)),
            "changed by": "not known" if one.change is None else f"{one.change:.1%}",
        }
        for one in changes
    ]


def draw_kernels(changes: list[KernelChange], path: Path, title: str) -> None:
    """The picture: Laplacians as maps and as a cut through their middle, convolutions as tiles, before and after."""
    from matplotlib.figure import Figure

    by_path = {one.path: one for one in changes}
    passes = [one for one in changes if one.path.endswith(SPACE)]
    convolutions = [one for one in changes if not one.path.endswith((SPACE, TIME))]
    heights = [3.0] * len(passes) + [5.0] * len(convolutions)
    figure = Figure(figsize=(10.5, sum(heights) + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, one in zip(parts, passes):
        _draw_band_pass(part, one, by_path[one.path.removesuffix(SPACE) + TIME])
    for part, one in zip(parts[len(passes) :], convolutions):
        _draw_convolution(part, one)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110)


def tiles(kernels: np.ndarray, scale: int = 1) -> np.ndarray:
    """Kernels (O, C, h, w) side by side, a white cell between: RGB in [0, 1], each from its own extremes, 0 grey.

    Three planes are red, green and blue; of any other number the mean is shown in grey.
    """
    count, planes, height, width = kernels.shape
    colour = kernels if planes == 3 else kernels.mean(1, keepdims=True).repeat(3, 1)
    largest = np.abs(colour).max((1, 2, 3), keepdims=True)
    shown = 0.5 + 0.5 * colour / np.where(largest > 0, largest, 1)
    across = int(np.ceil(np.sqrt(count)))
    down = -(-count // across)
    sheet = np.ones((down * (height + 1) - 1, across * (width + 1) - 1, 3))
    for number, kernel in enumerate(shown):
        y, x = (number // across) * (height + 1), (number % across) * (width + 1)
        sheet[y : y + height, x : x + width] = kernel.transpose(1, 2, 0)
    return sheet.repeat(scale, 0).repeat(scale, 1)


def _draw_band_pass(part: Any, space: KernelChange, time: KernelChange) -> None:
    name = space.path.removesuffix(".filter" + SPACE)
    part.suptitle(f"{name}: Laplacians ({_said(space)}), over time ({_said(time)})", fontsize=9)
    after = space.after.numpy()[:, 0]
    before = None if space.before is None else space.before.numpy()[:, 0]
    maps = [("after, " + colour, kernel) for colour, kernel in zip(("red", "green", "blue"), after)]
    if len(after) != 3:
        maps = [("after, mean of all planes", after.mean(0))]
    if before is not None:
        alike = "all colours" if (before == before[0]).all() else "mean of the colours"
        maps.insert(0, (f"before, {alike}\n({space.source})", before.mean(0)))
    *axes, cut = part.subplots(1, len(maps) + 1, width_ratios=[1] * len(maps) + [1.7])
    largest = max(float(np.abs(kernel).max()) for _, kernel in maps)
    image = None
    for one, (label, kernel) in zip(axes, maps):
        image = one.imshow(kernel, cmap="RdBu_r", vmin=-largest, vmax=largest)
        one.set_title(label, fontsize=8)
        one.set(xticks=[], yticks=[])
    bar = part.colorbar(image, ax=axes, shrink=0.6, fraction=0.05, pad=0.02)
    bar.set_label("weight", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    cells = np.arange(after.shape[-1]) - after.shape[-1] // 2
    for number, kernel in enumerate(after):
        style: Mapping[str, Any] = {"color": COLOURS[number]} if len(after) == 3 else {"alpha": 0.3}
        cut.plot(cells, kernel[len(kernel) // 2], label=f"after, {_taps(time.after, number)}", linewidth=1, **style)
    if before is not None and time.before is not None:
        cut.plot(
            cells,
            before.mean(0)[len(cells) // 2],
            "k--",
            linewidth=1.2,
            label=f"before, {_taps(time.before.mean(0, keepdim=True), 0)}",
        )
    cut.set_title("cut through the middle row; in the legend the three weights over time", fontsize=8)
    cut.set_xlabel("cells from the middle", fontsize=8)
    cut.set_ylabel("weight", fontsize=8)
    cut.tick_params(labelsize=7)
    cut.grid(alpha=0.3)
    if len(after) == 3:
        cut.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2)


def _draw_convolution(part: Any, one: KernelChange) -> None:
    count, planes, *rest, height, width = one.after.shape
    said = f"{one.path.removesuffix('.weight')}: {count} kernels of {height} x {width} px ({_said(one)})"
    if rest and rest[0] > 1:
        said += f", tap {rest[0] // 2 + 1} of {rest[0]} over time"
    if planes != 3:
        said += f", mean of {planes} planes"
    part.suptitle(f"{said}\neach from its own largest negative to its largest positive value, 0 grey", fontsize=9)
    known = one.before is not None
    axes = np.atleast_1d(part.subplots(1, 2 if known else 1))
    shown = [(f"before ({one.source})", one.before)] if known else []
    shown.append(("after" if known else "after (this run did not keep what it began with)", one.after))
    for axis, (label, kernels) in zip(axes, shown):
        assert kernels is not None
        values = kernels.numpy()
        axis.imshow(tiles(values[:, :, values.shape[2] // 2] if values.ndim == 5 else values), interpolation="nearest")
        axis.set_title(label, fontsize=8)
        axis.axis("off")


def _said(one: KernelChange) -> str:
    return "start not known" if one.change is None else f"changed by {one.change:.1%}"


def _taps(time: Tensor, channel: int) -> str:
    return ", ".join(f"{value:+.3f}" for value in time[channel].flatten().tolist())

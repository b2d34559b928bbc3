"""The schedule of the loss' weight (equation 3.19, Fig. 3.12 of Huang 2022) as docs/loss-weight.png.

python docs/make/loss_weight.py
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from poof.recog.zoo.modules.joint import scheduled_weight

TARGET = Path(__file__).resolve().parents[1] / "loss-weight.png"
STEPS = 10_000
PAIRS = ((0.1, 0.1), (0.2, 0.3), (0.5, 0.3))
"""gamma and floor (the document's lambda) of Table 3.9."""


def curve(gamma: float, floor: float, literal: bool = False) -> tuple[list[float], list[float]]:
    """Shares of the training, and alpha there."""
    steps = sorted({1, *range(10, STEPS + 1, 10), *(round(1.02**n) for n in range(465))})
    return [s / STEPS for s in steps], [scheduled_weight(s, STEPS, gamma, floor, literal) for s in steps]


def draw() -> Figure:
    """The picture."""
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots()
    for number, (gamma, floor) in enumerate(PAIRS):
        axes.plot(*curve(gamma, floor), color=f"C{number}", label=rf"$\gamma$ = {gamma}, $\lambda$ = {floor}")
        shares, weights = curve(gamma, floor, literal=True)
        late = [(gamma, floor), *((s, w) for s, w in zip(shares, weights) if s >= gamma)]
        axes.plot(*zip(*late), ":", color=f"C{number}", linewidth=2)
        axes.plot([gamma], [floor], "o", color=f"C{number}", markersize=5)
    axes.plot([], [], ":", color="0.4", label="second half as printed")
    axes.plot([], [], "o", color="0.4", label=r"turn: $\lambda$ at $\gamma$ of all steps")
    axes.set(xlabel=f"share of the training ({STEPS:,} steps)", ylabel=r"weight $\alpha$ of the projection's loss")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.03))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    draw().savefig(TARGET, dpi=110)

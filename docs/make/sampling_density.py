"""How often each frame of a video is seen by the rule `normal` (Stergiou 2021, Fig. 5.6) as docs/sampling-density.png.

python docs/make/sampling_density.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from poof.recog.data.sampling import train_frames

TARGET = Path(__file__).resolve().parents[1] / "sampling-density.png"
COUNT, FRAMES, STRIDE = 250, 16, 5
"""A video of Kinetics (250 frames on average), and the document's stride for it."""
DRAWS = 20_000


def drawn(rule: str = "normal") -> tuple[np.ndarray, np.ndarray]:
    """(COUNT,) shares of clips that begin at each frame, and (COUNT,) shares of all chosen frames."""
    rng = np.random.default_rng(0)
    clips = np.stack([train_frames(rule, COUNT, FRAMES, rng, window=FRAMES * STRIDE) for _ in range(DRAWS)])  # type: ignore[arg-type]
    first = np.bincount(clips[:, 0], minlength=COUNT) / DRAWS
    return first, np.bincount(clips.ravel(), minlength=COUNT) / clips.size


def draw() -> Figure:
    """The picture."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    frames = np.arange(COUNT)
    first, seen = drawn()
    above.bar(frames, first, width=1.0, color="C0", alpha=0.6, label=f"the first frame of {DRAWS:,} clips")
    above.plot(frames, norm.pdf(frames, COUNT / 4, COUNT / 6), color="0.2", linewidth=1, label="N(L/4, L/6)")
    above.set_ylabel("share of clips")
    below.bar(frames, seen, width=1.0, color="C1", alpha=0.7, label="normal: every frame of those clips")
    below.plot(frames, drawn("dense")[1], color="0.4", linewidth=1, label="dense: any start with room for the clip")
    below.set(
        xlabel=f"frame of a video of L = {COUNT}; clips of {FRAMES} frames, every {STRIDE}th", ylabel="share of frames"
    )
    below.set_xlim(-2, COUNT + 2)
    for axes in (above, below):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    draw().savefig(TARGET, dpi=110)

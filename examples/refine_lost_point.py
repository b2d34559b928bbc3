"""Propagate and refine a rendered clip, and show the point that gains most; the picture is in the README.

$ python examples/refine_lost_point.py docs/refine.jpg
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

import poof
from poof.drawing.plots import INK, LINE_COLOURS, save_figure
from poof.flow.registry import create_flows
from poof.labels import LabelSet
from poof.labels.model import Visible
from poof.pose import Pair
from poof.progress import bar
from poof.refine import refine
from poof.synthetic import PLAYER, SyntheticVideo, run, sample, truth
from poof.synthetic.skeleton import FOREARM, UPPER_ARM
from poof.video import ArrayVideo

FRAMES, RADIUS = 63, 10
target = Path(sys.argv[1] if len(sys.argv) > 1 else "refine-lost-point.jpg")
torch.set_num_threads(1)

# A player waves with both arms, the left one every 10 frames and the right one every 13: the wrists move by up to 40
# pixels a frame, much more than a forearm is wide, and flow takes the wall for them.
HEIGHT = 236
motion = run([(0, 330, 25), (FRAMES, 440, 40)], HEIGHT, ground=374, frames=FRAMES, fps=30)
joints = motion.joints.copy()
for side, outwards, beat in (("left", 1, 10), ("right", -1, 13)):
    shoulder, elbow, wrist = (PLAYER.index(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist"))
    phase = 2 * np.pi * motion.times / beat
    upper = np.deg2rad(95 + 35 * np.sin(phase))  # from straight down
    lower = upper + np.deg2rad(15 + 35 * np.sin(phase - 0.7))
    for end, start, angle, length in ((elbow, shoulder, upper, UPPER_ARM), (wrist, elbow, lower, FOREARM)):
        way = np.stack([outwards * np.sin(angle), np.cos(angle)], axis=-1)
        joints[:, end] = joints[:, start] + HEIGHT * length * way
hall = sample("hidden-at-anchor")
player = replace(hall.players[0], motion=replace(motion, joints=joints))
scene = replace(hall, players=(player,), occluders=(), frames=FRAMES, name="waving")
images = [image for _, image in SyntheticVideo(scene).frames()]
video = ArrayVideo(images, name=scene.name)
exact = truth(scene)
labels = exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] % (2 * RADIUS + 1) == RADIUS})

# Some minutes of one core.
flow, settings = create_flows("dis"), poof.Settings(radius=RADIUS)
carried = poof.propagate(video, labels, flow, settings, bar)
with tempfile.TemporaryDirectory() as folder:
    options = {"flow": flow, "settings": settings, "track": bar}
    run_of = refine([Pair(video, labels)], folder, tracks=[carried], **options)
refined = run_of.labels[0]


def places(found: LabelSet) -> np.ndarray:
    """(frames, K, 2): pixels, NaN where there is no point."""
    return np.stack([found.instances[f, 0].xy for f in range(FRAMES)])


def errors(found: LabelSet) -> np.ndarray:
    """(frames, K): distance from the truth in pixels, NaN where a person has set the point."""
    off = np.hypot(*np.moveaxis(places(found) - places(exact), -1, 0))
    off[labels.frames] = np.nan
    return off


before, after = errors(carried), errors(refined)
seen = np.stack([exact.instances[f, 0].visible == Visible.VISIBLE for f in range(FRAMES)])
worst = np.nanpercentile(before, 95), np.nanpercentile(after, 95)
print(f"mean error {np.nanmean(before):.1f} px by flow, {np.nanmean(after):.1f} px refined; "
      f"one in twenty is off by more than {worst[0]:.0f} px, {worst[1]:.0f} px")  # fmt: skip

# Between two labels, the keypoint that gains most where it can be seen.
gains = np.where(seen, np.nan_to_num(before - after), 0)
first, last, point = max(
    ((a, b, k) for a, b in zip(labels.frames, labels.frames[1:]) for k in range(len(exact.skeleton))),
    key=lambda choice: gains[choice[0] : choice[1], choice[2]].sum(),
)
name = exact.skeleton.keypoints[point].replace("_", " ")
shown = np.linspace(first, last, 6).round().astype(int)
ways = (  # name, places, errors, colours of the mark and of the text, shape, where the text stands
    ("flow", places(carried), before, LINE_COLOURS[4], LINE_COLOURS[1], "o", 0.25),
    ("refined", places(refined), after, LINE_COLOURS[5], LINE_COLOURS[0], "^", 0.75),
)
casing = [withStroke(linewidth=4.5, foreground=INK)]
mark: dict[str, Any] = {
    "linestyle": "none",
    "markerfacecolor": "none",
    "markersize": 13,
    "markeredgewidth": 2.5,
    "path_effects": casing,
}
cross: dict[str, Any] = {"linestyle": "none", "marker": "+", "color": "white", "markersize": 13, "path_effects": casing}
person: dict[str, Any] = cross | {"marker": "s", "markersize": 10}
below: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 11, "fontweight": "bold"}
half = 0.6 * float(np.nanmax(before[shown, point])) + 26  # of the side of a close-up, pixels

figure = Figure(figsize=(14, 3.5))
panels = figure.subplots(1, len(shown))
figure.subplots_adjust(left=0.004, right=0.996, top=0.82, bottom=0.19, wspace=0.025)
for axes, frame in zip(panels, shown):
    true, drifted = places(exact)[frame, point], places(carried)[frame, point]
    x, y = (true + drifted) / 2
    axes.imshow(images[frame], interpolation="bicubic")
    axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half), xticks=[], yticks=[])
    if frame in labels.frames:
        axes.set_title(f"frame {frame}: labelled", fontsize=11, color=INK, fontweight="bold")
        axes.plot(*true, **person)
        continue
    axes.set_title(f"frame {frame}", fontsize=11, color=INK)
    axes.plot(*np.stack([true, drifted]).T, color=LINE_COLOURS[4], linewidth=1.2)
    for called, put, off, colour, ink, shape, place in ways:
        axes.plot(*put[frame, point], marker=shape, markeredgecolor=colour, **mark)
        said = f"{called}: {off[frame, point]:.0f} px"
        axes.text(place, -0.02, said, color=ink, transform=axes.transAxes, **below)
    axes.plot(*true, **cross)
keys = [Line2D([], [], label="labelled by a person", **person)]
keys += [
    Line2D([], [], label=called, marker=shape, markeredgecolor=colour, **mark)
    for called, _, _, colour, _, shape, _ in ways
]
keys += [Line2D([], [], label="where it truly is", **cross)]
figure.legend(handles=keys, loc="lower center", ncols=4, frameon=False, fontsize=11, labelcolor=INK)
figure.suptitle(f"The {name} between two labels, and how far off it is put", fontsize=13, color=INK, y=0.985)
save_figure(figure, target, checked=True, dpi=100)
print(f"wrote {target}: the {name}, frames {first} to {last}")

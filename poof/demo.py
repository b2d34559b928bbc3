"""The demo: a rendered clip is labelled on a few frames, propagated, drawn and scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poof.drawing import contact_sheet, render_overlay
from poof.evaluation import Report, evaluate
from poof.files import check_output, make_folder
from poof.flow.registry import create_flows
from poof.labels import LabelSet, save_labels
from poof.progress import Track, silent
from poof.propagation import Settings, propagate
from poof.propagation.baselines import linear_interpolation, static_copy
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter, open_video

RADIUS = 10
FILES = (
    "video.mp4",
    "labels.json",
    "truth.json",
    "video.poof.json",
    "video.poof.csv",
    "video.poof.overlay.mp4",
    "video.poof.sheet.png",
)


@dataclass
class Demo:
    """What `run_demo` made: the folder, the labels given and gained, and the report of three methods."""

    folder: Path
    given: LabelSet
    propagated: LabelSet
    report: Report


def run_demo(folder: Path, force: bool = False, track: Track = silent) -> Demo:
    """Render the sample, keep the labels of every 21st frame, propagate them, score against the exact truth.

    Parameters
    ----------
    folder
        Where the clip, the labels and the pictures are written; made when missing.
    force
        Overwrite files of an earlier run.
    track
        Shows progress.
    """
    make_folder(folder, "-o")
    paths = {name: folder / name for name in FILES}
    for path in paths.values():
        check_output(path, force)
    scene = sample("demo")
    rendered = SyntheticVideo(scene)
    with VideoWriter(paths["video.mp4"], scene.fps, scene.size) as writer:
        for _, image in track(rendered.frames(), "rendering a sample", rendered.count()):
            writer.write(image)
    exact = truth(scene)
    anchors = set(range(RADIUS, rendered.count(), 2 * RADIUS + 1))
    given = exact.replace(instances={key: points for key, points in exact.instances.items() if key[0] in anchors})
    save_labels(given, paths["labels.json"], force=True)
    save_labels(exact, paths["truth.json"], force=True)

    video = open_video(paths["video.mp4"])
    propagated = propagate(video, given, create_flows("dis"), Settings(radius=RADIUS), track)
    save_labels(propagated, paths["video.poof.json"], force=True)
    save_labels(propagated, paths["video.poof.csv"], force=True)
    render_overlay(video, propagated, paths["video.poof.overlay.mp4"], True, track)
    contact_sheet(video, propagated, paths["video.poof.sheet.png"], force=True)
    methods = {
        "static copy": static_copy(given, RADIUS, video.count()),
        "straight lines": linear_interpolation(given, RADIUS, video.count()),
        "poof": propagated,
    }
    return Demo(folder, given, propagated, evaluate(methods, exact, thresholds=(2.0, 5.0, 10.0, 20.0), frame="image"))


def table(demo: Demo) -> list[tuple[str, float, float, float]]:
    """Rows of (method, mean error in px, share under 5 px, share under 10 px) over all points that nobody labelled."""
    rows = []
    whole = demo.report.table[demo.report.table.group == "all"]
    for _, row in whole.iterrows():
        rows.append((str(row["prediction"]), float(row["mean"]), float(row["acc@5"]), float(row["acc@10"])))
    return [r for r in rows if np.isfinite(r[1])]

"""What the parts of `speed.py` share: clips of any length as files, the command timed on them, tables of results."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clips_and_tables import WEIGHTS, anchor_labels, load_scorer
from speed_bare import high_water, shown

from poof.labels import LabelSet, Points, save_labels
from poof.video import open_video
from poof.video.writer import VideoWriter


class Runs:
    """Makes clips, runs the command and collects rows."""

    def __init__(
        self,
        quick: bool,
        folder: Path,
        gain_of: Sequence[str] = ("cam01", "bear"),
        overhead_of: slice = slice(None),
    ) -> None:
        self.quick, self.folder, self.gain_of, self.overhead_of = quick, folder, gain_of, overhead_of
        self.scorer = load_scorer()
        self.clips = self.scorer.registered()
        self.results: dict[str, Any] = {}

    def clip(self, name: str, frames: int) -> tuple[Path, Path, LabelSet]:
        """The first frames of a clip and its anchors in them, as files."""
        clip = self.clips[name]
        labels = anchor_labels(self.scorer, self.scorer.split(clip))
        if frames >= clip.frames:
            video = Path(clip.video)
        else:
            video = self.folder / f"{name}-{frames}.mp4"
            labels = labels.replace(instances={k: p for k, p in labels.instances.items() if k[0] < frames})
            if not video.is_file():
                with VideoWriter(video, 25, (clip.width, clip.height)) as writer:
                    for _, image in open_video(clip.video).frames(0, frames):
                        writer.write(image)
        path = self.folder / f"{name}-{frames}.json"
        save_labels(labels, path, force=True)
        return video, path, labels

    def long(self, name: str, count: int) -> tuple[Path, Path, LabelSet]:
        """A clip played to and fro until it has `count` frames, with a label every 21 frames."""
        clip = self.clips[name]
        labels = anchor_labels(self.scorer, self.scorer.split(clip))
        given = sorted(labels.frames)
        images = [image for _, image in open_video(clip.video).frames()]
        there = [*range(len(images)), *range(len(images) - 2, 0, -1)]
        video, path = self.folder / f"{name}-{count}.mp4", self.folder / f"{name}-{count}.json"
        with VideoWriter(video, 25, (clip.width, clip.height)) as writer:
            for frame in range(count):
                writer.write(images[there[frame % len(there)]])
        long = labels.replace(instances={})
        for frame in range(10, count, 21):
            # Which label stands where does not matter for time and memory: the nearest one.
            near = min(given, key=lambda a: abs(a - there[frame % len(there)]))
            long.add(frame, 0, Points.human(frame, labels.instances[near, 0].xy))
        save_labels(long, path, force=True)
        return video, path, long

    def command(self, video: Path, labels: Path, flow: str, *more: str) -> tuple[float, float, Path]:
        """Seconds and peak MiB of `poof propagate` on a clip, with `more` options, and its result."""
        out = self.folder / "out.json"
        line = [sys.executable, "-m", "poof", "propagate", str(video), "--labels", str(labels), "--flow", flow]
        line += ["--no-cache", "--force", "--quiet", "-o", str(out), *more]
        line += ["--weights", str(WEIGHTS)] if "raft" in flow else []
        begin = time.perf_counter()
        process = subprocess.Popen(line)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.02)
        if process.returncode:
            sys.exit(f"failed: {' '.join(line)}")
        return time.perf_counter() - begin, peak, out

    def show(self, part: str, last: bool = False) -> None:
        """Print a part as Markdown."""
        rows = self.results[part][-1:] if last else self.results[part]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        if not last or len(self.results[part]) == 1:
            print(f"\n## {part}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for row in rows:
            print(f"| {' | '.join(shown(row.get(column, '')) for column in columns)} |", flush=True)

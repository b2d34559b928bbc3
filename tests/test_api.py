"""The Python API takes paths, objects and several files alike, says what does not fit, and shows results in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import poof
from poof.labels import Source


def labelled(frames: range, made: bool = False) -> poof.LabelSet:
    """Two points in each frame; a machine's are 3 px right of a person's."""
    labels = poof.LabelSet(poof.Skeleton(("a", "b")), image_size=(100, 80))
    for frame in frames:
        points = poof.Points.human(frame, np.array([[10.0 + 3 * made, 20.0], [30.0 + 3 * made, 40.0]]))
        if made:
            points.source[:] = Source.PREDICTED
        labels.add(frame, 0, points)
    return labels


def test_several_files_of_one_video_are_merged_on_both_sides(tmp_path: Path) -> None:
    for name, frames in (("a", range(2)), ("b", range(2, 5))):
        poof.save_labels(labelled(frames), tmp_path / f"{name}.json")
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    assert poof.convert(files, tmp_path / "all.csv").frames == [0, 1, 2, 3, 4]
    report = poof.evaluate([labelled(range(5), made=True)], files)
    assert repr(report) == "Report(10 points; prediction: mean 3.00 px, 0 misses, 0 false positives)"


@pytest.mark.parametrize(("videos", "labels"), [(["a.mp4", "b.mp4"], "gt.json"), (["a.mp4"], ["gt.json", "more.json"])])
def test_as_many_label_sets_as_videos(videos: list[str], labels: str | list[str], tmp_path: Path) -> None:
    told = r"(1|2) label sets? for (2|1) videos?; give one for each"
    with pytest.raises(poof.PoofError, match=told):
        poof.refine(videos, labels, tmp_path)
    with pytest.raises(poof.PoofError, match=told):
        poof.train(labels, videos, tmp_path)


def test_a_selection_in_a_line(tmp_path: Path) -> None:
    from PIL import Image

    for n in range(6):
        Image.fromarray(np.full((40, 60, 3), 40 * n, np.uint8)).save(tmp_path / f"{n}.png")
    assert repr(poof.select(tmp_path, 2)).startswith("Selection(2 of 6 frames: ")

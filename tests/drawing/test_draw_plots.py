"""Figures: they hold the data they were given, and are written atomically."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from PIL import Image

from poof.drawing import (
    accuracy_over_threshold,
    error_over_distance,
    reliability_diagram,
    save_figure,
    save_trajectories,
    training_curves,
    trajectories,
)
from poof.drawing.plots import wilson
from poof.drawing.trajectories import confidence_band
from poof.errors import PoofError, PoofWarning
from poof.labels.model import LabelSet, Points, Skeleton, Visible


def named(axes, label):
    return next(line for line in axes.get_lines() if line.get_label() == label)


def scatters(axes):
    """(offsets, face colours, edge colours) of each scatter with points in it."""
    found = [c for c in axes.collections if isinstance(c, PathCollection) and len(c.get_offsets())]
    return [(np.asarray(c.get_offsets()), c.get_facecolors(), c.get_edgecolors()) for c in found]


# ------------------------------------------------------------------------------------------------------- trajectories


def test_each_keypoint_has_its_x_and_y(labels):
    (figure,) = trajectories(labels, title="grey")
    panels = figure.axes[:6]
    assert [axes.get_ylabel() for axes in panels[::2]] == ["head\nx (px)", "hand\nx (px)", "foot\nx (px)"]
    x, y = panels[0].get_lines()[0], panels[1].get_lines()[0]
    assert x.get_xdata().tolist() == list(range(5, 16))
    assert x.get_ydata().tolist() == [90 + 2 * i for i in range(11)]
    assert y.get_ydata().tolist() == [50.0] * 11
    assert panels[1].yaxis_inverted() and not panels[0].yaxis_inverted()
    assert "grey" in figure.get_suptitle()


def test_anchors_are_white_squares_and_the_rest_has_the_colour_of_its_confidence(labels):
    (figure,) = trajectories(labels)
    carried, anchors = scatters(figure.axes[0])
    assert anchors[0].tolist() == [[10.0, 100.0]] and to_hex(anchors[1][0]) == "#ffffff"
    assert len(carried[0]) == 10 and 10.0 not in carried[0][:, 0]
    from poof.drawing.style import confidence_colour

    first = confidence_colour(np.array([0.5]))[0] / 255
    assert carried[1][0][:3] == pytest.approx(first)


def test_occluded_points_are_hollow(labels):
    labels.instances[12, 0].visible[0] = Visible.OCCLUDED
    (figure,) = trajectories(labels)
    full, hollow, _ = scatters(figure.axes[0])
    assert hollow[0].tolist() == [[12.0, 104.0]] and len(hollow[1]) == 0
    assert len(full[0]) == 9


def test_gaps_break_the_line_and_are_marked(labels):
    for frame in (7, 8):
        labels.instances[frame, 0].xy[1] = np.nan
    del labels.instances[13, 0]
    (figure,) = trajectories(labels)
    line = figure.axes[2].get_lines()[0].get_ydata()
    assert np.isnan(line[[2, 3, 8]]).all() and np.isfinite(np.delete(line, [2, 3, 8])).all()
    spans = [patch.get_bbox() for patch in figure.axes[2].patches]
    assert sorted((box.x0, box.x1) for box in spans) == [(6.5, 8.5), (12.5, 13.5)]


def test_cuts_are_upright_lines_before_the_first_new_frame(labels):
    (figure,) = trajectories(labels, cuts=[9, 9, 400])
    upright = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in upright] == [[8.5, 8.5]]


def test_cuts_that_propagation_found_are_marked(labels):
    labels.info["propagation"] = {"cuts": [12]}
    (figure,) = trajectories(labels)
    upright = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in upright] == [[11.5, 11.5]]


def test_the_band_follows_from_the_confidence(labels):
    # p = 1 - exp(-1/2) means that the radius of 5 % is one sigma: 0.05 * 100 px.
    assert confidence_band(np.array([1 - np.exp(-0.5)]), 100.0) == pytest.approx([5.0])
    wide = confidence_band(np.linspace(0.1, 0.9, 9), 100.0)
    assert (np.diff(wide) < 0).all()
    assert np.isnan(confidence_band(np.array([np.nan]), 100.0)).all()
    assert np.isfinite(confidence_band(np.array([0.0, 1.0]), 100.0)).all()
    (figure,) = trajectories(labels)
    band = next(c for c in figure.axes[0].collections if not isinstance(c, PathCollection))
    vertices = band.get_paths()[0].vertices
    at = {frame: vertices[vertices[:, 0] == frame][:, 1] for frame in (8, 10)}
    assert np.ptp(at[10]) == 0  # a person's point has no band
    side = 70.0
    assert np.ptp(at[8]) == pytest.approx(2 * confidence_band(np.array([0.8]), side)[0], rel=1e-5)


def test_many_keypoints_take_several_pages(tmp_path):
    many = LabelSet(Skeleton(tuple(f"k{i}" for i in range(8))))
    rng = np.random.default_rng(0)
    for frame in range(5):
        many.add(frame, 3, Points.human(frame, rng.uniform(0, 100, (8, 2))))
    figures = trajectories(many)
    assert [len([a for a in f.axes if "x (px)" in a.get_ylabel()]) for f in figures] == [6, 2]
    assert "page 2 of 2" in figures[1].get_suptitle()
    written = save_trajectories(many, tmp_path / "plots")
    assert [p.name for p in written] == [f"trajectories-{i}.png" for i in (1, 2)]
    assert all(Image.open(p).width > 800 for p in written)
    written[1].write_bytes(b"mine")
    with pytest.raises(PoofError, match="exists already"):
        save_trajectories(many, tmp_path / "plots")


def test_each_individual_has_its_pages(tmp_path, labels):
    for frame in (5, 6):
        labels.add(frame, 4, labels.instances[frame, 0].copy())
    written = save_trajectories(labels, tmp_path)
    assert [p.name for p in written] == ["trajectories-0-1.png", "trajectories-4-1.png"]
    with pytest.warns(PoofWarning, match="who is who"):
        save_trajectories(labels.replace(tracked=False), tmp_path / "untracked")


def test_what_cannot_be_plotted(labels, tmp_path, skeleton):
    with pytest.raises(PoofError, match="no instance 7 in the labels; there are 0"):
        trajectories(labels, 7)
    with pytest.raises(PoofError, match="no keypoint 'nose'"):
        trajectories(labels, keypoints=["nose"])
    with pytest.raises(PoofError, match="no labels"):
        trajectories(LabelSet(skeleton))
    (tmp_path / "file").write_text("")
    with pytest.raises(PoofError, match=r"file: cannot be made \(File exists\); choose another place"):
        save_trajectories(labels, tmp_path / "file")


# ------------------------------------------------------------------------------------------------------------- curves


def test_the_reliability_diagram_shows_its_bins_and_the_gap():
    figure = reliability_diagram(
        np.array([0.25, np.nan, 0.75]), np.array([0.5, np.nan, 0.75]), np.array([10, 0, 30]), title="all"
    )
    upper, lower = figure.axes
    points = upper.containers[0].lines[0]
    assert points.get_xdata().tolist() == [0.25, 0.75] and points.get_ydata().tolist() == [0.5, 0.75]
    assert [bar.get_height() for bar in lower.patches] == [10, 30]
    # |0.25 - 0.5| * 10 / 40
    assert "0.062" in upper.texts[0].get_text() or "0.063" in upper.texts[0].get_text()


def test_wilsons_interval():
    # Textbook values (Newcombe 1998, table I): 81 of 263 -> 0.2553 to 0.3662, 0 of 20 -> 0 to 0.1611.
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263, 20]))
    assert low == pytest.approx([0.2553, 0.0], abs=1e-4)
    assert high == pytest.approx([0.3662, 0.1611], abs=1e-4)


def test_error_over_distance_holds_curve_interval_and_limits():
    distance = np.arange(1, 6)
    error = distance * 2.0
    figure = error_over_distance(
        distance,
        error,
        error - 1,
        error + 1,
        keypoints={"hip": error * 0.5, "hand": error * 3, "none": np.full(5, np.nan)},
        threshold=6.0,
        radius=3,
    )
    (axes,) = figure.axes
    assert named(axes, "all keypoints").get_ydata().tolist() == error.tolist()
    assert list(named(axes, "allowed: 6 px").get_ydata()) == [6.0, 6.0]
    assert list(named(axes, "radius 3").get_xdata()) == [3, 3]
    assert {text.get_text(): text.xy for text in axes.texts} == {"hand": (5, 30), "hip": (5, 5)}
    vertices = axes.collections[0].get_paths()[0].vertices
    assert vertices[:, 1].min() == 1.0 and vertices[:, 1].max() == 11.0


def test_accuracy_over_threshold_holds_one_line_a_name():
    thresholds = np.array([0.0, 5.0, 10.0])
    curves = {f"m{i}": np.array([0.0, 0.1 * i, 0.2 * i]) for i in range(4)}
    (axes,) = accuracy_over_threshold(thresholds, curves, marked=(5.0,)).axes
    for name, values in curves.items():
        assert named(axes, name).get_ydata().tolist() == values.tolist()
    assert len({line.get_color() for line in axes.get_lines() if line.get_label() in curves}) == 4
    many = accuracy_over_threshold(thresholds, {f"m{i}": thresholds / 10 for i in range(20)}).axes[0]
    looks = {(line.get_color(), line.get_linestyle()) for line in many.get_lines()}
    assert len(looks) == 20


def test_training_curves_share_a_panel_by_quantity():
    history = {"train_loss": [3.0, 2.0, 1.0], "val_loss": [3.5, np.nan, 2.5], "val_accuracy": [0.1, np.nan, 0.3]}
    figure = training_curves(history, best=2, title="run")
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert named(loss, "train").get_ydata().tolist() == [3.0, 2.0, 1.0]
    assert named(loss, "val").get_xdata().tolist() == [0, 2]
    assert list(named(accuracy, "kept: epoch 2").get_xdata()) == [2, 2]
    with pytest.raises(PoofError, match="empty"):
        training_curves({})


# ------------------------------------------------------------------------------------------------------------- saving


def test_figures_are_written_as_their_name_says(tmp_path):
    figure = training_curves({"loss": [1.0, 0.5]})
    for ending, head in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")):
        save_figure(figure, tmp_path / f"a{ending}")
        assert (tmp_path / f"a{ending}").read_bytes().startswith(head)
    with pytest.raises(PoofError, match=r"a\.xyz: figures are written as .*png"):
        save_figure(figure, tmp_path / "a.xyz")


def test_a_file_of_others_stays_and_an_own_figure_is_replaced(tmp_path):
    figure = training_curves({"loss": [1.0, 0.5]})
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(PoofError, match="exists already"):
        save_figure(figure, path, force=True)
    assert path.read_bytes() == b"mine"
    save_figure(figure, path, checked=True)
    save_figure(figure, path)
    assert Image.open(path).format == "PNG"


def test_a_failure_while_saving_leaves_nothing(tmp_path, monkeypatch):
    figure = training_curves({"loss": [1.0, 0.5]})

    def full(*args, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(PoofError, match=r"a\.png: cannot be written"):
        save_figure(figure, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_drawing_loads_neither_pyplot_nor_torch():
    code = "import poof.drawing, sys; sys.exit(any(m in sys.modules for m in ('matplotlib.pyplot', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

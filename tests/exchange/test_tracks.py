"""`poof tracks`: times, gaps, filters, speed and files, by hand-computed numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import netcdf_file
from scipy.signal import savgol_filter

from poof.errors import PoofError
from poof.exchange import Steps, tracks_table, write_tracks
from poof.exchange.smoothing import filled, one_euro, parse, speeds
from poof.exchange.tracks import COLUMNS
from poof.labels import LabelSet, Points, Skeleton, Source, Visible
from poof.video.base import ArrayVideo

NAN = float("nan")


def moving(frames: list[int], speed: float = 3.0) -> LabelSet:
    """One point that moves to the right; a person set the first frame, the confidence falls."""
    labels = LabelSet(Skeleton(("nose",)))
    for i, frame in enumerate(frames):
        points = Points.human(frame, np.array([[speed * frame, 5.0]]))
        if i:
            points.source[:], points.confidence[:] = Source.PROPAGATED, 1 - 0.1 * i
        labels.add(frame, 0, points)
    return labels


def test_times_speed_and_gaps() -> None:
    table, log = tracks_table(moving([2, 3, 4, 7, 8]), fps=10)
    assert tuple(table.columns) == (*COLUMNS, "filled", "speed")
    assert table["frame"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    np.testing.assert_allclose(table["time"], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    np.testing.assert_allclose(table["x"], [6, 9, 12, NAN, NAN, 21, 24])
    np.testing.assert_allclose(table["speed"], [30, 30, 30, NAN, NAN, 30, 30])
    assert table["source"].tolist() == ["human", "propagated", "propagated", "", "", "propagated", "propagated"]
    table, log = tracks_table(moving([2, 3, 4, 7, 8]), fps=10, steps=Steps(max_gap=2))
    np.testing.assert_allclose(table["x"], [6, 9, 12, 15, 18, 21, 24])
    assert table["filled"].tolist() == [False, False, False, True, True, False, False]
    assert np.isnan(table["x_raw"][3]), "what the labels say stays beside"
    assert "filled 2 points in gaps of at most 2 frames, by straight lines" in log
    table, _ = tracks_table(moving([2, 3, 4, 7, 8]), fps=10, steps=Steps(max_gap=1))
    assert table["x"].isna().sum() == 2


def test_a_gap_in_which_a_keypoint_is_absent_stays() -> None:
    labels = moving([2, 4])
    labels.add(3, 0, Points.human(3, np.array([[NAN, NAN]]), np.array([Visible.ABSENT])))
    table, _ = tracks_table(labels, fps=10, steps=Steps(max_gap=5))
    assert table["x"].isna().tolist() == [False, True, False]
    assert table["state"].tolist() == ["visible", "absent", "visible"]


def test_confidence_spares_a_person() -> None:
    labels = moving([0, 1, 2, 3])
    labels.instances[0, 0].confidence[:] = 0.1
    table, log = tracks_table(labels, fps=10, steps=Steps(min_confidence=0.8))
    assert table["x"].isna().tolist() == [False, False, False, True]
    assert table["x_raw"].notna().all()
    assert any(line.startswith("removed 1 points") for line in log)


def test_steps_come_in_order_and_within_stretches() -> None:
    rng = np.random.default_rng(0)
    labels = moving([*range(12), *range(20, 31)])
    for _, _, points in labels:
        points.xy += rng.normal(0, 1, points.xy.shape).astype(np.float32)
    table, log = tracks_table(labels, fps=10, steps=Steps(smooth=("savgol:5,2",)))
    raw = table["x_raw"].to_numpy()
    np.testing.assert_allclose(table["x"][:12], savgol_filter(raw[:12], 5, 2))
    np.testing.assert_allclose(table["x"][20:], savgol_filter(raw[20:], 5, 2))
    assert table["x"][12:20].isna().all()
    assert "smoothed by a Savitzky-Golay over 5 frames, order 2, within stretches without gaps" in log


def test_filters() -> None:
    times = np.arange(6) / 10
    spike = np.array([1.0, 1, 9, 1, 1, 1])
    assert parse("median:3")[1](spike, times).tolist() == [1] * 6
    line = 2 * np.arange(9.0) + 1
    np.testing.assert_allclose(parse("savgol:5,2")[1](line, np.arange(9.0)), line)
    assert parse("savgol:7,2")[1](np.array([4.0, 2.0]), times[:2]).tolist() == [4, 2], "too short for the order"
    # cutoff 1 Hz at 10 Hz: a share of 1 / (1 + 10 / (2 pi)) = 0.38587 of each change.
    np.testing.assert_allclose(
        one_euro(np.array([0.0, 1.0, 1.0]), times[:3], 1.0, 0.0), [0, 0.38587, 0.62284], atol=1e-5
    )
    fast = one_euro(np.array([0.0, 1.0, 1.0]), times[:3], 1.0, 1.0)
    assert fast[1] > 0.6, "a fast point is smoothed less"
    for wrong in ("median:4", "savgol:3,3", "kalman", "one-euro:0", "median:x", "median:1e400"):
        with pytest.raises(PoofError, match="say median:5, savgol:7,2 or one-euro"):
            parse(wrong)


def test_gaps_at_the_ends_stay() -> None:
    xy = np.array([[NAN, NAN], [1, 1], [NAN, NAN], [3, 5], [NAN, NAN]])
    result, made = filled(xy, np.array([0.0, 1, 1.5, 3, 4]), 3, np.zeros(5, bool))
    assert made.tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(result[2], [1.5, 2], err_msg="by the times, not by the numbers of frames")
    np.testing.assert_allclose(speeds(np.array([[0.0, 0], [3, 4], [9, 12]]), np.array([0.0, 1, 2])), [5, 7.5, 10])


def test_times_of_a_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for i, stamp in enumerate((0, 40, 80, 200, 240)):  # milliseconds: a hole of three frames
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * i, np.uint8), "rgb24")
            frame.pts, frame.time_base = stamp, __import__("fractions").Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    from poof.video import open_video

    table, log = tracks_table(moving([0, 1, 2, 3, 4]), open_video(path))
    np.testing.assert_allclose(table["time"], [0, 0.04, 0.08, 0.2, 0.24], atol=1e-3)
    assert log[0] == "times are the video's own timestamps"
    still = ArrayVideo([np.zeros((8, 8, 3), np.uint8)] * 5, fps=20)
    table, log = tracks_table(moving([0, 1, 2]), still)
    np.testing.assert_allclose(table["time"], [0, 0.05, 0.1])
    assert log[0] == "times are frame / 20 frames per second"


def test_csv_has_its_log(tmp_path: Path) -> None:
    table, log = tracks_table(moving([2, 3, 4]), fps=10, steps=Steps(max_gap=3, smooth=("median:3",)))
    write_tracks(table, log, tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_text()
    assert text.startswith("# poof tracks\n# times are frame / 10 frames per second\n# filled 0 points")
    back = pd.read_csv(tmp_path / "t.csv", comment="#")
    assert (back.shape == table.shape and back["x"].tolist() == [9, 9, 9]) or back["x"].tolist() == [6, 9, 12]


def test_netcdf_is_as_movement_has_it(tmp_path: Path) -> None:
    labels = moving([2, 3, 4])
    labels.add(3, 1, Points.human(3, np.array([[50.0, 60.0]])))
    labels.individuals = {0: "Ann", 1: "Zoë"}
    table, log = tracks_table(labels, fps=10)
    write_tracks(table, log, tmp_path / "t.nc")
    with netcdf_file(tmp_path / "t.nc", mmap=False) as file:
        position = file.variables["position"]
        assert position.dimensions == ("time", "space", "keypoints", "individuals")
        np.testing.assert_allclose(position[:][:, :, 0, 0], [[6, 5], [9, 5], [12, 5]])
        np.testing.assert_allclose(position[:][1, :, 0, 1], [50, 60])
        np.testing.assert_allclose(file.variables["time"][:], [0.2, 0.3, 0.4])
        np.testing.assert_allclose(file.variables["confidence"][:][:, 0, 0], [1, 0.9, 0.8])
        names = b"".join(file.variables["individuals"][1].tolist()).rstrip(b"\0").decode()
        assert names == "Zoë"
        assert (file.ds_type, file.time_unit, round(file.fps, 6)) == (b"poses", b"seconds", 10)
        assert b"10 frames per second" in file.log


def test_parquet(tmp_path: Path) -> None:
    table, log = tracks_table(moving([2, 3, 4]), fps=10)
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        with pytest.raises(PoofError, match=r"Parquet needs pyarrow \(pip install pyarrow\)"):
            write_tracks(table, log, tmp_path / "t.parquet")
        return
    write_tracks(table, log, tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet").shape == table.shape
    assert b"10 frames" in parquet.read_schema(tmp_path / "t.parquet").metadata[b"poof"]


def test_mistakes(tmp_path: Path) -> None:
    table, log = tracks_table(moving([2, 3]))
    assert log[0] == "times are numbers of frames: no rate is known"
    assert table["time"].tolist() == [2, 3]
    with pytest.raises(PoofError, match=r"written as \.csv, \.parquet, \.nc"):
        write_tracks(table, log, tmp_path / "t.txt")
    for wrong in ({"min_confidence": 2}, {"max_gap": -1}):
        with pytest.raises(PoofError):
            Steps(**wrong)
    with pytest.raises(PoofError, match="--fps 0"):
        tracks_table(moving([2]), fps=0)

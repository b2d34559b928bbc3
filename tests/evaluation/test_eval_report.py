"""What a report says: curve, comparison, calibration, tables, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from poof.cli.common import jsonable
from poof.errors import PoofError
from poof.evaluation import Report, evaluate, tables
from poof.labels.model import LabelSet

Make = Callable[..., LabelSet]
CORNERS = np.array([[100.0, 100.0], [130.0, 140.0]])
FRAMES = range(40)


@pytest.fixture
def report(people: Make, machine: Make) -> Report:
    """Forty frames of two joints; 'good' misses b in every fourth, 'bad' in every second of the 36 frames it has."""

    def predicted(every: int, frames: range) -> LabelSet:
        return machine(
            {(f, 0): CORNERS + np.array([[0, 0], [0, 50 * (f % every == 0)]]) for f in frames},
            confidence={(f, 0): [0.95, 0.25 if f % every == 0 else 0.75] for f in frames},
            image_size=(640, 480),
        )

    truth = people({(f, 0): CORNERS for f in FRAMES})
    return evaluate({"good": predicted(4, FRAMES), "bad": predicted(2, range(36))}, truth, None, "thesis", frame="crop")


def printed(*shown: Table) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for table in shown:
        console.print(table)
    return console.export_text()


def test_the_curve_passes_through_the_tables_accuracies(report: Report) -> None:
    at, curves = report.curve()
    assert (at[0], at[-1]) == (0.0, 45.0)
    assert list(curves) == ["good", "bad"]
    for name, values in curves.items():
        assert values[0] == 0.0  # nothing is below 0, not even an error of 0
        row = report.table[(report.table.group == "all") & (report.table.prediction == name)].iloc[0]
        assert np.interp(20, at, values) == row["acc@20"]
    at, curves = report.curve([5, 10, 1000])
    assert curves["good"].tolist() == [70 / 80, 70 / 80, 1.0]
    assert curves["bad"].tolist() == [54 / 80, 54 / 80, 72 / 80]


def test_comparison_counts_the_points_only_one_gets_right(report: Report) -> None:
    compared = report.compare("bad", samples=200, seed=3)
    assert compared.settings == {"baseline": "bad", "samples": 200, "seed": 3, "level": 0.95, "resampled": "frame",
                                 "clusters": 40}  # fmt: skip
    row = compared.pairs[compared.pairs.measure == "acc@20"].iloc[0]
    assert row.prediction == "good"
    # 'good' alone: joint b of frames 2, 6 ... 34, and what 'bad' lacks of frames 36-39: four a and three b.
    assert (row.only_prediction, row.only_baseline) == (9 + 4 + 3, 0)
    assert row.difference == pytest.approx(16 / 80)
    assert row.low < 16 / 80 < row.high
    assert row.p == pytest.approx(2 / 2**16)
    assert row.method == "exact"
    error = compared.pairs[compared.pairs.measure == "error"].iloc[0]
    assert error.difference == pytest.approx(50 * (9 - 18) / 72)  # over the 72 points that both have
    again = report.compare("bad", samples=200, seed=3)
    pd.testing.assert_frame_equal(compared.pairs, again.pairs)
    reverse = report.compare("good", samples=200, seed=3).pairs
    assert reverse[reverse.measure == "acc@20"].iloc[0].difference == pytest.approx(-16 / 80)


def test_intervals_hold_their_value_and_are_never_certain(report: Report, people: Make) -> None:
    own = report.compare(samples=200).intervals
    assert set(own.measure) == {"acc@5", "acc@10", "acc@20", "acc@30", "error"}
    assert ((own.low < own.value) & (own.value < own.high)).all()
    truth = people({(f, 0): CORNERS for f in range(9)})
    perfect = evaluate(truth, truth)
    compared = perfect.compare(samples=50)
    assert compared.intervals.low.isna().all()
    assert "100.0 │" in printed(tables.accuracy_table(perfect, compared))


def test_comparison_and_calibration_are_strict_at_the_threshold_as_the_table_is(people: Make, machine: Make) -> None:
    truth = people({(f, 0): CORNERS for f in range(6)})
    sets = {
        name: machine({(f, 0): np.add(CORNERS, [scale * f, 0]) for f in range(6)}, confidence=0.5)
        for name, scale in (("one", 1), ("two", 2))
    }
    judged = evaluate(sets, truth, [2, 4, 8], "l2", frame="image")  # errors 0, 1 ... 5 and 0, 2 ... 10
    expected = {"one": [2 / 6, 4 / 6, 1.0], "two": [1 / 6, 2 / 6, 4 / 6]}
    own = judged.compare(samples=20).intervals
    for name, values in expected.items():
        row = judged.table[(judged.table.group == "all") & (judged.table.prediction == name)].iloc[0]
        assert [row[f"acc@{t}"] for t in (2, 4, 8)] == pytest.approx(values)
        assert own[own.prediction == name].value.tolist()[:3] == pytest.approx(values)
        accuracies = [judged.calibration(t).set_index("prediction").accuracy[name] for t in (2, 4, 8)]
        assert accuracies == pytest.approx(values)


def test_videos_are_resampled_whole_from_ten_on(people: Make, machine: Make) -> None:
    truth = {f"v{i}": people({(f, 0): CORNERS for f in range(3)}) for i in range(10)}
    prediction = {v: machine({(f, 0): CORNERS + 30 * (i % 2) for f in range(3)}) for i, v in enumerate(truth)}
    many = evaluate(prediction, truth)
    assert many.compare(samples=20).settings["clusters"] == 10
    by_frame = many.compare(samples=500, resample="frame").intervals.iloc[0]
    by_video = many.compare(samples=500, resample="video").intervals.iloc[0]
    assert by_video.high - by_video.low > 1.4 * (by_frame.high - by_frame.low)
    few = evaluate({v: prediction[v] for v in list(truth)[:9]}, {v: truth[v] for v in list(truth)[:9]})
    assert few.compare(samples=20).settings == {"baseline": "prediction", "samples": 20, "seed": 0, "level": 0.95,
                                                "resampled": "frame", "clusters": 27}  # fmt: skip


def test_calibration_reads_the_confidences(report: Report, people: Make) -> None:
    table = report.calibration().set_index("prediction")
    assert table.loc["good", "points"] == 80
    assert table.loc["good", "confidence"] == pytest.approx((40 * 0.95 + 30 * 0.75 + 10 * 0.25) / 80)
    assert table.loc["good", "accuracy"] == 70 / 80
    assert table.loc["good", "auroc"] == 1.0  # the doubtful points are the wrong ones
    assert table.loc["good", "ece"] == pytest.approx((40 * 0.05 + 30 * 0.25 + 10 * 0.25) / 80)
    assert table.loc["bad", "points"] == 72
    bins = report.reliability("bad", bins=10)
    assert bins.points.tolist() == [0, 0, 18, 0, 0, 0, 0, 18, 0, 36]
    assert report.calibration(1e6).accuracy.tolist() == [1.0, 1.0]
    silent = people({(f, 0): CORNERS for f in FRAMES})
    for points in silent.instances.values():
        points.confidence[:] = np.nan
    assert evaluate(silent, people({(0, 0): CORNERS})).calibration().empty


def test_unknown_names_list_the_known_ones(report: Report) -> None:
    for ask in (report.compare, report.reliability):
        with pytest.raises(PoofError, match="no prediction 'ugly'; there are good, bad"):
            ask("ugly")
    with pytest.raises(PoofError, match="resample: 'joint' is not one of auto, frame, video"):
        report.compare(resample="joint")  # type: ignore[arg-type]


def test_tables_show_the_numbers(report: Report) -> None:
    compared = report.compare("bad", samples=100)
    text = printed(tables.accuracy_table(report, compared), tables.error_table(report))
    assert "thesis error below T px of the 256x192 crop" in text
    assert " 87.5 (" in text
    assert " 67.5 (" in text
    assert " 90.0 " in text  # predicted by 'bad'
    assert "p99" in text
    text = printed(tables.comparison_table(compared))
    assert [line.split()[3:8] for line in text.splitlines() if "acc@20" in line] == [
        ["acc@20,", "%", "│", "+20.00", "│"]
    ]
    assert "40 frames" in text
    assert "common points, px" in text
    assert " -6.25 " in text
    joints = printed(tables.group_table(report, "joint", "bad"))
    row = next(line for line in joints.splitlines() if "│ b " in line)
    assert row.split()[1::2] == ["b", "40", "45.0", "75.0", "+30.00"]
    assert "mean" in joints
    assert "difference" not in printed(tables.group_table(report, "source"))
    assert "no prediction's file tells its anchors" in printed(tables.group_table(report, "distance"))
    assert "AP75" in printed(tables.oks_table(report.oks()))
    assert "1.000" in printed(tables.calibration_table(report.calibration(), report.unit))


def test_one_prediction_alone_shows_all_thresholds_per_joint(people: Make, machine: Make) -> None:
    alone = evaluate(machine({(0, 0): CORNERS}), people({(0, 0): CORNERS, (1, 0): CORNERS}))
    text = printed(tables.group_table(alone, "joint"), tables.accuracy_table(alone), tables.group_table(alone, "video"))
    assert text.count("T = 30") == 3
    assert " 50.0 " in text


def test_csv_and_json_hold_every_number(report: Report, tmp_path: Path) -> None:
    report.to_csv(tmp_path / "t.csv")
    table = pd.read_csv(tmp_path / "t.csv", keep_default_na=True)
    assert len(table) == len(report.table)
    assert set(table.group) == {"all", "joint", "mean of joints", "video", "source"}
    row = table[(table.prediction == "bad") & (table.group == "joint") & (table["name"] == "b")].iloc[0]
    assert row["acc@20"] == 0.45
    assert list(tmp_path.iterdir()) == [tmp_path / "t.csv"]
    content = report.as_dict() | {"comparison": report.compare(samples=10).as_dict()}
    again = json.loads(json.dumps(jsonable(content), allow_nan=False))
    assert again["settings"]["thresholds"] == [5, 10, 20, 30]
    assert len(again["rows"]) == len(report.table)
    assert again["rows"][0]["acc@20"] == 0.875
    assert len(again["curve"]["good"]) == len(again["curve"]["threshold"]) == 151
    assert again["comparison"]["settings"]["baseline"] == "good"

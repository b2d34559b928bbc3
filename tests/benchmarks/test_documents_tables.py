"""The documents' tables: every row names what the registry has, orderings are told rightly, and runs go on."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest
import torch

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import documents
import documents_report as report
from documents_tables import Row, Spec, chosen, parse_spec, run_name, small_of, tables

HUANG_3, HUANG_4, HUANG_5 = (1, 2, 3, 9, 10, 11, 12, 13), (2, 3, 4, 5), (4, 5, 6, 7, 8)
WANTED = [
    *(f"Gebotys 4.{number}" for number in range(2, 7)),
    *(f"Huang 3.{number}" for number in HUANG_3),
    *(f"Huang 4.{number}" for number in HUANG_4),
    *(f"Huang 5.{number}" for number in HUANG_5),
    *("Cao 1", "Cao 2", "Zeng 4.1", "Zeng 4.2", "Zeng 4.3", "Stergiou 4.1", "Stergiou 5.2"),
    *(f"Stergiou 5.{number}" for number in range(6, 10)),
    *(f"Stergiou 6.{number}" for number in range(2, 5)),
]


def arguments(folder: Path) -> argparse.Namespace:
    return argparse.Namespace(
        out=folder,
        runs=folder / "runs.jsonl",
        seeds=3,
        clips=16,
        epochs=1,
        start_epochs=1,
        ucf_epochs=1,
        size=48,
        lr=0.002,
        optimizer="adamw",
        quick=True,
    )


def test_every_ablation_table_is_there_with_all_its_rows() -> None:
    assert set(WANTED) <= set(tables())
    counts = {name: len(tables()[name].rows) for name in ("Gebotys 4.6", "Huang 4.2", "Zeng 4.1", "Stergiou 5.6")}
    assert counts == {"Gebotys 4.6": 12, "Huang 4.2": 13, "Zeng 4.1": 18, "Stergiou 5.6": 7}
    assert tables()["Huang 3.13"].metric == "enopr" and tables()["Zeng 4.2"].metric == "clip_top1"


def test_every_specification_is_known_or_says_why_not() -> None:
    for table in tables().values():
        for row in table.rows:
            if row.full is not None:
                row.full.check()
            assert row.lacking == row.reason, (table.name, row.label)
    lacking = [row for table in tables().values() for row in table.rows if row.lacking]
    assert len(lacking) < 25
    missing = Row("new", 1.0, None, Spec("no-such-network"))
    assert missing.lacking.startswith("not built yet: unknown backbone or network 'no-such-network'")


def test_whole_rows_are_what_the_registry_prints_for_them() -> None:
    """A table's figure and that of the published network with its modules are the same."""
    from poof.recog.zoo.networks import NETWORKS

    printed = {(n.backbone, n.modules): [p.top1 for p in n.published] for n in NETWORKS.values()}
    checked = 0
    for table in chosen(["Gebotys"]):
        for row in table.rows:
            assert row.full is not None
            assert row.printed in printed[row.full.name, row.full.modules], (table.name, row.label)
            checked += 1
    assert checked == 34


def test_small_networks_stand_in_by_rule() -> None:
    small = {
        "resnet50 tsm rnl:blocks=1": "mobilenet_v2 tsm rnl:blocks=1",
        "bqn-resnet50:ratio=1.0,lateral=lc3": "bqn-resnet50:backbone=mobilenet_v2,ratio=1.0,lateral=lc3",
    }
    assert {full: str(small_of(parse_spec(full), "ucf")) for full in small} == small
    assert str(small_of(parse_spec("resnet18 m2a:attention=tam"), "motion")) == (
        "resnet18_quarter m2a:reduction=2,attention=tam"
    )
    assert str(small_of(parse_spec("x3d_xs pwtp:t=4 frames=4"), "motion")) == "resnet18_quarter pwtp:t=4 tsm"
    assert small_of(parse_spec("r2plus1d_18_exact dem:match=true rate=2>4"), "rates").rate == (2, 4)
    assert small_of(parse_spec("inception_resnet_v2 frames=3"), "ucf").frames == 3
    with pytest.raises(PoofError, match="unknown backbone or network 'no-such"):
        small_of(Spec("no-such"), "ucf").check()


@pytest.mark.parametrize("name", ["Gebotys 4.6", "Stergiou 5.6"])
def test_small_networks_build(name: str) -> None:
    row = tables()[name].rows[-1]
    assert row.small is not None
    with on_meta():
        model = recog.build_model(row.small.name, row.small.modules, row.small.frames, 8, size=48)
    assert model(torch.empty(model.clip_shape, device="meta")).shape == (1, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", tables())
def test_all_small_networks_build(name: str) -> None:
    size = {"motion": 48, "ucf": 64, "rates": 24}[tables()[name].task]
    for row in tables()[name].rows:
        if not row.lacking:
            assert row.small is not None
            with on_meta():
                recog.build_model(row.small.name, row.small.modules, row.small.frames, 8, size=size)


def test_orderings() -> None:
    rising = (10.0, 20.0)
    low, high = {0: 50.0, 1: 51.0, 2: 49.0}, {0: 60.0, 1: 61.5, 2: 58.5}
    assert report.ordering(rising, low, high) == (
        report.HOLDS,
        "+10.00 ± 1.24",
    )  # t(2) = 4.303, sd = 0.5
    assert report.ordering(rising, high, low)[0] == report.FAILS
    assert report.ordering((20.0, 10.0), high, low)[0] == report.HOLDS
    noisy = {0: 50.0, 1: 70.0, 2: 45.0}
    assert report.ordering(rising, low, noisy)[0] == report.UNTOLD
    assert report.ordering(rising, low, {0: 90.0}) == (report.UNTOLD, "+40.00, one seed")
    assert report.ordering(rising, low, {7: 90.0}) == (report.UNTOLD, "not run")
    assert report.ordering(rising, low, low)[0] == report.UNTOLD  # equal, always


def test_a_table_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def learn(spec: Spec, seed: int, run: Path, args: argparse.Namespace) -> documents.Record:
        made.append((str(spec), seed))
        return {"top1": 0.25 + seed / 100, "order": 0.5}

    monkeypatch.setitem(documents.LEARN, "motion", learn)
    args, table = arguments(tmp_path), tables()["Gebotys 4.1"]
    first = table.rows[0].small
    assert first is not None
    for _ in range(2):
        for seed in range(2):
            assert documents.run_row("motion", first, seed, args)["top1"] == 0.25 + seed / 100
    assert made == [("resnet18_quarter", 0), ("resnet18_quarter", 1)]
    assert report.figures(table, table.rows[0], args) == {0: 25.0, 1: 26.0}
    assert report.figures(table, table.rows[1], args) == {}
    args.epochs = 2
    with pytest.raises(PoofError, match="'epochs': 1"):
        documents.run_row("motion", first, 0, args)


def test_activations_learn_by_the_projections_loss_alone(tmp_path: Path) -> None:
    table = tables()["Huang 3.1"]
    assert [row.printed for row in table.rows] == [7.01, 7.12, 7.14, 7.33, 8.33, 9.86]
    small = table.rows[-1].small
    assert small is not None and table.metric == "projection_loss"
    assert str(small) == "resnet18_quarter tsp:delta1=relu,delta2=relu frames=1 objective=modules"
    args = arguments(tmp_path)
    args.size = 32
    record = documents.run_row("motion", small, 0, args)
    assert "top1" not in record and 0 < record["projection_loss"] < 10
    assert report.figures(table, table.rows[-1], args) == {0: 100 * record["projection_loss"]}
    assert not list(tmp_path.glob("start-*"))  # there is nothing that a trained start would change


def test_rows_that_differ_in_the_rate_of_the_test_share_a_run(tmp_path: Path) -> None:
    table = tables()["Zeng 4.2"]
    rows = table.rows[0], table.rows[2]
    names = {run_name("rates", row.small, 0) for row in rows if row.small}
    assert names == {"rates_r2plus1d_18_quarter_rate1_0"}
    content = {"run": names.pop(), "top1": {}, "clip_top1": {"1": 0.3, "2": 0.4}, "budget": {}}
    args = arguments(tmp_path)
    args.runs.write_text(json.dumps(content))
    assert [report.figures(table, row, args) for row in rows] == [{0: 30.0}, {0: 40.0}]


def test_show_prints_both_tables_and_the_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "costs", lambda spec, folder: (11.266, 14.509))
    args, table = arguments(tmp_path), tables()["Gebotys 4.1"]
    tops = {"none": (0.5, 0.5), "attention alone": (0.5, 0.5), "motion alone": (0.8, 0.81), "M2A": (0.9, 0.88)}
    with args.runs.open("w") as file:
        for row in table.rows:
            assert isinstance(row, Row) and row.small is not None
            for seed, top1 in enumerate(tops[row.label]):
                record = {"run": run_name("motion", row.small, seed), "top1": top1, "budget": {}}
                file.write(json.dumps(record) + "\n")
    report.show(table, args)
    said = capsys.readouterr().out
    assert "| motion alone | 28.9 | 80.50 ± 6.4 |  | 11.266 | 14.509 |  |" in said
    assert "- attention alone < motion alone: holds (+12.00; +30.50 ± 6.35)" in said
    assert "Gebotys 4.1: 1 holds, 2 cannot be told" in said


def test_tables_are_asked_for_by_name_or_document() -> None:
    assert [table.name for table in chosen(["Cao", "Zeng 4.3"])] == ["Cao 1", "Cao 2", "Cao Fig. 5", "Zeng 4.3"]
    with pytest.raises(PoofError, match=r"no table 'Huang 9.9'; there are Huang 3\.9, .* \(44 in all\)$"):
        chosen(["Huang 9.9"])

"""Results that `poof recog eval` compares: one run, runs at several rates, or an ensemble of runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poof.cli import common
from poof.cli.recog import options

if TYPE_CHECKING:
    from poof.recog.core.model import Recognizer
    from poof.recog.data import ClipList
    from poof.recog.evaluation.evaluate import Evaluation


@dataclass(frozen=True)
class Cell:
    """One judged network: its run, its answers, and the rates of this test and of training (None: whole videos)."""

    name: str
    result: Evaluation
    rate: int | None = None
    trained: int | None = None

    @property
    def title(self) -> str:
        """Name and rate."""
        return self.name if self.rate is None else f"{self.name} at rate {self.rate}"

    @staticmethod
    def targets(runs: Sequence[Path], rates: str | None, output: Path | None) -> list[Path]:
        """Where the answers go, in the order of the cells; of --fuse only those of all together."""
        from poof.recog.evaluation.rates import parse_rates

        if output is None:
            return []
        if rates is None:
            return [output]
        several = len(runs) > 1
        stems = [f"-{_name(run)}" if several else "" for run in runs]
        return [output.with_stem(f"{output.stem}{stem}-r{n}") for stem in stems for n in parse_rates(rates)]


def judge_run(run: Path, names: ClipList, changes: dict[str, Any], how: dict[str, Any]) -> Cell:
    """A run, or a file of answers, judged as it was trained but for the changes."""
    from poof.recog.evaluation.evaluate import evaluate
    from poof.recog.evaluation.fusion import answers_of

    if run.suffix == ".csv":
        return Cell(run.stem, answers_of(run))
    model = _load(run, names, how)
    view = options.view_of(model, how["quiet"], **changes)
    track = common.track(how["quiet"])
    result = evaluate(
        model,
        names,
        view,
        None,
        how["workers"],
        how["batch"],
        track,
        how["max_broken"],
        average=how["average"],
        read_outs=how["read_outs"],
    )
    return Cell(_name(run), result)


def judge_rates_of(
    runs: Sequence[Path], rates: str, names: ClipList, changes: dict[str, Any], how: dict[str, Any]
) -> list[Cell]:
    """Every run at every rate."""
    from poof.recog.data.frames import FrameCounts
    from poof.recog.evaluation.judging import judging_view
    from poof.recog.evaluation.rates import judge_rates, parse_rates, training_rate

    wanted, counts, cells = parse_rates(rates), FrameCounts(), []
    for run in runs:
        model = _load(run, names, how)
        view = judging_view(model, **changes)[0]
        track = common.track(how["quiet"])
        judged = judge_rates(
            model, names, view, wanted, counts, how["workers"], how["batch"], track, how["max_broken"], how["average"]
        )
        cells += [Cell(_name(run), result, rate, training_rate(model)) for rate, result in judged.items()]
    return cells


def fused_cells(cells: list[Cell], weights: str | None) -> list[Cell]:
    """The cells and, last, all of them together."""
    from poof.errors import PoofError
    from poof.recog.evaluation.fusion import fuse

    try:
        numbers = None if weights is None else [float(part) for part in weights.split(",")]
    except ValueError:
        raise PoofError(f"weights {weights}: give numbers with commas between them, as in 1,1.5") from None
    return [*cells, Cell("fused", fuse([cell.result for cell in cells], numbers))]


def _load(run: Path, names: ClipList, how: dict[str, Any]) -> Recognizer:
    from poof.errors import PoofWarning
    from poof.recog.evaluation.judging import chosen_on

    model = options.load(run, how["device"])
    known = chosen_on(model, names)
    if known:
        warnings.warn(
            f"{run}: its best epoch was chosen by {known} of these {len(names)} clips, so its figure on them is too "
            "good; judge last.pt, or train with --val part",
            PoofWarning,
            stacklevel=2,
        )
    return model


def _name(run: Path) -> str:
    return run.name if run.is_dir() else run.parent.name or run.stem

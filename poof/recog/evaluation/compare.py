"""Two networks on the same videos: is one better, on which classes, and could it be luck."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from poof.errors import PoofError, not_there
from poof.evaluation.significance import McNemar, mcnemar_of
from poof.files import atomic
from poof.recog.data.lists.base import shown


@dataclass(frozen=True)
class Difference:
    """First network minus second.

    Attributes
    ----------
    first, second
        Top-1 accuracies on the videos that both judged.
    videos
        How many those are.
    mcnemar
        Whether the videos on which they differ could split like that by chance.
    per_class
        class, videos, first, second, difference; the largest gain first (Fig. 4.5 of Gebotys 2022).
    """

    first: float
    second: float
    videos: int
    mcnemar: McNemar
    per_class: pd.DataFrame

    @property
    def counts(self) -> tuple[int, int, int]:
        """Classes on which the first network is better, as good, worse."""
        signs = np.sign(self.per_class["difference"].to_numpy())
        return int((signs > 0).sum()), int((signs == 0).sum()), int((signs < 0).sum())


def compare(first: Path | pd.DataFrame, second: Path | pd.DataFrame) -> Difference:
    """Compare two files of `Evaluation.write_answers`, or such tables themselves.

    Raises
    ------
    PoofError
        If a file is no such table, or they share no video, or disagree about a true class.
    """
    names = ["this network's answers" if isinstance(one, pd.DataFrame) else str(one) for one in (first, second)]
    a, b = (one if isinstance(one, pd.DataFrame) else read_answers(one) for one in (first, second))
    needed = ["path", "label", "correct"]
    both = a[needed].merge(b[needed], on="path", suffixes=("_first", "_second"))
    if both.empty:
        raise PoofError(f"{names[0]} and {names[1]} share no video; evaluate both networks on the same list")
    wrong = both[both["label_first"] != both["label_second"]]
    if len(wrong):
        raise PoofError(f"{names[0]} and {names[1]} disagree about the class of {wrong['path'].iloc[0]}")
    rows = both.groupby("label_first").agg(
        videos=("path", "size"), first=("correct_first", "mean"), second=("correct_second", "mean")
    )
    rows["difference"] = rows["first"] - rows["second"]
    table = rows.rename_axis("class").reset_index().sort_values(["difference", "class"], ascending=[False, True])
    right = both["correct_first"].to_numpy(bool), both["correct_second"].to_numpy(bool)
    return Difference(
        float(right[0].mean()), float(right[1].mean()), len(both), mcnemar_of(*right), table.reset_index(drop=True)
    )


def plot_difference(difference: Difference, names: tuple[str, str], path: Path, classes: int = 30) -> None:
    """A histogram of the per-class difference, and bars of its `classes` ends, half above and half below, as a picture.

    Documents: Fig. 4.5 of Gebotys (2022), Figs. 4.1 and 4.2 of Zeng (2020), Fig. 7 of Cao et al. (2021).
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = difference.per_class
    every = 100 * table["difference"].to_numpy()
    if len(table) > classes:
        table = pd.concat([table.head(classes - classes // 2), table.tail(classes // 2)])
    figure = Figure(figsize=(12, max(1.2 + 0.28 * len(table), 3.2)), layout="constrained")
    axes, left = figure.subplots(1, 2, width_ratios=(2, 1))
    reach = max(np.ceil(np.abs(every).max() / 5) * 5, 5)
    left.hist(every, np.arange(-reach - 2.5, reach + 5, 5), color="tab:blue", edgecolor="white")
    left.axvline(0, color="black", linewidth=0.8)
    left.yaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel="difference, percentage points", ylabel="classes")
    better, _, worse = difference.counts
    left.set_title(f"better on {better} of {len(every)} classes, worse on {worse}", fontsize=10)
    values = 100 * table["difference"].to_numpy()[::-1]
    axes.barh(range(len(table)), values, color=["tab:green" if v >= 0 else "tab:red" for v in values])
    axes.set_yticks(range(len(table)), table["class"].to_list()[::-1])
    axes.axvline(0, color="black", linewidth=0.8)
    low, high = min(values.min(), 0), max(values.max(), 0)
    axes.set_xlim(low - 5, high + 5)
    axes.set(xlabel=f"top-1 of {names[0]} minus {names[1]}, percentage points")
    axes.set_title(
        f"{100 * difference.first:.1f} % against {100 * difference.second:.1f} % on {difference.videos} videos, "
        f"McNemar p = {difference.mcnemar.p:.3g}",
        fontsize=10,
    )
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110)


def read_answers(path: Path) -> pd.DataFrame:
    """A file of `Evaluation.write_answers`.

    Raises
    ------
    PoofError
        If it is something else, or names a video twice.
    """
    try:
        table = pd.read_csv(path, dtype={"path": str, "label": str}, keep_default_na=False)
    except FileNotFoundError:
        raise not_there(path, "file of answers", "`poof recog eval RUN -d LIST -o FILE` writes one") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise PoofError(f"{path}: cannot be read as answers of `poof recog eval` ({shown(error)})") from error
    missing = {"path", "label", "correct"} - set(table.columns)
    if missing:
        raise PoofError(f"{path}: has no column '{min(missing)}'; write it with `poof recog eval -o`")
    right = table["correct"].astype(str).str.lower()
    if not right.isin(["true", "false"]).all():
        raise PoofError(f"{path}: its column 'correct' holds more than True and False; write it anew")
    if table["path"].duplicated().any():
        raise PoofError(f"{path}: has {shown(table['path'][table['path'].duplicated()].iloc[0])} twice; write it anew")
    return table.assign(correct=right == "true")

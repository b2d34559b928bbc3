"""The documents' ablation tables as `documents.txt` has them: rows, printed figures, and what poof builds for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from poof.errors import PoofError, names_near
from poof.recog.insertion import check_knobs, network_knobs, parse_knobs, parse_request, unknown
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.networks import NETWORKS

FILE = Path(__file__).with_name("documents.txt")
TASKS = ("motion", "ucf", "rates")
NARROW, NARROW_3D = "resnet18_quarter", "r2plus1d_18_quarter"
QUARTERED = {"m2a": 2, "tea": 4, "tdn": 4, "se": 4, "gc": 4, "cbam": 4}
"""Reductions that leave a quarter of the channels as many squeezed ones as the usual reduction leaves all of them."""


@dataclass(frozen=True)
class Spec:
    """What poof builds: a backbone or network, modules, segments, side of the input, rates of training and test, and
    what is trained: all, or modules by the losses of their own alone."""

    name: str
    modules: tuple[str, ...] = ()
    frames: int = 8
    size: int = 224
    rate: tuple[int, int] | None = None
    objective: str = "all"

    @property
    def base(self) -> str:
        """The name without knobs."""
        return self.name.partition(":")[0]

    def __str__(self) -> str:
        frames = f"frames={self.frames}" if self.frames != 8 else ""
        trained = f"objective={self.objective}" if self.objective != "all" else ""
        return " ".join(word for word in (self.name, *self.modules, frames, trained) if word)

    def check(self) -> None:
        """Names and knobs against the registry, without building.

        Raises
        ------
        PoofError
            For what the registry does not have.
        """
        for module in self.modules:
            parse_request(module)
        if self.base in NETWORKS:
            builder = NETWORKS[self.base].backbone
            if isinstance(builder, str):
                return
            check_knobs(self.base, parse_knobs(self.name.partition(":")[2], self.name), network_knobs(builder))
        elif self.name not in BACKBONES:
            raise unknown("backbone or network", self.name, [*BACKBONES, *NETWORKS])


@dataclass(frozen=True)
class Row:
    """A printed row: label and figure (None: not printed), the whole network, the small one, or why it is not run."""

    label: str
    printed: float | None
    full: Spec | None
    small: Spec | None
    reason: str = ""

    @property
    def lacking(self) -> str:
        """Why it cannot be run here and now; empty where it can."""
        if self.reason or self.small is None:
            return self.reason
        try:
            self.small.check()
        except PoofError as error:
            return f"not built yet: {str(error).split('; ')[0]}"
        return ""


@dataclass(frozen=True)
class Table:
    """A printed table.

    Attributes
    ----------
    name
        Document and number.
    task
        Where its small rows are run, one of `TASKS`.
    twos
        Whether the first row is compared with the second, the third with the fourth, instead of all neighbours.
    printed
        What its figures are.
    asks
        What it is about.
    """

    name: str
    task: str
    twos: bool
    printed: str
    asks: str
    rows: tuple[Row, ...]

    @property
    def metric(self) -> str:
        """What of a run stands beside the printed figure."""
        kind = self.printed.split(",")[0].split()[0]
        return {"ENoPR": "enopr", "clip": "clip_top1", "projection": "projection_loss"}.get(kind, "top1")

    def pairs(self) -> list[tuple[Row, Row]]:
        """The rows that are compared."""
        return list(zip(self.rows, self.rows[1:]))[:: 2 if self.twos else 1]


def parse_spec(text: str) -> Spec:
    """Words to a specification."""
    spec = Spec("")
    for number, word in enumerate(text.split()):
        key, _, value = word.partition("=")
        if key in ("frames", "size") and value.isdigit():
            spec = replace(spec, **{key: int(value)})
        elif key == "rate":
            train, test = value.split(">")
            spec = replace(spec, rate=(int(train), int(test)))
        elif key == "objective":
            spec = replace(spec, objective=value)
        elif number == 0:
            spec = replace(spec, name=word)
        else:
            spec = replace(spec, modules=(*spec.modules, word))
    return spec


def small_of(full: Spec, task: str) -> Spec:
    """The network that is trained in place of the whole one: MobileNetV2 (ucf), or one of a quarter of the width."""
    host = {"motion": NARROW, "ucf": "mobilenet_v2", "rates": NARROW_3D}[task]
    base, _, knobs = full.name.partition(":")
    modules = full.modules
    if base.startswith("mtnet"):
        host = "mtnet_half"
    elif base.startswith(("i3d", "r3d", "r2plus1d", "wide_r3d")):
        host = NARROW_3D
    elif base == "x3d_xs":
        modules = (*modules, "tsm")
    if base in NETWORKS or "-" in base:  # no backbone has a dash
        host = f"{base}:" + ",".join(word for word in (f"backbone={host}", knobs) if word)
    if host in (NARROW, NARROW_3D):
        modules = tuple(map(_quartered, modules))
    return Spec(host, modules, full.frames if full.frames < 4 else 8, rate=full.rate, objective=full.objective)


def _quartered(module: str) -> str:
    name, _, knobs = module.partition(":")
    if name not in QUARTERED or "reduction=" in knobs:
        return module
    return f"{name}:" + ",".join(word for word in (f"reduction={QUARTERED[name]}", knobs) if word)


@cache
def tables() -> dict[str, Table]:
    """Every table by its name, in the order of the file."""
    found: dict[str, Table] = {}
    for line in FILE.read_text().splitlines():
        if line.startswith("== "):
            name, task, compared, printed, asks = (part.strip() for part in line[3:].split(" | "))
            assert task in TASKS and compared in ("neighbours", "twos"), line
            table = Table(name, task, compared == "twos", printed, asks, ())
            found[name] = table
        elif line.strip() and not line.startswith("#"):
            found[name] = replace(found[name], rows=(*found[name].rows, _row(line, found[name].task)))
    return found


def _row(line: str, task: str) -> Row:
    label, printed, full_text, *rest = (part.strip() for part in line.split(" | "))
    full = None if full_text == "-" else parse_spec(full_text)
    figure = None if printed == "-" else float(printed)
    other = rest[0] if rest else ""
    if other.startswith("!"):
        return Row(label, figure, full, None, other[1:].strip())
    assert full is not None, f"{line}: a row without a specification needs a reason"
    small = parse_spec(other) if other else small_of(full, task)
    return Row(label, figure, full, replace(small, rate=full.rate, objective=full.objective))


def run_name(task: str, spec: Spec, seed: int) -> str:
    """Of one training; rows that differ in the rate of the test alone share it."""
    rate = f"_rate{spec.rate[0]}" if spec.rate else ""
    return f"{task}_{re.sub(r'[^A-Za-z0-9.=+-]+', '_', str(spec))}{rate}_{seed}"


def chosen(names: Sequence[str]) -> list[Table]:
    """Tables by name ('Gebotys 4.2'), by document ('Gebotys') or all.

    Raises
    ------
    PoofError
        For a name that no table has.
    """
    every = tables()
    if not names:
        return list(every.values())
    wanted = []
    for name in names:
        some = [table for key, table in every.items() if name in (key, key.split()[0])]
        if not some:
            raise PoofError(f"no table '{name}'; there are {names_near(name, every)}")
        wanted += some
    return wanted

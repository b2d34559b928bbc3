"""The campaign's machinery: trials run in child processes, and whatever goes wrong in one of them is a finding.

A target is one file in this folder with a function ``trial(rng, folder)``; `targets.py` lists them. A trial makes one
hostile input in `folder`, gives it to poof and checks what came of it. It is right when it returns. It may raise
`Fault(kind, detail)`; any other exception is a finding of the kind 'traceback', a process that dies one of the kind
'crash', one that says nothing for the target's `seconds` one of the kind 'hang'. Everything random comes from `rng`,
which the campaign's seed, the target's name and the trial's number determine: a finding is repeated by its number.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

LONGEST_MESSAGE = 300
HERE = Path(__file__).resolve().parent
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Trial = Callable[[np.random.Generator, Path], None]


class Fault(Exception):
    """Something that must not happen.

    Parameters
    ----------
    kind
        'wrong', 'lost', 'stray', 'escape', 'long', 'newline', 'traceback', 'crash', 'hang', 'memory'.
    detail
        One line.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True)
class Target:
    """One thing that is attacked.

    Attributes
    ----------
    name
        How it is called in reports and on the command line.
    trial
        One attack.
    quick
        Trials in `make test`.
    seconds
        After which a trial hangs.
    share
        Of the time of a long campaign.
    """

    name: str
    trial: Trial
    quick: int
    seconds: float = 60.0
    share: float = 1.0


@dataclass
class Finding:
    """What went wrong in one trial."""

    target: str
    trial: int
    kind: str
    detail: str


@dataclass
class Result:
    """What came of a number of trials."""

    target: str
    trials: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


def generator(seed: int, name: str, number: int) -> np.random.Generator:
    """The source of everything random in one trial."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), number])


def check_message(text: str) -> None:
    """A message for people is one line of at most 300 characters, without control codes."""
    if "\n" in text.strip("\n"):
        raise Fault("newline", text[:200].encode("unicode_escape").decode())
    if found := _CONTROL.search(text):
        raise Fault("escape", f"{found.group()!r} in {text[:200].encode('unicode_escape').decode()}")
    if len(text) > LONGEST_MESSAGE:
        raise Fault("long", f"{len(text)} characters: {text[:120]}")


def check_folder(folder: Path, allowed: set[str]) -> None:
    """Nothing lies in a folder but what was put there and the outputs."""
    stray = sorted({path.name for path in folder.iterdir()} - allowed)
    if stray:
        raise Fault("stray", ", ".join(stray)[:200])


# ------------------------------------------------------------------------------------------------ running


def run(
    target: Target, seed: int, first: int, count: int, keep: Path | None = None, until: float = float("inf")
) -> Result:
    """Trials `first` to `first + count - 1` of a target, or those that begin before the time `until` (monotonic).

    The folders of trials that went wrong are kept in `keep`.
    """
    result = Result(target.name)
    begun = time.monotonic()
    at = first
    while at < first + count and time.monotonic() < until:
        for number, kind, detail in _batch(target, seed, at, first + count - at, keep, until):
            result.trials += 1
            at = number
            if kind:
                result.findings.append(Finding(target.name, number, kind, detail))
        at += 1
    result.seconds = time.monotonic() - begun
    return result


def _batch(
    target: Target, seed: int, first: int, count: int, keep: Path | None, until: float
) -> Iterator[tuple[int, str, str]]:
    """Run trials in one child process until it has done them all or died: (trial, kind or '', detail) of each."""
    limit = min(until - time.monotonic(), 1e9)
    words = [target.name, str(seed), str(first), str(count), f"{limit:.1f}", str(keep or "")]
    with tempfile.TemporaryDirectory(prefix="poof-campaign-") as folder, tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "harness.py"), "--worker", *words, folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [HERE, *HERE.parents[:2]]))},
        )
        assert process.stdout is not None
        current: int | None = None
        silent = threading.Event()

        def stop() -> None:
            silent.set()
            process.kill()

        try:
            while True:
                timer = threading.Timer(target.seconds + (120 if current is None else 0), stop)
                timer.start()
                line = process.stdout.readline()
                timer.cancel()
                if not line.endswith("\n"):
                    break
                event = json.loads(line)
                if "begin" in event:
                    current = event["begin"]
                else:
                    current = None
                    yield event["end"], event["kind"], event["detail"]
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        if current is not None:
            if keep:
                _keep(Path(folder) / "trial", keep / f"{target.name}-{current}")
            kind = "hang" if silent.is_set() else "crash"
            yield current, kind, f"after {target.seconds} s" if silent.is_set() else f"exit status {code}"
        elif code != 0:
            noise.seek(0)
            raise RuntimeError(f"the campaign itself failed: {noise.read().decode(errors='replace')[-2000:]}")


def _work(name: str, seed: int, first: int, count: int, limit: float, keep: str, base: Path) -> None:
    """What the child process does: a line before and after each trial."""
    from targets import TARGETS

    target = next(t for t in TARGETS if t.name == name)
    until = time.monotonic() + limit
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for number in range(first, first + count):
        if time.monotonic() > until:
            break
        out.write(json.dumps({"begin": number}) + "\n")
        folder = base / "trial"
        folder.mkdir()
        kind, detail = "", ""
        try:
            with warnings.catch_warnings():
                target.trial(generator(seed, name, number), folder)
        except Fault as fault:
            kind, detail = fault.kind, fault.detail
        except MemoryError:
            kind, detail = "memory", "MemoryError"
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = "traceback"
            detail = f"{type(error).__name__} @ {place.filename}:{place.lineno} {place.name}: {error!s:.120}"
        if kind and keep:
            _keep(folder, Path(keep) / f"{name}-{number}")
        shutil.rmtree(folder, ignore_errors=True)
        out.write(json.dumps({"end": number, "kind": kind, "detail": detail}) + "\n")


def _keep(folder: Path, target: Path) -> None:
    """Copy the ordinary files of a trial."""
    for path in folder.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def report(results: list[Result]) -> str:
    """A table of what was tried and found."""
    lines = [f"{'target':24} {'trials':>8} {'findings':>8} {'seconds':>8}"]
    lines += [f"{r.target:24} {r.trials:8d} {len(r.findings):8d} {r.seconds:8.0f}" for r in results]
    for r in results:
        lines += [f"  {f.target} {f.trial}: {f.kind}: {f.detail}" for f in r.findings]
    return "\n".join(lines)


def as_json(results: list[Result]) -> str:
    """The same for programs."""
    return json.dumps([asdict(r) for r in results], indent=1)


if __name__ == "__main__":
    import harness  # the faults that trials raise are those of this module, not of the program

    name, seed, first, count, limit, keep, base = sys.argv[2:]
    harness._work(name, int(seed), int(first), int(count), float(limit), keep, Path(base))

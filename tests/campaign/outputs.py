"""Outputs and options of the command line: hostile names and numbers, devices, folders that cannot be made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from command import poof
from harness import Fault, check_folder
from material import label_set, saved
from mutations import HOSTILE_NUMBERS, HOSTILE_TEXT, Rng, pick

from poof.labels import load_labels

ENDINGS = (".json", ".csv", ".h5", "", ".txt", ".JSON", ".png")


def trial(rng: Rng, folder: Path) -> None:
    """One command with something hostile in it."""
    pick(rng, (_convert, _convert, _numbers, _evaluate))(rng, folder)


def _labels(rng: Rng, folder: Path) -> Path:
    path = folder / "gt.json"
    path.write_bytes(saved(label_set(rng), "x.json"))
    return path


def _name(rng: Rng, folder: Path) -> str:
    """The name of an output that may not work."""
    kinds: tuple[Callable[[], str], ...] = (
        lambda: str(folder / (str(pick(rng, HOSTILE_TEXT)).replace("/", "_") + pick(rng, ENDINGS))),
        lambda: str(folder / pick(rng, HOSTILE_TEXT)),
        lambda: str(folder / "a[/]b.json"),
        lambda: str(folder / ("n" * int(rng.integers(180, 320)) + ".json")),
        lambda: str(folder / ("d/" * int(rng.integers(1, 3000))) / "x.json"),
        lambda: "/dev/null",
        lambda: "/dev/full",
        lambda: str(folder / "fifo.json"),
        lambda: str(folder),
        lambda: str(folder / "gt.json" / "x.json"),
        lambda: str(folder / "missing" / "x.json"),
        lambda: str(folder / "locked" / "x.json"),
    )
    return pick(rng, kinds)().replace("\0", "\x01").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _convert(rng: Rng, folder: Path) -> None:
    source = _labels(rng, folder)
    os.mkfifo(folder / "fifo.json")
    (folder / "locked").mkdir(mode=0o500)
    before = {path.name for path in folder.iterdir()}
    target = _name(rng, folder)
    force = ["--force"] if rng.random() < 0.3 else []
    code, _, _ = poof(["convert", str(source), target, *force])
    made = {path.name for path in folder.iterdir()} - before
    if code == 0:
        again = load_labels(target)
        if len(again.frames) != len(load_labels(source).frames):
            raise Fault("wrong", "frames were lost")
        made -= {Path(target).name}
    if made:
        check_folder(folder, before)
    source.stat()


def _numbers(rng: Rng, folder: Path) -> None:
    """Numbers of options."""
    source = _labels(rng, folder)
    number = str(pick(rng, HOSTILE_NUMBERS))[:500]
    video = str(folder / "no-video.mp4")
    command = pick(
        rng,
        (
            ["convert", str(source), str(folder / "o.json"), "--scale", number],
            ["convert", str(source), str(folder / "o.json"), "--scale", f"{number},1"],
            ["propagate", video, "-l", str(source), "-r", number, "-o", str(folder / "o.json")],
            ["propagate", video, "-l", str(source), "--max-size", number, "-o", str(folder / "o.json")],
            ["propagate", video, "-l", str(source), "--min-confidence", number, "-o", str(folder / "o.json")],
            ["select", video, "-n", number],
            ["radius", video, "-l", str(source), "--max-radius", number],
            ["eval", str(source), "-l", str(source), "--thresholds", number, "--score-anchors"],
            ["eval", str(source), "-l", str(source), "--bootstrap", number, "--score-anchors"],
            ["eval", str(source), "-l", str(source), "--size", f"{number}x{number}", "--score-anchors"],
            ["eval", str(source), "-l", str(source), "--oks", "--sigma", number, "--score-anchors", "--bootstrap", "9"],
        ),
    )
    code, _, _ = poof(command)
    if code == 0 and command[0] == "convert":
        load_labels(folder / "o.json")
    check_folder(folder, {"gt.json", "o.json"} if code == 0 else {"gt.json"})


def _evaluate(rng: Rng, folder: Path) -> None:
    """Labels with hostile names in tables on the terminal."""
    import json

    document = json.loads(saved(label_set(rng), "x.json"))
    document["categories"][0]["keypoints"][0] = str(pick(rng, HOSTILE_TEXT))
    path = folder / "gt.json"
    path.write_text(json.dumps(document))
    poof(["eval", f"{pick(rng, HOSTILE_TEXT)}={path}".replace("\0", "").encode("utf-8", "replace").decode(),
          "-l", str(path), "--score-anchors", "--per-joint", "--bootstrap", "0"])  # fmt: skip
    poof(["convert", str(path), str(folder / "o.csv")])
    check_folder(folder, {"gt.json", "o.csv"})

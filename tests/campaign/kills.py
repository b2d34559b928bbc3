"""Commands that are killed or stopped at any moment, and two at once: nothing is lost, and the same command goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from harness import Fault, check_message
from mutations import Rng, pick
from small import EDITS, edit

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, load_labels, save_labels

FRAMES = 14
HERE = Path(__file__).resolve().parent
COMMANDS: dict[str, list[str]] = {
    "propagate": ["propagate", "images", "-l", "gt.json", "-r", "6", "--flow", "dis", "-o", "out.json", "--render"],
    "train": ["train", "-d", "gt.json", "-v", "images", "-o", "run", "--body", "unet", "--recipe", "footage",
              "--input-size", "64x64", "--epochs", "6", "--no-hold-out"],
    "select": ["select", "images", "-n", "3", "--json", "out.json"],
    "render": ["render", "images", "-l", "gt.json", "-o", "out.mp4", "--sheet", "out.png"],
    "refine": ["refine", "images", "-l", "gt.json", "-r", "6", "--flow", "dis", "--nets", "1", "--run", "run",
               "-o", "out.json", "--always"],
    "recog": ["recog", "train", "resnet18_quarter", "-m", "tsm", "-d", "list.txt", "-o", "run", "--size", "32",
              "--frames", "4", "--epochs", "2", "--batch", "2"],
    "label": [],
}  # fmt: skip
WANTED = {
    "propagate": ("out.json", "out.overlay.mp4", "out.sheet.png"),
    "train": ("run/best.pt", "run/last.pt"),
    "select": ("out.json",),
    "render": ("out.mp4", "out.png"),
    "refine": ("out.json", "run/best.pt"),
    "recog": ("run/best.pt", "run/last.pt", "run/curves.csv"),
    "label": ("out.json", "out.journal"),
}
USUAL = {"propagate": 4.0, "train": 6.0, "select": 3.0, "render": 3.5, "refine": 9.0, "recog": 6.0, "label": 1.0}
"""Seconds of processor time that they take on a core of 2.5 GHz: in a busy hour as in a quiet one."""
_RESUMED = ("train", "recog")
_OUTPUTS = {path.split("/")[0] for paths in WANTED.values() for path in paths}
_SECONDS = 600.0


def make(folder: Path) -> None:
    """A textured square that moves over a few images, and labels of three of them."""
    rng = np.random.default_rng(3)
    square = rng.integers(0, 255, (16, 16, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (72, 96, 3)).astype(np.uint8), (0, 0), 4)
    (folder / "images").mkdir()
    labels = LabelSet(Skeleton(("a", "b")), image_size=(96, 72))
    for frame in range(FRAMES):
        image = ground.copy()
        image[20:52, 8 + 3 * frame : 40 + 3 * frame] = square
        cv2.imwrite(str(folder / "images" / f"{frame:02}.png"), image)
        if frame in (1, 6, 11):
            labels.add(
                frame, 0, Points.human(frame, np.array([[16 + 3 * frame, 28], [32 + 3 * frame, 44]], np.float32))
            )
    save_labels(labels, folder / "gt.json")
    for clip in range(4):  # for recog: the images again, as four short clips of two classes
        (folder / "clips" / str(clip)).mkdir(parents=True)
        for i in range(4):
            name = f"{(3 * clip + i) % FRAMES:02}.png"
            (folder / "clips" / str(clip) / name).write_bytes((folder / "images" / name).read_bytes())
    (folder / "list.txt").write_text("".join(f"clips/{clip} 4 {clip % 2}\n" for clip in range(4)))


def _start(folder: Path, name: str, *more: str) -> subprocess.Popen[str]:
    """Start a command; it returns once Python has come as far as the command's own first line."""
    words = ["poof", *COMMANDS[name]] if COMMANDS[name] else [name]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "small.py"), *words, *more],
        cwd=folder,
        env={
            **os.environ,
            "POOF_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(HERE.parents[1]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _worked(process: subprocess.Popen[str], seconds: float) -> None:
    """Wait until a command has used so much processor time, or has ended."""
    place = Path(f"/proc/{process.pid}/stat")
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < _SECONDS:
        try:
            ticks = sum(map(int, place.read_text().rsplit(")", 1)[1].split()[11:15]))  # its own and its children's
        except OSError:  # no such system, or it has just ended
            ticks = int((time.monotonic() - begun) * os.sysconf("SC_CLK_TCK"))
        if ticks >= seconds * os.sysconf("SC_CLK_TCK"):
            return
        time.sleep(0.01)


def trial(rng: Rng, folder: Path) -> None:
    """One command, hit once or twice, and run again."""
    name = pick(rng, tuple(COMMANDS))
    how = pick(rng, ("SIGINT", "SIGINT", "SIGKILL", "two"))
    make(folder)
    given = {path.name for path in folder.iterdir()} | {"cache"}
    counted = 0
    if how == "two":
        _two_at_once(folder, name)
    else:
        for _ in range(1 + int(rng.random() < 0.3)):
            process = _start(folder, name, *more_of(folder, name))
            _worked(process, float(rng.uniform(0, 1.05 * USUAL[name])))
            process.send_signal(getattr(signal, how))
            code, told, out = _end(process, name)
            counted = max([counted, *(int(n) + 1 for n in re.findall(r"done (\d+)\n", out))])
            if how == "SIGINT":
                _check_stopped(code, told, name)
    code, told, out = _end(_start(folder, name, *more_of(folder, name)), name)
    if code != 0:
        raise Fault("lost", f"{name} does not go on after {how}: {told[-250:]}")
    if name == "label" and int(re.findall(r"begin (\d+)", out)[0]) < counted:
        raise Fault("lost", f"{counted} edits counted, {out[:20]!r} are there")
    _check_done(folder, name)
    stray = {path.name for path in folder.iterdir()} - given - _OUTPUTS
    if stray:
        raise Fault("stray", f"{name} after {how}: {sorted(stray)}")


def more_of(folder: Path, name: str) -> list[str]:
    """What the command needs to go on."""
    return ["--resume"] if name in _RESUMED and (folder / "run" / "last.pt").exists() else []


def _end(process: subprocess.Popen[str], name: str) -> tuple[int, str, str]:
    """Exit code, standard error and standard output."""
    try:
        out, told = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Fault("hang", f"{name} is not done after {_SECONDS} s") from None
    return process.returncode, told, out


def _check_stopped(code: int, told: str, name: str) -> None:
    """It ends as a stopped command does, or it was done already."""
    if "Traceback" in told or "fault of poof" in told or "Exception ignored" in told:
        raise Fault("traceback", f"{name}: {told[-250:]}")
    if code == 0:
        return
    if code not in (130, -signal.SIGINT):
        raise Fault("wrong", f"{name} ended with {code} after Ctrl-C: {told[-200:]}")
    if code == 130 and "poof: stopped" not in told:
        raise Fault("wrong", f"{name} says nothing: {told[-100:]!r}")


def _two_at_once(folder: Path, name: str) -> None:
    """The second of two either does its work or says in a line that the first is at it."""
    both = [_start(folder, name), _start(folder, name)]
    ends = [_end(process, name) for process in both]
    if all(code for code, _, _ in ends):
        raise Fault("lost", f"{name} twice: {[told[-120:] for _, told, _ in ends]}")
    for code, told, _ in ends:
        if code not in (0, 1) or "fault of poof" in told or "Traceback" in told:
            raise Fault("traceback", f"{name} twice, {code}: {told[-250:]}")
        if code == 1:
            line = told.strip().split("\n")[-1]
            if not line.startswith("poof: error: "):
                raise Fault("wrong", f"{name} twice: {line[:200]}")
            check_message(line.removeprefix("poof: error: "))


def _check_done(folder: Path, name: str) -> None:
    try:
        if name in ("propagate", "refine") and load_labels(folder / "out.json").frames != list(range(FRAMES)):
            raise Fault("lost", f"{name}: frames {load_labels(folder / 'out.json').frames}")
        if name == "label":
            _check_edits(load_labels(folder / "out.json"))
    except PoofError as error:
        raise Fault("lost", f"{name}: {error}") from None
    missing = [path for path in WANTED[name] if not (folder / path).exists()]
    if missing:
        raise Fault("lost", f"{name}: {missing} missing")


def _check_edits(labels: LabelSet) -> None:
    """The last edit of every keypoint is what the file holds."""
    last = {(edit(n)["frame"], edit(n)["keypoint"]): edit(n) for n in range(EDITS)}
    for (frame, keypoint), one in last.items():
        found = labels.instances[frame, 0].xy[keypoint].tolist() if (frame, 0) in labels.instances else None
        if found != [one["x"], one["y"]]:
            raise Fault("lost", f"frame {frame}: keypoint {keypoint} is at {found}, not {one['x']}, {one['y']}")

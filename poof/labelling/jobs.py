"""Jobs that are started from the page: each in a process of its own, with progress, and a way to stop it.

A job gets the labels as they are when it starts, in a file of its own, and writes its results beside the label file.
`poof.labelling.job_process` is what runs. It ends with this process, however that ends.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poof.errors import PoofError, names_near
from poof.labelling.session import Session
from poof.labels import FORMATS, LabelSet, load_labels, save_labels
from poof.labels.io import format_for
from poof.propagation.segments import reach

KINDS = ("export", "sheet", "overlay", "refine", "train")
ENDINGS = {"sheet": ".png", "overlay": ".mp4"}
PATIENCE = 10.0
"""Seconds that a job that was told to stop may take to do so."""


@dataclass
class Job:
    """One job.

    Attributes
    ----------
    id : int
    kind : str
        One of `KINDS`.
    video : int
    state : str
        'running', 'done', 'stopped' or 'failed'.
    stage, done, total
        What it does, and how far that is; total 0 where it is not known.
    left : float or None
        Seconds that this stage will take, as it has gone so far.
    message : str
        One line for the person.
    files : list of Path
        What it wrote.
    disputes : list of [frame, subject, keypoint] or None
        Of a refinement.
    """

    id: int
    kind: str
    video: int
    state: str = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    left: float | None = None
    message: str = ""
    files: list[Path] = field(default_factory=list)
    disputes: list[list[int]] | None = None
    process: subprocess.Popen[str] | None = None
    began: float = 0.0


class Jobs:
    """All jobs of this run of the program.

    Parameters
    ----------
    changed
        Called with a job whenever something of it changes.
    radius
        R of the propagation.
    """

    def __init__(self, changed: Callable[[Job], None], radius: int) -> None:
        self.all: list[Job] = []
        self._changed, self._reach = changed, reach(radius)
        self._lock = threading.Lock()

    def start(self, kind: str, video: int, session: Session, options: dict[str, Any], flow: str, radius: int) -> Job:
        """Start a job.

        Parameters
        ----------
        kind
            One of `KINDS`.
        video, session
            What it is about.
        options
            "name", "force" (export, sheet, overlay), "format", "what", "accepted" (export), "epochs" (train).
        flow, radius
            Of the propagation.

        Raises
        ------
        PoofError
            If it cannot begin.
        FileExistsError
            If its file is there already and "force" is not given.
        """
        if kind not in KINDS:
            raise PoofError(f"there is no job {kind}; there are {names_near(kind, KINDS)}")
        if kind in ("refine", "train") and any(
            j.state == "running" and j.kind in ("refine", "train") for j in self.all
        ):
            raise PoofError("one refinement or training at a time; stop the other one, or wait for it")
        labels = session.labels(machine=True)
        if not labels.instances:
            raise PoofError("nothing is labelled yet; label a frame first")
        with self._lock:
            job = Job(len(self.all) + 1, kind, video, began=time.monotonic())
        if kind == "export":
            self._export(job, session, options)
        else:
            spec = {
                "kind": kind,
                "video": str(getattr(session.video, "path", session.video.name)),
                "flow": flow,
                "radius": radius,
                "epochs": options.get("epochs"),
            } | self._places(kind, session, options)
            if kind == "refine" and not labels.human().instances:
                raise PoofError("nothing is labelled yet; label a frame first")
            self._spawn(job, session, spec, labels)
        with self._lock:
            self.all.append(job)
        self._changed(job)
        return job

    def stop(self, number: int) -> Job:
        """Tell a job to stop; what it has finished stays and serves the next one."""
        job = self._job(number)
        process = job.process
        if job.state == "running" and process is not None and process.poll() is None:
            job.message = "stopping"
            with suppress(OSError):
                process.send_signal(signal.SIGINT)
            threading.Thread(target=_make_sure, args=(process,), daemon=True).start()
        return job

    def file(self, number: int, index: int) -> Path:
        """A file that a job wrote."""
        job = self._job(number)
        if not 0 <= index < len(job.files) or not job.files[index].is_file():
            raise PoofError(f"there is no file {index} of job {number}")
        return job.files[index]

    def close(self) -> None:
        """Stop everything."""
        for job in self.all:
            if job.process is not None and job.process.poll() is None:
                with suppress(OSError):
                    job.process.kill()

    def _job(self, number: int) -> Job:
        for job in self.all:
            if job.id == number:
                return job
        raise PoofError(f"there is no job {number}")

    # ------------------------------------------------------------------------------------------------------- its files

    def _places(self, kind: str, session: Session, options: dict[str, Any]) -> dict[str, Any]:
        folder = session.labels_file.parent
        name = Path(str(getattr(session.video, "path", session.video.name))).stem
        if kind == "refine":
            return {"output": str(session.refined_file), "folder": str(folder / "runs" / f"refine-{name}")}
        if kind == "train":
            return {"folder": str(folder / "runs" / f"label-{name}")}
        return {"output": str(_output(session, options, f"{name}.{kind}{ENDINGS[kind]}"))}

    def _export(self, job: Job, session: Session, options: dict[str, Any]) -> None:
        name = str(options.get("format", "coco"))
        if name not in FORMATS:
            raise PoofError(f"there is no format {name}; there are {names_near(name, FORMATS)}")
        ending = FORMATS[name].ENDINGS[0]
        stem = Path(str(getattr(session.video, "path", session.video.name))).stem
        path = _output(session, options, f"{stem}.export{ending}")
        format_for(path, name)
        machine = options.get("what", "labels") == "all"
        labels = session.labels(machine=machine, accepted=options.get("accepted", True) is not False)
        if not labels.instances:
            raise PoofError("nothing is labelled yet; label a frame first")
        save_labels(labels, path, force=True, format=name)
        job.files, job.state, job.message = [path], "done", f"written: {path.name}"

    # ----------------------------------------------------------------------------------------------------- its process

    def _spawn(self, job: Job, session: Session, spec: dict[str, Any], labels: LabelSet) -> None:
        folder = Path(tempfile.mkdtemp(prefix="poof-label-job-"))
        save_labels(labels, folder / "labels.json", force=True)
        spec["labels"] = str(folder / "labels.json")
        job.process = subprocess.Popen(
            [sys.executable, "-m", "poof.labelling.job_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C at the terminal is for the server alone
        )
        assert job.process.stdin is not None
        job.process.stdin.write(json.dumps(spec) + "\n")
        job.process.stdin.flush()  # stays open: its end tells the process that we are gone
        threading.Thread(target=self._follow, args=(job, session, folder), name="job", daemon=True).start()

    def _follow(self, job: Job, session: Session, folder: Path) -> None:
        process = job.process
        assert process is not None and process.stdout is not None
        last, told = "", 0.0
        for line in process.stdout:
            try:
                facts = json.loads(line)
                assert isinstance(facts, dict)
            except (ValueError, AssertionError):
                last = line.strip() or last
                continue
            self._progress(job, facts)
            if time.monotonic() - told > 0.2 or "state" in facts:
                told = time.monotonic()
                self._changed(job)
        code = process.wait()
        if job.state == "running":
            stopped = code < 0 or code == 130 or job.message == "stopping"
            job.state = "stopped" if stopped else "failed"
            job.message = "stopped; what was finished serves the next time" if stopped else last or f"ended with {code}"
        elif job.kind == "refine" and job.files:
            try:
                session.show_refined(load_labels(job.files[0], session.video.frame_names), self._reach)
            except PoofError as error:
                job.state, job.message = "failed", str(error)
            job.disputes = disputes_of(session)
        job.left = None
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        self._changed(job)

    def _progress(self, job: Job, facts: dict[str, Any]) -> None:
        if "stage" in facts:
            if facts["stage"] != job.stage:
                job.began = time.monotonic()
            job.stage, job.done, job.total = facts["stage"], facts.get("done", 0), facts.get("total") or 0
            spent = time.monotonic() - job.began
            job.left = (
                round(spent / job.done * (job.total - job.done), 1) if job.done and job.total > job.done else None
            )
        if "state" in facts:
            job.state, job.message = facts["state"], facts.get("message", "")
            job.files = [Path(file) for file in facts.get("files", [])]


def disputes_of(session: Session) -> list[list[int]]:
    """[frame, subject, keypoint] of every point on which flow and appearance disagree, as shown now."""
    found = []
    with session.lock:
        for frame, subject in sorted(session.machine.places):
            points = session.shown(frame, subject)
            if points is not None and points.in_dispute.any():
                found += [[frame, subject, int(k)] for k in points.in_dispute.nonzero()[0]]
    return found


def _output(session: Session, options: dict[str, Any], default: str) -> Path:
    """Where a job writes: a bare name in the folder of the label file."""
    name = options.get("name") or default
    if not isinstance(name, str) or Path(name).name != name or name.startswith(".") or "\\" in name or "\0" in name:
        raise PoofError(f"{name!r}: give the name of a file, without a folder")
    path = session.labels_file.parent / name
    own = {session.labels_file, session.journal.path, session.refined_file}
    video = getattr(session.video, "path", None)
    if path in own or (video is not None and path == Path(video).resolve()):
        raise PoofError(f"{name}: is a file of this session; choose another name")
    if path.exists() and options.get("force") is not True:
        raise FileExistsError(f"{name}: exists already; overwrite it, or choose another name")
    return path


def _make_sure(process: subprocess.Popen[str]) -> None:
    """End a process that does not end by itself."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()

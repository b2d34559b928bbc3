"""Commands over many videos: what is out of date, running it, and the report at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli import common, inputs
from poof.cli.terminal import say
from poof.errors import PoofError
from poof.printable import plural

if TYPE_CHECKING:
    from poof.projects.catalogue import Catalogue, Film
    from poof.projects.jobs import Done, Job
    from poof.projects.plan import Item
    from poof.projects.project import Project
    from poof.projects.sources import Source
    from poof.projects.work import Mark, Outcome

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Videos at the same time, each in a process. [default: as many as cores, memory and GPUs carry]",
        show_default=False,
    ),
]


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="WHERE",
        help="Work on a cluster: dask://HOST:8786, slurm:partition=gpu,time=2:00:00,workers=8 (pbs, sge, lsf), or"
        " local:4; see docs/many-videos.md.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="With --on slurm:... and so on: print the job script, submit nothing.")
]


@dataclass
class Todo:
    """Work on one video.

    Attributes
    ----------
    name
        How messages call it.
    source
        The video and its labels.
    outputs, pictures
        What is written.
    mark
        What it is recorded as.
    said
        Lines that are said before anything else of it.
    """

    name: str
    source: Source
    outputs: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    mark: Mark | None = None
    weight: float = 1.0
    said: list[str] = field(default_factory=list)


@dataclass
class Batch:
    """What a command has to do.

    Attributes
    ----------
    todo
        The videos that are out of date.
    failed : list of (name, error)
        Those that cannot be worked on.
    fresh : list of str
        Those that are up to date.
    sources : list of Source
        Of all that were given and can be worked on, whether up to date or not.
    project
        None without one.
    several : bool
        Whether it is about more than one video, so that failures are listed and processes do the work.
    """

    todo: list[Todo]
    failed: list[tuple[str, str]] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    project: Project | None = None
    several: bool = False


def known_project(films: Sequence[Path] = ()) -> tuple[Project, Catalogue, list[Film]]:
    """The project of this folder, its videos, and those of them that are named (all when none is).

    Raises
    ------
    PoofError
        If there is no project, or a video is not of it.
    """
    from poof.projects.catalogue import catalogue
    from poof.projects.project import find, load

    file = find()
    if file is None:
        raise PoofError("there is no project here (no poof.toml in this folder or above); make one with poof init")
    project = load(shown(file))
    known = catalogue(project)
    return project, known, known.named(list(films)) if films else known.films


def shown(path: Path) -> Path:
    """A path as a person likes to read it: relative to the working folder where that is not far."""
    import os

    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return Path(relative) if not relative.startswith(os.path.join("..", "..", "..")) else path  # noqa: PTH118


def in_project(videos: Sequence[Path] | None, labels: Sequence[Path] | None) -> bool:
    """Whether a command is about the project: it was given no labels, and there is one."""
    from poof.projects.project import find

    return not labels and find() is not None


def all_of_project(videos: Sequence[Path] | None) -> bool:
    """Whether videos are left to the project, or all of them are of it."""
    if not videos:
        return True
    _, known, _ = known_project()
    try:
        known.named(list(videos))
    except PoofError:
        return False
    return True


def batch_of(items: Sequence[Item], project: Project, kind: str, films: Sequence[Film], render: bool = False) -> Batch:
    """The items that are out of date, as work."""
    from poof.projects.work import Mark

    batch = Batch([], project=project, several=True)
    batch.failed = [(film.path.name, film.trouble) for film in films if film.trouble]
    for item in items:
        if not item.why:
            batch.fresh.append(item.film.path.name)
            continue
        pictures = [item.outputs[0].with_suffix(e) for e in (".overlay.mp4", ".sheet.png") if render]
        mark = Mark(kind, item.film.name, item.parts, project.kept / "made", project.folder)
        known = item.record.summary if item.record is not None else {}
        todo = Todo(str(item.source.video), item.source, item.outputs, pictures, mark, float(known.get("pixels") or 0))
        todo.said = [f"{item.film.path.name}: {item.why}"] if item.record is not None else []
        batch.todo.append(todo)
    return batch


def batch_given(
    kind: str,
    videos: Sequence[Path],
    labels: Sequence[Path],
    written: Sequence[Sequence[Path]],
    options: Mapping[str, Any],
    *,
    pictures: Sequence[Sequence[Path]] = (),
    quiet: bool = False,
    reads_labels: bool = True,
    more: Mapping[str, Any] | None = None,
    again: bool = False,
) -> Batch:
    """Work on the videos given, each with its labels; of several, those that are as they would be are left alone.

    Parameters
    ----------
    kind
        The command.
    videos, labels
        As given.
    written
        Label files to write for each.
    options
        Of the command: those that say how to read, and those that decide the result.
    pictures
        To draw for each.
    reads_labels
        Whether each video must have labels.
    more
        Further inputs that decide the result.
    again
        Whether what is up to date is done again.
    """
    from poof.labels.pairing import files_for, none_for
    from poof.projects.contents import fingerprint
    from poof.projects.plan import decisive
    from poof.projects.records import Records, changed_outputs, parts_of, why_outdated
    from poof.projects.sources import Source
    from poof.projects.work import Mark
    from poof.video import open_video

    batch = Batch([], several=len(videos) > 1)
    inputs.check_different(videos)
    on_damage = options.get("on_damage") or "stop"
    opened: list[Any] = []
    for path in videos:
        try:
            opened.append(open_video(path, on_damage))
        except PoofError as error:
            if len(videos) == 1:
                raise
            batch.failed.append((str(path), str(error)))
            opened.append(_Unread(path))
    files: list[list[tuple[Path, str]]] = [[] for _ in videos]
    if labels:
        files = files_for(opened, labels, lenient=len(videos) > 1)
    records = Records()
    for number, (video, path) in enumerate(zip(opened, videos)):
        if isinstance(video, _Unread):
            continue
        own = [p for p, _ in files[number]]
        if reads_labels and not own:
            batch.failed.append((str(path), none_for(str(path), list(labels))))
            continue
        source = Source(
            path, tuple(own), (), options.get("category"), options.get("missing") or "absent",
            options.get("prefer"), on_damage,
        )  # fmt: skip
        batch.sources.append(source)
        todo = Todo(
            str(path), source, list(written[number]) if written else [],
            list(pictures[number]) if pictures else [], weight=float(video.size[0] * video.size[1]),
        )  # fmt: skip
        if not quiet and labels and (len(videos) > 1 or len(labels) > 1):
            told = ", ".join(f"{p} ({how})" if len(videos) > 1 else str(p) for p, how in files[number])
            todo.said.append(f"labels of {path}: {told}")
        if batch.several and written:
            name = str(todo.outputs[0].absolute())
            parts = parts_of(fingerprint(path), own, decisive(kind, options), **(more or {}))
            record = records.get(kind, name)
            there = record is not None and all(p.exists() for p in (*todo.outputs, *todo.pictures))
            same = there and set(record.outputs) == {str(p.absolute()) for p in todo.outputs}  # type: ignore[union-attr]
            if same and not again and not why_outdated(record, parts) and not changed_outputs(record):
                batch.fresh.append(str(path))
                continue
            todo.mark = Mark(kind, name, parts)
        batch.todo.append(todo)
    if len(videos) == 1 and batch.failed:
        raise PoofError(batch.failed[0][1])
    return batch


@dataclass
class _Unread:
    """A video that cannot be opened, among others whose label files must be told from its own."""

    path: Path
    size: tuple[int, int] = (1, 1)
    frame_names: None = None

    @property
    def name(self) -> str:
        return str(self.path)


def run(
    batch: Batch,
    job_of: Callable[[Todo], Job],
    show: Callable[[Todo, Outcome], None] | None,
    *,
    jobs: int | None = None,
    device: str | None = None,
    quiet: bool = False,
    silent: bool = True,
    on: str | None = None,
) -> dict[str, Outcome]:
    """Do the work of a batch and show each result when it is there; the outcomes by name, in the batch's order.

    Parameters
    ----------
    batch
        A single video that was named is worked on here, and its error is the command's; of several each is worked on
        in a process, and failures are listed by `finish`.
    job_of
        The job of a video.
    show
        Prints an outcome; None: nothing is said of them.
    jobs
        --jobs.
    device
        Where the work can use GPUs: --device.
    silent
        Whether `show` is left out with --quiet; it may do more than print.
    on
        --on: a cluster, also for a single video.
    """
    outcomes: dict[str, Outcome] = {}
    if not batch.several and on is None:
        todo = batch.todo[0]
        if not quiet:
            for line in todo.said:
                say(line)
        job = job_of(todo)
        from poof.projects.worker import function_of

        outcome = function_of(job.function)(track=common.track(quiet), **job.arguments)
        _tell(todo, outcome, quiet, show, header=False, always=not silent)
        return {todo.name: outcome}
    of_job = {}
    for todo in batch.todo:
        job = replace(job_of(todo), weight=todo.weight or 1.0)
        of_job[id(job)] = (job, todo)
    for done in _ended([job for job, _ in of_job.values()], jobs, device, quiet, on):
        todo = of_job[id(done.job)][1]
        for note in done.notes:
            print(f"poof: warning: {note}", file=sys.stderr)
        if done.error:
            batch.failed.append((todo.name, done.error))
            continue
        outcomes[todo.name] = done.value
        _tell(todo, done.value, quiet, show, header=True, always=not silent)
    return {todo.name: outcomes[todo.name] for todo in batch.todo if todo.name in outcomes}


def _ended(jobs: Sequence[Job], asked: int | None, device: str | None, quiet: bool, on: str | None) -> Iterator[Done]:
    from poof.projects.display import Display
    from poof.projects.jobs import run_jobs

    display = Display(quiet=quiet)
    if on is not None:
        from poof.projects.cluster import run_on

        yield from run_on(on, jobs, display, quiet)
        return
    from poof.projects.capacity import gpus

    yield from run_jobs(jobs, asked, gpus() if device in ("auto", "cuda") else (), display)


def _tell(
    todo: Todo,
    outcome: Outcome,
    quiet: bool,
    show: Callable[[Todo, Outcome], None] | None,
    header: bool,
    always: bool,
) -> None:
    if quiet or show is None:
        if always and show is not None:
            show(todo, outcome)
        return
    if header:
        say("")
        say(todo.name)
        for line in todo.said:
            say(line)
    for line in outcome.notes:
        say(line)
    show(todo, outcome)


def finish(batch: Batch, quiet: bool, done: int, noun: str = "video") -> None:
    """Say how a batch ended: what was up to date, and every failure with its remedy; exit 1 if there was one."""
    if not batch.several and not batch.failed:
        return
    if not quiet and batch.fresh:
        names = ", ".join(batch.fresh[:4]) + (", ..." if len(batch.fresh) > 4 else "")
        what = "everything is" if not done and not batch.failed else f"{plural(len(batch.fresh), noun)}"
        say(f"{what} up to date ({names})" if what.startswith("every") else f"{what} up to date: {names}")
    if batch.failed:
        for name, error in batch.failed:
            stem = Path(name).name
            print(f"poof: error: {error if stem in error else f'{name}: {error}'}", file=sys.stderr)
        total = len(batch.failed) + done + len(batch.fresh)
        print(
            f"poof: {len(batch.failed)} of {plural(total, noun)} failed; the same command does these again, and"
            " nothing else",
            file=sys.stderr,
        )
        raise typer.Exit(1)

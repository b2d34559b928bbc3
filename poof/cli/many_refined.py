"""`poof refine` over many videos: carried in processes, learned from together, fused in processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poof.cli import common, inputs, many
from poof.cli.terminal import say
from poof.errors import PoofError
from poof.printable import plural

if TYPE_CHECKING:
    from poof.labels import LabelSet
    from poof.projects.catalogue import Film
    from poof.projects.jobs import Job
    from poof.projects.project import Project
    from poof.projects.sources import Source
    from poof.projects.work import Outcome


def refine_given(
    videos: Sequence[Path],
    labels: Sequence[Path],
    models: Sequence[Path],
    options: Mapping[str, Any],
    cache: bool,
    jobs: int | None,
    output: Sequence[Path] | None,
    run: Path | None,
    render: bool,
    json_file: Path | None,
    quiet: bool,
    force: bool,
) -> None:
    """Refine several videos that were named; they share their networks.

    Parameters
    ----------
    videos, labels, models
        As given.
    options
        Of the command.
    output, run
        Label files of each, and the folder of the networks.
    """
    written = inputs.outputs_of(videos, output, "refined")
    pictures = [[paths[0].with_suffix(e) for e in (".overlay.mp4", ".sheet.png") if render] for paths in written]
    others = [(path, "--render") for paths in pictures for path in paths]
    others += [(json_file, "--json")] if json_file else []
    named = bool(output) and not output[0].is_dir()  # type: ignore[index]
    read = [*((p, "--model") for p in models), *((p, "-l") for p in labels if named or others)]
    read += [(options["weights"], "--weights")] if options["weights"] else []
    inputs.check_outputs(videos, written, [], "refine", named=False, others=others, inputs=read, force=force,
                         replaced=False)  # fmt: skip
    from poof.projects.contents import checksum

    together = "".join(sorted(checksum(path) for path in labels))
    more = {"others": together, "models": [checksum(path) for path in models]}
    batch = many.batch_given("refine", videos, labels, written, options, pictures=pictures, quiet=True, more=more,
                             again=bool(json_file))  # fmt: skip
    done: dict[str, Outcome] = {}
    if batch.todo:
        folder = run or Path("runs") / f"refine-{inputs.run_name(videos)}"
        done = _refine_group(folder, folder.name, batch.sources, batch, models, options, cache, jobs, quiet, force)
    if json_file:
        common.write_json(json_file, {"videos": {name: outcome.summary for name, outcome in done.items()}})
    if not quiet and done:
        first = next(todo for todo in batch.todo if todo.name in done)
        if any(o.summary.get("disputed") for o in done.values()):
            what = "a click there is worth most"
            inputs.next_step("poof", "select", first.source.video, "-l", first.outputs[0], "-n", 5, what=what)
        else:
            inputs.next_step("poof", "render", first.source.video, "-l", first.outputs[0], what="look at it")
    many.finish(batch, quiet, len(done))


def _carry(batch: many.Batch, options: Mapping[str, Any], jobs: int | None, quiet: bool) -> None:
    """Carry, and forget: segments are in the cache then. Failures stay in the batch."""
    from poof.projects.jobs import Job

    def job_of(todo: many.Todo) -> Job:
        chosen = {name: options[name] for name in ("radius", "max_size", "flow", "weights", "device")}
        return Job(todo.name, "poof.projects.work:carry", {"source": todo.source, **chosen})

    many.run(batch, job_of, None, jobs=jobs, device=str(options["device"]), quiet=quiet)


def refine_project(
    named: Sequence[Path],
    models: Sequence[Path],
    options: Mapping[str, Any],
    cache: bool,
    jobs: int | None,
    render: bool,
    json_file: Path | None,
    quiet: bool,
    force: bool,
) -> None:
    """Refine the videos of a project that are out of date; those of one vocabulary share their networks.

    Parameters
    ----------
    named
        Videos that were named: only these are written, though the networks learn from all of their vocabulary.
    models
        Networks in place of training.
    options
        Of the command.
    """
    from poof.files import make_folder
    from poof.projects.plan import refined
    from poof.projects.status import groups

    project, known, films = many.known_project()
    chosen = known.named(list(named)) if named else films
    labelled = [film for film in films if film.labels and not film.trouble]
    total = many.Batch([], project=project, several=True)
    outcomes: dict[str, Outcome] = {}
    total.failed = [(film.path.name, film.trouble) for film in chosen if film.trouble]
    for number, group in enumerate(groups(known, labelled)):
        items = [item for item in refined(known, group, options) if item.film in chosen]
        batch = many.batch_of(items, project, "refine", [], render)
        total.fresh += batch.fresh
        if not batch.todo:
            continue
        name = _vocabulary(project, known, group[0]) or f"group-{number + 1}"
        sources = [item.source for item in refined(known, group, options)]
        folder = project.runs / f"refine-{name}"
        make_folder(project.runs, "runs in poof.toml")
        done = _refine_group(folder, name, sources, batch, models, options, cache, jobs, quiet, force)
        total.failed += batch.failed
        total.todo += batch.todo
        outcomes |= done
    if json_file:
        common.write_json(json_file, {"videos": {name: outcome.summary for name, outcome in outcomes.items()}})
    if not quiet and outcomes:
        disputed = sum(int(o.summary.get("disputed") or 0) for o in outcomes.values())
        if disputed:
            inputs.next_step("poof", "select", what=f"{disputed} points in dispute; a click there is worth most")
        else:
            inputs.next_step("poof", "render", what="look at it")
    many.finish(total, quiet, len(outcomes))


def _vocabulary(project: Project, known: Any, film: Film) -> str:
    """The name of a film's vocabulary, as a folder may be called; '' where the project names none."""
    from poof.projects.status import keypoints_of

    names = keypoints_of(known, film)
    found = [v.name for v in project.vocabularies if v.skeleton.keypoints == names]
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in found[0]) if found else ""


def _refine_group(
    folder: Path,
    name: str,
    sources: Sequence[Source],
    batch: many.Batch,
    models: Sequence[Path],
    options: Mapping[str, Any],
    cache: bool,
    jobs: int | None,
    quiet: bool,
    force: bool,
) -> dict[str, Outcome]:
    """Carry and learn from all videos of a vocabulary, then fuse those that are out of date."""
    from poof.flow.registry import create_flows
    from poof.pose.splitting import Pair
    from poof.progress import Stages
    from poof.projects.jobs import Job
    from poof.projects.sources import read
    from poof.propagation import Settings
    from poof.propagation.result_cache import ResultCache, cache_folder
    from poof.refine import refine as work
    from poof.refine.run import stages

    if not quiet:
        say("")
        say(f"{name}: {plural(len(batch.todo), 'video')} out of date, networks learn from {len(sources)}")
    learning = many.Batch([many.Todo(str(source.video), source) for source in sources], several=True)
    if cache:
        _carry(learning, options, jobs, quiet)
    lost = {video for video, _ in learning.failed}
    batch.failed += [(video, error) for video, error in learning.failed if video in {t.name for t in batch.todo}]
    batch.todo = [todo for todo in batch.todo if todo.name not in lost]
    pairs = []
    for source in sources:
        if str(source.video) not in lost:
            video = source.open()
            pairs.append(Pair(video, read(source, video).labels))
            _check_early(batch, source, pairs[-1].labels, force)
    if not pairs or not batch.todo:
        return {}
    track = common.track(quiet)
    keep = cache_folder() / "flows" if cache else None
    estimators = create_flows(options["flow"], options["weights"], options["device"], True, keep)
    told = stages(
        [pair.labels for pair in pairs], options["network"], options["nets"], options["rounds"],
        carried=False, trained=bool(models), fused=False,
    )  # fmt: skip
    chosen = {k: options[k] for k in ("network", "init", "nets", "rounds", "seed", "device", "precision", "always")}
    try:
        result = work(
            pairs,
            folder,
            models=models,
            flow=estimators,
            settings=Settings(radius=options["radius"], max_size=options["max_size"]),
            cache=ResultCache(cache_folder() / "segments") if cache else None,
            track=track if quiet else Stages(track, told),
            fusing=False,
            **chosen,
        )
    except KeyboardInterrupt:
        say("poof: finished parts are kept; the same command goes on from there", err=True)
        raise
    if not quiet and result.skipped:
        say(f"not refined: {result.skipped} (--always refines all the same)")

    def job_of(todo: many.Todo) -> Job:
        arguments = {
            "source": todo.source, "outputs": todo.outputs, "pictures": todo.pictures, "folder": folder,
            "models": result.models, "options": dict(options), "cache": cache, "force": force, "mark": todo.mark,
        }  # fmt: skip
        return Job(todo.name, "poof.projects.work:fuse", arguments)

    return many.run(batch, job_of, shown, jobs=jobs, device=str(options["device"]), quiet=quiet)


def _check_early(batch: many.Batch, source: Source, labels: LabelSet, force: bool) -> None:
    """Take videos out whose results may not be written, before anything is trained."""
    from poof.projects.work import check

    for todo in [t for t in batch.todo if t.name == str(source.video)]:
        try:
            check(todo.outputs, todo.pictures, [labels], "refine", todo.source, force)
        except PoofError as error:
            batch.failed.append((todo.name, str(error)))
            batch.todo.remove(todo)


def shown(todo: many.Todo, outcome: Outcome) -> None:
    """Print what was refined in a video."""
    from poof.cli.refine import show

    show(outcome.summary, [outcome.covered], outcome.written)

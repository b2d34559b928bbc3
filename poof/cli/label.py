"""`poof label`: the page on which labels are made, followed and corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common, many
from poof.cli.terminal import say

NONE = Path()
"""Stands for a video without labels among others that have some."""


def label(
    videos: Annotated[
        list[Path],
        typer.Argument(
            metavar="VIDEO", help="Video files or folders of images; in a project all of them.", show_default=False
        ),
    ],
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels",
            "-l",
            help="Your labels so far, for each video in the same order; read only.",
            show_default=False,
        ),
    ] = None,
    keypoints: Annotated[
        str, typer.Option("--keypoints", "-k", help="Names to begin with: nose,tail. The page can add more.")
    ] = "",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Label file that is kept, .json; one for each video. [default: VIDEO.labels.json]",
            show_default=False,
        ),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Keep the file of --labels itself up to date (COCO JSON).")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    port: Annotated[
        int | None,
        typer.Option("--port", help="0: any free. [default: 8642, or the next free one]", min=0, max=65535),
    ] = None,
    radius: Annotated[int, typer.Option("--radius", "-r", help="Frames before and after each label.")] = 20,
    flow: common.Flow = "auto",
    weights: common.Weights = None,
    device: common.Device = "auto",
    category: common.Category = None,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Label a video in the browser: first labels, following, correcting.

    Opens a page that only this machine can reach. Labels are carried to the frames around them while you work, the
    page shows where they are uncertain, and everything is on disk at every moment: labels in VIDEO.labels.json, every
    step in the journal beside it. The same command goes on where you left.
    """
    from poof.cli.common import settle_for_flow

    del debug
    settle_for_flow(keep_memory=False)
    from poof.errors import PoofError
    from poof.flow.registry import create_flows
    from poof.labelling.opening import open_session
    from poof.labelling.page.serve import serve
    from poof.labelling.services import Services
    from poof.labelling.session_group import SessionGroup
    from poof.propagation import Settings
    from poof.propagation.result_cache import cache_folder

    if many.in_project(videos, labels) and not output and many.all_of_project(videos):
        videos, labels, output, keypoints = _in_project(videos or [], keypoints)
    for name, given in (("--labels", labels), ("--output", output)):
        if given and len(given) != len(videos):
            raise PoofError(f"{len(given)} {name} for {len(videos)} videos; give one for each, in their order")
    estimators = create_flows(flow, weights, device, True, cache_folder() / "flows")
    names = [name for name in keypoints.split(",") if name.strip()]
    sessions = []
    for number, video in enumerate(videos):
        own = None if not labels or labels[number] == NONE else labels[number]
        file = None if not output else output[number]
        sessions.append(
            open_session(video, own, file, keypoints=names, in_place=in_place, radius=radius, category=category)
        )
    services = Services(SessionGroup(sessions), estimators, flow, Settings(radius=radius), cache_folder())
    serve(
        services,
        port,
        browser,
        cache_folder() / "label-pages",
        (lambda _: None) if quiet else (lambda text: say(text)),
    )


def _in_project(videos: list[Path], keypoints: str) -> tuple[list[Path], list[Path], list[Path], str]:
    """The videos of the project, what is labelled of each, where labels are kept, and the keypoints to begin with."""
    from poof.files import make_folder
    from poof.labels import save_labels
    from poof.projects.catalogue import KEPT_BY_PAGE
    from poof.projects.plan import corrections_file, source_of
    from poof.projects.sources import read

    project, _, films = many.known_project(videos)
    films = [film for film in films if not film.trouble]
    given, kept = [], []
    for film in films:
        file = corrections_file(project, film).with_name(f"{film.name}{KEPT_BY_PAGE}")
        make_folder(file.parent, "labels in poof.toml")
        kept.append(file)
        others = [path for path in film.labels if path != file]
        if len(others) > 1 or (others and file in film.labels):
            # What lies in several files, corrections of results among them, is handed over as one.
            source = source_of(project, film, project.options_of("label"))
            together = read(source, source.open()).labels
            make_folder(project.kept / "label", "another folder for poof.toml")
            others = [project.kept / "label" / f"{film.name}.json"]
            save_labels(together, others[0], force=True)
        given.append(others[0] if others else NONE)
    if not keypoints and len(project.vocabularies) == 1:
        keypoints = ",".join(project.vocabularies[0].skeleton.keypoints)
    return [film.path for film in films], given, kept, keypoints

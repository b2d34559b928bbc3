"""Inputs and outputs of commands: several videos, their label files, and outputs that cannot collide."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poof.cli.terminal import say
from poof.errors import PoofError
from poof.printable import plural

if TYPE_CHECKING:
    from poof.labels.pairing import Given
    from poof.video.base import Video

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def opened(videos: Sequence[Path], on_damage: str = "stop", again: bool = False) -> list[Video]:
    """The videos, all different unless one may be given `again`, which only outputs named for each give a meaning."""
    from poof.video import open_video

    if not again:
        check_different(videos)
    return [open_video(path, on_damage) for path in videos]


def labels_of(
    footage: Sequence[Video],
    files: Sequence[Path],
    quiet: bool,
    category: str | None = None,
    missing: str = "absent",
    prefer: str | None = None,
) -> list[Given]:
    """The labels of each video; says which files they are from, where that is not plain, and what was found in them.

    A video that is given again has the labels that it has the first time, and their files may be given again with it.
    """
    from poof.labels.pairing import labels_for
    from poof.labels.representations import notes_on

    first_of = firsts([Path(video.name) for video in footage])
    own = [video for number, video in enumerate(footage) if first_of[number] == number]
    if len(own) < len(footage):
        files = [files[number] for number in sorted(set(firsts(files)))]
    found = labels_for(own, files, category=category, missing=missing, prefer=prefer)  # type: ignore[arg-type]
    places = sorted(set(first_of))
    found = [found[places.index(first)] for first in first_of]
    if quiet:
        return found
    for video, given in zip(footage, found):
        if len(footage) > 1 or len(files) > 1:
            told = ", ".join(
                f"{path} ({how})" if len(footage) > 1 else str(path) for path, how in zip(given.files, given.how)
            )
            say(f"labels of {video.name}: {told}")
        for line in notes_on(given.files, given.labels.changes, len(given.labels.assumed_absent)):
            say(line)
    return found


def check_different(videos: Sequence[Path]) -> None:
    """Refuse a video that is given twice, under whatever name."""
    for number, first in enumerate(firsts(videos)):
        if first != number:
            raise PoofError(f"{videos[number]}: is given twice; leave one out")


def firsts(paths: Sequence[Path]) -> list[int]:
    """For each path the place of the first one that is the same file: its own, unless it is given again."""
    there = [path.exists() for path in paths]
    return [
        next(
            (other for other in range(number) if there[number] and there[other] and path.samefile(paths[other])), number
        )
        for number, path in enumerate(paths)
    ]


def stems(videos: Sequence[Path]) -> list[str]:
    """A name for the outputs of each video: its own, with its ending or its folder where several would be one."""
    names = _stems(videos)
    if len(set(names)) < len(names):
        raise PoofError(f"{videos[0]}: several videos would have outputs of one name; rename one, or run them apart")
    return names


def _stems(videos: Sequence[Path]) -> list[str]:
    """As `stems`; where even folders do not tell videos apart, some are equal."""
    plain = [path.resolve().stem for path in videos]
    names = list(plain)
    for number, name in enumerate(plain):
        if plain.count(name) > 1:
            path = videos[number].resolve()
            same = [other.resolve() for other, stem in zip(videos, plain) if stem == name]
            apart = len({other.name for other in same}) == len(same)
            names[number] = (
                f"{name}-{path.suffix.lstrip('.')}" if apart and path.suffix else f"{path.parent.name}-{name}"
            )
    if len(set(names)) < len(names):
        names = ["-".join(path.resolve().with_suffix("").parts[-3:]) for path in videos]
    return names


def run_name(videos: Sequence[Path]) -> str:
    """What the folder of a run is named after: the first video, as its outputs are."""
    return _stems(videos)[0]


def outputs_of(
    videos: Sequence[Path], output: Sequence[Path] | None, tag: str, endings: Sequence[str] = ("json", "csv")
) -> list[list[Path]]:
    """The label files to write for each video.

    Without `output`: VIDEO.tag.json and .csv here. One folder: the same there. Otherwise one file for each video, or
    any number for a single one.
    """
    if not output or (len(output) == 1 and output[0].is_dir()):
        folder = output[0] if output else Path()
        names = _stems(videos)
        if len(set(names)) < len(names):
            # Of one video given again even the longest name is equal; its own is the one to tell.
            name = next(name for name in names if names.count(name) > 1)
            plain = videos[names.index(name)].resolve().stem
            raise PoofError(
                f"{folder / f'{plain}.{tag}.{endings[0]}'}: would be written twice; name one file for each video in"
                " their order with -o, or run them apart"
            )
        return [[folder / f"{name}.{tag}.{ending}" for ending in endings] for name in names]
    if len(videos) == 1:
        return [list(output)]
    if len(output) != len(videos):
        raise PoofError(
            f"{len(output)} --output for {len(videos)} videos; give one file for each in their order, or a folder"
        )
    return [[path] for path in output]


def check_outputs(
    videos: Sequence[Path],
    written: Sequence[Sequence[Path]],
    given: Sequence[Given],
    kind: str,
    *,
    named: bool,
    others: Sequence[tuple[Path, str]] = (),
    inputs: Sequence[tuple[Path, str]] = (),
    force: bool = False,
    replaced: bool = True,
) -> None:
    """Refuse outputs that collide, may not be replaced or would become frames of a folder, before anything runs.

    Parameters
    ----------
    videos
        What is worked on.
    written
        The label files of each.
    given
        The labels of each, which the new ones are made of.
    kind
        See `poof.labels.record.kind_of`.
    named
        Whether the user named the label files; others may replace the very files that the labels came from, as long
        as poof wrote them.
    others
        Further outputs, with their options.
    inputs
        Further files that are read, with their options.
    force
        See `check_label_output`.
    replaced
        Whether label files that are there may be replaced is looked at here; otherwise each job does.
    """
    from poof.files import check_apart, check_output
    from poof.labels.io import format_for
    from poof.labels.replacing import check_label_output

    labels = [(path, "-o") for paths in written for path in paths]
    read = [*((v, "VIDEO") for v in videos), *inputs]
    sources = [(path, "-l") for one in given for path in one.files]
    check_apart([*labels, *others], read + (sources if named else []))
    check_apart(others, sources)
    for paths, one, video in zip(written, given, videos):
        for path in paths:
            format_for(path, None)
            if replaced:
                check_label_output(path, [one.labels], kind, str(video), force)
    for path, _ in others:
        check_output(path, force)
        keep_out(path, videos)


def keep_out(path: Path, videos: Sequence[Path], anything: bool = False) -> None:
    """Refuse a picture (or anything) that would lie in a folder of frames, where it would be one of them."""
    for video in videos:
        here = video.is_dir() and path.parent.resolve() == video.resolve()
        if here and (anything or path.suffix.lower() in PICTURES):
            raise PoofError(f"{path}: would be written into the folder of frames {video}; name a place outside it")


def for_each(path: Path | None, videos: Sequence[Path]) -> list[Path | None]:
    """The same output for each video: as it is for one, with the video's name before its ending for several."""
    if path is None or len(videos) == 1:
        return [path] * len(videos)
    return [path.with_name(f"{path.stem}.{name}{path.suffix}") for name in stems(videos)]


def named_for(path: Path | None, name: str) -> Path | None:
    """An output with the name of the part that it is of before its ending, where there are parts."""
    return path if path is None or not name else path.with_name(f"{path.stem}.{name}{path.suffix}")


def next_step(*words: Any, what: str = "") -> None:
    """The last line of a command: what to do next, as a command to copy."""
    line = shlex.join(str(word) for word in words)
    say(f"next: {line}" + (f"    ({what})" if what else ""))


def checked_by(held_out: dict[str, Any]) -> str:
    """What the labels say of the confidences, each left out: the words of a summary."""
    right, claimed = 100 * held_out["right"], 100 * held_out["claimed"]
    told = f"{right:.0f} % of {plural(held_out['points'], 'point')} within 5 %, {claimed:.0f} % were promised"
    return told + ("; the figure above is lowered by that" if held_out["offset"] < -0.005 else "")


def is_terminal() -> bool:
    """Whether a person reads along."""
    return sys.stdout.isatty()

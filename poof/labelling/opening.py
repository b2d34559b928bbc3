"""Opening a session from a video and perhaps a label file: which files it keeps, and what it takes in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from poof.errors import PoofError
from poof.files import check_output
from poof.labelling.document import Change, Said
from poof.labelling.journal import Journal
from poof.labelling.machine import Layer
from poof.labelling.session import Session, file_hash
from poof.labels import LabelSet, Points, Visible, load_labels
from poof.labels.check import check_fit
from poof.labels.formats.reading import Missing
from poof.labels.io import format_for
from poof.propagation.identity import link_identities
from poof.propagation.segments import reach
from poof.video import open_video

RADIUS = 20
"""R when none is given."""


def open_session(
    video: str | Path,
    labels: str | Path | None = None,
    output: str | Path | None = None,
    *,
    keypoints: Sequence[str] = (),
    in_place: bool = False,
    radius: int = RADIUS,
    category: str | None = None,
    missing: Missing = "absent",
) -> Session:
    """Open a session, or go on with the one that was left.

    Parameters
    ----------
    video
        Video file or folder of images.
    labels
        The person's labels so far, in any format; read, never written unless `in_place`. Points of machines in it
        (propagated, refined, predicted) are shown as such.
    output
        The label file to keep, a native one (.json); ``VIDEO.labels.json`` in the working folder when None. Its journal
        lies beside it.
    keypoints
        Names to begin with, or to add.
    in_place
        Keep `labels` itself up to date.
    radius
        R: frames around each label that its points are carried to.
    category, missing
        See `load_labels`.

    Raises
    ------
    PoofError
        If something cannot be read or written, does not fit, or would write over a file that is not the session's.
    """
    footage = open_video(video)
    given = None if labels is None else Path(labels)
    file = _label_file(Path(video), given, None if output is None else Path(output), in_place)
    journal_path = file.with_suffix(".journal")
    fresh = not journal_path.exists()
    if fresh:
        check_output(journal_path)  # in the same folder
    loaded: LabelSet | None = None
    if given is not None:
        loaded = load_labels(given, footage.frame_names, category=category, video=str(video), missing=missing)
        known = None if footage.frame_names is None else len(footage.frame_names)
        check_fit(loaded.human(), footage.size, known, footage.name)
        if not loaded.tracked and len(loaded.instance_ids) > 1:
            loaded = link_identities(footage, loaded, radius)
    journal = Journal(journal_path, {"video": footage.name, "size": list(footage.size)})
    session: Session | None = None
    try:
        if tuple(journal.head.get("size", footage.size)) != footage.size:
            w, h = journal.head["size"]
            raise PoofError(
                f"{journal_path}: belongs to a video of {w}x{h} pixels, {footage.name} has {footage.size[0]}x"
                f"{footage.size[1]}; give another label file with -o"
            )
        session = Session(footage, journal, file)
        if not fresh:
            _changed_outside(session, category, missing)
        if loaded is not None and given is not None:
            _take_in(session, loaded, given, radius)
        _add_keypoints(session, keypoints)
        if not fresh and session.refined_file.exists():
            with suppress(PoofError):  # it can be made again
                session.show_refined(load_labels(session.refined_file, footage.frame_names), reach(radius))
        return session
    except BaseException:
        if session is None:
            journal.close()
        else:
            session.abandon()
        if fresh:
            journal.path.unlink(missing_ok=True)
        raise


def _label_file(video: Path, labels: Path | None, output: Path | None, in_place: bool) -> Path:
    if in_place:
        if labels is None or output is not None:
            raise PoofError("--in-place: goes with --labels, whose file is then kept up to date, and without -o")
        if format_for(labels) != "coco":
            raise PoofError(
                f"{labels}: cannot hold everything that is said here, and so not be kept in place; "
                "leave --in-place out, and export to this format at the end"
            )
        return labels
    file = output or Path(f"{video.resolve().stem}.labels.json")
    if format_for(file) != "coco":
        raise PoofError(f"{file}: labels are kept as COCO JSON; choose a name in .json, and export to other formats")
    if file.exists() and not file.with_suffix(".journal").exists():
        if labels is not None and file.samefile(labels):
            raise PoofError(f"{labels}: is your own file and is only read; name another with -o, or give --in-place")
        raise PoofError(
            f"{file}: exists already and no journal of poof label lies beside it; choose another name with -o, "
            f"or go on with that file: --labels {file} --in-place"
        )
    return file


# ------------------------------------------------------------------------------------------------------------ taking in


def changes_to(session: Session, labels: LabelSet, replace: bool) -> tuple[list[Change], int]:
    """The changes that bring a person's labels into a session, and how many points there say something else.

    Parameters
    ----------
    session
        Where they come in. Keypoints that it lacks are added.
    labels
        Their human points are looked at.
    replace
        Where both say something, take the labels', and clear what they lack; otherwise leave the session's alone.
    """
    document = session.document
    changes: list[Change] = []
    names = document.keypoints
    extra = [name for name in labels.skeleton.keypoints if name not in names]
    column = {k: [*names, *extra].index(name) for k, name in enumerate(labels.skeleton.keypoints)}
    before = document.get(("skeleton",))
    edges = [list(e) for e in before["edges"]]
    for a, b in labels.skeleton.edges:
        edge = [column[a], column[b]]
        if edge not in edges and edge[::-1] not in edges:
            edges.append(edge)
    name = before["name"] if names else labels.skeleton.name
    after = {"keypoints": [*names, *extra], "edges": edges, "name": name}
    changes.append(Change(("skeleton",), before, after))
    subjects = document.subjects
    wanted = {i: labels.individuals.get(i, f"subject {i + 1}") for i in labels.instance_ids or [0]}
    unused = not document.frames and not names
    both = (wanted if unused else wanted | subjects) or subjects
    changes.append(Change(("subjects",), subjects, dict(sorted(both.items()))))
    differing = 0
    there: set[tuple[int, int, int]] = set()
    for frame, subject, points in labels.human():
        for k in range(len(points)):
            if not points.by_person[k]:
                continue
            cell = frame, subject, column[k]
            there.add(cell)
            was = document.get(("point", *cell))
            now = _said(points, k)
            if was is not None and _equal(was, now):
                continue
            differing += was is not None
            if was is None or replace:
                changes.append(Change(("point", *cell), was, now))
        if points.box is not None and document.get(("box", frame, subject)) is None:
            changes.append(Change(("box", frame, subject), None, [float(v) for v in points.box]))
    if replace:
        for frame in document.frames:
            for (subject, k), said in document.at(frame).items():
                if (frame, subject, k) not in there:
                    differing += 1
                    changes.append(Change(("point", frame, subject, k), said, None))
    return [change for change in changes if change.was != change.now], differing


def _take_in(session: Session, labels: LabelSet, path: Path, radius: int) -> None:
    """The labels that were given: the person's into the document, unless they are known; machines' beside it."""
    digest = file_hash(path)
    if digest not in session.hashes:
        changes, differing = changes_to(session, labels, replace=False)
        session.take_in(changes, f"{path.name} read")
        session.journal.append({"input": str(path), "hash": digest})
        session.hashes.add(digest)
        if differing:
            session.notes.append(
                f"{differing} labels of {path} differ from what was said here since, which was kept; "
                f"to begin anew from that file, give another label file with -o"
            )
    if tuple(session.document.keypoints[: len(labels.skeleton)]) == labels.skeleton.keypoints:
        session.machine.given = Layer(labels, reach(radius))
        session.machine.given.compare(session.document)


def _changed_outside(session: Session, category: str | None, missing: Missing) -> None:
    """Take in what another program made of the label file."""
    file = session.labels_file
    if not file.exists() or file_hash(file) in session.hashes:
        return
    try:
        labels = load_labels(file, session.video.frame_names, category=category, missing=missing)
        check_fit(labels.human(), session.video.size, None, session.video.name)
    except PoofError as error:
        raise PoofError(
            f"{error}; it was changed outside of poof label: move it away to go on from the journal"
        ) from None
    changes, differing = changes_to(session, labels, replace=True)
    session.take_in(changes, f"changes made to {file.name} by another program", undoable=True)
    session.notes.append(f"{file} was changed by another program: {differing} labels taken over (undo takes them back)")
    session.hashes.add(file_hash(file))


def _add_keypoints(session: Session, keypoints: Sequence[str]) -> None:
    new = [name for name in dict.fromkeys(k.strip() for k in keypoints) if name not in session.document.keypoints]
    if new:
        session.edit([{"op": "add_keypoint", "name": name} for name in new], undoable=False)


def _said(points: Points, k: int) -> Said:
    state = int(points.visible[k])
    if state == Visible.ABSENT:
        return Said(None, None, state)
    x, y = (round(float(v), 3) for v in points.xy[k])
    return Said(x, y, state)


def _equal(a: Said, b: Said) -> bool:
    if a.state != b.state:
        return False
    return a.x is None or (abs(a.x - (b.x or 0)) < 0.01 and abs((a.y or 0) - (b.y or 0)) < 0.01)

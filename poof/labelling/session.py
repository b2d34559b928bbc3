"""A labelling session of one video: edits with revisions, undo and redo, everything on disk before it counts.

The session knows nothing of windows or networks. It may be used from several threads, and tells its listeners what
changed. The journal beside the label file holds every step ever made; the label file, in the native format, follows a
moment later and is only ever replaced whole.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.files import atomic
from poof.labelling.document import Change, Document
from poof.labelling.edits import Context, Edit, changes_of
from poof.labelling.history import History, Step
from poof.labelling.journal import Journal
from poof.labelling.machine import Layer, Machine, Place, merged
from poof.labels import LabelSet, Points, save_labels
from poof.video.access import FrameAccess
from poof.video.base import Video

SAVE_AFTER = 0.5
"""Seconds after an edit in which the label file follows; several edits are written together."""

Listener = Callable[[str, dict[str, Any]], None]


class Conflict(PoofError):
    """Somebody else changed the same since; nothing was done.

    Attributes
    ----------
    revision : int
        Of that change.
    client : str
        Who made it.
    places : set of (frame, subject)
        Where both are about; what stands there now is what the other said.
    """

    def __init__(self, step: Step, places: set[Place]) -> None:
        super().__init__(f"somebody else changed this meanwhile ({step.what}); look at it before you go on")
        self.revision, self.client, self.places = step.revision, step.client, places


class NothingToDo(PoofError):
    """There is nothing to undo or redo."""


@dataclass(frozen=True)
class Outcome:
    """What an edit did.

    Attributes
    ----------
    step : Step or None
        The step, None where nothing changed.
    places : set of (frame, subject)
        Where points of the person changed.
    frames : (int, int) or None
        First and last frame in which anything looks different at once; None where only the skeleton did.
    """

    step: Step | None
    places: set[Place]
    frames: tuple[int, int] | None


class Session:
    """What a person says of one video, and what machines add.

    Parameters
    ----------
    video
        The video.
    journal
        Open journal; its steps are made again.
    labels_file
        The label file to keep up to date.
    access
        Random access to the frames; made when not given.

    Attributes
    ----------
    document : Document
        What the person said.
    machine : Machine
        What the machines say.
    history : History
    saved : int
        The revision that the label file holds.
    notes : list of str
        What the person should know, one line each.
    """

    def __init__(self, video: Video, journal: Journal, labels_file: Path, access: FrameAccess | None = None) -> None:
        self.video, self.journal, self.labels_file = video, journal, Path(labels_file).resolve()
        self.access = access or FrameAccess(video)
        self.document, self.machine, self.history = Document(), Machine(), History()
        self.saved = 0
        self.notes: list[str] = []
        self.lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._timer: threading.Timer | None = None
        self._closed = False
        self._writing = threading.Lock()
        self.hashes: set[str] = set()
        for line in journal.lines:
            self._replay(line)

    def _replay(self, line: Mapping[str, Any]) -> None:
        if "hash" in line:
            self.hashes.add(line["hash"])
            self.saved = line.get("saved", self.saved)
        if "rev" in line:
            try:
                step = Step.of_line(dict(line))
                self.history.add(step)
            except (KeyError, ValueError, TypeError, StopIteration) as error:
                raise PoofError(f"{self.journal.path}: step {line['rev']} is damaged; restore the file") from error
            self.document.apply(step.changes)

    # ------------------------------------------------------------------------------------------------------- listening

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with (name, facts) at everything that happens, in the thread where it happens."""
        self._listeners.append(listener)

    def tell(self, name: str, **facts: Any) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            listener(name, facts)

    # ----------------------------------------------------------------------------------------------------------- edits

    @property
    def revision(self) -> int:
        """Of the last step."""
        return self.history.revision

    @property
    def count(self) -> int:
        """Frames of the video."""
        return self.access.count

    def edit(self, edits: Sequence[Edit], client: str = "", base: int | None = None, undoable: bool = True) -> Outcome:
        """Make edits, all or none, as one step.

        Parameters
        ----------
        edits
            See `poof.labelling.edits`.
        client
            Who makes them.
        base
            The last revision that `client` has seen; None has seen all.
        undoable
            Whether `undo` may take the step back.

        Raises
        ------
        Conflict
            If somebody else changed the same after `base`.
        PoofError
            If an edit makes no sense or cannot be written.
        """
        with self.lock:
            changes, words = self._changes(edits)
            self._check(changes, client, base)
            what = words[0] if len(words) == 1 else f"{words[0]} and {len(words) - 1} more"
            return self._make(changes, client, "edit" if undoable else "import", what)

    def undo(self, client: str = "", others: Collection[str] = ()) -> Outcome:
        """Take back the latest step that is not of one of the `others` who are here; a step of its own.

        Raises
        ------
        NothingToDo
            If there is none.
        Conflict
            If somebody changed the same since.
        """
        with self.lock:
            step = self.history.to_undo(client, others)
            if step is None:
                raise NothingToDo("there is nothing to undo")
            changes = [change.back() for change in reversed(step.changes)]
            return self._make(self._still(changes), client, "undo", step.what, step.revision)

    def redo(self, client: str = "", others: Collection[str] = ()) -> Outcome:
        """Make a step again that `undo` took back; raises as `undo`."""
        with self.lock:
            step = self.history.to_redo(client, others)
            if step is None:
                raise NothingToDo("there is nothing to redo")
            return self._make(self._still(list(step.changes)), client, "redo", step.what, step.revision)

    def take_in(self, changes: Sequence[Change], what: str, client: str = "", undoable: bool = False) -> Outcome:
        """Make changes that come from a file; `undo` does not take them back unless `undoable`."""
        with self.lock:
            return self._make(list(changes), client, "edit" if undoable else "import", what)

    def _changes(self, edits: Sequence[Edit]) -> tuple[list[Change], list[str]]:
        if not isinstance(edits, Sequence) or isinstance(edits, (str, bytes)) or not edits:
            raise PoofError("there is nothing to do; give a list of edits")
        context = Context(self.document, self.shown, self.video.size, self.count)
        made: list[Change] = []
        words: list[str] = []
        try:
            for edit in edits:
                changes, what = changes_of(context, edit)
                self.document.apply(changes)
                made += changes
                words.append(what)
        finally:
            self.document.apply(change.back() for change in reversed(made))
        return made, words

    def _check(self, changes: Iterable[Change], client: str, base: int | None) -> None:
        if base is None:
            return
        clashes = [
            (change.key, step)
            for change in changes
            if (step := self.history.last(change.key)) is not None and step.revision > base and step.client != client
        ]
        if clashes:
            latest = max((step for _, step in clashes), key=lambda s: s.revision)
            raise Conflict(latest, _places(key for key, _ in clashes))

    def _still(self, changes: list[Change]) -> list[Change]:
        """The changes, if what they start from is still there."""
        seen: dict[Any, Any] = {}
        for change in changes:
            if seen.get(change.key, self.document.get(change.key)) != change.was:
                step = self.history.last(change.key)
                assert step is not None
                raise Conflict(step, _places([change.key]))
            seen[change.key] = change.now
        return changes

    def _make(self, changes: list[Change], client: str, kind: str, what: str, of: int | None = None) -> Outcome:
        """Write a step, then make it."""
        if not changes:
            return Outcome(None, set(), None)
        if self._closed:
            raise PoofError(f"{self.labels_file}: the session is closed; open it again")
        self.check_keypoints(changes)
        step = Step(self.revision + 1, client, kind, what, tuple(changes), of, time.time())
        self.journal.append(step.line())
        self.document.apply(changes)
        self.history.add(step)
        places = _places(change.key for change in changes)
        for layer in (self.machine.refined, self.machine.given):
            if layer is not None:
                layer.compare(self.document, places)
        outcome = Outcome(step, places, _frames(changes, self.count))
        self._save_soon()
        self.tell("edit", outcome=outcome)
        if any(change.key[0] in ("skeleton", "subjects") for change in changes):
            self.tell("skeleton", outcome=outcome)
        return outcome

    def check_keypoints(self, changes: Iterable[Change]) -> None:
        """Refuse changes of the skeleton that take a keypoint away which would still have points here."""
        changes = list(changes)
        left = {change.key for change in changes if change.now is None}
        for change in changes:
            if change.key == ("skeleton",):
                used = self.document.of_keypoints_from(len(change.now["keypoints"])) - left
                if used:
                    frame, _, k = min(key[1:] for key in used)
                    name, video = self.document.keypoints[k], Path(self.video.name).name
                    raise PoofError(f"{name} still has points (frame {frame} of {video}); delete them first")

    # --------------------------------------------------------------------------------------------------- what is shown

    def shown(self, frame: int, subject: int) -> Points | None:
        """What stands in a frame: the person's points, and the machines' where the person said nothing."""
        with self.lock:
            count = len(self.document.keypoints)
            if not count:
                return None
            said = self.document.points(frame, subject)
            machine = self.machine.at(frame, subject, count)
            if machine is None:
                return said
            hidden = {k: True for k in range(count) if self.document.is_hidden(frame, subject, k)}
            return merged(said, machine, hidden)

    def labels(self, machine: bool = True, accepted: bool = True) -> LabelSet:
        """Everything as labels.

        Parameters
        ----------
        machine
            Also the points of machines, as they are shown.
        accepted
            Also points of machines that the person took over as seen.

        Raises
        ------
        PoofError
            If there is no keypoint yet.
        """
        with self.lock:
            if not self.document.keypoints:
                raise PoofError(f"{self.video.name}: has no keypoints yet; add one, or give --keypoints")
            labels = self.document.labels(self.video.size, accepted)
            if machine:
                for frame, subject in self.machine.places:
                    points = self.shown(frame, subject)
                    if points is not None:
                        labels.instances[frame, subject] = points
            names = self.video.frame_names
            if names is not None:
                labels.frame_names = {frame: names[frame] for frame in labels.frames if frame < len(names)}
            labels.info = {"video": self.video.name, "labelling": {"revision": self.revision}}
            return labels

    @property
    def refined_file(self) -> Path:
        """Where a refinement that was started here leaves its labels."""
        return self.labels_file.with_name(f"{self.labels_file.stem}.refined.json")

    def show_refined(self, labels: LabelSet, span: int) -> None:
        """Show refined points wherever the labels are those that they were made from.

        Parameters
        ----------
        labels
            What `poof refine` made; of other keypoints it is left aside.
        span
            Frames that a label can have had an effect on, to either side.
        """
        with self.lock:
            if tuple(self.document.keypoints[: len(labels.skeleton)]) != labels.skeleton.keypoints:
                return
            self.machine.refined = layer = Layer(labels, span)
            layer.compare(self.document)
            frames = sorted({frame for frame, _ in layer.points})
        if frames:
            self.tell("refined", frames=[frames[0], frames[-1]], revision=self.revision)

    # --------------------------------------------------------------------------------------------------------- on disk

    def _save_soon(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = threading.Timer(SAVE_AFTER, self._save_now)
            self._timer.daemon = True
            self._timer.start()

    def _save_now(self) -> None:
        try:
            self.save()
        except PoofError as error:
            self.tell("trouble", message=f"the label file could not be written, the journal has everything: {error}")

    def save(self) -> None:
        """Bring the label file up to date, whole; the journal first notes what it will be.

        Raises
        ------
        PoofError
            If it cannot be written.
        """
        with self._writing:
            with self.lock:
                self._timer = None
                if self._closed:
                    return
                revision = self.revision
                if self.saved == revision and self.labels_file.exists():
                    return
                if not self.document.keypoints or not (self.document.frames or self.labels_file.exists()):
                    return
                labels = self.labels(machine=False)
            with atomic(self.labels_file) as temporary:
                save_labels(labels, temporary, force=True, checked=True)
                digest = file_hash(temporary)
                with self.lock:
                    self.hashes.add(digest)
                    self.journal.append({"saved": revision, "hash": digest})
            self.saved = revision
        self.tell("saved", revision=revision)

    def abandon(self) -> None:
        """Let everything go without writing the label file."""
        with self._writing, self.lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self.journal.close()
        self.access.close()

    def close(self) -> None:
        """Write what is to be written and let everything go."""
        with self.lock:
            if self._timer is not None:
                self._timer.cancel()
        with suppress(PoofError):
            self.save()
        with self._writing, self.lock:
            self._closed = True
            self.journal.close()
        self.access.close()


def file_hash(path: Path) -> str:
    """Checksum of a file's content."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _places(keys: Iterable[tuple[Any, ...]]) -> set[Place]:
    return {(key[1], key[2]) for key in keys if key[0] == "point"}


def _frames(changes: Iterable[Change], count: int) -> tuple[int, int] | None:
    """First and last frame that changes are about."""
    first: list[int] = []
    last: list[int] = []
    for change in changes:
        if change.key[0] in ("point", "seen", "skipped", "box"):
            first.append(change.key[1])
            last.append(change.key[1])
        elif change.key[0] == "hidden":
            for a, b in [*(change.was or ()), *(change.now or ())]:
                first.append(a)
                last.append(min(b, count - 1))
    return (min(first), max(last)) if first else None

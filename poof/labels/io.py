"""Label files in and out: the format is found by the content when reading, by the name when writing.

To add a format: one new file with what `Format` asks for, one line in `FORMATS`. The tests run over the whole
registry. The first format that accepts a file or a name gets it.
"""

from __future__ import annotations

import codecs
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, get_args

from poof.errors import PoofError, names_near, not_there
from poof.labels.formats import (
    coco,
    cvat,
    deeplabcut,
    dlc_project,
    dlc_tracks,
    label_studio,
    lightning_pose,
    long_csv,
    sleap,
    sleap_analysis,
    unsupported,
)
from poof.labels.formats.reading import SEPARATOR_LINE, Choice, Missing
from poof.labels.model import LabelSet
from poof.labels.naming import placed
from poof.labels.validation import check_valid, tell_apart

_HEAD = 65536


class Format(Protocol):
    """What a module that stores labels offers."""

    ENDINGS: tuple[str, ...]
    """Endings of the files it can write, the usual one first."""

    def claims(self, path: Path) -> bool:
        """Whether a file to be written under this name is meant to be of this format."""

    def detect(self, path: Path, head: bytes) -> bool:
        """Whether the file, which begins with `head`, is meant to be of this format."""

    def load(self, path: Path, choice: Choice) -> LabelSet:
        """Read a file that `detect` accepts; a `PoofError` names file, place and remedy."""

    def save(self, labels: LabelSet, path: Path) -> None:
        """Write a file, atomically; a `PoofWarning` names what the format cannot hold."""


FORMATS: Mapping[str, Format] = {
    "dlc-project": dlc_project,
    "label-studio": label_studio,
    "coco": coco,
    "sleap": sleap,
    "sleap-analysis": sleap_analysis,
    "deeplabcut": deeplabcut,
    "dlc-tracks": dlc_tracks,
    "lp": lightning_pose,
    "cvat": cvat,
    "csv": long_csv,
}
"""Name -> module; the first that accepts a file or a name gets it."""


def load_labels(
    path: str | Path,
    frame_names: Sequence[str] | None = None,
    format: str | None = None,
    category: str | None = None,
    video: str | None = None,
    missing: Missing = "absent",
) -> LabelSet:
    """Read a label file of any known format.

    Parameters
    ----------
    path
        The file. Its format is found by its content.
    frame_names
        Image file names of the video's frames in order, for image folders: an image of the file that bears one of
        these names is that frame. Without it the last number in an image's name is its frame.
    format
        Name in `FORMATS`, to overrule the detection.
    category
        For COCO files with several categories that have keypoints: the name of the wanted one.
    video
        For files with the images of several videos: name or path of the wanted video, which is the name of the folder
        of its images. Not looked at when the images lie in one folder.
    missing
        What an empty keypoint means in a format that cannot tell 'absent' (looked for, not in the picture) from
        'unlabelled' (nobody looked), in a frame where its subject has other points. DeepLabCut's empty cell, COCO's
        0, 0, 0 of other tools and a table without a state 'absent' are such; `LabelSet.assumed_absent` says where the
        rule was used. Files that poof wrote say which it is.

    Returns
    -------
    LabelSet
        Instances of which no keypoint is labelled or absent are not in it.

    Raises
    ------
    PoofError
        If the file is missing, empty, of no known format, damaged, ambiguous, or holds no label.
    """
    path = dlc_project.config_of(Path(path))
    if missing not in get_args(Missing):
        raise PoofError(f"missing '{missing}' is neither {' nor '.join(get_args(Missing))}")
    if format:
        name = _checked(format)
        _head(path)
    else:
        name = detect_format(path)
    labels = FORMATS[name].load(path, Choice(frame_names, category, video, missing))
    check_valid(path, labels)
    tell_apart(path, labels)
    return labels if frame_names is None else placed(labels, frame_names, path)


def save_labels(
    labels: LabelSet, path: str | Path, force: bool = False, format: str | None = None, checked: bool = False
) -> None:
    """Write a label file, atomically, in the format that the name's ending or `format` says.

    Parameters
    ----------
    labels
        What to write.
    path
        The file. One that poof wrote is replaced if nothing of a person's is lost, see `check_label_output`.
    force
        Also replace what another command or an earlier version wrote.
    format
        Where the ending does not tell.
    checked
        The output was looked at before the work started.

    Raises
    ------
    PoofError
        If the ending names no format, the file may not be replaced, or it cannot be written.
    """
    from poof.labels.replacing import check_label_output, kind_of

    path = Path(path)
    name = format_for(path, format)
    if not checked:
        video = labels.info.get("video")
        check_label_output(path, [labels], kind_of(labels), video if isinstance(video, str) else None, force)
    FORMATS[name].save(labels, path)


def detect_format(path: Path) -> str:
    """The name in `FORMATS` of the format a file is in, by its content.

    Raises
    ------
    PoofError
        If the file is missing, empty, unreadable or of no known format.
    """
    path = dlc_project.config_of(path)
    head = _head(path)
    told = unsupported.recognised(path, head)
    if told:
        raise PoofError(told)
    for name, module in FORMATS.items():
        if module.detect(path, head):
            return name
    raise PoofError(f"{path}: is no label file that poof knows; it reads {', '.join(FORMATS)}")


def _head(path: Path) -> bytes:
    """The first bytes of a file that has some."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise PoofError(f"{path}: is a folder; name a label file")
        if not stat.S_ISREG(kind):  # a pipe would be waited for, a device never ends
            raise PoofError(f"{path}: is no ordinary file; name a label file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise not_there(path, "label file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PoofError(f"{path}: cannot be read ({reason}); check the path and its permissions") from None
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise PoofError(f"{path}: is empty; label at least one frame")
    return SEPARATOR_LINE.sub(b"", head, count=1)


def format_for(path: Path, format: str | None = None) -> str:
    """The name in `FORMATS` of the format in which `path` is to be written.

    Raises
    ------
    PoofError
        If the ending belongs to no format, or not to the one asked for.
    """
    ending = path.suffix.lower()
    if format:
        if ending not in FORMATS[_checked(format)].ENDINGS:
            endings = " or ".join(FORMATS[format].ENDINGS)
            raise PoofError(f"{path}: files in the format {format} end in {endings}; choose such a name")
        return format
    for name, module in FORMATS.items():
        if module.claims(path):
            return name
    endings = ", ".join(dict.fromkeys(e for module in FORMATS.values() for e in module.ENDINGS))
    raise PoofError(f"{path}: the ending '{ending}' names no label format; use one of {endings}")


def _checked(format: str) -> str:
    if format not in FORMATS:
        raise PoofError(f"no label format '{format}'; there are {names_near(format, FORMATS)}")
    return format

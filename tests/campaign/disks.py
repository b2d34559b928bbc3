"""Full disks: the previous output stays or a whole new one takes its place, and nothing else lies there."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command import poof
from harness import Fault, check_folder
from material import label_set, saved
from mutations import Rng, pick

from poof.labels import load_labels
from poof.labels.formats.machine_list import beside


def trial(rng: Rng, folder: Path) -> None:
    """One command on a disk with little room."""
    source = folder / "gt.json"
    document = json.loads(saved(label_set(rng), "x.json"))
    document["info"] = {"note": "x" * int(rng.integers(0, 20000))}
    source.write_text(json.dumps(document))
    with _small_disk(rng, folder / "disk") as (disk, room):
        target = disk / pick(rng, ("o.json", "o.csv", "o.h5", "CollectedData_o.csv"))
        code, _, told = poof(["convert", str(source), str(target)])
        if code != 0:
            raise Fault("wrong", f"no room for the first output: {told[:150]}")
        listed = beside(target)  # of the machine's points, with CollectedData; both are new, or neither
        previous, list_before = target.read_bytes(), _bytes(listed)
        with room():
            code, _, told = poof(["convert", str(source), str(target), "--force", "--scale", "0.5"])
        if code == 0:
            if len(load_labels(target).frames) != len(load_labels(source).frames):
                raise Fault("lost", "the output is not whole")
            if listed.exists() and _bytes(listed) == list_before:
                raise Fault("lost", "the list of the machine's points is not of the new output")
        elif (target.read_bytes(), _bytes(listed)) != (previous, list_before):
            raise Fault("lost", "the previous output changed")
        elif "cannot be written" not in told:
            raise Fault("wrong", told[:150])
        check_folder(disk, {target.name, "ballast", *([listed.name] if list_before is not None else [])})


def _bytes(path: Path) -> bytes | None:
    """What a file holds, None if there is none."""
    return path.read_bytes() if path.exists() else None


@contextmanager
def _small_disk(rng: Rng, folder: Path) -> Iterator[tuple[Path, object]]:
    """A folder, and a context in which little can be written into it.

    That is a full tmpfs where mounting is allowed, else a limit on the size of files.
    """
    folder.mkdir()
    room = int(rng.integers(0, 20000))
    mounted = os.geteuid() == 0 and rng.random() < 0.5 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode  # fmt: skip

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    @contextmanager
    def filled() -> Iterator[None]:
        free = os.statvfs(folder)
        size = max(0, free.f_bavail * free.f_bsize - room)
        (folder / "ballast").write_bytes(bytes(size))
        yield

    try:
        yield folder, filled if mounted else limited
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=False)

"""The authors' code and weights of a tracker: as installed, or from where they publish them, pinned and checked.

Code is taken as installed (`import cotracker`), from a folder that is named, or from the folder in which torch.hub
keeps the repository at the pinned commit; it is downloaded there when the tracker is named and it is not there. Nothing
of it is part of poof. Weights are a file that is named, or the published one in torch's checkpoints, downloaded in
the same way; they are read as plain tensors (`weights_only=True`), so nothing in them is executed.

The authors publish no checksums. The first file that comes from their address is remembered by its SHA-256, and another
one is refused later; `sha256=` in the tracker's name demands a certain one.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from poof.errors import PoofError, not_there
from poof.files import atomic
from poof.origin import cache_folder, sha256_of
from poof.propagation.trackers.base import PointTracker


@dataclass(frozen=True)
class Published:
    """Where a tracker's authors publish it.

    Attributes
    ----------
    name : str
        As messages call it.
    repository : str
        'owner/name' on GitHub.
    commit : str
        The commit that the adapter was written for.
    module : str
        The module that is imported.
    own : tuple of str
        Top-level names of the repository's modules. Some are so general ('utils') that they must not stay in
        `sys.modules` under that name.
    weights : str
        Address of the weights.
    """

    name: str
    repository: str
    commit: str
    module: str
    own: tuple[str, ...]
    weights: str

    @property
    def folder(self) -> Path:
        """Where torch.hub keeps the repository at this commit."""
        import torch

        owner, name = self.repository.split("/")
        return Path(torch.hub.get_dir()) / f"{owner}_{name}_{self.commit}"

    @property
    def file(self) -> Path:
        """Where torch keeps the weights."""
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints" / self.weights.rsplit("/", 1)[-1]


class Adapter(PointTracker):
    """A tracker of other authors: their network, on a device, with weights that are known by their SHA-256."""

    def __init__(self, published: Published, device: str) -> None:
        import torch

        self.name, self._published = published.name, published
        self._torch, self._device, self._digest = torch, torch.device(device), "random"
        self._network: Any = None

    def describe(self) -> dict[str, Any]:
        """See `PointTracker.describe`."""
        commit = self._published.commit
        return {"name": self.name, "commit": commit, "sha256": self._digest, "device": self._device.type}


def code_of(published: Published, folder: Path | None = None) -> ModuleType:
    """The authors' module.

    Parameters
    ----------
    published
        What to import.
    folder
        A copy of the repository; None takes what is installed, else torch.hub's folder, else downloads it there.

    Raises
    ------
    PoofError
        If there is no such folder, the download fails, or the code needs a package that is not there.
    """
    if folder is not None and not folder.is_dir():
        raise not_there(folder, "folder", f"give a copy of the repository {published.repository}")
    if folder is None and len(published.own) == 1 and importlib.util.find_spec(published.own[0]) is not None:
        return _imported(published)
    where = folder or published.folder
    if not where.is_dir():
        _download_code(published, where)
    with _on_path(where, published.own):
        return _imported(published)


def _imported(published: Published) -> ModuleType:
    from poof.torchvision_ops import ensure

    ensure()
    try:
        return importlib.import_module(published.module)
    except ImportError as error:
        missing = getattr(error, "name", None)
        remedy = (
            f"pip install {missing}" if missing and missing.split(".")[0] not in published.own else "see its README"
        )
        raise PoofError(
            f"{published.name}: its code cannot be imported ({error}); {remedy}, or leave --tracker out"
        ) from error


@contextlib.contextmanager
def _on_path(folder: Path, own: tuple[str, ...]) -> Iterator[None]:
    """The folder first on the path; modules with the repository's general names are taken out of the way, and back."""
    general = own if len(own) > 1 else ()
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in general}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in list(sys.modules):
            if name.split(".")[0] in general:
                del sys.modules[name]
        sys.modules.update(others)


def _download_code(published: Published, where: Path) -> None:
    import torch

    address = f"https://github.com/{published.repository}/archive/{published.commit}.zip"
    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where.parent) as room:
        try:
            torch.hub.download_url_to_file(address, f"{room}/code.zip", progress=False)
            with zipfile.ZipFile(f"{room}/code.zip") as archive:
                archive.extractall(f"{room}/code")
        except (OSError, zipfile.BadZipFile) as error:
            raise PoofError(
                f"{published.name}: its code could not be downloaded ({type(error).__name__}); fetch {address}, unpack"
                f" it and give the folder ({published.name}:code=FOLDER)",
                400,
            ) from error
        (inner,) = [path for path in Path(f"{room}/code").iterdir() if path.is_dir()]
        with contextlib.suppress(FileExistsError):  # another process was faster
            shutil.move(str(inner), str(where))


def weights_of(published: Published, given: Path | None = None, digest: str | None = None) -> tuple[Path, str]:
    """The file of weights and its SHA-256.

    Raises
    ------
    PoofError
        If the file is not there and cannot be downloaded, or is not the one that is demanded or was there before.
    """
    if given is not None and not given.is_file():
        raise not_there(given, "weights file", f"leave it out to have {published.name}'s downloaded")
    path = given or published.file
    if not path.is_file():
        _download_weights(published, path)
    found = sha256_of(path)
    memory = cache_folder() / "trackers" / f"{published.file.name}.sha256"
    known = memory.read_text().strip() if given is None and memory.is_file() else None
    wanted = digest.lower() if digest else known
    if wanted and not found.startswith(wanted):
        source = "you demand" if digest else "it had at the first use"
        raise PoofError(
            f"{path}: has the SHA-256 {found[:16]}..., not {wanted[:16]}... that {source}; remove the file to have it"
            f" downloaded again{'' if digest else f', and {memory} if its authors replaced it'}",
            400,
        )
    if given is None and known is None:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with atomic(memory) as temporary:
            temporary.write_text(found + "\n")
    return path, found


def _download_weights(published: Published, path: Path) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        try:
            torch.hub.download_url_to_file(published.weights, str(temporary), progress=False)
        except OSError as error:
            raise PoofError(
                f"{published.name}: its weights could not be downloaded ({type(error).__name__}); fetch"
                f" {published.weights} and give the file ({published.name}:weights=FILE)",
                400,
            ) from error


def state_of(path: Path) -> Any:
    """A checkpoint's state, whatever it is wrapped in.

    Raises
    ------
    PoofError
        If the file holds no plain tensors, or some that are no numbers.
    """
    from poof.checkpoints import check_finite, read_checkpoint, tensors_in

    try:
        state = tensors_in(read_checkpoint(path), path)
    except PoofError as error:
        raise PoofError(f"{path}: holds no weights; give the file as published") from error
    check_finite(state, path)
    return state


def fill(network: Any, state: Any, path: Path, name: str) -> None:
    """Load a state into a network; a `PoofError` where it is of another."""
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError) as error:
        what = str(error).strip().splitlines()[-1].strip()
        raise PoofError(f"{path}: holds no weights of {name} ({what[:120]}); give the file as published") from error

"""The networks of ptlflow (Apache-2.0, Morimitsu) as flow estimators: ``--flow ptlflow:sea_raft_m@things``.

ptlflow has ninety variants of some fifty networks behind one call, with weights that it downloads (or takes from
torch's cache) by name and checks by the digest in their file name; those trained by the project itself are CC-BY-NC-SA,
others keep their authors' licence. It is an extra (`pip install 'poof-pose[ptlflow]'`), and heavy: nothing of it is
imported before one of its networks is asked for.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError, names_near
from poof.flow.base import FlowEstimator
from poof.flow.naming import Named, check_options, whole
from poof.origin import sha256_of

INSTALL = "pip install 'poof-pose[ptlflow]'"
PIXELS_AT_ONCE = 2_000_000
"""Pixels of one batch on a GPU; a CPU takes one pair at a time."""
SMALLEST = 128
"""Side in pixels to which smaller images are padded: coarse levels of the networks need some places."""


class PtlFlow(FlowEstimator):
    """A network of ptlflow. One object may be used from several threads.

    Parameters
    ----------
    model
        Name in ptlflow, 'sea_raft_m' say.
    weights
        Name of published weights ('things', 'sintel', ...), a path, or '' for random ones, which only tests want.
    device
        A torch device's name.
    iterations
        Updates, for networks that have such; None: the network's own number.

    Raises
    ------
    PoofError
        If ptlflow is not installed, has no such network or weights, or the weights cannot be had.
    """

    def __init__(self, model: str, weights: str, device: str = "cpu", iterations: int | None = None) -> None:
        import torch

        library = _library()
        known = library.get_model_names()
        if model not in known:
            raise PoofError(f"--flow ptlflow:{model}: ptlflow has no such network; near are {names_near(model, known)}")
        published = getattr(library.get_model_reference(model), "pretrained_checkpoints", {})
        if weights and weights not in published and not Path(weights).is_file():
            raise PoofError(
                f"--flow ptlflow:{model}@{weights}: no such weights; valid are {names_near(weights, published)}, or a"
                " file (ptlflow:MODEL,weights=FILE)"
            )
        self.name = f"ptlflow:{model}"
        self._model, self._weights, self._iterations = model, weights, iterations
        self._device = torch.device(device)
        self._digest = sha256_of(Path(weights)) if Path(weights).is_file() else published.get(weights, "")
        try:
            with _quietly():
                self._network = library.get_model(model, weights or None)
        except OSError as error:
            raise PoofError(
                f"--flow ptlflow:{model}@{weights}: its weights could not be downloaded"
                f" ({type(error).__name__}); fetch {published.get(weights)} and give the file"
                f" (ptlflow:{model},weights=FILE)"
            ) from error
        except Exception as error:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            raise PoofError(
                f"--flow ptlflow:{model}: could not be made with '{weights}' ({what}); choose another network, or"
                " weights of this one"
            ) from error
        if iterations is not None:
            if not hasattr(self._network, "iters"):
                raise PoofError(f"--flow ptlflow:{model}: makes no updates; leave iterations out")
            self._network.iters = iterations
        self._network = self._network.to(self._device).eval().requires_grad_(False)
        self._torch, self._lock = torch, threading.Lock()

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        """See `FlowEstimator.prepare`; ptlflow takes pairs, so nothing can be made of one image alone."""
        return [np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)) for image in images]  # BGR, as it wants it

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        pairs = list(zip(first, second, strict=True))
        if not pairs:
            return np.zeros((0, 2, 0, 0), np.float32)
        size = self.batch_size(*first[0].shape[1:])
        # One pair at a time on a CPU: the result does then not depend on what it is computed with.
        return np.concatenate([self._flow(pairs[k : k + size]) for k in range(0, len(pairs), size)])

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`."""
        if self._device.type == "cpu":
            return 1
        return max(1, PIXELS_AT_ONCE // (max(height, SMALLEST) * max(width, SMALLEST)))

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {
            "name": self.name,
            "weights": Path(self._weights).name,
            "digest": self._digest,
            "iterations": self._iterations,
            "device": self._device.type,
            "ptlflow": _library().__version__,
        }

    def _flow(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """(B, 2, H, W) flow of pairs of one size."""
        torch = self._torch
        height, width = pairs[0][0].shape[1:]
        images = torch.from_numpy(np.stack([np.stack(pair) for pair in pairs])).to(self._device).float() / 255
        below, right = max(0, SMALLEST - height), max(0, SMALLEST - width)
        if below or right:
            flat = images.flatten(0, 1)
            images = torch.nn.functional.pad(flat, (0, right, 0, below), mode="replicate").unflatten(0, (-1, 2))
        with self._lock, torch.inference_mode():  # some networks keep what they found for the next pair
            flow = self._network({"images": images})["flows"]
        flow = flow.reshape(len(pairs), -1, 2, *flow.shape[-2:])[:, 0, :, :height, :width]
        return np.ascontiguousarray(flow.float().cpu().numpy())


def create(named: Named, weights: Path | None, device: str) -> PtlFlow:
    """The estimator of 'ptlflow:MODEL@WEIGHTS', 'ptlflow:MODEL,weights=FILE', or 'ptlflow:MODEL' with --weights."""
    model, _, published = named.variant.partition("@")
    if not model:
        raise PoofError(f"--flow {named.text}: names no network; write ptlflow:sea_raft_m@things, say")
    check_options(named, ("", "weights", "iterations"))
    given = published or named.options.get("weights") or (str(weights) if weights is not None else "")
    if not given:
        valid = getattr(_model(model), "pretrained_checkpoints", {})
        raise PoofError(
            f"--flow {named.text}: says no weights; write ptlflow:{model}@{next(iter(valid), 'NAME')}, of"
            f" {names_near('', valid)}"
        )
    updates = whole(named, "iterations", 0) or None
    return PtlFlow(model, given, device, updates)


def _model(name: str) -> Any:
    """A network's class; the nearest names where there is none."""
    library = _library()
    if name not in library.get_model_names():
        known = library.get_model_names()
        raise PoofError(f"--flow ptlflow:{name}: ptlflow has no such network; near are {names_near(name, known)}")
    return library.get_model_reference(name)


def _library() -> Any:
    """ptlflow, imported at the first use."""
    from poof.torchvision_ops import ensure

    ensure()
    try:
        with _quietly():
            import ptlflow
    except ImportError as error:
        what = "" if getattr(error, "name", None) in ("ptlflow", None) else f" ({error})"
        raise PoofError(f"--flow ptlflow: needs ptlflow, an extra{what}; {INSTALL}, or use --flow dis") from error
    return ptlflow


@contextlib.contextmanager
def _quietly() -> Any:
    """ptlflow and what it imports print and log at will; none of it is for poof's users."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield

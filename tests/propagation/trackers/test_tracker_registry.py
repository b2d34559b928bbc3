"""The trackers by name: adapters over stand-ins of the authors' calls, their weights, and those of other packages."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from doubles import clock, labels_at

from poof.errors import PoofError
from poof.propagation.trackers import PointTracker, alltracker, cotracker, published, tapnext
from poof.propagation.trackers.follow import Follower
from poof.propagation.trackers.registry import TRACKERS, available, create_tracker

STEP = np.array([2.0, 1.0])
"""Pixels that every point moves in a frame, in the frames that the stand-ins see: 64 x 48."""
FRAMES = np.zeros((7, 48, 64, 3), np.uint8)
QUERIES = np.array([[0, 10.0, 12.0], [0, 30.0, 20.0], [0, 5.5, 30.25]])


class CoTrackerModel(torch.nn.Module):
    """CoTracker3's model: points (t, x, y) of a video of 384 x 512."""

    def __init__(self) -> None:
        super().__init__()
        self.step = torch.nn.Parameter(torch.zeros(2))

    def forward(self, video: torch.Tensor, queries: torch.Tensor, iters: int) -> tuple[Any, ...]:
        assert video.shape[2:] == (3, 384, 512) and iters == 6
        assert queries.shape[1] == 3 + 36, "the grid beside the queries"
        time = torch.arange(video.shape[1])[None, :, None, None]
        xy = queries[:, None, :, 1:] + (time - queries[:, None, :, :1]) * self.step
        flags = torch.full(xy.shape[:3], 0.75)
        return xy, flags, flags / 3, None


class Predictor(torch.nn.Module):
    def __init__(self, checkpoint: None, window_len: int, v2: bool) -> None:
        super().__init__()
        assert window_len in (60, 16) and not v2
        self.model, self.interp_shape = CoTrackerModel(), (384, 512)


class AllTrackerNet(torch.nn.Module):
    """AllTracker's network: dense flow from the first frame to each of the others."""

    def __init__(self, seqlen: int, init_weights: bool, use_basicencoder: bool = False, no_split: bool = False) -> None:
        super().__init__()
        assert seqlen == 16 and not init_weights and use_basicencoder == no_split
        self.step = torch.nn.Parameter(torch.zeros(2))

    def forward_sliding(self, images: torch.Tensor, iters: int, sw: None, is_training: bool) -> tuple[Any, ...]:
        b, t, _, h, w = images.shape
        assert t > 2 and h % 8 == w % 8 == 0 and iters == 4 and not is_training
        flow = (torch.arange(t)[:, None] * self.step)[None, :, :, None, None].expand(b, t, 2, h, w)
        belief = torch.tensor([0.75, 0.25])[None, None, :, None, None].expand(b, t, 2, h, w)
        return flow, belief, None, None


class TapNextNet(torch.nn.Module):
    """TAPNext's network: frame by frame, (y, x) from the corner of a picture of 256 x 256."""

    def __init__(self, image_size: tuple[int, int]) -> None:
        super().__init__()
        assert image_size == (256, 256)
        self.step = torch.nn.Parameter(torch.zeros(2))

    def forward(self, video: torch.Tensor, query_points: Any = None, state: Any = None) -> tuple[Any, ...]:
        assert video.shape == (1, 1, 256, 256, 3) and video.min() >= -1
        time, points = (0, query_points) if state is None else state
        tracks = (points[..., 1:] + (time - points[..., :1]) * self.step.flip(0))[:, None]
        seen = torch.full((*tracks.shape[:3], 1), float(np.log(3)))
        return tracks, torch.zeros(*tracks.shape[:3], 512), seen, (time + 1, points)


def tap_utils() -> types.ModuleType:
    module = types.ModuleType("tapnet.tapnext.tapnext_torch_utils")

    def restore(network: TapNextNet, path: str) -> TapNextNet:
        with np.load(path) as kept:
            network.step.data.copy_(torch.from_numpy(kept["step"]))
        return network

    def certainty(xy: torch.Tensor, logits: torch.Tensor, radius: int) -> torch.Tensor:
        assert radius == 8 and logits.shape[-1] == 512
        return torch.full((*xy.shape[:3], 1), 0.25)

    module.__dict__.update(restore_model_from_jax_checkpoint=restore, tracker_certainty=certainty)
    return module


SCALES = {"cotracker": (511 / 63, 383 / 47), "alltracker": (1.0, 1.0), "tapnext": (4.0, 256 / 48)}
"""Pixels of what each network sees for one of `FRAMES`."""


def family(name: str) -> str:
    return name.split("-")[0].removesuffix("3")


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """The authors' packages as installed, and a function that gives weights by which every point moves by `STEP`."""
    predictor = types.ModuleType("cotracker.predictor")
    predictor.__dict__.update(CoTrackerPredictor=Predictor, CoTrackerOnlinePredictor=Predictor)
    net, tap = types.ModuleType("nets.alltracker"), types.ModuleType("tapnet.tapnext.tapnext_torch")
    net.__dict__["Net"], tap.__dict__["TAPNext"] = AllTrackerNet, TapNextNet
    modules = {m.__name__: m for m in (predictor, net, tap, tap_utils())}
    for module in modules.values():
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for place in (cotracker, alltracker, tapnext):
        monkeypatch.setattr(place, "code_of", lambda where, folder=None: modules[where.module])
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    # AllTracker's code wants CUDA; its stand-in does not.
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_: self)
    whole = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda t, d, *a: t if str(d).startswith("cuda") else whole(t, d, *a))

    def weights(name: str) -> Path:
        step = torch.tensor(STEP * SCALES[family(name)], dtype=torch.float32)
        if name == "tapnext":
            path = tmp_path / "tapnext.npz"
            np.savez(path, step=step.numpy())
        else:
            path = tmp_path / f"{name}.pth"
            torch.save({"model": {"step": step}} if "all" in name else {"step": step}, path)
        return path

    return weights


def refuse(*_: Any, **__: Any) -> None:
    raise OSError("no network here")


def made(name: str, authors: Callable[[str], Path], more: str = "") -> PointTracker:
    if "alltracker" in name:
        options = dict(part.split("=") for part in more.split(",") if part)
        tracker = alltracker.AllTracker(name, "cuda", authors(name))
        tracker.window = int(options.get("window", tracker.window))
        return tracker
    return create_tracker(f"{name}:weights={authors(name)}{',' + more if more else ''}", "cpu")


@pytest.mark.parametrize("name", list(TRACKERS))
def test_points_come_back_in_the_pixels_of_the_frames(name: str, authors: Callable[[str], Path]) -> None:
    found = made(name, authors).track(FRAMES, QUERIES)
    expected = QUERIES[None, :, 1:] + np.arange(7)[:, None, None] * STEP
    np.testing.assert_allclose(found.xy, expected, atol=1e-3)
    assert found.visible.shape == found.certainty.shape == (7, 3)
    np.testing.assert_allclose(found.visible[1:], 0.75, atol=1e-5)
    np.testing.assert_allclose(found.certainty[1:], 0.25, atol=1e-5)


@pytest.mark.parametrize("name", list(TRACKERS))
def test_the_shortest_window_works(name: str, authors: Callable[[str], Path]) -> None:
    found = made(name, authors).track(FRAMES[:2], QUERIES)
    np.testing.assert_allclose(found.xy[1], QUERIES[:, 1:] + STEP, atol=1e-3)


@pytest.mark.parametrize("name", list(TRACKERS))
def test_every_tracker_runs_both_ways_through_windows(name: str, authors: Callable[[str], Path]) -> None:
    tracker = made(name, authors, "window=8")
    video = clock(30, (64, 48))
    labels = labels_at(2, 22)
    for frame in (2, 22):
        labels.instances[frame, 0].xy[:] = QUERIES[:, 1:]
    follower = Follower(video, labels, tracker, 21)
    assert len(list(follower.run())) == follower.total == 4
    for one in follower.result():
        way = np.abs(one.frames - (one.query or 0))[:, None] * STEP  # the stand-in moves on in either direction
        np.testing.assert_allclose(one.xy, QUERIES[one.keypoint, 1:] + way, atol=1e-2)


@pytest.mark.parametrize("name", list(TRACKERS))
def test_descriptions_are_json_and_tell_weights_apart(name: str, authors: Callable[[str], Path]) -> None:
    tracker = made(name, authors)
    told = json.loads(json.dumps(tracker.describe()))
    assert told["name"] == tracker.name == name
    assert len(told["sha256"]) == 64 and len(told["commit"]) == 40
    assert tracker.met_weights is False, "said in docs/trackers.md too"
    assert tracker.window >= 4 and tracker.overlap >= 1 and tracker.longest >= 64
    assert bool(tracker.licence) == name.startswith("cotracker3")


@pytest.mark.parametrize("name", [n for n in TRACKERS if "alltracker" not in n])
def test_weights_that_cannot_be_had_are_told_with_their_address(name: str, authors: Callable[[str], Path]) -> None:
    with pytest.raises(PoofError, match=rf"{name}: its weights could not be downloaded \(OSError\); fetch https://"):
        create_tracker(name, "cpu")
    with pytest.raises(PoofError, match=r"none.pth: there is no such weights file"):
        create_tracker(f"{name}:weights=none.pth", "cpu")


@pytest.mark.parametrize("name", [n for n in TRACKERS if "alltracker" not in n])
def test_weights_of_something_else_are_refused(name: str, authors: Callable[[str], Path], tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    torch.save({"backbone": torch.zeros(3)}, other)
    with pytest.raises(PoofError, match=r"other.pth: holds no weights of "):
        create_tracker(f"{name}:weights={other}", "cpu")
    other.write_bytes(b"no weights at all")
    with pytest.raises(PoofError, match=r"other.pth: holds no weights"):
        create_tracker(f"{name}:weights={other}", "cpu")


def test_alltracker_says_that_it_needs_cuda() -> None:
    with pytest.raises(PoofError, match="alltracker: its authors' code runs on CUDA only, not on cpu; use tapnext"):
        create_tracker("alltracker", "cpu")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cotracker4", "unknown tracker 'cotracker4'; valid: cotracker3, cotracker3-online"),
        ("tapnext:step=4", "no option 'step'; tapnext takes weights=VALUE"),
        ("tapnext:fast", "tapnext has no variant 'fast'"),
        ("tapnext:code=nowhere", "nowhere: there is no such folder"),
    ],
)
def test_names_that_are_none_are_refused(name: str, words: str) -> None:
    with pytest.raises(PoofError) as error:
        create_tracker(name, "cpu")
    assert words in str(error.value)


# ------------------------------------------------------------------------------------------------ code and weights


def source(folder: Path, fault: str = "") -> published.Published:
    """A tracker whose code is a folder with modules of general names."""
    (folder / "nets").mkdir(parents=True)
    (folder / "nets" / "__init__.py").write_text("")
    (folder / "nets" / "own.py").write_text(f"import utils\nVALUE = utils.VALUE\n{fault}\n")
    (folder / "utils.py").write_text("VALUE = 42\n")
    return published.Published("own", "someone/own", "0" * 40, "nets.own", ("nets", "utils"), "https://x/own.pth")


def test_general_names_of_a_repository_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = types.ModuleType("utils")
    monkeypatch.setitem(sys.modules, "utils", mine)
    module = published.code_of(source(tmp_path / "code"), tmp_path / "code")
    assert module.VALUE == 42
    assert sys.modules["utils"] is mine and "nets.own" not in sys.modules
    assert str(tmp_path / "code") not in sys.path


def test_code_that_lacks_a_package_says_which(tmp_path: Path) -> None:
    own = source(tmp_path / "code", "import a_package_that_is_not_there")
    with pytest.raises(PoofError, match="pip install a_package_that_is_not_there"):
        published.code_of(own, tmp_path / "code")


def test_code_is_taken_from_torch_hubs_folder_or_its_address_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    own = replace(source(tmp_path / "elsewhere"))
    with pytest.raises(
        PoofError, match=r"could not be downloaded \(OSError\); fetch https://github.com/someone/own/arch"
    ):
        published.code_of(own)
    source(tmp_path / f"someone_own_{'0' * 40}")
    assert published.code_of(own).VALUE == 42


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[published.Published]:
    """Published weights that are at hand."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "cache"))
    given = published.Published("own", "someone/own", "0" * 40, "nets.own", ("nets",), "https://x/own.pth")
    given.file.parent.mkdir(parents=True)
    given.file.write_bytes(b"first")
    yield given


def test_published_weights_that_change_are_refused(own: published.Published) -> None:
    path, digest = published.weights_of(own)
    assert published.weights_of(own) == (path, digest)
    own.file.write_bytes(b"second")
    with pytest.raises(PoofError, match=r"not a7937b64b8caa58f... that it had at the first use; remove the file"):
        published.weights_of(own)


def test_a_demanded_checksum_is_checked(own: published.Published, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"first")
    assert published.weights_of(own, mine, "A7937B64")[1].startswith("a7937b64")
    with pytest.raises(PoofError, match="that you demand"):
        published.weights_of(own, mine, "ffff")


# ------------------------------------------------------------------------------------------------ other packages

EXAMPLE = '''
import numpy as np
from poof.propagation.trackers import Found, PointTracker

class Stays(PointTracker):
    """Says that every point stays where it is."""

    name = "stays"

    def __init__(self, certainty):
        self.certainty = float(certainty)

    def track(self, frames, queries):
        xy = np.repeat(queries[None, :, 1:], len(frames), axis=0)
        return Found(xy, np.ones(xy.shape[:2]), np.full(xy.shape[:2], self.certainty))

    def describe(self):
        return {"name": self.name, "certainty": self.certainty}

def create(device, weights, certainty="0.5"):
    return Stays(certainty)
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution 'stays-tracker' with an entry point, on the path as an installed one is."""
    (tmp_path / "stays_tracker.py").write_text(EXAMPLE)
    info = tmp_path / "stays_tracker-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stays-tracker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[poof.trackers]\nstays = stays_tracker:create\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("stays_tracker", None)


def test_a_tracker_of_another_package_is_found_and_runs(package: None) -> None:
    assert "stays" in available() and "stays_tracker" not in sys.modules
    tracker = create_tracker("stays:certainty=0.25,window=9,longest=100", "cpu")
    assert (tracker.window, tracker.longest) == (9, 100)
    follower = Follower(clock(30), labels_at(2, 22), tracker, 21)
    assert len(list(follower.run())) == 4
    for one in follower.result():
        assert np.ptp(one.xy, axis=0).max() < 1e-9
    with pytest.raises(PoofError, match=r"'stays' of the package stays-tracker could not be made \(TypeError"):
        create_tracker("stays:certain=1", "cpu")

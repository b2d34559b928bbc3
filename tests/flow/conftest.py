"""The real pairs with known flow, and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from flow_material import read_flo

from poof.flow.raft_weights import new_network


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The same sums on every machine, and no fight for the cores with tests that run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def chairs(data: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The FlyingChairs pairs: (first, second, true flow (2, H, W))."""
    pairs = []
    for flow in sorted((data / "flow").glob("*-gt.flo")):
        stem = flow.name.removesuffix("-gt.flo")
        images = [cv2.imread(str(flow.with_name(f"{stem}-img{k}.ppm")))[..., ::-1] for k in (0, 1)]
        pairs.append((*images, read_flo(flow)))
    assert len(pairs) == 5
    return pairs


@pytest.fixture(scope="session")
def small_weights(data: Path) -> Path:
    """The genuine RAFT-small checkpoint, in princeton-vl's naming."""
    return data / "weights" / "raft-small.pth"


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Weights of a kind that load and run but have learned nothing, in torchvision's naming."""
    folder = tmp_path_factory.mktemp("weights")

    def make(kind: str) -> Path:
        path = folder / f"{kind}.pth"
        if not path.exists():
            torch.manual_seed(7)
            torch.save(new_network(kind).state_dict(), path)
        return path

    return make

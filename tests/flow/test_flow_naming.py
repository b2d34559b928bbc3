"""Names with options, estimators of other packages, and ptlflow behind a stand-in of its call."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from flow_material import shifted_pair

from poof.errors import PoofError
from poof.flow import available, create_flow
from poof.flow.naming import parse
from poof.flow.registry import create_flows


def test_names_are_taken_apart() -> None:
    plain, both = parse("dis"), parse("ptlflow:sea_raft_m@things,iterations=8")
    assert (plain.name, plain.variant, dict(plain.options)) == ("dis", "", {})
    assert (both.name, both.variant, dict(both.options)) == ("ptlflow", "sea_raft_m@things", {"iterations": "8"})
    assert dict(parse("x:a=C:\\f=1,b=2").options) == {"a": "C:\\f=1", "b": "2"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raft-small:iterations", "has no variant 'iterations'; it takes iterations=VALUE, precision=VALUE"),
        ("raft-small:iterations=", "iterations has no value"),
        ("raft-small:iterations=many", "must be a whole number from 1 on, not 'many'"),
        ("raft-small:iterations=0", "must be a whole number from 1 on"),
        ("raft-small:iterations=4,iterations=5", "gives iterations twice"),
        ("raft-small:iteration=4", "no option 'iteration'; raft-small takes iterations=VALUE"),
        ("raft-small:weights=none.pth", "none.pth: there is no such weights file"),
        ("dis:iterations=4", "no option 'iterations'; dis takes preset=VALUE"),
        ("dis-coarse:preset=fast", "dis-coarse takes no options"),
        ("dis:preset=slow", "slow"),
        ("auto:preset=fast", "auto takes no options"),
        ("raft-smal", "raft-small"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(name: str, words: str) -> None:
    with pytest.raises(PoofError) as error:
        create_flow(name, device="cpu")
    assert words in str(error.value)


def test_options_in_the_name_go_before_the_arguments(random_weights: Callable[[str], Path]) -> None:
    weights = random_weights("raft-small")
    own = create_flow(f"raft-small:iterations=3,weights={weights}", device="cpu", iterations=5)
    assert own.describe()["iterations"] == 3
    assert create_flow("raft-small", weights, "cpu", 5).describe()["iterations"] == 5
    assert create_flow("dis:preset=fast").describe() == create_flow("dis", preset="fast").describe()


def test_several_estimators_may_have_options_of_their_own(random_weights: Callable[[str], Path]) -> None:
    weights = random_weights("raft-small")
    names = "raft-small:iterations=2+raft-small+dis"
    made = create_flows(names, weights, "cpu", iterations=7)
    assert [e.name for e in made] == ["raft-small", "raft-small", "dis", "dis-coarse", "dis-coarse", "dis"]
    assert [e.describe()["iterations"] for e in made[:2]] == [2, 7]
    with pytest.raises(PoofError, match="twice"):
        create_flows("raft-small:iterations=2+raft-small:iterations=2", weights, "cpu")


def test_iterations_without_a_network_that_makes_any_are_refused() -> None:
    with pytest.raises(PoofError, match="--iterations 20: --flow dis makes no updates"):
        create_flows("dis", iterations=20)


# ------------------------------------------------------------------------------------------------ other packages

EXAMPLE = '''
import numpy as np
from poof.flow import FlowEstimator

class Still(FlowEstimator):
    """Says that nothing moves."""

    name = "still"

    def __init__(self, device, step):
        self.device, self.step = device, float(step)

    def prepare(self, images):
        return list(images)

    def between(self, first, second):
        return np.stack([np.full((2, *a.shape[:2]), self.step, np.float32) for a, _ in zip(first, second, strict=True)])

    def describe(self):
        return {"name": self.name, "step": self.step}

def create(device, weights, step="0"):
    return Still(device, step)

def broken(device, weights):
    import a_package_that_is_not_there

def other(device, weights):
    return 7
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution 'still-flow' with three entry points, on the path as an installed one is."""
    (tmp_path / "still_flow.py").write_text(EXAMPLE)
    info = tmp_path / "still_flow-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: still-flow\nVersion: 1.0\n")
    lines = [
        "[poof.flow]",
        *(f"{n} = still_flow:{f}" for n, f in (("still", "create"), ("torn", "broken"), ("odd", "other"))),
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("still_flow", None)


def test_an_estimator_of_another_package_is_found(package: None) -> None:
    assert "still" in available()
    assert "still_flow" not in sys.modules, "nothing is imported before it is named"
    flow = create_flow("still:step=2", device="cpu")
    first, second = shifted_pair(40, 60, 1, 0)
    assert np.unique(flow.estimate(first[None], second[None])).tolist() == [2.0]
    assert flow.reason == "still:step=2, as asked for, of the package still-flow"
    assert [e.name for e in create_flows("dis+still", device="cpu")] == ["dis", "dis-coarse", "dis-coarse", "still"]


def test_faults_of_another_package_are_one_line(package: None) -> None:
    for name, words in (
        ("torn", r"'torn' of the package still-flow could not be made \(ModuleNotFoundError: No module named"),
        ("still:stp=2", "could not be made .TypeError: .*unexpected keyword argument 'stp'"),
        ("odd", "is a int, no FlowEstimator; the package is at fault"),
    ):
        with pytest.raises(PoofError, match=words):
            create_flow(name, device="cpu")


# ------------------------------------------------------------------------------------------------ ptlflow


class Shift(torch.nn.Module):
    """Has the call of a network of ptlflow, and says that all moves by its weights times the brightness of blue."""

    pretrained_checkpoints: ClassVar[dict[str, str]] = {
        "things": "https://example/shift-things-1234abcd.ckpt",
        "sintel": "https://example/s.ckpt",
    }

    def __init__(self, iters: int = 4) -> None:
        super().__init__()
        self.iters = iters
        self.step = torch.nn.Parameter(torch.zeros(2))

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        images = inputs["images"]
        assert images.shape[1:3] == (2, 3) and images.max() <= 1
        blue = images[:, 0, :1]  # B, 1, H, W: the channels come as blue, green, red
        return {"flows": (self.step[:, None, None] * blue)[:, None]}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """ptlflow's five functions that poof calls, over `Shift`."""
    module = types.ModuleType("ptlflow")

    def get_model(name: str, weights: str | None = None) -> Shift:
        network = Shift()
        if weights is not None and not Path(weights).is_file():
            raise OSError("no network here")
        if weights is not None:
            network.load_state_dict(torch.load(weights, weights_only=True)["state_dict"])
        return network

    def names() -> list[str]:
        return ["sea_raft_s", "sea_raft_m", "sea_raft_l", "raft", "raft_small", "gma", "gmflow", "dpflow", "rpknet"]

    module.__dict__.update(get_model=get_model, get_model_names=names, get_model_reference=lambda _: Shift)
    module.__dict__["__version__"] = "0.4.2"
    monkeypatch.setitem(sys.modules, "ptlflow", module)
    return module


@pytest.fixture
def shift_weights(tmp_path: Path) -> Path:
    path = tmp_path / "shift.ckpt"
    torch.save({"state_dict": {"step": torch.tensor([3.0, -2.0])}}, path)
    return path


def test_a_network_of_ptlflow_gives_flow(library: Any, shift_weights: Path) -> None:
    flow = create_flow(f"ptlflow:sea_raft_m,weights={shift_weights},iterations=6", device="cpu")
    images = np.zeros((3, 40, 150, 3), np.uint8)
    images[..., 2] = 255  # blue, in RGB
    a, b, c = flow.prepare(images)
    got = flow.between([a, b], [b, c])
    assert got.shape == (2, 2, 40, 150) and got.dtype == np.float32
    np.testing.assert_allclose(got[:, 0], 3)
    np.testing.assert_allclose(got[:, 1], -2)
    assert flow.estimate(255 - images[:1], images[1:2]).any() == False  # noqa: E712
    assert flow.describe()["iterations"] == 6 and flow.describe()["weights"] == "shift.ckpt"
    assert len(flow.describe()["digest"]) == 64
    assert flow.name == "ptlflow:sea_raft_m"
    assert create_flow("ptlflow:sea_raft_m", weights=shift_weights, device="cpu").describe()["weights"] == "shift.ckpt"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ptlflow", "names no network; write ptlflow:sea_raft_m@things"),
        ("ptlflow:sea_raft_mm@things", "near are sea_raft_m, sea_raft_s, sea_raft_l (9 in all)"),
        ("ptlflow:sea_raft_m", "says no weights; write ptlflow:sea_raft_m@things, of things, sintel"),
        ("ptlflow:sea_raft_m@thngs", "no such weights; valid are things, sintel"),
        ("ptlflow:sea_raft_m@things", "could not be downloaded (OSError); fetch https://example/shift-things-1234abcd"),
        ("ptlflow:sea_raft_m@things,foo=1", "no option 'foo'"),
    ],
)
def test_what_ptlflow_does_not_have_is_refused_in_one_line(library: Any, name: str, words: str) -> None:
    with pytest.raises(PoofError) as error:
        create_flow(name, device="cpu")
    assert words in str(error.value)


def test_weights_of_something_else_are_refused(library: Any, tmp_path: Path) -> None:
    torch.save({"state_dict": {"other": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(PoofError, match=r"could not be made with .*other.ckpt"):
        create_flow(f"ptlflow:raft,weights={tmp_path / 'other.ckpt'}", device="cpu")


def test_without_ptlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ptlflow", None)
    with pytest.raises(PoofError, match=r"needs ptlflow, an extra; pip install 'poof-pose\[ptlflow\]'"):
        create_flow("ptlflow:raft@things", device="cpu")


def test_nothing_of_ptlflow_loads_before_it_is_named() -> None:
    code = "import sys, poof.flow.registry as r; r.available(); r.create_flow('dis'); print('ptlflow' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"

"""Squeeze and recursion and its gate: the document's equations in numbers, the backbones' parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Shape
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.data import read_list
from poof.recog.data.dataset import View
from poof.recog.data.motion_task import render_task
from poof.recog.evaluation.evaluate import evaluate
from poof.recog.training.train import train
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.backbones.thin_video_resnet import thin_video_resnet
from poof.recog.zoo.modules.sr import PLACEMENTS, GatedCell, PeepholeCell, Recurrence, SqueezeRecursion
from poof.recog.zoo.modules.srtg import RecursionGate, cycle_consistent, nearest, soft_neighbours
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.recipes import recipe

SHAPE = Shape(4, 6, 3, 3)
STEPS = torch.tensor([1.0, 2.0, 0.0]).view(1, 3, 1)


def clips(shape: Shape = SHAPE, count: int = 2, seed: int = 0) -> torch.Tensor:
    size = (count, shape.frames, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def ones(recurrence: Recurrence) -> Recurrence:
    """All weights 1, all biases 0."""
    for name, parameter in recurrence.named_parameters():
        nn.init.constant_(parameter, 0.0 if "bias" in name else 1.0)
    return recurrence


# -------------------------------------------------------------------------------------------------- the recurrence


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("lstm", [0.369606, 0.811163, 0.618580]),
        ("gru", [0.204824, 0.281315, 0.228684]),
        ("gru_after", [0.204824, 0.281315, 0.228684]),  # equal for one channel and no bias
    ],
)
def test_scalar_sequences(cell: str, expected: list[float]) -> None:
    with torch.no_grad():
        assert ones(Recurrence(1, cell, 1))(STEPS).flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_states_of_the_lstm_cell() -> None:
    net = ones(Recurrence(1, "lstm", 1)).net
    expected = [0.556770, 1.407779, 1.438726]
    with torch.no_grad():
        states = [float(net(STEPS[:, : t + 1])[1][1]) for t in range(3)]
    assert states == pytest.approx(expected, abs=1e-6)


def test_gru_resets_in_front_of_the_product() -> None:
    torch.manual_seed(0)
    cell, p = GatedCell(3).double(), torch.randn(1, 4, 3).double()
    w = cell.inputs.weight.detach().numpy()
    b = cell.inputs.bias.detach().numpy()
    u, c = cell.gates.weight.detach().numpy(), cell.candidate.weight.detach().numpy()
    h = np.zeros(3)
    for t, x in enumerate(p[0].numpy()):
        z = 1 / (1 + np.exp(-(w[:3] @ x + u[:3] @ h + b[:3])))
        r = 1 / (1 + np.exp(-(w[3:6] @ x + u[3:] @ h + b[3:6])))
        h = z * h + (1 - z) * np.tanh(w[6:] @ x + c @ (r * h) + b[6:])
        assert np.allclose(cell(p)[0, t].detach().numpy(), h)


def test_parameters_of_the_cells() -> None:
    c = 32
    assert parameters(Recurrence(c, "lstm", 1)) == 8 * c * c + 8 * c
    assert parameters(Recurrence(c, "gru_after", 1)) == 6 * c * c + 6 * c
    assert parameters(Recurrence(c, "gru", 1)) == 6 * c * c + 3 * c
    assert parameters(Recurrence(c, "rnn", 2)) == 2 * (2 * c * c + 2 * c)
    with pytest.raises(PoofError, match="cell=lstmp: choose one of lstm, peephole, gru, gru_after, rnn"):
        Recurrence(c, "lstmp")
    with pytest.raises(PoofError, match="layers=0"):
        Recurrence(c, "lstm", 0)


@pytest.mark.parametrize("cell", ["lstm", "peephole", "gru", "gru_after", "rnn"])
def test_out_is_the_product_causal_and_blind_to_places(cell: str) -> None:
    module, x = SqueezeRecursion(SHAPE, cell), clips()
    with torch.no_grad():
        y = module(x)
        h = module.recurrence(x.mean((3, 4)))
        assert torch.allclose(y, x * h[..., None, None])
        assert (y.abs() <= x.abs()).all()
        changed = x.clone()
        changed[:, -1] += 1
        assert torch.equal(module(changed)[:, :-1], y[:, :-1])
        places = torch.randperm(9, generator=torch.Generator().manual_seed(1))
        shuffled = x.flatten(3)[..., places].view_as(x)
        assert torch.allclose(module(shuffled), y.flatten(3)[..., places].view_as(y), atol=1e-6)
        assert module(x[:, :3]).shape[1] == 3  # no parameter depends on T


def test_half_precision_keeps_the_recurrence_in_full() -> None:
    module = SqueezeRecursion(SHAPE)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert module.recurrence(clips().mean((3, 4)).bfloat16()).dtype == torch.float32
        assert module(clips().bfloat16()).dtype == torch.bfloat16


# -------------------------------------------------------------------------------------------------------- the gate

A = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 3.0]])
B = A + torch.tensor([[0.2, -0.1], [-0.1, 0.2], [0.1, 0.1], [0.0, -0.2]])


def test_open_by_hand() -> None:
    expected = torch.tensor([[0.2006, -0.0997], [2.8989, 0.2010], [0.1004, 3.0998], [2.9993, 2.7990]])
    assert torch.allclose(soft_neighbours(A[None], B[None])[0], expected, atol=1e-4)
    assert nearest(A[None], B[None]).tolist() == nearest(B[None], A[None]).tolist() == [[0, 1, 2, 3]]
    assert cycle_consistent(A[None], B[None]).tolist() == [True]


@pytest.mark.parametrize(
    ("b", "there", "back"),
    [
        (B[[0, 2, 1, 3]], [0, 2, 1, 3], [0, 2, 1, 3]),
        (0.1 * A, [0, 1, 2, 3], [0, 0, 0, 0]),
        (A.tanh(), [0, 1, 2, 3], [0, 0, 0, 0]),
    ],
)
def test_closed_by_hand(b: torch.Tensor, there: list[int], back: list[int]) -> None:
    assert nearest(A[None], b[None]).tolist() == [there]
    assert nearest(b[None], A[None]).tolist() == [back]
    assert cycle_consistent(A[None], b[None]).tolist() == [False]


def test_equal_sequences_are_consistent_only_with_room_between_frames() -> None:
    near = torch.tensor([0.0, 0.5, 1.0, 1.5]).view(1, 4, 1)
    assert soft_neighbours(near, near).flatten().tolist() == pytest.approx([0.406, 0.626, 0.874, 1.094], abs=1e-3)
    assert nearest(near, near).tolist() == [[1, 1, 2, 2]]
    assert cycle_consistent(torch.cat([near, 4 * near]), torch.cat([near, 4 * near])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("channels", "scale", "low", "high"), [(8, 0.2, 0, 0), (8, 1, 0.97, 1), (64, 0.05, 0, 0), (64, 0.2, 1, 1)]
)
def test_open_rate_of_half_normal_frames(channels: int, scale: float, low: float, high: float) -> None:
    a = scale * torch.randn(500, 8, channels, generator=torch.Generator().manual_seed(0)).abs()
    assert low <= float(cycle_consistent(a, a).float().mean()) <= high


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.3, 1.0, 3.0]))
@settings(max_examples=40, deadline=None)
def test_symmetries_of_the_gate(seed: int, scale: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    a = scale * torch.randn(1, 4, 3, generator=rng, dtype=torch.float64)
    b = a + 0.3 * torch.randn(1, 4, 3, generator=rng, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=rng, dtype=torch.float64))[0]
    order = torch.randperm(4, generator=rng)
    verdict = cycle_consistent(a, b)
    assert cycle_consistent(b, a) == verdict
    assert cycle_consistent(a[:, order], b[:, order]) == verdict
    assert cycle_consistent(a @ turn + 7, b @ turn + 7) == verdict


def test_one_frame_is_open_and_still_clips_are_closed() -> None:
    assert cycle_consistent(torch.ones(1, 1, 3), torch.zeros(1, 1, 3)).all()
    assert not cycle_consistent(torch.ones(1, 3, 2), torch.ones(1, 3, 2)).any()


def test_huge_distances_do_not_overflow() -> None:
    a = 300 * torch.eye(4).repeat(1, 1, 64)
    assert soft_neighbours(a, a).isfinite().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert cycle_consistent(a, a + 1).all()


def test_open_clips_are_scaled_closed_ones_pass_and_teach_nothing() -> None:
    # The recurrence is replaced by a table, so that the first clip is consistent and the second is not.
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.h = nn.Parameter(torch.stack([B, B[[0, 2, 1, 3]]]))

        def forward(self, p: torch.Tensor) -> torch.Tensor:
            return self.h + 0 * p

    module = RecursionGate(Shape(4, 2, 1, 1))
    module.recurrence = Table()
    module.watching = True
    x = A.expand(2, 4, 2)[..., None, None].clone().requires_grad_(True)
    y = module(x)
    assert torch.equal(y[0, :, :, 0, 0], A * B)
    assert torch.equal(y[1], x[1])
    y.sum().backward()
    assert torch.equal(module.recurrence.h.grad, torch.stack([A, torch.zeros(4, 2)]))
    assert torch.equal(x.grad[1], torch.ones_like(x[1]))
    assert module.diagnostics()["gate_open"] == 0.5
    assert module.training_reads() == {"gate_open": 0.5}
    assert module.training_reads() == {}


def test_share_of_open_gates_stands_in_the_curves(tmp_path: Path) -> None:
    lists = [read_list(path) for path in render_task(tmp_path / "task", 8, 8, 6, 32)]
    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", ["srtg:layers=1"], 4, 8, size=32)
    rows = train(model, lists[0], tmp_path / "run", recipe("small", epochs=1, batch=4, flip="none"))
    shares = [value for key, value in rows[0].items() if key.endswith(".gate_open")]
    assert len(shares) == len(model.insertions) == 8
    assert all(0 <= share <= 1 for share in shares)
    assert "layer1_0_after_srtg.gate_open" in (tmp_path / "run" / "curves.csv").read_text()


# --------------------------------------------------------------------------------------------- backbones and places


@pytest.mark.parametrize(
    ("backbone", "bare", "recursive"),
    [
        ("r3d_50", 36.72, 56.90),  # 36.725, printed 36.7
        ("r2plus1d_34", 61.83, 82.01),
        pytest.param("r3d_34", 63.68, 83.86, marks=pytest.mark.slow),
        pytest.param("r3d_101", 69.06, 107.14, marks=pytest.mark.slow),
        pytest.param("r2plus1d_50", 34.86, 55.04, marks=pytest.mark.slow),
        pytest.param("r2plus1d_101", 67.22, 105.29, marks=pytest.mark.slow),
    ],
)
def test_parameters_of_the_document(backbone: str, bare: float, recursive: float) -> None:
    with on_meta():
        model = recog.build_model(backbone, ("srtg",), 16, 400)
    assert parameters(model.backbone) / 1e6 == pytest.approx(bare, abs=0.005)
    assert parameters(model) / 1e6 == pytest.approx(recursive, abs=0.005)
    for name, counted in ((f"stergiou-{backbone}", bare), (f"srtg-{backbone}", recursive)):
        printed = NETWORKS[name].published[0]
        assert printed.mparams == pytest.approx(counted, abs=0.1)
        assert (printed.classes, printed.frames) == (400, 16)


@pytest.mark.slow  # what is counted of a recurrence: test_profile's test_nothing_hides
def test_costs_of_the_document() -> None:
    with on_meta():
        models = [recog.build_model(f"r3d_{depth}", ("sr",), 16, 400) for depth in (50, 101)]
    counts = [count_forward(model, model.clip_shape) for model in models]
    bare = [count.by_operation["convolution"] for count in counts]
    assert bare[1] - bare[0] == 17 * 29 * 256**2 * 4 * 14 * 14
    assert (bare[1] - bare[0]) / 1e9 == pytest.approx(78.0 - 52.6, abs=0.1)
    for count, convolutions, added in zip(counts, bare, (0.062, 0.133)):
        assert (count.macs - convolutions) / 1e9 == pytest.approx(added, abs=0.001)
        assert not count.uncounted


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_all_placements_in_bottlenecks(placement: str) -> None:
    with on_meta():
        places = SqueezeRecursion.places(BACKBONES["r3d_50"](3), placement)
    assert len(places) == 16
    expected = {
        "start": "before layer2.0",
        "top": "before layer2.0.conv2",
        "mid": "before layer2.0.conv3",
        "end": "after layer2.0.conv3",
        "res": "after layer2.0.downsample",
        "final": "after layer2.0",
    }
    assert str(places[3]) == expected[placement]


def test_placements_in_simple_blocks_and_2d_bottlenecks() -> None:
    with on_meta():
        for placement, place in (("mid", "before layer1.0.conv2"), ("res", "after layer1.0.downsample")):
            assert str(RecursionGate.places(BACKBONES["r2plus1d_34"](3), placement)[0]) == place
        assert str(SqueezeRecursion.places(BACKBONES["resnet50"](3), "end")[0]) == "after layer1.0.bn3"
        for wrong, reason in (
            (("r3d_34", ["sr:placement=top"]), "two convolutions; choose start, mid, res or final"),
            (("resnet18", ["sr:placement=res"]), "is no layer here; take an r3d_34"),
            (("mobilenet_v2", ["sr:placement=mid"]), "is no residual block of two or three convolutions"),
            (("r3d_34", ["sr:placement=front"]), "choose one of start, top, mid, end, res, final"),
        ):
            with pytest.raises(PoofError, match=reason):
                recog.build_model(*wrong, 8, 3, size=64)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_what_a_placement_multiplies(placement: str) -> None:
    # With h = 2 throughout, each placement changes the block's output as Fig. 4.5 says.
    with on_meta():
        host = thin_video_resnet("r3d", 50, 3)
    torch.manual_seed(0)
    block, x = host.net.get_submodule("layer1.1").to_empty(device="cpu").eval(), torch.rand(1, 64, 2, 4, 4)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.1)
    for buffer in block.buffers():
        buffer.fill_(1)
    place = next(p for p in SqueezeRecursion.places(host, placement) if p.path.startswith("layer1.1"))
    layer = block.get_submodule(place.path.removeprefix("layer1.1").removeprefix("."))
    if place.side == "before":
        handle = layer.register_forward_pre_hook(lambda _, inputs: (2 * inputs[0],))
    else:
        handle = layer.register_forward_hook(lambda _, __, output: 2 * output)
    with torch.no_grad():
        got = block(x)
        handle.remove()
        one = block.conv1(x)
        two = block.conv2(one)
        main = block.conv3(two)
        expected = {
            "start": block.conv3(block.conv2(block.conv1(2 * x))) + 2 * x,
            "top": block.conv3(block.conv2(2 * one)) + x,
            "mid": block.conv3(2 * two) + x,
            "end": 2 * main + x,
            "res": main + 2 * x,
            "final": 2 * (main + x),
        }[placement]
    assert torch.allclose(got, expected.relu(), atol=1e-5)


def test_what_the_release_runs_and_the_wide_network_have_the_printed_parameters() -> None:
    with on_meta():
        wide = recog.build_model("stergiou-wide_r3d_50", num_classes=400)
        released = recog.build_model("sr-r3d_34", frames=4, size=32, num_classes=3)
    assert parameters(wide) / 1e6 == pytest.approx(140.9, abs=0.05)
    assert [line.module for line in released.insertions] == ["sr"] * 16
    assert "never opens: see sr-r3d_34" in NETWORKS["srtg-r3d_34"].document


def test_read_outs_are_means_over_all_clips(tmp_path: Path) -> None:
    clips = read_list(render_task(tmp_path, train=8, test=8, frames=4, size=32)[1])
    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", ["srtg"], 4, 8, size=32).eval()
    view = View(4, size=32, flip="none")
    judged = evaluate(model, clips, view, batch=3, read_outs=True)
    assert not evaluate(model, clips, view).reads
    each = [evaluate(model, replace(clips, records=(r,)), view, read_outs=True).reads for r in clips.records]
    for name, read in judged.reads.items():
        assert 0 <= read["gate_open"] <= 1
        assert read["scale"] == pytest.approx(np.mean([one[name]["scale"] for one in each]), rel=1e-5)


def test_gates_that_see_the_memory() -> None:
    torch.manual_seed(0)
    p = torch.randn(2, 5, 4, dtype=torch.float64)
    torchs = nn.LSTM(4, 4, batch_first=True).double()
    own = PeepholeCell(4).double()
    with torch.no_grad():
        own.inputs.weight.copy_(torchs.weight_ih_l0)
        own.inputs.bias.copy_(torchs.bias_ih_l0 + torchs.bias_hh_l0)
        own.states.weight.copy_(torchs.weight_hh_l0)
        own.memory.zero_()
        assert torch.allclose(own(p), torchs(p)[0])
        # One channel, all weights 1, no bias: x = 1, 2.
        one = PeepholeCell(1).double()
        for parameter in one.parameters():
            parameter.fill_(1.0)
        one.inputs.bias.zero_()
        found = one(torch.tensor([[[1.0], [2.0]]], dtype=torch.float64)).flatten()
    c = sigmoid(1.0) * np.tanh(1.0)
    h = sigmoid(1.0 + c) * np.tanh(c)
    gate = sigmoid(2.0 + h + c)
    second = gate * c + gate * np.tanh(2.0 + h)
    assert found.tolist() == pytest.approx([h, sigmoid(2.0 + h + second) * np.tanh(second)])
    assert parameters(Recurrence(8, "peephole", 1)) == 8 * 64 + 4 * 8 + 3 * 8


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))

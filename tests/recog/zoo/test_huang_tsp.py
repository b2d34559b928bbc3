"""TSP and TeSNet against their document (Huang 2022, Sections 3.2 to 3.4)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from poof import recog
from poof.errors import PoofError
from poof.flow import create_flow
from poof.meta_device import on_meta
from poof.recog.checkpoint import load_model, save_model
from poof.recog.core.module import Shape
from poof.recog.cost.counting import parameters
from poof.recog.zoo.modules.tsp import TemporalSqueeze, projection_loss, pseudo_inverse
from poof.recog.zoo.networks.two_stream import FlowImages, TwoStream


def matrix(k: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, k, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def series(k: int, count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(1, k, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --------------------------------------------------------------------------------------------------- the projection


def test_four_frames_by_hand() -> None:
    a, x = torch.tensor([[[1.0], [1], [1], [2]]]), torch.tensor([[[1.0], [2], [3], [4]]])
    y = pseudo_inverse(a) @ x
    assert float(y) == pytest.approx(2, abs=1e-4)
    assert (a @ y).flatten().tolist() == pytest.approx([2, 2, 2, 4], abs=1e-4)
    assert float(projection_loss(x, a @ y)) == pytest.approx(2**0.5, abs=1e-5)


@given(k=st.integers(2, 12), d=st.integers(1, 12), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_identities_of_the_projector(k: int, d: int, seed: int) -> None:
    d = min(d, k)
    a = matrix(k, d, seed)
    assume(float(torch.linalg.cond(a)) < 100)  # what is added to the diagonal shows in bases that hardly span
    p = a @ pseudo_inverse(a)
    x = series(k, 5, seed + 1)
    assert torch.allclose(p, p.mT, atol=1e-6)
    assert torch.allclose(p @ p, p, atol=1e-6)
    assert float(p.diagonal(dim1=1, dim2=2).sum()) == pytest.approx(d, abs=1e-6)
    assert (a.mT @ (x - p @ x)).abs().max() < 1e-5
    mixed = a @ (torch.eye(d, dtype=a.dtype) + 0.3 * matrix(d, d, seed + 2))
    assert torch.allclose(mixed @ pseudo_inverse(mixed), p, atol=1e-4)  # the loss does not see the basis
    if d == k:
        assert torch.allclose(p @ x, x, atol=1e-5)


def test_static_clips_are_explained_only_by_a_constant() -> None:
    still = torch.ones(1, 6, 4, dtype=torch.float64)
    with_ones = torch.cat([torch.ones(1, 6, 1, dtype=torch.float64), matrix(6, 1)], 2)
    assert torch.allclose(with_ones @ (pseudo_inverse(with_ones) @ still), still, atol=1e-8)
    other = matrix(6, 2)
    assert not torch.allclose(other @ (pseudo_inverse(other) @ still), still, atol=1e-2)


def test_no_basis_beats_the_leading_eigenvectors() -> None:
    x = series(10, 500)
    values, vectors = torch.linalg.eigh(x[0] @ x[0].T)
    bound = float(values[:7].sum())

    def missed(a: torch.Tensor) -> float:
        return float((x - a @ (pseudo_inverse(a) @ x)).square().sum())

    assert missed(vectors[None, :, 7:]) == pytest.approx(bound, rel=1e-9)
    assert all(missed(matrix(10, 3, seed)) > bound for seed in range(5))


def test_gradient_of_the_squared_loss() -> None:
    # dL/dA = -2 (I - P) S A (A'A)^-1, which is orthogonal to the subspace: its size never changes.
    a, x = matrix(6, 2).requires_grad_(True), series(6, 50)
    loss = (x - a @ (pseudo_inverse(a) @ x)).square().sum()
    (gradient,) = torch.autograd.grad(loss, a)
    with torch.no_grad():
        p = a @ pseudo_inverse(a)
        expected = -2 * (torch.eye(6) - p) @ x @ x.mT @ a @ torch.linalg.inv(a.mT @ a)
        assert torch.allclose(gradient, expected, rtol=1e-6, atol=1e-6)
        assert (a.mT @ gradient).abs().max() < 1e-8 * gradient.abs().max() + 1e-6


def test_dependent_columns_stay_finite() -> None:
    a = torch.ones(1, 5, 3, requires_grad=True)
    x = torch.rand(1, 5, 7)
    y = pseudo_inverse(a) @ x
    projection_loss(x, a @ y).backward()
    assert torch.allclose((a @ y).detach(), x.mean(1, keepdim=True).expand_as(x), atol=1e-3)
    assert a.grad is not None
    assert a.grad.isfinite().all()
    exact = torch.rand(1, 3, 4, requires_grad=True)
    projection_loss(exact, exact.detach()).backward()  # the length's kink at 0
    assert exact.grad is not None
    assert exact.grad.isfinite().all()


# ------------------------------------------------------------------------------------------------------- the module


def module(k: int = 10, d: int = 3, segments: int = 1, size: int = 8) -> TemporalSqueeze:
    torch.manual_seed(0)
    return TemporalSqueeze(Shape(k * segments, 3, size, size), k, d)


def clips(frames: int, size: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, frames, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_squeezed_images_are_the_coefficients() -> None:
    one, x = module(), clips(10)
    y = one(x)
    assert y.shape == (2, 3, 3, 8, 8)
    a = one.matrix(x)
    expected = torch.linalg.lstsq(a, x.flatten(2)).solution.view(2, 3, 3, 8, 8)
    assert torch.allclose(y, expected, atol=1e-3)
    missed = x.flatten(2) - a @ expected.flatten(2)
    assert float(one.losses()["projection"].detach()) == pytest.approx(
        10 * float(missed.detach().norm(dim=1).mean()), rel=1e-3
    )
    assert one.eval().losses() == {}


def test_excitation_by_its_equation() -> None:
    one, x = module(4, 2), clips(4)
    z = x.mean((2, 3, 4))
    hidden = (z @ one.first.weight.T).sigmoid() @ one.second.weight.T
    expected = torch.where(hidden > 0, hidden, 0.2 * hidden).view(2, 4, 2)
    assert torch.allclose(one.matrix(x), expected, atol=1e-6)


def test_pixels_may_be_shuffled_alike_in_all_frames() -> None:
    one, x = module(), clips(10)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    shuffled = x.flatten(3)[..., order].view_as(x)
    assert torch.allclose(one.matrix(shuffled), one.matrix(x), atol=1e-6)
    assert torch.allclose(one(shuffled), one(x).flatten(3)[..., order].view(2, 3, 3, 8, 8), atol=1e-3)


def test_each_segment_has_its_own_projection() -> None:
    one, x = module(5, 2, segments=2), clips(10)
    changed = x.clone()
    changed[:, 5:] *= 0.3
    assert torch.equal(one(x)[:, :2], one(changed)[:, :2])
    alone = module(5, 2)
    alone.load_state_dict(one.state_dict())
    assert torch.allclose(one(x), torch.cat([alone(x[:, :5]), alone(x[:, 5:])], 1), atol=1e-5)


def test_parameters_of_the_document() -> None:
    assert parameters(module(10, 3)) == 400
    assert parameters(module(64, 16)) == 69_632
    with on_meta():
        model = recog.build_model("resnet18", ["tsp"], 1, 3, size=299)
    projected = 3 * 10 * 299 * 299 * 3  # 8.05 M
    assert model.insertions[0].macs == pytest.approx(projected, rel=1e-3)


def test_pyramid() -> None:
    model = recog.build_model("resnet18_quarter", ["tsp:layers=stem:16+stage3:4,k=64"], 1, 3, size=32, dropout=0)
    assert model.per_segment == 64
    assert [(str(line.place), line.before.frames, line.after.frames) for line in model.insertions] == [
        ("before layer1.0", 64, 16),
        ("after layer3", 16, 4),
    ]
    loss = cross_entropy(model(torch.randn(2, 64, 3, 32, 32)), torch.tensor([0, 1]))
    losses = model.losses()
    assert set(losses) == {"layer1_0_before_tsp.projection", "layer3_after_tsp.projection"}
    (loss + sum(losses.values())).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_projection_loss_is_learned_down() -> None:
    one, x = module(6, 2), clips(6)
    optimizer = torch.optim.SGD(one.parameters(), lr=0.02)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        one(x)
        one.losses()["projection"].backward()
        values.append(float(one.losses()["projection"].detach()))
        optimizer.step()
    assert values[-1] < 0.9 * values[0]


def test_bad_settings_are_refused_with_the_reason() -> None:
    for request, reason in (
        ("tsp:k=4,d=5", "5 images from 4 frames"),
        ("tsp:k=1,d=1", "from 1 frames"),
        ("tsp:layers=stem:16+stage3", "each names its images"),
        ("tsp:layers=middle", "there are input, stem, stage1, stage2, stage3, stage4"),
        ("tsp:layers=stem:2+stage1:4,k=8", "4 images from 2 frames"),
    ):
        with pytest.raises(PoofError, match=reason):
            recog.build_model("resnet18_quarter", [request], 1, 3, size=32)
    with pytest.raises(PoofError, match="cut into segments of 4"):
        TemporalSqueeze(Shape(6, 3, 8, 8), 4, 1)
    with pytest.raises(PoofError, match="cut into segments of 10"):
        module()(clips(8))


def test_pictures_and_read_outs() -> None:
    one = module(5, 2, segments=2).eval()
    one.watching = True
    one(clips(10))
    rows = one.pictures()
    assert [row.title for row in rows] == ["squeezed image 1 of 2", "squeezed image 2 of 2"]
    assert rows[0].values.shape == (2, 3, 8, 8)
    assert torch.equal(rows[1].values[1], one(clips(10))[0, 3])
    reads = one.diagnostics()
    assert reads["projection_loss"] > 0
    assert reads["condition"] >= 1


# ------------------------------------------------------------------------------------------------------ two streams


def moving_square(frames: int, dx: int, size: int = 64) -> torch.Tensor:
    texture = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 1, (24, 24, 3)).astype(np.float32), (0, 0), 1.5)
    texture = (texture - texture.min()) / np.ptp(texture)
    images = np.full((frames, size, size, 3), 0.4, np.float32)
    for t in range(frames):
        images[t, 20:44, 12 + dx * t : 36 + dx * t] = texture
    return torch.from_numpy(images).permute(0, 3, 1, 2)[None]


def test_flow_images_show_the_motion() -> None:
    model = recog.build_model("tesnet2-resnet50:backbone=resnet18_quarter,k=4,d=2", frames=1, num_classes=3, size=64)
    assert isinstance(model, TwoStream)
    flow = model._prepare["flow"](moving_square(4, 2))[0]
    inside = flow[:3, :, 28:36, 24:34].mean((2, 3))
    unit = 2.5 / (20 * 64 / 224)  # per pixel
    assert torch.allclose(inside[:, 0], torch.tensor(2 * unit), atol=0.4 * unit)
    assert torch.allclose(inside[:, 1], torch.tensor(0.0), atol=0.4 * unit)
    assert torch.equal(flow[3], flow[2])  # the last frame of a segment has no successor
    still = model._prepare["flow"](moving_square(4, 0))
    assert still.abs().max() < 0.1 * unit


@pytest.mark.parametrize(
    "name", ["tesnet2-resnet50:backbone=resnet18_quarter,k=3,d=2", "rgb+busy-resnet50:backbone=resnet18_quarter"]
)
def test_two_streams_average_their_scores(name: str, tmp_path: object) -> None:
    torch.manual_seed(0)
    model = recog.build_model(name, frames=2, num_classes=3, size=32, dropout=0).eval()
    assert isinstance(model, TwoStream)
    x = torch.rand(2, 6, 3, 32, 32)
    with torch.no_grad():
        scores = [
            model.get_submodule(key)(model._prepare.get(key, nn.Identity())(x)).softmax(1) for key in model._names
        ]
        assert torch.allclose(model(x).exp(), (scores[0] + scores[1]) / 2, atol=1e-6)
    path = tmp_path / "model.pt"  # type: ignore[operator]
    save_model(path, model)
    with torch.no_grad():
        assert torch.equal(load_model(path)(x), model(x))
    model.train()
    loss = cross_entropy(model(x), torch.tensor([0, 2])) + sum(model.losses().values())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with model.watching(), torch.no_grad():
        model(x)
    assert model.pictures()


def test_streams_see_what_they_should() -> None:
    model = recog.build_model("rgb+busy-resnet50:backbone=resnet18_quarter", frames=2, num_classes=3, size=48)
    assert isinstance(model, TwoStream)
    x = torch.rand(1, 6, 3, 48, 48)
    assert torch.equal(model._prepare["rgb"](x), x[:, [1, 4]])
    assert [line.module for line in model.insertions].count("mbpm") == 1
    with pytest.raises(PoofError, match="no flow within segments of one frame"):
        FlowImages(create_flow("dis"), 1, 48)
    with pytest.raises(PoofError, match="tvl1"):
        recog.build_model("tesnet2-resnet50:backbone=resnet18_quarter,flow=tvl1", frames=2, num_classes=3, size=48)

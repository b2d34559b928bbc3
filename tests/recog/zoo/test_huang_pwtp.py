"""PWTP, dynamic appearance and joint training against their document (Huang 2022, Sections 3.5 and 3.6)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from poof import recog
from poof.errors import PoofError, PoofWarning
from poof.meta_device import on_meta
from poof.recog.core.module import Shape
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.data.lists.base import ClipList, Record
from poof.recog.training.step import backward_of_modules
from poof.recog.training.train import train
from poof.recog.zoo.modules.joint import JointTraining, mgda_weight, scheduled_weight
from poof.recog.zoo.modules.pwtp import DynamicAppearance, constant_share, guard_constant, project
from poof.recog.zoo.recipes import recipe


def module(t: int = 4, d: int = 1, segments: int = 1, size: int = 16, **knobs: object) -> DynamicAppearance:
    torch.manual_seed(0)
    return DynamicAppearance(Shape(t * segments, 3, size, size), t, d, **knobs)  # type: ignore[arg-type]


def clips(frames: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, frames, 3, size, size, generator=torch.Generator().manual_seed(seed))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ----------------------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("bottleneck", "blocks", "ratio", "expected", "macs"),
    [
        (0.25, 1, 4, 16_644, 44.66),  # 16.9 k printed: a slip, the same layers give all other rows
        (0.25, 1, 1, 7_383, 37.68),
        (0.25, 2, 1, 7_866, 37.98),
        (0.25, 2, 4, 23_280, 49.57),
        (1.0, 1, 4, 35_544, 59.41),
        (0.25, 0, 4, 10_008, 39.74),
        (0.25, 1, 2, 9_686, 39.39),
    ],
)
def test_parameters_of_table_3_13(bottleneck: float, blocks: int, ratio: int, expected: int, macs: float) -> None:
    with on_meta():
        one = DynamicAppearance(Shape(8, 3, 224, 224), bottleneck=bottleneck, blocks=blocks, ratio=ratio)
    assert parameters(one) == expected
    assert count_forward(one, (1, 8, 3, 224, 224)).macs / 1e6 == pytest.approx(macs, abs=6e-3)


def test_cost_of_table_3_12_and_sizes() -> None:
    with on_meta():
        one = DynamicAppearance(Shape(48, 3, 224, 224), t=6)
        # 0.23 G, of which 0.002 G are the products of pairs, not counted here
        assert count_forward(one, (1, 48, 3, 224, 224)).macs / 1e9 == pytest.approx(0.226, abs=1e-3)
        features = one.relate(torch.empty(1, 3, 224, 224))
        assert features.shape[-2:] == (28, 28)
        assert one.matrix(torch.empty(1, 6, 3, 224, 224)).shape == (1, 6, 1, 224, 224)
        model = recog.build_model("dan-resnet50")
    assert model.clip_shape == (1, 32, 3, 224, 224)


# ----------------------------------------------------------------------------------------------- the projection


def test_four_frames_by_hand() -> None:
    a = torch.tensor([1.0, 1, 1, 2]).view(1, 4, 1, 1, 1)
    x = torch.tensor([1.0, 2, 3, 4]).view(1, 4, 1, 1, 1)
    residual = x - project(a, x)
    assert residual.flatten().tolist() == pytest.approx([-1, 0, 1, 0], abs=1e-5)
    assert float(residual.mean()) == pytest.approx(0, abs=1e-5)
    assert float(residual.square().sum()) == pytest.approx(2, abs=1e-5)


@given(t=st.integers(2, 8), d=st.integers(1, 4), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_identities_of_the_projection(t: int, d: int, seed: int) -> None:
    d = min(d, t - 1)
    a, x = random(2, t, d, 2, 2, seed=seed), random(2, t, 3, 2, 2, seed=seed + 1)
    inside = project(a, x)
    assert torch.allclose(project(a, inside), inside, atol=1e-4)
    assert torch.einsum("ntdhw,ntchw->ndchw", a, x - inside).abs().max() < 1e-3
    assert torch.allclose(project(-3.7 * a, x), inside, atol=1e-4)
    # The weights of dynamic appearance: pbar = w'x, w = (I - P) 1 / T, 1'w = |(I - P) 1|^2 / T (and >= 0).
    ones = torch.ones(2, t, 1, 2, 2, dtype=torch.float64)
    w = (ones - project(a, ones)) / t
    assert torch.allclose((w * x).sum(1), (x - inside).mean(1), atol=1e-3)
    assert torch.allclose(w.sum(1), (t * w).square().sum(1) / t, atol=1e-3)
    assert torch.allclose(constant_share(a), 1 - w.sum(1)[:, 0], atol=1e-3)


def test_one_column_and_the_general_form_agree() -> None:
    a, x = random(1, 5, 1, 3, 3), random(1, 5, 3, 3, 3, seed=1)
    twice = torch.cat([a, 1e-9 * random(1, 5, 1, 3, 3, seed=2)], 2)  # a second column of next to nothing
    assert torch.allclose(project(a, x), project(twice, x), atol=1e-4)


def test_as_many_columns_as_colours_fit_everything() -> None:
    x = random(1, 6, 3, 2, 2)
    assert (x - project(x, x)).abs().max() < 1e-4
    with pytest.warns(PoofWarning, match="3 columns fit the 3 colours"):
        module(6, 3)


# ------------------------------------------------------------------------------------------- the degenerate optimum


def test_the_constant_direction_empties_every_clip() -> None:
    x = random(1, 6, 3, 4, 4)
    for d in (1, 2):
        a = torch.cat([torch.ones(1, 6, 1, 4, 4, dtype=torch.float64), random(1, 6, d - 1, 4, 4)], 2)
        assert (x - project(a, x)).mean(1).abs().max() < 1e-4
        guarded = guard_constant(a + 1e-3 * random(1, 6, d, 4, 4, seed=3), 0.9)
        assert (x - project(guarded, x)).mean(1).abs().max() > 0.05


@given(d=st.integers(1, 3), seed=st.integers(0, 999), largest=st.floats(0.2, 0.95), lean=st.floats(0, 20))
@settings(max_examples=40, deadline=None)
def test_guard_holds_the_share_and_leaves_the_rest(d: int, seed: int, largest: float, lean: float) -> None:
    a = random(1, 6, d, 2, 2, seed=seed) + lean
    before, after = constant_share(a), constant_share(guard_constant(a, largest))
    assert (after <= largest + 1e-3).all()
    assert torch.allclose(after, before.clamp_max(largest), atol=2e-3)


def test_guard_is_finite_where_nothing_but_the_constant_is_there() -> None:
    for d in (1, 2):
        a = torch.ones(1, 5, d, 2, 2, requires_grad=True)
        x = torch.rand(1, 5, 3, 2, 2)
        residual = x - project(guard_constant(a, 0.9), x)
        residual.square().sum().backward()
        assert residual.isfinite().all()
        assert a.grad is not None
        assert a.grad.isfinite().all()


@pytest.mark.parametrize(("guard", "alive"), [(1.0, False), (0.9, True)])
def test_training_for_the_projection_alone_empties_the_picture_unless_guarded(guard: float, alive: bool) -> None:
    # Still pictures with a little noise: the best single direction is the constant one.
    generator = torch.Generator().manual_seed(0)
    base = torch.rand(2, 1, 3, 8, 8, generator=generator) + 0.5
    x = base + 0.02 * torch.randn(2, 4, 3, 8, 8, generator=generator)
    one = module(guard=guard, size=8, kernel=3, stride=4, channels=6).train()
    optimizer = torch.optim.Adam(one.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        one(x)
        one.losses()["enopr"].backward()
        optimizer.step()
    ratio = float(one(x).detach().abs().mean() / x.abs().mean())
    assert (ratio > 0.08) == alive
    assert alive or ratio < 0.03


# -------------------------------------------------------------------------------------------------------- the module


def test_module_by_its_equations() -> None:
    one, x = module(4, 1, segments=2, guard=1.0).eval(), clips(8)
    first = x[0, 4:]
    features = one.relate(first)
    relation = []
    for i in range(4):
        for j in range(i + 1, 4):
            relation.append((features[i] * features[j]).sum(0) / 24)
    coarse = one.mlp(torch.stack(relation)[None])
    a = torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear", align_corners=False)[0]
    expected = first.mean(0) - a.mean(0) * (a[:, None] * first).sum(0) / a.square().sum(0)
    assert torch.allclose(one(x)[0, 1], expected, atol=1e-4)


def test_relation_does_not_see_a_rotation_of_its_channels() -> None:
    one, x = module().eval(), clips(4)
    before = one.matrix(x)
    q = torch.linalg.qr(random(24, 24))[0].float()
    with torch.no_grad():
        one.relate.weight.copy_(torch.einsum("oc,cihw->oihw", q, one.relate.weight))
        one.relate.bias.copy_(q @ one.relate.bias)
    assert torch.allclose(one.matrix(x), before, atol=1e-4)


def test_shifting_the_clip_by_the_stride_shifts_the_grid() -> None:
    one = module(4, size=64).eval()
    x = clips(4, 64)
    shifted = torch.roll(x, 8, 4)
    features, moved = (one.relate(v.flatten(0, 1)) for v in (x, shifted))
    assert torch.allclose(moved[..., 2:-1], features[..., 1:-2], atol=1e-4)


def test_appearance_is_not_zero_where_something_moves_or_stands() -> None:
    one = module().eval()
    assert one(clips(4)).abs().mean() > 0.05
    still = clips(4)[:, :1].expand(-1, 4, -1, -1, -1)
    ratio = one(still) / still[:, :1]
    assert ratio.min() > 0.09  # |(I - P) 1|^2 / T, at least a tenth by the guard
    assert ratio.max() <= 1 + 1e-5
    assert not torch.allclose(one(clips(4) + 1), one(clips(4)), atol=1e-2)  # no filter without a mean


def test_bad_settings_are_refused_with_the_reason() -> None:
    for request, reason in (
        ("pwtp:t=4,d=4", "fewer columns than frames"),
        ("pwtp:t=1", "2 frames"),
        ("pwtp:kernel=8", "kernel must be odd"),
        ("pwtp:guard=0.0", "all lie between 0 and 1"),
        ("pwtp:gamma=1.0", "all lie between 0 and 1"),
        ("pwtp:joint=sum", "choose one of mgda, scheduler, fixed, separate"),
    ):
        with pytest.raises(PoofError, match=reason):
            recog.build_model("resnet18_quarter", [request], 2, 3, size=32)
    with pytest.raises(PoofError, match="cut into segments of 4"):
        module()(clips(6))


# ----------------------------------------------------------------------------------------------------- joint training


@pytest.mark.parametrize(
    ("g1", "g2", "alpha"),
    [
        ((1.0, 0.0), (0.0, 2.0), 0.8),
        ((1.0, 0.0), (0.0, 1.0), 0.5),
        ((1.0, 0.0), (3.0, 1.0), 1.0),
        ((1.0, 1.0), (-1.0, 0.0), 0.4),
        ((3.0, 1.0), (1.0, 0.0), 0.0),
        ((2.0, 1.0), (2.0, 1.0), 0.5),
        ((math.inf, 1.0), (1.0, 1.0), 0.5),
    ],
)
def test_weights_of_two_gradients(g1: tuple[float, ...], g2: tuple[float, ...], alpha: float) -> None:
    assert mgda_weight([torch.tensor(g1)], [torch.tensor(g2)]) == pytest.approx(alpha)
    parts = [[torch.tensor([value]) for value in g] for g in (g1, g2)]
    assert mgda_weight(*parts) == pytest.approx(alpha)  # many tensors are one vector


@given(seed=st.integers(0, 9999))
@settings(max_examples=40, deadline=None)
def test_common_direction_descends_on_both(seed: int) -> None:
    g1, g2 = random(5, seed=seed), random(5, seed=seed + 1)
    alpha = mgda_weight([g1], [g2])
    common = alpha * g1 + (1 - alpha) * g2
    square = float(common @ common)
    assert float(common @ g1) >= square - 1e-9
    assert float(common @ g2) >= square - 1e-9
    if 0 < alpha < 1:
        assert float(common @ g1) == pytest.approx(float(common @ g2), abs=1e-9)


def test_scheduler_by_its_table() -> None:
    expected = {1: 1.0, 10: 0.9125, 100: 0.6807, 500: 0.475, 1000: 0.3856, 1999: 0.3001, 2000: 0.3, 2010: 0.2503}
    expected |= {5000: 0.0087, 10000: 0.0}
    for step, alpha in expected.items():
        assert scheduled_weight(step, 10000, 0.2, 0.3) == pytest.approx(alpha, abs=1e-4)
    values = [scheduled_weight(m, 10000, 0.1, 0.1) for m in range(1, 10001, 7)]
    assert all(a >= b for a, b in zip(values, values[1:], strict=False))
    # as printed the second half jumps, and rises again
    assert scheduled_weight(1000, 10000, 0.1, 0.1, literal=True) == pytest.approx(0.014, abs=1e-3)
    assert scheduled_weight(5000, 10000, 0.5, 0.3, literal=True) == pytest.approx(0, abs=1e-3)
    for steps in (1, 2, 3):
        assert all(0 <= scheduled_weight(m, steps, 0.1, 0.1) <= 1 for m in range(1, steps + 1))
    with pytest.raises(PoofError, match="step 0 of 5"):
        scheduled_weight(0, 5, 0.1, 0.1)


def gradients(joint: str, **knobs: object) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, float]]:
    """Gradients that a joint training leaves, those of either loss alone, and what it says of the step."""
    torch.manual_seed(0)
    options = "".join(f",{key}={value}" for key, value in knobs.items())
    model = recog.build_model("resnet18_quarter", [f"pwtp:t=3,joint={joint}{options}"], 2, 3, size=32, dropout=0)
    x, labels = torch.randn(2, 6, 3, 32, 32), torch.tensor([0, 2])
    one = next(m for _, m in model.temporal_modules() if isinstance(m, DynamicAppearance))

    def left(retain: bool = False) -> dict[str, torch.Tensor]:
        del retain
        found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
        return found

    alone = {}
    cross_entropy(model(x), labels).backward()
    alone.update({f"class {n}": g for n, g in left().items()})
    model(x)
    model.losses()["input_before_pwtp.enopr"].backward()
    alone.update({f"energy {n}": g for n, g in left().items()})
    rule = backward_of_modules(model, 10, lambda gradients: None)
    assert isinstance(rule, JointTraining)
    scale = 8.0  # as a loss scaler would

    def differentiate(value: torch.Tensor, retain_graph: bool = False) -> None:
        (value * scale).backward(retain_graph=retain_graph)

    for _ in range(2):  # the second batch adds to what the first has left
        loss = cross_entropy(model(x), labels)
        rule(model, loss, model.losses(), differentiate)
    return {n: g / (2 * scale) for n, g in left().items()}, alone, one.training_reads()


def test_mgda_follows_algorithm_1() -> None:
    found, alone, reads = gradients("mgda")
    inner = [n for n in found if n.startswith("inserted")]
    first, second = ([alone[f"{kind} {n}"] for n in inner] for kind in ("energy", "class"))
    alpha = mgda_weight(first, second)
    assert reads["alpha"] == pytest.approx(alpha, abs=1e-3)
    assert reads["enopr"] > 0
    for name, gradient in found.items():
        own = alone[f"class {name}"]  # Theta2 follows its own gradient, not scaled
        wanted = alpha * alone[f"energy {name}"] + (1 - alpha) * own if name in inner else own
        assert torch.allclose(gradient, wanted, atol=1e-4 * float(wanted.abs().max()) + 1e-6), name


@pytest.mark.parametrize(("joint", "alpha", "other"), [("separate", 1.0, 1.0), ("fixed", 0.3, 0.7)])
def test_other_rules_of_training(joint: str, alpha: float, other: float) -> None:
    found, alone, reads = gradients(joint, alpha=0.3)
    assert reads["alpha"] == pytest.approx(alpha)
    for name, gradient in found.items():
        own = alone[f"class {name}"]
        wanted = alpha * alone[f"energy {name}"] + (1 - alpha) * own if name.startswith("inserted") else other * own
        assert torch.allclose(gradient, wanted, atol=1e-4 * float(wanted.abs().max()) + 1e-6), name


def test_scheduler_counts_the_steps_of_the_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = []
    for number in range(8):
        path = tmp_path / f"{number}.npy"
        np.save(path, rng.integers(0, 255, (9, 32, 32, 3), dtype=np.uint8))
        records.append(Record(path, number % 2))
    data = ClipList(tuple(records), ("a", "b"), "random")
    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", ["pwtp:t=3,joint=scheduler"], 2, 2, size=32)
    options = recipe("small", epochs=2, batch=4, lr=0.01)
    rows = train(model, data, tmp_path / "run", options)
    one = next(m for _, m in model.temporal_modules() if isinstance(m, DynamicAppearance))
    assert int(one.steps) == 4
    weights = [scheduled_weight(m, 4, 0.1, 0.1) for m in (1, 2, 3, 4)]
    assert rows[0]["input_before_pwtp.alpha"] == pytest.approx(sum(weights[:2]) / 2)
    assert rows[1]["input_before_pwtp.alpha"] == pytest.approx(sum(weights[2:]) / 2)


def test_classifier_alone_can_be_trained(tmp_path: Path) -> None:
    for number in range(4):
        np.save(tmp_path / f"{number}.npy", np.full((6, 32, 32, 3), 60 * number, np.uint8))
    records = tuple(Record(tmp_path / f"{number}.npy", number % 2) for number in range(4))
    model = recog.build_model("resnet18_quarter", ["pwtp:t=3"], 2, 2, size=32)
    before = {n: p.clone() for n, p in model.named_parameters()}
    train(model, ClipList(records, ("a", "b"), "grey"), tmp_path / "run", recipe("small", epochs=1, only="classifier"))
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"backbone.fc.weight", "backbone.fc.bias"}


def test_networks_without_it_train_as_before() -> None:
    with on_meta():
        model = recog.build_model("resnet18_quarter", ["tsm"], 4, 3, size=32)
    assert backward_of_modules(model, 10, lambda gradients: None) is None


def test_pictures_and_read_outs() -> None:
    one = module(4, segments=2).eval()
    one.watching = True
    y = one(clips(8))
    (row,) = one.pictures()
    assert torch.equal(row.values, y[0])
    reads = one.diagnostics()
    assert reads["enopr"] > 0
    assert 0 <= reads["constant_share"] <= 0.9 + 1e-3

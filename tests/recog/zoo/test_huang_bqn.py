"""The busy-quiet network against its document (Huang 2022, Section 5.4)."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, cross_entropy, interpolate

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.checkpoint import load_model, save_model
from poof.recog.cost.counting import parameters
from poof.recog.cost.profile import published_rows
from poof.recog.explain import grad_cam
from poof.recog.training.parameter_groups import parameter_groups
from poof.recog.zoo.modules.lateral import Lateral, direction
from poof.recog.zoo.networks.bqn import BusyQuietNet
from poof.recog.zoo.recipes import RECIPES


def network(name: str, frames: int = 2, size: int = 64, **more: object) -> BusyQuietNet:
    torch.manual_seed(0)
    model = recog.build_model(name, frames=frames, num_classes=3, size=size, dropout=0, **more)  # type: ignore[arg-type]
    assert isinstance(model, BusyQuietNet)
    return model


def laterals(model: recog.Recognizer) -> list[Lateral]:
    return [module for module in model.modules() if isinstance(module, Lateral)]


@pytest.mark.parametrize(
    ("name", "frames", "size", "counted", "filters", "gmacs"),
    [
        ("bqn-resnet50", 8, 256, 47_402_798, 275_456, 60.260),  # 47.4 M, 60.0 to 60.7 G printed
        # 65.9 G printed, without 1.2 G of band-passes
        pytest.param("bqn-lc4-resnet50", 8, 224, 47_402_798, 275_456, 66.634, marks=pytest.mark.slow),
        # 85.4 M, 231 G printed
        pytest.param("bqn-resnet101", 16, 256, 85_421_870, 730_112, 229.158, marks=pytest.mark.slow),
        # 6.6 M, 9.7 G printed
        pytest.param("bqn-x3d_m", 16, 256, 6_667_920, 42_912, 9.492, marks=pytest.mark.slow),
    ],
)
def test_costs_of_the_document(name: str, frames: int, size: int, counted: int, filters: int, gmacs: float) -> None:
    # The document leaves the band-passes out of its count, those of the laterals and the 252 weights of the input.
    with on_meta():
        model = recog.build_model(name, frames=frames, size=size)
        cost = recog.profile(model)
    band_passes = sum(parameters(one.band_pass) for one in laterals(model) if one.way != "to quiet")
    assert band_passes == filters
    assert cost.parameters - band_passes - 252 == counted
    assert cost.gmacs == pytest.approx(gmacs, abs=6e-4)
    if name == "bqn-resnet50":
        assert published_rows(model)[0][0]["top1"] == 51.7


def test_pathways_cost_what_their_sizes_say() -> None:
    with on_meta():
        costs = [recog.profile(recog.build_model("resnet50", ["tsm"], size=size)).gmacs for size in (160, 256)]
    assert [f"{cost:.2f}" for cost in costs] == ["16.69", "42.71"]


@pytest.mark.slow  # parameters of laterals: test_released_laterals_of_x3d_...
def test_phi_would_cost_what_the_document_does_not_print() -> None:
    with on_meta():
        assert parameters(recog.build_model("bqn-resnet50:phi=conv")) == 55_673_646 + 252
        # X3D's release has a convolution on both ways of every block; 6.6 M are printed, 6.67 have none.
        shared = parameters(recog.build_model("bqn-x3d_m:lateral=none"))
        released = recog.build_model("bqn-released-x3d_m")
        kernels = sum(2 * one.phi.weight.shape[0] ** 2 for one in laterals(released))
        rest = sum(parameters(one.band_pass) + 4 * one.phi.weight.shape[0] for one in laterals(released))
        assert len(laterals(released)) == 26
        assert parameters(released) == shared + kernels + rest
        assert (kernels, parameters(released)) == (745_344, 7_506_204)


# ------------------------------------------------------------------------------------------------------- laterals


def test_directions() -> None:
    assert [direction("bplc", i) for i in (1, 2, 3, 4)] == ["to quiet", "to busy", "to quiet", "to busy"]
    assert [direction("lc5", i) for i in (1, 2)] == ["to quiet", "to busy"]
    assert {direction("lc1", i) for i in range(1, 17)} == {"to busy"}
    assert {direction("lc2", i) for i in range(1, 17)} == {"to quiet"}
    assert {direction("lc3", i) for i in range(1, 17)} == {"both"}
    assert {direction("released", i) for i in range(1, 17)} == {"in turn"}


@pytest.mark.parametrize("way", ["to busy", "to quiet", "both", "in turn"])
@pytest.mark.parametrize("phi", ["none", "conv", "mlp", "both"])
def test_laterals_begin_as_identity(way: str, phi: str) -> None:
    torch.manual_seed(0)
    busy, quiet = torch.randn(2, 3, 8, 8, 8), torch.randn(2, 3, 8, 5, 5)
    one = Lateral(8, way, 7, phi)  # type: ignore[arg-type]
    assert one.openness() == 0
    new = one(busy, quiet)
    assert torch.equal(new[0], busy)
    assert torch.equal(new[1], quiet)


def test_open_laterals_by_their_equation() -> None:
    torch.manual_seed(0)
    busy, quiet = torch.randn(1, 3, 4, 8, 8), torch.randn(1, 3, 4, 5, 5)
    to_busy, to_quiet = Lateral(4, "to busy", 3).eval(), Lateral(4, "to quiet").eval()
    for norm in (to_busy.busy_norm, to_quiet.quiet_norm):
        nn.init.ones_(norm.weight)
    filtered = to_busy.band_pass(quiet)
    enlarged = interpolate(filtered[0], size=(8, 8), mode="bilinear", align_corners=False)
    expected = enlarged / (1 + 1e-5) ** 0.5 + busy[0]
    assert torch.allclose(to_busy(busy, quiet)[0][0], expected, atol=1e-5)
    smaller = interpolate(busy[0], size=(5, 5), mode="bilinear", align_corners=False)
    assert torch.allclose(to_quiet(busy, quiet)[1][0], smaller / (1 + 1e-5) ** 0.5 + quiet[0], atol=1e-5)
    assert torch.equal(to_busy(busy, quiet)[1], quiet)


def test_released_laterals_of_x3d_have_a_convolution_both_ways_and_the_busy_pathway_first() -> None:
    torch.manual_seed(0)
    busy, quiet = torch.randn(1, 3, 4, 8, 8), torch.randn(1, 3, 4, 5, 5)
    one = Lateral(4, "in turn", 3, "both").eval()
    for norm in (one.busy_norm, one.quiet_norm):
        nn.init.ones_(norm.weight)
    scale = (1 + 1e-5) ** 0.5
    enlarged = interpolate(one.band_pass(quiet)[0], size=(8, 8), mode="bilinear", align_corners=False)
    new = conv2d(enlarged, one.mix.weight) / scale + busy[0]
    assert torch.allclose(one(busy, quiet)[0][0], new, atol=1e-5)
    smaller = interpolate(new, size=(5, 5), mode="bilinear", align_corners=False)
    assert torch.allclose(one(busy, quiet)[1][0], conv2d(smaller, one.phi.weight) / scale + quiet[0], atol=1e-5)
    assert parameters(one) == 2 * 4 * 4 + parameters(one.band_pass) + 4 * 4


def test_nothing_static_passes_to_the_busy_pathway() -> None:
    torch.manual_seed(0)
    busy, still = torch.randn(1, 3, 4, 8, 8), torch.randn(1, 1, 4, 8, 8).expand(1, 3, 4, 8, 8)
    one = Lateral(4, "to busy", 7).eval()
    nn.init.ones_(one.busy_norm.weight)
    nn.init.constant_(one.busy_norm.bias, 0.25)
    assert torch.allclose(one(busy, still)[0], busy + 0.25, atol=1e-5)
    assert not torch.allclose(one(busy, torch.randn(1, 3, 4, 8, 8))[0], busy + 0.25, atol=1e-2)


# -------------------------------------------------------------------------------------------------------- networks


def test_at_first_two_independent_networks_with_averaged_logits() -> None:
    model = network("bqn-resnet50:backbone=resnet18_quarter,ratio=1.0").eval()
    clips = torch.randn(2, 6, 3, 64, 64)
    moving = model.mbpm(clips)
    still = model.still(clips, moving)
    with torch.no_grad():
        busy = model.busy(moving)
        classifier = model.busy.backbone.fc
        assert isinstance(classifier, nn.Linear)
        quiet_features = model.quiet(still)  # its classifier is gone: features, averaged over segments
        expected = (busy + quiet_features @ classifier.weight.T + classifier.bias) / 2
        assert torch.allclose(model(clips), expected, atol=1e-5)


def test_quiet_and_busy_are_complementary() -> None:
    model = network("bqn-resnet50:backbone=resnet18_quarter,ratio=1.0")
    clips = torch.rand(2, 6, 3, 64, 64)
    moving = model.mbpm(clips)
    assert torch.allclose(model.still(clips, moving) + moving, clips.unflatten(1, (2, 3)).mean(2), atol=1e-6)
    assert moving.std() < clips.std()  # of the size of pictures, else there is nothing to subtract


def test_the_released_quiet_input_is_the_first_frame() -> None:
    model = network("bqn-resnet50:backbone=resnet18_quarter,quiet=frame")
    clips = torch.rand(1, 6, 3, 64, 64)
    still = model.still(clips, model.mbpm(clips))
    assert still.shape == (1, 2, 3, 40, 40)
    expected = interpolate(clips[0, ::3], size=(40, 40), mode="bilinear", align_corners=False)
    assert torch.allclose(still[0], expected)


@pytest.mark.parametrize(
    "name",
    [
        "bqn-resnet50:backbone=resnet18_quarter",
        "bqn-x3d_m",
        pytest.param("bqn-mobilenet_v2", marks=pytest.mark.slow),  # in 2D, as the first
    ],
)
def test_every_parameter_learns(name: str) -> None:
    model = network(name, size=32)
    clips = torch.randn(2, 6, 3, 32, 32)
    for one in laterals(model):  # closed connections teach nothing but their own weight
        for key in ("busy_norm", "quiet_norm"):
            if hasattr(one, key):
                nn.init.ones_(getattr(one, key).weight)
    cross_entropy(model(clips), torch.tensor([0, 2])).backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not without
    assert all(one.busy_norm.weight.grad.any() for one in laterals(model) if one.way == "to busy")


@pytest.mark.parametrize(("design", "count"), [("lc1", 8), ("lc3", 8), ("lc5", 8), ("none", 0)])
def test_designs_differ_where_they_should(design: str, count: int) -> None:
    model = network(f"bqn-resnet50:backbone=resnet18_quarter,lateral={design}")
    assert len(laterals(model)) == count
    assert any(hasattr(one, "band_pass") and parameters(one.band_pass) for one in laterals(model)) == (
        design in ("lc1", "lc3")
    )


def test_one_connection_a_stage() -> None:
    model = network("bqn-resnet50:backbone=resnet18_quarter,at=stages")
    assert list(model.laterals) == ["0", "2", "4", "6"]
    with on_meta():
        model = recog.build_model("bqn-resnet50:at=stages", frames=2, num_classes=3, size=64)
    # Blocks 1, 4, 8 and 14 of Eq. 5.5, whose i counts all blocks: odd ones lead to the quiet pathway.
    ways = {number: one.way for number, one in model.laterals.items()}  # type: ignore[union-attr, operator]
    assert ways == {"0": "to quiet", "3": "to busy", "7": "to busy", "13": "to busy"}
    assert published_rows(model) == ([], [])  # they belong to the published knobs


def test_bad_settings_are_refused_with_the_reason() -> None:
    for name, reason in (
        ("bqn-resnet50:lateral=lc9", "choose one of bplc, lc1, lc2, lc3, lc5, released, none"),
        ("bqn-resnet50:scale=sum", "subtracts the busy frame, which scale=sum makes hundreds of times too large"),
        ("bqn-resnet50:backbone=r3d_18", "must be a ResNet, MobileNetV2 or X3D"),
        ("bqn-resnet50:ratio=0.1", "needs 16 px"),
        ("bqn-resnet50:ratios=0.5", "has no knob 'ratios'; it has ratio, at, quiet_frames"),
        ("m2a-resnet18:shift=zero", "has no knobs of its own"),
    ):
        with pytest.raises(PoofError, match=reason):
            recog.build_model(name, frames=2, num_classes=3, size=64)
    with pytest.raises(PoofError, match="3 frames a segment"):
        network("bqn-resnet50:backbone=resnet18_quarter")(torch.rand(1, 4, 3, 64, 64))


def test_saved_networks_come_back_with_their_knobs(tmp_path: object) -> None:
    path = tmp_path / "model.pt"  # type: ignore[operator]
    model = network("bqn-resnet50:backbone=resnet18_quarter,lateral=lc3,quiet=frame").eval()
    save_model(path, model)
    other = load_model(path)
    clips = torch.rand(1, 6, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(clips), other(clips))


def test_heat_maps_and_pictures_of_both_pathways() -> None:
    model = network("bqn-resnet50:backbone=resnet18_quarter")
    clip = torch.rand(6, 3, 64, 64)
    maps = [grad_cam(model, clip, 0, stage).maps.shape for stage in (2, 6)]
    assert maps == [(2, 8, 8), (2, 5, 5)]
    with model.watching(), torch.no_grad():
        model(clip[None])
    rows = model.pictures()
    assert rows["mbpm"][0].values.shape == (2, 3, 64, 64)
    assert rows["quiet"][0].values.shape == (2, 3, 40, 40)
    assert model.diagnostics()["lateral behind layer1.0"] == {"openness": 0.0}


def test_report_names_places_of_both_pathways() -> None:
    model = network("bqn-resnet50:backbone=resnet18_quarter")
    rows = recog.explain_places(model)
    assert [row["module"] for row in rows].count("tsm") == 16
    assert rows[0]["module"] == "mbpm"
    assert rows[0]["out"] == "2x3x64x64"
    ends = [row for row in rows if row["module"].startswith("bplc")]
    assert [row["module"] for row in ends[:2]] == ["bplc to quiet", "bplc to busy"]
    assert ends[0]["place"] == "after busy.layer1.0"


def test_recipe_of_the_document() -> None:
    dan = RECIPES["dan"]
    assert (dan.epochs, dan.batch * dan.accumulate, dan.lr, dan.warmup) == (50, 256, 0.12, 7)
    model = network("bqn-resnet50:backbone=resnet18_quarter")
    groups = parameter_groups(model, dan.groups, dan.lr, dan.weight_decay)
    found = {(g["scale"], round(g["weight_decay"] / dan.weight_decay)): len(g["params"]) for g in groups}
    norms = sum(2 for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    kernels = sum(p.dim() > 1 for p in model.parameters()) - 1
    assert found == {(1.0, 0): norms, (1.0, 1): kernels, (5.0, 5): 1, (5.0, 0): 1}

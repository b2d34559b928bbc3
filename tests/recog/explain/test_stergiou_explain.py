"""Saliency Tubes and Class Feature Pyramids: toy volumes, identities, and real networks listened to."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.functional import conv3d
from typer.testing import CliRunner

from poof import recog
from poof.cli.recog import recog as app
from poof.errors import PoofError
from poof.recog.checkpoint import save_model
from poof.recog.explain import ExplanationMethod, class_feature_pyramid, explain, saliency_tube
from poof.recog.explain.graph import APART, SHOWN, draw, places
from poof.recog.explain.pyramids import back_step, normalise, pooled_kernel
from poof.recog.explain.tubes import evidence, interpolate, tube
from poof.recog.zoo.backbones.res2net import Split
from poof.video import VideoWriter, open_video

VOXELS = torch.tensor([[0.0, 1, 2, 3], [4, 2, 0, 0]]).view(2, 4, 1, 1)
WEIGHTS = torch.tensor([1.0, -0.5])


def network(name: str = "resnet18_quarter", modules: tuple[str, ...] = (), size: int = 64) -> recog.Recognizer:
    torch.manual_seed(0)
    model = recog.build_model(name, list(modules), 4, 6, size=size, dropout=0.3)
    model.labels = [f"kind {number}" for number in range(6)]
    return model.eval()


def clip(size: int = 64) -> torch.Tensor:
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------------------------------------------------- tubes


def test_tube_by_hand() -> None:
    low = -10.0  # keeps both channels
    got = tube(VOXELS, WEIGHTS, threshold=low).flatten().tolist()
    assert got == pytest.approx([0, 0.25 + 1 / 9, 1 + 4 / 9, 2], abs=1e-6)
    assert got == pytest.approx([0, 0.3611, 1.4444, 2], abs=1e-4)
    assert tube(VOXELS, WEIGHTS).flatten().tolist() == pytest.approx([0, 1 / 9, 4 / 9, 1])


def test_classical_order_sums_first() -> None:
    total = torch.tensor([-2.0, 0, 2, 3])
    expected = ((total + 2) / 5).tolist()
    assert tube(VOXELS, WEIGHTS, order="classical").flatten().tolist() == pytest.approx(expected)
    with pytest.raises(PoofError, match="order=sum: choose one of document, classical"):
        tube(VOXELS, WEIGHTS, order="sum")  # type: ignore[arg-type]


def test_scale_of_channels_and_constant_ones_play_no_part() -> None:
    features = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(5) + 0.1
    factors = torch.rand(5) + 0.5
    once = tube(features, weights)
    assert torch.allclose(tube(features * factors[:, None, None, None], weights), once, atol=1e-5)
    assert torch.allclose(tube(features, weights * factors), once, atol=1e-5)
    flat = torch.cat([features, torch.full((1, 3, 4, 4), 7.0)])
    assert torch.equal(tube(flat, torch.ones(6)), tube(features, torch.ones(5)))
    assert once.max() <= 5


def test_splines_pass_through_the_cells_and_keep_what_is_even() -> None:
    values = torch.rand(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(interpolate(values, (15, 18, 21))[:, 1::3, 1::3, 1::3], values, atol=1e-5)
    ramp = torch.arange(6.0).view(1, 1, 6, 1).expand(1, 1, 6, 2)
    wide = interpolate(ramp, (3, 12, 4))
    assert torch.allclose(wide[0, 2, 1:-1, 0], torch.arange(10) / 2 + 0.25, atol=1e-5)
    assert torch.allclose(interpolate(torch.full((1, 1, 3, 2), 4.0), (2, 5, 5)), torch.full((1, 2, 5, 5), 4.0))


@pytest.mark.parametrize("name", ["resnet18_quarter", "mobilenet_v2", "r2plus1d_18_quarter"])
def test_weights_are_the_classifiers_and_equal_the_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(name)
    found = evidence(model, clip(), 2)
    assert found.source == "classifier"
    classifier = model.get_submodule(f"backbone.{model.classifier}")
    assert torch.equal(found.weights, classifier.weight[2])
    # The mean of the summed map is the logit without its bias.
    with torch.no_grad():
        logit = float(model(clip()[None])[0, 2] - classifier.bias[2])
    summed = (found.weights[:, None, None, None] * found.features).sum(0)
    assert float(summed.mean()) == pytest.approx(logit, abs=1e-4)
    del classifier.weight
    classifier.weight = nn.Parameter(found.weights.expand(6, -1) * 1.0)  # the same row for all: gradients must be it
    monkeypatch.setattr(type(model), "classifiers", ())
    by_gradient = evidence(model, clip(), 2)
    assert by_gradient.source == "gradients"
    assert torch.allclose(by_gradient.weights, found.weights, atol=1e-4)


@pytest.mark.parametrize("name", ["bqn-resnet50:backbone=resnet18_quarter", "bqn-x3d_m:backbone=x3d_xs"])
def test_either_pathway_that_ends_in_the_mean_and_a_classifier_has_its_weights(name: str) -> None:
    torch.manual_seed(0)
    model = recog.build_model(name, frames=2, num_classes=3, size=64, dropout=0).eval()
    clip = torch.randn(model.clip_shape)[0]
    for stage in (4, 8):
        found = evidence(model, clip, 1, stage)
        if "x3d" in name:  # its mean goes through another layer before the classifier
            assert found.source == "gradients"
            continue
        assert found.source == "classifier"
        layer = model.get_submodule(model.classifiers[0])
        assert torch.equal(found.weights, layer.weight[1].detach())  # type: ignore[union-attr, index]
        assert found.layer == f"the input of {'busy' if stage == 4 else 'quiet'}.backbone.avgpool"
    assert evidence(model, clip, 1, 3).source == "gradients"


def test_stages_with_class_regularisation_have_weights_of_their_own() -> None:
    model = network(modules=("m2a:attention=tam", "classreg"))
    found = evidence(model, clip(), 1, stage=2)
    assert found.source == "class regularisation"
    assert (found.weights >= 0).all()
    assert len(found.weights) == len(found.features) == 32
    assert evidence(network(), clip(), 1, stage=2).source == "gradients"


@pytest.mark.parametrize(
    ("name", "modules"),
    [("resnet18_quarter", ("tsm",)), ("i3d_resnet18", ("srtg",)), ("x3d_m", ()), ("resnet18_quarter", ("m2a",))],
)
def test_tubes_of_any_network_without_changing_it(name: str, modules: tuple[str, ...]) -> None:
    model = network(name, modules)
    with torch.no_grad():
        before = model(clip()[None])
    heat = saliency_tube(model, clip())
    assert heat.maps.shape == (4, 64, 64)
    assert heat.maps.max() == pytest.approx(1)
    assert heat.maps.min() >= 0
    with torch.no_grad():
        assert torch.equal(model(clip()[None]), before)
    assert not any(layer._forward_hooks for path, layer in model.named_modules() if path == model.stages[-1])


def test_what_cannot_be_a_tube() -> None:
    model = network()
    for arguments, reason in (
        ({"stage": 5}, "has stages 1 to 4"),
        ({"label": 6}, "has classes 0 to 5"),
        ({"threshold": 1e6}, "no channel speaks for class"),
    ):
        with pytest.raises(PoofError, match=reason):
            saliency_tube(model, clip(), **arguments)


# ------------------------------------------------------------------------------------------------------- pyramids


def test_pooled_products_are_the_response_to_even_activations() -> None:
    torch.manual_seed(0)
    layer = nn.Conv3d(4, 3, 3, bias=False)
    means = torch.rand(4)
    response = conv3d(means[None, :, None, None, None].expand(1, 4, 3, 3, 3), layer.weight).flatten()
    products = back_step([0, 1, 2], means, pooled_kernel(layer))
    assert torch.allclose(27 * products.sum(1), response, atol=1e-5)


@pytest.mark.parametrize("groups", [2, 6])
def test_other_groups_are_never_reached(groups: int) -> None:
    layer = nn.Conv2d(6, 12, 3, groups=groups)
    kernel = pooled_kernel(layer)
    assert kernel.shape == (12, 6)
    for out in range(12):
        own = out // (12 // groups)
        inside = {i for i in range(6) if i // (6 // groups) == own}
        assert set(torch.nonzero(kernel[out]).flatten().tolist()) == inside
    single = torch.zeros(6)
    single[3] = 1
    full = conv3d_of_group(layer, single)
    assert torch.allclose(9 * kernel @ single, full, atol=1e-5)


def conv3d_of_group(layer: nn.Conv2d, means: torch.Tensor) -> torch.Tensor:
    even = means[None, :, None, None].expand(1, -1, 3, 3)
    return nn.functional.conv2d(even, layer.weight, groups=layer.groups).flatten().detach()


def test_identity_kernels_lead_to_themselves() -> None:
    means = torch.rand(5) + 0.1
    scores = normalise(back_step([0, 3], means, torch.eye(5)))
    assert (scores >= 0.5).tolist() == [[i == j for i in range(5)] for j in (0, 3)]


def test_scores_run_from_zero_to_one() -> None:
    assert normalise(torch.tensor([1.0, 3, 2])).tolist() == [0, 1, 0.5]
    assert normalise(torch.tensor([2.0, 2])).tolist() == [1, 1]
    assert normalise(torch.zeros(3)).tolist() == [0, 0, 0]
    reached = torch.tensor([True, True, False])
    assert normalise(torch.tensor([-4.0, -2, 0]), reached).tolist() == [0, 1, -1]  # the zero is another group's
    assert normalise(torch.tensor([1.0, 4, 0]), reached).tolist() == [0.25, 1, -1]
    assert normalise(torch.tensor([-4.0, 0, 0]), reached[[0, 2, 2]]).tolist() == [1, -1, -1]


def test_level_0_ranks_contributions_to_the_logit() -> None:
    model = network()
    found = evidence(model, clip(), 3)
    contributions = found.weights * found.features.mean((1, 2, 3))
    everything = class_feature_pyramid(model, clip(), 3, theta=0, depth=0)
    assert [node.channel for node in everything.nodes] == list(range(128))
    scores = torch.tensor([node.score for node in everything.nodes])
    assert torch.allclose(scores, (contributions - contributions.min()) / (contributions.max() - contributions.min()))
    best = class_feature_pyramid(model, clip(), 3, theta=1, depth=0)
    assert [node.channel for node in best.nodes] == [int(contributions.argmax())]
    some = class_feature_pyramid(model, clip(), 3, theta=0.5, depth=0)
    fewer = class_feature_pyramid(model, clip(), 3, theta=0.7, depth=0)
    assert set(fewer.channels(0)) < set(some.channels(0)) < set(everything.channels(0))


def test_one_step_back_by_hand() -> None:
    model = network("r3d_18")
    found = class_feature_pyramid(model, clip(), 1, theta=0.6, depth=1)
    assert found.layers == ["layer4", "input of layer4.1.conv2.0"]
    layer = model.get_submodule("backbone.layer4.1.conv2.0")
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda _, x, __: seen.append(x[0]))
    with torch.no_grad():
        model(clip()[None])
        products = layer.weight.mean((2, 3, 4)) * seen[0].mean((0, 2, 3, 4))
        scores = products[found.channels(0)].mean(0)
    scores = (scores - scores.min()) / (scores.max() - scores.min())
    assert found.channels(1) == torch.nonzero(scores >= 0.6).flatten().tolist()
    assert all(found.nodes[parent].level == 0 for node in found.nodes if node.level for parent, _ in node.parents)


def test_skip_connections_hand_on_unchanged() -> None:
    model = network("r3d_18")
    found = class_feature_pyramid(model, clip(), 1, theta=0.6, depth=4)
    assert found.layers[2:] == ["input of layer4.1.conv1.0", "input of layer4.0.conv2.0", "input of layer4.0.conv1.0"]
    assert set(found.channels(0)) <= set(found.channels(2))  # layer4.1 has an identity beside it
    assert found.widths == [512, 512, 512, 512, 256]  # and layer4.0 a projection from 256 channels
    assert [heat.maps.shape for heat in found.heats] == [(4, 64, 64)] * 5


def test_branches_may_repeat_channels_and_layers_do_not() -> None:
    model = network("resnet18_quarter", ("tsm",))
    layers = class_feature_pyramid(model, clip(), 1, theta=0.8, depth=2)
    tree = class_feature_pyramid(model, clip(), 1, theta=0.8, depth=2, mode="features")
    assert layers.channels(0) == tree.channels(0)
    for level in (1, 2):
        numbers = [node.channel for node in layers.nodes if node.level == level]
        assert len(numbers) == len(set(numbers))
    deep = [node for node in tree.nodes if node.level == 1]
    assert all(len(node.parents) == 1 for node in deep)
    assert len(deep) >= len(tree.channels(1))


@pytest.mark.parametrize(
    "name",
    [
        "resnet50",
        "mobilenet_v2",
        "x3d_m",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("r2plus1d_34", "r3d_50")),
    ],
)
def test_pyramids_of_every_family(name: str) -> None:
    model = network(name, size=48)
    found = class_feature_pyramid(model, clip(48), theta=0.6, depth=3)
    assert len(found.layers) == 4 if name != "x3d_m" else len(found.layers) >= 4
    assert all(found.channels(level) for level in range(4))
    if name == "mobilenet_v2":  # back through a depthwise layer a channel leads to itself alone
        assert found.layers[3] == "input of features.17.conv.1.0"
        assert set(found.channels(3)) <= set(found.channels(2))
    assert not any("downsample" in layer or "branch1" in layer or ".se." in layer for layer in found.layers)


def test_groups_side_by_side_are_padded_to_the_longest() -> None:
    torch.manual_seed(0)
    model = recog.build_model("res2net50", (), 2, 3, size=64, dropout=0).eval()
    pyramid = class_feature_pyramid(model, torch.randn(2, 3, 64, 64), 1, theta=0.8, depth=10)
    names = [layer.removeprefix("input of layer4.") for layer in pyramid.layers[1:6]]
    assert names == ["2.conv3", "2.convs.2", "2.convs.1", "2.convs.0", "2.conv1"]
    assert pyramid.widths[:6] == [2048, 832, 832, 832, 832, 2048]
    assert len(pyramid.layers) == 11
    width = 208
    chosen = [set(pyramid.channels(level)) for level in range(1, 6)]
    # A group without a convolution at a level passes: the last one at all three, the first two at the first.
    for before, after, free in ((0, 1, (0, 1, 3)), (1, 2, (0, 2, 3)), (2, 3, (1, 2, 3))):
        for group in free:
            kept = {c for c in chosen[before] if c // width == group}
            assert kept <= chosen[after], (before, group)


def test_a_sum_of_groups_has_the_kernel_of_the_one_and_passes_to_the_other() -> None:
    torch.manual_seed(0)
    block = Split(64, 64, 1, first=False)
    w = block.width
    x = {f"convs.{i}": torch.rand(w, 1, 4, 4) for i in range(3)} | {"conv3": torch.rand(4 * w, 1, 4, 4)}
    steps = block.padded_steps(x)
    _, kernel, held, passed = steps[1]
    means = block.convs[1].weight.detach().flatten(2).mean(2)  # type: ignore[union-attr, operator]
    assert torch.equal(kernel[w : 2 * w, w : 2 * w], means)
    assert torch.equal(kernel[2 * w : 3 * w, w : 2 * w], means)  # of the third group, what was added came from here
    assert not kernel[:w].any()
    assert not kernel[3 * w :].any()
    assert passed == frozenset(range(4 * w)) - frozenset(range(w, 2 * w))
    assert torch.equal(held[:w], x["conv3"][:w])
    assert torch.equal(held[w : 2 * w], x["convs.1"])
    assert torch.allclose(held[2 * w : 3 * w], x["convs.2"] - x["conv3"][w : 2 * w])


def test_options_that_make_no_sense() -> None:
    model = network("resnet18")
    for arguments, reason in (
        ({"theta": 1.2}, "theta=1.2"),
        ({"depth": -1}, "depth=-1"),
        ({"mode": "trees"}, "choose one of layers, features"),
    ):
        with pytest.raises(PoofError, match=reason):
            class_feature_pyramid(model, clip(), **arguments)  # type: ignore[arg-type]
    with pytest.raises(PoofError, match="more than 100000 branches at level 1"):
        class_feature_pyramid(model, clip(), theta=0, depth=3, mode="features")
    model.blocks = ()
    with pytest.raises(PoofError, match="has no map of its blocks"):
        class_feature_pyramid(model, clip())
    with pytest.raises(PoofError, match="unknown method of explanation 'lime'; there are gradcam, tubes, pyramids"):
        ExplanationMethod("lime")


# ------------------------------------------------------------------------------------------------------- the files


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "walk.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, 10, (96, 72)) as writer:
        for _ in range(9):
            writer.write(rng.integers(0, 255, (72, 96, 3), dtype=np.uint8))
    return path


def test_files_of_tubes_and_pyramids(video: Path, tmp_path: Path) -> None:
    model = network(modules=("srtg",))
    done = explain(model, video, tmp_path / "out", ["kind 1", "kind 4"], ExplanationMethod("tubes"))
    assert [path.name for path in done.files] == ["walk-tube.png", "walk-tube.mp4"]
    assert open_video(done.files[1]).count() == 9
    assert all("gate_open" in read for read in done.diagnostics.values())
    done = explain(model, video, tmp_path / "out", ["kind 1"], ExplanationMethod("pyramids", depth=2))
    expected = ["pyramid.png", "pyramid-graph.png", "pyramid-graph.json", *(f"pyramid-{k}.mp4" for k in range(3))]
    assert [path.name for path in done.files] == [f"walk-{name}" for name in expected]
    assert [heat.method.split(":")[0] for heat in done.heats] == ["level 0", "level 1", "level 2"]
    graph = json.loads(done.files[2].read_text())
    assert graph["class"] == "kind 1"
    assert len(graph["levels"]) == 3
    assert {node["level"] for node in graph["nodes"]} == {0, 1, 2}
    picture = cv2.imread(str(done.files[1]))
    assert picture is not None
    assert picture.std() > 5


def test_a_graph_has_few_nodes_that_hang_together(tmp_path: Path) -> None:
    model = network("resnet18_quarter", ("tsm",))
    found = class_feature_pyramid(model, clip(), 1, theta=0.6, depth=2)
    at = places(found)
    for level in range(3):
        shown = [number for number in at if found.nodes[number].level == level]
        scores = sorted((node.score for node in found.nodes if node.level == level), reverse=True)
        assert len(shown) == SHOWN < len(scores)
        if level == 0:
            assert [found.nodes[number].score for number in shown] == scores[:SHOWN]
        assert {at[number][0] for number in shown} == {APART * (level + 1)}
        assert level == 0 or all(set(at) & {parent for parent, _ in found.nodes[n].parents} for n in shown)
    frames = [np.full((64, 64, 3), 40 * t, np.uint8) for t in range(4)]
    drawn: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        save = Figure.savefig
        patch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k)))
        draw(found, [f"kind {n}" for n in range(8)], tmp_path / "g.png", "walk", frames, [3, 5, 7, 9])
    axes = drawn[0].axes[0]
    assert len(axes.images) == 3 * SHOWN
    said = [text.get_text() for text in axes.texts]
    best = max((node for node in found.nodes if node.level == 0), key=lambda node: node.score)
    strongest = 3 + 2 * int(found.features[0][best.channel].max((1, 2)).argmax())
    assert f"{best.channel}: score 1.00, frame {strongest}" in said
    assert sum(text.startswith("level") for text in said) == 3


def test_command_line(video: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "best.pt", network(modules=("srtg",)))
    common = ["explain", str(tmp_path / "best.pt"), str(video), "-o", str(tmp_path / "out"), "--no-video"]
    said = CliRunner().invoke(app, [*common, "--method", "pyramids", "--theta", "0.7", "--depth", "1"])
    assert said.exit_code == 0, said.output
    assert "input of layer4.1.conv2" in said.output
    assert "gate_open: share of open gates" in said.output
    assert (tmp_path / "out" / "walk-pyramid-graph.png").is_file()
    first = (tmp_path / "out" / "walk-pyramid-graph.json").read_bytes()
    again = CliRunner().invoke(app, [*common, "--method", "pyramids", "--depth", "2"])
    assert again.exit_code == 0, again.output  # what poof wrote is replaced
    assert (tmp_path / "out" / "walk-pyramid-graph.json").read_bytes() != first
    for name in ("walk-pyramid.png", "walk-pyramid-graph.json"):
        own = (tmp_path / "out" / name).read_bytes()
        (tmp_path / "out" / name).write_bytes(b"somebody's")
        for force in ((), ("--force",)):
            kept = CliRunner().invoke(app, [*common, "--method", "pyramids", *force])
            assert isinstance(kept.exception, PoofError)
            assert f"{name}: exists already" in str(kept.exception)
        assert (tmp_path / "out" / name).read_bytes() == b"somebody's"
        (tmp_path / "out" / name).write_bytes(own)
    wrong = CliRunner().invoke(app, [*common, "--method", "lime"])
    assert "there are gradcam, tubes, pyramids" in str(wrong.exception)

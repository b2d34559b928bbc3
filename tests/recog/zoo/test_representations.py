"""RGB difference, dynamic images and flow in place of frames; CBAM; TSP's activations, places and its loss alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Shape
from poof.recog.core.weights import load_backbone
from poof.recog.cost.counting import parameters
from poof.recog.evaluation.evaluate import Evaluation
from poof.recog.evaluation.splits import mean_over_splits, parse_splits
from poof.recog.training.curves import draw_curves, write_curves
from poof.recog.training.step import module_losses
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules.cbam import BlockAttention
from poof.recog.zoo.modules.representations import DynamicImage, FrameDifference, OpticalFlow, rank_weights
from poof.recog.zoo.modules.tsp import TemporalSqueeze
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.recipes import RECIPES, recipe


def frames(*values: float) -> torch.Tensor:
    """One clip of flat grey frames."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1, 1).expand(1, -1, 3, 2, 2)


def test_differences_by_hand() -> None:
    module = FrameDifference(Shape(6, 3, 2, 2), k=3)
    y = module(frames(1, 4, 2, 7, 7, 0))
    assert y.shape == (1, 2, 6, 2, 2)
    assert y[0, :, ::3, 0, 0].tolist() == [[3.0, -2.0], [0.0, -7.0]]
    with pytest.raises(PoofError, match="k=4: 6 frames cannot be cut"):
        FrameDifference(Shape(6, 3, 2, 2), k=4)


def test_rank_pooling_by_hand() -> None:
    # Three frames: H is 1, 3/2, 11/6.
    assert rank_weights(3).tolist() == pytest.approx([6 - 4 * 11 / 6, 4 - 4 * 5 / 6, 2 - 4 / 3])
    assert rank_weights(4, averaged=False).tolist() == [-3, -1, 1, 3]
    assert abs(rank_weights(10).sum()) < 1e-12
    plain = DynamicImage(Shape(4, 3, 2, 2), k=4, weights="plain")
    assert plain(frames(5, 5, 5, 5)).abs().max() < 1e-6  # what stands still is gone
    assert float(plain(frames(0, 1, 2, 3))[0, 0, 0, 0, 0]) == pytest.approx((-1 + 2 + 9) / 4)


def test_flow_planes_show_a_shift() -> None:
    rng = np.random.default_rng(0)
    texture = torch.nn.functional.avg_pool2d(torch.tensor(rng.random((1, 1, 80, 80)), dtype=torch.float32), 5, 1)[0, 0]
    clip = torch.stack([texture[6:70, 6 - t : 70 - t].expand(3, -1, -1) for t in (0, 2, 4)])[None]
    y = OpticalFlow(Shape(3, 3, 64, 64), k=3)(clip)
    assert y.shape == (1, 1, 4, 64, 64)
    middle = y[0, 0, :, 16:48, 16:48].mean((1, 2)) * (20 * 64 / 224) / 2.5  # back to pixels
    assert middle.tolist() == pytest.approx([2, 0, 2, 0], abs=0.3)


def test_stems_take_the_planes_with_kernels_that_are_means_over_the_colours() -> None:
    torch.manual_seed(0)
    plain = BACKBONES["resnet18_quarter"](3)
    model = recog.build_model("resnet18_quarter", ["rgbdiff:k=3", "tsm"], frames=2, num_classes=3, size=32)
    assert model.clip_shape == (1, 6, 3, 32, 32)
    assert model.backbone.conv1.weight.shape[1] == 6
    load_backbone(model.backbone, plain.net.state_dict(), "a file", "fc", False)
    mean = plain.net.get_submodule("conv1").weight.mean(1)
    assert torch.allclose(model.backbone.conv1.weight[:, 4], mean)
    flow = recog.build_model("resnet18_quarter", ["flow:k=3"], frames=2, num_classes=3, size=32)
    assert flow.backbone.conv1.weight.shape[1] == 4
    assert recog.build_model("resnet18_quarter", ["dynamic"], 2, 3, size=32).backbone.conv1.weight.shape[1] == 3


# -------------------------------------------------------------------------------------------------------------- CBAM


def test_cbam_by_hand() -> None:
    module = BlockAttention(Shape(1, 2, 1, 2), reduction=1, kernel="1x1x1")
    with torch.no_grad():
        for layer in (module.squeeze, module.expand):
            layer.weight.copy_(torch.eye(2))
            layer.bias.zero_()
        module.weight.copy_(torch.tensor([1.0, -2.0]).view(1, 2, 1, 1, 1))
        x = torch.tensor([[1.0, 3.0], [-2.0, 0.0]]).view(1, 1, 2, 1, 2)
        gates = torch.tensor([2.0 + 3.0, 0.0 + 0.0]).sigmoid()  # of means 2, -1 and maxima 3, 0, behind the ReLU
        y = x * gates.view(1, 1, 2, 1, 1)
        scores = y.mean(2) - 2 * y.amax(2)
        assert torch.allclose(module(x), y * scores.sigmoid()[:, :, None])


def test_five_blocks_of_cbam_have_the_printed_parameters() -> None:
    with on_meta():
        host = BACKBONES["resnet50"](400)
        blocks = [BlockAttention(Shape(8, c, 2, 2)) for c in (512, 512, 1024, 1024, 1024)]
    assert len(BlockAttention.places(host)) == 5
    total = parameters(host.net) + sum(map(parameters, blocks))
    assert total == 24_327_632 + 2 * 33_312 + 3 * 132_160 + 5 * 294
    assert NETWORKS["cbam-resnet50"].published[0].mparams == pytest.approx(total / 1e6, abs=0.01)


# --------------------------------------------------------------------------------------------------------------- TSP


def test_activations_of_tsp_by_hand() -> None:
    module = TemporalSqueeze(Shape(2, 1, 1, 1), k=2, d=1, delta1="relu", delta2="tanh")
    with torch.no_grad():
        module.first.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
        module.second.weight.copy_(torch.tensor([[0.5, 9.0], [-1.0, 9.0]]))
        basis = module.matrix(torch.tensor([2.0, 3.0]).view(1, 2, 1, 1, 1))  # relu gives 2 and 0
    assert basis.flatten().tolist() == pytest.approx([np.tanh(1.0), np.tanh(-2.0)])
    with pytest.raises(PoofError, match="delta1=gelu: choose one of"):
        TemporalSqueeze(Shape(2, 1, 1, 1), k=2, d=1, delta1="gelu")


def test_tsp_sits_behind_layers_by_their_paths() -> None:
    with on_meta():
        host = BACKBONES["inception_resnet_v2"](3)
    places = TemporalSqueeze.places(host, "conv2d_1a:3+repeat_1:1")
    assert [(str(p), dict(p.knobs)) for p in places] == [
        ("after conv2d_1a", {"d": 3}),
        ("after repeat_1", {"taken": 3, "d": 1}),
    ]
    with pytest.raises(PoofError, match="write places as in"):
        TemporalSqueeze.places(host, "conv9")


def test_streams_squeeze_as_often_as_their_layers_say() -> None:
    name = "tesnet2-resnet50:backbone=resnet18_quarter,k=4,layers=stem:2+stage3:1"
    model = recog.build_model(name, frames=1, num_classes=3, size=32)
    assert [(line.before.frames, line.after.frames) for line in model.insertions] == [(4, 2), (2, 1)] * 2


def test_tsp_learns_by_its_own_loss_alone_and_the_curves_tell() -> None:
    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", ["tsp:k=4,d=1"], frames=1, num_classes=3, size=32).train()
    clips = torch.rand(4, 4, 3, 32, 32)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    seen = []
    for _ in range(6):
        logits = model(clips)
        loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0]))
        module_losses(model, loss, model.losses(), lambda value, retain_graph=False: value.backward())
        assert all(p.grad is None for p in model.backbone.parameters())
        optimizer.step()
        optimizer.zero_grad()
        seen.append(model.training_reads()["input_before_tsp.projection_loss"])
    assert seen[-1] < seen[0]
    assert model.training_reads() == {}
    with pytest.raises(PoofError, match="add no loss"):
        module_losses(model, loss, {}, lambda value, retain_graph=False: None)


def test_the_recipe_of_table_3_1() -> None:
    own = RECIPES["tesnet-projection"]
    assert (own.objective, own.only, own.lr, own.epochs) == ("modules", "modules", 0.001, 30)
    with pytest.raises(PoofError, match="objective=loss: choose one of all, modules"):
        recipe("tesnet", objective="loss")


def test_curves_draw_the_losses_of_modules(tmp_path: Path) -> None:
    rows = [{"epoch": n, "loss": 1.0, "accuracy": 0.5, "input_before_tsp.projection_loss": 1.0 / n} for n in (1, 2)]
    write_curves(rows, tmp_path)
    assert "input_before_tsp.projection_loss" in (tmp_path / "curves.csv").read_text().splitlines()[0]
    draw_curves(pd.DataFrame(rows), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


# ------------------------------------------------------------------------------------------------ means over splits


def test_the_mean_over_splits_by_hand() -> None:
    def judged(right: list[bool]) -> Evaluation:
        scores = np.array([[[0.9, 0.1]] if one else [[0.1, 0.9]] for one in right])
        return Evaluation(scores, np.zeros(len(right), int), [f"{n}.mp4" for n in range(len(right))], ["a", "b"], {})

    row = mean_over_splits([judged([True, True]), judged([True, False]), judged([True, True, False, False])])
    assert (row["splits"], row["video_top1"]) == (3, pytest.approx(2 / 3))
    assert row["video_top1_sd"] == pytest.approx((1 / 12) ** 0.5)
    assert parse_splits("1,3", 2) == [1, 3]
    for text, runs, message in (("1,x", 2, "numbers from 1 up"), ("1,2", 3, "2 splits for 3 runs")):
        with pytest.raises(PoofError, match=message):
            parse_splits(text, runs)

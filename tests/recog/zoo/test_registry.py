"""Over the whole registry: every module in every kind of host, every backbone (networks: test_profile)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from poof import recog
from poof.meta_device import on_meta
from poof.recog.core.backbone import Host, residual_blocks
from poof.recog.core.model import Recognizer
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.backbones.i3d import inflate_layers
from poof.recog.zoo.backbones.mobilenet import mobilenet_v2
from poof.recog.zoo.backbones.narrow import narrow_resnet18
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.modules.m2a import ATTENTIONS, MOTIONS
from poof.torchvision_ops import ensure

VARIANTS = [
    *MODULES,
    *(  # quick: each part by itself
        pytest.param(f"m2a:motion={m},attention={a}", marks=[pytest.mark.slow] * ("none" not in (m, a)))
        for m in MOTIONS
        for a in ATTENTIONS
        if {m, a} != {"none"}
    ),
    "m2a:shift=zero,placement=after",
    "m2a:norm=false,attention=none",
    "tsm:placement=block,fill=wrap",
    "tdn:shift=true",
    "tsp:delta1=leaky,delta2=tanh",
]
FIXED_CLIPS = ("select", "tsp", "pwtp")
"""Exported for the number of clips they are shown."""
NOT_EXPORTED = ("flow",)
"""Made outside of torch, while clips pass."""
TOGETHER = [
    ["mbpm", "tsm", "tea", "tam", "tdn"],
    ["rgbdiff", "se", "cbam", "gc", "nonlocal", "rnl"],
    ["dynamic", "m2a", "mta", "dem", "cpa"],
    ["sr", "classreg"],
    ["select", "tsp", "pwtp"],
]
"""Exported in one network: half of the time goes to what surrounds the modules."""
FACTORIES = {getattr(make, "func", make): name for name, make in reversed(BACKBONES.items())}
"""The first backbone of each factory."""


def tiny_resnet(classes: int) -> Host:
    """A quarter of ResNet-18's channels and half of its blocks: one a stage."""
    host = narrow_resnet18(0.25, classes)
    for stage in host.stages:
        setattr(host.net, stage, host.net.get_submodule(stage)[:1])  # type: ignore[index]
    return replace(host, blocks=residual_blocks(host.net))


def two_blocks(classes: int) -> Host:
    """`tiny_resnet` with places in its middle stages only: a module's program is the same in every block."""
    host = tiny_resnet(classes)
    return replace(host, blocks=host.blocks[1:3])


def tiny_i3d(classes: int) -> Host:
    """The same, inflated as I3D is."""
    host = tiny_resnet(classes)
    inflate_layers(host.net)
    return replace(host, dims=3, inflated=True)


def tiny_mobilenet(classes: int) -> Host:
    """One block a stage and two in the first, with a skip connection and without."""
    ensure()
    from torchvision import models

    short = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 1, 2], [6, 64, 1, 2], [6, 160, 1, 2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "mobilenet_v2", partial(models.mobilenet_v2, inverted_residual_setting=short))
        return mobilenet_v2(classes)


@pytest.fixture(autouse=True)
def tiny_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds in them holds in the full networks, and costs a fraction."""
    monkeypatch.setitem(BACKBONES, "tiny_resnet", tiny_resnet)
    monkeypatch.setitem(BACKBONES, "two_blocks", two_blocks)
    monkeypatch.setitem(BACKBONES, "tiny_i3d", tiny_i3d)
    monkeypatch.setitem(BACKBONES, "tiny_mobilenet", tiny_mobilenet)


def small(
    name: str, modules: list[str], frames: int = 4, size: int = 64, seed: int = 0
) -> tuple[Recognizer, torch.Tensor]:
    torch.manual_seed(seed)
    model = recog.build_model(name, modules, frames=frames, num_classes=3, size=size, dropout=0)
    return model, torch.randn(2, frames * model.per_segment, 3, size, size)


def forward_and_backward(model: Recognizer, clips: torch.Tensor) -> None:
    logits = model(clips)
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()
    nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not without
    assert model.insertions or not any(True for _ in model.temporal_modules())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_module_trains(variant: str) -> None:
    zero = never_learn(variant, 0)
    for seed in (1, 2):  # of a squeezed layer's few channels every ReLU may be closed by chance
        zero = zero & never_learn(variant, seed) if zero else zero
    assert not zero, "a parameter that never learns"


def never_learn(variant: str, seed: int) -> set[str]:
    # Squeezed to a sixteenth, the narrow host's first blocks would leave one channel.
    model, clips = small("tiny_resnet", [f"{variant}:reduction=4" if variant in ("se", "cbam") else variant], seed=seed)
    forward_and_backward(model, clips)
    if variant == "srtg":
        return set()  # its gates are closed on random weights, and closed gates teach nothing
    zero = without_gradient(model)
    if zero:  # behind a layer that begins at 0, nothing learns in the first step
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        model.zero_grad()
        forward_and_backward(model, clips)
        zero &= without_gradient(model)
    return {name for name in zero if not name.endswith("_gc.module.squeeze.bias")}  # the release's, in front of a norm


def without_gradient(model: Recognizer) -> set[str]:
    return {n for n, p in model.inserted.named_parameters() if p.grad is not None and not p.grad.any()}


# Quick: clips in 3D for every module; blocks with an expansion in front and without for some that sit in blocks.
@pytest.mark.parametrize(
    ("backbone", "name"),
    [("tiny_i3d", name) for name in MODULES]
    + [
        pytest.param("tiny_mobilenet", name, marks=[pytest.mark.slow] * (name not in ("tsm", "m2a", "tam", "srtg")))
        for name in MODULES
    ],
)
def test_every_module_in_other_kinds_of_hosts(backbone: str, name: str) -> None:
    # KPSEM sits behind the third stage, where I3D has a quarter of the frames, and needs two there.
    model, clips = small(backbone, [name], frames=8 if name == "kpsem" else 4)
    forward_and_backward(model, clips)


@pytest.mark.parametrize("name", ["r2plus1d_18_quarter", "resnet50", pytest.param("r3d_18", marks=pytest.mark.slow)])
def test_every_family_of_backbones_trains(name: str) -> None:
    forward_and_backward(*small(name, ["m2a"], size=32))


# Quick: of each family the shallower ones.
@pytest.mark.parametrize(
    "backbone",
    [pytest.param(n, marks=[pytest.mark.slow] * any(deep in n for deep in ("101", "_l", "_xl"))) for n in BACKBONES],
)
def test_every_backbone_has_a_true_map(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for draw in ("uniform_", "normal_"):  # millions of random numbers that nobody looks at
        monkeypatch.setattr(torch.Tensor, draw, lambda values, *_, **__: values)
    with on_meta():
        host = BACKBONES[backbone](3)
    for block in host.blocks:
        first = host.net.get_submodule(block.first)
        assert any(isinstance(layer, (nn.Conv2d, nn.Conv3d)) for layer in first.modules()), block
        host.net.get_submodule(block.second)
    assert sorted({block.stage for block in host.blocks}) == [1, 2, 3, 4]
    assert len(host.stages) == 4
    for path in host.stages:
        host.net.get_submodule(path)
    classifier = host.net.get_submodule(host.classifier)
    assert isinstance(classifier, nn.Linear)
    assert classifier.out_features == 3
    if backbone in FACTORIES.values():  # the meta device changes nothing
        assert set(host.net.state_dict()) == set(BACKBONES[backbone](3).net.state_dict())


@pytest.mark.parametrize("name", MODULES)
def test_what_is_saved_comes_back(name: str, tmp_path: Path) -> None:
    model, clips = small("two_blocks", [name])
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other, _ = small("two_blocks", [name])
    for parameter in other.parameters():
        nn.init.normal_(parameter, std=0.02)
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), strict=True)
    with torch.no_grad():
        assert torch.equal(model.eval()(clips), other.eval()(clips))


def exported() -> Iterator[Any]:
    """Quick: hooks that shift, squeeze and attend, for any number of clips. Slow: every module."""
    grouped = {name for group in TOGETHER for name in group}
    alone = [[n] for n in (*MODULES, "m2a:attention=patch4") if n not in grouped and n not in NOT_EXPORTED]
    yield ["tsm", "se", "m2a"]
    yield from (pytest.param(modules, marks=pytest.mark.slow) for modules in ([], *TOGETHER, *alone))


@pytest.mark.parametrize("modules", [*exported()], ids="+".join)
def test_exported_programs_give_the_same_numbers(modules: list[str]) -> None:
    # What ONNX, OpenVINO, ExecuTorch and compilers start from; hooks are part of it, any number of clips is taken.
    model, clips = small("two_blocks", modules)
    free = not set(modules) & set(FIXED_CLIPS)
    shapes = ({0: torch.export.Dim("clips", max=64)},) if free else None
    program = torch.export.export(model.eval(), (clips,), dynamic_shapes=shapes)
    more = torch.cat([clips, clips[:1] * 0.5]) if free else clips * 0.5
    with torch.no_grad():
        assert torch.allclose(program.module()(more), model(more), atol=1e-5)


@pytest.mark.parametrize("variant", ["none", *MODULES])
def test_mixed_precision_stays_close(variant: str) -> None:
    model, clips = small("two_blocks", [] if variant == "none" else [variant], size=32)
    model.train()
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(clips)
        loss = nn.functional.cross_entropy(half, torch.tensor([0, 2])) + sum(model.losses().values())
    loss.backward()
    assert half.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    torch.manual_seed(1)
    whole = model(clips)
    assert (half.float() - whole).abs().max() < 0.25 * whole.detach().abs().max() + 0.05


@pytest.mark.parametrize("name", MODULES)
def test_documents_are_named(name: str) -> None:
    module = MODULES[name]
    assert module.document
    assert module.summary
    assert "Knobs" in (module.__doc__ or "") or name == "none"


def test_every_printed_table_of_accuracies_has_its_rows() -> None:
    """One row a table, with the data set it stands for."""
    from poof.recog.zoo.networks import NETWORKS

    tables = {
        "Huang 3.7": ("dan-x3d_m", "Kinetics-400, T = 8", 77.3),
        "Huang 3.8": ("dan-resnet50", "HMDB51, three splits", 75.3),
        "Huang 4.7": ("se+rnl-resnet50", "Kinetics-400, 30 views", 77.2),
        "Huang 4.8": ("se+rnl-resnet50", "Something-Something V1, 6 views", 51.0),
        "Huang 5.10": ("bqn-resnet50", "Kinetics-400, 10 views", 77.3),
        "Huang 5.11": ("bqn-resnet50", "UCF101, three splits", 97.6),
        "Stergiou 4.3": ("sr-r2plus1d_101", "Kinetics-700", 56.8),
        "Stergiou 4.4": ("srtg-r3d_34", "Moments in Time", 28.5),
        "Stergiou 4.5": ("stergiou-r3d_50", "Kinetics-700", 49.1),
        "Stergiou 4.6": ("sr-r3d_101", "UCF-101", 97.3),
        "Stergiou 5.3": ("mtnet-l", "Moments in Time", 35.2),
        "Stergiou 5.4": ("mtnet-m", "Kinetics-700", 58.4),
        "Stergiou 5.9": ("mtnet-s", "UCF-101", 94.2),
    }
    for table, (name, data, top1) in tables.items():
        assert top1 in [p.top1 for p in NETWORKS[name].published if p.data == data], table

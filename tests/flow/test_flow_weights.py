"""RAFT's checkpoints: names both ways, strict loading, and what wrong files get to hear."""

from __future__ import annotations

import hashlib
import pickle
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from poof.errors import PoofError
from poof.flow import raft_weights
from poof.flow.raft_weights import (
    KINDS,
    fetch_published,
    kind_of,
    new_network,
    princeton_name,
    published,
    read_state,
    read_weights,
    to_princeton,
    to_torchvision,
)


def princeton_encoder(block: str, widths: tuple[int, int, int, int, int], norm: bool) -> nn.Module:
    """princeton-vl's encoder, layer by layer as its extractor.py builds it: written here a second time on purpose."""

    def normed(module: nn.Module, names: tuple[str, ...], width: tuple[int, ...]) -> None:
        if norm:
            for name, channels in zip(names, width):
                module.add_module(name, nn.BatchNorm2d(channels))

    def residual(inner: int, outer: int, stride: int) -> nn.Module:
        module = nn.Module()
        module.conv1, module.conv2 = nn.Conv2d(inner, outer, 3, stride), nn.Conv2d(outer, outer, 3)
        normed(module, ("norm1", "norm2"), (outer, outer))
        if stride != 1:
            normed(module, ("norm3",), (outer,))
            shortcut = [nn.Conv2d(inner, outer, 1, stride)]
            module.downsample = nn.Sequential(*shortcut, *([module.norm3] if norm else []))
        return module

    def bottleneck(inner: int, outer: int, stride: int) -> nn.Module:
        module = nn.Module()
        middle = outer // 4
        module.conv1, module.conv2 = nn.Conv2d(inner, middle, 1), nn.Conv2d(middle, middle, 3, stride)
        module.conv3 = nn.Conv2d(middle, outer, 1)
        if stride != 1:
            module.downsample = nn.Sequential(nn.Conv2d(inner, outer, 1, stride))
        return module

    build = residual if block == "residual" else bottleneck
    encoder = nn.Module()
    encoder.conv1 = nn.Conv2d(3, widths[0], 7, 2)
    normed(encoder, ("norm1",), (widths[0],))
    inner = widths[0]
    for index, (outer, stride) in enumerate(zip(widths[1:4], (1, 2, 2)), start=1):
        encoder.add_module(f"layer{index}", nn.Sequential(build(inner, outer, stride), build(outer, outer, 1)))
        inner = outer
    encoder.conv2 = nn.Conv2d(inner, widths[4], 1)
    return encoder


def princeton_large() -> dict[str, torch.Tensor]:
    """A state dict as princeton-vl's RAFT (not small) saves it, with random weights."""
    torch.manual_seed(3)
    net = nn.Module()
    net.fnet = princeton_encoder("residual", (64, 64, 96, 128, 256), norm=False)
    net.cnet = princeton_encoder("residual", (64, 64, 96, 128, 256), norm=True)
    block, encoder, gru, head = nn.Module(), nn.Module(), nn.Module(), nn.Module()
    encoder.convc1, encoder.convc2 = nn.Conv2d(4 * 81, 256, 1), nn.Conv2d(256, 192, 3)
    encoder.convf1, encoder.convf2 = nn.Conv2d(2, 128, 7), nn.Conv2d(128, 64, 3)
    encoder.conv = nn.Conv2d(64 + 192, 126, 3)
    for stage, kernel in ((1, (1, 5)), (2, (5, 1))):
        for gate in "zrq":
            gru.add_module(f"conv{gate}{stage}", nn.Conv2d(128 + 256, 128, kernel))
    head.conv1, head.conv2 = nn.Conv2d(128, 256, 3), nn.Conv2d(256, 2, 3)
    block.encoder, block.gru, block.flow_head = encoder, gru, head
    block.mask = nn.Sequential(nn.Conv2d(128, 256, 3), nn.ReLU(), nn.Conv2d(256, 576, 1))
    net.update_block = block
    return net.state_dict()


# ------------------------------------------------------------------------------------------------------------- names


def test_the_genuine_small_checkpoint_fits_name_by_name(small_weights: Path) -> None:
    content = torch.load(small_weights, weights_only=True, map_location="cpu")
    renamed = to_torchvision(content, "raft-small")
    wanted = new_network("raft-small").state_dict()
    assert list(map(tuple, sorted((k, tuple(v.shape)) for k, v in renamed.items()))) == sorted(
        (k, tuple(v.shape)) for k, v in wanted.items()
    )
    back = to_princeton(renamed, "raft-small")
    assert set(back) == {name.removeprefix("module.") for name in content}
    for name, tensor in back.items():
        assert torch.equal(tensor, content[f"module.{name}"]), name


def test_the_large_network_fits_name_by_name_both_ways() -> None:
    original = princeton_large()
    wanted = new_network("raft-large").state_dict()
    renamed = to_torchvision(original, "raft-large")
    assert {k: tuple(v.shape) for k, v in renamed.items()} == {k: tuple(v.shape) for k, v in wanted.items()}
    back = to_princeton(renamed, "raft-large")
    assert set(back) == set(original)
    for name, tensor in back.items():
        assert torch.equal(tensor, original[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_tensors_share_a_name(kind: str) -> None:
    names = list(new_network(kind).state_dict())
    assert len({princeton_name(name, kind) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("torchvision", "princeton"),
    [
        ("feature_encoder.convnormrelu.0.weight", "fnet.conv1.weight"),
        ("feature_encoder.conv.bias", "fnet.conv2.bias"),
        ("context_encoder.convnormrelu.1.running_var", "cnet.norm1.running_var"),
        ("context_encoder.layer2.0.downsample.1.weight", "cnet.layer2.0.downsample.1.weight"),
        ("update_block.motion_encoder.convflow2.0.weight", "update_block.encoder.convf2.weight"),
        ("update_block.motion_encoder.conv.0.bias", "update_block.encoder.conv.bias"),
        ("update_block.recurrent_block.convgru2.convq.weight", "update_block.gru.convq2.weight"),
        ("mask_predictor.conv.weight", "update_block.mask.2.weight"),
    ],
)
def test_single_names_of_the_large_network(torchvision: str, princeton: str) -> None:
    assert princeton_name(torchvision, "raft-large") == princeton


# ----------------------------------------------------------------------------------------------------------- reading


# The large network's names: test_the_large_network_fits_name_by_name_both_ways.
@pytest.mark.parametrize("kind", ["raft-small", pytest.param("raft-large", marks=pytest.mark.slow)])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("naming", ["torchvision", "princeton"])
@pytest.mark.parametrize("wrapper", [None, "state_dict"])
def test_every_way_to_save_the_same_weights(
    kind: str, prefix: str, naming: str, wrapper: str | None, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    state = new_network(kind).state_dict()
    saved = to_princeton(state, kind) if naming == "princeton" else state
    content: Any = {prefix + name: tensor for name, tensor in saved.items()}
    path = tmp_path / "weights.pth"
    torch.save({wrapper: content} if wrapper else content, path)
    read = read_weights(path, kind)
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    network = new_network(kind)
    network.load_state_dict(read.state, strict=True)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state.items())


def test_old_files_without_the_counter_of_batches_load(tmp_path: Path) -> None:
    state = {k: v for k, v in princeton_large().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth")
    new_network("raft-large").load_state_dict(read_weights(tmp_path / "old.pth", "raft-large").state)


def test_kind_of_tells_them_apart(random_weights: Callable[[str], Path]) -> None:
    assert kind_of(read_state(random_weights("raft-small"))) == "raft-small"
    assert kind_of(princeton_large()) == "raft-large"
    assert kind_of({"conv1.weight": torch.zeros(64, 3, 7, 7)}) is None


def changed(state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The state with some tensors exchanged, or dropped where the value is None."""
    return {k: v for k, v in (state | changes).items() if v is not None}


class Harmful:
    """What a pickle can do to whoever loads it carelessly."""

    def __reduce__(self) -> Any:
        return (print, ("executed",))


def test_wrong_files_are_named_with_the_remedy(
    tmp_path: Path, random_weights: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    small = read_state(random_weights("raft-small"))
    first, last = "feature_encoder.conv.weight", "update_block.flow_head.conv2.bias"
    cut = random_weights("raft-small").read_bytes()[:20_000]
    cases: list[tuple[Any, str]] = [
        (b"<html>not found</html>", "is no PyTorch checkpoint"),
        (b"", "is no PyTorch checkpoint"),
        (cut, "is no PyTorch checkpoint"),
        (pickle.dumps(Harmful(), protocol=2), "is no PyTorch checkpoint"),
        ([1, 2], "holds list, not a dictionary of tensors"),
        ({"epoch": 3}, "holds dict, not a dictionary of tensors"),
        ({}, "not a dictionary of tensors"),
        ({"conv1.weight": torch.zeros(64, 3, 7, 7)}, "holds no RAFT network (its tensors: conv1.weight, ...)"),
        (new_network("raft-large").state_dict(), "holds raft-large, not raft-small; use --flow raft-large"),
        (changed(small, **{last: None}), f"lacks the tensor {last} of raft-small"),
        (changed(small, **{first: torch.zeros(9, 96, 1, 1)}), f"{first} has the shape (9, 96, 1, 1) instead of"),
        (changed(small, extra=torch.zeros(1)), "holds extra, which raft-small does not have"),
        (changed(small, **{last: torch.full((2,), torch.nan)}), f"{last} holds NaN or infinity"),
    ]
    for content, message in cases:
        path = tmp_path / "w.pth"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(PoofError) as caught:
            read_weights(path, "raft-small")
        assert str(caught.value).startswith(f"{path}: "), caught.value
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out
    with pytest.raises(PoofError, match="no such weights file"):
        read_weights(tmp_path / "nowhere.pth", "raft-small")
    with pytest.raises(PoofError, match="no such weights file"):
        read_weights(tmp_path, "raft-small")


# --------------------------------------------------------------------------------------------------- published files


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.mark.parametrize(
    ("kind", "file"),
    [("raft-small", "raft_small_C_T_V2-01064c6d.pth"), ("raft-large", "raft_large_C_T_SKHT_V2-ff5fadd5.pth")],
)
def test_where_published_weights_are_and_go(hub: Path, kind: str, file: str) -> None:
    assert published(kind) == (f"https://download.pytorch.org/models/{file}", hub / file)


def test_cached_weights_are_taken_without_a_download(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.mkdir(parents=True)
    place = published("raft-small")[1]
    place.touch()
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    assert fetch_published("raft-small") == place


def test_a_failed_download_tells_where_to_get_them_and_leaves_nothing(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(PoofError) as caught:
        fetch_published("raft-small")
    message = str(caught.value)
    address, place = published("raft-small")
    assert address in message and str(place) in message
    assert "--weights" in message and "Name or service not known" in message and "\n" not in message
    assert not place.exists()


def test_a_download_is_checked_and_kept(
    hub: Path, tmp_path: Path, random_weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random_weights("raft-small")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    good, bad = hub / f"raft-{digest[:8]}.pth", hub / "raft-00000000.pth"
    monkeypatch.setattr(raft_weights, "published", lambda kind: (source.as_uri(), good))
    assert fetch_published("raft-small") == good
    assert good.read_bytes() == source.read_bytes()
    monkeypatch.setattr(raft_weights, "published", lambda kind: (source.as_uri(), bad))
    with pytest.raises(PoofError, match=r"cannot be downloaded .*invalid hash value"):
        fetch_published("raft-small")
    assert not bad.exists()

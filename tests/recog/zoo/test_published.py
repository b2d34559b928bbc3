"""Networks as their authors published them: the keys of their files, and the scores those files give."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from poof import recog
from poof.errors import PoofError, PoofWarning
from poof.recog.training.transfer import start_from
from poof.recog.zoo.published.releases import RELEASES

RELEASED = ",variant=released"
NETWORKS: dict[str, tuple[str, list[str]]] = {
    "tsn-resnet50": ("resnet50", []),
    "tsm-resnet18": ("resnet18", ["tsm"]),
    "tsm-resnet50": ("resnet50", ["tsm"]),
    "tsm-mobilenetv2": ("mobilenet_v2", ["tsm"]),
    "tam-resnet50": ("resnet50", ["tam"]),
    "tea50": ("tea-res2net50", []),
    "tdn-resnet50": ("tdn-resnet50", []),
    "rnl-tsm-resnet50": ("resnet50", ["tsm", "rnl"]),
    "bqn-resnet50": ("bqn-resnet50:quiet=frame,scale=sum", []),
    "srtg-r3d-34": ("r3d_34_pooled", ["sr"]),
    "srtg-r3d-50": ("r3d_50_pooled", ["sr"]),
    "srtg-r2plus1d-34": ("r2plus1d_34_pooled", ["sr"]),
    "srtg-r2plus1d-50": ("r2plus1d_50_pooled", ["sr"]),
    "m2a-resnet18": ("resnet18", ["m2a:variant=released"]),
    "m2a-resnet18-tsm": ("resnet18", ["m2a:variant=released", "tsm"]),
    "m2a-attn-resnet18": ("resnet18", ["m2a:motion=none" + RELEASED]),
    "m2a-motion-resnet18": ("resnet18", ["m2a:attention=none" + RELEASED]),
    "m2a-tam-resnet18": ("resnet18", ["m2a:motion=none,attention=tam" + RELEASED]),
    "m2a-tdn-resnet18": ("resnet18", ["m2a:motion=tdn,attention=none" + RELEASED]),
    "m2a-tea-resnet18": ("resnet18", ["m2a:motion=tea,attention=none" + RELEASED]),
    "m2a-tea+attn-resnet18": ("resnet18", ["m2a:motion=tea" + RELEASED]),
}
QUICK = ["tsm-mobilenetv2", "m2a-resnet18-tsm"]


def made_by_rule(key: str, shape: list[int]) -> Tensor:
    """The oracles' rule, see their README."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    i = np.arange(int(np.prod(shape)), dtype=np.float64)
    x = np.sin(zlib.crc32(key.encode()) % 1000 + 0.7 * i + 1e-4 * i * i)
    if key.endswith("running_mean"):
        x = 0.1 * x
    elif key.endswith("running_var"):
        x = 1 + 0.3 * x
    elif len(shape) > 1:
        x = x * np.sqrt(2 / np.prod(shape[1:]))
    elif key.endswith("weight"):
        x = 0.5 + 0.2 * x
    else:
        x = 0.1 * x
    return torch.from_numpy(x.reshape(shape))


def clip(shape: list[int]) -> Tensor:
    """The oracles' input, as (1, T, 3, H, W)."""
    i = np.arange(int(np.prod(shape)), dtype=np.float64)
    x = torch.from_numpy(np.sin(0.37 * i + 1e-5 * i * i).reshape(shape))
    return x if x.dim() == 5 else x.reshape(1, -1, 3, *shape[-2:])


def build(name: str, oracle: dict[str, Any], path: Path, prefix: str = "") -> recog.Recognizer:
    state = {prefix + key: made_by_rule(key, shape) for key, shape in oracle["keys"].items()}
    torch.save({"state_dict": state, "epoch": 3}, path)
    network, modules = NETWORKS[name]
    shape = oracle["input_shape"]
    frames = 3 if name == "bqn-resnet50" else 8
    torch.set_default_dtype(torch.float64)
    try:
        return recog.build_model(network, modules, frames, 11, size=shape[-1], weights=path)
    finally:
        torch.set_default_dtype(torch.float32)


def oracle_of(data: Path, name: str) -> dict[str, Any]:
    return json.loads((data / "oracles" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS])
@pytest.mark.filterwarnings("ignore:.*never used is left out")
def test_the_authors_files_give_their_scores(data: Path, tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    oracle = oracle_of(data, name)
    model = build(name, oracle, tmp_path / "w.pth", "module.").eval()
    with torch.inference_mode():
        logits = model(clip(oracle["input_shape"]))
    assert logits.dtype == torch.float64
    assert np.abs(logits[0].numpy() - np.array(oracle["logits"])).max() < 1e-6
    assert model.bgr == name.startswith("srtg")  # its code decodes with OpenCV and leaves the channels as they are


def test_every_oracle_has_its_network(data: Path) -> None:
    assert {path.stem for path in (data / "oracles").glob("*.json")} == set(NETWORKS)


# ------------------------------------------------------------------------------------------- what does not fit is told


def state_of(data: Path, name: str, **changes: str) -> dict[str, Tensor]:
    state = {key: made_by_rule(key, shape).float() for key, shape in oracle_of(data, name)["keys"].items()}
    return {changes.get(key, key): value for key, value in state.items()}


def heavy(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "network", "modules", "said"),
    [
        ("tsm-resnet18", "resnet18", [], "it shifts features in time; build it with -m tsm"),
        ("m2a-resnet18", "resnet18", ["tsm"], "it has M2A's modules; build it with -m m2a:variant=released"),
        ("m2a-resnet18", "resnet18", ["m2a"], "its differences end in zeros; build it with -m m2a:variant=released"),
        ("m2a-resnet18", "resnet18", ["m2a:variant=released", "tsm"], "it has no shift; leave out tsm"),
        ("m2a-resnet18-tsm", "resnet18", ["m2a:variant=released"], "it shifts features besides; add -m tsm"),
        ("m2a-tea-resnet18", "resnet18", ["m2a:motion=tea,attention=none,shift=zero"], "say variant=released"),
        ("m2a-tea-resnet18", "resnet18", ["m2a:variant=released"], "it has besides"),
        ("tam-resnet50", "resnet18", ["tam"], "holds TAM; build its backbone with -m tam, not resnet18 -m tam"),
        heavy("srtg-r3d-34", "r3d_34", ["sr"], "its stem pools time as well"),
        heavy("srtg-r3d-34", "r3d_34_pooled", ["srtg"], "the gates off; build it with -m sr"),
        heavy("srtg-r3d-34", "r3d_34_pooled", [], "it has besides 'inserted"),
    ],
)
def test_a_file_of_another_function_is_refused(
    data: Path, tmp_path: Path, name: str, network: str, modules: list[str], said: str
) -> None:
    # By its keys and shapes: no value is looked at.
    torch.save({key: torch.zeros(shape) for key, shape in oracle_of(data, name)["keys"].items()}, tmp_path / "w.pth")
    with pytest.raises(PoofError, match=said) as caught:
        recog.build_model(network, modules, 8, 11, size=64, weights=tmp_path / "w.pth")
    assert len(str(caught.value).replace(str(tmp_path), "")) < 400


def test_the_classifier_of_another_data_set_starts_anew_and_from_takes_such_files(data: Path, tmp_path: Path) -> None:
    torch.save(state_of(data, "tsm-resnet18"), tmp_path / "w.pth")
    with pytest.warns(PoofWarning, match=r"classifier is of another data set: the one of this network \(5 classes\)"):
        model = recog.build_model("resnet18", ["tsm"], 8, 5, size=64, weights=tmp_path / "w.pth")
    other = recog.build_model("resnet18", ["tsm"], 8, 11, size=64)
    assert start_from(other, tmp_path / "w.pth") == []
    own, theirs = model.state_dict(), other.state_dict()
    assert all(torch.equal(own[key], theirs[key]) for key in own if not key.startswith("backbone.fc."))


def test_a_file_with_a_key_too_many_or_too_few_is_refused(data: Path, tmp_path: Path) -> None:
    state = state_of(data, "tsm-resnet18")
    state["base_model.layer1.0.extra.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(PoofError, match=r"has besides 'backbone\.layer1\.0\.extra\.weight' and 0 more"):
        recog.build_model("resnet18", ["tsm"], 8, 11, size=64, weights=tmp_path / "w.pth")
    state.pop("base_model.layer1.0.extra.weight")
    state.pop("base_model.layer4.1.bn2.bias")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(PoofError, match=r"it lacks 'backbone\.layer4\.1\.bn2\.bias' and 0 more"):
        recog.build_model("resnet18", ["tsm"], 8, 11, size=64, weights=tmp_path / "w.pth")


def test_from_takes_a_backbone_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = recog.build_model("mfnet", (), 2, 9, size=32).backbone.state_dict()  # type: ignore[union-attr, operator]
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in theirs.items()}}, tmp_path / "MFNet3D.pth")
    model = recog.build_model("mfnet", ["m2a"], 2, 5, size=32)
    with pytest.warns(PoofWarning) as told:
        left = start_from(model, tmp_path / "MFNet3D.pth")
    assert left == ["backbone.classifier.weight", "backbone.classifier.bias"]
    assert [str(one.message).split(": ")[1] for one in told] == [
        "holds a backbone alone; m2a start anew",
        "its classifier is of another data set; that of this network starts anew",
    ]
    own = model.state_dict()
    assert all(torch.equal(own[f"backbone.{k}"], v) for k, v in theirs.items() if not k.startswith("classifier"))
    other = recog.build_model("resnet18_quarter", (), 2, 9, size=32)
    with pytest.raises(PoofError, match="does not fit this backbone"):
        start_from(other, tmp_path / "MFNet3D.pth")


def test_x3d_of_pytorchvideo_has_no_norm_on_its_first_shortcut(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = recog.build_model("x3d_xs", [], 4, 7, size=64).eval()
    state = model.backbone.state_dict()  # type: ignore[union-attr, operator]
    assert any("s2.pathway0_res0.branch1_bn" in key for key in state)
    bare = {key: value for key, value in state.items() if "s2.pathway0_res0.branch1_bn" not in key}
    torch.save({"model_state": bare}, tmp_path / "x.pyth")
    loaded = recog.build_model("x3d_xs", [], 4, 7, size=64, weights=tmp_path / "x.pyth").eval()
    bn = loaded.backbone.get_submodule("s2.pathway0_res0.branch1_bn")  # type: ignore[union-attr, operator]
    x = torch.randn(2, 24, 2, 3, 3)
    assert torch.allclose(bn(x), x, atol=1e-6)
    torch.save({"model_state": state}, tmp_path / "y.pyth")
    same = recog.build_model("x3d_xs", [], 4, 7, size=64, weights=tmp_path / "y.pyth").eval()
    clips = torch.randn(1, 4, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(same(clips), model(clips))


def test_a_mask_that_is_no_mask_is_kept_as_it_is(data: Path, tmp_path: Path) -> None:
    """Real files have one channel open in each row of the mask, the oracle all of them."""
    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", ["tsm", "rnl"], 2, 3, size=32)
    for name, module in model.inserted.items():  # type: ignore[union-attr, operator]
        if "rnl" not in name:
            continue
        half = module.module.embed.out_channels
        mask = torch.zeros(half, min(half, 32), *module.module.gather.layer.weight.shape[2:])
        mask[torch.arange(half), torch.arange(half) % mask.shape[1]] = 1
        path = f"inserted.{name}.module"
        weight = torch.randn_like(mask)
        renamed = RELEASES["rnl"].change({f"{path}.penta.weight": weight, f"{path}.penta.mask": mask}, model)
        expected = weight[torch.arange(half), torch.arange(half) % mask.shape[1]][:, None]
        assert torch.equal(renamed[f"{path}.gather.layer.weight"], expected)


def test_rnl_with_its_channel_gate(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    gate = "gc:reduction=2,blocks=1"
    model = recog.build_model("resnet18", ["tsm", gate, "rnl"], 2, 3, size=32).eval()
    nn.init.normal_(model.inserted["layer2_0_after_gc"].module.expand.weight)  # type: ignore[union-attr, index]
    released = {}
    inner = {"weigh": "W_k", "squeeze": "W_v1", "norm": "bn1", "expand": "W_v2"}
    for key, value in model.state_dict().items():
        name = re.sub(
            r"^inserted\.(layer\d)_(\d)_after_gc\.module\.(\w+)", lambda m: f"{m[1]}.{m[2]}.cg.{inner[m[3]]}", key
        )
        name = re.sub(r"^inserted\.(layer\d)_(\d)_after_rnl\.module\.", r"\1.\2.nl.", name)
        name = re.sub(r"(layer\d\.\d)\.conv1\.", r"\1.conv1.net.", name)
        for ours, theirs in (("embed", "theta"), ("expand", "W.0"), ("norm", "W.1")):
            name = re.sub(rf"\.nl\.{ours}\.", f".nl.{theirs}.", name)
        if name.endswith("gather.layer.weight"):
            name, channels = name.replace("gather.layer.weight", "penta.weight"), len(value)
            mask = torch.zeros(channels, 32, *value.shape[2:])
            mask[torch.arange(channels), torch.arange(channels) % 32] = 1
            released[name.replace("weight", "mask")] = mask
            value = mask * value
        if re.search(r"\.(W_k|theta|W\.0)\.weight", name):
            value = value.unsqueeze(2)
        released["module.base_model." + name.removeprefix("backbone.")] = value
    torch.save({"state_dict": released}, tmp_path / "w.pth")
    with pytest.raises(PoofError, match=r"it has a channel gate: add -m gc:reduction=2,blocks=1"):
        recog.build_model("resnet18", ["tsm", "rnl"], 2, 3, size=32, weights=tmp_path / "w.pth")
    same = recog.build_model("resnet18", ["tsm", gate, "rnl"], 2, 3, size=32, weights=tmp_path / "w.pth").eval()
    clips = torch.randn(1, 2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(same(clips), model(clips))


def test_i3d_of_m2a_takes_frames_for_colours(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = recog.build_model("i3d_resnet18_viewed", ["m2a:variant=released"], 4, 3, size=32).eval()
    released = {}
    for key, value in model.state_dict().items():
        name = key.removeprefix("backbone.")
        name = re.sub(r"^inserted\.(layer\d)_(\d)_conv1_before_m2a\.module\.", r"\1.\2.conv1.0.m2a.", name)
        name = name.replace(".m2a.down.", ".m2a.conv_down.").replace(".m2a.up.", ".m2a.conv_up.")
        released["base_model." + name.replace(".conv1.weight", ".conv1.1.weight")] = value
    released["new_fc.weight"], released["new_fc.bias"] = (
        released.pop(f"base_model.fc.{k}") for k in ("weight", "bias")
    )
    torch.save(released, tmp_path / "w.pth")
    with pytest.raises(PoofError, match="takes frames for colours; build i3d_resnet18_viewed"):
        recog.build_model("i3d_resnet18", ["m2a:variant=released"], 4, 3, size=32, weights=tmp_path / "w.pth")
    same = recog.build_model("i3d_resnet18_viewed", ["m2a:variant=released"], 4, 3, size=32, weights=tmp_path / "w.pth")
    clips = torch.randn(2, 4, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(same.eval()(clips), model(clips))
    bare = recog.build_model("i3d_resnet18", (), 4, 3, size=32).eval()
    other = recog.build_model("i3d_resnet18_viewed", (), 4, 3, size=32).eval()
    other.load_state_dict(bare.state_dict())
    with torch.inference_mode():  # as the release: (N, T * 3, H, W), viewed as (N, 3, T, H, W)
        assert torch.equal(other(clips), bare.backbone(clips.flatten(1, 2).view(-1, 3, 4, 32, 32)))


def test_whole_tdn_and_tea_train() -> None:
    torch.manual_seed(0)
    for name, frames in (("tdn-resnet50:backbone=resnet18_quarter", 4), ("tea-res2net50", 2)):
        model = recog.build_model(name, (), frames, 3, size=64)
        loss = model(torch.randn(*model.clip_shape)).square().mean()
        loss.backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters()), name
    assert model.per_segment == 1
    tdn = recog.build_model("tdn-resnet50:backbone=resnet18_quarter", (), 4, 3, size=64).eval()
    assert tdn.per_segment == 5
    still = torch.randn(1, 4, 1, 3, 64, 64).expand(-1, -1, 5, -1, -1, -1).flatten(1, 2)
    moving = still.clone()
    moving[:, ::5] += 1.0  # only the first frame of each segment: what the differences see, the middle frame not
    with torch.inference_mode():
        assert not torch.allclose(tdn(still), tdn(moving))

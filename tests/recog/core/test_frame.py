"""The frame: what is built, that hosts stay as they are, what is refused, and that any kind of module fits."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.networks import NETWORKS
from poof.torchvision_ops import ensure

SMALL = {"frames": 4, "num_classes": 5, "size": 64}


def clips(frames: int = 4, size: int = 64, count: int = 2) -> Tensor:
    return torch.randn(count, frames, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_available_names_everything() -> None:
    names = recog.available()
    assert names == {"modules": list(MODULES), "backbones": list(BACKBONES), "networks": list(NETWORKS)}
    assert {"m2a", "tsm", "tea", "tdn", "tam"} <= set(names["modules"])
    assert {"resnet18", "resnet101", "mobilenet_v2", "i3d_resnet18", "r3d_18", "r2plus1d_18"} <= set(names["backbones"])


@pytest.mark.parametrize(
    ("backbone", "builder"),
    [
        ("resnet18", "resnet18"),
        pytest.param("resnet50", "resnet50", marks=pytest.mark.slow),
        ("mobilenet_v2", "mobilenet_v2"),
        ("i3d_resnet18", "resnet18"),
        ("resnet18_quarter", "resnet18"),
    ],
)
def test_host_keys_are_torchvisions_with_modules_inside(backbone: str, builder: str) -> None:
    ensure()
    from torchvision import models

    with on_meta():
        model = recog.build_model(backbone, ["m2a", "tsm", "tea"], **SMALL)
        plain = getattr(models, builder)(num_classes=5)
    assert list(model.backbone.state_dict()) == list(plain.state_dict())


def test_published_weights_load_strictly_after_insertion_and_give_the_same_network() -> None:
    ensure()
    from torchvision import models

    weights = models.resnet18(num_classes=5).state_dict()
    model = recog.build_model("resnet18", ["tsm"], dropout=0, **SMALL).eval()
    model.backbone.load_state_dict(weights, strict=True)
    plain = models.resnet18(num_classes=5).eval()
    plain.load_state_dict(weights)
    still = clips(count=1)[:, :1].expand(-1, 4, -1, -1, -1)
    bare = recog.build_model("resnet18", dropout=0, **SMALL).eval()
    bare.backbone.load_state_dict(weights)
    with torch.no_grad():
        assert torch.allclose(bare(still), plain(still[:, 0]), atol=1e-5)
        assert not torch.allclose(model(still), plain(still[:, 0]), atol=1e-3)  # zeros come in at both ends


@pytest.mark.filterwarnings("ignore:.*classifier is of another data set")
def test_weights_before_or_after_insertion_are_the_same(tmp_path: Path) -> None:
    ensure()
    from torchvision import models

    state = models.resnet18().state_dict()  # 1000 classes: all but the classifier is taken
    torch.save(state, tmp_path / "r18.pth")
    torch.manual_seed(3)
    first = recog.build_model("resnet18", ["m2a"], weights=tmp_path / "r18.pth", **SMALL)
    torch.manual_seed(3)
    second = recog.build_model("resnet18", ["m2a"], **SMALL)
    second.backbone.load_state_dict({**state, **{k: v for k, v in second.backbone.state_dict().items() if "fc" in k}})
    for (key, a), (_, b) in zip(first.state_dict().items(), second.state_dict().items()):
        assert torch.equal(a, b), key
    assert torch.equal(first.backbone.state_dict()["conv1.weight"], state["conv1.weight"])


@pytest.mark.filterwarnings("ignore:.*classifier is of another data set")
def test_inflated_weights_answer_a_still_clip_like_the_image(tmp_path: Path) -> None:
    ensure()
    from torchvision import models

    flat = models.resnet18().eval()
    torch.save({"state_dict": {f"module.{k}": v for k, v in flat.state_dict().items()}}, tmp_path / "r18.pth")
    model = recog.build_model("i3d_resnet18", weights=tmp_path / "r18.pth", frames=9, num_classes=5, size=64)
    image = clips(1, count=1)[:, 0]
    with torch.no_grad():
        expected = flat.maxpool(flat.relu(flat.bn1(flat.conv1(image))))
        net = model.eval().backbone
        deep = net.maxpool(net.relu(net.bn1(net.conv1(image.unsqueeze(2).expand(-1, -1, 9, -1, -1)))))
    assert torch.allclose(deep[:, :, 4], expected, atol=1e-5)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    ensure()
    from torchvision import models

    torch.save(models.resnet34().state_dict(), tmp_path / "r34.pth")
    with pytest.raises(PoofError, match=r"r34\.pth: does not fit this backbone: it has the unknown 'layer1\.2"):
        recog.build_model("resnet18", weights=tmp_path / "r34.pth", **SMALL)
    with pytest.raises(PoofError, match=r"no such file.*there are: imagenet"):
        recog.build_model("resnet18", weights=tmp_path / "none.pth", **SMALL)
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(PoofError, match=r"text\.pth: cannot be read as weights"):
        recog.build_model("resnet18", weights=tmp_path / "text.pth", **SMALL)


def test_order_at_one_place_is_the_order_given() -> None:
    model = recog.build_model("resnet18_quarter", ["m2a", "tsm"], **SMALL)
    names = [(line.module, line.place.path) for line in model.insertions]
    assert names[:4] == [
        ("m2a", "layer1.0.conv1"),
        ("tsm", "layer1.0.conv1"),
        ("m2a", "layer1.1.conv1"),
        ("tsm", "layer1.1.conv1"),
    ]
    order: list[str] = []
    for name, module in model.temporal_modules():
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    model(clips())
    assert order[:2] == ["layer1_0_conv1_before_m2a", "layer1_0_conv1_before_tsm"]


def test_report_names_place_shape_parameters_and_macs() -> None:
    with on_meta():
        rows = recog.explain_places(recog.build_model("resnet18", ["m2a"]))
    assert len(rows) == 8
    assert rows[0]["place"] == "before layer1.0.conv1"
    assert rows[0]["in"] == rows[0]["out"] == "8x64x56x56"
    assert rows[0]["parameters"] == 2 * 64 * 8 + 8 + 64
    assert rows[0]["macs"] == 2 * 64 * 8 * 56 * 56 * 8 + 2 * 8 * 8 * 8 * 56 * 56
    assert sum(row["macs"] for row in rows) == pytest.approx(0.2205e9, abs=5e5)


def test_every_second_block_of_resnet101_and_ten_places_of_mobilenet() -> None:
    with on_meta():
        assert len(recog.build_model("resnet101", ["tsm"], **SMALL).insertions) == 2 + 2 + 12 + 2
        places = [line.place.path for line in recog.build_model("mobilenet_v2", ["tsm"], **SMALL).insertions]
    assert len(places) == 10
    assert places[0] == "features.3.conv.0.0"


def test_copies_are_independent() -> None:
    model = recog.build_model("resnet18_quarter", ["m2a"], **SMALL).eval()
    twin = copy.deepcopy(model)
    assert len(recog.build_model("resnet18_quarter", "m2a", **SMALL).insertions) == 8  # one name needs no list
    with torch.no_grad():
        before = model(clips())
        for parameter in twin.inserted.parameters():
            parameter.add_(1.0)
        assert torch.equal(model(clips()), before)
        assert not torch.allclose(twin(clips()), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("resnet19",),
            r"unknown backbone or network .resnet19. .did you mean resnet\d+.* in all\); `poof recog list` shows them",
        ),
        (("resnet18", ["m2b"]), r"unknown module 'm2b' \(did you mean m2a\?\); there are m2a, "),
        (("resnet18", ["m2a:shape=1"]), r"m2a has no knob 'shape'; it has placement, reduction"),
        (
            ("resnet18", ["m2a:shift=left"]),
            r"m2a in resnet18, before layer1\.0\.conv1 .*shift=left: choose one of wrap",
        ),
        (("resnet18", ["m2a:motion=none,attention=none"]), r"leaves nothing temporal"),
        (("resnet18", ["m2a:placement=within"]), r"placement=within: choose one of before, after"),
        (("resnet18", ["tsm:div=100"]), r"64 channels are fewer than div=100"),
        (("resnet18", ["tsm"], 1), r"tsm cannot go into resnet18: .*1 frame there, 2 needed"),
        (("resnet18", ["m2a:reduction=x"]), r"m2a: reduction=x: expected a whole number, as in reduction=8"),
        (("resnet18", ["m2a:norm=1"]), r"norm=1: expected true or false, as in norm=true"),
        (("resnet18", ["m2a:=3"]), r"write knobs as name:knob=value"),
        (("m2a-resnet18", ["tsm"]), r"m2a-resnet18 is a whole network.*: resnet18 "),
        (("resnet18", [], 0), r"frames=0"),
    ],
)
def test_nonsense_is_refused_with_the_reason(arguments: tuple, message: str) -> None:
    with pytest.raises(PoofError, match=message) as caught:
        recog.build_model(*arguments)
    assert "\n" not in str(caught.value)


def test_tdn_needs_cells_to_pool() -> None:
    with pytest.raises(PoofError, match=r"tdn in resnet18, before layer4.*1x1 cells cannot be pooled"):
        recog.build_model("resnet18", ["tdn"], frames=4, size=32)


@pytest.mark.parametrize("shape", [(2, 4, 64, 64), (2, 4, 1, 64, 64), (2, 3, 4, 64, 64)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PoofError, match="expected"):
        recog.build_model("resnet18_quarter", **SMALL)(torch.zeros(shape))


# ------------------------------------------------------------------------------------- kinds of modules to come


class Triples(TemporalModule):
    """On the input, three raw frames in, their mean out: as band-pass and projection modules do."""

    document, summary = "test", "test"

    @classmethod
    def raw_frames(cls, **knobs: object) -> int:
        return 3

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        return [Place("")]

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.residual = (x - x.mean(1, keepdim=True)).square().mean()
        return x.unflatten(1, (-1, 3)).mean(2) * self.gain

    def losses(self) -> dict[str, Tensor]:
        return {"projection": 10 * self.residual}


class Branch(TemporalModule):
    """Behind the third stage, features for the classifier: as key-point modules do."""

    document, summary = "test", "test"
    features = 7

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        return [Place(host.stages[2], "after")]

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.embed = nn.Linear(shape.channels * (shape.frames - 1), self.features)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((3, 4))
        self.out = self.embed((means[:, 1:] - means[:, :-1]).flatten(1))
        return x

    def side(self) -> Tensor:
        return self.out


class Halve(TemporalModule):
    """Between blocks, half the frames: as temporal pooling and squeezing do."""

    document, summary = "test", "test"

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        return [Place("layer2.0")]

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, 2)).amax(2)


@pytest.mark.parametrize(("backbone", "frames"), [("resnet18_quarter", 8), ("r2plus1d_18_quarter", 2)])
def test_input_side_branch_losses_and_shorter_clips_fit(
    monkeypatch: pytest.MonkeyPatch, backbone: str, frames: int
) -> None:
    for name, module in (("triples", Triples), ("branch", Branch), ("halve", Halve)):
        monkeypatch.setitem(MODULES, name, module)
    model = recog.build_model(backbone, ["branch", "triples", "halve", "tsm"], **(SMALL | {"frames": 16}))
    assert (model.segments, model.per_segment, model.clip_shape) == (16, 3, (1, 48, 3, 64, 64))
    assert model.backbone.fc.in_features == 128 + 7
    lines = {str(line.place): line for line in model.insertions}
    assert (lines["before the input"].before.frames, lines["before the input"].after.frames) == (48, 16)
    assert (lines["before layer2.0"].before.frames, lines["before layer2.0"].after.frames) == (16, 8)
    # The branch was built for the frames that really reach it, though it was asked for first.
    assert lines["after layer3"].before.frames == frames
    logits = model(clips(48))
    loss = logits.sum() + sum(model.losses().values())
    loss.backward()
    assert logits.shape == (2, 5)
    assert list(model.losses()) == ["input_before_triples.projection"]
    assert all(p.grad is not None for p in model.parameters())
    with pytest.raises(PoofError, match="3 frames a segment"):
        model(clips(8))

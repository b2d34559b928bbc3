"""MTNet as its authors released it: the keys of their files, and the scores their code gives.

Keys and scores are those of `network/MTnet.py` of alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates (commit
1c4dd7e), run in double precision on weights and clips by the oracles' rule, with stubs in place of its SoftPool
extension, which it imports and does not use.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from test_published import clip, made_by_rule
from torch import Tensor, nn

from poof import recog
from poof.errors import PoofError, PoofWarning
from poof.meta_device import on_meta
from poof.recog.checkpoint import load_model, save_model, take_pixels
from poof.recog.cost.counting import parameters
from poof.recog.data.dataset import View
from poof.recog.evaluation.judging import keep_view
from poof.recog.explain.tubes import evidence
from poof.recog.training.transfer import start_from
from poof.recog.zoo.backbones import mtnet_released
from poof.recog.zoo.published import Release, fill

THIN = (1, 1, 1, 1)
SCORES = {  # of five classes, a block a stage: by groups, frames and side
    (1, 16, 64): [0.808850655062, 0.0299039851794, -0.030513205753, -0.125674375654, -0.101301885151],
    (1, 9, 66): [0.799199569554, 0.0281051449875, -0.0365836184615, -0.121230949585, -0.108609619184],
    (1, 8, 44): [0.80321698478, 0.0291290157129, -0.0406490341444, -0.117430549407, -0.120944622094],
    (8, 16, 64): [0.76916088599, -0.0206686243679, -0.0195042251148, -0.153343702389, -0.0926851995995],
}
KEYS = {  # by depth and groups, 400 classes: how many, the start of their checksum, millions of parameters
    ("s", 1): (860, "a5be1206ef7eaf71", 39.981968),
    ("m", 1): (1132, "92c124145c59fe7d", 44.038288),
    ("l", 1): (2288, "e20ffd8756d30b45", 88.132752),
    ("xs", 8): (492, "2208c7c21b03802c", 7.4335),
}
LEARNED = ("weight", "bias")
RUNNING = (*LEARNED, "running_mean", "running_var", "num_batches_tracked")


def released(depths: tuple[int, ...], groups: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the authors' state dict."""
    found: dict[str, tuple[int, ...]] = {"stem.0.weight": (64, 3, 3, 7, 7)}

    def norm(path: str, channels: int, names: tuple[str, ...] = RUNNING) -> None:
        found.update({f"{path}.{name}": () if name == "num_batches_tracked" else (channels,) for name in names})

    def paths(path: str, i: int, o: int, kernel: tuple[int, ...], parts: int = 1, lateral: bool = True) -> None:
        divided = {"short": max(parts * 7 // 8, 1), "long": max(parts - parts * 7 // 8, 1) if parts > 1 else 1}
        seen, made = ({"short": c * 7 // 8, "long": c - c * 7 // 8} for c in (i, o))
        for side, by in divided.items():
            found[f"{path}.conv_{side}.weight"] = (made[side], seen[side] // by, *kernel)
            norm(f"{path}.norm_{side}", made[side], LEARNED if parts > 1 else RUNNING)
        if lateral:
            found[f"{path}.conv_short2long.weight"] = (made["long"], made["short"], 1, 1, 1)

    norm("stem.1", 64)
    i = 64
    for stage, (o, count) in enumerate(zip((64, 128, 256, 512), depths), 1):
        for index in range(count):
            path, inner = f"layer{stage}.{index}", o // groups
            projects = i != o
            paths(f"{path}.conv1_1", i, inner, (1, 1, 1))
            paths(f"{path}.conv1_2", inner, i, (1, 1, 1))
            paths(f"{path}.conv2", i, inner, (3, 3, 3), groups)
            paths(f"{path}.conv3", inner, o, (1, 1, 1) if projects else (1, 3, 3), groups)
            if projects:
                paths(f"{path}.downsample", i, o, (1, 1, 1), lateral=False)
            for side, c in (("short", o * 7 // 8), ("long", o // 8)):
                for layer in (0, 1):
                    for what in ("ih", "hh"):
                        found[f"{path}.sr_{side}.op.weight_{what}_l{layer}"] = (3 * c, c)
                        found[f"{path}.sr_{side}.op.bias_{what}_l{layer}"] = (3 * c,)
            i = o
    return {**found, "fc.weight": (classes, 512), "fc.bias": (classes,)}


def made(depths: tuple[int, ...], groups: int, classes: int = 5) -> dict[str, Tensor]:
    return {key: made_by_rule(key, list(shape)) for key, shape in released(depths, groups, classes).items()}


def network(groups: int = 1, weights: Path | None = None, classes: int = 5) -> recog.Recognizer:
    return recog.build_model(f"mtnet-released-s:depth=xs,groups={groups}", (), 8, classes, size=64, weights=weights)


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block a stage."""
    monkeypatch.setitem(mtnet_released.DEPTHS, "xs", THIN)


# Quick: both ways of grouping; the deeper networks repeat the blocks of the first.
@pytest.mark.parametrize(
    ("depth", "groups"), [pytest.param(*key, marks=[pytest.mark.slow] * (key[0] in ("m", "l"))) for key in KEYS]
)
def test_every_key_of_the_authors_has_its_place(depth: str, groups: int) -> None:
    keys = released(mtnet_released.DEPTHS[depth], groups, 400)
    text = "\n".join(sorted(f"{key} {shape}" for key, shape in keys.items()))
    count, checksum, millions = KEYS[depth, groups]
    assert (len(keys), hashlib.sha256(text.encode()).hexdigest()[:16]) == (count, checksum)
    with on_meta():
        model = recog.build_model(f"mtnet-released-s:depth={depth},groups={groups}", num_classes=400)
        state = {key: torch.empty(shape) for key, shape in keys.items()}
        fill(model, Release("w.pth", "mtnet", state))  # refuses what is left over or missing
    assert (len(model.state_dict()), parameters(model) / 1e6) == (count, millions)


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.usefixtures("thin")
def test_the_authors_files_give_their_scores(tmp_path: Path, groups: int) -> None:
    torch.set_num_threads(1)
    state = {f"module.{key}": value for key, value in made(THIN, groups).items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "w.pth")
    torch.set_default_dtype(torch.float64)
    try:
        model = network(groups, tmp_path / "w.pth").eval()
    finally:
        torch.set_default_dtype(torch.float32)
    # Their clips are BGR, as OpenCV decodes them, and so are those that the network gets.
    assert model.bgr and model.mean == pytest.approx((124 / 255, 117 / 255, 104 / 255))
    for (of, frames, side), scores in SCORES.items():
        if of == groups:
            with torch.inference_mode():
                found = model(clip([1, frames, 3, side, side]))
            assert found[0].tolist() == pytest.approx(scores, abs=1e-10)


@pytest.mark.usefixtures("thin")
def test_what_the_weights_want_of_the_pixels_goes_where_they_go(tmp_path: Path) -> None:
    """Into a run, what is read of it, and what starts from it; blue comes first, less 124 / 255."""
    torch.save(made(THIN, 1), tmp_path / "w.pth")
    model = network(1, tmp_path / "w.pth")
    keep_view(model, View(8, 1, 64))
    save_model(tmp_path / "run.pt", model)
    again = load_model(tmp_path / "run.pt")
    other = network(1, None)
    assert not other.bgr
    start_from(other, tmp_path / "run.pt")
    pixel = torch.tensor([10, 20, 250], dtype=torch.uint8).view(3, 1, 1)
    expected = [(250 - 124) * 0.0167, (20 - 117) * 0.0167, (10 - 104) * 0.0167]
    for one in (model, again, other):
        assert one.normalise(pixel).flatten().tolist() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(PoofError, match=r"run\.pt: does not say how its frames are normalised"):
        take_pixels(other, {"input": {"mean": [0.5, 0.5], "std": [0.2, 0.2, 0.2]}}, "run.pt")


@pytest.mark.usefixtures("thin")
def test_what_does_not_fit_is_refused_with_the_network_that_does() -> None:
    def state(depths: tuple[int, ...], groups: int) -> dict[str, Tensor]:
        with on_meta():
            return {key: torch.empty(shape) for key, shape in released(depths, groups, 5).items()}

    def said(model: recog.Recognizer, state: dict[str, Tensor]) -> str:
        with pytest.raises(PoofError, match="holds MTNet of alexandrosstergiou") as caught:
            fill(model, Release("w.pth", "mtnet", state))
        return str(caught.value)

    with on_meta():
        ours, other = network(), recog.build_model("resnet18_quarter", (), 4, 5, size=64)
    assert said(other, state(mtnet_released.DEPTHS["s"], 1)).endswith("build mtnet-released-s")
    assert said(ours, state(mtnet_released.DEPTHS["l"], 8)).endswith("build mtnet-released-l:groups=8")
    assert said(other, state(THIN, 8)).endswith("build mtnet-released-s:depth=xs,groups=8")
    assert said(ours, state((1, 2, 1, 1), 1)).endswith("have (1, 2, 1, 1) blocks, which no released network has")
    short = state(THIN, 1)
    short.pop("layer3.0.conv2.norm_long.bias")
    assert "it lacks 'backbone.layer3.0.middle.prolonged_bn.bias' and 0 more" in said(ours, short)
    short.pop("layer1.0.conv1_1.conv_short.weight")
    assert "build mtnet-released-s, -m or -l" in said(ours, short)
    more = state(THIN, 1) | {"layer1.0.conv1_1.conv_medium.weight": torch.empty(3, device="meta")}
    assert "it has besides 'backbone.layer1.0.squeeze.conv_medium.weight' and 0 more" in said(ours, more)


@pytest.mark.usefixtures("thin")
def test_from_takes_such_files_and_training_goes_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save({k: v.float() for k, v in made(THIN, 8).items()}, tmp_path / "w.pth")
    model = network(8, classes=3)
    with pytest.warns(PoofWarning, match="its classifier is of another data set"):
        assert start_from(model, tmp_path / "w.pth") == []
    clips = torch.randn(2, 8, 3, 64, 64)
    nn.functional.cross_entropy(model(clips), torch.tensor([0, 2])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    # What speaks for a class is seen on the local path, whose means come first in the classifier.
    found = evidence(model, clips[0], 1)
    assert (found.source, found.layer, len(found.features)) == ("classifier", "backbone.layer4.0.local_end", 448)
    with torch.no_grad():
        for frames, side in ((1, 64), (2, 40), (5, 32)):  # a frame, and a cell, stay where there is but one
            assert model.eval()(torch.randn(1, frames, 3, side, side)).isfinite().all()


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        ("delta=1", "leaves none of 64 channels to the prolonged path"),
        ("groups=16", r"groups=16,delta=0\.875: \(3, 1\) channels do not go into \(14, 2\) groups"),
        ("groups=64", "leaves none of 1 channels"),
        ("groups=0", "groups=0: at least one"),
        ("depth=xxs", "choose one of xs, s, m, l, xl, xxl"),
    ],
)
def test_knobs_that_make_no_network(knobs: str, reason: str) -> None:
    with on_meta(), pytest.raises(PoofError, match=reason):
        recog.build_model(f"mtnet-released-s:{knobs}", (), 4, 3, size=64)

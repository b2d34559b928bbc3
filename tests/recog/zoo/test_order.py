"""Which orders of frames a network cannot tell apart, whatever it learns: the ceilings of benchmarks/recog.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from poof import recog
from poof.recog.data.motion_task import render_clip
from poof.recog.data.sampling import fixed_frames
from poof.recog.data.transform import normalise, to_tensor

FRAMES, SIZE = 8, 48


def network(module: str | None) -> recog.Recognizer:
    """With batch norms that have seen something, so that gates are not all alike."""
    torch.manual_seed(0)
    modules = [] if module is None else [module]
    model = recog.build_model("resnet18_quarter", modules, FRAMES, 8, size=SIZE, dropout=0)
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(2, FRAMES, 3, SIZE, SIZE))
    return model.eval()


def clip(label: int) -> Tensor:
    """(1, T, 3, H, W) of the motion task."""
    frames = render_clip(label, seed=5, size=SIZE)
    return normalise(to_tensor(frames[fixed_frames("uniform", len(frames), FRAMES)[0]]), (0.4,) * 3, (0.2,) * 3)[None]


def same(model: recog.Recognizer, first: Tensor, second: Tensor) -> bool:
    with torch.no_grad():
        a, b = model(first), model(second)
    return torch.allclose(a, b, atol=1e-5 * float(a.abs().max()))


@pytest.mark.parametrize(
    ("module", "blind"),
    [
        (None, True),
        ("m2a:motion=none,reduction=2", True),
        ("tdn:reduction=4", True),
        ("tdn:reduction=4,shift=true", False),
        ("m2a:reduction=2", False),
        ("m2a:reduction=2,attention=none", False),
        ("m2a:reduction=2,shift=zero", False),
        ("tsm", False),
        ("tea:reduction=4", False),
        ("tam", False),
    ],
)
def test_who_can_tell_a_clip_from_its_reversal(module: str | None, blind: bool) -> None:
    # M2A's attention has no positions: frames are a set to it. TDN treats both directions alike, with shared layers;
    # turned around, the two gates change places and their mean stays. The mean over frames hides the rest.
    assert same(network(module), clip(0), clip(1)) == blind


def test_attention_alone_sees_a_set_of_frames() -> None:
    frames = clip(0)
    shuffled = frames[:, torch.randperm(FRAMES, generator=torch.Generator().manual_seed(0))]
    assert same(network("m2a:motion=none,reduction=2"), frames, shuffled)


@pytest.mark.parametrize(("shift", "blind"), [("wrap", True), ("zero", False)])
def test_what_comes_first_is_lost_on_a_circle(shift: str, blind: bool) -> None:
    # Two lamps one after the other: with the first frame behind the last one, 'disc, square' and 'square, disc' are
    # one circle of frames, and M2A as the document writes it cannot say where it begins. The zeros of the released code
    # mark the end.
    assert same(network(f"m2a:reduction=2,shift={shift}"), clip(6), clip(7)) == blind

"""X3D: the costs of its paper, the keys of its published weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poof import recog
from poof.errors import PoofWarning
from poof.meta_device import on_meta
from poof.recog.core.weights import read_state
from poof.recog.zoo.backbones.x3d import SIZES, X3D, ResidualBlock, X3DSize, round_width


@pytest.mark.parametrize(
    ("name", "frames", "size", "gmacs", "parameters"),
    [
        ("x3d_xs", 4, 160, "0.61", 3_794_322),
        ("x3d_s", 13, 160, "1.96", 3_794_322),
        ("x3d_m", 16, 224, "4.73", 3_794_322),
        pytest.param("x3d_l", 16, 312, "18.37", 6_153_432, marks=pytest.mark.slow),
        pytest.param("x3d_xl", 16, 312, "35.84", 11_095_904, marks=pytest.mark.slow),
    ],
)
def test_costs_of_the_paper(name: str, frames: int, size: int, gmacs: str, parameters: int) -> None:
    # Table 4 of the paper: 0.60 (which is 0.605 cut off), 1.96, 4.73, 18.37 and 35.84 G; parameters of the released
    # networks for 400 classes (the paper counts 3.76, 6.08 and 11.0 M).
    with on_meta():
        cost = recog.profile(recog.build_model(name, (), frames, 400, size=size))
    assert f"{cost.gmacs:.2f}" == gmacs
    assert cost.parameters == parameters
    assert not cost.count.uncounted


def test_keys_are_those_of_the_published_files() -> None:
    with on_meta():
        state = X3D(SIZES["x3d_m"], 400).state_dict()
    shapes = {
        "s1.pathway0_stem.conv_xy.weight": (24, 3, 1, 3, 3),
        "s1.pathway0_stem.conv.weight": (24, 1, 5, 1, 1),
        "s1.pathway0_stem.bn.running_var": (24,),
        "s2.pathway0_res0.branch1.weight": (24, 24, 1, 1, 1),
        "s2.pathway0_res0.branch1_bn.bias": (24,),
        "s3.pathway0_res4.branch2.a.weight": (108, 48, 1, 1, 1),
        "s3.pathway0_res4.branch2.b.weight": (108, 1, 3, 3, 3),
        "s3.pathway0_res4.branch2.se.fc1.weight": (8, 108, 1, 1, 1),
        "s4.pathway0_res10.branch2.c_bn.weight": (96,),
        "s5.pathway0_res6.branch2.se.fc2.bias": (432,),
        "head.conv_5.weight": (432, 192, 1, 1, 1),
        "head.lin_5.weight": (2048, 432, 1, 1, 1),
        "head.projection.weight": (400, 2048),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    assert "s3.pathway0_res1.branch2.se.fc1.weight" not in state  # every second block has one
    assert "s3.pathway0_res1.branch1.weight" not in state


def test_files_of_pyslowfast_load(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = X3D(SIZES["x3d_m"], 400)
    path = tmp_path / "x3d_m.pyth"
    torch.save({"epoch": 1, "model_state": published.state_dict()}, path)
    assert set(read_state(path)) == set(published.state_dict())
    with pytest.warns(PoofWarning, match=r"x3d_m\.pyth: .*is of another data set.* \(7 classes\) starts anew"):
        model = recog.build_model("x3d_m", (), 4, 7, size=32, weights=path)
    key = "s5.pathway0_res6.branch2.c.weight"
    assert torch.equal(model.backbone.state_dict()[key], published.state_dict()[key])
    assert model.mean == (0.45, 0.45, 0.45)
    assert model.std == (0.225, 0.225, 0.225)


def test_blocks_begin_as_their_skip_connections() -> None:
    torch.manual_seed(0)
    net = X3D(X3DSize(width=0.5, depth=1, head=16), 3).eval()
    blocks = [block for block in net.modules() if isinstance(block, ResidualBlock)]
    plain = [block for block in blocks if not block.projects]
    assert plain
    for block in plain:
        x = torch.rand(1, block.branch2.c.out_channels, 3, 4, 4)
        assert torch.equal(block(x), x)
    assert net(torch.rand(2, 3, 3, 32, 32)).shape == (2, 3)


def test_rounding_of_widths() -> None:
    assert [round_width(12, factor) for factor in (2.0, 2.9)] == [24, 32]
    assert round_width(432, 0.0625) == 32  # 27 would be rounded to 24, less than nine tenths of it
    assert round_width(54, 0.0625) == 8

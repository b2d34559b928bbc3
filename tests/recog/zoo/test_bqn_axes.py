"""BQN's axes of Tables 5.4 to 5.8: fusions, sets of connections, frames of the quiet pathway."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.cost.counting import parameters
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules.lateral import Lateral
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.networks.bqn import FUSIONS, BusyQuietNet, connected

CLIPS = torch.rand(2, 12, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def network(knobs: str = "", seed: int = 0) -> BusyQuietNet:
    torch.manual_seed(seed)
    name = f"bqn-resnet50:backbone=resnet18_quarter,ratio=1.0{knobs}"
    model = recog.build_model(name, frames=4, num_classes=3, size=32, dropout=0)
    assert isinstance(model, BusyQuietNet)
    return model


def test_fusions_of_given_features_by_hand() -> None:
    # Two clips of one frame each; the classifier sums the two features for class 0 and takes the first for class 1.
    x, z = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[5.0, -2.0], [1.0, 1.0]])
    rows = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    expected = {
        "average": [[3.0, 3.0], [2.5, 2.0]],
        "before": [[3.0, 3.0], [2.5, 2.0]],  # the same, for the classifier is linear
        "max": [[3.0, 5.0], [3.0, 3.0]],
        "concat": [[9.0, 11.0], [7.0, 5.0]],  # the second half of its columns: doubled
    }
    for fusion in FUSIONS:
        model = network(f",fusion={fusion}")
        classifier = nn.Linear(4 if fusion == "concat" else 2, 2, bias=False)
        with torch.no_grad():
            classifier.weight.copy_(torch.cat([rows, 2 * rows], 1) if fusion == "concat" else rows)
            model.busy.backbone.fc = classifier
            assert model._fused(x, z, 1, 1).tolist() == expected[fusion], fusion


def test_frames_are_averaged_behind_the_fusion_where_both_have_as_many() -> None:
    x, z = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [0.0]])
    model = network(",fusion=max")
    model.busy.backbone.fc = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.busy.backbone.fc.weight)
    assert model._fused(x, z, 2, 2).tolist() == [[2.5]]  # maxima 3 and 2
    assert model._fused(x, z[:1], 2, 1).tolist() == [[3.0]]  # means 1.5 and 3


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_learns(fusion: str) -> None:
    model = network(f",fusion={fusion},lateral=none").train()
    nn.functional.cross_entropy(model(CLIPS), torch.tensor([0, 2])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    features = 128 * (2 if fusion == "concat" else 1)
    (path,) = model.classifiers
    assert model.get_submodule(path).in_features == features


def test_concatenation_of_pathways_with_a_classifier_each_leaves_one() -> None:
    model = recog.build_model("bqn-x3d_m:fusion=concat,lateral=none", frames=2, num_classes=7, size=32)
    assert model.classifiers == ("busy.backbone.head.projection",)
    assert model.get_submodule("busy.backbone.head.projection").in_features == 4096
    assert model(CLIPS[:1, :6]).shape == (1, 7)
    with on_meta(), pytest.raises(PoofError, match="pathways of X3D have one each"):
        recog.build_model("bqn-x3d_m:fusion=before,lateral=none", frames=2, num_classes=7, size=32)


def test_sets_of_connections() -> None:
    with on_meta():
        blocks = BACKBONES["resnet50"](3).blocks
    assert len(connected("all", blocks)) == 16
    assert connected("stages", blocks) == connected(4, blocks) == (0, 3, 7, 13)
    assert connected("res2", blocks) == (0,)
    assert connected("res2+res4", blocks) == (0, 7)
    assert connected("8", blocks) == (0, 1, 3, 4, 7, 8, 13, 14)
    assert connected("14", blocks) == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15)
    assert connected(0, blocks) == ()
    for at, message in (("17", "has 16 blocks"), ("res6", r"some of res2\+res3\+res4\+res5")):
        with pytest.raises(PoofError, match=message):
            connected(at, blocks)
    assert list(network(",at=3").laterals) == ["0", "2", "4"]


def test_a_quiet_pathway_of_fewer_frames() -> None:
    model = network(",quiet_frames=2,quiet=frame").eval()
    seen = {}
    model.quiet.backbone.conv1.register_forward_pre_hook(lambda layer, inputs: seen.update(x=inputs[0]))
    with torch.no_grad():
        assert model(CLIPS).shape == (2, 3)
    # Segments 1 and 3 of 0 to 3, the middles of either half; the first frame of each triple.
    expected = CLIPS.unflatten(1, (4, 3))[:, [1, 3], 0].flatten(0, 1)
    assert torch.equal(seen["x"], expected)
    model.train()
    nn.functional.cross_entropy(model(CLIPS), torch.tensor([0, 2])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(PoofError, match="of 4 segments 1 to all can be taken"):
        network(",quiet_frames=5")


def test_connections_interpolate_along_time() -> None:
    lateral = Lateral(1, "both", kernel=0)
    for norm in (lateral.busy_norm, lateral.quiet_norm):
        nn.init.ones_(norm.weight)
        norm.eps = 0.0
    lateral.eval()
    busy = torch.tensor([0.0, 0.0, 4.0, 8.0]).view(1, 4, 1, 1, 1)
    quiet = torch.tensor([2.0, 6.0]).view(1, 2, 1, 1, 1)
    new_busy, new_quiet = lateral(busy, quiet)
    assert new_busy.flatten().tolist() == [2.0, 3.0, 9.0, 14.0]  # 2, 3, 5, 6 along time
    assert new_quiet.flatten().tolist() == [2.0, 12.0]


def test_rows_of_the_tables_have_their_sizes() -> None:
    row = NETWORKS["bqn-160x6-256-resnet50"]
    assert row.size == row.published[0].size == 256
    assert row.published[0].gmacs == 55.5
    assert isinstance(row.backbone, partial)
    assert row.backbone.keywords == {"backbone": "resnet50", "ratio": 0.625, "quiet_frames": 6}
    assert parameters(network(",at=0")) == parameters(network(",lateral=none"))

"""One of two processes of `test_parallel.py`: it trains with the other and leaves what came out."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent / "pose"))

from card import card_video

from poof import recog
from poof.errors import PoofError
from poof.parallel import Group, joined
from poof.pose import train_pose
from poof.pose.augmentation import NONE
from poof.pose.recipes import Recipe as PoseRecipe
from poof.recog.data import read_list
from poof.recog.training import curves
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.recipes import Recipe

CLIPS = Recipe(epochs=2, batch=6, lr=0.01, warmup=0, flip="none")
QUICK = PoseRecipe(
    "quick", learning_rate=1e-4, batch=5, epochs=1, least_steps=4, average=0.9, clip=1.0, augmentation=NONE
)


def train_clips(task: Path, out: Path, group: Group, epochs: int = 2, resume: bool = False) -> list[dict[str, Any]]:
    """A small network with everything that reaches over the batch: batch norms, dropout, an added loss."""
    torch.manual_seed(1)
    model = recog.build_model("resnet18_quarter", ["tsp:k=2,d=1", "tsm"], 4, 8, size=32, dropout=0.3)
    clips, judges = read_list(task / "train.txt"), read_list(task / "test.txt")
    recipe = replace(CLIPS, epochs=epochs, schedule="steps", milestones=())
    return train(model, clips, out, recipe, Settings(resume=resume), judges, group=group)


def train_points(out: Path, group: Group, body: str) -> list[dict[str, Any]]:
    """A small pose network; its history."""
    pair, judge = card_video(), card_video(3, seed=5, name="other")
    small: dict[str, Any] = {"body": body, "input_size": (64, 64), "device": "cpu", "precision": "float32"}
    stages = {} if body == "unet" else {"stages": 1}
    run = train_pose([pair], out, [judge], recipe=QUICK, group=group, **small, **stages)
    return run.history.to_dict("records")


def check_layers(group: Group) -> None:
    """Each process' part of a batch comes out as in one process, forwards and backwards; uneven parts."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 4), nn.BatchNorm1d(4))
    net.append(nn.Dropout(0.4))
    twin = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 4), nn.BatchNorm1d(4))
    twin.append(nn.Dropout(0.4))
    twin.load_state_dict(net.state_dict())
    x, y = torch.randn(5, 2, 6, 6), torch.randn(5, 4)
    start, stop = group.slice(5)
    group.rows = (start, stop, 5)
    assert (start, stop) == ((0, 2), (2, 5))[group.rank]
    assert not group.whole
    torch.manual_seed(7)
    expected = twin(x)
    (expected - y).square().mean().backward()
    wrapped = group.module(net)
    with group.together(net):
        torch.manual_seed(7)
        found = wrapped(x[start:stop])
        ((found - y[start:stop]).square().mean() * group.weight).backward()
    assert torch.allclose(found, expected[start:stop], atol=1e-5)
    for a, b in zip(net.parameters(), twin.parameters()):
        assert torch.allclose(a.grad, b.grad, atol=1e-5)  # type: ignore[arg-type]
    for a, b in zip(net.buffers(), twin.buffers()):
        assert torch.allclose(a, b, atol=1e-6)
    assert type(net[1]).forward is nn.BatchNorm2d.forward
    assert "forward" not in vars(net[1])


def die_in_a_step() -> None:
    """From now on, this process is killed in the middle of a training step."""
    one = nn.Module.__call__
    calls = []

    def dying(self: nn.Module, *inputs: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 200:
            os.kill(os.getpid(), signal.SIGKILL)
        return one(self, *inputs, **more)

    nn.Module.__call__ = dying  # type: ignore[method-assign]


def main() -> None:
    """`parallel_worker.py BODY TASK OUT`: trains, then once more, and then the second process dies."""
    torch.set_num_threads(1)
    curves.draw_curves = lambda table, path: None  # a picture takes longer than the training
    body, task, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with joined("cpu") as (group, _):
        torch.manual_seed(0)
        check_layers(group)
        rows = train_clips(task, out / "clips", group, epochs=1)
        points = train_points(out / "points", group, body)
        if group.main:
            (out / "found.json").write_text(json.dumps({"clips": rows, "points": points}))
        if group.rank == 1:
            die_in_a_step()
        train_clips(task, out / "dying", group)


if __name__ == "__main__":
    try:
        main()
    except PoofError as error:
        print(f"poof: error: {error}", file=sys.stderr)
        sys.exit(1)

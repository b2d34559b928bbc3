"""The multigrid schedule: shapes, volumes, learning rates, batches, and training with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poof import recog
from poof.errors import PoofError
from poof.recog.data import read_list
from poof.recog.data.motion_task import render_task
from poof.recog.training.multigrid import LONG, SHORT, Grid, MultigridSampler, epoch_grids, grid, shrink
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.recipes import RECIPES, recipe


def test_table_of_the_document() -> None:
    # The last step of the short cycle leaves the long cycle's shapes as they are.
    rows = [grid(long, 2, 32, 16, 224) for long in range(4)]
    assert rows == [Grid(256, 4, 158, 8), Grid(128, 8, 158, 4), Grid(64, 8, 224, 2), Grid(32, 16, 224, 1)]
    short = [grid(3, step, 32, 16, 224) for step in range(4)]
    assert [(g.batch, g.frames, g.size, g.rate) for g in short] == [
        (128, 16, 112, 1),
        (64, 16, 158, 1),
        (32, 16, 224, 1),
        (128, 16, 112, 1),
    ]


def test_every_shape_has_the_same_volume() -> None:
    for clips, time, side in LONG:
        assert clips * time * side**2 == pytest.approx(1)
        for more, smaller in SHORT:
            assert clips * more * time * (side * smaller) ** 2 == pytest.approx(1)


@given(clips=st.integers(8, 3000), batch=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_every_clip_once_an_epoch_and_no_batch_of_one(clips: int, batch: int) -> None:
    grids = epoch_grids(clips, batch, 16, 224)
    assert sum(g.batch for g in grids) == clips
    if batch > 1:
        assert min(g.batch for g in grids) > 1
    assert [g.rate for g in grids] == sorted((g.rate for g in grids), reverse=True)
    quarter = round(clips / 4)
    assert sum(g.batch for g in grids if g.rate == 8) == quarter
    for number, g in enumerate(grids):
        assert g.frames == {8: 4, 4: 8, 2: 8, 1: 16}[g.rate]
        assert g.size == grid({8: 0, 4: 1, 2: 2, 1: 3}[g.rate], number, batch, 16, 224).size


def test_sampler_gives_those_batches_and_may_begin_in_the_middle() -> None:
    sampler = MultigridSampler(200, 4, 7, 8, 64)
    sampler.set_epoch(3)
    batches = list(sampler)
    assert [len(b) for b in batches] == [g.batch for g in sampler.grids]
    assert sorted(i for b in batches for i, _ in b) == list(range(200))
    assert len(sampler) == len(batches)
    sampler.set_epoch(3, 2)
    assert list(sampler) == batches[2:]


def test_shrinking_takes_middle_frames_and_means_of_cells() -> None:
    clips = torch.arange(8.0).view(1, 8, 1, 1, 1).expand(1, 8, 3, 4, 4)
    few = shrink(clips, Grid(1, 2, 2, 1.0))
    assert few.shape == (1, 2, 3, 2, 2)
    assert few[0, :, 0, 0, 0].tolist() == [2, 6]
    board = torch.arange(16.0).view(1, 1, 1, 4, 4).expand(1, 1, 3, 4, 4)
    assert shrink(board, Grid(1, 1, 2, 1.0))[0, 0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert shrink(clips, Grid(1, 8, 4, 1.0)) is clips
    triples = shrink(torch.arange(12.0).view(1, 12, 1, 1, 1).expand(1, 12, 3, 4, 4), Grid(1, 2, 4, 1.0), 3)
    assert triples[0, :, 0, 0, 0].tolist() == [3, 4, 5, 9, 10, 11]


def test_training_sees_the_shapes_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    clips = read_list(render_task(tmp_path / "task", 48, 8, 6, 32)[0])

    def network() -> recog.Recognizer:
        torch.manual_seed(0)
        return recog.build_model("resnet18_quarter", ["tsm"], 4, 8, size=32, dropout=0)

    options = recipe("small", epochs=1, batch=2, flip="none", multigrid=True, warmup=0.0)
    model, shapes, rates = network(), [], []
    model.register_forward_pre_hook(lambda _, x: shapes.append(tuple(x[0].shape)))
    step = torch.optim.SGD.step

    def noted(self: torch.optim.SGD, *args: object, **kwargs: object) -> None:
        rates.append(self.param_groups[0]["lr"])
        step(self, *args, **kwargs)

    patch = pytest.MonkeyPatch()
    patch.setattr(torch.optim.SGD, "step", noted)
    train(model, clips, tmp_path / "whole", options)
    patch.undo()
    grids = epoch_grids(48, 2, 4, 32)
    assert shapes == [(g.batch, g.frames, 3, g.size, g.size) for g in grids]
    total = len(grids)
    assert rates == pytest.approx([options.rate((n + 1) / total) * g.rate for n, g in enumerate(grids)])

    other, seen = network(), 0

    def stop(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 4:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    handle = other.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        train(other, clips, tmp_path / "parts", options)
    handle.remove()
    again = network()
    train(again, clips, tmp_path / "parts", options, Settings(resume=True))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


def test_what_does_not_go_together() -> None:
    with pytest.raises(PoofError, match="multigrid changes the batch by itself"):
        recipe("small", accumulate=2, multigrid=True)


def test_recipes_of_the_document() -> None:
    srtg, mtnet = RECIPES["srtg"], RECIPES["mtnet"]
    assert [srtg.rate(epoch) for epoch in (0, 39, 40, 70, 120)] == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.0001])
    flat = replace(mtnet, warmup=0.0)
    assert [flat.rate(epoch) for epoch in (0, 200, 400)] == pytest.approx([0.1, 0.05, 0])
    assert srtg.multigrid
    assert mtnet.multigrid
    assert RECIPES["classreg"].only == "modules"
    assert RECIPES["transfer"].only == "classifier"

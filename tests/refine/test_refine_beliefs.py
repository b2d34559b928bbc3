"""The filter on beliefs made by hand: motion alone, appearance alone, one against the other, occlusion, cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from poof.pose.crops import Crop
from poof.pose.decoding import decode
from poof.refine import beliefs
from poof.refine.beliefs import (
    ANYWHERE,
    BLUR,
    FAR,
    FAR_SHARE,
    FLOOR,
    LEASH,
    POINT,
    WIDE,
    WRONG_STEP,
    Grid,
    Motion,
    even,
    likelihood,
    normalised,
    passed,
    points,
    predicted,
    read,
)

GRID = Grid(48, 64, 80.0)
NOWHERE = np.full((1, 2), np.nan)


def shift(grid: Grid, dx: float, dy: float, error: float = 0.0) -> Motion:
    """Everything moves by (dx, dy) cells."""
    origin = grid.cells() - torch.tensor([dx, dy], dtype=torch.float32)
    return Motion(origin, torch.full((grid.height, grid.width), error))


def bell(grid: Grid, x: float, y: float, sigma: float) -> Tensor:
    """(1, h, w): a Gaussian of sum 1."""
    squared = (grid.cells() - torch.tensor([x, y], dtype=torch.float32)).square().sum(-1)
    return normalised(torch.exp(-squared / (2 * sigma**2))[None])


def moments(belief: Tensor, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a belief (1, h, w) along x and y, in cells."""
    weights, cells = belief[0].double().numpy(), grid.cells().double().numpy()
    mean = (weights[..., None] * cells).sum((0, 1))
    return mean, (weights[..., None] * (cells - mean) ** 2).sum((0, 1))


def smoothed(
    start: Tensor, end: Tensor, seen: Sequence[Tensor], onward: Sequence[Motion], back: Sequence[Motion], grid: Grid
) -> list[Tensor]:
    """The beliefs in the frames between two labelled ones; step i of `onward` leads into frame i, of `back` out of it.

    Frame 0 of `seen` is the one after the first label; both lists of steps have one more, at the second label.
    """
    before, _ = passed(start, seen, onward, grid)
    after, _ = passed(end, list(seen)[::-1], list(back)[::-1], grid)
    return [normalised(a * b * s) for a, b, s in zip(before, after[::-1], seen)]


def places(found: Sequence[Tensor], grid: Grid) -> np.ndarray:
    """(T, 2) the positions of single beliefs, in cells."""
    return np.stack([read(belief, grid)[0][0] for belief in found])


# ------------------------------------------------------------------------------------------------- probabilities


def assert_probability(belief: Tensor) -> None:
    assert (belief >= 0).all()
    np.testing.assert_allclose(belief.sum((-1, -2)).numpy(), 1, atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(16, 16), (16, 48), (48, 32)]),
    st.floats(4, 200),
    st.sampled_from([0.0, 1.0, 30.0]),
    st.floats(0, 0.1),
)
def test_every_operation_leaves_a_probability(
    seed: int, shape: tuple[int, int], side: float, wild: float, error: float
) -> None:
    maker = torch.Generator().manual_seed(seed)
    grid = Grid(*shape, side)
    rough = torch.rand(3, *shape, generator=maker) ** 20
    rough[2] = 0  # a network that sees nothing at all
    assert_probability(normalised(rough))
    assert_probability(even(grid, 2))
    anywhere = (torch.rand(3, 2, generator=maker) * 3 - 1) * torch.tensor([shape[1], shape[0]])
    start = points(grid, anywhere.numpy())
    assert_probability(start)
    flow = Motion(
        grid.cells() + wild * torch.randn(*shape, 2, generator=maker), error * torch.rand(*shape, generator=maker)
    )
    assert_probability(predicted(start, flow, grid))
    assert_probability(predicted(normalised(rough), flow, grid))
    seen = likelihood(rough, grid, anywhere.numpy())
    predictions, last = passed(start, [seen] * 4, [flow, flow, None, flow], grid)
    for belief in (*predictions, last):
        assert_probability(belief)


def test_what_has_no_mass_is_even() -> None:
    assert normalised(torch.zeros(2, 4, 5)).unique().tolist() == [pytest.approx(1 / 20)]
    # Beliefs multiplied over and over become small; that is not nothing.
    np.testing.assert_allclose(normalised(torch.tensor([[[3e-28, 1e-28]]])).numpy(), [[[0.75, 0.25]]], rtol=1e-6)


# ------------------------------------------------------------------------------------------------- motion alone


def test_a_belief_moves_by_exactly_the_flow() -> None:
    belief = points(GRID, np.array([[20.0, 30.0]]))
    for _ in range(4):
        belief = predicted(belief, shift(GRID, 5, -3), GRID)
    cells, mass, _ = read(belief, GRID)
    np.testing.assert_allclose(cells, [[40, 18]], atol=0.01)
    # Once a step a hundredth is thought lost, most of which goes far away.
    assert 0.95 < mass[0] / read(belief * 0 + bell(GRID, 40, 18, math.sqrt(0.49 + 4 * 0.48**2)), GRID)[1][0] < 0.99


@pytest.mark.parametrize("wrong", [0.0, 0.5, 1.0, 7.0])
def test_variance_grows_as_the_blurs_say(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    # The two tails that reach everywhere would rule the variance.
    monkeypatch.setattr(beliefs, "FAR_SHARE", 0.0)
    monkeypatch.setattr(beliefs, "ANYWHERE", 0.0)
    grid = Grid(80, 96, 250.0)
    belief = points(grid, np.array([[40.0, 45.0]]))
    step = shift(grid, 4, -3, wrong * WRONG_STEP)
    share = min(wrong, 1)
    growth = ((1 - share) * BLUR**2 + share * WIDE**2) * 250**2
    for steps in range(1, 3 if wrong else 5):
        belief = predicted(belief, step, grid)
        mean, variance = moments(belief, grid)
        np.testing.assert_allclose(mean, [40 + 4 * steps, 45 - 3 * steps], atol=1e-3)
        np.testing.assert_allclose(variance, POINT**2 + steps * growth, rtol=0.03)


def test_parts_of_cells_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beliefs, "FAR_SHARE", 0.0)
    monkeypatch.setattr(beliefs, "ANYWHERE", 0.0)
    belief = points(GRID, np.array([[20.0, 30.0]]))
    for _ in range(7):
        belief = predicted(belief, shift(GRID, 0.3, -0.6), GRID)
    np.testing.assert_allclose(moments(belief, GRID)[0], [22.1, 25.8], atol=1e-3)


def test_only_the_cells_whose_flow_is_wrong_are_widened() -> None:
    grid = Grid(96, 160, 250.0)
    motion = shift(grid, 0, 0)
    motion.error[:, 80:] = 1.0
    both = torch.cat([bell(grid, 30, 48, 1.0), bell(grid, 120, 48, 1.0)])
    sharp, wide = predicted(both, motion, grid).amax((-1, -2)).tolist()
    assert sharp == pytest.approx(0.99 / (2 * math.pi * (1 + (BLUR * 250) ** 2)), rel=0.02)
    assert wide == pytest.approx(0.99 / (2 * math.pi * (1 + (WIDE * 250) ** 2)), rel=0.02)


def test_a_little_of_every_step_is_thought_to_be_lost() -> None:
    grid = Grid(96, 96, 40.0)
    after = predicted(points(grid, np.array([[47.0, 47.0]])), shift(grid, 0, 0), grid)[0]
    away = (grid.cells() - 47).square().sum(-1)
    # Of a Gaussian of 0.2 sides exp(-(0.1 / 0.2)^2 / 2) lies further away than 0.1 sides.
    assert after[away > (0.1 * 40) ** 2].sum().item() == pytest.approx(
        FAR_SHARE * math.exp(-((0.1 / FAR) ** 2) / 2) + ANYWHERE, rel=0.04
    )
    assert after.min().item() == pytest.approx(ANYWHERE / 96**2, rel=0.02)


def test_what_leaves_the_grid_is_anywhere_and_what_stays_follows() -> None:
    gone, here = np.array([[3.0, 20.0]]), np.array([[40.0, 20.0]])
    after = predicted(points(GRID, np.concatenate([gone, here])), shift(GRID, -30, 0), GRID)
    torch.testing.assert_close(after[:1], even(GRID, 1))
    np.testing.assert_allclose(read(after, GRID)[0][1], [10, 20], atol=0.01)


def test_keypoints_do_not_know_of_each_other() -> None:
    some = torch.cat([bell(GRID, 20, 20, 1.0), bell(GRID, 40, 30, 3.0)])
    step = shift(GRID, 1, 2, 0.5 * WRONG_STEP)
    together = predicted(some, step, GRID)
    alone = torch.cat([predicted(one[None], step, GRID) for one in some])
    torch.testing.assert_close(together, alone)


# ------------------------------------------------------------------------------------------------- appearance alone


@pytest.mark.parametrize("motion", [None, Motion(torch.full((48, 64, 2), 900.0), torch.zeros(48, 64))])
def test_without_flow_the_belief_is_the_likelihood(motion: Motion | None) -> None:
    seen = likelihood(bell(GRID, 50.4, 11.7, 2.0), GRID, np.array([[30.0, 20.0]]))
    predictions, last = passed(points(GRID, np.array([[5.0, 5.0]])), [seen], [motion], GRID)
    torch.testing.assert_close(predictions[0], even(GRID, 1))
    torch.testing.assert_close(last, normalised(seen))


def test_the_likelihood_by_hand() -> None:
    maps = torch.full((1, 48, 64), 2.0)
    maps[0, 20, 30] = 8.0
    seen = likelihood(maps, GRID, np.array([[30.0, 20.0]]))[0]
    assert seen[20, 30].item() == pytest.approx(1 + FLOOR)
    assert LEASH * GRID.side == 16
    assert seen[20, 46].item() == pytest.approx((0.25 + FLOOR) / 2**1.5, rel=1e-5)
    assert seen[44, 30].item() == pytest.approx((0.25 + FLOOR) * (1 + (24 / 16) ** 2) ** -1.5, rel=1e-5)
    free = likelihood(maps, GRID, NOWHERE)[0]  # no leash where nothing was propagated
    assert free[20, 62].item() == free[0, 0].item() == pytest.approx(0.25 + FLOOR)
    torch.testing.assert_close(likelihood(7 * maps, GRID, NOWHERE)[0], free)  # of any scale
    blank = likelihood(torch.zeros(1, 48, 64), GRID, NOWHERE)
    assert blank.min() == blank.max() > 0


@pytest.mark.parametrize(("sides", "found"), [(0.5, True), (1.5, False)])
def test_the_leash_is_loose_but_holds(sides: float, found: bool) -> None:
    # 1.03 (1 + (0.5 / 0.2)^2)^-1.5 = 0.053 is more than what is left of the propagated place, 0.03;
    # 1.03 (1 + (1.5 / 0.2)^2)^-1.5 = 0.002 is less.
    grid = Grid(32, 96, 40.0)
    away = np.array([10 + sides * 40, 16.0])
    seen = likelihood(bell(grid, *away, 1.0), grid, np.array([[10.0, 16.0]]))
    at = np.unravel_index(int(seen[0].argmax()), seen[0].shape)
    assert (at[1], at[0]) == tuple(away if found else (10, 16))


# ------------------------------------------------------------------------------------- one against the other

STEPS = 6  # from label to label


def error_between_labels(wrong_by: float, wrong: float) -> np.ndarray:
    """Errors in cells, along y, of 5 frames between labels: the third has a map that is wrong, the others a flat one.

    The point moves by (3, 0); `wrong` is the error of the flow, which says so, in longer sides.
    """
    truth = np.stack([10 + 3 * np.arange(STEPS + 1.0), np.full(STEPS + 1, 20.0)], axis=-1)
    maps = [torch.ones(1, GRID.height, GRID.width) for _ in range(1, STEPS)]
    maps[2] = bell(GRID, truth[3, 0], 20 + wrong_by, 1.0)
    seen = [likelihood(m, GRID, place[None]) for m, place in zip(maps, truth[1:])]
    onward, back = (shift(GRID, dx, 0, wrong) for dx in (3, -3))
    start, end = points(GRID, truth[:1]), points(GRID, truth[-1:])
    found = places(smoothed(start, end, seen, [onward] * (STEPS - 1), [back] * (STEPS - 1), GRID), GRID)
    np.testing.assert_allclose(found[:, 0], truth[1:-1, 0], atol=0.2)
    return found[:, 1] - 20


@pytest.mark.parametrize("wrong_by", [4.0, 12.0, 24.0])
def test_consistent_flow_overrules_one_wrong_map(wrong_by: float) -> None:
    np.testing.assert_allclose(error_between_labels(wrong_by, wrong=0.0), 0, atol=0.15)


def test_appearance_overrules_flow_that_contradicts_itself() -> None:
    # Three steps of 1.6 cells from either side: the belief without the map has a variance of 3 * 1.6^2 / 2 = 3.8, so
    # exp(-4^2 / 7.7) = 0.13 of its peak is where the map is, which says 33 times as much there as elsewhere.
    # What both say together is nearer to the narrower one, the map of variance 1: at 3.2 cells, less what the cells
    # around it hold of the flow's own peak.
    error = error_between_labels(4.0, wrong=1.0)
    assert 2.5 < error[2] < 4 * 3.8 / (3.8 + 1)
    # The others go along, the more the nearer they are to it, and come back to the labels.
    assert 0.3 < error[0] < error[1] < error[2] > error[3] > error[4] > 0.3


def test_appearance_that_insists_is_believed_far_from_flow() -> None:
    # One frame against consistent flow is a mistake of the network; the same in every frame one of the flow.
    truth = np.stack([10 + 3 * np.arange(9.0), np.full(9, 20.0)], axis=-1)
    seen = [likelihood(bell(GRID, x, 36, 1.0), GRID, np.array([[x, 20.0]])) for x in truth[1:, 0]]
    predictions, _ = passed(points(GRID, truth[:1]), seen, [shift(GRID, 3, 0)] * 8, GRID)
    found = places([normalised(p * s) for p, s in zip(predictions, seen)], GRID)
    np.testing.assert_allclose(found[0], [13, 20], atol=0.3)
    np.testing.assert_allclose(found[-1], [34, 36], atol=0.3)


def test_an_occlusion_is_bridged_from_both_sides() -> None:
    # The point moves by half a cell a frame; behind the post flow stands still and contradicts itself, maps are flat.
    frames, hidden = 13, range(4, 9)
    truth = np.stack([20 + 0.5 * np.arange(frames), np.full(frames, 24.0)], axis=-1)
    seen, onward, back = [], [], []
    for frame in range(frames - 1):
        lost = frame + 1 in hidden or frame in hidden
        onward.append(shift(GRID, 0.0 if lost else 0.5, 0, 1.0 if lost else 0.0))
        back.append(shift(GRID, 0.0 if lost else -0.5, 0, 1.0 if lost else 0.0))
    for frame in range(1, frames - 1):
        flat = torch.ones(1, GRID.height, GRID.width)
        seen.append(likelihood(flat if frame in hidden else bell(GRID, *truth[frame], 1.0), GRID, NOWHERE))
    ends = points(GRID, truth[:1]), points(GRID, truth[-1:])
    found = smoothed(*ends, seen, onward[:-1], back[1:], GRID)
    error = np.hypot(*(places(found, GRID) - truth[1:-1]).T)
    assert error[[0, 1, 9, 10]].max() < 0.15  # beside the labels
    assert error.max() < 0.75  # less than the half way it made unseen, 1.5
    assert np.abs(places(found, GRID)[5] - truth[6]).max() < 0.1  # in the middle both sides have their say
    spread = np.array([read(belief, GRID)[2][0] for belief in found])
    mass = np.array([read(belief, GRID)[1][0] for belief in found])
    assert spread[5] > 1.8 * max(spread[0], spread[-1])
    assert mass[5] < 0.8 < min(mass[0], mass[-1])
    # Each side alone is wider than both together.
    alone, _ = passed(ends[0], seen, onward[:-1], GRID)
    assert read(alone[5], GRID)[2][0] > spread[5]


def test_a_cut_forgets_everything() -> None:
    seen = [likelihood(bell(GRID, 10 + 5 * i, 20, 2.0), GRID, NOWHERE) for i in range(4)]
    step = shift(GRID, 5, 0)
    steps = [step, step, None, step]
    first, last = passed(points(GRID, np.array([[5.0, 20.0]])), seen, steps, GRID)
    other, same = passed(points(GRID, np.array([[60.0, 40.0]])), seen, steps, GRID)
    assert not torch.allclose(first[1], other[1])
    assert torch.equal(first[2], even(GRID, 1))
    assert torch.equal(first[3], other[3])
    assert torch.equal(last, same)


def test_no_frame_leaves_the_start() -> None:
    start = points(GRID, np.array([[5.0, 20.0]]))
    predictions, last = passed(start, [], [], GRID)
    assert predictions == []
    assert last is start


# ------------------------------------------------------------------------------------------------- reading


@settings(max_examples=30, deadline=None)
@given(st.floats(10, 50), st.floats(10, 38))
def test_a_label_is_read_where_it_was_set(x: float, y: float) -> None:
    cells, mass, spread = read(points(GRID, np.array([[x, y]])), GRID)
    np.testing.assert_allclose(cells, [[x, y]], atol=0.03)
    assert mass[0] > 0.98
    assert spread[0] == pytest.approx(POINT * math.sqrt(2) / 80, rel=0.02)


def test_a_gaussian_is_read_by_hand() -> None:
    grid = Grid(64, 64, 300.0)  # 0.03 of 300 cells: a disc of about 9
    cells, mass, spread = read(torch.cat([bell(grid, 30.3, 33.8, 2.0), bell(grid, 30.0, 33.0, 6.0)]), grid)
    np.testing.assert_allclose(cells, [[30.3, 33.8], [30, 33]], atol=0.02)
    # Within r of the middle of a Gaussian lies 1 - exp(-r^2 / (2 s^2)); the edge falls from 9.5 to 10.5.
    np.testing.assert_allclose(mass, [1, 1 - math.exp(-100 / 72)], atol=0.005)
    np.testing.assert_allclose(spread, [2 * math.sqrt(2) / 300, 6 * math.sqrt(2) / 300], rtol=0.01)


@pytest.mark.parametrize("sigma", [0.8, 1.6, 2.5])
def test_reading_does_not_round_to_cells(sigma: float) -> None:
    for part in (0.2, 0.45, 0.7):
        cells, _, _ = read(bell(Grid(96, 96, 86.0), 40 + part, 50 - part, sigma), Grid(96, 96, 86.0))
        np.testing.assert_allclose(cells, [[40 + part, 50 - part]], atol=0.03)


def test_of_two_places_the_likelier_is_read() -> None:
    two = 0.7 * points(GRID, np.array([[15.0, 24.0]])) + 0.3 * points(GRID, np.array([[45.0, 24.0]]))
    cells, mass, spread = read(two, GRID)
    np.testing.assert_allclose(cells, [[15, 24]], atol=0.01)
    assert mass[0] == pytest.approx(0.7, abs=0.01)
    # Two points 30 apart with weights 0.7 and 0.3: the variance is 0.21 * 30^2, and each one's own comes on top.
    assert spread[0] == pytest.approx(math.sqrt(0.21 * 900 + 2 * POINT**2) / 80, rel=1e-3)


def test_reading_agrees_with_the_decoding_of_heat_maps() -> None:
    maps = torch.cat([bell(GRID, x, y, 0.8) for x, y in ((20.3, 20.8), (41.4, 11.1))])
    decoded, _ = decode(maps[None] * 255 / maps.amax(), stride=beliefs.CELL)
    crop = Crop((100.0, 80.0), 0.7, (96, 128))
    cells, _, _ = read(maps, GRID)
    np.testing.assert_allclose(GRID.to_frame(cells, crop), crop.to_frame(decoded[0].numpy()), atol=0.1)


# ------------------------------------------------------------------------------------------------- the grid


def test_cells_are_two_pixels_of_the_crop() -> None:
    crop = Crop((200.0, 150.0), 0.5, (64, 96))
    grid = Grid.over(crop, 80.0)
    assert (grid.height, grid.width, grid.side) == (32, 48, 20.0)
    assert grid.cells()[5, 7].tolist() == [7, 5]
    # The middle of a crop of 96x64 is its pixel (47.5, 31.5); cell c stands at pixel 2 c + 1.
    np.testing.assert_allclose(grid.of_frame(np.array([200.0, 150.0]), crop), [23.25, 15.25])
    np.testing.assert_allclose(grid.to_frame(np.array([0, 0]), crop), [200 - 46.5 * 2, 150 - 30.5 * 2])
    np.testing.assert_allclose(np.diff(grid.of_frame(np.array([[10.0, 10.0], [18.0, 14.0]]), crop), axis=0), [[2, 1]])


@given(st.floats(-50, 2000), st.floats(-50, 2000), st.floats(0.05, 8), st.floats(-500, 2500), st.floats(-500, 2500))
def test_there_and_back_between_cells_and_frame(cx: float, cy: float, scale: float, x: float, y: float) -> None:
    crop = Crop((cx, cy), scale, (96, 64))
    grid = Grid.over(crop, 100.0)
    cells = grid.of_frame(np.array([[x, y]]), crop)
    np.testing.assert_allclose(grid.to_frame(cells, crop), [[x, y]], atol=1e-6)
    np.testing.assert_allclose(crop.to_crop(np.array([[x, y]])), 2 * cells + 1, atol=1e-6)

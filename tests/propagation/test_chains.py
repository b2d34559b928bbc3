"""Chains and what they leave behind."""

from __future__ import annotations

import numpy as np

from poof.flow.field import FlowField, Region
from poof.propagation.chains import BACKWARD, FORWARD, Chains, State, Stepper

SIZE = (60, 40)


class UniformPair:
    """A pair of frames whose flow is the same everywhere."""

    def __init__(self, forward: tuple[float, float], backward: tuple[float, float] | None = None, cut: bool = False):
        self.cut = cut
        back = (-forward[0], -forward[1]) if backward is None else backward
        self._fields = [
            FlowField(
                np.broadcast_to(np.array(v, np.float32)[:, None, None], (2, SIZE[1], SIZE[0])), Region.whole(SIZE)
            )
            for v in (forward, back)
        ]

    def forward(self, points: np.ndarray, instance: int) -> FlowField:
        return self._fields[0]

    def backward(self, points: np.ndarray, instance: int) -> FlowField:
        return self._fields[1]


def start(*points: tuple[float, float], frame: int = 10, hidden: list[bool] | None = None) -> State:
    return State.none(len(points)).restart(frame, np.array(points, float), None if hidden is None else np.array(hidden))


def test_a_chain_of_constant_flow() -> None:
    stepper, state = Stepper(SIZE, 10), start((20, 20))
    for step in range(5):
        state = stepper.step(state, UniformPair((2, -1)), 10 + step, FORWARD, 0)
    np.testing.assert_allclose(state.xy, [[30, 15]], atol=1e-5)
    np.testing.assert_allclose(state.cycle, [0], atol=1e-5)


def test_cycle_errors_add_up() -> None:
    stepper, state = Stepper(SIZE, 10), start((20, 20))
    for step in range(3):
        state = stepper.step(state, UniformPair((2, 0), backward=(-2, 1.5)), 10 + step, FORWARD, 0)
    np.testing.assert_allclose(state.cycle, [4.5], atol=1e-5)


def test_backward_reads_the_backward_flow_or_the_forward_flow_by_the_thesis() -> None:
    pair = UniformPair((2, 0), backward=(-3, 0))
    exact = Stepper(SIZE, 10).step(start((20, 20)), pair, 10, BACKWARD, 0)
    thesis = Stepper(SIZE, 10, thesis_backward=True).step(start((20, 20)), pair, 10, BACKWARD, 0)
    np.testing.assert_allclose(exact.xy, [[17, 20]], atol=1e-5)
    np.testing.assert_allclose(thesis.xy, [[18, 20]], atol=1e-5)
    assert np.isnan(thesis.cycle).all()  # forward flow only: nothing to compare with


def test_a_point_that_leaves_the_frame_ends_its_chain_alone() -> None:
    state = Stepper(SIZE, 10).step(start((58, 20), (20, 20)), UniformPair((3, 0)), 10, FORWARD, 0)
    assert state.running.tolist() == [False, True]
    assert state.anchor.tolist() == [-1, 10]


def test_a_cut_ends_every_chain() -> None:
    assert not Stepper(SIZE, 10).step(start((20, 20)), UniformPair((1, 1), cut=True), 10, FORWARD, 0).running.any()


def test_chains_end_at_their_reach() -> None:
    stepper, state = Stepper(SIZE, 2), start((20, 20))
    for step in range(2):
        state = stepper.step(state, UniformPair((1, 0)), 10 + step, FORWARD, 0)
    assert state.running.all()
    assert not stepper.step(state, UniformPair((1, 0)), 12, FORWARD, 0).running.any()


def test_restart_resets_only_the_labelled_keypoints() -> None:
    state = Stepper(SIZE, 10).step(start((20, 20), (30, 30)), UniformPair((1, 0), backward=(0, 0)), 10, FORWARD, 0)
    again = state.restart(11, np.array([[5.0, 5.0], [np.nan, np.nan]]))
    np.testing.assert_allclose(again.xy, [[5, 5], [31, 30]], atol=1e-5)
    np.testing.assert_allclose(again.cycle, [0, 1], atol=1e-5)
    assert again.anchor.tolist() == [11, 10]


def test_a_hidden_point_moves_with_the_visible_ones_and_the_nearer_count_more() -> None:
    xy = np.zeros((2, SIZE[1], SIZE[0]), np.float32)
    xy[0, :, :20], xy[0, :, 20:] = 4, -4  # what hides it moves left, the body right

    class Split(UniformPair):
        def forward(self, points: np.ndarray, instance: int) -> FlowField:
            return FlowField(xy, Region.whole(SIZE))

    state = start((10, 20), (25, 20), hidden=[False, True])
    moved = Stepper(SIZE, 10, body=True).step(state, Split((0, 0)), 10, FORWARD, 0)
    np.testing.assert_allclose(moved.xy, [[14, 20], [29, 20]], atol=1e-5)
    assert moved.hidden.tolist() == [False, True]
    literal = Stepper(SIZE, 10).step(state, Split((0, 0)), 10, FORWARD, 0)
    np.testing.assert_allclose(literal.xy[1], [21, 20], atol=1e-5)


def test_passages_keep_what_came_by() -> None:
    chains = Chains.empty([4, 5, 9], 2)
    chains.record(5, start((1, 2), (np.nan, np.nan), frame=4))
    chains.record(5, State.none(2))
    np.testing.assert_allclose(chains.xy[1, 0], [1, 2])
    assert chains.anchor.tolist() == [[-1, -1], [4, -1], [-1, -1]]

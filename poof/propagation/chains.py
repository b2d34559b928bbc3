"""Chains: the positions of keypoints, carried frame by frame from their anchors, forwards or backwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from poof.flow.field import FlowField
from poof.propagation.steps import cycle_error, forward_step, thesis_backward_step

FORWARD, BACKWARD = 1, -1


class PairFlow(Protocol):
    """The flows between the frames t and t+1, as a chain of one instance sees them."""

    cut: bool

    def forward(self, points: np.ndarray, instance: int) -> FlowField:
        """Flow from t to t+1 around `points` (K, 2) of frame t."""

    def backward(self, points: np.ndarray, instance: int) -> FlowField | None:
        """Flow from t+1 to t around `points` (K, 2) of frame t+1; None where only forward flow is computed."""


@dataclass
class State:
    """The K points of a chain in one frame.

    Attributes
    ----------
    xy : (K, 2) float64
        NaN: no chain of this keypoint is running.
    cycle : (K,) float64
        Sum of the forward-backward errors since the anchor, pixels; NaN when not measured.
    anchor : (K,) int
        Frame of the human label that each chain started from; -1 without.
    hidden : (K,) bool
        Whether the person marked the keypoint occluded there: what is seen at its place is something else.
    """

    xy: np.ndarray
    cycle: np.ndarray
    anchor: np.ndarray
    hidden: np.ndarray

    @classmethod
    def none(cls, count: int) -> State:
        """No chain is running."""
        return cls(np.full((count, 2), np.nan), np.full(count, np.nan), np.full(count, -1), np.zeros(count, bool))

    @property
    def running(self) -> np.ndarray:
        """(K,) bool."""
        return np.isfinite(self.xy).all(axis=1)

    def restart(
        self, frame: int, xy: np.ndarray, hidden: np.ndarray | None = None, absent: np.ndarray | None = None
    ) -> State:
        """The state after a frame in which a person set the non-NaN rows of `xy`: those chains start anew there.

        `hidden` (K,) tells which of them the person marked occluded, `absent` (K,) which keypoints are not in the
        picture: their chains end.
        """
        going = self if absent is None else self.only(~absent)
        set_ = np.isfinite(xy).all(axis=1)
        return State(
            np.where(set_[:, None], xy, going.xy),
            np.where(set_, 0.0, going.cycle),
            np.where(set_, frame, going.anchor),
            np.where(set_, False if hidden is None else hidden, going.hidden),
        )

    def rounded(self) -> State:
        """The state as float32 keeps it, so that a chain taken over from a file goes on exactly as one that ran on."""
        return State(
            self.xy.astype(np.float32).astype(np.float64),
            self.cycle.astype(np.float32).astype(np.float64),
            self.anchor,
            self.hidden,
        )

    def only(self, keep: np.ndarray) -> State:
        """The state with the chains outside `keep` (K,) ended."""
        return State(
            np.where(keep[:, None], self.xy, np.nan),
            np.where(keep, self.cycle, np.nan),
            np.where(keep, self.anchor, -1),
            self.hidden & keep,
        )


@dataclass
class Chains:
    """The positions of the chains of one instance in one direction, a row for each covered frame.

    In a frame in which a person set a keypoint, or says that it is absent, the row has where its chain ends.

    Attributes
    ----------
    frames : (F,) int
        The covered frames, ascending.
    xy : (F, K, 2) float32
    cycle : (F, K) float32
    anchor : (F, K) int32
        As in `State`.
    stride : int
        Frames that each step takes.
    """

    frames: np.ndarray
    xy: np.ndarray
    cycle: np.ndarray
    anchor: np.ndarray
    stride: int = 1

    @classmethod
    def empty(cls, frames: Sequence[int] | np.ndarray, count: int, stride: int = 1) -> Chains:
        """No chain yet."""
        n = len(frames)
        return cls(
            np.asarray(frames, int),
            np.full((n, count, 2), np.nan, np.float32),
            np.full((n, count), np.nan, np.float32),
            np.full((n, count), -1, np.int32),
            stride,
        )

    def over(self, frames: np.ndarray) -> Chains:
        """The chains over other frames (ascending): rows that are missing are empty, rows of others are left out."""
        moved = Chains.empty(frames, self.xy.shape[1], self.stride)
        _, here, there = np.intersect1d(self.frames, moved.frames, assume_unique=True, return_indices=True)
        for mine, theirs in ((self.xy, moved.xy), (self.cycle, moved.cycle), (self.anchor, moved.anchor)):
            theirs[there] = mine[here]
        return moved

    def record(self, frame: int, state: State) -> None:
        """Store the running chains of a frame; those stored earlier stay."""
        here = state.running
        if not here.any():
            return
        row = int(np.searchsorted(self.frames, frame))
        self.xy[row, here] = state.xy[here]
        self.cycle[row, here] = state.cycle[here]
        self.anchor[row, here] = state.anchor[here]


def _with_the_body(state: State, xy: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden points take the mean step of the visible ones, weighted by 1 / squared distance, if there are any."""
    seen = state.running & ~state.hidden
    if not seen.any():
        return xy, error
    gap = state.xy[state.hidden, None] - state.xy[None, seen]
    weight = 1 / ((gap**2).sum(axis=-1) + 1.0)
    weight /= weight.sum(axis=1, keepdims=True)
    xy, error = xy.copy(), error.copy()
    xy[state.hidden] = state.xy[state.hidden] + weight @ (xy - state.xy)[seen]
    error[state.hidden] = weight @ error[seen]
    return xy, error


@dataclass(frozen=True)
class Stepper:
    """How a chain steps and when it ends.

    Attributes
    ----------
    size : (int, int)
        (width, height) of the frames; a point that leaves them ends its chain.
    reach : int
        Most steps from the anchor.
    thesis_backward : bool
        Step backwards by equation (3.2), with forward flow only; otherwise with the true backward flow.
    interpolation : str
        How flow is read, see `FlowField.sample`.
    body : bool
        Let keypoints that the person marked occluded move with the visible ones around them: the flow at their place
        is that of whatever hides them.
    """

    size: tuple[int, int]
    reach: int
    thesis_backward: bool = False
    interpolation: str = "bilinear"
    body: bool = False

    def step(self, state: State, pair: PairFlow, frame: int, direction: int, instance: int, stride: int = 1) -> State:
        """The state in the frame `stride` after (`FORWARD`) or before (`BACKWARD`) `frame`; `pair` is of these two."""
        going = state.only(state.running & (np.abs(frame + stride * direction - state.anchor) <= self.reach))
        if pair.cut or not going.running.any():
            return State.none(len(state.xy))
        if direction == BACKWARD and self.thesis_backward:
            xy = thesis_backward_step(going.xy, pair.forward(going.xy, instance), self.interpolation)
            error = np.full(len(xy), np.nan)
        else:
            there, back = (pair.forward, pair.backward) if direction == FORWARD else (pair.backward, pair.forward)
            flow = there(going.xy, instance)
            assert flow is not None
            xy = forward_step(going.xy, flow, self.interpolation)
            returning = back(xy, instance)
            error = np.full(len(xy), np.nan) if returning is None else cycle_error(going.xy, xy, returning)
        if self.body and going.hidden.any():
            xy, error = _with_the_body(going, xy, error)
        moved = State(xy, going.cycle + error, going.anchor, going.hidden)
        low, high = -0.5, np.array(self.size) - 0.5
        with np.errstate(invalid="ignore"):
            inside = ((xy >= low) & (xy <= high)).all(axis=1)
        return moved.only(np.asarray(inside))

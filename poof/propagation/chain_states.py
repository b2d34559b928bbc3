"""States of chains over some frames, and their form as arrays in a file."""

from __future__ import annotations

import numpy as np

from poof.propagation.chains import State

ChainStates = dict[tuple[int, int], list[tuple[int, State]]]
"""(instance, estimator) -> (frame, state) in the order of the steps."""


def pack(name: str, states: ChainStates) -> dict[str, np.ndarray]:
    """States as named arrays; positions and cycle errors in float32, as in `Chains`."""
    arrays: dict[str, np.ndarray] = {}
    for (instance, estimator), steps in states.items():
        if steps:
            base = f"{name}/{instance}/{estimator}"
            arrays[f"{base}/frame"] = np.array([frame for frame, _ in steps])
            arrays[f"{base}/xy"] = np.stack([state.xy for _, state in steps]).astype(np.float32)
            arrays[f"{base}/cycle"] = np.stack([state.cycle for _, state in steps]).astype(np.float32)
            arrays[f"{base}/anchor"] = np.stack([state.anchor for _, state in steps]).astype(np.int32)
            arrays[f"{base}/hidden"] = np.stack([state.hidden for _, state in steps])
    return arrays


def unpack(name: str, arrays: dict[str, np.ndarray]) -> ChainStates:
    """The reverse of `pack`."""
    states: ChainStates = {}
    for key in arrays:
        parts = key.split("/")
        if parts[0] == name and parts[-1] == "frame":
            base = key.removesuffix("/frame")
            fields = [arrays[f"{base}/{part}"] for part in ("xy", "cycle", "anchor", "hidden")]
            states[int(parts[1]), int(parts[2])] = [
                (int(frame), State(xy.astype(np.float64), cycle.astype(np.float64), anchor, hidden))
                for frame, xy, cycle, anchor, hidden in zip(arrays[key], *fields)
            ]
    return states

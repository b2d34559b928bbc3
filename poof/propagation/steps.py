"""One step of a keypoint from a frame to its neighbour: the equations of Gebotys 2022, section 3.2.

K_t are the keypoints of frame t, (K, 2) pixels of the full frame, NaN where not labelled. M_{i,j} is the optical flow
from frame i to frame j; M[K] reads it at K, bilinearly between pixels.
"""

from __future__ import annotations

import numpy as np

from poof.flow.field import FlowField


def forward_step(points: np.ndarray, flow: FlowField, interpolation: str = "bilinear") -> np.ndarray:
    """K_{t+1} = K_t + M_{t,t+1}[K_t], equation (3.3).

    Also the exact backward step, K_{t-1} = K_t + M_{t,t-1}[K_t], when `flow` is the flow from t to t-1.
    """
    return points + flow.sample(points, interpolation)


def thesis_backward_step(points: np.ndarray, flow: FlowField, interpolation: str = "bilinear") -> np.ndarray:
    """K_{t-1} = K_t - M_{t-1,t}[K_t], equation (3.2): the FORWARD flow of the earlier pair, read at the later position.

    A first-order inverse of (3.3): exact only where the flow is locally constant. For an affine motion x -> A x + b it
    gives 2 x - (A x + b) in place of A^-1 (x - b).
    """
    return points - flow.sample(points, interpolation)


def cycle_error(points: np.ndarray, moved: np.ndarray, returning: FlowField) -> np.ndarray:
    """(K,) distance in pixels between a point and where the opposite flow brings its moved self back to."""
    back = moved + returning.sample(moved)
    return np.hypot(*(back - points).T)

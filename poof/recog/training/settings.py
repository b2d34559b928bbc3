"""What a training needs besides network, data and recipe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Settings:
    """Where and how a training runs.

    Attributes
    ----------
    workers
        Processes that read clips, 0 for none.
    device
        'cpu', 'cuda' ...
    amp
        Mixed precision: float16 with loss scaling on CUDA, bfloat16 on CPUs.
    seed
        Of everything random.
    max_broken
        Share of the clips that may be unreadable before the training stops.
    resume
        Go on from `last.pt` in the folder.
    """

    workers: int = 0
    device: str = "cpu"
    amp: bool = False
    seed: int = 0
    max_broken: float = 0.02
    resume: bool = False

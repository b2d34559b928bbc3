"""Settings of propagation: every choice that decides the result, with its default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from poof.errors import PoofError, names_near
from poof.propagation.regions import AREA

METHODS = ("blend", "chain", "thesis")
BACKWARDS = ("flow", "thesis")
OVERLAPS = ("nearest", "blend")
INTERPOLATIONS = ("bilinear", "nearest")
MAX_RADIUS = 100_000


@dataclass(frozen=True)
class Settings:
    """How labels are propagated.

    Attributes
    ----------
    radius : int
        R: frames before and after an anchor that are labelled.
    method : str
        'blend': chains from both neighbouring anchors, weighted by how far each can be trusted.
        'chain': the chain of the nearest anchor. 'thesis': the same with equation (3.2) backwards, as in the thesis.
    backward : str
        'flow': backward steps read the flow from t to t-1. 'thesis': equation (3.2), with forward flow only.
    overlap : str
        Where windows overlap, for 'chain' and 'thesis': 'nearest' anchor wins, or 'blend' by distance.
    interpolation : str
        'bilinear', or 'nearest' for the literal reading of M[K].
    crop : bool
        Compute flow around the subjects; otherwise on the whole frame.
    area : int
        Pixels of a crop as the estimator sees it.
    max_size : int or None
        Longest side that an estimator sees.
    min_confidence : float
        Propagated points below are left out.
    min_presence : float
        A keypoint that some label says is absent is absent elsewhere too where the probability that it is in the
        picture is below; see `presence`.

    Raises
    ------
    PoofError
        On values that make no sense, naming the valid ones.
    """

    radius: int = 10
    method: str = "blend"
    backward: str = ""
    overlap: str = "nearest"
    interpolation: str = "bilinear"
    crop: bool = True
    area: int = AREA
    max_size: int | None = None
    min_confidence: float = 0.0
    min_presence: float = 0.01

    def __post_init__(self) -> None:
        if not self.backward:
            object.__setattr__(self, "backward", "thesis" if self.method == "thesis" else "flow")
        for name, valid in (
            ("method", METHODS),
            ("backward", BACKWARDS),
            ("overlap", OVERLAPS),
            ("interpolation", INTERPOLATIONS),
        ):
            if getattr(self, name) not in valid:
                raise PoofError(f"--{name} {getattr(self, name)}: valid are {names_near(getattr(self, name), valid)}")
        if not 1 <= self.radius <= MAX_RADIUS:
            raise PoofError(f"--radius {self.radius}: must lie between 1 and {MAX_RADIUS} (10 is usual)")
        if self.max_size is not None and self.max_size < 32:
            raise PoofError(f"--max-size {self.max_size}: must be at least 32 pixels")
        for name in ("min_confidence", "min_presence"):
            if not 0 <= getattr(self, name) <= 1:
                raise PoofError(f"--{name.replace('_', '-')} {getattr(self, name):g}: must lie between 0 and 1")
        if self.method == "blend" and self.backward == "thesis":
            raise PoofError("--backward thesis needs --method thesis or chain: the blend weighs by backward flow")

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for files and cache keys."""
        return asdict(self)

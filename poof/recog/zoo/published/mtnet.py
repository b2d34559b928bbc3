"""MTNet of the public code, which is no network of poof's: its files are known, and refused with what to do."""

from __future__ import annotations

from collections.abc import Iterator

from poof.recog.core.model import Recognizer
from poof.recog.zoo.published.rules import Rules, State


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    """The public code has ResNets of 64 to 512 channels with two tensors; the document has X3D's with one."""
    yield (
        "in the public code a short and a long path of their own run through a ResNet, in the document (mtnet-s, -m, "
        "-l) one tensor through X3D's layers; train those with --recipe mtnet"
    )


RULES = Rules(
    "MTNet of alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates",
    r"\.conv_short2long\.|\.conv_short\.",
    "no network of poof's takes it",
    differs=_differs,
)

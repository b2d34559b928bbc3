"""Joint training of a projection and a classifier: how two losses become one step.

Document: Huang (2022), Section 3.5.4. Theta1 are the weights of a `DynamicAppearance`, Theta2 all others; L1 is the
projection's loss (a function of Theta1 alone), L2 the classifier's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.gradients import Average, Differentiate

if TYPE_CHECKING:
    from poof.recog.core.model import Recognizer
    from poof.recog.zoo.modules.pwtp import DynamicAppearance


class JointTraining:
    """One step after the other, by the rule of the module's `joint` knob.

    mgda: Theta1 follows alpha g1 + (1 - alpha) g2 with the alpha of `mgda_weight` (Algorithm 1), Theta2 its own
    gradient. separate: Theta1 follows g1, Theta2 its own. fixed, scheduler: alpha L1 + (1 - alpha) L2 is
    differentiated (Eq. 3.15), with the module's alpha or that of `scheduled_weight`.
    """

    def __init__(
        self,
        name: str,
        module: DynamicAppearance,
        steps: int,
        average: Average = lambda gradients: None,
    ) -> None:
        self.key, self.module, self.steps, self.average = f"{name}.enopr", module, steps, average

    def __call__(self, model: Recognizer, loss: Tensor, extra: dict[str, Tensor], differentiate: Differentiate) -> None:
        """Leave the gradients of one batch in the parameters, on top of what is there."""
        energy = extra.get(self.key)
        other = loss + sum(value for key, value in extra.items() if key != self.key)
        if energy is None or not energy.requires_grad:
            return differentiate(other)  # the projection is not trained
        self.module.steps += 1
        if self.module.joint in ("mgda", "separate"):
            alpha = self._by_gradients(energy, other, differentiate)
        else:
            alpha = self.weight(int(self.module.steps))
            differentiate(alpha * energy + (1 - alpha) * other)
        return self.module.note(alpha=alpha, enopr=float(energy.detach()))

    def weight(self, step: int) -> float:
        """alpha of a step, counted from 1, where it does not depend on gradients."""
        m = self.module
        if m.joint == "fixed":
            return m.alpha
        return scheduled_weight(min(step, self.steps), self.steps, m.gamma, m.floor, m.literal)

    def _by_gradients(self, energy: Tensor, other: Tensor, differentiate: Differentiate) -> float:
        weights = [p for p in self.module.parameters() if p.requires_grad]
        before = [p.grad for p in weights]
        _clear(weights)
        differentiate(energy, retain_graph=True)  # reaches these weights only, so it is cheap
        first = [_gradient(p) for p in weights]
        _clear(weights)
        differentiate(other)
        second = [_gradient(p) for p in weights]
        self.average([*first, *second])
        alpha = 1.0 if self.module.joint == "separate" else mgda_weight(first, second)
        for weight, old, g1, g2 in zip(weights, before, first, second, strict=True):
            new = alpha * g1 + (1 - alpha) * g2
            weight.grad = new if old is None else old + new
        return alpha


def mgda_weight(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """alpha in [0, 1] for which alpha g1 + (1 - alpha) g2 is shortest (Eq. 3.18), over tensors taken as one vector.

    Inside (0, 1) the result has the same product with both gradients, its own square: it descends on both losses.
    Where the gradients are equal every alpha is right and 1/2 is given; also where they are not finite, as happens
    under loss scaling in steps that are then skipped.
    """
    toward = length = 0.0
    for g1, g2 in zip(first, second, strict=True):
        a, b = g1.double(), g2.double()
        toward += float(((b - a) * b).sum())
        length += float((a - b).square().sum())
    alpha = toward / length if length > 0 else 0.5
    return min(max(alpha, 0.0), 1.0) if math.isfinite(alpha) else 0.5


def scheduled_weight(step: int, steps: int, gamma: float, floor: float, literal: bool = False) -> float:
    """alpha falls from 1 at the first step over `floor` at the share gamma of all steps to 0 at the last (Eq. 3.19).

    The base of the first half's logarithm is printed scrambled; it is the one for which that half ends at `floor`. The
    second half as printed (`literal`) jumps to about 0 there and rises again; it is shifted here so that it begins at
    `floor`.
    """
    if not 1 <= step <= steps:
        raise PoofError(f"step {step} of {steps}")
    turn = gamma * steps
    if step < turn:
        return 0.5 * (1 + math.cos(math.acos(2 * floor - 1) * math.log(step) / math.log(turn)))
    rest = max((1 - gamma) * steps, 1.0)
    if literal:
        return 0.5 * floor * (1 + math.cos(math.pi * math.log(step) / math.log(max(rest, 2.0))))
    if rest <= 1:
        return floor
    passed = min(step - turn + 1, rest)
    return 0.5 * floor * (1 + math.cos(math.pi * math.log(passed) / math.log(rest)))


def _clear(weights: Sequence[nn.Parameter]) -> None:
    for weight in weights:
        weight.grad = None


def _gradient(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad

"""Class Regularisation: channels are scaled by the classifier's own weights of the class that is guessed early."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule, choose, full_precision

FIRST, LAST = 0.9, 0.6


class ClassRegularisation(TemporalModule):
    """out = x * w_c behind every stage, w_c in [rate, 1] from the classifier's weights of the guessed class c.

    With W (classes, C') the classifier's weights as they are (detached, no bias) and P (C, C') learned here, the class
    weights are w_n = relu(P W_n). The guess c of a clip is the class whose w_n has the highest product with the mean
    of x over time and space; w_c is then stretched so that its smallest channel becomes `rate` and its largest 1. The
    true class plays no part; training and test are the same. P learns from the classification loss alone; the
    classifier gets no gradient from here, and the guess is a constant.

    The document prints rate * (w - min) * (1 - rate) / (max - min), which is zero for rate = 1 although that is said
    to have no effect: a plus is missing behind the first rate. It compares vectors by '>': they are summed here, as
    the logits of its text are, or `guess=max` takes their largest channel. Where all channels of w_c are equal (all
    dead, say), w_c = 1.

    Knobs
    -----
    rate : 0.9, 0.8, 0.7, 0.6
        By stage; one number here is for all stages. 1 leaves the features alone.
    guess : sum | max
    columns, classes
        Columns and rows of W; known from the backbone.
    """

    document = "Stergiou: Efficient Modelling Across Time (Utrecht 2021), Section 6.3"
    summary = "scales channels by the classifier's weights of the class guessed so far"
    min_frames = 1

    def __init__(
        self, shape: Shape, rate: float = FIRST, guess: str = "sum", columns: int = 512, classes: int = 2
    ) -> None:
        super().__init__(shape)
        choose("guess", guess, ("sum", "max"))
        if not 0 < rate <= 1:
            raise PoofError(f"rate={rate}: the weights of channels lie between it and 1, so it must be in (0, 1]")
        self.rate, self.guess, self.columns, self.classes = rate, guess, columns, classes
        self.match = nn.Linear(columns, shape.channels, bias=False)
        nn.init.kaiming_normal_(self.match.weight)
        self._classifier: tuple[nn.Linear, ...] = ()  # a tuple, not a submodule: it is the host's own
        self._read: dict[str, float] = {}

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """Behind every stage, with the rate of Table 6.1."""
        classifier = host.net.get_submodule(host.classifier)
        assert isinstance(classifier, nn.Linear)
        steps = max(len(host.stages) - 1, 1)
        return [
            Place(
                path,
                "after",
                (
                    ("rate", round(FIRST - (FIRST - LAST) * number / steps, 3)),
                    ("columns", classifier.in_features),
                    ("classes", classifier.out_features),
                ),
            )
            for number, path in enumerate(host.stages)
        ]

    def attach(self, host: Host) -> None:
        """Look at this host's classifier from now on."""
        classifier = host.net.get_submodule(host.classifier)
        assert isinstance(classifier, nn.Linear)
        self._classifier = (classifier,)

    def class_weights(self) -> Tensor:
        """(classes, C) weights of this place's channels for every class: relu(P W_n), W detached."""
        if not self._classifier:  # no host yet: only the cost of this is asked for
            return self.match(self.match.weight.new_zeros(self.classes, self.columns)).relu()
        # A classifier that was widened for side branches has the backbone's features first.
        return self.match(self._classifier[0].weight.detach()[:, : self.columns]).relu()

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        with full_precision(x):
            table = self.class_weights()
            means = x.detach().to(table.dtype).mean((1, 3, 4))
            scale = stretch(table[guess_classes(means, table.detach(), self.guess)], self.rate)
        if self.watching:
            self._read = {"scale": float(scale.detach().mean())}
        return x * scale[:, None, :, None, None].to(x.dtype)

    def diagnostics(self) -> dict[str, float]:
        """scale: mean factor on the channels."""
        return dict(self._read)


def guess_classes(means: Tensor, table: Tensor, rule: str = "sum") -> Tensor:
    """(N,) the class whose weights fit the channels' means best.

    Parameters
    ----------
    means : (N, C)
    table : (classes, C)
    rule
        'sum' compares sums of weight * mean over channels, 'max' the largest of these products.
    """
    if rule == "sum":
        return (means @ table.T).argmax(1)
    return (means[:, None] * table).amax(2).argmax(1)


def stretch(weights: Tensor, rate: float) -> Tensor:
    """rate + (1 - rate) * (w - min) / (max - min) over the last axis; 1 where max = min, and throughout for rate 1."""
    if rate == 1:
        return torch.ones_like(weights)
    low, high = weights.amin(-1, keepdim=True), weights.amax(-1, keepdim=True)
    spread = high - low
    flat = spread == 0
    stretched = rate + (1 - rate) * (weights - low) / torch.where(flat, 1.0, spread)
    return torch.where(flat, 1.0, stretched)

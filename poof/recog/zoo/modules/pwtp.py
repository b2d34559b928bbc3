"""PWTP: dynamic appearance, what is left of a segment when each cell's own projection is taken off."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from poof.errors import PoofError, PoofWarning
from poof.recog.core.gradients import Average, Backward
from poof.recog.core.module import InputModule, Picture, Shape, choose, full_precision, in_segments, single
from poof.recog.zoo.modules.joint import JointTraining
from poof.recog.zoo.modules.non_persistent import NonPersistent

TINY = 1e-12
JOINTS = ("mgda", "scheduler", "fixed", "separate")


class DynamicAppearance(InputModule):
    """Mean over time of x - A (A'A)^-1 A'x, with a matrix A (T x D) of its own for every cell (Eqs. 3.7 to 3.12).

    A comes from a convolution of each frame, the products of all pairs of frames in each of its cells, and an MLP on
    those; it is enlarged bilinearly. T frames of a segment become one image in place of an RGB frame.

    That image is w'x with w = (I - P) 1 / T, P the projection. The projection that fits still cells best holds the
    constant direction, and with it w is 0 for everything, moving or not: the loss that the document trains the
    projection with leads there, and it does not mention it. `guard` is the largest share of the constant direction
    that A may hold; where it holds more, its constant part is shortened until it does not. At 0.9 still cells keep at
    least a tenth of their value. 1.0 is the document.

    The loss (Eq. 3.13, sum over time and mean over cells and channels of the squared residual) is the module's own
    objective; how it is weighed against the classifier's is chosen here and done by `JointTraining`.

    Knobs
    -----
    t : 8
        Frames of a segment.
    d : 1
        Columns of A. From 3 on the three colours of a cell can be fitted exactly.
    kernel, stride, channels : 9, 8, 24
        Of the convolution.
    bottleneck, blocks, ratio : 0.25, 1, 2
        Of the MLP: hidden width ratio * T(T-1)/2, and `blocks` residual blocks through bottleneck * that.
    guard : 0.9
        See above.
    joint : mgda | scheduler | fixed | separate
        Common descent direction of both gradients (the document's best), a weight that falls over the training, a
        fixed weight, or each part by its own loss.
    alpha : 0.5
        The fixed weight of the projection's loss.
    gamma, floor : 0.1, 0.1
        Of the scheduler: share of the training after which the weight is `floor` (the document's lambda).
    literal : false
        The scheduler's second half as printed, which jumps.
    """

    document = "Huang (2022), Sections 3.5 and 3.6 (PWTP, DAN)"
    steps: Tensor
    summary = "T frames to one dynamic appearance: what no projection of each cell over time explains"

    def __init__(
        self,
        shape: Shape,
        t: int = 8,
        d: int = 1,
        kernel: int = 9,
        stride: int = 8,
        channels: int = 24,
        bottleneck: float = 0.25,
        blocks: int = 1,
        ratio: int = 2,
        guard: float = 0.9,
        joint: str = "mgda",
        alpha: float = 0.5,
        gamma: float = 0.1,
        floor: float = 0.1,
        literal: bool = False,
    ) -> None:
        super().__init__(shape)
        if t < 2 or not 1 <= d < t:
            raise PoofError(f"{d} columns for {t} frames: a projection needs 2 frames and fewer columns than frames")
        if shape.frames % t:
            raise PoofError(f"{shape.frames} frames cannot be cut into segments of {t}")
        if kernel % 2 == 0 or min(kernel, stride, channels, ratio) < 1 or blocks < 0 or not 0 < bottleneck <= 1:
            raise PoofError("kernel must be odd, widths at least 1, the bottleneck in (0, 1]")
        if not 0 < guard <= 1 or not 0 <= alpha <= 1 or not 0 < gamma < 1 or not 0 < floor < 1:
            raise PoofError(f"guard={guard}, alpha={alpha}, gamma={gamma}, floor={floor}: all lie between 0 and 1")
        if d >= shape.channels:
            warnings.warn(
                f"pwtp: {d} columns fit the {shape.channels} colours of a cell exactly; its loss can become 0 without "
                "having learned anything",
                PoofWarning,
                stacklevel=2,
            )
        self.t, self.d, self.guard = t, d, guard
        self.joint, self.alpha = choose("joint", joint, JOINTS), alpha
        self.gamma, self.floor, self.literal = gamma, floor, literal
        self.relate = nn.Conv2d(shape.channels, channels, kernel, stride, kernel // 2)
        first, second = torch.triu_indices(t, t, 1, device="cpu").tolist()
        self.pairs = (first, second)
        self.mlp = RelationMLP(len(first), ratio * len(first), t * d, bottleneck, blocks)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # of training, for the scheduler
        self._loss: NonPersistent[Tensor] = NonPersistent()
        self._seen: NonPersistent[tuple[Tensor, float]] = NonPersistent()
        self._reads: list[dict[str, float]] = []

    @classmethod
    def raw_frames(cls, **knobs: Any) -> int:
        """T."""
        return int(knobs.get("t", 8))

    def matrix(self, segments: Tensor) -> Tensor:
        """A (N, T, D, H, W) of segments (N, T, C, H, W), guarded."""
        features = self.relate(segments.flatten(0, 1)).unflatten(0, segments.shape[:2])
        pairs = (features[:, self.pairs[0]] * features[:, self.pairs[1]]).mean(2)
        coarse = self.mlp(pairs)
        fine = interpolate(coarse, size=segments.shape[-2:], mode="bilinear", align_corners=False)
        return guard_constant(fine.unflatten(1, (self.t, self.d)), self.guard)

    def forward(self, x: Tensor) -> Tensor:
        """(N, S * T, C, H, W) to (N, S, C, H, W)."""
        with full_precision(x):
            segments = in_segments(single(x), self.t)
            matrix = self.matrix(segments)
            residual = segments - project(matrix, segments)
            appearance = residual.mean(1)
            if self.training or self.watching:
                self._loss.value = residual.square().sum(1).mean()
            if self.watching:
                self._seen.value = (appearance.detach(), float(constant_share(matrix.detach()).mean()))
            else:
                self._seen.value = None
        return appearance.unflatten(0, (len(x), -1)).to(x.dtype)

    def losses(self) -> dict[str, Tensor]:
        """The energy of the residual (ENoPR), without weight."""
        return {"enopr": self._loss.value} if self._loss.value is not None and self.training else {}

    def backward_rule(self, name: str, steps: int, average: Average) -> Backward:
        """As the knob `joint` says."""
        return JointTraining(name, self, steps, average)

    def note(self, **reads: float) -> None:
        """What the joint training tells of a step."""
        self._reads.append(reads)

    def training_reads(self) -> dict[str, float]:
        """Mean weight of the projection's loss and mean loss over the steps since the last call."""
        rows, self._reads = self._reads, []
        return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]} if rows else {}

    def diagnostics(self) -> dict[str, float]:
        """Energy of the residual, and the share of the constant direction in A (at 1 nothing would be left)."""
        if self._seen.value is None or self._loss.value is None:
            return {}
        return {"enopr": float(self._loss.value.detach()), "constant_share": self._seen.value[1]}

    def pictures(self) -> list[Picture]:
        """The dynamic appearance."""
        if self._seen.value is None:
            return []
        segments = self.shape.frames // self.t
        return [Picture("dynamic appearance", self._seen.value[0][:segments], "signed")]


class RelationMLP(nn.Module):
    """FC to `hidden`, residual blocks of norm and two FCs, FC to `outputs`, in each cell; GELU behind all but the last.

    Biases everywhere, batch norms over the hidden width (what the parameters of Table 3.13 belong to).
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, bottleneck: float, blocks: int) -> None:
        super().__init__()
        narrow = max(int(bottleneck * hidden), 1)
        self.first = nn.Sequential(nn.Conv2d(inputs, hidden, 1), nn.GELU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(hidden), nn.Conv2d(hidden, narrow, 1), nn.GELU(), nn.Conv2d(narrow, hidden, 1), nn.GELU()
            )
            for _ in range(blocks)
        )
        self.last = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, outputs, h, w)."""
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)


def project(matrix: Tensor, x: Tensor) -> Tensor:
    """A (A'A)^-1 A'x in each cell; A (N, T, D, H, W), x (N, T, C, H, W)."""
    if matrix.shape[2] == 1:
        energy = matrix.square().sum(1, keepdim=True) * (1 + _share(x)) + TINY
        return matrix * ((matrix * x).sum(1, keepdim=True) / energy)
    a, b = matrix.permute(0, 3, 4, 1, 2), x.permute(0, 3, 4, 1, 2)
    return (a @ torch.linalg.solve(_gram(a), a.mT @ b)).permute(0, 3, 4, 1, 2)


def constant_share(matrix: Tensor) -> Tensor:
    """|P 1|^2 / T (N, H, W) of A (N, T, D, H, W): 1 where its columns hold the constant direction."""
    a = matrix.permute(0, 3, 4, 1, 2)
    ones = a.sum(3).unsqueeze(4)
    return (ones.mT @ torch.linalg.solve(_gram(a), ones))[..., 0, 0] / matrix.shape[1]


def guard_constant(matrix: Tensor, largest: float) -> Tensor:
    """A whose columns hold at most this share of the constant direction; 1 leaves it alone.

    With A = B + 1 c', B'1 = 0, the share is T q / (1 + T q) for q = c'(B'B)^-1 c; c is multiplied by one number that
    brings it down to the largest.
    """
    if largest >= 1:
        return matrix
    constant = matrix.mean(1, keepdim=True)
    rest = matrix - constant
    if matrix.shape[2] == 1:
        energy = constant.square()
        q = energy / (rest.square().sum(1, keepdim=True) + _share(matrix) * energy + TINY)
    else:
        b, c = rest.permute(0, 3, 4, 1, 2), constant.permute(0, 3, 4, 2, 1)
        q = (c.mT @ torch.linalg.solve(_gram(b, c.square().sum((-2, -1))), c))[..., 0, 0][:, None, None]
    allowed = largest / (1 - largest) / matrix.shape[1]
    return rest + constant * (allowed / q.clamp_min(allowed)).sqrt()


def _gram(a: Tensor, more: Tensor | float = 0.0) -> Tensor:
    """A'A with a little of its mean diagonal (and of `more`) added, so that it can be solved."""
    gram = a.mT @ a
    ridge = _share(a) * (gram.diagonal(dim1=-2, dim2=-1).mean(-1) + more) + TINY
    return gram + ridge[..., None, None] * torch.eye(gram.shape[-1], dtype=a.dtype, device=a.device)


def _share(x: Tensor) -> float:
    """How much is added to a diagonal: a millionth in single precision, nothing that shows in double."""
    return 8 * torch.finfo(x.dtype).eps

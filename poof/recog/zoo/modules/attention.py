"""Attention without projections, Q = K = V: along time, and over space-time patches (inside M2A)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from poof.recog.core.module import full_precision, shift_time, single


class SelfAttention(nn.Module):
    """softmax(U U^T / sqrt(d)) U over the frames of a clip; a frame is one vector of d = C*H*W numbers.

    Document: Gebotys (2022), eq. 4.5. Frames that are layer-normed have |u|^2 = d, so each scores sqrt(d) with itself
    and the softmax all but picks the frame itself unless frames correlate by 0.99 and more: `diagnostics` tells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watching = False
        self.weights: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        self.weights = []
        return self.attend(x.flatten(2)).view_as(x)

    def attend(self, u: Tensor) -> Tensor:
        """Attention among the L tokens of (N, L, d)."""
        # Scores are sums of up to 10^5 squares: beyond float16 before they are divided by sqrt(d).
        with full_precision(u):
            v = single(u)
            if self.watching:
                self.weights.append((v @ v.transpose(1, 2) / math.sqrt(v.shape[-1])).softmax(-1).detach())
            return scaled_dot_product_attention(v, v, v).to(u.dtype)

    def diagnostics(self) -> dict[str, float]:
        """`attention_entropy`: mean entropy of a token's weights over ln(L), 0 is one-hot and 1 is uniform;
        `attention_self`: mean weight of a token on itself. Of the first attention where there are two."""
        if not self.weights or self.weights[0].shape[-1] < 2:
            return {}
        weights = self.weights[0]
        entropy = -torch.xlogy(weights, weights).sum(-1).mean() / math.log(weights.shape[-1])
        diagonal = weights.diagonal(dim1=1, dim2=2).mean()
        return {"attention_entropy": float(entropy), "attention_self": float(diagonal)}


class PatchAttention(SelfAttention):
    """Attention along time among equal patches of side `size`, then among the patches of each frame.

    Document: Gebotys (2022), Table 4.4. Where `size` does not divide the map, the released code attends among all
    cells of all frames at once (L = T*H*W, d = C), and so does this: at 224x224 that is the case from stage 3 on for
    size 4 and from stage 2 on for size 8, where it costs most of the module.

    With `released`, norms and motion are inside, as in that code: tokens are layer-normed each by itself, the motion is
    the difference to the next token (of the next cell, in the fallback), and either attention has a skip connection.
    """

    def __init__(self, size: int, released: bool = False) -> None:
        super().__init__()
        self.size, self.released = size, released

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        self.weights = []
        n, t, c, h, w = x.shape
        p = self.size
        if h % p or w % p:
            cells = self._along(x.permute(0, 1, 3, 4, 2).reshape(n, t * h * w, c))
            return cells.view(n, t, h, w, c).permute(0, 1, 4, 2, 3)
        rows, columns = h // p, w // p
        patches = x.reshape(n, t, c, rows, p, columns, p).permute(0, 3, 5, 1, 2, 4, 6)
        along_time = self._along(patches.reshape(n * rows * columns, t, c * p * p))
        frames = along_time.view(n, rows * columns, t, -1).transpose(1, 2).reshape(n * t, rows * columns, -1)
        within = (self.attend(layer_norm(frames, frames.shape[-1:])) + frames) if self.released else self.attend(frames)
        within = within.view(n, t, rows, columns, c, p, p)
        return within.permute(0, 1, 4, 2, 5, 3, 6).reshape(n, t, c, h, w)

    def _along(self, tokens: Tensor) -> Tensor:
        """Attention among tokens (N, L, d); as released: among their differences, beside what came in."""
        if not self.released:
            return self.attend(tokens)
        normed = layer_norm(tokens, tokens.shape[-1:])
        return self.attend(shift_time(normed, 1) - normed) + tokens

"""Squeeze and recursion: every channel of every frame is scaled by a recurrent network that runs along the clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Block, Host
from poof.recog.core.module import Place, Shape, TemporalModule, choose, full_precision

CELLS = ("lstm", "peephole", "gru", "gru_after", "rnn")
PLACEMENTS = ("start", "top", "mid", "end", "res", "final")


class SqueezeRecursion(TemporalModule):
    """out[t] = x[t] * h[t], h = recurrence over the frames' spatial means (eq. 4.1 to 4.5, or 5.8 to 5.11).

    Squeeze-and-excitation with its two linear layers replaced by a recurrence along time. There is no sigmoid on h,
    no reduction and no skip connection, so |out| < |x| always, and the sign of x may turn (`scale` in the diagnostics
    is the mean |h|). Frame t knows the frames up to t only. No parameter depends on T.

    Knobs
    -----
    cell : lstm | peephole | gru | gru_after | rnn
        `lstm` of Chapter 4; `peephole` the LSTM of Table 5.7 whose gates see its memory; `gru` by the document's
        equations, the reset gate in front of the matrix product and one bias a gate; `gru_after` is torch's own, with
        the reset behind it and two biases; `rnn` of Table 5.7.
    layers : 2
        Stacked cells; the text says two, the parameter counts of Table 5.7 (GRU) fit one.
    placement : start | top | mid | end | res | final
        Input of the block; behind its first convolution (bottlenecks only); in its middle (behind the first of two or
        the second of three convolutions); in front of the sum (bottlenecks only); on the skip connection (where every
        skip is a layer: the r3d and r2plus1d backbones); behind the block, the document's choice.
    """

    document = "Stergiou: Efficient Modelling Across Time (Utrecht 2021), Sections 4.3.1 and 5.3.2"
    origin = "alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates"
    summary = "scales channels and frames by a recurrence along the clip"
    min_frames = 1  # the document keeps it where one frame is left

    def __init__(self, shape: Shape, cell: str = "lstm", layers: int = 2) -> None:
        super().__init__(shape)
        self.recurrence = Recurrence(shape.channels, cell, layers)
        self._read: dict[str, float] = {}

    @classmethod
    def places(cls, host: Host, placement: str = "final") -> Sequence[Place]:
        """In every block of every stage."""
        choose("placement", placement, PLACEMENTS)
        layers = {name for name, _ in host.net.named_modules()}
        return [place_in_block(block, placement, layers) for block in host.blocks]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        h = self.recurrence(x.mean((3, 4)))
        if self.watching:
            self._read = {"scale": float(h.detach().abs().mean())}
        return x * h[..., None, None].to(x.dtype)

    def diagnostics(self) -> dict[str, float]:
        """scale: mean of |h|, by which features are multiplied."""
        return dict(self._read)


def place_in_block(block: Block, placement: str, layers: set[str]) -> Place:
    """Fig. 4.5 for blocks with torchvision's names; `layers` are the paths that the host has.

    Raises
    ------
    PoofError
        If a block has no such place.
    """
    if placement == "start":
        return Place(block.path)
    if placement == "final":
        return Place(block.path, "after")
    if f"{block.path}.conv2" not in layers:
        raise PoofError(f"placement={placement}: {block.path} is no residual block of two or three convolutions")
    bottleneck = f"{block.path}.conv3" in layers
    if placement == "res":
        skip = f"{block.path}.downsample"
        if skip not in layers:
            raise PoofError(
                f"placement=res: the skip connection of {block.path} is no layer here; take an r3d_34 to r2plus1d_101"
            )
        return Place(skip, "after")
    if placement == "mid":
        return Place(f"{block.path}.conv3" if bottleneck else block.second)
    if not bottleneck:
        raise PoofError(f"placement={placement}: {block.path} has two convolutions; choose start, mid, res or final")
    if placement == "top":
        return Place(block.second)
    last = f"{block.path}.bn3"  # 2D bottlenecks norm beside the convolution, video bottlenecks inside conv3
    return Place(last if last in layers else f"{block.path}.conv3", "after")


class Recurrence(nn.Module):
    """Stacked recurrent cells over (N, T, C), states as wide as the input, starting from zeros; in full precision."""

    def __init__(self, channels: int, cell: str = "lstm", layers: int = 2) -> None:
        super().__init__()
        choose("cell", cell, CELLS)
        if layers < 1:
            raise PoofError(f"layers={layers}: a recurrence needs at least one")
        self.net: nn.Module
        if cell == "gru":
            self.net = nn.Sequential(*(GatedCell(channels) for _ in range(layers)))
        elif cell == "peephole":
            self.net = nn.Sequential(*(PeepholeCell(channels) for _ in range(layers)))
        else:
            kind = {"lstm": nn.LSTM, "gru_after": nn.GRU, "rnn": nn.RNN}[cell]
            self.net = kind(channels, channels, layers, batch_first=True)

    def forward(self, p: Tensor) -> Tensor:
        """(N, T, C) to hidden states (N, T, C) in float32 (float64 stays)."""
        with full_precision(p):
            p = p if p.dtype == torch.float64 else p.float()
            return self.net(p) if isinstance(self.net, nn.Sequential) else self.net(p)[0]

    def scale(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) times the states of its frames' spatial means."""
        h = self(x.mean((3, 4)).transpose(1, 2)).transpose(1, 2)
        return x * h[..., None, None].to(x.dtype)


class GatedCell(nn.Module):
    """The GRU of eq. 5.8 to 5.11: h = z * h' + (1 - z) * tanh(W_h [r * h', p] + b_h) with h' the state before.

    Torch's cell applies r behind the product with h' instead, and has a second bias. The products with p are one
    matrix product for the clip, those with h' one (z and r) plus one (candidate) a frame.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(channels, 3 * channels)
        self.gates = nn.Linear(channels, 2 * channels, bias=False)
        self.candidate = nn.Linear(channels, channels, bias=False)
        bound = channels**-0.5  # as torch's recurrent layers begin
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, p: Tensor) -> Tensor:
        """(N, T, C) to (N, T, C)."""
        channels = p.shape[2]
        from_input = self.inputs(p)
        h = torch.zeros_like(p[:, 0])
        states = []
        for t in range(p.shape[1]):
            gates = (from_input[:, t, : 2 * channels] + self.gates(h)).sigmoid()
            z, r = gates.chunk(2, 1)
            proposal = (from_input[:, t, 2 * channels :] + self.candidate(r * h)).tanh()
            h = z * h + (1 - z) * proposal
            states.append(h)
        return torch.stack(states, 1)


class PeepholeCell(nn.Module):
    """An LSTM whose gates see the memory c besides input p and state h (Gers and Schmidhuber, IJCNN 2000).

    i = sigmoid(W_i [p, h'] + v_i * c'), f likewise, c = f * c' + i * tanh(W_c [p, h']), o = sigmoid(W_o [p, h'] + v_o *
    c), h = o * tanh(c), each product with a bias; c' and h' are those before. With v = 0 it is torch's LSTM, but that
    has each bias twice.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(channels, 4 * channels)  # of i, f, c and o, as torch has them
        self.states = nn.Linear(channels, 4 * channels, bias=False)
        self.memory = nn.Parameter(torch.empty(3, channels))  # v of i, f and o
        bound = channels**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, p: Tensor) -> Tensor:
        """(N, T, C) to (N, T, C)."""
        from_input = self.inputs(p)
        h = c = torch.zeros_like(p[:, 0])
        states = []
        for t in range(p.shape[1]):
            i, f, new, o = (from_input[:, t] + self.states(h)).chunk(4, 1)
            i, f = (i + self.memory[0] * c).sigmoid(), (f + self.memory[1] * c).sigmoid()
            c = f * c + i * new.tanh()
            h = (o + self.memory[2] * c).sigmoid() * c.tanh()
            states.append(h)
        return torch.stack(states, 1)

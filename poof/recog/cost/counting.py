"""Counting multiply-accumulates, with nothing left out silently.

Convention: one multiply-accumulate (MAC) is one product added to a sum, in convolutions, linear layers and matrix
products, whether they are layers, functions or parts of an attention or a recurrence. Biases are not counted. All
else (norms, activations, pooling, softmax, shifts that copy) goes into a second number, one operation per element of
each result; reshaping that moves nothing counts zero. Published FLOP figures mostly mean MACs, and differ in which of
the second kind they include.

The counted pass runs on torch's meta device: no arithmetic, and fused kernels (attention, LSTM) come apart there into
the products they are made of. A product kernel without a formula is reported by name.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_LAYOUT = {
    "view", "_unsafe_view", "reshape", "permute", "transpose", "transpose_", "t", "expand", "slice", "select", "detach",
    "unsqueeze", "unsqueeze_", "squeeze", "squeeze_", "split", "split_with_sizes", "unsafe_split", "unbind", "alias",
    "as_strided", "unfold", "diagonal", "lift_fresh", "empty", "empty_like", "zeros", "ones", "full", "arange",
    "new_zeros", "new_empty", "zeros_like", "ones_like", "_to_copy", "scalar_tensor",
}  # fmt: skip
_SLOW_ON_META = ("native_batch_norm", "add_", "mul_", "hardtanh_", "sigmoid", "sigmoid_", "tanh", "tanh_")
"""Results have the shape of the first argument; torch finds that out in Python, slower than it counts all else."""
_PRODUCTS_WITHOUT_FORMULA = ("mkldnn_rnn", "_cudnn_rnn", "miopen", "_thnn", "_scaled_dot_product", "conv", "matmul")


@dataclass
class Count:
    """What one forward pass costs.

    Attributes
    ----------
    macs
        Multiply-accumulates of products.
    other
        Elements written by everything else.
    by_operation
        MACs by kernel (convolution, bmm, addmm ...).
    uncounted
        Product kernels for which there is no formula; empty unless the pass had to run off the meta device.
    """

    macs: int = 0
    other: int = 0
    by_operation: Counter[str] = field(default_factory=Counter)
    uncounted: Counter[str] = field(default_factory=Counter)


class Counting(TorchDispatchMode):
    """While active, every kernel is added to `count`."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Count()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the kernel and count it."""
        kwargs = kwargs or {}
        packet = func._overloadpacket
        name = packet.__name__
        if name in _SLOW_ON_META and args[0].is_meta:
            same = args[0] if name.endswith("_") else torch.empty_like(args[0])
            result = (same, same.new_empty(0), same.new_empty(0)) if name == "native_batch_norm" else same
        else:
            result = func(*args, **kwargs)
        count = self.count
        if packet in flop_registry:
            macs = flop_registry[packet](*args, **kwargs, out_val=result) // 2
        elif name in ("mv", "dot", "vdot"):
            macs = args[0].numel()
        elif name == "addmv":
            macs = args[1].numel()
        elif name == "addbmm":
            macs = args[1].numel() * args[2].shape[-1]
        else:
            if name.startswith(_PRODUCTS_WITHOUT_FORMULA):
                count.uncounted[name] += 1
            elif name not in _LAYOUT:
                first = result[0] if isinstance(result, (tuple, list)) and result else result
                count.other += first.numel() if isinstance(first, Tensor) else 0
            return result
        count.macs += macs
        count.by_operation[name] += macs
        return result


def count_forward(module: nn.Module, *inputs: tuple[int, ...]) -> Count:
    """Cost of one forward pass in evaluation mode on inputs of these shapes; `module` itself is left alone."""
    on_meta = all(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))
    twin = module if on_meta else copy.deepcopy(module).to("meta")
    training = twin.training
    twin.eval()
    with torch.no_grad(), Counting() as counting:
        twin(*(torch.empty(shape, device="meta") for shape in inputs))
    twin.train(training)
    return counting.count


def parameters(module: nn.Module) -> int:
    """Number of parameters, trained or frozen."""
    return sum(p.numel() for p in module.parameters())

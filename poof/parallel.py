"""Training in several processes at once, one a GPU: `torchrun --nproc-per-node N -m poof train ...`.

Every process runs the whole program with the same options and takes its share of every batch; gradients are averaged
(DistributedDataParallel), so the weights stay the same in all of them. A batch is the global one: N processes compute
what one computes, but for the order of sums. For that, batch norms in training take their statistics over all
processes, and dropout draws for the whole batch. The first process (rank 0) alone writes and prints.

Outside of torchrun everything here is a group of one, which does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Sampler

from poof.errors import PoofError, PoofWarning

__all__ = ["ALONE", "Group", "Share", "current", "joined"]

T = TypeVar("T")
TIMEOUT = timedelta(minutes=10)
"""After which a process that waits for the others in a step gives up: one of them hangs."""
PREPARING = timedelta(hours=12)
"""The same where one process prepares data for all; one that died is noticed at once there, too."""
LOST = ("closed by peer", "connection reset", "broken pipe", "timed out", "timeout", "nccl", "peer closed", "no route")
"""In the errors of PyTorch when another process is gone."""
ADDRESS = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Group:
    """The processes that train together, seen from one of them; by itself a group of one.

    Attributes
    ----------
    rank, size
        Which of how many this is.
    rows : (int, int, int)
        Of the step that is being computed: first and last (exclusive) example of this process, and how many there are
        in all; (0, n, n) where every process computes the whole batch.
    """

    rank = 0
    size = 1

    def __init__(self) -> None:
        self.rows = (0, 1, 1)
        self.stopped = threading.Event()

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    @property
    def weight(self) -> float:
        """What the mean loss of this process' examples counts, so that the mean over processes is that of all."""
        start, stop, total = self.rows
        return 1.0 if self.whole else (stop - start) * self.size / total

    @property
    def whole(self) -> bool:
        """Whether this process computes all examples of the step."""
        start, stop, total = self.rows
        return stop - start == total

    def slice(self, count: int) -> tuple[int, int]:
        """This process' part of `count` examples; all of them where fewer than two would be left to each."""
        if self.size == 1 or count < 2 * self.size:
            return 0, count
        return self.rank * count // self.size, (self.rank + 1) * count // self.size

    def gather(self, value: T) -> list[T]:
        """A plain value of every process, in the order of ranks."""
        return [value]

    def any(self, *flags: bool) -> list[bool]:
        """Each flag: whether it is set in any process."""
        return list(flags)

    def sum(self, *values: float) -> list[float]:
        """Each value summed over the processes, in double precision."""
        return list(values)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over the processes, in place."""

    def module(self, net: nn.Module) -> nn.Module:
        """The network as training calls it; backward passes through it average the gradients."""
        return net

    def apart(self, net: nn.Module) -> Any:
        """Inside, backward passes through what `module` gave leave the gradients as they are."""
        del net
        return nullcontext()

    @contextmanager
    def together(self, net: nn.Module) -> Iterator[None]:
        """Inside, batch norms and dropout of a network in training see the whole batch, and Ctrl-C sets `stopped`."""
        del net
        yield

    @contextmanager
    def first(self) -> Iterator[None]:
        """The first process goes through the block before all others."""
        yield

    def from_main(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them; must go through pickle."""
        return make()


ALONE = Group()
_current: Group = ALONE


def current() -> Group:
    """The group that `joined` has made."""
    return _current


class Processes(Group):
    """More than one process, joined by torch.distributed."""

    def __init__(self, rank: int, size: int, device: torch.device) -> None:
        super().__init__()
        import torch.distributed as dist

        self.rank, self.size, self.device = rank, size, device
        self.plain = dist.new_group(backend="gloo", timeout=TIMEOUT)  # numbers and words, on the CPU
        self.patient = dist.new_group(backend="gloo", timeout=PREPARING)

    def gather(self, value: T) -> list[T]:
        return self._gather(value, self.plain)

    def _gather(self, value: T, processes: Any) -> list[T]:
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, processes)
        return values

    def any(self, *flags: bool) -> list[bool]:
        return [value > 0 for value in self.sum(*map(float, flags))]

    def sum(self, *values: float) -> list[float]:
        import torch.distributed as dist

        row = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(row, group=self.plain)
        return row.tolist()

    def average(self, tensors: Sequence[Tensor]) -> None:
        import torch.distributed as dist

        if not tensors:
            return
        row = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        dist.all_reduce(row)
        row /= self.size
        for tensor, part in zip(tensors, row.split([tensor.numel() for tensor in tensors])):
            tensor.detach().copy_(part.view_as(tensor))

    def module(self, net: nn.Module) -> nn.Module:
        from torch.nn.parallel import DistributedDataParallel

        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(net, device_ids=ids, find_unused_parameters=True)  # gates may be closed

    def apart(self, net: nn.Module) -> Any:
        return net.no_sync()  # type: ignore[operator]

    @contextmanager
    def together(self, net: nn.Module) -> Iterator[None]:
        changed: list[nn.Module] = []
        for layer in net.modules():
            if isinstance(layer, _BatchNorm):
                layer.forward = partial(_norm, layer, self)  # type: ignore[method-assign]
            elif type(layer) is nn.Dropout:
                layer.forward = partial(_dropout, layer, self)  # type: ignore[method-assign]
            else:
                continue
            changed.append(layer)
        try:
            with self._twice():
                yield
        finally:
            for layer in changed:
                del layer.forward

    @contextmanager
    def _twice(self) -> Iterator[None]:
        """Ctrl-C in a terminal comes twice, from it and from torchrun: only a third one breaks into a step."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: Any = signal.getsignal(signal.SIGINT)
        pressed: list[int] = []

        def handler(number: int, frame: Any) -> None:
            pressed.append(number)
            self.stopped.set()
            if len(pressed) > 2 and callable(before):
                signal.signal(signal.SIGINT, before)
                raise KeyboardInterrupt

        signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def first(self) -> Iterator[None]:
        if not self.main:
            self._gather(None, self.patient)
        yield
        if self.main:
            self._gather(None, self.patient)

    def from_main(self, make: Callable[[], T]) -> T:
        made: Any = make() if self.main else None
        given = self._gather(made, self.patient)[0]
        return made if self.main else given  # its own: what it made may go when nobody holds it


class Share(Sampler[list[Any]]):
    """Of every batch that a plan gives, the part of one process; see `Group.slice`."""

    def __init__(self, batches: Any, group: Group) -> None:
        self.batches, self.group = batches, group

    def __iter__(self) -> Iterator[list[Any]]:
        for batch in self.batches:
            start, stop = self.group.slice(len(batch))
            yield batch[start:stop]

    def __len__(self) -> int:
        return len(self.batches)


@contextmanager
def joined(device: str = "auto") -> Iterator[tuple[Group, str]]:
    """The group of this process and its device: inside a torchrun all of its processes, else this one alone.

    SIGTERM, with which torchrun and cluster managers stop processes, sets `Group.stopped`.

    Raises
    ------
    PoofError
        If the environment is not that of torchrun, there are fewer GPUs than processes, or a process is lost.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1:
        yield ALONE, device
        return
    import torch.distributed as dist

    global _current
    missing = [name for name in ADDRESS if not os.environ.get(name)]
    if missing:
        raise PoofError(f"WORLD_SIZE is set, {missing[0]} is not; start with torchrun --nproc-per-node N -m poof ...")
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    place = _device(device)
    backend = "nccl" if place.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=TIMEOUT)
        group = Processes(rank, size, place)
    except (RuntimeError, ValueError) as error:
        raise PoofError(f"process {rank + 1} of {size} cannot join the others: {error}") from error
    _current, before, whole = group, None, False
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, lambda *_: group.stopped.set())
    try:
        with warnings.catch_warnings():
            if not group.main:
                warnings.simplefilter("ignore", PoofWarning)
            yield group, str(place)
        whole = True
    except RuntimeError as error:
        if not any(word in str(error).lower() for word in LOST):
            raise
        raise PoofError(
            f"process {rank + 1} of {size} stops, because another one ended or answers no more (its own message says "
            "why); what was saved is whole: the same command with --resume goes on"
        ) from error
    finally:
        _current = ALONE
        if before is not None:
            signal.signal(signal.SIGTERM, before)
        if whole or place.type == "cpu":  # with NCCL and another process gone this might wait for it
            dist.destroy_process_group()


def _device(name: str) -> torch.device:
    """The GPU of this process, or the CPU."""
    local = int(os.environ.get("LOCAL_RANK") or 0)
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        raise PoofError(f"device {name}: several processes take one GPU each; leave out --device, or give cpu")
    count = torch.cuda.device_count()
    if local >= count:
        raise PoofError(f"process {local + 1} of this machine finds {count} GPUs; give torchrun as many processes")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


class _Sum(torch.autograd.Function):
    """The sum over all processes, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        import torch.distributed as dist

        del ctx
        total = x.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        import torch.distributed as dist

        del ctx
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def _norm(layer: Any, group: Group, x: Tensor) -> Tensor:
    """Batch norm with the statistics of the whole batch."""
    if not layer.training or group.whole:
        return type(layer).forward(layer, x)
    start, stop, total = group.rows
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    values = x if x.dtype == torch.float64 else x.float()
    count = values.numel() // values.shape[1] * total / (stop - start)
    mean = _Sum.apply(values.sum(axes)) / count
    rest = values - mean.view(shape)
    variance = _Sum.apply(rest.square().sum(axes)) / count
    if layer.track_running_stats:
        with torch.no_grad():
            layer.num_batches_tracked += 1
            share = layer.momentum if layer.momentum is not None else 1 / float(layer.num_batches_tracked)
            layer.running_mean.lerp_(mean.detach().to(layer.running_mean), share)
            unbiased = variance.detach() * count / max(count - 1, 1)
            layer.running_var.lerp_(unbiased.to(layer.running_var), share)
    y = rest * (variance + layer.eps).rsqrt().view(shape)
    if layer.affine:
        y = y * layer.weight.view(shape) + layer.bias.view(shape)
    return y.to(x.dtype)


def _dropout(layer: nn.Dropout, group: Group, x: Tensor) -> Tensor:
    """Dropout that draws for the whole batch and keeps what belongs to this process."""
    if not layer.training or group.whole or layer.p == 0:
        return nn.Dropout.forward(layer, x)
    start, stop, total = group.rows
    each = len(x) // (stop - start)
    mask = torch.empty(each * total, *x.shape[1:], dtype=x.dtype, device=x.device).bernoulli_(1 - layer.p)
    return x * mask[each * start : each * stop].div_(1 - layer.p)

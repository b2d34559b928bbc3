"""One step of a training: forward, losses to gradients, update."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.parallel import Group
from poof.recog.core.gradients import Average, Backward, Differentiate
from poof.recog.core.model import Recognizer
from poof.recog.core.tensor_files import NotFinite
from poof.recog.data.dataset import Batch
from poof.recog.training.multigrid import Grid, shrink
from poof.recog.training.settings import Settings
from poof.recog.training.state import State
from poof.recog.training.step_timer import StepTimer


class WithLosses(nn.Module):
    """The network whose forward pass also gives what its modules add to the loss: all that gradients come from."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and weighted losses by name."""
        return self.model(clips), self.model.losses()


def backward_of_modules(model: Recognizer, steps: int, average: Average) -> Backward | None:
    """How a network is trained in which a module weighs losses against each other; None for all others."""
    rules = [rule for name, m in model.temporal_modules() if (rule := m.backward_rule(name, steps, average))]
    if len(rules) > 1:
        raise PoofError("two modules of one network cannot both say how it is trained jointly; leave one out")
    return rules[0] if rules else None


def module_losses(model: Recognizer, loss: Tensor, extra: dict[str, Tensor], differentiate: Differentiate) -> None:
    """Gradients of what the modules add alone."""
    if not extra:
        raise PoofError(f"objective=modules: the modules of {model.config['name']} add no loss; take objective=all")
    differentiate(torch.stack(list(extra.values())).sum())


def learn(
    net: nn.Module,
    batch: Batch,
    criterion: nn.Module,
    scaler: torch.amp.GradScaler,
    share: float,
    settings: Settings,
    timer: StepTimer,
    state: State,
    backward: Backward | None,
    shape: Grid | None,
    group: Group,
) -> None:
    """Leave the gradients of a batch in the parameters, and its loss and hits in `state`.

    Parameters
    ----------
    net
        A `WithLosses`, or what a group has made of one.
    share
        Of the batch in those whose gradients are gathered before an update.
    backward
        How losses become gradients; None: their sum is differentiated.
    shape
        What multigrid makes of the clips.

    Raises
    ------
    NotFinite
        Where the loss is no number.
    """
    device = torch.device(settings.device)
    inner: Any = getattr(net, "module", net)
    model: Recognizer = inner.model
    with timer.part("move"):
        inputs = model.normalise(batch.clips.to(device, non_blocking=True))
        if shape is not None:
            inputs = shrink(inputs, shape, model.per_segment)
        labels = batch.labels.to(device, non_blocking=True)
    kind = torch.float16 if device.type == "cuda" else torch.bfloat16
    with timer.part("forward"), torch.autocast(device.type, kind) if settings.amp else nullcontext():
        logits, extra = net(inputs)
        loss = criterion(logits, labels)

    def differentiate(value: Tensor, retain_graph: bool = False) -> None:
        scaler.scale(value * share * group.weight).backward(retain_graph=retain_graph)

    with timer.part("backward"):
        if backward is None:
            differentiate(loss + sum(extra.values()))
        else:
            backward(model, loss, extra, differentiate)
    value, right = float(loss.detach()) * len(labels), float((logits.argmax(1) == labels).sum())
    count = float(len(labels))
    if not group.whole:
        value, right, count = group.sum(value, right, count)
    if not math.isfinite(value):
        raise NotFinite(f"the loss is {value / count}")
    state.loss += value
    state.right += int(right)
    state.seen += int(count)
    timer.clips += int(count)


def update(model: Recognizer, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, norm: float) -> None:
    """Change the weights by the gradients, whose norm is cut at `norm` (0: never), and clear them."""
    if all(parameter.grad is None for parameter in model.parameters()):
        return  # every clip of the group was broken
    if norm:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), norm)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()

"""Training a pose model: one loop, to be read from top to bottom.

A run folder holds `best.pt` (the model that validated best), `last.pt` (the newest, with all that is needed to go on)
and `curves.csv`. Everything that a step does follows from the state in `last.pt` and the step's number; so a run that
was stopped and resumed ends with the same numbers as one that was not (bit by bit on the CPU).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from poof import interrupts
from poof.checkpoints import save_checkpoint
from poof.errors import PoofError
from poof.files import make_folder
from poof.flow.device import resolve_device
from poof.labels.model import Visible
from poof.parallel import ALONE, Group, Share
from poof.pose.augmentation import Augmentation
from poof.pose.crops import normalise
from poof.pose.data import CONTEXT, Batches, CropStore, TrainingSet, clear_leftovers, examples_of, loader, round_of
from poof.pose.initial import initial_network
from poof.pose.losses import training_loss
from poof.pose.model import INPUT_SIZE, PoseModel, check_input_size
from poof.pose.naming import Architecture, load
from poof.pose.precision import Precision, place
from poof.pose.precision import run as forward
from poof.pose.recipes import Recipe, recipe_named
from poof.pose.run import Run, fingerprint, restore_optimizer, resumable, write_curves
from poof.pose.shared_crops import CropView, SharedCrops
from poof.pose.splitting import Pair, Split, check_apart, split
from poof.pose.unet import UNet
from poof.pose.validation import validate
from poof.progress import Track, clock, silent

SAVE_SECONDS = 300.0  # between writings of last.pt, which may be a gigabyte
_ROUNDS = 25  # validations in a short run; a long one validates once an epoch
LONG_SECONDS = 300.0  # training on a CPU beyond which faster ways are told
_LOOK = 20  # steps between looks at the loss on a GPU, where looking means waiting


def train_pose(
    data: Sequence[Pair],
    folder: str | Path,
    validation: Sequence[Pair] | None = None,
    *,
    init: str = "random",
    recipe: str | Recipe = "default",
    stages: int | None = None,
    body: str | None = None,
    input_size: tuple[int, int] = INPUT_SIZE,
    batch: int | None = None,
    hold_out: bool = True,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    workers: int | None = None,
    resume: bool = False,
    bank: SharedCrops | None = None,
    track: Track = silent,
    notice: Callable[[str], object] | None = None,
    group: Group = ALONE,
) -> Run:
    """Train a pose model on labels.

    Parameters
    ----------
    data
        Videos with their labels, human and propagated together.
    folder
        Of the run; made if missing. An earlier run in it is overwritten, or continued with `resume`.
    validation
        Other videos to judge by. None: part of `data` is held out by the rule in `poof.pose.splitting`.
    init, stages, body
        See `initial_network`.
    recipe
        A name in `RECIPES`, or one of your own.
    input_size
        (height, width) of the crops, divisible by 32.
    batch
        Overrides the recipe's.
    hold_out
        False trains on everything when there is no `validation`; the best model is then the last.
    seed
        Of everything random.
    device
        'auto', 'cpu', 'cuda', 'cuda:N'.
    precision
        See `poof.pose.precision`.
    workers
        Processes that prepare batches; None: one per core, up to eight, where there is a GPU, and none otherwise.
    resume
        Go on from `last.pt` in `folder`.
    bank
        Crops that were cut before; None cuts those of this training.
    track
        Shows progress.
    notice
        Is told beforehand how long training will take on a CPU, and what is faster.
    group
        The processes that train together (`poof.parallel`); a batch is the global one. Only the first writes; `folder`
        must be the same for all.

    Raises
    ------
    PoofError
        On labels that do not fit their video or each other, a split without labels, a batch larger than the data, a
        device that is not there, a checkpoint that does not fit, or a loss that is no longer a number.
    """
    folder, where, input_size = Path(folder), resolve_device(device), check_input_size(input_size)
    recipe = recipe_named(recipe) if isinstance(recipe, str) else recipe
    last, best = folder / "last.pt", folder / "best.pt"
    if not data:
        raise PoofError("no labels to train on; give at least one label file with its video")
    skeleton = data[0].labels.skeleton
    divided = _divide(data, validation, hold_out)

    # Crops: one pass over each video, to a file in the run's folder.
    make_folder(folder, "-o")
    if group.main:
        clear_leftovers(folder)
    examples = examples_of(divided.train, skeleton, input_size, confidence_power=recipe.confidence_power)
    val_examples = examples_of(divided.validation, skeleton, input_size)
    if not any(examples):
        raise PoofError(
            f"no labelled frame is left to train on ({divided.how}); label more, or train without holding out"
        )
    if divided.validation and not any(val_examples):
        raise PoofError("no labelled frame to validate on; give validation labels, or none")
    store: CropStore | CropView
    if bank is None:
        store = group.from_main(lambda: CropStore(divided.train, examples, CONTEXT, folder, track, "training crops"))
    else:
        store = bank.view(examples)
    judged = group.from_main(
        lambda: CropStore(divided.validation, val_examples, 1.0, folder, track, "validation crops")
    )
    size = _batch_size(recipe, batch, len(store))
    recipe = replace(recipe, batch=size)
    if init != "random":
        recipe = replace(recipe, learning_rate=recipe.tuned * recipe.learning_rate, tuned=1.0)
    steps = recipe.steps(len(store), size)
    epoch = math.ceil(len(store) / size)
    round_steps = max(epoch, math.ceil(steps / _ROUNDS))

    interrupts.check()
    # The model, from its initialisation or from where the run stopped.
    torch.manual_seed(seed)
    identity = fingerprint(store.examples, judged.examples, recipe, seed, input_size, init, stages, body, precision)
    history: list[dict[str, float]] = []
    pending: list[float] = []  # losses since the last row of the history
    start, top_score = 0, -math.inf
    if resume:
        saved = resumable(last, identity)
        network = Architecture(**saved["architecture"]).build()
        load(network, saved["training"]["network"], str(last))
        start, top_score, fresh = (saved["training"][key] for key in ("step", "top_score", "fresh"))
        history, pending = saved["training"]["history"], saved["training"]["pending"]
    else:
        network, fresh = initial_network(skeleton.keypoints, init, stages, body, progress=track is not silent)
        for old in (best, last) if group.main else ():
            old.unlink(missing_ok=True)
    place(network, where)
    optimizer = _optimizer(network, recipe)
    model = PoseModel(_copy(network), skeleton, input_size, recipe=recipe.as_dict())  # what is validated and kept
    gone = {k for example in store.examples for k in np.flatnonzero(example.visible == Visible.ABSENT).tolist()}
    model.absent_in_training = tuple(skeleton.keypoints[k] for k in sorted(gone))
    if resume:
        restore_optimizer(optimizer, saved["training"]["optimizer"], last)
        load(model.network, saved["network"], str(last))
        model.validation, model.confidence = saved["validation"], _pair(saved["confidence"])
        del saved

    def save(step: int) -> None:
        state = {
            "identity": identity,
            "step": step,
            "top_score": top_score,
            "history": history,
            "pending": pending,
            "fresh": fresh,
            "network": {name: value.detach().cpu().clone() for name, value in network.state_dict().items()},
            "optimizer": optimizer.state_dict(),
        }
        save_checkpoint(last, model.as_dict() | {"training": state})

    if notice is not None and where.type == "cpu" and steps > start:
        notice(_foretold(model.network, input_size, size, steps - start, body or Architecture.of(network).body))

    # The loop.
    members = round_of(store.examples, recipe.human)
    batches = Batches(len(members), size, seed, start, steps)
    data_set = TrainingSet(store, Augmentation(input_size, recipe.augmentation, model.mirror), members)
    plan = Share(batches, group) if group.size > 1 else batches
    feed = loader(data_set, plan, _workers(workers, where), where.type == "cuda")
    group.rows = (*group.slice(size), size)
    net = group.module(network)
    unseen: list[torch.Tensor] = []  # losses not looked at yet
    saved_at = time.monotonic()
    with interrupts.between_steps() as interrupted, group.together(network):
        for step, examples_now in enumerate(track(feed, "training", steps - start), start):
            network.train()
            images, points, weights, visible = (
                examples_now[key].to(where, non_blocking=True) for key in ("image", "points", "weights", "visible")
            )
            maps = forward(net, normalise(images), precision, every=True)
            loss = training_loss(network, maps, points, weights, visible, input_size, recipe.targets, recipe.loss)
            loss = loss * _share(network, weights, group)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if recipe.clip:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            for part in optimizer.param_groups:
                part["lr"] = recipe.rate(step, steps)
            optimizer.step()
            _average(model.network, network, recipe.average, step)

            done = step + 1
            unseen.append(loss.detach())
            end_of_round = done % round_steps == 0 or done == steps
            stop, overdue = group.any(
                interrupted.is_set() or group.stopped.is_set(), time.monotonic() - saved_at > SAVE_SECONDS
            )
            save_now = done == steps or stop or overdue
            if save_now or end_of_round or where.type == "cpu" or len(unseen) == _LOOK:
                values = _mean(torch.stack(unseen), group)
                _check_finite(values, done - len(values), [last, best])
                pending.extend(values)
                unseen.clear()
            if end_of_round:
                row = {"step": done, "epoch": done * size / len(store), "rate": recipe.rate(step, steps)}
                row["train_loss"] = float(np.mean(pending))
                pending.clear()
                if len(judged):
                    found = validate(model, judged, size, where, precision, group)
                    row |= {"val_error": found["error"]}
                    row |= {f"val_accuracy_{t}": a for t, a in found["accuracy"].items()}
                    model.validation, model.confidence = found, _pair(found["confidence"])
                    if found["score"] > top_score:
                        top_score = found["score"]
                        if group.main:
                            save_checkpoint(best, model.as_dict())
                history.append(row)
                if group.main:
                    write_curves(folder / "curves.csv", history)
            if save_now:
                if group.main:
                    save(done)
                if group.main and not len(judged):
                    save_checkpoint(best, model.as_dict())
                saved_at = time.monotonic()
            if stop:
                raise KeyboardInterrupt
    table = pd.DataFrame(history)
    return Run(best, last, table, fresh, len(skeleton), divided.how, len(store), len(judged), steps, size)


def _share(network: nn.Module, weights: torch.Tensor, group: Group) -> float:
    """What the loss of this process' examples counts; see `Group.weight`."""
    if group.whole or not isinstance(network, UNet):
        return group.weight
    own = float(weights.sum())
    return max(own, 1.0) * group.size / max(group.sum(own)[0], 1.0)  # its loss is a mean over weights


def _mean(losses: torch.Tensor, group: Group) -> list[float]:
    """The losses of steps, of all processes together."""
    values = losses.tolist()
    return values if group.whole else [value / group.size for value in group.sum(*values)]


def _divide(data: Sequence[Pair], validation: Sequence[Pair] | None, hold_out: bool) -> Split:
    if validation:
        check_apart(data, validation)
        return Split(list(data), list(validation), "validated on videos of their own")
    if not hold_out:
        return Split(list(data), [], "nothing held out")
    return split(data)


def _batch_size(recipe: Recipe, wanted: int | None, examples: int) -> int:
    if wanted is None:
        return min(recipe.batch, examples)
    if wanted < 1:
        raise PoofError(f"a batch needs at least one example, not {wanted}")
    if wanted > examples:
        raise PoofError(f"a batch of {wanted} is larger than the {examples} training examples; lower --batch")
    return wanted


def _workers(wanted: int | None, device: torch.device) -> int:
    if wanted is not None:
        return wanted
    return min(8, max(1, (os.cpu_count() or 2) - 1)) if device.type == "cuda" else 0


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    # One pass over the parameters in place of one for every operation: half the time, a tenth of a small step.
    fused = all(p.device.type in ("cpu", "cuda") for p in weights)
    return kind(groups, lr=recipe.learning_rate, fused=fused)


def _foretold(network: nn.Module, input_size: tuple[int, int], batch: int, steps: int, body: str) -> str:
    """How long so many steps will take here, by one that is timed, and what is faster where that is long.

    The network is the one that is kept, in evaluation mode: nothing of the run is touched. A step with its gradients
    takes about three times as long as looking.
    """
    few = min(batch, 4)
    pictures = torch.zeros(few, 3, *input_size)
    was = network.training
    network.eval()
    with torch.no_grad():
        network(pictures[:1])
        begun = time.monotonic()
        network(pictures)
        seconds = 3 * (time.monotonic() - begun) * batch / few * steps
    network.train(was)
    told = f"training {steps} steps on this CPU will take about {clock(seconds)}"
    if seconds < LONG_SECONDS or body == "unet":
        return told
    return told + "; a GPU, --body unet --recipe footage (a small network) or fewer --epochs are faster"


def _copy(network: Any) -> Any:
    twin = Architecture.of(network).build()
    twin.load_state_dict(network.state_dict())
    return place(twin, next(network.parameters()).device).requires_grad_(False)


@torch.no_grad()
def _average(kept: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """kept <- decay kept + (1 - decay) network; an average over few steps first, the weights themselves without."""
    decay = min(decay, (1 + step) / (10 + step)) if decay else 0.0
    pairs = list(zip(kept.state_dict().values(), network.state_dict().values()))
    real = [(mean, new) for mean, new in pairs if mean.is_floating_point()]
    torch._foreach_lerp_([mean for mean, _ in real], [new for _, new in real], 1 - decay)
    for mean, new in pairs:
        if not mean.is_floating_point():
            mean.copy_(new)


def _check_finite(losses: Sequence[float], first: int, checkpoints: Sequence[Path]) -> None:
    """Stop at the first loss that is no number; `first` is the step (from 0) of the first of `losses`."""
    for step, value in enumerate(losses, first + 1):
        if not math.isfinite(value):
            good = [path for path in checkpoints if path.exists()]
            kept = f"the last good checkpoint is {good[0]}" if good else "no checkpoint was written yet"
            raise PoofError(f"step {step}: the loss is {value}, training stops; {kept}; try a lower --rate")


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])

"""Training on labelled clips: one loop, from top to bottom.

A run is a folder: `last.pt` (goes on exactly where it stopped), `best.pt`, `curves.csv`, `curves.png`. What is random
(order, frames, crops) depends on seed, epoch and record alone, so the number of workers changes nothing, and a run
that was interrupted ends with the same weights as one that was not (on the same machine and threads). Several processes
(`poof.parallel`) share every batch; they compute what one computes, but for the order of sums.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from poof import interrupts
from poof.errors import PoofError
from poof.files import make_folder
from poof.parallel import ALONE, Group, Share
from poof.progress import Track, silent
from poof.recog.checkpoint import save_model
from poof.recog.core.gradients import Backward
from poof.recog.core.input_kernels import input_kernels
from poof.recog.core.model import Recognizer
from poof.recog.core.recipe import Recipe
from poof.recog.core.tensor_files import NotFinite, check_finite
from poof.recog.data.dataset import Batch, ClipDataset, EpochSampler, View, loader
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList
from poof.recog.evaluation.judging import keep_view, marks
from poof.recog.training.broken import count_broken, readable, tell_short
from poof.recog.training.curves import write_curves
from poof.recog.training.freeze import only, training_mode
from poof.recog.training.multigrid import MultigridSampler
from poof.recog.training.parameter_groups import parameter_groups
from poof.recog.training.settings import Settings
from poof.recog.training.sharing import judge_of_group, mean_rows, own_part
from poof.recog.training.state import State, resume, training_state
from poof.recog.training.step import WithLosses, backward_of_modules, learn, module_losses, update
from poof.recog.training.step_timer import StepTimer

WITHIN = 1 - 1e-9
"""The end of an epoch, still in it: its last update must not have the rate of the next."""


def train(
    model: Recognizer,
    clips: ClipList,
    folder: Path,
    recipe: Recipe,
    settings: Settings | None = None,
    validation: ClipList | None = None,
    track: Track = silent,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
    backward: Backward | None = None,
    group: Group = ALONE,
) -> list[dict[str, Any]]:
    """Train `model` in place; gives one row an epoch.

    Parameters
    ----------
    validation
        Judged after every epoch, one centre clip a video; `best.pt` is the best on it (without it, the last).
    track, report
        Show progress inside an epoch; called with each epoch's row.
    backward
        How losses become gradients; by default their sum is differentiated, or what a module makes of them whose
        `backward_rule` says so. For methods that weigh the gradients of several losses against each other.
    group
        The processes that train together; a batch of the recipe is the global one. Only the first writes.

    Returns
    -------
    list of dict
        epoch, loss, accuracy (of the training clips as they were seen), lr, the timer's times, validation accuracies.

    Raises
    ------
    PoofError
        If classes do not match, too many clips are broken, or the loss is no longer finite.
    KeyboardInterrupt
        After Ctrl-C, once `last.pt` is written.
    """
    settings = settings or Settings()
    device = torch.device(settings.device)
    make_folder(folder, "-o")
    classes = model.config["num_classes"]
    if classes != len(clips.labels):
        raise PoofError(f"{clips.name}: has {len(clips.labels)} classes, the network was built for {classes}")
    model.labels = list(clips.labels)
    if validation is not None:  # before the first step, not after the first epoch
        validation = validation.with_labels(clips.labels)
    with group.first():
        counts = FrameCounts(folder / "frame-counts.json")
        clips = readable(clips, counts, settings, track)
    tell_short(clips, counts, model.segments * model.per_segment)
    view = View(
        model.segments,
        model.per_segment,
        model.size,
        recipe.rule,
        recipe.window,
        recipe.flip,
        recipe.scales,
        short=None if recipe.size != model.size else recipe.short,
        augment=recipe.augment,
    )
    dataset = ClipDataset(clips, view, counts, training=True, seed=settings.seed)
    model.to(device)
    groups = parameter_groups(model, recipe.groups, recipe.lr, recipe.weight_decay)
    optimizer: torch.optim.Optimizer
    if recipe.optimizer in ("adam", "adamw"):
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
        optimizer = kind(groups, recipe.lr, (recipe.momentum, 0.99))
    else:
        optimizer = torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.nesterov)
    scaler = torch.amp.GradScaler(device.type, enabled=settings.amp and device.type == "cuda")
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    state = State()
    if settings.resume:
        state = resume(folder / "last.pt", model, optimizer, scaler, recipe, settings)
    else:
        torch.manual_seed(settings.seed)
        model.start_kernels = {path: kernel.cpu().clone() for path, kernel in input_kernels(model).items()}

    def save() -> None:
        if not group.main:
            return
        save_model(
            folder / "last.pt",
            model,
            training=training_state(optimizer, scaler, state, recipe, settings),
        )

    sampler: EpochSampler
    if recipe.multigrid:
        sampler = MultigridSampler(len(dataset), recipe.batch, settings.seed, model.segments, model.size)
        grids = sampler.grids
    else:
        sampler, grids = EpochSampler(len(dataset), recipe.batch, settings.seed), None
    if recipe.objective == "modules":
        backward = module_losses
    backward = backward or backward_of_modules(model, recipe.epochs * len(sampler), group.average)
    batches = loader(dataset, Share(sampler, group) if group.size > 1 else sampler, settings.workers)
    judging = replace(view, flip="none")
    keep_view(model, judging)
    judge = judge_of_group(model, validation, judging, counts, settings.workers, recipe.batch, group)
    with only(model, recipe.only, recipe.partial_norm), interrupts.between_steps() as stopped, group.together(model):
        net = group.module(WithLosses(model))
        # Where gradients are weighed or gathered over batches, they are averaged before the update.
        apart = backward is not None or recipe.accumulate > 1
        while state.epoch < recipe.epochs and recipe.rate(recipe.warmup, state.drops) >= recipe.floor:
            training_mode(model, recipe.only, recipe.partial_norm)
            sampler.set_epoch(state.epoch, state.batches)
            total = len(sampler) + state.batches
            timer = StepTimer(device)
            for batch in track(_timed(batches, timer), f"epoch {state.epoch + 1}/{recipe.epochs}", len(sampler)):
                batch = own_part(batch, group)
                count_broken(batch, clips, state, settings)
                shape = grids[state.batches] if grids else None
                state.batches += 1
                group_ends = state.batches % recipe.accumulate == 0 or state.batches == total
                if len(batch.labels):
                    first = (state.batches - 1) // recipe.accumulate * recipe.accumulate
                    share = 1 / (min(first + recipe.accumulate, total) - first)
                    with _diverging(folder, state), group.apart(net) if apart else nullcontext():
                        learn(net, batch, criterion, scaler, share, settings, timer, state, backward, shape, group)
                if group_ends:
                    for part in optimizer.param_groups:
                        rate = recipe.rate(state.epoch + min(state.batches / total, WITHIN), state.drops)
                        part["lr"] = rate * part.get("scale", 1.0) * (shape.rate if shape else 1)
                    with timer.part("backward"):
                        if apart:
                            group.average([p.grad for p in model.parameters() if p.grad is not None])
                        update(model, optimizer, scaler, recipe.clip_norm)
                    if group.any(stopped.is_set() or group.stopped.is_set())[0]:
                        save()
                        raise KeyboardInterrupt
            row = _row(state, recipe, timer) | mean_rows(group.gather(model.training_reads()))
            with _diverging(folder, state):
                # The last step may have broken what no loss has told of yet.
                check_finite(model.state_dict(), "after the last step")
                judged = judge()
            if judged is not None:
                row |= {"val_top1": judged.video_top1, "val_top5": judged.video_top5, "val_loss": judged.loss}
            if recipe.schedule == "plateau":
                accuracy, loss = row.get("val_top1", row["accuracy"]), row.get("val_loss", row["loss"])
                state.watch(-accuracy if recipe.watch == "accuracy" else loss, recipe.patience)
            state.history.append(row)
            # Where the classifier learns nothing its accuracy chooses nothing.
            score = row.get("val_top1", state.epoch) if recipe.objective == "all" else float(state.epoch)
            best = score > state.best
            state.best = max(score, state.best)
            state.epoch, state.batches, state.loss, state.right, state.seen = state.epoch + 1, 0, 0.0, 0, 0
            save()
            if best and group.main:
                save_model(
                    folder / "best.pt", model, chosen_on=None if validation is None else marks(validation.records)
                )
            if group.main:
                write_curves(state.history, folder)
            report(row)
            if group.any(stopped.is_set() or group.stopped.is_set())[0]:
                raise KeyboardInterrupt
    return state.history


@contextmanager
def _diverging(folder: Path, state: State) -> Iterator[None]:
    """Inside, numbers that are none end the training, with what is left and what helps."""
    try:
        yield
    except NotFinite as error:
        raise PoofError(f"epoch {state.epoch + 1}: {error}; {_kept(folder, state)}") from None


def _kept(folder: Path, state: State) -> str:
    """What a training that diverged leaves, and what helps."""
    kept = f"last.pt and best.pt in {folder} are of the epochs before" if state.epoch else "nothing was kept"
    return f"{kept}; begin anew with a lower --lr{' and --force' if state.epoch else ''}"


def _timed(batches: Any, timer: StepTimer) -> Iterator[Batch]:
    iterator = iter(batches)
    while True:
        start = time.perf_counter()
        try:
            batch = next(iterator)
        except StopIteration:
            return
        timer.add("wait", time.perf_counter() - start)
        timer.add("read", batch.read_s)
        timer.add("transform", batch.transform_s)
        yield batch


def _row(state: State, recipe: Recipe, timer: StepTimer) -> dict[str, Any]:
    seen = max(state.seen, 1)
    row = {
        "epoch": state.epoch + 1,
        "loss": state.loss / seen,
        "accuracy": state.right / seen,
        "lr": recipe.rate(state.epoch + WITHIN, state.drops),
        "broken": len(state.broken),
    }
    return row | timer.read_out()

"""Training on labelled clips: one loop, from top to bottom.

A run is a folder: `last.pt` (goes on exactly where it stopped), `best.pt`, `curves.csv`, `curves.png`. What is random
(order, frames, crops) depends on seed, epoch and record alone, so the number of workers changes nothing, and a run
that was interrupted ends with the same weights as one that was not (on the same machine and threads). Several processes
(`poof.parallel`) share every batch; they compute what one computes, but for the order of sums.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poof import interrupts
from poof.checkpoints import SENSELESS, load_optimizer
from poof.errors import PoofError, PoofWarning
from poof.files import make_folder
from poof.parallel import ALONE, Group, Share
from poof.printable import LONGEST, one_line
from poof.progress import Track, silent
from poof.recog.checkpoint import read_checkpoint, save_model
from poof.recog.core.gradients import Average, Backward, Differentiate
from poof.recog.core.input_kernels import input_kernels
from poof.recog.core.model import Recognizer
from poof.recog.core.recipe import Recipe
from poof.recog.core.tensor_files import NotFinite, check_finite
from poof.recog.data.dataset import Batch, ClipDataset, EpochSampler, View, loader
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList, shown
from poof.recog.data.transform import normalise
from poof.recog.evaluation.evaluate import Evaluation, evaluate, judging_loader, merged
from poof.recog.evaluation.judging import keep_view, marks
from poof.recog.training.curves import write_curves
from poof.recog.training.freeze import only, training_mode
from poof.recog.training.multigrid import Grid, MultigridSampler, shrink
from poof.recog.training.parameter_groups import parameter_groups
from poof.recog.training.step_timer import StepTimer

WITHIN = 1 - 1e-9
"""The end of an epoch, still in it: its last update must not have the rate of the next."""


@dataclass
class Settings:
    """What a training needs besides network, data and recipe.

    Attributes
    ----------
    workers
        Processes that read clips, 0 for none.
    device
        'cpu', 'cuda' ...
    amp
        Mixed precision: float16 with loss scaling on CUDA, bfloat16 on CPUs.
    seed
        Of everything random.
    max_broken
        Share of the clips that may be unreadable before the training stops.
    resume
        Go on from `last.pt` in the folder.
    """

    workers: int = 0
    device: str = "cpu"
    amp: bool = False
    seed: int = 0
    max_broken: float = 0.02
    resume: bool = False


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
        clips = _readable(clips, counts, settings, track)
    _tell_short(clips, counts, model.segments * model.per_segment)
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
        backward = _module_losses
    backward = backward or _backward_of_modules(model, recipe.epochs * len(sampler), group.average)
    batches = loader(dataset, Share(sampler, group) if group.size > 1 else sampler, settings.workers)
    judging = replace(view, flip="none")
    keep_view(model, judging)
    judge = _judge(model, validation, judging, counts, settings.workers, recipe.batch, group)
    with only(model, recipe.only, recipe.partial_norm), interrupts.between_steps() as stopped, group.together(model):
        net = group.module(_WithLosses(model))
        # Where gradients are weighed or gathered over batches, they are averaged before the update.
        apart = backward is not None or recipe.accumulate > 1
        while state.epoch < recipe.epochs and recipe.rate(recipe.warmup, state.drops) >= recipe.floor:
            training_mode(model, recipe.only, recipe.partial_norm)
            sampler.set_epoch(state.epoch, state.batches)
            total = len(sampler) + state.batches
            timer = StepTimer(device)
            for batch in track(_timed(batches, timer), f"epoch {state.epoch + 1}/{recipe.epochs}", len(sampler)):
                batch = _share(batch, group)
                _count_broken(batch, clips, state, settings)
                shape = grids[state.batches] if grids else None
                state.batches += 1
                group_ends = state.batches % recipe.accumulate == 0 or state.batches == total
                if len(batch.labels):
                    first = (state.batches - 1) // recipe.accumulate * recipe.accumulate
                    share = 1 / (min(first + recipe.accumulate, total) - first)
                    with _diverging(folder, state), group.apart(net) if apart else nullcontext():
                        _learn(net, batch, criterion, scaler, share, settings, timer, state, backward, shape, group)
                if group_ends:
                    for part in optimizer.param_groups:
                        rate = recipe.rate(state.epoch + min(state.batches / total, WITHIN), state.drops)
                        part["lr"] = rate * part.get("scale", 1.0) * (shape.rate if shape else 1)
                    with timer.part("backward"):
                        if apart:
                            group.average([p.grad for p in model.parameters() if p.grad is not None])
                        _update(model, optimizer, scaler, recipe.clip_norm)
                    if group.any(stopped.is_set() or group.stopped.is_set())[0]:
                        save()
                        raise KeyboardInterrupt
            row = _row(state, recipe, timer) | _mean(group.gather(model.training_reads()))
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


@dataclass
class State:
    """How far a training is; all that changes besides weights and optimiser."""

    epoch: int = 0
    batches: int = 0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    best: float = -1.0
    broken: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    drops: int = 0
    waited: int = 0
    lowest: float = math.inf

    @classmethod
    def of(cls, values: dict[str, Any]) -> State:
        """What `asdict` made of one; a `TypeError` or `ValueError` for anything else."""
        state = cls(**values)
        for name, usual in asdict(cls()).items():
            value = getattr(state, name)
            number = isinstance(usual, (int, float)) and isinstance(value, (int, float))
            if isinstance(value, bool) or not (number or type(value) is type(usual)):
                raise TypeError(f"{name} is {type(value).__name__}")
            if isinstance(usual, int) and not (type(value) is int and value >= 0):
                raise ValueError(f"{name} is {value}")
        if not all(isinstance(row, dict) for row in state.history):
            raise TypeError("history holds something else than rows")
        return state

    def watch(self, loss: float, patience: int) -> None:
        """Count a drop of the learning rate after `patience` epochs that brought nothing below the lowest."""
        self.waited = 0 if loss < self.lowest else self.waited + 1
        self.lowest = min(loss, self.lowest)
        if self.waited == patience:
            self.drops, self.waited = self.drops + 1, 0


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


class _WithLosses(nn.Module):
    """The network whose forward pass also gives what its modules add to the loss: all that gradients come from."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and weighted losses by name."""
        return self.model(clips), self.model.losses()


def _share(batch: Batch, group: Group) -> Batch:
    """The part of a step's batch that this process computes, `group.rows` set to it, and all that was broken in it.

    Where clips that cannot be read leave a process without any, every process computes all that are left.
    """
    if group.size == 1:
        group.rows = (0, len(batch.labels), len(batch.labels))
        return batch
    tried = sorted([*batch.indices.tolist(), *(index for index, _ in batch.broken)])
    parts = group.gather((tried, len(batch.labels), batch.broken))
    whole = all(part[0] == tried for part in parts)
    broken = batch.broken if whole else [entry for part in parts for entry in part[2]]
    counts = [part[1] for part in parts]
    if not whole and sum(counts) > 0 and min(counts) == 0:
        good = [part for part in group.gather((batch.clips, batch.labels, batch.indices)) if len(part[1])]
        clips, labels, indices = (torch.cat(tensors) for tensors in zip(*good))
        batch, whole = replace(batch, clips=clips, labels=labels, indices=indices), True
    count = len(batch.labels)
    first = 0 if whole else sum(counts[: group.rank])
    group.rows = (first, first + count, count if whole else sum(counts))
    return replace(batch, broken=broken)


def _judge(
    model: Recognizer,
    clips: ClipList | None,
    view: View,
    counts: FrameCounts,
    workers: int,
    batch: int,
    group: Group,
) -> Callable[[], Evaluation | None]:
    """What judges after an epoch: each process its own part of the clips, every clip once."""
    if clips is None:
        return lambda: None
    alone = len(clips) < group.size
    own = clips if alone else replace(clips, records=clips.records[group.rank :: group.size])
    batches = judging_loader(own, view, counts, workers, batch)

    def judge() -> Evaluation:
        judged = evaluate(model, own, view, counts, batches=batches)
        return judged if alone else merged(group.gather(judged))

    return judge


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each value over those who have it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    found = {key: [row[key] for row in rows if key in row] for key in keys}
    return {key: sum(values) / len(values) for key, values in found.items()}


def _learn(
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
    device = torch.device(settings.device)
    inner: Any = getattr(net, "module", net)
    model: Recognizer = inner.model
    with timer.part("move"):
        inputs = normalise(batch.clips.to(device, non_blocking=True), model.mean, model.std)
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


def _backward_of_modules(model: Recognizer, steps: int, average: Average) -> Backward | None:
    """How a network is trained in which a module weighs losses against each other; None for all others."""
    rules = [rule for name, m in model.temporal_modules() if (rule := m.backward_rule(name, steps, average))]
    if len(rules) > 1:
        raise PoofError("two modules of one network cannot both say how it is trained jointly; leave one out")
    return rules[0] if rules else None


def _module_losses(model: Recognizer, loss: Tensor, extra: dict[str, Tensor], differentiate: Differentiate) -> None:
    """Gradients of what the modules add alone."""
    if not extra:
        raise PoofError(f"objective=modules: the modules of {model.config['name']} add no loss; take objective=all")
    differentiate(torch.stack(list(extra.values())).sum())


def _update(model: Recognizer, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, norm: float) -> None:
    if all(parameter.grad is None for parameter in model.parameters()):
        return  # every clip of the group was broken
    if norm:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), norm)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()


def _readable(clips: ClipList, counts: FrameCounts, settings: Settings, track: Track) -> ClipList:
    broken = counts.fill(clips.records, max(settings.workers, 1), track)
    if broken:
        first = next(iter(broken.values()))
        bad, total = len(broken) + len(clips.bad), len(clips) + len(clips.bad)
        if bad > settings.max_broken * total or len(broken) == len(clips):
            raise _too_many(clips, bad, total, settings, "first", first)
        for message in broken.values():
            warnings.warn(f"left out: {message}", PoofWarning, stacklevel=2)
    return clips.without(list(broken))


def _tell_short(clips: ClipList, counts: FrameCounts, wanted: int) -> None:
    lengths = {record.path: counts.of(record) for record in clips.records}
    short = [path for path, count in lengths.items() if count < wanted]
    if short:
        warnings.warn(
            f"{clips.name}: {len(short)} of {len(clips)} videos with fewer frames than the {wanted} of a clip, frames "
            f"repeat there; first: {short[0]} has {lengths[short[0]]}",
            PoofWarning,
            stacklevel=3,
        )


def _count_broken(batch: Batch, clips: ClipList, state: State, settings: Settings) -> None:
    for index, error in batch.broken:
        name = str(clips.records[index].path)
        if name not in state.broken:
            warnings.warn(f"left out: {error}", PoofWarning, stacklevel=2)
        state.broken[name] = error
    bad, total = len(state.broken) + len(clips.bad), len(clips) + len(clips.bad)
    if bad > settings.max_broken * total:
        raise _too_many(clips, bad, total, settings, "last", batch.broken[-1][1])


def _too_many(clips: ClipList, bad: int, total: int, settings: Settings, which: str, error: object) -> PoofError:
    """The error for too many broken clips; where it is too long, folders are left out, of the list and of the clip."""
    share = f"more than {settings.max_broken:.0%} (--max-broken)"
    said = f"{bad} of {total} clips cannot be read, {share}; {which}: "
    room = LONGEST - min(len(clips.name), 40) - len(said) - 2
    return PoofError(f"{clips.name}: {said}{one_line(error, room)}")


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


def training_state(
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: State | None,
    recipe: Recipe,
    settings: Settings,
) -> dict[str, Any]:
    """What a checkpoint keeps of a training beside the network, for `resume`."""
    return {
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "state": asdict(state or State()),
        "recipe": _plain(recipe),
        "seed": settings.seed,
        "rng": _rng_state(torch.device(settings.device)),
    }


def resume(
    path: Path,
    model: Recognizer,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    recipe: Recipe,
    settings: Settings,
) -> State:
    """Put network, optimizer and everything random back to where a training stopped; how far it was.

    Raises
    ------
    PoofError
        If the file is none of this network, recipe and seed, or damaged.
    """
    content = read_checkpoint(path)
    training = content.get("training")
    if training is None or content["config"] != model.config:
        raise PoofError(f"{path}: is of another network; resume with the options the run was started with")
    try:
        return _restored(path, content, training, model, optimizer, scaler, recipe, settings)
    except PoofError:
        raise
    except SENSELESS as error:
        raise PoofError(
            f"{path}: the state of its training is damaged ({shown(error, 60)}); start anew with --force"
        ) from error


def _restored(
    path: Path,
    content: dict[str, Any],
    training: dict[str, Any],
    model: Recognizer,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    recipe: Recipe,
    settings: Settings,
) -> State:
    """Put everything back; whatever is missing or of another kind raises one of many errors."""
    for key, value in training["recipe"].items():
        if key not in ("document", "epochs") and value != _plain(recipe)[key]:
            raise PoofError(f"{path}: was trained with {key}={value}, not {_plain(recipe)[key]}; resume with the same")
    if training["seed"] != settings.seed:
        raise PoofError(f"{path}: was trained with seed {training['seed']}, not {settings.seed}; resume with the same")
    model.load_state_dict(content["state"])
    model.start_kernels = content.get("start")
    load_optimizer(optimizer, training["optimizer"])
    scaler.load_state_dict(training["scaler"])
    torch.set_rng_state(training["rng"]["cpu"])
    if "cuda" in training["rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(training["rng"]["cuda"], settings.device)
    return State.of(training["state"])


def _rng_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}

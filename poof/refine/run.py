"""Propagate, train, look, fuse: appearance repairs what flow has lost. The public function.

A run's folder holds a folder for each network (`net-1`, `net-2`, ... as `train_pose` leaves it) and `best.pt`, the
model that falls out. A run that was stopped goes on where it was: finished segments of the propagation are in the
cache, finished networks in their folders, and a network in training goes on from its `last.pt`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poof import interrupts
from poof.errors import PoofError, names_near
from poof.files import atomic, made_folder, make_folder, write_text
from poof.flow.base import FlowEstimator
from poof.flow.device import resolve_device
from poof.labels import LabelSet, Points, Source
from poof.pose.initial import NAMED
from poof.pose.model import PoseModel, load_model
from poof.pose.precision import Precision, check_precision
from poof.pose.recipes import Recipe, recipe_named
from poof.pose.splitting import Pair
from poof.pose.training import train_pose
from poof.progress import Track, silent
from poof.propagation import Settings, propagate
from poof.propagation.memo import Memo, key_of
from poof.propagation.propagate import estimators_of
from poof.refine.appearance import Appearance
from poof.refine.combine import LITTLE, apply, unsure_share
from poof.refine.fusion import fuse
from poof.refine.lessons import lessons
from poof.refine.places import input_size, largest_box


@dataclass(frozen=True)
class Network:
    """A kind of network that can learn one footage.

    Attributes
    ----------
    body, stages
        Of `initial_network`; None for a checkpoint's own.
    recipe
        A name in `RECIPES`.
    long
        Longer side of its crops, pixels.
    """

    body: str | None
    stages: int | None
    recipe: str
    long: int


NETWORKS = {
    "small": Network("unet", None, "footage", 224),
    "mspn": Network(None, None, "default", 256),
}


@dataclass
class Refinement:
    """What a refinement gave.

    Attributes
    ----------
    labels : list of LabelSet
        One a video: human, refined and propagated points.
    unsure : float
        Share of the propagated points that flow was unsure of.
    models : list of Path
        The networks; empty when none was trained.
    model : Path or None
        The model that falls out, for `poof predict`.
    skipped : str
        Why nothing was trained, '' when something was.
    notes
        What the user should know beside the numbers.
    """

    labels: list[LabelSet]
    unsure: float
    models: list[Path] = field(default_factory=list)
    model: Path | None = None
    skipped: str = ""
    notes: list[str] = field(default_factory=list)

    @staticmethod
    def _expected(every: Sequence[Points]) -> float | None:
        """Mean confidence of the points that nobody set: the share expected within 5 % of the subject."""
        values = np.concatenate([p.confidence[p.labelled & ~p.is_human] for p in every] or [np.zeros(0)])
        return float(np.nanmean(values)) if len(values) else None

    def as_dict(self) -> dict[str, Any]:
        """In plain values, with counts of refined and disputed points and how far they moved, pixels."""
        moved = [
            np.hypot(*(p.xy - p.flow_xy).T)[p.was_refined]
            for labels in self.labels
            for _, _, p in labels
            if p.flow_xy is not None
        ]
        distances = np.concatenate(moved) if moved else np.zeros(0)
        every = [points for labels in self.labels for _, _, points in labels]
        return {
            "frames": sum(len(labels.frames) for labels in self.labels),
            "human": sum(int(p.is_human.sum()) for p in every),
            "propagated": sum(int((p.source == Source.PROPAGATED).sum()) for p in every),
            "refined": sum(int((p.source == Source.REFINED).sum()) for p in every),
            "disputed": sum(int(p.in_dispute.sum()) for p in every),
            "unsure": self.unsure,
            "expected": self._expected(every),
            "notes": list(self.notes),
            "moved_median": float(np.median(distances)) if len(distances) else None,
            "moved_most": float(distances.max()) if len(distances) else None,
            "models": [str(path) for path in self.models],
            "model": None if self.model is None else str(self.model),
            "skipped": self.skipped,
        }


def refine(
    pairs: Sequence[Pair],
    folder: str | Path,
    *,
    tracks: Sequence[LabelSet] | None = None,
    models: Sequence[str | Path] = (),
    flow: Sequence[FlowEstimator] | None = None,
    settings: Settings | None = None,
    network: str = "small",
    init: str = "random",
    nets: int = 2,
    rounds: int = 1,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    always: bool = False,
    memo: Memo | None = None,
    track: Track = silent,
    fusing: bool = True,
) -> Refinement:
    """Labels carried by flow and repaired by what networks trained on the same footage see.

    Parameters
    ----------
    pairs
        Videos with their labels; the human points count. The networks learn from all of them together.
    folder
        Of the run; made if missing.
    tracks
        What `propagate` made of the pairs, if that was done before; one for each.
    models
        Networks trained before, in place of new ones.
    flow
        Estimators of the propagation; the first also moves the beliefs. None takes `create_flows("auto")`.
    settings
        Of the propagation.
    network
        'small' (minutes on a CPU) or 'mspn'.
    init
        What an MSPN starts from, see `initial_network`.
    nets
        Networks of different seeds whose heat maps are averaged.
    rounds
        2: a last network learns from the refined labels, which makes it the better model; the labels stay those of the
        first round, since the second has learned the first one's errors.
    seed
        Of everything random.
    device, precision
        See `train_pose`.
    always
        Train even where there is little to gain.
    memo
        Of the propagation, see `propagate`.
    track
        Shows progress.
    fusing
        Whether to look and fuse; otherwise only the networks are made, and the labels stay as carried. A second call
        with `models` fuses, for each pair by itself if one likes.

    Raises
    ------
    PoofError
        As `propagate` and `train_pose`; on tracks of other labels, models of another skeleton, and senseless options.
    """
    folder, where = Path(folder), resolve_device(device)
    settings = settings or Settings()
    _check_networks(network, nets, init)
    if rounds not in (1, 2):
        raise PoofError(f"--rounds {rounds}: valid are 1 and 2; a third has nothing to add")
    if rounds == 2 and models:
        raise PoofError("--rounds 2 trains a network, --model trains none; leave one of them out")
    if not pairs:
        raise PoofError("no labels to refine; give a video with its labels")
    if settings.method != "blend":
        raise PoofError(f"--method {settings.method}: refinement needs the confidences of the blend")
    check_precision(precision)
    estimators = estimators_of(flow, several=True)
    loaded = _loaded(models, pairs, where)
    with nullcontext() if models else made_folder(folder, "--run"):
        if tracks is None:
            tracks = [propagate(p.video, p.labels, estimators, settings, track, memo) for p in pairs]
        else:
            for pair, carried in zip(pairs, tracks, strict=True):
                _check_same(pair, carried)
        result = Refinement(list(tracks), float(np.mean([unsure_share(t) for t in tracks])))
        if not models and not always and result.unsure < LITTLE:
            result.skipped = f"flow is unsure of {result.unsure:.1%} of its points: training would hardly move any"
            return result

        training: dict[str, Any] = {
            "network": network, "init": init, "device": device, "precision": precision, "track": track
        }  # fmt: skip
        fresh = not models
        if fresh:
            models = learn(pairs, tracks, folder, nets=nets, seed=seed, **training)
            loaded = _loaded(models, pairs, where)
        appearance = Appearance(loaded, precision)
        for index, (pair, carried) in enumerate(zip(pairs, tracks) if fusing else ()):
            fused = fuse(pair.video, carried, appearance, estimators[0], loaded[0].input_size, track)
            labels = apply(carried, fused)
            labels.info = carried.info | {"refinement": {"network": network, "models": [str(m) for m in models]}}
            result.labels[index] = labels
        result.models = [Path(m) for m in models]
        if fresh:
            kept = result.models[0]
            if rounds == 2:
                (kept,) = learn(pairs, result.labels, folder / "round-2", nets=1, seed=(seed + 1) * nets, **training)
            result.model = folder / "best.pt"
            with atomic(result.model) as temporary:
                shutil.copyfile(kept, temporary)
        return result


def learn(
    pairs: Sequence[Pair],
    tracks: Sequence[LabelSet],
    folder: Path,
    *,
    network: str = "small",
    init: str = "random",
    nets: int = 2,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    track: Track = silent,
) -> list[Path]:
    """Networks that have learned the footage, one of each seed; those that an earlier run has finished are taken over.

    Parameters
    ----------
    pairs
        Videos; their labels are not looked at.
    tracks
        Human and propagated (or refined) points of each.
    folder
        Gets a folder for each network.
    network, init, nets, seed, device, precision, track
        See `refine`.

    Returns
    -------
    list of Path
        The checkpoints.
    """
    _check_networks(network, nets, init)
    kind = NETWORKS[network]
    size = input_size([largest_box(t.human(), i) for t in tracks for i in t.instance_ids], kind.long)
    data = [Pair(pair.video, lessons(carried, size)) for pair, carried in zip(pairs, tracks)]
    common: dict[str, Any] = {"init": init, "size": size, "device": device, "precision": precision, "track": track}
    return [_trained(data, folder / f"net-{n + 1}", kind, seed=seed * nets + n, **common) for n in range(nets)]


def _trained(
    data: Sequence[Pair],
    folder: Path,
    kind: Network,
    *,
    seed: int,
    init: str,
    size: tuple[int, int],
    device: str,
    precision: Precision,
    track: Track,
) -> Path:
    """The checkpoint of a network trained on `data`; what an earlier run left of the same one is used."""
    interrupts.check()
    recipe: Recipe = recipe_named(kind.recipe)
    arrays = [
        array
        for _, labels in data
        for frame, instance, p in labels
        for array in (np.array([frame, instance]), p.xy, p.source, np.nan_to_num(p.confidence), p.box)
    ]
    identity = key_of(recipe.as_dict(), kind.body, kind.stages, init, seed, size, precision, *arrays)
    mark, best, last = folder / "refine.json", folder / "best.pt", folder / "last.pt"
    known = _read(mark)
    if known.get("identity") == identity and known.get("done") and best.exists():
        return best
    resume = known.get("identity") == identity and last.exists()
    make_folder(folder, "--run")
    _write(mark, {"identity": identity, "done": False})
    if not resume:
        last.unlink(missing_ok=True)
    train_pose(
        data,
        folder,
        init=init,
        recipe=recipe,
        stages=kind.stages,
        body=kind.body,
        input_size=size,
        hold_out=False,
        seed=seed,
        device=device,
        precision=precision,
        resume=resume,
        track=track,
    )
    _write(mark, {"identity": identity, "done": True})
    return best


def _check_networks(network: str, nets: int, init: str) -> None:
    if network not in NETWORKS:
        raise PoofError(f"--network {network}: valid are {names_near(network, NETWORKS)}")
    if network == "small" and init in NAMED and init != "random":
        raise PoofError(f"--init {init}: there are no such weights for the small network; take --network mspn")
    if nets < 1:
        raise PoofError(f"--nets {nets}: at least one network has to look")


def _loaded(models: Sequence[str | Path], pairs: Sequence[Pair], device: Any) -> list[PoseModel]:
    """The networks, all of the labels' skeleton and of one input size."""
    loaded = [load_model(path, device) for path in models]
    for path, model in zip(models, loaded):
        if any(model.skeleton.keypoints != pair.labels.skeleton.keypoints for pair in pairs):
            raise PoofError(f"{path}: sees other keypoints than the labels have; train it on these labels")
        if model.input_size != loaded[0].input_size:
            raise PoofError(f"{path}: sees crops of another size than {models[0]}; take networks of one run")
    return loaded


def _check_same(pair: Pair, tracks: LabelSet) -> None:
    """Refuse tracks that were not made of the pair's labels."""
    ours, theirs = pair.labels.human(), tracks.human()
    advice = "give what poof propagate makes of these labels, or leave the tracks out"
    if not theirs.instances:
        raise PoofError(f"{pair.video.name}: the tracks hold no point that a person set; {advice}")
    if ours.skeleton.keypoints != theirs.skeleton.keypoints:
        raise PoofError(f"{pair.video.name}: the tracks have other keypoints than the labels; {advice}")
    for frame in sorted({*ours.frames, *theirs.frames}):
        mine, carried = (np.concatenate([p.xy[p.is_human] for p in s.at(frame).values()] or [np.zeros((0, 2))])
                         for s in (ours, theirs))  # fmt: skip
        if len(mine) != len(carried) or not np.allclose(_sorted(mine), _sorted(carried), atol=0.01):
            raise PoofError(f"{pair.video.name}: frame {frame}: the tracks hold other labels; {advice}")


def _sorted(xy: np.ndarray) -> np.ndarray:
    return np.asarray(xy[np.lexsort(xy.T)])


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content) + "\n")

"""Propagate, train, look, fuse: appearance repairs what flow has lost. The public function.

A run's folder holds the folders of the networks (see `poof.refine.learning`) and `best.pt`, the model that falls out. A
run that was stopped goes on where it was: finished segments of the propagation are in the cache, finished networks in
their folders.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from poof.deprecated import old_arguments
from poof.errors import PoofError
from poof.files import atomic, made_folder
from poof.flow.base import FlowEstimator
from poof.flow.device import resolve_device
from poof.labels import LabelSet, Source
from poof.pose.model import PoseModel, load_model
from poof.pose.precision import Precision, check_precision
from poof.pose.splitting import Pair
from poof.progress import Track, silent
from poof.propagation import Settings, propagate
from poof.propagation.propagate import estimators_of
from poof.propagation.result_cache import ResultCache
from poof.propagation.summary import expected
from poof.refine.appearance import Appearance
from poof.refine.check import Check, check
from poof.refine.combine import LITTLE, apply, unsure_share
from poof.refine.fusion import fuse
from poof.refine.learning import CHECKING, Learning, check_networks, left_out


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
        Why the labels are those of flow, '' when they are refined.
    check : Check or None
        What the person's own labels say of it, each left out; None where it was not asked or there are too few.
    notes
        What the user should know beside the numbers.
    """

    labels: list[LabelSet]
    unsure: float
    models: list[Path] = field(default_factory=list)
    model: Path | None = None
    skipped: str = ""
    check: Check | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def expected(self) -> float | None:
        """Share of the points that nobody set which is expected within 5 % of the subject, over all videos."""
        found = [(sum(int((p.labelled & ~p.is_human).sum()) for _, _, p in labels), expected(labels))
                 for labels in self.labels]  # fmt: skip
        known = [(count, share) for count, share in found if share is not None]
        total = sum(count for count, _ in known)
        return sum(count * share for count, share in known) / total if total else None

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
            "expected": self.expected,
            "notes": list(self.notes),
            "moved_median": float(np.median(distances)) if len(distances) else None,
            "moved_most": float(distances.max()) if len(distances) else None,
            "models": [str(path) for path in self.models],
            "model": None if self.model is None else str(self.model),
            "skipped": self.skipped,
            "check": None if self.check is None else asdict(self.check) | self.check.judged,
            "checked": "" if self.check is None else str(self.check),
        }


def stages(
    labels: Sequence[LabelSet],
    network: str,
    nets: int,
    rounds: int,
    *,
    carried: bool,
    trained: bool,
    fused: bool = True,
) -> list[str]:
    """What `refine` tells `track` of, in its order, as far as it can be known before.

    Parameters
    ----------
    labels
        Of each video.
    network, nets, rounds
        See `refine`.
    carried, trained, fused
        Whether the tracks are there, networks are given, and `fusing`.
    """
    crops, training = ["training crops"] * len(labels), ["training"] * nets
    told = [] if carried else ["propagating"] * len(labels)
    if not trained:  # in two parts where there are labels to check the first one by
        checked = sum(map(bool, chain(*dict.fromkeys(left_out(labels, nets)))))
        told += crops + (training + ["fusing"] * checked if checked else [])
        told += (crops if checked and network != CHECKING else []) + training
    told += ["fusing"] * len(labels) if fused else []
    return told + ([*crops, "training"] if rounds == 2 else [])


@old_arguments(memo="cache")
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
    cache: ResultCache | None = None,
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
        'small' (a minute or a few on a CPU), 'fine' (larger crops, five times that) or 'mspn'.
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
        Train even where there is little to gain, and keep what does not help.
    cache
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
    check_networks(network, nets, init)
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
            tracks = [propagate(p.video, p.labels, estimators, settings, track, cache) for p in pairs]
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
            common = {key: value for key, value in training.items() if key not in ("network", "init")}
            checking = Learning(pairs, tracks, folder, nets=nets, seed=seed, network=CHECKING, **common)
            first: list[Path] = []
            if checking.is_checked:
                first = checking.first()
                seen = _loaded(first, pairs, where)
                result.check = check(pairs, tracks, seen, checking.left_out, estimators[0], precision, track)
            if result.check is not None and not result.check.helps and not always:
                result.skipped = f"{result.check}; flow's points are kept"
                return result
            if network == CHECKING:
                models = checking.rest(first)
            else:
                models = Learning(pairs, tracks, folder, nets=nets, seed=seed, **training).rest()
            loaded = _loaded(models, pairs, where)
            if result.check is None:
                told = all("held_out" in t.info.get("propagation", {}) for t in tracks)
                why = "too few labels" if told else "the tracks do not say where flow puts your labels without them"
                result.notes.append(f"the refinement was not checked: {why}; look at it before you use it")
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
                again = Learning(pairs, result.labels, folder / "round-2", nets=1, seed=(seed + 1) * nets, **training)
                (kept,) = again.rest()
            result.model = folder / "best.pt"
            with atomic(result.model) as temporary:
                shutil.copyfile(kept, temporary)
        return result


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

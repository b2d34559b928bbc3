"""Networks that learn one footage, in two parts: first without some of the labels, to be checked by them, then on all.

A folder holds one of each network and part (`net-1-first`, `net-1`, ...), as `train_pose` leaves them. What an earlier
run has finished is taken over, and a network in training goes on from its `last.pt`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from poof import interrupts
from poof.errors import PoofError, names_near
from poof.files import make_folder, write_text
from poof.labels import LabelSet, Points
from poof.pose.initial import NAMED
from poof.pose.precision import Precision
from poof.pose.recipes import Recipe, recipe_named
from poof.pose.shared_crops import SharedCrops
from poof.pose.splitting import Pair
from poof.pose.training import train_pose
from poof.progress import Track, silent
from poof.propagation.result_cache import key_of
from poof.refine.examples import training_examples
from poof.refine.following_crops import input_size, largest_box

LEFT_OUT = 0.2
"""Share of the labelled frames that the networks do not see at first."""
FIRST = 0.6
"""Share of the steps that are made without the labels that check them."""


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
    epochs, least, most, rate
        In place of the recipe's epochs, limits of steps and peak learning rate; None takes those.
    """

    body: str | None
    stages: int | None
    recipe: str
    long: int
    epochs: int | None = None
    least: int | None = None
    most: int | None = None
    rate: float | None = None

    def plan(self) -> Recipe:
        """Its recipe."""
        own: dict[str, Any] = {
            "epochs": self.epochs, "least_steps": self.least, "most_steps": self.most, "learning_rate": self.rate
        }  # fmt: skip
        return replace(recipe_named(self.recipe), **{k: v for k, v in own.items() if v is not None})


NETWORKS = {
    "small": Network("unet", None, "footage", 160, epochs=6, least=110, most=800, rate=4e-3),
    "fine": Network("unet", None, "footage", 224),
    "mspn": Network(None, None, "default", 256),
}
CHECKING = "small"
"""The networks that check whether a refinement pays; their own kind goes on with what they have learned by then."""


LeftOut = tuple[frozenset[int], ...]
"""Frames of each video."""


def left_out(tracks: Sequence[LabelSet], nets: int) -> list[LeftOut]:
    """For each network the labelled frames of each video that it does not see at first: a fifth, at least one.

    They are spread evenly, and no two networks leave out the same ones while there are others. Never the first or the
    last label of a video: chains come to the others from both sides, as they do to the frames between labels. None
    where no video has three labels.
    """
    inner = [(number, frame) for number, labels in enumerate(tracks) for frame in labels.human().frames[1:-1]]
    total = sum(len(labels.human().frames) for labels in tracks)
    count = min(max(1, round(total * LEFT_OUT)) * nets, len(inner))
    chosen = [inner[(2 * i + 1) * len(inner) // (2 * count)] for i in range(count)]
    parts = [chosen[n % count :: nets] if count else [] for n in range(nets)]
    return [
        tuple(frozenset(frame for video, frame in part if video == number) for number in range(len(tracks)))
        for part in parts
    ]


def without(labels: LabelSet, frames: frozenset[int]) -> LabelSet:
    """The labels without those of the frames and all that was carried from there."""
    instances = {}
    for key, points in labels.instances.items():
        kept = Points.empty(len(points))
        kept.put(~np.isin(points.anchor, sorted(frames)), points)
        kept.box = points.box
        if kept.labelled.any():
            instances[key] = kept
    return labels.replace(instances=instances)


class Learning:
    """The networks of one run.

    Parameters
    ----------
    pairs
        Videos; their labels are not looked at.
    tracks
        Human and propagated (or refined) points of each.
    folder
        Gets a folder for each network.
    network, init, nets, seed, device, precision, track
        See `poof.refine.refine`.

    Attributes
    ----------
    size : (int, int)
        (height, width) of the crops.
    steps : int
        That each network makes in all.
    left_out
        See `left_out`.
    """

    def __init__(
        self,
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
    ) -> None:
        check_networks(network, nets, init)
        self._kind, self._folder, self._init, self._nets, self._seed = NETWORKS[network], folder, init, nets, seed
        boxes = [largest_box(t.human(), i) for t in tracks for i in t.instance_ids]
        self.size = input_size(boxes, self._kind.long)
        self._data = [Pair(pair.video, training_examples(carried, self.size)) for pair, carried in zip(pairs, tracks)]
        self.left_out = left_out(tracks, nets)
        self._common: dict[str, Any] = {"device": device, "precision": precision, "track": track}
        self._track = track
        self._bank: SharedCrops | None = None
        batch = self._kind.plan().batch
        count = sum(len(pair.labels.instances) for pair in self._data)
        self.steps = self._kind.plan().steps(count, min(batch, count))

    @property
    def is_checked(self) -> bool:
        """Whether there are labels enough to leave some out."""
        return any(any(part) for part in self.left_out)

    def first(self) -> list[Path]:
        """Networks each of which has not seen the labels that it leaves out, nor what was carried from them."""
        steps = math.ceil(FIRST * self.steps)
        return [self._net(n, f"net-{n + 1}-first", self._init, steps, True) for n in range(self._nets)]

    def rest(self, first: Sequence[Path] = ()) -> list[Path]:
        """Networks that go on from there with everything; without `first` they begin here."""
        steps = self.steps - math.ceil(FIRST * self.steps) if first else self.steps
        begin = [str(path) for path in first] or [self._init] * self._nets
        return [self._net(n, f"net-{n + 1}", init, steps, False) for n, init in enumerate(begin)]

    def _net(self, n: int, name: str, init: str, steps: int, partly: bool) -> Path:
        data = self._data
        if partly:
            data = [Pair(video, without(labels, frames)) for (video, labels), frames in zip(data, self.left_out[n])]
            data = [pair for pair in data if pair.labels.instances]
        recipe = replace(self._kind.plan(), least_steps=steps, most_steps=steps)
        if init not in NAMED and not partly:
            recipe = replace(recipe, tuned=1.0)  # it goes on where the first part stopped
        seed = self._seed * self._nets + n
        return self._trained(data, self._folder / name, recipe, init, seed)

    def _trained(self, data: Sequence[Pair], folder: Path, recipe: Recipe, init: str, seed: int) -> Path:
        """The checkpoint of a network trained on `data`; what an earlier run left of the same one is used."""
        interrupts.check()
        arrays = [
            array
            for _, labels in data
            for frame, instance, p in labels
            for array in (np.array([frame, instance]), p.xy, p.source, np.nan_to_num(p.confidence), p.box)
        ]
        kind, precision = self._kind, self._common["precision"]
        began = Path(init).parent.name if init not in NAMED and Path(init).parent.parent == self._folder else init
        identity = key_of(recipe.as_dict(), kind.body, kind.stages, began, seed, self.size, precision, *arrays)
        mark, best, last = folder / "refine.json", folder / "best.pt", folder / "last.pt"
        known = _read(mark)
        if known.get("identity") == identity and known.get("done") and best.exists():
            return best
        resume = known.get("identity") == identity and last.exists()
        if self._bank is None:
            self._bank = SharedCrops(self._data, self.size, self._folder, self._track)
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
            input_size=self.size,
            hold_out=False,
            seed=seed,
            resume=resume,
            bank=self._bank,
            **self._common,
        )
        _write(mark, {"identity": identity, "done": True})
        return best


def check_networks(network: str, nets: int, init: str) -> None:
    """Refuse networks that there are not."""
    if network not in NETWORKS:
        raise PoofError(f"--network {network}: valid are {names_near(network, NETWORKS)}")
    if network != "mspn" and init in NAMED and init != "random":
        raise PoofError(f"--init {init}: there are no such weights for the small network; take --network mspn")
    if nets < 1:
        raise PoofError(f"--nets {nets}: at least one network has to look")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content) + "\n")

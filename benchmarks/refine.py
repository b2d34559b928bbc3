#!/usr/bin/env python3
"""What networks trained on the footage repair (`poof refine`), by the protocol and the scorer of ../shared/bench.

    python benchmarks/refine.py                              six clips, one seed of two networks
    python benchmarks/refine.py --clips dog --seeds 3        one clip, three seeds
    python benchmarks/refine.py --cost dog                   what each kind of network costs, measured in turns
    python benchmarks/refine.py --show                       the tables of what is there
    python benchmarks/refine.py --fit                        the constants of the confidence, and what they are worth

Labels every 2R+1 frames, everything else hidden (benchmarks/propagation.py). Columns: the blend of `poof propagate
--flow dis`; what the networks see by themselves; the fusion with networks that see nothing (the control: it must be
worse than with them); and the labels of `poof refine`, which are the blend's where the person's own labels, each left
out, say that the networks do not help (last column: by how much flow misses them, without and with the networks, the
standard error of that change, and the change that is expected from it).
Everything is kept in --out and taken over by the next run.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from clips_and_tables import WEIGHTS, anchor_labels, load_scorer, radius_of
from refine_report import BAD, GOOD, UNSURE, fit, tables, worse
from torch import Tensor

from poof.flow.registry import create_flows
from poof.labels import LabelSet, Source
from poof.pose import Pair, load_model
from poof.pose.crops import Crop
from poof.propagation import Settings, propagate
from poof.propagation.engine import Engine
from poof.propagation.propagate import chains_of, merged
from poof.refine import combine
from poof.refine.appearance import Appearance
from poof.refine.beliefs import Grid, even
from poof.refine.check import check
from poof.refine.following_crops import input_size, largest_box
from poof.refine.fusion import Fused, fuse
from poof.refine.learning import CHECKING, FIRST, NETWORKS, Learning
from poof.video import open_video
from poof.video.base import Video

CLIPS = ("dog", "camel", "bear", "reaching", "cam01", "cam02")


class Blind:
    """Stands for networks that see nothing."""

    device = torch.device("cpu")

    def __init__(self, keypoints: int) -> None:
        self._keypoints = keypoints

    def maps(self, image: np.ndarray, crop: Crop, grid: Grid) -> Tensor:
        """Every cell alike."""
        del image, crop
        return even(grid, self._keypoints)


class Bench:
    """One clip: its labels, tracks and the blend's sigma; results by seed."""

    def __init__(self, scorer: ModuleType, name: str, flow: str) -> None:
        self.scorer, self.name = scorer, name
        clip = scorer.registered()[name]
        self.split = scorer.split(clip)
        self.video: Video = open_video(clip.video)
        labels = anchor_labels(scorer, self.split)
        settings = Settings(radius_of(scorer, clip))
        self.flow = create_flows(flow, WEIGHTS if "raft" in flow else None)
        begin = time.process_time()
        self.tracks = propagate(self.video, labels, self.flow, settings)
        self.propagation_seconds = time.process_time() - begin
        engine = Engine(self.video, labels, self.flow, settings)
        for _ in engine.run():
            pass
        flow_chains = engine.result()
        joint = merged(chains_of(labels, 0, flow_chains)[0], flow_chains.frames_of(0), settings)
        self.sigma = dict(zip(flow_chains.frames_of(0).tolist(), joint.sigma))
        boxes = self.split.boxes
        self.side = float(np.median([max(b[2] - b[0], b[3] - b[1]) for b in boxes.values()]))

    def score(self, labels: LabelSet) -> dict[str, Any]:
        """The scorer's figures for everything that no person has set."""
        table = labels.to_table()
        return dict(self.scorer.score(self.split, table[table.source != "human"]))

    def errors(self, labels: LabelSet) -> dict[tuple[int, str], float]:
        """(frame, keypoint) -> error in longer sides, of the hidden labels that are visible."""
        names = labels.skeleton.keypoints
        result = {}
        for row in self.split.hidden[self.split.hidden.visible == 1].itertuples():
            points = labels.instances.get((row.frame, 0))
            k = names.index(row.keypoint)
            if points is not None and points.labelled[k]:
                away = float(np.hypot(points.xy[k, 0] - row.x, points.xy[k, 1] - row.y))
                result[row.frame, row.keypoint] = away / self.side
        return result

    def placed(self, fused: dict[tuple[int, int], Fused], what: str) -> LabelSet:
        """The tracks with every propagated point where the fusion, or the networks alone, have it."""
        instances = {}
        for key, points in self.tracks.instances.items():
            instances[key] = points.copy()
            carried = points.source == Source.PROPAGATED
            instances[key].xy[carried] = getattr(fused[key], what)[carried]
        return self.tracks.replace(instances=instances)


def run_seed(
    bench: Bench, seed: int, network: str, init: str, nets: int, out: Path, again: bool = False
) -> dict[str, Any]:
    """Train, fuse and score with one seed; `again` takes over what the last run has fused."""
    folder, kept = out / f"{bench.name}-{network}-{seed}", out / f"{bench.name}-{network}-{seed}.pkl"
    begin = time.process_time()
    fresh = not (folder / "net-1").exists()
    given = [Pair(bench.video, bench.tracks)], [bench.tracks]
    checking = Learning(*given, folder, network=CHECKING, nets=nets, seed=seed)
    first = checking.first()
    said = check(*given, [load_model(path) for path in first], checking.left_out, bench.flow[0])
    begun = time.process_time() - begin
    begin = time.process_time()
    if network == CHECKING:
        models = checking.rest(first)
    else:
        models = Learning(*given, folder, network=network, init=init, nets=nets, seed=seed).rest()
    loaded = [load_model(path) for path in models]
    finished = time.process_time() - begin
    begin = time.process_time()
    if again and kept.exists():
        with kept.open("rb") as file:
            fused = pickle.load(file)[1]
    else:
        fused = fuse(bench.video, bench.tracks, Appearance(loaded), bench.flow[0], loaded[0].input_size)
    always = combine.apply(bench.tracks, fused)
    looked = time.process_time() - begin
    kept_flow = said is not None and not said.helps
    refined = bench.tracks if kept_flow else always
    with kept.open("wb") as file:
        pickle.dump((bench.tracks, fused, bench.errors(bench.placed(fused, "xy")), bench.errors(refined)), file)
    blend, now = bench.errors(bench.tracks), bench.errors(refined)
    names = bench.tracks.skeleton.keypoints
    unsure = [k for k in now if bench.sigma[k[0]][names.index(k[1])] / bench.side > UNSURE]
    good = [k for k in now if blend[k] < GOOD]
    return {
        "networks": bench.score(bench.placed(fused, "alone")),
        "fusion": bench.score(bench.placed(fused, "xy")),
        "always": bench.score(always),
        "refined": bench.score(refined),
        "check": None if said is None else asdict(said) | said.judged,
        "worse": worse(blend, now),
        "unsure": [float(np.sum([e[k] for k in unsure])) for e in (blend, now)] + [len(unsure)],
        "broken": [sum(now[k] > BAD for k in good), len(good)],
        "seconds": bench.propagation_seconds
        + (begun + (0 if kept_flow else finished + looked) if fresh and not again else np.nan),
        "frames": len(bench.tracks.frames),
    }


def run_clip(scorer: ModuleType, name: str, arguments: argparse.Namespace) -> None:
    """Every seed of a clip, into a JSON file of its own."""
    path = arguments.out / f"{name}-{arguments.network}.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"seeds": {}}
    bench = Bench(scorer, name, arguments.flow)
    result["blend"] = bench.score(bench.tracks)
    size = input_size([largest_box(bench.tracks.human(), 0)], NETWORKS[arguments.network].long)
    blind: Any = Blind(len(bench.tracks.skeleton))
    result["control"] = bench.score(
        combine.apply(bench.tracks, fuse(bench.video, bench.tracks, blind, bench.flow[0], size))
    )
    for seed in range(arguments.seeds):
        before = result["seeds"].get(str(seed), {})
        options = arguments.network, arguments.init, arguments.nets, arguments.out, arguments.again
        row = run_seed(bench, seed, *options)
        if not np.isfinite(row["seconds"]) and "seconds" in before:
            row["seconds"] = before["seconds"]
        result["seeds"][str(seed)] = row
        path.write_text(json.dumps(scorer.jsonable(result), indent=1))
        shown = row["refined"]
        print(f"{name:9s} seed {seed}  {shown['mean']:6.2f} px  {100 * shown['delta_avg']:5.1f} %", flush=True)


def cost(bench: Bench, nets: int, out: Path, turns: int = 2) -> str:
    """Markdown of what refining a clip costs by kind of network; the kinds take turns, so that their ratios hold."""
    given, frames = ([Pair(bench.video, bench.tracks)], [bench.tracks]), len(bench.tracks.frames)
    some = bench.tracks.replace(instances=dict(list(bench.tracks.instances.items())[:6]))
    step: dict[str, list[float]] = {"small": [], "fine": []}
    look: dict[str, list[float]] = {"small": [], "fine": []}
    size = {}
    for turn in range(turns):
        for name in step:
            took = []
            for count in (2, 6):
                NETWORKS["timed"] = replace(NETWORKS[name], epochs=1, least=count, most=count)
                learning = Learning(*given, out / f"cost-{name}-{turn}-{count}", network="timed", nets=1, seed=turn)
                begin = time.process_time()
                (path,) = learning.rest()
                took.append(time.process_time() - begin)
            step[name].append((took[1] - took[0]) / 4)
            size[name] = learning.size
            begin = time.process_time()
            fuse(bench.video, some, Appearance([load_model(path)] * nets), bench.flow[0], learning.size)
            look[name].append((time.process_time() - begin) / len(some.instances))
    steps = {name: nets * Learning(*given, out, network=name, nets=nets).steps for name in step}
    carried = bench.propagation_seconds
    lines = ["| network | crops, px | steps | s a step | s a frame, fusing | min per 100 frames |", "|---" * 6 + "|"]
    for name in step:
        checking = 0.0 if name == CHECKING else FIRST * steps[CHECKING] * float(np.mean(step[CHECKING]))
        training = checking + steps[name] * float(np.mean(step[name]))
        total = carried + training + frames * float(np.mean(look[name]))
        lines.append(
            f"| {name} | {size[name][1]}x{size[name][0]} | {steps[name]} | {np.mean(step[name]):.2f}"
            f" | {np.mean(look[name]):.2f} | {total / frames * 100 / 60:.1f} |"
        )
    return "\n".join(
        [*lines, "", f"{bench.name}: {frames} frames; propagation {carried:.0f} s; the check's fusing is left out."]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default=",".join(CLIPS), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--nets", type=int, default=2)
    parser.add_argument("--network", default="small", choices=list(NETWORKS))
    parser.add_argument("--init", default="random", help="of mspn")
    parser.add_argument("--flow", default="dis")
    parser.add_argument("--out", type=Path, default=Path("runs/refine"), help="where networks and results are kept")
    parser.add_argument("--cost", metavar="CLIP", help="only measure what the kinds of networks cost on this clip")
    parser.add_argument("--again", action="store_true", help="only combine and score what is there again")
    parser.add_argument("--show", action="store_true", help="print the tables only")
    parser.add_argument("--fit", action="store_true", help="fit the confidence on the results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.cost:
        print(cost(Bench(load_scorer(), arguments.cost, arguments.flow), arguments.nets, arguments.out))
        return
    if not (arguments.show or arguments.fit):
        scorer = load_scorer()
        for name in arguments.clips.split(","):
            run_clip(scorer, name, arguments)
    print(fit(arguments.out, arguments.network) if arguments.fit else tables(arguments.out, arguments.network))


if __name__ == "__main__":
    main()

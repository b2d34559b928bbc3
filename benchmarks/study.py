#!/usr/bin/env python3
"""The study of the thesis with our numbers: what labels, propagation and pretraining are worth to a pose model.

    python benchmarks/study.py                    as in benchmarks/README.md: about an hour of one core
    python benchmarks/study.py --quick            the program runs, the numbers mean nothing; minutes
    python benchmarks/study.py --full             full size, for a machine with a GPU
    python benchmarks/study.py --recipes          the table that the default recipe is chosen by
    python benchmarks/study.py --report           only print what there is

{random, pretrained} x {none, GT only, GT + POOF} and R in {5, 10, 20} (Tables 3.1 to 3.4, Fig. 3.3 of the thesis), the
accuracy over the number of labels with and without propagation, and from it how many labels one label is worth. Labels
go through `propagate` (DIS), training through `train_pose`, judging through `poof.evaluation`, on the footage of
`study_footage.py`. Every training makes the same number of steps, whatever its labels; nothing is held out and nothing
is stopped early, so nothing is chosen by the footage that judges. Every finished cell is kept in the folder (-o): an
interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import torch
from study_design import SIZES, THESIS, Size, arm_name, default, variants
from study_footage import TWELVE, camera_pair, check_data, familiar_pairs, labelled, sequences, target_pairs
from study_report import print_recipes, print_study

from poof.errors import PoofWarning
from poof.evaluation import Report, evaluate
from poof.flow.registry import create_flows
from poof.labels import LabelSet, load_labels, save_labels
from poof.pose import RECIPES, Pair, PoseModel, Recipe, boxes_from_labels, initial_network, predict_pose, train_pose
from poof.progress import bar
from poof.propagation import Settings, propagate
from poof.synthetic import PLAYER

JUDGED = ("test", "val", "cam02")


class Study:
    """Footage, models and finished cells, each made when first asked for."""

    def __init__(self, size: Size, folder: Path, device: str, seed: int) -> None:
        self.size, self.folder, self.device, self.seed = size, folder, device, seed
        self.cells = folder / "cells"
        self.cells.mkdir(parents=True, exist_ok=True)
        self._carried: dict[tuple[str, int, int], list[Pair]] = {}

    # ------------------------------------------------------------------------------------------------- footage

    @cached_property
    def _tracks(self) -> tuple[list[Path], list[Path]]:
        return sequences()

    @cached_property
    def target(self) -> list[Pair]:
        """The target domain's footage to label, every frame with exact labels."""
        return target_pairs(self._tracks[1][: self.size.clips], 0)

    @cached_property
    def camera(self) -> list[Pair]:
        """cam01."""
        return [camera_pair("cam01")]

    @cached_property
    def judges(self) -> dict[str, list[Pair]]:
        """Footage that judges: 'test' and 'val' (rendered, other sequences), 'cam02'."""
        first, second = self.size.clips, 2 * self.size.clips
        paths = self._tracks[1]
        return {
            "val": target_pairs(paths[first:second], 40, self.size.stride),
            "test": target_pairs(paths[second : second + self.size.judges], 60, self.size.stride),
            "cam02": [camera_pair("cam02")],
        }

    def carried(self, footage: str, count: int, radius: int) -> list[Pair]:
        """`count` labels on 'target' or 'camera', propagated to +-`radius` frames."""
        key = footage, count, radius
        if key not in self._carried:
            given = labelled(self.target if footage == "target" else self.camera, count)
            self._carried[key] = [
                Pair(video, propagate(video, labels, create_flows("dis", both_scales=True), Settings(radius=radius)))
                for video, labels in given
            ]
        return self._carried[key]

    # -------------------------------------------------------------------------------------------------- models

    @cached_property
    def pretrained(self) -> Path:
        """The model of the familiar domain."""
        path = self.folder / "pretrained.pt"
        if not path.exists():
            pairs = familiar_pairs(self._tracks[0][: self.size.familiar], self.size.frames)
            steps, batch = self.size.pretraining
            self._train(pairs, "random", default(steps, batch), "pretraining").replace(path)
            shutil.rmtree(self.folder / "pretraining")
        return path

    def _train(self, pairs: Sequence[Pair], init: str, recipe: Recipe, name: str) -> Path:
        fresh = init == "random"
        run = train_pose(
            pairs,
            self.folder / name,
            init=init,
            recipe=recipe,
            stages=self.size.stages if fresh else None,
            body=self.size.body if fresh else None,
            input_size=self.size.input_size,
            hold_out=False,
            seed=self.seed,
            device=self.device,
            track=bar,
        )
        return run.best

    def cell(self, name: str, judge: str, init: str, pairs: Callable[[], list[Pair]] | None, recipe: Recipe) -> None:
        """Train (not at all without `pairs`), predict the footage that judges, keep the prediction and what it took."""
        path, predictions = self.cells / f"{name}.json", self.cells / name
        made_by = json.loads(json.dumps({"size": asdict(self.size), "recipe": recipe.as_dict(), "seed": self.seed}))
        if path.exists() and json.loads(path.read_text())["made_by"] == made_by:
            return
        print(f"== {name}", flush=True)
        started, took = time.time(), time.process_time()
        start = "random" if init == "random" else str(self.pretrained)
        used = pairs() if pairs else []
        kinds = [points.source[points.labelled] for _, labels in used for _, _, points in labels]
        model: PoseModel | Path
        if used:
            model = self._train(used, start, recipe, f"run {name}")
        elif init == "random":
            torch.manual_seed(self.seed)
            keypoints = (PLAYER if judge != "cam02" else TWELVE).keypoints
            network, _ = initial_network(keypoints, "random", self.size.stages, self.size.body)
            model = PoseModel(network, PLAYER if judge != "cam02" else TWELVE, self.size.input_size)
        else:
            model = self.pretrained
        predictions.mkdir(exist_ok=True)
        for video, labels in self.judges[judge]:
            boxes = boxes_from_labels(labels)
            found = predict_pose(video, model, boxes, device=self.device)
            save_labels(found, predictions / f"{Path(video.name).stem}.csv", force=True)
        shutil.rmtree(self.folder / f"run {name}", ignore_errors=True)
        about = {
            "made_by": made_by,
            "judge": judge,
            "examples": sum(len(labels) for _, labels in used),
            "human": sum(bool((k == 1).any()) for k in kinds),
            "seconds": time.time() - started,
            "cpu_seconds": time.process_time() - took,
            "labels_error": self._labels_error(used),
        }
        path.write_text(json.dumps(about, indent=1))

    def _labels_error(self, used: Sequence[Pair]) -> dict[str, float] | None:
        """How good propagated labels are themselves: points, mean error, accuracy under 20 px of the crop."""
        known = [pair for name in ("target", "camera") for pair in self.__dict__.get(name, [])]
        exact = {video.name: labels for video, labels in known}
        carried = {video.name: labels for video, labels in used if any((p.source == 2).any() for _, _, p in labels)}
        if not carried:
            return None
        truth = {n: exact[n].replace(instances={k: p for k, p in exact[n].instances.items() if k in labels.instances})
                 for n, labels in carried.items()}  # fmt: skip
        table = quietly(lambda: evaluate({"labels": carried}, truth, metric="thesis", frame="crop")).table
        row = table[table.group == "all"].iloc[0]
        return {"points": int(row.points), "error": float(row["mean"]), "acc@20": float(row["acc@20"])}

    # --------------------------------------------------------------------------------------------------- design

    def run(self) -> None:
        """Every cell of the study, what the headline rests on first."""
        size, recipe = self.size, default(self.size.steps, self.size.batch)
        middle = size.middle

        def arm(
            footage: str, judge: str, init: str, count: int, radius: int | None, recipe: Recipe = recipe, note: str = ""
        ) -> None:
            def pairs() -> list[Pair]:
                if radius is not None:
                    return self.carried(footage, count, radius)
                return labelled(self.target if footage == "target" else self.camera, count)

            self.cell(f"{footage} {init} {arm_name(radius)} {count}{note}", judge, init, pairs, recipe)

        rendered = partial(arm, "target", "test")
        filmed = partial(arm, "camera", "cam02")
        for init in ("pretrained", "random"):
            self.cell(f"target {init} none 0", "test", init, None, recipe)
            rendered(init, size.base, None)
            rendered(init, size.base, middle)
            for radius in (None, middle):
                rendered(init, size.base, radius, RECIPES["thesis"], THESIS)
        rendered("pretrained", max(size.curve), None)
        for radius in reversed(size.radii):
            rendered("pretrained", size.base, radius)
        for init in ("random", "pretrained"):
            self.cell(f"camera {init} none 0", "cam02", init, None, recipe)
            filmed(init, size.camera_labels, None)
            filmed(init, size.camera_labels, middle)
        # From the middle outwards, so that a study that is cut short has the curve where it bends.
        for count in sorted(size.curve, key=lambda n: abs(n - 2 * size.base)):
            rendered("pretrained", count, None)
            rendered("pretrained", count, middle)
        for radius in size.radii:
            rendered("random", size.base, radius)
        for count in sorted(size.curve, key=lambda n: abs(n - 2 * size.base)):
            rendered("random", count, None)
            rendered("random", count, middle)

    def run_recipes(self) -> None:
        """The default recipe and what differs from it in one thing, judged by sequences of their own."""
        middle = self.size.middle
        for name, changes in variants().items():
            init, _, _ = name.partition(":")
            recipe = replace(default(self.size.steps, self.size.batch), **changes)
            self.cell(f"recipe {name}", "val", init, lambda: self.carried("target", self.size.base, middle), recipe)

    # ---------------------------------------------------------------------------------------------------- result

    def report(self, prefix: str) -> tuple[Report | None, dict[str, dict[str, Any]]]:
        """The finished cells whose names begin with `prefix`, judged side by side, and what each took."""
        about = {p.stem: json.loads(p.read_text()) for p in sorted(self.cells.glob(f"{prefix}*.json"))}
        wanted = json.loads(json.dumps(asdict(self.size)))
        about = {name: facts for name, facts in about.items() if facts["made_by"]["size"] == wanted}
        if not about:
            return None, {}
        judge = next(iter(about.values()))["judge"]
        truth = {Path(video.name).stem: labels for video, labels in self.judges[judge]}
        found: dict[str, dict[str, LabelSet]] = {
            name: {video: load_labels(self.cells / name / f"{video}.csv") for video in truth} for name in about
        }
        return quietly(lambda: evaluate(found, truth, (5, 10, 20, 30), "thesis", frame="crop")), about


def quietly(judge: Callable[[], Report]) -> Report:
    """The report without warnings on keypoints that one of the models does not have: the study knows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)
        return judge()


def main() -> None:
    """Run what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="a few steps of everything")
    which.add_argument("--full", action="store_true", help="ResNet-50, two stages, 256x192; wants a GPU")
    parser.add_argument("--recipes", action="store_true", help="measure the default recipe instead")
    parser.add_argument("--report", action="store_true", help="only print what is finished")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="folder for results; default runs/study-SIZE")
    args = parser.parse_args()
    check_data()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    name = "quick" if args.quick else "full" if args.full else "small"
    folder = args.output or Path("runs") / f"study-{name}"
    study = Study(SIZES[name], folder, args.device, args.seed)
    if args.recipes:
        if not args.report:
            study.run_recipes()
        print_recipes(*study.report("recipe"))
        return
    if not args.report:
        study.run()
    print_study(study.size, folder, study.report("target"), study.report("camera"))


if __name__ == "__main__":
    main()

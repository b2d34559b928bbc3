"""BQN: a busy pathway on what moves and a quiet one on the rest, joined by band-pass lateral connections.

Document: Huang (2022), Section 5.4; code: guoxih/busy-quiet-net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.asked import Asked, factory_of
from poof.recog.core.backbone import Block
from poof.recog.core.model import HostedRecognizer, Insertion, Recognizer, widen
from poof.recog.core.module import Picture, Place, Shape, TemporalModule, choose
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.zoo.modules.lateral import DESIGNS, Lateral, direction
from poof.recog.zoo.modules.mbpm import MotionBandPass
from poof.recog.zoo.networks.steps import Steps

QUIET = ("complement", "frame")
FUSIONS = ("average", "before", "max", "concat")


def busy_quiet(
    asked: Asked,
    *,
    backbone: str = "resnet50",
    lateral: str = "bplc",
    at: str = "all",
    quiet: str = "complement",
    ratio: float = 0.625,
    phi: str = "none",
    scale: str = "peak",
    fusion: str = "average",
    quiet_frames: int = 0,
) -> Recognizer:
    """The network; `asked.frames` are segments of three raw frames, `asked.size` is that of the busy pathway.

    Knobs
    -----
    backbone : resnet50
        Of both pathways: a 2D ResNet or MobileNetV2, which then get TSM, an inflated ResNet or an X3D. The 2D
        pathways share their classifier (the document), X3D's have one each (the released code and the 6.6 M of
        Table 5.9); logits are averaged behind it.
    lateral : bplc | lc1 | lc2 | lc3 | lc5 | released | none
        Designs of Table 5.7, see `poof.recog.zoo.modules.lateral.direction`; bplc is its LC-IV. What was released for
        X3D is lateral=released,phi=both,quiet=frame.
    at : all | stages | res2+res3 ... | a number
        A connection behind every pair of blocks, behind the first pair of each stage, or of the stages named (Table
        5.5); or so many, the first pairs of all stages, then the second ones and so on (Table 5.6, which does not say
        where its 4 and 8 are).
    quiet : complement | frame
        What the quiet pathway sees: the mean of the three frames less the busy one (Eq. 5.4), or the first of the
        three (released code, and probably what the document's figures belong to: its quiet pathway alone has the
        46.5 % of plain RGB). With scale=sum only 'frame' makes sense: the busy frame is then 779 times too large.
    ratio : 0.625
        Size of the quiet picture to the busy one's (160 to 256 in the document's main results, 1 in its ablations).
    phi : none | conv | mlp | both
        See `poof.recog.zoo.modules.lateral.Lateral`.
    scale : peak | sum | raw
        Of the Laplacians, see `poof.recog.zoo.modules.mbpm.log_kernel`.
    fusion : average | before | max | concat
        Table 5.4: logits averaged; features averaged in front of the classifier; the larger logit; features one behind
        the other in front of a classifier of twice the width. With one linear classifier for both the first two give
        the same answers; in training they differ by their dropout. Averaging in front needs pathways that share it.
    quiet_frames : 0
        Frames of the quiet pathway, evenly chosen among the segments (last rows of Table 5.8: 6 and 4 of 8); 0: all.
        Lateral connections then interpolate along time, too, and pathways are fused behind their means over frames.

    Raises
    ------
    PoofError
        For combinations that make no sense, with the reason.
    """
    choose("lateral", lateral, DESIGNS)
    choose("fusion", fusion, FUSIONS)
    choose("quiet", quiet, QUIET)
    if quiet == "complement" and scale == "sum":
        raise PoofError("quiet=complement subtracts the busy frame, which scale=sum makes hundreds of times too large")
    if not 0 < ratio <= 1 or round(asked.size * ratio) < 16:
        raise PoofError(
            f"ratio={ratio} of {asked.size} px: the quiet pathway needs 16 px, and not more than the busy one"
        )
    if not 0 <= quiet_frames <= asked.frames:
        raise PoofError(f"quiet_frames={quiet_frames}: of {asked.frames} segments 1 to all can be taken; 0 takes all")
    small = replace(asked, size=round(asked.size * ratio), frames=quiet_frames or asked.frames)
    pathways = {"busy": _pathway(backbone, asked), "quiet": _pathway(backbone, small)}
    chosen = connected(at, pathways["busy"].blocks) if lateral != "none" else ()
    return BusyQuietNet(pathways, asked.config, lateral, chosen, quiet, phi, scale, fusion)


def connected(at: str | int, blocks: Sequence[Block]) -> tuple[int, ...]:
    """Numbers of the blocks, from 0, behind which there is a connection; `at` is that of `busy_quiet`."""
    if at == "all":
        return tuple(range(len(blocks)))
    if str(at).isdigit():
        if int(at) > len(blocks):
            raise PoofError(f"at={at}: the backbone has {len(blocks)} blocks")
        rounds = sorted(range(len(blocks)), key=lambda number: (blocks[number].index, number))
        return tuple(sorted(rounds[: int(at)]))
    names = {f"res{block.stage + 1}": block.stage for block in blocks}
    wanted = set(names) if at == "stages" else set(str(at).split("+"))
    if not wanted <= set(names):
        raise PoofError(f"at={at}: choose all, stages, a number, or some of {'+'.join(names)}")
    stages = {names[name] for name in wanted}
    return tuple(number for number, block in enumerate(blocks) if block.index == 0 and block.stage in stages)


@dataclass(frozen=True)
class Pathway:
    """A backbone with its modules, its parts, and its blocks with the shapes behind them."""

    net: HostedRecognizer
    steps: Steps
    shapes: tuple[Shape, ...]

    @property
    def blocks(self) -> Sequence[Block]:
        """Those of the backbone."""
        return self.net.blocks


def _pathway(backbone: str, asked: Asked) -> Pathway:
    with on_meta():
        twin = factory_of(backbone)(asked.num_classes)
        probe = Steps(twin.net, twin.blocks)
    net = asked.hosted(backbone, [("tsm", {})] if twin.dims == 2 else [])
    shapes = []
    with torch.no_grad():
        x = probe.stem(torch.empty(1, asked.frames, 3, asked.size, asked.size, device="meta"))
        for layer in probe.blocks:
            x = layer(x)
            shapes.append(Shape(*probe.unfold(x, asked.frames).shape[1:]))
    return Pathway(net, Steps(net.backbone, net.blocks), tuple(shapes))


class BusyQuietNet(Recognizer):
    """Two pathways in step, see `busy_quiet`.

    Its heat maps have stages 1 to 4 of the busy pathway, then 5 to 8 of the quiet one.
    """

    per_segment = 3

    def __init__(
        self,
        pathways: Mapping[str, Pathway],
        config: dict[str, Any],
        lateral: str,
        at: Sequence[int],
        quiet: str,
        phi: str,
        scale: str,
        fusion: str,
    ) -> None:
        super().__init__()
        self.config, self.quiet_input, self.fusion = config, quiet, fusion
        self.segments, self.size = config["frames"], config["size"]
        self.left_out = []
        busy, other = pathways["busy"], pathways["quiet"]
        self.mean, self.std, self.quiet_size = busy.net.mean, busy.net.std, other.net.size
        self.mbpm = MotionBandPass(Shape(3 * self.segments, 3, self.size, self.size), scale=scale)
        self.busy, self.quiet = busy.net, other.net
        self._steps = (busy.steps, other.steps)
        self.shared = self.busy.dims == 2
        if fusion == "before" and not self.shared:
            raise PoofError("fusion=before averages features for one classifier; pathways of X3D have one each")
        if self.shared or fusion == "concat":
            _drop_classifier(self.quiet)
        if fusion == "concat":
            classifier = self.busy.backbone.get_submodule(self.busy.classifier)
            assert isinstance(classifier, nn.Linear)
            widen(self.busy.backbone, self.busy.classifier, classifier.in_features)
            self.busy.backbone.get_submodule(self.busy.classifier).register_forward_pre_hook(self.busy.head.before)
        self.insertions = [_input_line(self.mbpm)]
        for key, pathway in pathways.items():
            self.insertions += [_moved(line, key) for line in pathway.net.insertions]
        self.laterals = nn.ModuleDict()
        for number, (block, shape, small) in enumerate(zip(busy.blocks, busy.shapes, other.shapes, strict=True)):
            if number not in at:
                continue
            way = direction(lateral, number + 1)  # i of Eq. 5.5 counts blocks, with and without a connection
            kernel = 0 if lateral == "lc5" else 3 if block.stage == 4 else 7
            one = Lateral(shape.channels, way, kernel, phi, scale)
            self.laterals[str(number)] = one
            self.insertions.append(_lateral_line(one, block.path, lateral, shape, small))
        self.stages = _stage_ends("busy", busy.blocks) + _stage_ends("quiet", other.blocks)
        self._paths = [block.path for block in busy.blocks]
        self._pictured: Tensor | None = None

    @property
    def classifiers(self) -> tuple[str, ...]:
        """See `Recognizer.classifiers`."""
        own = tuple(f"busy.{path}" for path in self.busy.classifiers)
        if self.shared or self.fusion == "concat":
            return own
        return (*own, *(f"quiet.{path}" for path in self.quiet.classifiers))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, 3T, 3, H, W), normalised, to logits (N, classes)."""
        self.check(clips)
        moving = self.mbpm(clips)
        still = self.still(clips, moving)
        self._pictured = still.detach()[0] if self.mbpm.watching else None
        frames, fewer = moving.shape[1], still.shape[1]
        self.busy.frame_count.frames, self.quiet.frame_count.frames = frames, fewer
        first, second = self._steps
        x, z = first.stem(moving), second.stem(still)
        for number, (block, other) in enumerate(zip(first.blocks, second.blocks, strict=True)):
            x, z = block(x), other(z)
            if str(number) in self.laterals:
                joined = self.laterals[str(number)](first.unfold(x, frames), second.unfold(z, fewer))
                x, z = first.fold(joined[0]), second.fold(joined[1])
        return self._fused(first.head(x), second.head(z), frames, fewer)

    def _fused(self, x: Tensor, z: Tensor, frames: int, fewer: int) -> Tensor:
        """Features of both pathways, (N * T, C) each or (N, C), to logits (N, classes)."""
        consensus = self.shared

        def over_frames(y: Tensor, count: int) -> Tensor:
            return y.unflatten(0, (-1, count)).mean(1)

        classify = self.busy.backbone.get_submodule(self.busy.classifier)
        if self.fusion in ("before", "concat"):
            if consensus and frames != fewer:
                x, z, consensus = over_frames(x, frames), over_frames(z, fewer), False
            logits = classify((x + z) / 2 if self.fusion == "before" else torch.cat([x, z], 1))
            return over_frames(logits, frames) if consensus else logits
        other = classify if self.shared else self.quiet.backbone.get_submodule(self.quiet.classifier)
        busy, quiet = classify(x), other(z)
        if consensus and frames != fewer:
            busy, quiet, consensus = over_frames(busy, frames), over_frames(quiet, fewer), False
        logits = torch.maximum(busy, quiet) if self.fusion == "max" else (busy + quiet) / 2
        return over_frames(logits, frames) if consensus else logits

    def still(self, clips: Tensor, moving: Tensor) -> Tensor:
        """The quiet pathway's input (N, T or `quiet_frames`, 3, h, w)."""
        triples = clips.unflatten(1, (-1, 3))
        still = triples.mean(2) - moving if self.quiet_input == "complement" else triples[:, :, 0]
        if self.quiet.segments != self.segments:
            count, whole = round(still.shape[1] * self.quiet.segments / self.segments), still.shape[1]
            still = still[:, [int((number + 0.5) * whole / count) for number in range(count)]]
        size = tuple(round(side * self.quiet_size / self.size) for side in clips.shape[-2:])
        if size == still.shape[-2:]:
            return still
        small = interpolate(still.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
        return small.unflatten(0, still.shape[:2])

    def diagnostics(self) -> dict[str, dict[str, float]]:
        """Also how far the lateral connections have opened, by block of the busy pathway."""
        reads = super().diagnostics()
        for number, lateral in self.laterals.items():
            assert isinstance(lateral, Lateral)
            reads[f"lateral behind {self._paths[int(number)]}"] = {"openness": lateral.openness()}
        return reads

    def pictures(self) -> dict[str, list[Picture]]:
        """Also what the quiet pathway saw."""
        rows = super().pictures()
        if self._pictured is not None:
            rows["quiet"] = [Picture("input of the quiet pathway", self._pictured)]
        return rows


def _drop_classifier(pathway: HostedRecognizer) -> None:
    parent, _, last = pathway.classifier.rpartition(".")
    setattr(pathway.backbone.get_submodule(parent), last, nn.Identity())


def _stage_ends(key: str, blocks: Sequence[Block]) -> tuple[str, ...]:
    """The last block of each stage: stages themselves are not called, their blocks are."""
    ends = {block.stage: f"{key}.backbone.{block.path}" for block in blocks}
    return tuple(ends[stage] for stage in sorted(ends))


def _moved(line: Insertion, key: str) -> Insertion:
    return replace(line, place=replace(line.place, path=f"{key}.{line.place.path}"))


def _input_line(module: TemporalModule) -> Insertion:
    shape = module.shape
    macs = count_forward(module, (1, shape.frames, shape.channels, shape.height, shape.width)).macs
    after = replace(shape, frames=shape.frames // 3)
    return Insertion("mbpm", Place(""), shape, after, parameters(module), macs)


def _lateral_line(module: Lateral, path: str, design: str, busy: Shape, quiet: Shape) -> Insertion:
    shapes = [(1, s.frames, s.channels, s.height, s.width) for s in (busy, quiet)]
    macs = count_forward(module, *shapes).macs
    return Insertion(f"{design} {module.way}", Place(f"busy.{path}", "after"), busy, busy, parameters(module), macs)

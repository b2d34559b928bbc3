"""Two streams of the same backbone whose scores are averaged: RGB beside squeezed optical flow, or beside MBPM.

Documents: Huang (2022), Section 3.2.3 (two-stream TeSNet) and Table 5.2 (RGB + MBPM).

The documents train the streams one by one. Here they learn together, from the mean of their scores; a stream trained
alone is the network of the same backbone and modules without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poof.flow import create_flow
from poof.meta_device import on_meta
from poof.recog.asked import Asked, factory_of
from poof.recog.core.model import HostedRecognizer, Insertion, Recognizer
from poof.recog.core.module import Picture
from poof.recog.zoo.modules.flow_images import FlowImages
from poof.recog.zoo.modules.non_persistent import NonPersistent


def tesnet(
    asked: Asked,
    *,
    backbone: str = "resnet50",
    k: int = 10,
    d: int = 3,
    layers: str = "input",
    flow: str = "dis",
) -> Recognizer:
    """Two-stream TeSNet: temporal squeeze pooling on RGB and on optical flow; a segment has K raw frames.

    The document has Inception-ResNet-v2 with 299 pixels (tesnet2-inception_resnet_v2). Its flow is TV-L1 as JPEG, ours
    is computed by this package while the clip is read through the network: DIS by default, from each frame to the next,
    the last of a segment repeated.

    Knobs
    -----
    backbone : resnet50
    k, d, layers : 10, 3, input
        See `poof.recog.zoo.modules.tsp.TemporalSqueeze`.
    flow : dis
        Estimator, see `poof.flow.available`.
    """
    streams = {key: asked.hosted(backbone, [squeeze(k, d, layers)]) for key in ("rgb", "flow")}
    return TwoStream(streams, {"flow": FlowImages(create_flow(flow), k, asked.size)}, asked.config, k)


def squeeze(k: int, d: int, layers: str) -> tuple[str, dict[str, Any]]:
    """TSP as a request; layers that name their images ('stem:16+stage3:4') have no use for d."""
    return "tsp", {"k": k, "layers": layers, **({} if ":" in layers else {"d": d})}


def flow_stream(
    asked: Asked,
    *,
    backbone: str = "resnet50",
    k: int = 10,
    d: int = 3,
    layers: str = "input",
    flow: str = "dis",
) -> Recognizer:
    """The flow stream of TeSNet alone, to be trained by itself (recipe tesnet-flow) and fused with one of RGB.

    Knobs
    -----
    backbone, k, d, layers, flow
        See `tesnet`; d=0 leaves the squeezing out: the stream then sees every flow image, k of them a segment.
    """
    inner = asked if d else replace(asked, frames=asked.frames * k)
    streams = {"flow": inner.hosted(backbone, [squeeze(k, d, layers)] if d else [])}
    return TwoStream(streams, {"flow": FlowImages(create_flow(flow), k, asked.size)}, asked.config, k)


def rgb_and_busy(
    asked: Asked,
    *,
    backbone: str = "resnet50",
    scale: str = "peak",
) -> Recognizer:
    """RGB + MBPM: the middle frame of each triple in one stream, the band-pass of the triple in the other.

    Knobs
    -----
    backbone : resnet50
        2D backbones get TSM.
    scale : peak
        See `poof.recog.zoo.modules.mbpm.MotionBandPass`.
    """
    with on_meta():
        shift: list[tuple[str, dict[str, Any]]] = [("tsm", {})] if factory_of(backbone)(2).dims == 2 else []
    streams = {
        "rgb": asked.hosted(backbone, shift),
        "busy": asked.hosted(backbone, [("mbpm", {"scale": scale}), *shift]),
    }
    return TwoStream(streams, {"rgb": middle_frames}, asked.config, 3)


class TwoStream(Recognizer):
    """The mean of the streams' scores, as its logarithm.

    Parameters
    ----------
    streams
        By name; the heat maps have the stages of the first, then those of the second.
    prepare
        What a stream sees of the clip (N, T, 3, H, W), where that is not the clip itself.
    config
        Arguments of `build_model`.
    per_segment
        Raw frames of a segment.
    """

    def __init__(
        self,
        streams: Mapping[str, HostedRecognizer],
        prepare: Mapping[str, Callable[[Tensor], Tensor]],
        config: dict[str, Any],
        per_segment: int,
    ) -> None:
        super().__init__()
        self.config, self.per_segment = config, per_segment
        self.segments, self.size = config["frames"], config["size"]
        first = next(iter(streams.values()))
        self.mean, self.std = first.mean, first.std
        self._names, self._prepare = tuple(streams), dict(prepare)
        for name, stream in streams.items():
            self.add_module(name, stream)
        self.stages = tuple(f"{name}.{path}" for name, stream in streams.items() for path in stream.stages)
        self.insertions = [_moved(line, name) for name, stream in streams.items() for line in stream.insertions]
        self.left_out = [text for stream in streams.values() for text in stream.left_out]
        self._seen: NonPersistent[Tensor] = NonPersistent()

    @property
    def classifiers(self) -> tuple[str, ...]:
        """See `Recognizer.classifiers`."""
        streams = {name: self.get_submodule(name) for name in self._names}
        return tuple(f"{n}.{path}" for n, s in streams.items() if isinstance(s, Recognizer) for path in s.classifiers)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, T, 3, H, W), normalised, to log scores (N, classes)."""
        self.check(clips)
        scores = []
        for name in self._names:
            seen = self._prepare[name](clips) if name in self._prepare else clips
            if isinstance(self._prepare.get(name), FlowImages):
                self._seen.value = seen[0].detach()
            scores.append(self.get_submodule(name)(seen).log_softmax(1))
        return torch.logsumexp(torch.stack(scores), 0) - float(np.log(len(scores)))

    def pictures(self) -> dict[str, list[Picture]]:
        """Also the flow, one image a segment."""
        rows = super().pictures()
        if self._seen.value is not None:
            rows = {
                "flow": [Picture("dx, dy, speed as colours", self._seen.value[:: self.per_segment], "signed")],
                **rows,
            }
        return rows


def middle_frames(clips: Tensor) -> Tensor:
    """The second frame of each triple."""
    return clips[:, 1::3]


def _moved(line: Insertion, stream: str) -> Insertion:
    return replace(line, place=replace(line.place, path=".".join(filter(None, (stream, line.place.path)))))

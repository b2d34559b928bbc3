"""TDN whole: five frames a segment, the short-term module in the stem and the first stage, the long-term one behind.

Document: Wang et al., TDN: Temporal Difference Networks for Efficient Action Recognition (CVPR 2021).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from poof.errors import PoofError
from poof.recog.asked import Asked, factory_of
from poof.recog.core.model import HostedRecognizer, Recognizer
from poof.recog.core.weights import load_weights, over_planes
from poof.recog.zoo.networks.steps import Steps

FRAMES = 5


def temporal_difference(
    asked: Asked,
    *,
    backbone: str = "resnet50",
    alpha: float = 0.0,
) -> Recognizer:
    """The network; `asked.frames` are segments of five raw frames.

    Knobs
    -----
    backbone : resnet50
        A 2D ResNet.
    alpha : 0
        Share of the pictures where they meet the differences; 0: that of the released code, 0.5 for 8 segments and
        0.75 for others.
    """
    if not 0 <= alpha <= 1:
        raise PoofError(f"alpha={alpha}: a share, 0 to 1")
    twin = factory_of(backbone)(asked.num_classes)
    if twin.dims != 2 or not hasattr(twin.net, "layer1"):
        raise PoofError(f"backbone={backbone}: TDN needs a 2D ResNet")
    if asked.weights is not None:
        load_weights(twin, asked.weights)
    main = asked.hosted(backbone, [("tdn", {"shift": True})])
    share = alpha or (0.5 if asked.frames == 8 else 0.75)
    return TemporalDifferenceNet(main, twin.net, asked.config, share)


class TemporalDifferenceNet(Recognizer):
    """A backbone on the middle frame of each segment; its stem and first stage are mixed with those of differences."""

    per_segment = FRAMES

    def __init__(self, main: HostedRecognizer, twin: nn.Module, config: dict[str, Any], alpha: float) -> None:
        super().__init__()
        self.config, self.alpha = config, alpha
        self.segments, self.size = config["frames"], config["size"]
        self.mean, self.std = main.mean, main.std
        self.main, self._steps = main, Steps(main.backbone, main.blocks)
        stem: Any = twin.get_submodule("conv1")
        # As released: the ImageNet kernels averaged over the colours, for each of the twelve planes of differences.
        kernel = over_planes(stem.weight.detach(), 3 * (FRAMES - 1))
        self.difference_stem = nn.Sequential(
            nn.Conv2d(3 * (FRAMES - 1), kernel.shape[0], stem.kernel_size, stem.stride, stem.padding, bias=False),
            nn.BatchNorm2d(kernel.shape[0]),
            nn.ReLU(inplace=True),
        )
        first: Any = self.difference_stem[0]
        with torch.no_grad():
            first.weight.copy_(kernel)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.difference_stage = twin.get_submodule("layer1")
        self.blocks = ()
        self.stages = tuple(f"main.{path}" for path in main.stages)
        self.insertions, self.left_out = main.insertions, main.left_out
        self._ends = max(number for number, block in enumerate(main.blocks) if block.stage == 1)

    @property
    def classifiers(self) -> tuple[str, ...]:
        """See `Recognizer.classifiers`."""
        return tuple(f"main.{path}" for path in self.main.classifiers)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, 5 * S, 3, H, W), normalised, to logits (N, classes)."""
        self.check(clips)
        frames = clips.unflatten(1, (-1, FRAMES))
        segments = frames.shape[1]
        changes = (frames[:, :, 1:] - frames[:, :, :-1]).flatten(0, 1).flatten(1, 2)
        first = self.pool(self.difference_stem(avg_pool2d(changes, 2)))
        second = self.difference_stage(first)
        self.main.frame_count.frames = segments
        x = self._mix(self._steps.stem(frames[:, :, FRAMES // 2]), first)
        for number, block in enumerate(self._steps.blocks):
            x = block(x)
            if number == self._ends:
                x = self._mix(x, second)
        classify = self.main.backbone.get_submodule(self.main.classifier)
        return classify(self._steps.head(x)).unflatten(0, (-1, segments)).mean(1)

    def _mix(self, x: Tensor, differences: Tensor) -> Tensor:
        return self.alpha * x + (1 - self.alpha) * interpolate(differences, x.shape[-2:])

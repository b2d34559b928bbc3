"""Training losses. MSPN: every map against its target, the last unit of each stage on its hardest joints.

Which points count, and how much (`point_weights`):

- a point a person set counts 1; any other (propagated, predicted, refined) counts its confidence, 1/2 where unknown;
- a point that is not labelled, or lies outside the crop, counts nothing anywhere: its map is neither asked for nor
  suppressed;
- a keypoint that is *absent* trains every unit towards an empty map (UNet: towards an even one);
- a point labelled *occluded* trains the finest unit of each stage only. The coarse units say where a joint is seen;
  the finest has to guess it from the rest of the body, as a person did. (The official loss agrees on the finest unit;
  on the coarse ones it pushes the maps of occluded and unlabelled joints to zero, which would teach a network trained
  on sparse labels to miss joints.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from poof.labels.model import Points, Source, Visible
from poof.pose.naming import Network
from poof.pose.targets import PEAK, Kind, heatmap_targets
from poof.pose.unet import UNet, unet_loss

UNKNOWN_CONFIDENCE = 0.5


class LossSettings(NamedTuple):
    """`coarse` scales the loss of units 1 to 3, `hardest` is the number of joints that count in unit 4."""

    coarse: float = 0.25
    hardest: int = 8


DEFAULT = LossSettings()


def point_weights(points: Points, confidence_power: float = 1.0) -> np.ndarray:
    """(K,) float32 in [0, 1]: how far each point can be trusted, by provenance and confidence; 0 where not labelled.

    COCO's flag 0 means not labelled, even beside coordinates; absent keypoints count too. Confidences are raised to the
    power `confidence_power`.
    """
    confidence = np.nan_to_num(points.confidence, nan=UNKNOWN_CONFIDENCE).clip(0, 1) ** confidence_power
    weights = np.where(points.source == Source.HUMAN, 1.0, confidence)
    counts = (points.labelled & (points.visible > 0)) | points.absent
    return np.where(counts, weights, 0.0).astype(np.float32)


def pose_loss(
    maps: Tensor, targets: Tensor, weights: Tensor, visible: Tensor, settings: LossSettings = DEFAULT
) -> Tensor:
    """The loss of a batch, a scalar.

    With e the mean squared difference of one map from its target in units of the peak, and w the weight:

        loss = sum over stages of ( coarse * sum over units 1-3 of mean_{b,k} w e [visible]
                                    + mean_b mean over the `hardest` largest of w e in unit 4 )

    where [visible] holds for absent keypoints as well: their target is an empty map.

    Parameters
    ----------
    maps, targets : (B, stages, 4, K, h, w)
        From `MSPN.forward` and `heatmap_targets`.
    weights : (B, K)
        From `point_weights`; 0 masks a joint.
    visible : (B, K)
        `Visible`; the coarse units learn from visible and absent keypoints only.
    settings
        See `LossSettings`.
    """
    errors = ((maps.float() - targets) / PEAK).square().mean(dim=(-2, -1)) * weights[:, None, None]
    seen = ((visible == Visible.VISIBLE) | (visible == Visible.ABSENT)).to(errors)
    coarse = (errors[:, :, :-1] * seen[:, None, None]).mean(dim=(0, 3)).sum()
    fine = errors[:, :, -1].topk(min(settings.hardest, errors.shape[-1]), dim=-1).values.mean(dim=(0, 2)).sum()
    return settings.coarse * coarse + fine


def training_loss(
    network: Network,
    maps: Tensor,
    points: Tensor,
    weights: Tensor,
    visible: Tensor,
    size: tuple[int, int],
    kind: Kind = "exact",
    settings: LossSettings = DEFAULT,
) -> Tensor:
    """The loss of a batch for the network that made the maps, a scalar; minimised over the weights, (3.1) of Gebotys.

    Parameters
    ----------
    network, maps
        Either kind, and what its `forward` gave.
    points : (B, K, 2)
        Pixels of the input, NaN where not labelled or outside.
    weights, visible : (B, K)
        See `pose_loss`.
    size
        (height, width) of the input.
    kind, settings
        Of MSPN's targets and loss; see `heatmap_targets`, `LossSettings`.
    """
    if isinstance(network, UNet):
        return unet_loss(maps, points, weights, visible == Visible.ABSENT)
    return pose_loss(maps, heatmap_targets(points, size, network.stages, kind), weights, visible, settings)

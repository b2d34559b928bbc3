"""A trained pose model: the network with all that its use needs, and its checkpoint file.

A checkpoint is a `torch.save` of a plain dictionary (tensors, numbers, strings, lists), so `weights_only=True` loads
it: `format`, `version`, `architecture`, `network` (the state dict, official names), `skeleton`, `input_size` (height,
width), `margin`, `recipe`, `validation`, `confidence`; `last.pt` has `training` beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poof import checkpoints
from poof.errors import PoofError
from poof.labels import Skeleton
from poof.pose.crops import LARGEST_MARGIN, MARGIN, normalise
from poof.pose.decoding import decode
from poof.pose.mspn import MULTIPLE
from poof.pose.naming import Architecture, Network, architecture_of, clean, load, naming_of, to_ours
from poof.pose.precision import Precision, place, run
from poof.pose.transfer import MPII_KEYPOINTS, skeleton_of_people

FORMAT, VERSION = "poof-pose", 1
INPUT_SIZE = (256, 192)
MPII_INPUT_SIZE = (256, 256)
_LARGEST_SIDE = 4096


def parse_input_size(text: str) -> tuple[int, int]:
    """(height, width) from '256x192'; a `PoofError` when it is something else or not divisible by 32."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise PoofError(f"an input size is HEIGHTxWIDTH, such as 256x192, not '{text}'")
    return check_input_size((int(height), int(width)))


def check_input_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size itself; a `PoofError` when a side is not divisible by 32."""
    if min(size) < MULTIPLE or any(side % MULTIPLE for side in size):
        raise PoofError(
            f"an input of {size[0]}x{size[1]} does not fit a network; both sides must be multiples of {MULTIPLE}"
        )
    if max(size) > _LARGEST_SIDE:
        raise PoofError(f"an input of {size[0]}x{size[1]} is beyond {_LARGEST_SIDE} pixels a side; choose less")
    return size


@dataclass(eq=False)
class PoseModel:
    """A network, the skeleton of its heat maps, and how its crops are cut.

    Attributes
    ----------
    network
        Takes normalised RGB.
    skeleton
        One keypoint per heat map, in order.
    input_size
        (height, width) of the crops.
    margin
        How much larger than a subject's box the crops are; see `Crop.around`.
    recipe
        What it was trained with; for the record.
    validation
        What training measured: `error` (mean, px of the crop), `accuracy` ({threshold: share}), `joint_score` (per
        keypoint, in [0, 1], NaN where the validation labels do not have it), `presence` (how high a peak must be for
        its keypoint to be there, see `fit_presence`). Empty without validation.
    confidence
        (a, b): the confidence of a point whose heat map peaks at p is 1 / (1 + exp(-(a + b p))). None: p itself.
    absent_in_training
        Keypoints that some training label said are absent; the others are taken to be there.
    """

    network: Network
    skeleton: Skeleton
    input_size: tuple[int, int] = INPUT_SIZE
    margin: float = MARGIN
    recipe: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    confidence: tuple[float, float] | None = None
    absent_in_training: tuple[str, ...] = ()

    @property
    def mirror(self) -> list[int] | None:
        """For each keypoint the one that takes its place in a mirrored image; None where left and right are unknown."""
        pairs = self.skeleton.mirror_pairs
        return mirror_order(len(self.skeleton), pairs) if pairs else None

    @torch.no_grad()
    def heatmaps(self, crops: Tensor, flip: bool = True, precision: Precision = "auto") -> Tensor:
        """(B, K, h, w) of RGB uint8 crops (B, 3, H, W), averaged with those of the mirrored crops when `flip`.

        Cells are `network.stride` pixels wide.

        The mirrored crop is moved one pixel to the right: x -> W - x takes a cell exactly onto a cell, so both maps
        say the same of the same place (x -> W - 1 - x leaves them a quarter of a cell apart). A skeleton without left
        and right is not flipped.
        """
        self.network.eval()
        images = normalise(crops)
        maps = run(self.network, images, precision)
        if flip and self.mirror is not None:
            turned = images.flip(-1)
            turned = torch.cat([turned[..., :1], turned[..., :-1]], dim=-1)
            maps = (maps + run(self.network, turned, precision).flip(-1)[:, self.mirror]) / 2
        return maps

    def points(
        self, crops: Tensor, flip: bool = True, precision: Precision = "auto"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keypoints (B, K, 2) in pixels of the crops, the confidence (B, K) of each, and (B, K) which are absent."""
        xy, found = decode(self.heatmaps(crops, flip, precision), stride=self.network.stride)
        peaks = found.cpu().numpy()
        return xy.cpu().numpy(), self.trust(peaks), self.absent(peaks)

    def absent(self, peaks: np.ndarray) -> np.ndarray:
        """(B, K) bool: which keypoints are not in the picture, by the height (B, K) of their peaks in [0, 1].

        None where no training label says absent, or no held-out one, by which the height could be chosen.
        """
        presence = self.validation.get("presence")
        if not presence:
            return np.zeros(peaks.shape, bool)
        may_be = np.array([name in self.absent_in_training for name in self.skeleton.keypoints])
        return (peaks < presence["threshold"]) & may_be

    def trust(self, peaks: np.ndarray) -> np.ndarray:
        """Confidence of points by the height of their peaks in [0, 1]."""
        if self.confidence is None:
            return peaks
        a, b = self.confidence
        return (1 / (1 + np.exp(-(a + b * peaks)))).astype(np.float32)

    def as_dict(self) -> dict[str, Any]:
        """What the checkpoint holds."""
        skeleton = self.skeleton
        network = self.network
        return {
            "format": FORMAT,
            "version": VERSION,
            "architecture": Architecture.of(network)._asdict(),
            "network": {name: value.detach().cpu().clone() for name, value in network.state_dict().items()},
            "skeleton": {
                "name": skeleton.name,
                "keypoints": list(skeleton.keypoints),
                "edges": [list(edge) for edge in skeleton.edges],
                "symmetry": [list(pair) for pair in skeleton.symmetry],
            },
            "input_size": list(self.input_size),
            "margin": self.margin,
            "recipe": self.recipe,
            "validation": self.validation,
            "confidence": None if self.confidence is None else list(self.confidence),
            "absent_in_training": list(self.absent_in_training),
        }


def mirror_order(count: int, pairs: tuple[tuple[int, int], ...]) -> list[int]:
    """The permutation of `count` keypoints that swaps each of `pairs`."""
    order = list(range(count))
    for left, right in pairs:
        order[left], order[right] = right, left
    return order


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary in a checkpoint file of any origin, on the CPU; see `poof.checkpoints.read_checkpoint`."""
    content = checkpoints.read_checkpoint(path, "give the .pt of a training run or a downloaded file")
    if not isinstance(content, dict):
        raise PoofError(f"{path}: holds a {type(content).__name__}, not a checkpoint; give the .pt of a training run")
    return content


def weights_in(content: dict[str, Any], source: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint that is not ours: bare, or wrapped (the official release has it in `model`)."""
    state = clean(checkpoints.tensors_in(content, source))
    checkpoints.check_finite(state, source)
    return state


def rgb_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A foreign file's weights for RGB input: what bears the official names was trained on BGR, in a wrapper or bare.

    Mean and deviation follow the channel in both releases, so turning the first convolution round is exact.
    """
    if not naming_of(state).startswith("official"):
        return state
    return {name: value.flip(1) if value.ndim == 4 and value.shape[1] == 3 else value for name, value in state.items()}


def load_model(path: str | Path, device: torch.device | str = "cpu") -> PoseModel:
    """Read a pose model: a checkpoint of ours, or one of the official or mmpose's release (COCO's joints, or MPII's).

    Raises
    ------
    PoofError
        If there is no such file, it is damaged, or no MSPN.
    """
    content = read_checkpoint(path)
    if content.get("format") == FORMAT:
        model = _ours(path, content)
    else:
        state = to_ours(rgb_weights(weights_in(content, str(path))), str(path))
        architecture = architecture_of(state, str(path))
        joints = skeleton_of_people(architecture.num_keypoints)
        if not joints:
            raise PoofError(
                f"{path}: has {architecture.num_keypoints} heat maps and no names for them; only COCO's 17 and MPII's "
                "16 joints are known without names"
            )
        model = PoseModel(architecture.build(), Skeleton(joints, name="person"))
        if joints == MPII_KEYPOINTS:
            model.input_size = MPII_INPUT_SIZE
        load(model.network, state, str(path))
    place(model.network, device).eval()
    return model


def _ours(path: str | Path, content: dict[str, Any]) -> PoseModel:
    architecture, skeleton = architecture_in(path, content), skeleton_in(path, content)
    if architecture.num_keypoints != len(skeleton):
        raise incomplete(path, ValueError(f"{architecture.num_keypoints} heat maps for {len(skeleton)} keypoints"))
    model = PoseModel(architecture.build(), skeleton)
    load(model.network, network_in(path, content), str(path))
    try:
        model.input_size = check_input_size((int(content["input_size"][0]), int(content["input_size"][1])))
        model.margin = float(content["margin"])
        model.recipe, model.validation = dict(content["recipe"]), dict(content["validation"])
        pair = content["confidence"]
        model.confidence = None if pair is None else (float(pair[0]), float(pair[1]))
        model.absent_in_training = tuple(str(name) for name in content.get("absent_in_training", ()))
        if model.validation.get("presence") and not 0 <= float(model.validation["presence"]["threshold"]) <= 1:
            raise ValueError("presence")
    except checkpoints.SENSELESS as error:
        raise incomplete(path, error) from error
    if not (math.isfinite(model.margin) and 0 < model.margin < LARGEST_MARGIN):
        raise incomplete(path, ValueError(f"margin {model.margin}"))
    if model.confidence is not None and not all(map(math.isfinite, model.confidence)):
        raise incomplete(path, ValueError("confidence"))
    return model


def architecture_in(path: str | Path, content: dict[str, Any]) -> Architecture:
    """The architecture that a checkpoint of ours names; a `PoofError` where it is none that can be built."""
    version = content.get("version")
    if isinstance(version, Tensor) or version != VERSION:
        raise PoofError(
            f"{path}: is of version {str(content.get('version'))[:20]}, this poof reads {VERSION}; update poof"
        )
    try:
        return Architecture(**content["architecture"]).checked()
    except checkpoints.SENSELESS as error:
        raise incomplete(path, error) from error


def skeleton_in(path: str | Path, content: dict[str, Any]) -> Skeleton:
    """The skeleton in a checkpoint of ours, one keypoint for each of its heat maps."""
    try:
        stored = content["skeleton"]
        names = tuple(stored["keypoints"])
        edges, symmetry = (tuple((int(a), int(b)) for a, b in stored[key]) for key in ("edges", "symmetry"))
        within = all(0 <= end < len(names) for pair in (*edges, *symmetry) for end in pair)
        if not (within and names and all(isinstance(name, str) for name in (*names, stored["name"]))):
            raise ValueError("skeleton")
        return Skeleton(names, edges, symmetry, stored["name"])
    except checkpoints.SENSELESS as error:
        raise incomplete(path, error) from error


def network_in(path: str | Path, content: dict[str, Any]) -> dict[str, Tensor]:
    """The weights in a checkpoint of ours (or in its `training`): tensors by name, all of them numbers."""
    state = content.get("network")
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and v.layout == torch.strided for k, v in state.items()
    ):
        raise incomplete(path, KeyError("network"))
    checkpoints.check_finite(state, path)
    return state


def incomplete(path: str | Path, error: Exception) -> PoofError:
    """What to say of a checkpoint of ours in which something is missing or senseless."""
    what = " ".join(str(error).split())[:80]
    return PoofError(f"{path}: is an incomplete checkpoint of poof ({type(error).__name__}: {what}); train again")

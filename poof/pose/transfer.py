"""Transfer of a trained network to another skeleton: joint by joint, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from poof.errors import PoofError
from poof.pose.mspn import MSPN
from poof.pose.naming import Network, StateDict, load, match_bias, to_ours

COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""The joints of a public MSPN checkpoint trained on COCO, in their order."""
MPII_KEYPOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
"""Those of one trained on MPII."""

_SIDES = {"l": "left", "left": "left", "lt": "left", "r": "right", "right": "right", "rt": "right"}
_PARTS = {
    "sho": "shoulder",
    "elb": "elbow",
    "wri": "wrist",
    "kne": "knee",
    "ank": "ankle",
    **{part: part for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear", "hand", "foot")},
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def skeleton_of_people(count: int) -> tuple[str, ...]:
    """The joints of a file without names that has this many heat maps: COCO's 17, MPII's 16; else none."""
    return {len(joints): joints for joints in (COCO_KEYPOINTS, MPII_KEYPOINTS)}.get(count, ())


def normalised(name: str) -> str:
    """A keypoint's name without habits of spelling: 'LShoulder', 'L sho', 'shoulder_left' -> 'left shoulder'."""
    side, words = "", []
    for word in (w.lower() for w in _WORDS.findall(name)):
        if word in _SIDES and not side:
            side = _SIDES[word]
        elif word[0] in "lr" and word[1:] in _PARTS and not side:
            side = _SIDES[word[0]]
            words.append(_PARTS[word[1:]])
        else:
            words.append(_PARTS.get(word, word))
    return " ".join(filter(None, [side, *words]))


def match_keypoints(ours: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """Index in `ours` -> index in `theirs` of the same joint; exact names first, then normalised ones.

    A normalised name that stands twice in either skeleton matches nothing: better fresh than wrong.
    """
    result = {i: theirs.index(name) for i, name in enumerate(ours) if name in theirs}
    plain_ours, plain_theirs = [normalised(n) for n in ours], [normalised(n) for n in theirs]
    for i, name in enumerate(plain_ours):
        if i not in result and plain_ours.count(name) == 1 and plain_theirs.count(name) == 1:
            result[i] = plain_theirs.index(name)
    return result


def carry_over(
    model: Network, keypoints: Sequence[str], state: StateDict, theirs: Sequence[str], source: str
) -> list[str]:
    """Load a network trained on the skeleton `theirs` into `model`, whose heat maps are `keypoints`.

    Everything but the heads' last layers is loaded strictly. A last layer has one slice per joint; matching joints
    take theirs over, the others keep what `model` was initialised with.

    Parameters
    ----------
    model
        Of the same stages and body as `state`; changed in place.
    keypoints, theirs
        Names of the heat maps, in order, of `model` and of `state`.
    state
        An MSPN's in the official or mmpose's naming, a `UNet`'s in ours.
    source
        Names the file in messages.

    Returns
    -------
    list of str
        The keypoints that stay fresh, in the order of `keypoints`.
    """
    last_layers = "head."
    if isinstance(model, MSPN):
        state, last_layers = match_bias(to_ours(state, source), model.conv_bias), ".res_conv2."
    if tuple(keypoints) == tuple(theirs):
        load(model, state, source)
        return []
    pairs = match_keypoints(keypoints, theirs)
    to, of = torch.tensor(list(pairs), dtype=torch.long), torch.tensor(list(pairs.values()), dtype=torch.long)
    merged: dict[str, Tensor] = dict(state)
    for name, own in model.state_dict().items():
        if last_layers not in name or own.ndim == 0 or name not in state:
            continue
        if len(state[name]) != len(theirs):
            raise PoofError(f"{source}: has {len(state[name])} heat maps for a skeleton of {len(theirs)} keypoints")
        merged[name] = own.clone()
        merged[name][to] = state[name][of].to(own)
    load(model, merged, source)
    return [name for i, name in enumerate(keypoints) if i not in pairs]

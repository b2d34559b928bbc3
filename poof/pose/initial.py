"""Initial weights of a pose network: random, ImageNet, a published MSPN, or a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from poof import torchvision_ops
from poof.errors import PoofError, names_near
from poof.pose.model import (
    FORMAT,
    architecture_in,
    network_in,
    read_checkpoint,
    rgb_weights,
    skeleton_in,
    weights_in,
)
from poof.pose.mspn import MSPN
from poof.pose.naming import Network, architecture_of, load_resnet, naming_of, to_ours
from poof.pose.transfer import carry_over, skeleton_of_people
from poof.pose.unet import UNet

NAMED = ("random", "imagenet", "mspn50-coco")
DEFAULT_STAGES, DEFAULT_BODY = 2, "resnet50"

# mmpose's checkpoints (Apache-2.0), trained on COCO at 256x192; by number of stages.
_MSPN_URLS = {
    stages: f"https://download.openmmlab.com/mmpose/top_down/mspn/{name}_20201123.pth"
    for stages, name in {
        1: "mspn50_coco_256x192-8fbfb5d0",
        2: "2xmspn50_coco_256x192-c8765a5c",
        3: "3xmspn50_coco_256x192-e348f18e",
        4: "4xmspn50_coco_256x192-7b837afb",
    }.items()
}


def initial_network(
    keypoints: Sequence[str],
    init: str = "random",
    stages: int | None = None,
    body: str | None = None,
    progress: bool = False,
) -> tuple[Network, list[str]]:
    """A network to start training from.

    Parameters
    ----------
    keypoints
        Names of the heat maps it shall have.
    init
        'random'; 'imagenet': every stage's body from torchvision's ImageNet ResNet; 'mspn50-coco': mmpose's MSPN,
        trained on COCO; or the path of a checkpoint: ours, official, mmpose's or a ResNet's (torchvision's, or the
        official ImageNet file, resnet-50_rename.pth). Networks of another skeleton are carried over joint by joint, by
        name (`poof.pose.transfer`).
    stages, body
        Of the network; None takes what a checkpoint has, else 2 stages on ResNet-50. The body 'unet' is the small
        network for one footage in place of MSPN; it starts from chance or from another of its kind.
    progress
        Whether downloads show a bar.

    Returns
    -------
    network, fresh
        `fresh` names the keypoints whose heat maps start from chance.

    Raises
    ------
    PoofError
        If a file is missing or does not fit, or a download fails (with its address and how to do without).
    """
    if body == UNet.body and stages not in (None, 1):
        raise PoofError(f"the small network has no stages to choose; leave --stages {stages} out")
    if body == UNet.body and init == "random":
        return UNet(len(keypoints)), list(keypoints)
    if body == UNet.body and init in NAMED:
        raise PoofError(f"--init {init}: there are no such weights for the small network; take --init random")
    wanted_stages = DEFAULT_STAGES if stages is None else stages
    if init in ("random", "imagenet"):
        network = MSPN(len(keypoints), wanted_stages, body=DEFAULT_BODY if body is None else body)
        if init == "imagenet":
            load_resnet(network, _imagenet(network.body, progress), f"ImageNet's {network.body}")
        return network, list(keypoints)
    if init == "mspn50-coco":
        if body not in (None, "resnet50"):
            raise PoofError(f"mspn50-coco is built on resnet50, not {body}; leave --body out, or take --init imagenet")
        if wanted_stages not in _MSPN_URLS:
            raise PoofError(f"MSPN has 1 to 4 stages, not {stages}")
        content: dict[str, Any] = _download(_MSPN_URLS[wanted_stages], progress)
        source = "mspn50-coco"
    else:
        path = Path(init)
        if not path.exists() and path.suffix == "":
            raise PoofError(f"--init {init}: is neither a file nor one of {names_near(init, NAMED)}")
        content, source = read_checkpoint(path), str(path)
    return _from_content(content, source, keypoints, stages, body)


def _from_content(
    content: dict[str, Any], source: str, keypoints: Sequence[str], stages: int | None, body: str | None
) -> tuple[Network, list[str]]:
    """A network started from the content of a checkpoint file."""
    if content.get("format") == FORMAT:
        found = architecture_in(source, content)
        state, theirs = network_in(source, content), skeleton_in(source, content).keypoints
    else:
        state = rgb_weights(weights_in(content, source))
        if naming_of(state) in ("torchvision", "official body"):
            bottleneck = any(
                name.endswith(("layer1.0.conv3.weight", "layer1.0.conv_bn_relu3.conv.weight")) for name in state
            )
            guessed = "resnet50" if bottleneck else "resnet18"
            network = MSPN(len(keypoints), DEFAULT_STAGES if stages is None else stages, body=body or guessed)
            load_resnet(network, state, source)
            return network, list(keypoints)
        state, theirs = to_ours(state, source), ()
        found = architecture_of(state, source)
    for what, wanted, has in (("stages", stages, found.stages), ("body", body, found.body)):
        if wanted is not None and wanted != has:
            raise PoofError(f"{source}: has {what} {has}, not {wanted}; leave --{what} out or choose other weights")
    if not theirs:
        # Files without names: people's joints by their number, else the skeleton at hand if the numbers agree.
        theirs = skeleton_of_people(found.num_keypoints) or tuple(keypoints)
        if len(theirs) != found.num_keypoints:
            raise PoofError(
                f"{source}: has {found.num_keypoints} heat maps without names, the labels have {len(keypoints)} "
                "keypoints; only COCO's 17 and MPII's 16 joints are known without names"
            )
    fresh = found._replace(num_keypoints=len(keypoints)).build()
    return fresh, carry_over(fresh, keypoints, state, theirs, source)


def _imagenet(body: str, progress: bool) -> dict[str, torch.Tensor]:
    torchvision_ops.ensure()
    from torchvision import models

    # The first of torchvision's sets of weights, from which mmpose's MSPN started as well.
    weights = {"resnet50": models.ResNet50_Weights, "resnet18": models.ResNet18_Weights}[body].IMAGENET1K_V1
    try:
        return dict(weights.get_state_dict(progress=progress, check_hash=True))
    except (URLError, OSError, RuntimeError) as error:
        raise _no_download(weights.url, error) from error


def _download(url: str, progress: bool) -> dict[str, Any]:
    try:
        return dict(torch.hub.load_state_dict_from_url(url, map_location="cpu", progress=progress, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:
        raise _no_download(url, error) from error


def _no_download(url: str, error: Exception) -> PoofError:
    reason = getattr(error, "reason", None) or error
    return PoofError(
        f"{url}: cannot be downloaded ({reason}); fetch it with a browser and give the file with --init PATH, "
        "or start with --init random"
    )

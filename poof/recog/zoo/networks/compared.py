"""The networks that the documents compare theirs with, whole, with the figures of their own papers."""

from __future__ import annotations

from poof.recog.core.network import Network, Published
from poof.recog.zoo.networks.tdn import temporal_difference

SSV1 = "Something-Something V1"
COMPARED: dict[str, Network] = {
    "tsm-resnet50": Network(
        "Lin et al. (ICCV 2019)",
        "resnet50",
        ("tsm",),
        (Published(SSV1, 45.6, gmacs=32.88), Published("Kinetics", 74.1)),
    ),
    "tam-resnet50": Network("Liu et al. (ICCV 2021)", "resnet50", ("tam",), (Published(SSV1, 46.5),)),
    "tea-res2net50": Network(
        "Li et al. (CVPR 2020)", "res2net50", ("tea", "mta"), (Published(SSV1, 48.9, gmacs=35.0),)
    ),
    "tdn-resnet50": Network("Wang et al. (CVPR 2021)", temporal_difference, (), (Published(SSV1, 52.3, gmacs=36.0),)),
}

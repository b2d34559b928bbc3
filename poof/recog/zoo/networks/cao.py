"""The networks of Cao et al. (2021): Tables 1 and 2, 16 frames of 224x224.

The printed GMACs count one operation an element of every batch norm too (MFNet: 11.045 of products, 11.111 with them),
and 8.11 M parameters are those of 200 classes. MF-KPSEM and its baseline start from Kinetics weights, most rivals of
Table 1 do not. Table 2 was trained with batches of 16, which costs the baseline itself 3.8 points.
"""

from __future__ import annotations

from poof.recog.core.network import Network, Published

DOCUMENT = "Cao et al. (2021)"
ABLATION = "HMDB51 split 1, batches of 16"


def network(
    backbone: str, modules: tuple[str, ...], cost: tuple[float, float] | None, *rows: tuple[str, float]
) -> Network:
    """A backbone with modules, (GMACs, millions of parameters) and (data set, top-1) rows."""
    gmacs, mparams = cost or (None, None)
    published = tuple(
        Published(data, top1, gmacs=gmacs, mparams=mparams, frames=16, classes=200) for data, top1 in rows
    )
    return Network(DOCUMENT, backbone, modules, published)


CAO: dict[str, Network] = {
    "cao-mfnet": network(
        "mfnet",
        (),
        (11.1, 8.0),
        ("Mini-Kinetics", 78.35),
        ("UCF101", 96.0),
        ("Something-Something V1", 43.0),
        ("HMDB51", 74.6),
        (ABLATION, 70.8),
    ),
    "mf-kpsem": network(
        "mfnet",
        ("kpsem",),
        (11.21, 8.11),
        ("Mini-Kinetics", 82.05),
        ("UCF101", 97.4),
        ("Something-Something V1", 48.1),
        ("HMDB51", 77.7),
        (ABLATION, 74.0),
    ),
    "mf-kpsem-single": network("mfnet", ("kpsem:regions=1",), None, (ABLATION, 72.1)),
    "mf-kpsem-fixed": network("mfnet", ("kpsem:centres=fixed",), None, (ABLATION, 72.5)),
    "mf-kpsem-one-set": network("mfnet", ("kpsem:sets=1",), None, (ABLATION, 72.4)),
    "cao-r3d_50": network("c2d_resnet50", (), None, (ABLATION, 62.0)),
    "r3d-kpsem": network("c2d_resnet50", ("kpsem:stage=2",), None, (ABLATION, 65.8)),
}

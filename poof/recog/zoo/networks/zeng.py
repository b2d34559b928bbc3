"""The networks of Zeng (2020): R(2+1)D-18 without and with DEM at equal parameters, 16 frames of 112x112.

Tables 4.1 and 4.2 have the original Caffe code's stem of 45 middle channels (14 with DEM), everything after them the
rule's 83 (20): their absolute figures cannot be compared. "SR n" is every n-th frame, in training and test alike; the
rate of Table 4.3 is not printed. Which variant was transferred to UCF-101 and HMDB-51 is not said; the rows stand with
the full one. No GMACs or parameters are printed.
"""

from __future__ import annotations

from poof.recog.core.network import Network, Published

DOCUMENT = "Zeng (2020)"
DATA = "miniKinetics"


def network(backbone: str, modules: tuple[str, ...], *rows: tuple[str, float, float | None]) -> Network:
    """A backbone with modules and (data set, video top-1, top-5) rows."""
    published = tuple(Published(data, top1, top5, frames=16, classes=200, size=112) for data, top1, top5 in rows)
    return Network(DOCUMENT, backbone, modules, published, own_frames=16, own_size=112)


EXACT, CAFFE = "r2plus1d_18_exact", "r2plus1d_18_stem45"
OTHER_HOSTS = "Zeng (2020), Section 3.2: named as a host, not measured"
STAGES = {
    "conv1": (59.84, 84.34),
    "conv2": (61.85, 84.90),
    "conv3": (61.07, 84.84),
    "conv4": (61.63, 84.94),
    "conv5": (59.54, 83.66),
}
ZENG: dict[str, Network] = {
    "zeng-r2plus1d_18": network(
        EXACT, (), (DATA, 55.01, 80.97), ("UCF-101, transferred", 70.28, None), ("HMDB-51, transferred", 40.78, None)
    ),
    "zeng-r2plus1d_18-stem45": network(
        CAFFE, (), (f"{DATA}, SR 1", 52.52, None), (f"{DATA}, SR 2", 52.24, None), (f"{DATA}, SR 4", 55.26, None)
    ),
    "dem-r2plus1d_18": network(
        EXACT,
        ("dem:match=true",),
        (DATA, 58.30, 83.02),
        ("UCF-101, transferred", 73.41, None),
        ("HMDB-51, transferred", 42.16, None),
    ),
    "dem-r2plus1d_18-stem45": network(
        CAFFE,
        ("dem:match=true",),
        (f"{DATA}, SR 1", 53.53, None),
        (f"{DATA}, SR 2", 55.85, None),
        (f"{DATA}, SR 4", 56.27, None),
    ),
    **{
        f"dem-{stage}-r2plus1d_18": network(EXACT, (f"dem:match=true,stages={stage}",), (DATA, *row))
        for stage, row in STAGES.items()
    },
    **{
        f"dem-{fusion}-r2plus1d_18": network(EXACT, (f"dem:match=true,signal={fusion}",))
        for fusion in ("concat", "bilinear")
    },
    **{f"dem-{host}": Network(OTHER_HOSTS, host, ("dem",), own_frames=16) for host in ("s3d", "p3d_50")},
}

"""The backbones by name. To add one: a file that gives a `Host`, a line here; the tests run over all of them."""

from __future__ import annotations

from functools import partial

from poof.recog.core.backbone import Factory
from poof.recog.zoo.backbones.c2d import c2d_resnet
from poof.recog.zoo.backbones.i3d import i3d_resnet
from poof.recog.zoo.backbones.inception_resnet import inception_resnet_v2
from poof.recog.zoo.backbones.mfnet import mfnet
from poof.recog.zoo.backbones.mobilenet import mobilenet_v2
from poof.recog.zoo.backbones.mtnet import LITERAL, mtnet, multi_temporal_r3d_50
from poof.recog.zoo.backbones.mtnet import SIZES as MTNETS
from poof.recog.zoo.backbones.narrow import narrow_r2plus1d_18, narrow_resnet18
from poof.recog.zoo.backbones.p3d import p3d_50
from poof.recog.zoo.backbones.r2plus1d import r2plus1d
from poof.recog.zoo.backbones.res2net import res2net50
from poof.recog.zoo.backbones.resnet import resnet
from poof.recog.zoo.backbones.s3d import s3d
from poof.recog.zoo.backbones.thin_video_resnet import DEPTHS, thin_video_resnet
from poof.recog.zoo.backbones.video_resnet import video_resnet
from poof.recog.zoo.backbones.x3d import SIZES, x3d

BACKBONES: dict[str, Factory] = {
    "resnet18": partial(resnet, "resnet18"),
    "resnet34": partial(resnet, "resnet34"),
    "resnet50": partial(resnet, "resnet50"),
    "resnet101": partial(resnet, "resnet101"),
    "res2net50": res2net50,
    "mobilenet_v2": mobilenet_v2,
    "inception_resnet_v2": inception_resnet_v2,
    "i3d_resnet18": partial(i3d_resnet, "resnet18"),
    "i3d_resnet34": partial(i3d_resnet, "resnet34"),
    "i3d_resnet50": partial(i3d_resnet, "resnet50"),
    "i3d_resnet101": partial(i3d_resnet, "resnet101"),
    **{f"i3d_{name}_viewed": partial(i3d_resnet, name, viewed=True) for name in ("resnet18", "resnet50")},
    "r3d_18": partial(video_resnet, "r3d_18"),
    "r2plus1d_18": partial(video_resnet, "r2plus1d_18"),
    "r2plus1d_18_exact": partial(r2plus1d, 0),
    "r2plus1d_18_stem45": partial(r2plus1d, 45),
    "s3d": s3d,
    "p3d_50": p3d_50,
    "c2d_resnet50": partial(c2d_resnet, "resnet50"),
    "mfnet": mfnet,
    "resnet18_quarter": partial(narrow_resnet18, 0.25),
    "r2plus1d_18_quarter": partial(narrow_r2plus1d_18, 0.25),
    **{f"{kind}_{depth}": partial(thin_video_resnet, kind, depth) for kind in ("r3d", "r2plus1d") for depth in DEPTHS},
    **{
        f"{kind}_{depth}_pooled": partial(thin_video_resnet, kind, depth, pooled=True)
        for kind in ("r3d", "r2plus1d")
        for depth in DEPTHS
    },
    "wide_r3d_50": partial(thin_video_resnet, "r3d", 50, wide=True),
    **{name: partial(x3d, name) for name in SIZES},
    **{name: partial(mtnet, name) for name in MTNETS},
    **{f"{name}_literal": partial(mtnet, name, options=LITERAL) for name in MTNETS if name != "mtnet_half"},
    "mtconv_r3d_50": multi_temporal_r3d_50,
}

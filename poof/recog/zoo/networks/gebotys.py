"""The networks of Gebotys (2022), Chapter 4: Tables 4.3 to 4.6, Something-Something V1, 8 frames."""

from __future__ import annotations

from poof.recog.core.network import Network, Published

DOCUMENT = "Gebotys (2022), Chapter 4"


def network(
    backbone: str, modules: tuple[str, ...], gmacs: float | None, top1: float, top5: float | None = None
) -> Network:
    """A backbone with modules and the row a table of the thesis has for it."""
    return Network(DOCUMENT, backbone, modules, (Published("Something-Something V1", top1, top5, gmacs),))


R18, MOBILE, I3D = "resnet18", "mobilenet_v2", "i3d_resnet18"
ATTENTION, MOTION = ("m2a:motion=none",), ("m2a:attention=none",)
GRID = {  # Tables 4.4 and 4.6: motion x attention, beside the rows of ResNet-18 that have figures
    "m2a-tea": ("m2a:motion=tea,attention=none",),
    "m2a-tdn": ("m2a:motion=tdn,attention=none",),
    "m2a-tam": ("m2a:motion=none,attention=tam",),
    "m2a-motion-tam": ("m2a:attention=tam",),
    "m2a-patch4": ("m2a:attention=patch4",),
    "m2a-patch8": ("m2a:attention=patch8",),
    "m2a-tdn-attention": ("m2a:motion=tdn",),
    "m2a-tdn-tam": ("m2a:motion=tdn,attention=tam",),
    "m2a-tea-attention": ("m2a:motion=tea",),
    "m2a-tea-tam": ("m2a:motion=tea,attention=tam",),
    "m2a+tsm": ("m2a", "tsm"),
    "tsm": ("tsm",),
}
GEBOTYS: dict[str, Network] = {
    "tsn-resnet18": network(R18, (), 14.57, 13.9, 38.9),
    "m2a-attention-resnet18": network(R18, ATTENTION, 14.79, 16.9, 42.0),
    "m2a-motion-resnet18": network(R18, MOTION, 14.79, 28.9, 56.7),
    "m2a-resnet18": network(R18, ("m2a",), 14.81, 34.7, 63.4),
    "tsn-mobilenet_v2": network(MOBILE, (), 2.55, 13.8, 37.8),
    "m2a-attention-mobilenet_v2": network(MOBILE, ATTENTION, 2.58, 13.3, 37.2),
    "m2a-motion-mobilenet_v2": network(MOBILE, MOTION, 2.58, 32.0, 60.6),
    "m2a-mobilenet_v2": network(MOBILE, ("m2a",), 2.58, 35.6, 64.4),
    "i3d-resnet18": network(I3D, (), 22.52, 27.0, 53.5),
    "m2a-attention-i3d_resnet18": network(I3D, ATTENTION, 22.65, 26.9, 54.1),
    "m2a-motion-i3d_resnet18": network(I3D, MOTION, 22.65, 26.3, 53.6),
    "m2a-i3d_resnet18": network(I3D, ("m2a",), 22.67, 27.1, 53.5),
    "m2a+tsm-resnet18": network(R18, ("m2a", "tsm"), 14.81, 39.3),
    "tsm-resnet18": network(R18, ("tsm",), 14.57, 39.0),
    "m2a-tea-resnet18": network(R18, ("m2a:motion=tea,attention=none",), 14.83, 34.3),
    "m2a-tdn-resnet18": network(R18, ("m2a:motion=tdn,attention=none",), 15.13, 28.6),
    "m2a-tam-resnet18": network(R18, ("m2a:motion=none,attention=tam",), 14.79, 21.0),
    "m2a-motion-tam-resnet18": network(R18, ("m2a:attention=tam",), None, 31.6),
    "m2a-patch4-resnet18": network(R18, ("m2a:attention=patch4",), None, 31.9),
    "m2a-patch8-resnet18": network(R18, ("m2a:attention=patch8",), None, 34.2),
    "m2a-tdn-attention-resnet18": network(R18, ("m2a:motion=tdn",), None, 29.0),
    "m2a-tdn-tam-resnet18": network(R18, ("m2a:motion=tdn,attention=tam",), None, 25.3),
    "m2a-tea-attention-resnet18": network(R18, ("m2a:motion=tea",), None, 33.9),
    "m2a-tea-tam-resnet18": network(R18, ("m2a:motion=tea,attention=tam",), None, 33.3),
    **{
        f"{name}-{backbone}": Network(f"{DOCUMENT}: not measured there", backbone, modules)
        for backbone in (MOBILE, I3D)
        for name, modules in GRID.items()
    },
}

"""MTNet of the public code: a network of its own, see `poof.recog.zoo.backbones.mtnet_released`."""

from __future__ import annotations

from collections.abc import Iterator

from poof.recog.core.model import HostedRecognizer, Recognizer
from poof.recog.zoo.backbones.mfnet import MEAN, STD
from poof.recog.zoo.backbones.mtnet_released import DEPTHS, MTNetReleased
from poof.recog.zoo.published.rules import Rules, State


def _differs(state: State, model: Recognizer) -> Iterator[str]:
    """By depths and channels, which name the network; what is left of a file cut short is told by its keys."""
    first = [state.get(f"layer1.0.conv1_1.conv_{path}.weight") for path in ("short", "long")]
    if any(weight is None or weight.dim() != 5 for weight in first):
        return
    (inner, inputs), (inner_long, inputs_long) = (weight.shape[:2] for weight in first if weight is not None)
    depths = tuple(len({key.split(".")[1] for key in state if key.startswith(f"layer{n}.")}) for n in (1, 2, 3, 4))
    made_of = depths, (inputs + inputs_long) // (inner + inner_long), inputs / (inputs + inputs_long)
    net = model.backbone if isinstance(model, HostedRecognizer) else None
    if isinstance(net, MTNetReleased) and net.made_of == made_of:
        return
    depth = next((name for name, known in DEPTHS.items() if known == depths), None)
    if depth is None:
        yield f"its stages have {depths} blocks, which no released network has"
        return
    named = depth in ("s", "m", "l")
    knobs = [] if named else [f"depth={depth}"]
    knobs += [f"groups={made_of[1]}"] if made_of[1] > 1 else []
    knobs += [f"delta={made_of[2]:g}"] if made_of[2] != 0.875 else []
    name = ":".join([f"mtnet-released-{depth if named else 's'}", *([",".join(knobs)] if knobs else [])])
    yield f"there a short and a long path run through a ResNet, each with its own sizes; build {name}"


RULES = Rules(
    "MTNet of alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates",
    r"\.conv_short2long\.|\.conv_short\.",
    "build mtnet-released-s, -m or -l",
    (
        (r"\.conv1_1\.", ".squeeze."),
        (r"\.conv1_2\.", ".restore."),
        (r"\.conv2\.", ".middle."),
        (r"\.conv3\.", ".last."),
        (r"\.downsample\.", ".skip."),
        (r"\.conv_short2long\.", ".lateral."),
        (r"\.conv_short\.", ".local."),
        (r"\.conv_long\.", ".prolonged."),
        (r"\.norm_short\.", ".local_bn."),
        (r"\.norm_long\.", ".prolonged_bn."),
        (r"\.sr_short\.op\.", ".local_sr.net."),
        (r"\.sr_long\.op\.", ".prolonged_sr.net."),
    ),
    differs=_differs,
    bgr=(MEAN, STD),
)

"""Time of the back-steps of pyramids in the nine networks of Stergiou's Table 7.1, beside the printed one.

    python benchmarks/back_steps.py                 on one core, 16 frames of 112 px
    python benchmarks/back_steps.py --size 256      another size (the document does not say its own)

The document names no GPU; what can be compared is a back-step with the network's own forward pass: "similar or faster",
it says. Both take turns, and the median over the rounds of their ratio is given with its quartiles. A back-step here is
the walk from the class down the layers, with the means of the activations on the way; the forward pass whose
activations it reads and the means of the kernels, which do not depend on the clip, are not in it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from clips_and_tables import head, line

from poof import recog
from poof.recog.asked import Asked
from poof.recog.core.model import Recognizer
from poof.recog.explain.pyramids import listen, walk_back
from poof.recog.explain.tubes import evidence
from poof.recog.zoo.backbones.thin_video_resnet import thin_video_resnet

CLASSES = 400
NETWORKS: dict[str, tuple[str | Callable[..., object], float, float, float, int, str]] = {
    # name: ours, printed GFLOPs, printed ms, theta, depth, what ours is instead
    "Multi-FiberNet": ("mfnet", 22.70, 24.43, 0.6, 3, ""),
    "I3D": ("s3d", 55.79, 23.21, 0.65, 1, "S3D: factorised; a pyramid ends where its branches join"),
    "ResNet50-3D": ("r3d_50", 80.32, 21.39, 0.55, 3, ""),
    "ResNet101-3D": ("r3d_101", 110.98, 39.48, 0.6, 3, ""),
    "ResNet152-3D": (partial(thin_video_resnet, "r3d", 152), 148.91, 31.06, 0.6, 3, ""),
    "ResNeXt101-3D": (
        partial(thin_video_resnet, "r3d", 101, wide=True, groups=32), 76.96, 70.49, 0.6, 3, "wide, 32 groups"
    ),
    "MTNet_S": ("mtnet_s", 11.30, 26.32, 0.67, 3, ""),
    "MTNet_M": ("mtnet_m", 14.12, 32.17, 0.67, 3, ""),
    "MTNet_L": ("mtnet_l", 20.82, 34.65, 0.67, 3, ""),
}  # fmt: skip


def build(name: str, frames: int, size: int) -> Recognizer:
    """The network that stands for a printed one."""
    ours = NETWORKS[name][0]
    torch.manual_seed(0)
    if isinstance(ours, str):
        return recog.build_model(ours, (), frames, CLASSES, size=size).eval()
    return Asked(name, frames, CLASSES, size, 0.0).hosted(ours).eval()


def measure(model: Recognizer, theta: float, depth: int, rounds: int) -> tuple[float, float, np.ndarray, int]:
    """Median processor seconds of a forward pass and a back-step, quartiles of their ratio, and levels reached."""
    clip = torch.randn(model.clip_shape[1:])
    found, steps = evidence(model, clip), listen(model, clip, depth)
    seconds = np.zeros((rounds, 2))
    for row in seconds:
        begin = time.process_time()
        with torch.inference_mode():
            model(clip[None])
        middle = time.process_time()
        back = walk_back(found, steps, theta, depth)
        row[:] = middle - begin, time.process_time() - middle
    ratio = np.quantile(seconds[:, 1] / seconds[:, 0], (0.5, 0.25, 0.75))
    return float(np.median(seconds[:, 0])), float(np.median(seconds[:, 1])), ratio, len(back.layers) - 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="names, comma between them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{args.frames} frames of {args.size} px, one core, {args.rounds} rounds\n")
    print(
        head(
            "network", "levels", "forward, ms", "back-step, ms", "share of forward", "printed ms", "GMACs, printed", ""
        )
    )
    for name in args.only.split(",") if args.only else NETWORKS:
        _, gflops, printed, theta, depth, other = NETWORKS[name]
        model = build(name, args.frames, args.size)
        forward, back, (middle, low, high), levels = measure(model, theta, depth, args.rounds)
        share = f"{middle:.3f} ({low:.3f} to {high:.3f})"
        cost = f"{recog.profile(model).gmacs:.1f}, {gflops}"
        print(line(name, levels, f"{1e3 * forward:.0f}", f"{1e3 * back:.1f}", share, printed, cost, other), flush=True)


if __name__ == "__main__":
    main()

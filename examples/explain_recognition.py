"""Train a small network on rendered clips and show why it answers as it does; the picture is in the README.

$ python examples/explain_recognition.py docs/recog-explanations.jpg
'disc moving right': said with probability 1.00; wrote docs/recog-explanations.jpg
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from poof import recog
from poof.recog.data import read_list
from poof.recog.data.motion_task import CLASSES, render_clip, render_task
from poof.recog.data.transform import to_tensor
from poof.recog.explain import ExplanationMethod
from poof.recog.explain.graph import draw
from poof.recog.explain.pictures import sheet
from poof.recog.training.train import train
from poof.recog.zoo.recipes import recipe

FRAMES, SIZE, LABEL = 8, 64, 0
target = Path(sys.argv[1] if len(sys.argv) > 1 else "recog-explanations.jpg")
torch.set_num_threads(1)
torch.manual_seed(0)

# A minute of one core: ResNet-18 of a quarter of the usual width, with shifted channels and class regularisation.
model = recog.build_model("resnet18_quarter", ["tsm", "classreg"], FRAMES, len(CLASSES), size=SIZE, dropout=0)
with tempfile.TemporaryDirectory() as name:
    clips, _ = render_task(Path(name), train=800, frames=FRAMES, size=SIZE)
    train(model, read_list(clips), Path(name) / "run", recipe("small", epochs=8, lr=0.02, flip="none", scales=(1.0,)))

frames = render_clip(LABEL, seed=5, frames=FRAMES, size=SIZE)
clip = model.normalise(to_tensor(frames))
heats = []
for method in (
    ExplanationMethod("gradcam", stage=3),
    ExplanationMethod("tubes", stage=2),
    ExplanationMethod("tubes", stage=3),
    ExplanationMethod("pyramids", depth=2),
):
    maps, pyramid = method.look(model, clip, LABEL)
    # Every other frame, and of a pyramid the level of the answer: the graph below has the others.
    heats.append(replace(maps[0], maps=maps[0].maps[::2]))
shown, numbers = list(frames), list(range(FRAMES))
title = f"'{CLASSES[LABEL]}', every other one of {FRAMES} frames"
rows = sheet(shown[::2], numbers[::2], heats, CLASSES, title, (0, 0, SIZE, SIZE))

assert pyramid is not None
with tempfile.TemporaryDirectory() as name:
    title = "class feature pyramid: the channels that this answer depends on"
    draw(pyramid, CLASSES, Path(name) / "graph.png", title, shown, numbers)
    graph = np.asarray(cv2.imread(str(Path(name) / "graph.png")))[..., ::-1]
height = round(graph.shape[0] * rows.shape[1] / graph.shape[1])
both = np.concatenate([rows, cv2.resize(graph, (rows.shape[1], height), interpolation=cv2.INTER_AREA)])
both = cv2.resize(both, None, fx=0.78, fy=0.78, interpolation=cv2.INTER_AREA)
target.write_bytes(cv2.imencode(".jpg", both[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 74])[1].tobytes())
print(f"'{CLASSES[LABEL]}': said with probability {heats[0].probability:.2f}; wrote {target}")

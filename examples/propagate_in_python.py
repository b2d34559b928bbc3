"""Propagate labels in Python; the sample is rendered, so this runs anywhere.

$ python examples/propagate_in_python.py
3 labelled frames became 60; 741 points carried, mean confidence 0.85
"""

import numpy as np

import poof
from poof.synthetic import SyntheticVideo, sample, truth

scene = sample("demo")
video = SyntheticVideo(scene)  # your footage: poof.open_video("video.mp4")
labels = truth(scene)  # your labels: poof.load_labels("gt.json")
labels.instances = {key: points for key, points in labels.instances.items() if key[0] in (10, 31, 52)}

pseudo = poof.propagate(video, labels, settings=poof.Settings(radius=10))

carried = np.concatenate([points.confidence[~points.is_human & points.labelled] for _, _, points in pseudo])
print(
    f"{len(labels.frames)} labelled frames became {len(pseudo.frames)}; "
    f"{len(carried)} points carried, mean confidence {carried.mean():.2f}"
)

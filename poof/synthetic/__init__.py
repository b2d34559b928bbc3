"""Rendered players with exact keypoints, visibility and flow: the offline sample and the ground truth of the tests.

scene = sample("demo")
video, labels = SyntheticVideo(scene), truth(scene)
flow, valid = scene.flow(3, 4)
"""

from poof.synthetic.camera import Camera, SteadyMap
from poof.synthetic.clip import Clip, Frame, Spliced, SyntheticVideo, render, truth
from poof.synthetic.costume import Costume
from poof.synthetic.estimator import ExactFlow
from poof.synthetic.figure import Figure
from poof.synthetic.gait import run
from poof.synthetic.motion import Motion, Pose
from poof.synthetic.occluders import Occluder
from poof.synthetic.player import Marks
from poof.synthetic.samples import SAMPLES, sample
from poof.synthetic.scene import Backdrop, Scene
from poof.synthetic.skeleton import PENN_ACTION, PLAYER
from poof.synthetic.staging import DOMAINS, stage
from poof.synthetic.tracks import from_tracks, penn_joints

__all__ = [
    "DOMAINS",
    "PENN_ACTION",
    "PLAYER",
    "SAMPLES",
    "Backdrop",
    "Camera",
    "Clip",
    "Costume",
    "ExactFlow",
    "Figure",
    "Frame",
    "Marks",
    "Motion",
    "Occluder",
    "Pose",
    "Scene",
    "Spliced",
    "SteadyMap",
    "SyntheticVideo",
    "from_tracks",
    "penn_joints",
    "render",
    "run",
    "sample",
    "stage",
    "truth",
]

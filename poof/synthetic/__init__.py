"""Rendered players with exact keypoints, visibility and flow: the offline sample and the ground truth of the tests.

scene = sample("demo")
video, labels = SyntheticVideo(scene), truth(scene)
flow, valid = scene.flow(3, 4)
"""

from poof.synthetic.camera import Camera, SteadyMap
from poof.synthetic.clip import Clip, Frame, Spliced, SyntheticVideo, render, truth
from poof.synthetic.costume import Costume
from poof.synthetic.figure import Figure
from poof.synthetic.gait import run
from poof.synthetic.motion import Motion, Pose
from poof.synthetic.occluders import Occluder
from poof.synthetic.player import Marks
from poof.synthetic.samples import SAMPLES, sample
from poof.synthetic.scene import Backdrop, Scene
from poof.synthetic.skeleton import PLAYER

__all__ = [
    "PLAYER",
    "SAMPLES",
    "Backdrop",
    "Camera",
    "Clip",
    "Costume",
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
    "render",
    "run",
    "sample",
    "truth",
]

"""Rendered players with exact keypoints, visibility and flow: the offline sample and the ground truth of the tests.

scene = sample("demo")
video, labels = SyntheticVideo(scene), truth(scene)
flow, valid = scene.flow(3, 4)
"""

from poof.synthetic.camera import Camera, SteadyMap
from poof.synthetic.clip import Clip, Frame, Spliced, SyntheticVideo, render, truth
from poof.synthetic.clothing import Clothing
from poof.synthetic.exact_flow import ExactFlow
from poof.synthetic.figure import Figure
from poof.synthetic.gait import run
from poof.synthetic.motion import Motion, Pose
from poof.synthetic.occluders import Occluder
from poof.synthetic.player import BackdropKeypoints
from poof.synthetic.samples import SAMPLES, sample
from poof.synthetic.scene import Backdrop, Scene
from poof.synthetic.scene_builder import DOMAINS, build_scene
from poof.synthetic.skeleton import PENN_ACTION, PLAYER
from poof.synthetic.tracks import from_tracks, penn_joints

__all__ = [
    "DOMAINS",
    "PENN_ACTION",
    "PLAYER",
    "SAMPLES",
    "Backdrop",
    "BackdropKeypoints",
    "Camera",
    "Clip",
    "Clothing",
    "ExactFlow",
    "Figure",
    "Frame",
    "Motion",
    "Occluder",
    "Pose",
    "Scene",
    "Spliced",
    "SteadyMap",
    "SyntheticVideo",
    "build_scene",
    "from_tracks",
    "penn_joints",
    "render",
    "run",
    "sample",
    "truth",
]

"""MSPN: the network, its checkpoints, training on labels with provenance, and prediction on video."""

from poof.pose.initial import initial_network
from poof.pose.model import PoseModel, load_model, parse_input_size
from poof.pose.mspn import MSPN
from poof.pose.people import people_from_file, people_from_labels
from poof.pose.predict import predict_pose
from poof.pose.recipes import RECIPES, Recipe, recipe_named
from poof.pose.run import Run
from poof.pose.splitting import Pair, split
from poof.pose.training import train_pose

__all__ = [
    "MSPN",
    "RECIPES",
    "Pair",
    "PoseModel",
    "Recipe",
    "Run",
    "initial_network",
    "load_model",
    "parse_input_size",
    "people_from_file",
    "people_from_labels",
    "predict_pose",
    "recipe_named",
    "split",
    "train_pose",
]

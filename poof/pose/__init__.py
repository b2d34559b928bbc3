"""MSPN: the network, its checkpoints, training on labels with provenance, and prediction on video."""

from poof.deprecated import old_names
from poof.pose.crops import parse_margin
from poof.pose.initial import initial_network
from poof.pose.instance_boxes import boxes_from_file, boxes_from_labels
from poof.pose.model import PoseModel, load_model, parse_input_size
from poof.pose.mspn import MSPN
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
    "boxes_from_file",
    "boxes_from_labels",
    "initial_network",
    "load_model",
    "parse_input_size",
    "parse_margin",
    "predict_pose",
    "recipe_named",
    "split",
    "train_pose",
]

__getattr__ = old_names(__name__, {"people_from_file": "boxes_from_file", "people_from_labels": "boxes_from_labels"})

"""What an annotation is, and the files that store it."""

from poof.labels.io import FORMATS, load_labels, save_labels
from poof.labels.model import (
    TABLE_COLUMNS,
    LabelSet,
    Points,
    Skeleton,
    Source,
    Visible,
    describe_sources,
    same_skeleton,
)

__all__ = [
    "FORMATS",
    "TABLE_COLUMNS",
    "LabelSet",
    "Points",
    "Skeleton",
    "Source",
    "Visible",
    "describe_sources",
    "load_labels",
    "same_skeleton",
    "save_labels",
]

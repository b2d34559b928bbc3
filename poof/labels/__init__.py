"""The data model of annotations, and the files that store them."""

from poof.labels.check import aligned, check_fit, merge, scaled
from poof.labels.io import FORMATS, load_labels, save_labels
from poof.labels.model import (
    REFINED_COLUMNS,
    TABLE_COLUMNS,
    LabelSet,
    Points,
    Skeleton,
    Source,
    Visible,
    describe_sources,
    same_skeleton,
)
from poof.labels.symmetry import mirror_pairs

__all__ = [
    "FORMATS",
    "REFINED_COLUMNS",
    "TABLE_COLUMNS",
    "LabelSet",
    "Points",
    "Skeleton",
    "Source",
    "Visible",
    "aligned",
    "check_fit",
    "describe_sources",
    "load_labels",
    "merge",
    "mirror_pairs",
    "same_skeleton",
    "save_labels",
    "scaled",
]

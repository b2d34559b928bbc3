"""Evaluation of predictions: metrics as pure functions, `evaluate` on label sets, comparison, calibration."""

from poof.evaluation.compare import Comparison
from poof.evaluation.evaluate import METRICS, evaluate, parse_size, parse_thresholds
from poof.evaluation.files import load_pairs
from poof.evaluation.oks import average_precision
from poof.evaluation.report import Report
from poof.evaluation.significance import mcnemar, paired_bootstrap

__all__ = [
    "METRICS",
    "Comparison",
    "Report",
    "average_precision",
    "evaluate",
    "load_pairs",
    "mcnemar",
    "paired_bootstrap",
    "parse_size",
    "parse_thresholds",
]

"""Every target of the campaign. To add one: a file with a function `trial(rng, folder)`, a line here."""

from __future__ import annotations

import disks
import labels
import outputs
from harness import Target

TARGETS = (
    Target("labels", labels.trial, quick=100, share=4),
    Target("outputs", outputs.trial, quick=25, share=2),
    Target("disks", disks.trial, quick=6),
)

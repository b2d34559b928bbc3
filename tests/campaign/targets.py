"""Every target of the campaign. To add one: a file with a function `trial(rng, folder)`, a line here."""

from __future__ import annotations

import disks
import kills
import labels
import lists
import outputs
import projects
import videos
import weights
from harness import Target

TARGETS = (
    Target("labels", labels.trial, quick=100, share=4),
    Target("lists", lists.trial, quick=60, share=1),
    Target("projects", projects.trial, quick=100, share=0.5),
    Target("outputs", outputs.trial, quick=25, share=2),
    Target("disks", disks.trial, quick=6),
    Target("kills", kills.trial, quick=1, seconds=1800, share=3),
    Target("videos", videos.trial, quick=60, share=3),
    Target("weights", weights.trial, quick=15, share=2),
)

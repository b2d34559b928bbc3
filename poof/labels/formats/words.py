"""Words in which people say who set a point and in what state it is."""

from __future__ import annotations

import re

from poof.labels.model import Visible

PEOPLE = frozenset(
    (
        *("human", "manual", "manually", "hand", "gt", "truth", "groundtruth", "person", "people", "user"),
        *("label", "labelled", "labeled", "annotated", "annotation", "annotator", "expert", "me", "mine", "own"),
        *("edit", "edited", "fix", "fixed", "moved", "clicked", "corrected", "correction", "checked"),
    )
)
"""Words for what a person set; `is_persons` puts them together."""
_BETWEEN = frozenset({"by", "set", "ground"})
STATES = {
    **dict.fromkeys(("absent", "not there", "not present", "not in the picture", "not in picture"), Visible.ABSENT),
    **dict.fromkeys(("not in frame", "out of frame", "out of view", "missing", "gone", "nowhere"), Visible.ABSENT),
    **dict.fromkeys(("covered", "occluded", "hidden", "obscured", "behind"), Visible.OCCLUDED),
    **dict.fromkeys(("visible", "seen", "in sight"), Visible.VISIBLE),
}
"""Words for the state of a keypoint, in lower case with single blanks."""
YES_AND_NO = {"true": "1", "yes": "1", "false": "0", "no": "0"}


def is_persons(source: str) -> bool:
    """Whether these words say that a person set a point: 'manual', 'ground truth', 'hand-labelled'."""
    words = set(re.split(r"[\s_-]+", source.strip().lower())) - _BETWEEN
    return bool(words) and words <= PEOPLE

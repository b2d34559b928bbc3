"""Point trackers: what follows points by itself, networks or files, as one more opinion in the blend.

One file a tracker, behind the protocol of `base`; `registry` finds them by name. `follow` runs one from every label in
bounded memory, `files` reads what another tool made, `opinions` has their error model.
"""

from poof.propagation.trackers.base import Found, PointTracker
from poof.propagation.trackers.files import TracksFile
from poof.propagation.trackers.trajectories import Trajectory

__all__ = ["Found", "PointTracker", "TracksFile", "Trajectory"]

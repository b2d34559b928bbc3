"""Point trackers, networks or files of tracks, whose evidence enters the blend beside flow's.

One file a tracker, behind the protocol of `base`; `registry` finds them by name. `follow` runs one from every label in
bounded memory, `files` reads what another tool made, `evidence` has their error model.
"""

from poof.propagation.trackers.base import Found, PointTracker
from poof.propagation.trackers.files import TracksFile
from poof.propagation.trackers.trajectories import Trajectory

__all__ = ["Found", "PointTracker", "TracksFile", "Trajectory"]

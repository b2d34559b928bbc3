"""Work on a cluster through Dask: many videos, and long ones cut into runs of segments.

What a worker does needs no shared folder: it reads the video where it can see it, is sent its frames where it cannot,
and gives back rows. The machine that was called writes all files, and keeps every finished run at once, so that nothing
is lost when workers or the scheduler go.
"""

from poof.projects.cluster.address import Address, parse
from poof.projects.cluster.driver import run_on
from poof.projects.cluster.start import script_of

__all__ = ["Address", "parse", "run_on", "script_of"]

"""What the tests by other tools' own readers share; `make peers` installs those tools, `make test` does not.

sleap-io brings 32 packages and 301 MB, movement 40 more and 400 MB: too much for everybody who runs the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "labels"))

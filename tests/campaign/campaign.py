"""A campaign of hours: ``python tests/campaign/campaign.py --minutes 120`` (`make campaign`).

Prints a table of trials and findings and ends with 1 if there was any; the inputs that went wrong lie in --keep.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from harness import Result, as_json, report, run
from targets import TARGETS


def main() -> int:
    """Run the targets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="time for all targets together")
    parser.add_argument("--only", action="append", help="a target; may be repeated", choices=[t.name for t in TARGETS])
    parser.add_argument("--trials", type=int, help="so many of each target, whatever time that takes")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial, to repeat one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("campaign-findings"))
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    chosen = [t for t in TARGETS if not options.only or t.name in options.only]
    shares = sum(t.share for t in chosen)
    results: list[Result] = []
    for target in chosen:
        seconds = float("inf") if options.trials else 60 * options.minutes * target.share / shares
        count = options.trials or 10**9
        results.append(run(target, options.seed, options.first, count, options.keep, time.monotonic() + seconds))
        print(report(results[-1:]), flush=True)
    print(report(results))
    if options.json:
        options.json.write_text(as_json(results) + "\n")
    return int(any(r.findings for r in results))


if __name__ == "__main__":
    sys.exit(main())

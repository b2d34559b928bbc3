"""How many workers a scheduler and a client keep busy: a simulation of measured times."""

from __future__ import annotations

import heapq
import random
from typing import Any

from clips_and_tables import head, line


def simulate(measured: dict[str, Any], videos: int = 10_000, seed: int = 0) -> dict[str, Any]:
    """A queue of videos, W workers, one scheduler and one client, each with the times that were measured.

    A video of the simulation is the clip of `speed`; it is one task, which takes what its pieces took together, times a
    spread of lengths (lognormal, sigma 0.5: nine of ten within 0.44 and 2.3 times the median). Each result passes the
    scheduler and then the client, one after the other, which costs what `overhead` and `many` measured.
    """
    one = sum(cpu for _, cpu in measured["speed"]["tasks_1"])
    scheduler, client = measured["overhead"]["scheduler"], measured["many"]["client_cpu"]
    print(
        f"a video: {one:.1f} s of a core; scheduler {1000 * scheduler:.2f} ms, client {1000 * client:.0f} ms for each"
    )
    drawn = random.Random(seed)
    lengths = [one * drawn.lognormvariate(0, 0.5) for _ in range(videos)]
    told = []
    print(head("workers", "hours", "of the ideal", "last 1 % of the videos", "client busy"))
    for workers in (1, 50, 100, 200, 400, 800, 1600):
        free = [0.0] * workers
        served = finished = 0.0
        ends = []
        ended: list[float] = []
        for length in lengths:
            # The client opens and gives out, the scheduler places; then the worker that is free first takes it.
            served = max(served, 0.0) + scheduler
            start = max(heapq.heappop(free), served)
            heapq.heappush(free, start + length)
            ended.append(start + length)
        for end in sorted(ended):
            finished = max(finished, end) + client
            ends.append(finished)
        ideal = sum(lengths) / workers
        tail = ends[-1] - ends[int(0.99 * videos)]
        row = {"workers": workers, "hours": ends[-1] / 3600, "ideal": ideal / ends[-1], "tail": tail,
               "client": videos * client / ends[-1]}  # fmt: skip
        told.append(row)
        share, busy = 100 * row["ideal"], 100 * row["client"]
        print(line(workers, f"{row['hours']:.2f}", f"{share:.0f} %", f"{tail:.0f} s", f"{busy:.0f} %"))
    return {"rows": told}

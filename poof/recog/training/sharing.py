"""What the processes of a group share: a batch, the clips that judge, and what each of them read out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from poof.parallel import Group
from poof.recog.core.model import Recognizer
from poof.recog.data.dataset import Batch, View
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList
from poof.recog.evaluation.evaluate import Evaluation, evaluate, judging_loader, merged


def own_part(batch: Batch, group: Group) -> Batch:
    """The part of a step's batch that this process computes, `group.rows` set to it, and all that was broken in it.

    Where clips that cannot be read leave a process without any, every process computes all that are left.
    """
    if group.size == 1:
        group.rows = (0, len(batch.labels), len(batch.labels))
        return batch
    tried = sorted([*batch.indices.tolist(), *(index for index, _ in batch.broken)])
    parts = group.gather((tried, len(batch.labels), batch.broken))
    whole = all(part[0] == tried for part in parts)
    broken = batch.broken if whole else [entry for part in parts for entry in part[2]]
    counts = [part[1] for part in parts]
    if not whole and sum(counts) > 0 and min(counts) == 0:
        good = [part for part in group.gather((batch.clips, batch.labels, batch.indices)) if len(part[1])]
        clips, labels, indices = (torch.cat(tensors) for tensors in zip(*good))
        batch, whole = replace(batch, clips=clips, labels=labels, indices=indices), True
    count = len(batch.labels)
    first = 0 if whole else sum(counts[: group.rank])
    group.rows = (first, first + count, count if whole else sum(counts))
    return replace(batch, broken=broken)


def judge_of_group(
    model: Recognizer,
    clips: ClipList | None,
    view: View,
    counts: FrameCounts,
    workers: int,
    batch: int,
    group: Group,
) -> Callable[[], Evaluation | None]:
    """What judges after an epoch: each process its own part of the clips, every clip once."""
    if clips is None:
        return lambda: None
    alone = len(clips) < group.size
    own = clips if alone else replace(clips, records=clips.records[group.rank :: group.size])
    batches = judging_loader(own, view, counts, workers, batch)

    def judge() -> Evaluation:
        judged = evaluate(model, own, view, counts, batches=batches)
        return judged if alone else merged(group.gather(judged))

    return judge


def mean_rows(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each value over those who have it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    found = {key: [row[key] for row in rows if key in row] for key in keys}
    return {key: sum(values) / len(values) for key, values in found.items()}

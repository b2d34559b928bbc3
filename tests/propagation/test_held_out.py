"""The blend at a person's own labels, each left out, and what that makes of the summary's confidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poof.flow.dis import DisFlow
from poof.labels import load_labels, save_labels
from poof.propagation import Settings, propagate, summarise
from poof.propagation.evidence import Evidence
from poof.propagation.held_out import PRIOR, WORTH, held_out, lowered, offset, without_labels
from poof.propagation.merge import blend
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import ArrayVideo


def chain(direction: int, anchor: int, x: float, closure: float) -> Evidence:
    """Frames 0, 4 and 8, one keypoint: the chain of a label in frame `anchor`, at `x` in frame 4."""
    frames = np.array([0, 4, 8])[:, None]
    came = direction * (frames - anchor) > 0
    values = {"cycle": 0.1, "closure": closure, "cycle_end": 0.1, "side": 100.0}
    return Evidence(
        direction,
        np.where(came[..., None], [[[x, 0.0]]], np.nan),
        np.where(came, np.abs(frames - anchor), np.nan).astype(float),
        **{name: np.where(came, value, np.nan) for name, value in values.items()},
        hidden=np.zeros((3, 1), bool),
    )


def test_the_label_itself_has_no_say_in_where_it_is_expected() -> None:
    human = np.full((3, 1, 2), np.nan)
    human[1, 0] = [10.0, 0.0]
    # The second chain misses the label in frame 4 by 30 px: with it, the blend would hardly listen to that chain.
    chains = without_labels([chain(1, 0, 10.0, 0.0), chain(-1, 8, 40.0, 30.0)])
    frames = np.array([0, 4, 8])
    found = held_out(blend(chains, frames), chains, frames, human, {4: 100.0})
    assert found.frame.tolist() == [4] and found.keypoint.tolist() == [0]
    np.testing.assert_allclose(found.xy, [[25.0, 0.0]])  # both count alike: half-way
    np.testing.assert_allclose(found.error, [0.15])


def test_an_offset_is_the_penalised_maximum_and_never_makes_surer() -> None:
    claimed, right = np.full(40, 0.8), np.arange(40) < 20
    d = offset(claimed, right)
    p = 1 / (1 + np.exp(-(np.log(4) + d)))
    assert d < 0
    assert WORTH * (20 - 40 * p) == pytest.approx(d / PRIOR**2, abs=1e-6)  # where the slope is nothing
    assert 0.5 < p < 0.8
    few = offset(claimed[:4], np.array([True, True, False, False]))
    assert d < few < 0  # four points say less than forty
    assert offset(claimed, np.ones(40, bool)) == 0
    assert offset(np.full(3, np.nan), np.zeros(3, bool)) == 0


def test_confidences_are_lowered_by_log_odds() -> None:
    np.testing.assert_allclose(lowered([0.5, 0.8], -np.log(4)), [0.2, 0.5])
    assert lowered([0.7, 1.0, 0.0], -1.0)[1:].tolist() == [1.0, 0.0]
    assert lowered([0.7], 0.0).tolist() == [0.7]


def test_a_footage_on_which_labels_contradict_the_flow_promises_less(tmp_path: Path) -> None:
    scene = sample("constant", velocity=(1.5, 0.5), frames=20)
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()], name="plane")
    exact = truth(scene)
    given = exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in (3, 10, 17)})
    sound = propagate(video, given, DisFlow(), Settings(radius=5))
    told = summarise(sound)
    count = sum(int(p.is_human.sum()) for _, _, p in sound)
    assert told["held_out"]["points"] == count and told["held_out"]["right"] > 0.9
    assert told["expected"] == pytest.approx(told["confidence"])
    # The middle label is 15 px off: nothing the flow knows of itself says so, the labels do.
    moved = {k: p.copy() for k, p in given.instances.items()}
    for (frame, _), points in moved.items():
        if frame == 10:
            points.xy[:] += [15.0, 0.0]
    told = summarise(propagate(video, given.replace(instances=moved), DisFlow(), Settings(radius=5)))
    assert told["held_out"]["right"] < 0.5 < told["held_out"]["claimed"]
    assert told["expected"] < told["confidence"] - 0.02
    # The figures go with the file; one label alone has nothing to be checked by.
    save_labels(sound, tmp_path / "a.json")
    again = load_labels(tmp_path / "a.json")
    assert again.info["propagation"]["held_out"] == sound.info["propagation"]["held_out"]
    alone = given.replace(instances={k: p for k, p in given.instances.items() if k[0] == 3})
    lone = summarise(propagate(video, alone, DisFlow(), Settings(radius=5)))
    assert lone["held_out"]["points"] == 0 and lone["expected"] == pytest.approx(lone["confidence"])

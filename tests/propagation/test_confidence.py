"""Confidence: its terms by hand, its direction, its cases; and what it says on clips whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from poof.evaluation.calibration import auroc
from poof.flow.registry import create_flow
from poof.labels.model import LabelSet
from poof.propagation.confidence import FLOOR, MODELS, cases, confidence, hidden_share, largest_step_error, terms
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.evidence import Evidence
from poof.propagation.merge import blend, nearest
from poof.propagation.propagate import chains_of
from poof.propagation.settings import Settings
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video.base import ArrayVideo

FRAMES = np.arange(11)
SIDE = 200.0


def chain(
    direction: int,
    x: float = 0.0,
    cycle: float = 0.2,
    closure: float = 1.0,
    hidden: bool = False,
    keypoints: int = 1,
) -> Evidence:
    """Chains that stand at (x, 0) between labels of the frames 0 and 10; `cycle` is the error of each step."""
    steps = np.repeat((FRAMES if direction > 0 else FRAMES[::-1]).astype(float)[:, None], keypoints, axis=1)
    steps[steps == 0] = np.nan  # at a chain's own label nothing came by
    full = np.where(np.isfinite(steps), 1.0, np.nan)
    return Evidence(
        direction=direction,
        xy=np.stack([x * full, 0 * full], axis=-1),
        steps=steps,
        cycle=cycle * steps,
        closure=closure * full,
        cycle_end=cycle * 10 * full,
        side=SIDE * full,
        hidden=np.isfinite(steps) & hidden,
    )


def alone(direction: int, **options: float) -> Evidence:
    """A chain that reaches no other label."""
    made = chain(direction, **options)
    return replace(made, closure=made.closure * np.nan, cycle_end=made.cycle_end * np.nan)


def sure(*chains: Evidence) -> np.ndarray:
    return confidence(blend(chains, FRAMES), chains)


def test_terms_by_hand() -> None:
    chains = [chain(1, x=0, cycle=0.5), chain(-1, x=4, cycle=0.5)]
    joint = blend(chains, FRAMES)
    known = {name: values[5, 0] for name, values in terms(joint, chains).items()}
    assert joint.xy[5, 0, 0] == pytest.approx(2.0)
    assert known["apart"] == pytest.approx(np.log(2 / SIDE + FLOOR))  # both lie 2 px off the middle
    assert known["cycle"] == pytest.approx(np.log(2.5 / SIDE + FLOOR))
    assert known["slip"] == pytest.approx(np.log(0.5 / SIDE + FLOOR))
    assert known["sigma"] == pytest.approx(np.log(joint.sigma[5, 0] / SIDE + FLOOR))
    assert known["steps"] == pytest.approx(np.log(5))
    assert known["missed"] == 0 and known["hidden"] == 0


def test_the_probability_is_the_logistic_function_of_the_terms() -> None:
    chains = [chain(1), chain(-1, x=3)]
    joint = blend(chains, FRAMES)
    constant, weights = MODELS["both sides"]
    logit = constant + sum(w * terms(joint, chains)[name][4, 0] for name, w in weights.items())
    assert confidence(joint, chains)[4, 0] == pytest.approx(1 / (1 + np.exp(-logit)))


def test_no_term_speaks_for_a_point() -> None:
    assert all(weight < 0 for _, weights in MODELS.values() for weight in weights.values())


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((chain(1), chain(-1)), (chain(1, cycle=1.0), chain(-1, cycle=1.0))),
        ((chain(1), chain(-1)), (chain(1), chain(-1, x=20))),
        ((chain(1), chain(-1)), (chain(1, closure=40), chain(-1, closure=40))),
        ((chain(1), chain(-1)), (chain(1, hidden=True), chain(-1, hidden=True))),
        ((alone(1),), (alone(1, cycle=1.0),)),
        ((alone(1),), (alone(1, hidden=True),)),
        ((chain(1), chain(-1)), (alone(1),)),
    ],
    ids=["cycle", "apart", "closure", "hidden", "one-sided cycle", "one-sided hidden", "one side"],
)
def test_what_is_worse_is_less_sure(better: tuple[Evidence, ...], worse: tuple[Evidence, ...]) -> None:
    assert sure(*worse)[6, 0] < sure(*better)[6, 0]


def test_one_side_is_less_sure_with_every_step() -> None:
    assert (np.diff(sure(alone(1))[1:, 0]) < 0).all()
    blind = replace(alone(1), cycle=np.full((11, 1), np.nan))
    assert (np.diff(sure(blind)[1:, 0]) < 0).all()


def test_cases() -> None:
    ahead, back = chain(1), chain(-1)
    assert cases([ahead, back])[:, 0].tolist() == ["one side", *["both sides"] * 9, "one side"]
    assert cases([ahead])[:2, 0].tolist() == ["", "one side"]
    blind = [replace(c, cycle=c.cycle * np.nan) for c in (ahead, back)]
    assert set(cases(blind)[:, 0]) == {"forward flow"}
    assert set(cases([ahead, chain(1, x=1)])[1:, 0]) == {"one side"}  # two estimators are not two sides


def test_missed_is_a_keypoint_that_the_other_label_does_not_show() -> None:
    ahead = chain(1, keypoints=2)
    ahead.closure[:, 1] = ahead.cycle_end[:, 1] = np.nan
    known = terms(blend([ahead], FRAMES), [ahead])["missed"]
    assert known[5].tolist() == [0, 1]
    after = replace(ahead, closure=ahead.closure * np.nan)  # behind the last label nobody arrives anywhere
    assert terms(blend([after], FRAMES), [after])["missed"][5].tolist() == [0, 0]
    assert sure(ahead)[5, 1] < sure(after)[5, 1]


def test_where_nothing_came_by_there_is_no_confidence() -> None:
    values = sure(chain(1))
    assert np.isnan(values[0, 0]) and np.isfinite(values[1:]).all()


@pytest.mark.parametrize("scale", [0.25, 8.0])
def test_the_size_of_the_picture_does_not_matter(scale: float) -> None:
    def scaled(made: Evidence) -> Evidence:
        lengths = {n: getattr(made, n) * scale for n in ("xy", "cycle", "closure", "cycle_end", "side")}
        return replace(made, **lengths)

    chains = [chain(1), chain(-1, x=7, cycle=0.4)]
    np.testing.assert_allclose(sure(*map(scaled, chains)), sure(*chains), atol=1e-4)


def test_largest_step_error_looks_back_to_the_anchor_of_each_chain() -> None:
    steps = np.array([[np.nan], [1], [2], [3], [1], [2]])
    cycle = np.array([[np.nan], [0.5], [3.5], [4.0], [0.25], [0.5]])
    full = np.ones_like(steps)
    made = Evidence(1, np.zeros((6, 1, 2)), steps, cycle, full, full, full * SIDE, full > 1)
    np.testing.assert_allclose(largest_step_error(made)[:, 0], [np.nan, 0.5, 3.0, 3.0, 0.25, 0.25])
    flip = {n: getattr(made, n)[::-1] for n in ("xy", "steps", "cycle")}
    np.testing.assert_allclose(
        largest_step_error(replace(made, direction=-1, **flip))[:, 0], [0.25, 0.25, 3.0, 3.0, 0.5, np.nan]
    )


def test_hidden_labels_have_the_share_of_their_weight() -> None:
    share = hidden_share([chain(1, hidden=True), chain(-1)])[:, 0]
    assert share[10] == 1.0 and share[0] == 0.0  # at either end one chain is alone
    assert share[5] < 0.5


def test_the_chain_of_the_nearest_anchor_is_uncertain_when_the_other_side_disagrees() -> None:
    agree, differ = [chain(1), chain(-1)], [chain(1), chain(-1, x=30)]
    first, second = (confidence(nearest(c, FRAMES, 10), c) for c in (agree, differ))
    assert second[4, 0] < first[4, 0]


@cache
def rendered() -> tuple[FlowChains, LabelSet, LabelSet]:
    """A player whose left arm two boards hide at the labels, frames 4 and 20; not among the clips of the fit."""
    scene = replace(sample("hidden-at-anchor", seed=7, frames=(4, 20)), frames=25)
    exact = truth(scene)
    given = exact.replace(instances={key: p for key, p in exact.instances.items() if key[0] in (4, 20)})
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])
    engine = Engine(video, given, [create_flow("dis")], Settings(8, area=120_000))
    for _ in engine.run():
        pass
    return engine.result(), given, exact


def test_confidence_ranks_and_promises_what_is_true_on_a_rendered_clip() -> None:
    found, given, exact = rendered()
    chains, human = chains_of(given, 0, found)
    joint = blend(chains, found.frames_of(0))
    value = confidence(joint, chains)
    right = np.stack([exact.instances[int(f), 0].xy for f in found.frames_of(0)])
    side = max(exact.instances[10, 0].extent()[2:])
    error = np.hypot(*np.moveaxis(joint.xy - right, -1, 0)) / side
    known = np.isfinite(error) & np.isfinite(value) & np.isnan(human).any(axis=-1)
    assert auroc(1 - value[known], error[known] > 0.05, least=5) > 0.8
    assert abs(value[known].mean() - (error[known] < 0.05).mean()) < 0.15

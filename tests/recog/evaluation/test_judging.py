"""A run is judged as it was trained, and by clips that did not choose it; runs judged together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from poof import recog
from poof.errors import PoofError
from poof.recog.checkpoint import load_model, save_model
from poof.recog.data import ClipList, Record
from poof.recog.data.dataset import View
from poof.recog.data.frames import FrameCounts
from poof.recog.evaluation.evaluate import Evaluation, evaluate
from poof.recog.evaluation.fusion import answers_of, fuse
from poof.recog.evaluation.judging import chosen_on, described, judging_view, keep_view, trained_view
from poof.recog.training.train import train
from poof.recog.zoo.recipes import Recipe

FAST = Recipe(epochs=1, batch=4, warmup=0, flip="none", rule="dense", window=4)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipList:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for number in range(6):
        np.save(folder / f"{number}.npy", rng.integers(0, 255, (20, 20, 20, 3)).astype(np.uint8))
    return ClipList(tuple(Record(folder / f"{n}.npy", n % 2) for n in range(6)), ("a", "b"), "l")


def network() -> recog.Recognizer:
    torch.manual_seed(0)
    return recog.build_model("resnet18_quarter", ["tsm"], 2, 2, size=32)


def test_the_view_of_training_comes_back_with_the_checkpoint(clips: ClipList, tmp_path: Path) -> None:
    model = network()
    assert trained_view(model) == View(2, 1, 32, flip="none")  # nothing is known: uniform
    rows = train(model, clips, tmp_path, FAST, validation=clips)
    loaded = load_model(tmp_path)
    assert trained_view(loaded) == View(2, 1, 32, "dense", 4, "none")
    assert loaded.trained_on is not None
    assert loaded.trained_on["mean"] == list(loaded.mean)
    # The best epoch was chosen by exactly the clips that eval judges by.
    judged = evaluate(loaded, clips, trained_view(loaded), FrameCounts())
    assert judged.loss == pytest.approx(rows[0]["val_loss"], abs=1e-6)
    assert chosen_on(loaded, clips) == 6
    assert chosen_on(loaded, replace(clips, records=clips.records[:2])) == 2
    assert chosen_on(network(), clips) == 0


def test_options_override_and_say_so() -> None:
    model = network()
    keep_view(model, View(2, 1, 32, "dense", 8, "none"))
    view, said = judging_view(model)
    assert (view, said) == (View(2, 1, 32, "dense", 8, "none"), [])
    assert described(view) == "2 frames 4 apart, 32 px"
    view, said = judging_view(model, frames=4, clips=3)
    assert (view.segments, view.window, view.clips) == (4, 16, 3)  # still 4 apart
    assert said == ["frames 4 (trained with 2)", "window 16 (trained with 8)"]
    view, said = judging_view(model, rate=1)
    assert (view.window, said) == (2, ["window 2 (trained with 8)"])
    assert judging_view(model, rate=3, rule="normal")[0].rule == "normal"
    view, said = judging_view(model, rule="uniform", size=48)
    assert said == ["sampling uniform (trained with dense)", "size 48 (trained with 32)"]
    for wrong in ({"rate": 1, "window": 4}, {"rate": 1, "rule": "uniform"}, {"window": 4, "rule": "uniform"}):
        with pytest.raises(PoofError):
            judging_view(model, **wrong)  # type: ignore[arg-type]
    fixed = recog.build_model("resnet18_quarter", ["tam"], 4, 2, size=32)
    with pytest.raises(PoofError, match="frames=6: resnet18_quarter was built for 4 and takes no other number"):
        judging_view(fixed, frames=6)


def test_scores_or_probabilities_are_averaged() -> None:
    logits = np.array([[[4.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.5, 0.0]]])
    probabilities = torch.from_numpy(logits).softmax(-1).numpy()
    one = Evaluation(probabilities, np.array([0]), ["x"], ["a", "b", "c"], {}, "scores", logits)
    assert one.video_scores[0] == pytest.approx(torch.tensor([4 / 3, 2.5 / 3, 0]).softmax(0).numpy(), abs=1e-6)
    assert replace(one, average="probabilities").video_scores[0] == pytest.approx(probabilities[0].mean(0))


def test_runs_are_judged_together(tmp_path: Path) -> None:
    def judged(scores: list[list[float]], names: str = "ab", paths: str = "xyz") -> Evaluation:
        labels = np.array([max(names.find(c), 0) for c in "aab"[: len(paths)]])
        return Evaluation(np.array(scores)[:, None], labels, list(paths), list(names), {})

    first = judged([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    second = judged([[0.3, 0.7], [0.1, 0.9], [0.8, 0.2]], "ba")  # columns in another order: (a) .7, .9, .2
    both = fuse([first, second])
    assert both.video_scores[:, 0] == pytest.approx([0.8, 0.65, 0.3])
    assert both.video_top1 == 1
    assert fuse([first, second], [3, 1]).video_scores[1, 0] == pytest.approx((3 * 0.4 + 0.9) / 4)
    assert fuse([first, judged([[0.5, 0.5], [0.5, 0.5]], paths="xy")]).paths == ["x", "y"]

    second.write_answers(tmp_path / "b.csv")
    back = answers_of(tmp_path / "b.csv")
    assert fuse([first, back]).video_scores == pytest.approx(both.video_scores, abs=1e-6)
    for wrong, weights, said in [
        ([first, judged([[1, 0]] * 3, "ac")], None, "different classes"),
        ([first, second], [1], "give 2"),
        ([first, second], [-1, 2], "none below 0"),
        ([first, replace(second, paths=["u", "v", "w"])], None, "share no video"),
        ([first, replace(second, labels=1 - second.labels)], None, "disagree about the class of x"),
    ]:
        with pytest.raises(PoofError, match=said):
            fuse(wrong, weights)
    (tmp_path / "old.csv").write_text("path,label,correct\nx,a,True\n")
    with pytest.raises(PoofError, match=r"old\.csv: holds no class scores"):
        answers_of(tmp_path / "old.csv")


def test_a_checkpoint_of_the_first_version_tells_its_rule(tmp_path: Path) -> None:
    model = network()
    save_model(tmp_path / "last.pt", model, training={"recipe": {"rule": "dense", "window": 8}})
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    content |= {"poof_recog": 1, "input": None}
    content.pop("checksum")
    torch.save(content, tmp_path / "last.pt")
    assert trained_view(load_model(tmp_path / "last.pt")) == View(2, 1, 32, "dense", 8, "none")

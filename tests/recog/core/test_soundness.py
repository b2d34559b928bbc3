"""What must not pass for a result: ties, scores that are no numbers, checkpoints that are not as they were written."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from poof import recog
from poof.errors import PoofError
from poof.recog.checkpoint import load_model, read_checkpoint, save_model
from poof.recog.core.tensor_files import checksum
from poof.recog.core.weights import read_state
from poof.recog.data import ClipList, Record
from poof.recog.data.dataset import View
from poof.recog.evaluation.evaluate import Evaluation, evaluate, top
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.recipes import Recipe

FAST = Recipe(epochs=1, batch=4, lr=0.01, warmup=0, flip="none")
VIEW = View(2, 1, 16, flip="none")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipList:
    """Eight arrays of four classes."""
    folder = tmp_path_factory.mktemp("clips")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    for number in range(8):
        np.save(folder / f"{number}.npy", rng.integers(0, 255, (4, 20, 20, 3)).astype(np.uint8))
    records = tuple(Record(folder / f"{number}.npy", number // 2) for number in range(8))
    return ClipList(records, ("a", "b", "c", "d"), "l")


@pytest.fixture
def model() -> recog.Recognizer:
    torch.manual_seed(0)
    return recog.build_model("resnet18_quarter", ["tsm"], 2, 4, size=32)


def fill(model: torch.nn.Module, value: float) -> None:
    with torch.no_grad():
        model.backbone.fc.weight.fill_(value)  # type: ignore[union-attr, operator]
        model.backbone.fc.bias.fill_(value)  # type: ignore[union-attr, operator]


def test_ties_count_as_the_share_of_the_tied() -> None:
    scores = np.array([[1, 1, 0, 0], [3, 2, 2, 2], [0, 0, 0, 0]], float)
    labels = np.array([1, 3, 2])
    assert top(scores, labels, 1) == pytest.approx((1 / 2 + 0 + 1 / 4) / 3)
    assert top(scores, labels, 2) == pytest.approx((1 + 1 / 3 + 2 / 4) / 3)
    assert top(scores, labels, 5) == 1
    judged = Evaluation(scores[:, None], labels, ["x", "y", "z"], list("abcd"), {})
    assert judged.per_class()["top1"].tolist() == pytest.approx([1 / 2, 1 / 4, 0])
    assert judged.summary()["mean_class_top1"] == pytest.approx(judged.summary()["video_top1"])


def test_a_constant_network_is_right_by_chance(model: recog.Recognizer, clips: ClipList) -> None:
    fill(model, 0.0)
    judged = evaluate(model, clips, VIEW)
    assert (judged.video_top1, judged.summary()["mean_class_top1"]) == (0.25, 0.25)
    fill(model, float("nan"))
    with pytest.raises(PoofError, match=r"0\.npy: the network's scores are not finite"):
        evaluate(model, clips, VIEW)


def test_a_training_that_diverges_keeps_the_last_good_state(
    model: recog.Recognizer, clips: ClipList, tmp_path: Path
) -> None:
    with pytest.raises(PoofError, match=r"epoch 1: .*(finite|nan|inf).*nothing was kept; begin anew with a lower --lr"):
        train(model, clips, tmp_path / "a", replace(FAST, epochs=2, lr=1e20, clip_norm=0), validation=clips)
    assert not list((tmp_path / "a").glob("*.pt"))

    # The second epoch diverges: what the first one left stays, and can be read.
    class Steep(Recipe):
        def rate(self, epoch: float, drops: int = 0) -> float:
            return 0.01 if epoch <= 1 else 1e25

    torch.manual_seed(0)
    model = recog.build_model("resnet18_quarter", ["tsm"], 2, 4, size=32)
    steep = Steep(epochs=3, batch=8, warmup=0, flip="none", clip_norm=0)
    with pytest.raises(PoofError, match=r"epoch [23]: .*finite.*are of the epochs before; begin anew .* --force"):
        train(model, clips, tmp_path / "b", steep, validation=clips)
    assert read_checkpoint(tmp_path / "b" / "last.pt")["training"]["state"]["epoch"] == 1
    assert np.isfinite(evaluate(load_model(tmp_path / "b"), clips, VIEW).loss)


def test_a_validation_list_may_lack_the_last_class(model: recog.Recognizer, clips: ClipList, tmp_path: Path) -> None:
    three = ClipList(clips.records[:6], ("class 0", "class 1", "class 2"), "val")
    rows = train(model, clips, tmp_path / "run", FAST, validation=three)
    assert 0 <= rows[0]["val_top1"] <= 1
    five = ClipList((replace(clips.records[0], label=4),), tuple(f"class {i}" for i in range(5)), "five")
    with pytest.raises(PoofError, match="five: has class 4, the network 4 classes"):
        train(model, clips, tmp_path / "other", FAST, validation=five)
    assert not list((tmp_path / "other").glob("*.pt"))


def test_checkpoints_tell_when_they_were_changed(model: recog.Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    model.labels = list("abcd")
    save_model(path, model, training={"state": {"best": 0.5, "broken": {}}, "rng": torch.get_rng_state()})
    content = read_checkpoint(path)
    assert content["training"]["state"] == {"best": 0.5, "broken": {}}
    content = torch.load(path, weights_only=True)
    content["state"]["backbone.conv1.weight"][0, 0, 0, 0] += 1e-6
    torch.save(content, path)
    with pytest.raises(PoofError, match=r"a\.pt: was damaged after it was written"):
        load_model(path)
    content["poof_recog"], _ = 1, content.pop("checksum")  # files of the first version have none
    torch.save(content, path)
    assert load_model(path).labels == list("abcd")


def broken(content: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    config = content["config"]
    nan = {k: torch.full_like(v, float("nan")) if v.is_floating_point() else v for k, v in content["state"].items()}
    few = dict(list(content["state"].items())[:-1])
    return [
        ({"state": nan}, "are not finite"),
        ({"state": few}, "do not fit its own network"),
        ({"state": 3}, "holds no weights"),
        ({"labels": ["a"]}, "1 class names for 4 classes"),
        ({"labels": [1, 2, 3, 4]}, "class names are no texts"),
        ({"labels": ["a", "b", "c", "\x1b[1m"]}, "is no class name"),
        ({"config": None}, "does not say which network"),
        ({"config": config | {"name": "x" * 500}}, "cannot be built"),
        ({"config": config | {"frames": 10**9}}, "at most 4096"),
        ({"config": config | {"frames": "many"}}, "frames is no whole number"),
        ({"config": config | {"modules": 7}}, "builds no network"),
        ({"config": config | {"colour": 7}}, "builds no network"),
        ({"config": config | {"size": torch.zeros(3)}}, "no whole number|does not say which network"),
        ({"config": config | {"modules": [torch.zeros(3)]}}, "does not say which network"),
        ({"training": 1.5}, "does not say how its clips are cut"),
        ({"training": {"recipe": 3}}, "does not say how its clips are cut"),
        ({"poof_recog": 99}, "of a newer poof"),
        ({"poof_recog": None}, "is no checkpoint"),
    ]


def test_crafted_checkpoints_are_refused_in_one_line(model: recog.Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_model(path, model)
    content = torch.load(path, weights_only=True)
    for change, said in broken(content):
        changed = {k: v for k, v in (content | change).items() if k != "checksum"}
        torch.save(changed | {"checksum": checksum(changed)}, path)
        with pytest.raises(PoofError, match=said) as caught:
            load_model(path)
        message = str(caught.value).replace(str(tmp_path), "")
        assert message.isprintable() and len(message) < 400


def test_mutated_checkpoints_load_as_they_were_or_are_refused(model: recog.Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_model(path, model)
    data, whole = path.read_bytes(), model.state_dict()
    rng = random.Random(0)
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 3])):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            del changed[rng.randrange(len(data)) :]
        path.write_bytes(changed)
        try:
            state = load_model(path).state_dict()
        except PoofError as error:
            assert "weights_only" not in str(error) and "\n" not in str(error)
            continue
        assert all(torch.equal(value, whole[key]) for key, value in state.items())


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("bomb-went-off",)


def test_nothing_in_a_file_is_executed_and_no_advice_to_do_so(
    model: recog.Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"poof_recog": 2, "state": Bomb()}, "b.pt")
    for read in (load_model, read_state):
        with pytest.raises(PoofError, match="could run a program and is never loaded") as caught:
            read(Path("b.pt"))
        assert "weights_only" not in str(caught.value)
    assert not Path("bomb-went-off").exists()


def test_weights_of_compiled_and_parallel_networks_are_read(model: recog.Recognizer, tmp_path: Path) -> None:
    own = model.backbone.state_dict()  # type: ignore[union-attr, operator]
    for wrapping in ("state_dict", "model", "model_state_dict", None):
        state = {f"module._orig_mod.{key}": value for key, value in own.items()}
        torch.save({wrapping: state, "epoch": 3} if wrapping else state, tmp_path / "w.pt")
        assert read_state(tmp_path / "w.pt").keys() == own.keys()
    own["fc.bias"][0] = float("inf")
    torch.save(own, tmp_path / "w.pt")
    with pytest.raises(PoofError, match=r"w\.pt: the weights 'fc\.bias' are not finite"):
        read_state(tmp_path / "w.pt")


def test_states_of_a_training_are_checked(clips: ClipList, tmp_path: Path) -> None:
    """What a resumed run takes from `last.pt` is of its own kinds, or the run does not begin."""
    made = recog.build_model("resnet18_quarter", [], 2, 4, size=32)
    train(made, clips, tmp_path, FAST)
    path = tmp_path / "last.pt"
    content = torch.load(path, weights_only=True)
    state, optimizer = content["training"]["state"], content["training"]["optimizer"]
    for change in (
        {"state": state | {"epoch": "one"}}, {"state": state | {"epoch": -1}}, {"state": state | {"history": [3]}},
        {"state": 3}, {"state": state | {"wings": 2}}, {"rng": {}}, {"recipe": None}, {"recipe": {"wings": 2}},
        {"optimizer": {}}, {"optimizer": optimizer | {"param_groups": []}},
    ):  # fmt: skip
        changed = {k: v for k, v in content.items() if k != "checksum"} | {"training": content["training"] | change}
        torch.save(changed | {"checksum": checksum(changed)}, path)
        fresh = recog.build_model("resnet18_quarter", [], 2, 4, size=32)
        with pytest.raises(PoofError, match=r"last\.pt: (the state of its training is damaged|is of another network)"):
            train(fresh, clips, tmp_path, replace(FAST, epochs=2), Settings(resume=True))

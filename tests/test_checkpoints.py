"""Checkpoint files: what was written is what is read, and nothing else is taken for it."""

from __future__ import annotations

import argparse
import collections
import pickle
import re
import resource
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from poof.checkpoints import check_finite, digest, plain_names, read_checkpoint, save_checkpoint, tensors_in
from poof.errors import PoofError

CONTENT = {
    "format": "test",
    "weights": {"a": torch.arange(3000.0).reshape(30, 100), "half": torch.ones(3, dtype=torch.bfloat16)},
    "steps": [1, 2.5, None, True, "x", (3, 4)],
    "empty": torch.zeros(0, 4),
    7: torch.tensor(3),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.pt", CONTENT)
    read = read_checkpoint(tmp_path / "c.pt")
    assert list(read) == [*CONTENT, "checksum"]
    assert digest({k: v for k, v in read.items() if k != "checksum"}) == digest(CONTENT) == read["checksum"]
    assert torch.equal(read["weights"]["a"], CONTENT["weights"]["a"]) and read["steps"] == CONTENT["steps"]
    save_checkpoint(tmp_path / "again.pt", read)
    assert read_checkpoint(tmp_path / "again.pt")["checksum"] == read["checksum"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["again.pt", "c.pt"]


def test_the_checksum_sees_every_kind_of_change() -> None:
    changes = [
        {"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"b": 1}, {"a": [1]}, {"a": None}, {},
        {"a": torch.tensor(1)}, {"a": torch.tensor([1])}, {"a": torch.tensor([1.0])}, {"a": torch.tensor([[1.0]])},
        {"a": torch.tensor([2.0])}, {"a": {"a": 1}}, {"a": [1], "b": []}, {"a": [], "b": [1]},
    ]  # fmt: skip
    assert len({digest(change) for change in changes}) == len(changes)


def test_a_changed_byte_is_noticed_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, CONTENT)
    whole, seen = path.read_bytes(), set()
    rng = np.random.default_rng(0)
    for at in rng.choice(len(whole), 150, replace=False):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            read = read_checkpoint(path)
        except PoofError as error:
            assert "\n" not in str(error) and len(str(error)) < 300 and "weights_only" not in str(error)
            seen.add("told")
        else:  # padding of the archive, or the name of the checksum itself
            assert digest({k: v for k, v in read.items() if k in CONTENT}) == digest(CONTENT)
    assert seen == {"told"}


@pytest.mark.parametrize("content", [b"", b"garbage" * 9, b"PK\x03\x04" + bytes(99), pickle.dumps([1] * 5)[:-3]])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(content)
    with pytest.raises(PoofError, match=r"c\.pt: is no PyTorch checkpoint, or is damaged"):
        read_checkpoint(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match="there is no such checkpoint; train one"):
        read_checkpoint(tmp_path / "c.pt", "train one")
    with pytest.raises(PoofError, match="is no file"):
        read_checkpoint(tmp_path)


def test_objects_are_never_built_and_torch_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "args.pt"
    torch.save({"args": argparse.Namespace(lr=1), "model": {"w": torch.ones(2)}}, path)
    with pytest.raises(PoofError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert "holds code beside its weights (argparse.Namespace)" in message and "save its state_dict() alone" in message
    assert not re.search(r"weights_only|unsafe|trust|\x1b|\n", message) and len(message) < 300 + len(str(path))


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"old": torch.ones(3)})
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(PoofError, match=r"c\.pt: cannot be written"):
            save_checkpoint(path, CONTENT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "old" in read_checkpoint(path) and [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_wrappers_and_prefixes() -> None:
    one, two = torch.ones(1), torch.zeros(2)
    plain = {"conv.weight": one, "head.1.bias": two}
    for state in (
        plain,
        {f"module.{name}": value for name, value in plain.items()},
        {f"_orig_mod.{name}": value for name, value in plain.items()},
        {f"module._orig_mod.{name}": value for name, value in plain.items()},
        {f"_orig_mod.module.{name}": value for name, value in plain.items()},
        {"conv._orig_mod.weight": one, "head.1._orig_mod.bias": two},
    ):
        assert plain_names(state) == plain
        for wrapped in (state, {"model": state}, {"model_state_dict": state, "epoch": 3}, {"state_dict": state},
                        {"state_dict": {"model": collections.OrderedDict(state)}}):  # fmt: skip
            assert tensors_in(wrapped, "c.pt") == plain
    assert list(plain_names({"module.a": one, "b": two})) == ["module.a", "b"]
    for nothing in ([1], {}, {"epoch": 3}, {"model": {"epoch": 1}}):
        with pytest.raises(PoofError, match=r"c\.pt: holds (list|dict), not a dictionary of tensors"):
            tensors_in(nothing, "c.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(value: float) -> None:
    check_finite({"a": torch.ones(3), "n": torch.tensor(3), "x": "text"}, "c.pt")
    with pytest.raises(PoofError, match=r"c\.pt: b holds NaN or infinity"):
        check_finite({"a": torch.ones(3), "b": torch.tensor([0.0, value])}, "c.pt")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(1).expand(10**6, 10**6), "a tensor of 4000 GB repeats a few values"),
        (torch.empty(3, device="meta"), "holds shapes without values"),
    ],
)
def test_tensors_that_no_memory_holds(tmp_path: Path, tensor: torch.Tensor, message: str) -> None:
    """Both were faults of poof where their values were looked at."""
    torch.save({"state_dict": {"w": tensor}}, tmp_path / "c.pt")
    with pytest.raises(PoofError, match=message):
        read_checkpoint(tmp_path / "c.pt")
    torch.save({"w": torch.arange(3.0).expand(4, 3)}, tmp_path / "c.pt")
    assert read_checkpoint(tmp_path / "c.pt")["w"].sum() == 12


@pytest.mark.parametrize("wrap", [lambda t: {"w": t}, lambda t: {"training": {"network": {"w": t}}}, lambda t: [[t]]])
def test_sparse_tensors_are_refused_wherever_they_are(tmp_path: Path, wrap: Callable[[torch.Tensor], Any]) -> None:
    """torch cannot even ask whether they are finite."""
    path = tmp_path / "c.pt"
    for tensor in (torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()):
        with warnings.catch_warnings(action="ignore"):
            torch.save(wrap(tensor), path)
        with pytest.raises(PoofError, match="holds sparse or quantised tensors"):
            read_checkpoint(path)
    around: list[Any] = [torch.eye(3)]
    around.append(around)
    torch.save(around, path)
    assert len(read_checkpoint(path)) == 2  # a list that holds itself is gone through once

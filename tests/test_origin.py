"""Whose a file is, and outputs that are inputs or each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poof.errors import PoofError
from poof.files import check_apart, check_output, write_bytes, write_text
from poof.origin import Origin, is_remembered, origin_of


def test_a_file_is_poofs_as_long_as_it_has_poofs_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    write_text(path, "not really")
    assert origin_of(path) is Origin.OURS
    check_output(path)
    path.write_text("changed")
    assert origin_of(path) is Origin.FOREIGN
    for force in (False, True):
        with pytest.raises(PoofError, match=r"picture\.png: exists already and is not what poof wrote there"):
            check_output(path, force)
    path.write_text("not really")
    assert origin_of(path) is Origin.OURS
    path.rename(tmp_path / "moved.png")
    assert origin_of(tmp_path / "moved.png") is Origin.FOREIGN
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "emptied"))
    (tmp_path / "moved.png").rename(path)
    assert origin_of(path) is Origin.FOREIGN


@pytest.mark.parametrize("moment", ["before", "behind"])
def test_a_stop_while_a_file_takes_its_name_leaves_one_that_poof_knows(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "a.png", Path.replace
    write_bytes(path, b"old")

    def stopped(self: Path, target: Path) -> None:
        if target == path:
            if moment == "behind":
                replace(self, target)
            raise KeyboardInterrupt
        replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"new")
    assert path.read_bytes() == {"before": b"old", "behind": b"new"}[moment]
    assert is_remembered(path)


def test_what_looks_like_poofs_needs_force(tmp_path: Path) -> None:
    for name, text in (
        ("v.overlay.mp4", "x"),
        ("frames.txt", "1\n20\n"),
        ("c.csv", "prediction,group,name,points\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(PoofError, match="--force"):
            check_output(tmp_path / name)
        check_output(tmp_path / name, force=True)
    (tmp_path / "words.txt").write_text("1\ntwo\n")
    with pytest.raises(PoofError, match="never overwritten"):
        check_output(tmp_path / "words.txt", force=True)


def test_outputs_that_are_inputs_or_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gt = tmp_path / "gt.json"
    gt.write_text("{}")
    (tmp_path / "link.json").symlink_to(gt)
    os.link(gt, tmp_path / "hard.json")
    for name in ("gt.json", "./gt.json", "link.json", "hard.json"):
        with pytest.raises(PoofError, match=r"is given with -l and would be overwritten \(-o\)"):
            check_apart([(Path(name), "-o")], [(gt, "-l")])
    with pytest.raises(PoofError, match=r"would be written twice \(-o and --json\)"):
        check_apart([(Path("a.json"), "-o"), (tmp_path / "a.json", "--json")])
    check_apart([(Path("a.json"), "-o"), (Path("b.json"), "--json")], [(gt, "-l")])


def test_labels_give_way_to_labels_only(tmp_path: Path) -> None:
    for name, text in (("x.json", '{"poof": {"version": 1}, "categories": []}'), ("x.csv", "frame,x,poof:eJy\n")):
        (tmp_path / name).write_text(text)
        assert origin_of(tmp_path / name) is Origin.LABELS
        with pytest.raises(PoofError, match="holds labels"):
            check_output(tmp_path / name, force=True)
        check_output(tmp_path / name, labels=True)
    write_text(tmp_path / "s.json", '{"poof": {"version": 1}, "frames": 3}')
    check_output(tmp_path / "s.json")

"""What an error tells of the names that a mistyped one may have meant: the same in every registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from poof.errors import FEW, NEAR, PoofError, first_names, names_near, not_there
from poof.flow.registry import available, create_flow
from poof.labels.io import FORMATS, save_labels
from poof.labels.model import LabelSet, Skeleton
from poof.pose.mspn import BODIES
from poof.pose.recipes import RECIPES, recipe_named
from poof.recog.build import build_model
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.recipes import RECIPES as RECOG_RECIPES
from poof.recog.zoo.recipes import recipe as recog_recipe
from poof.synthetic import SAMPLES, sample

MANY = tuple(f"point{n}" for n in range(40))


def test_few_names_are_all_told_in_their_order() -> None:
    assert names_near("x", ["b", "a"]) == "b, a"
    assert names_near("x", []) == "none"


def test_of_many_the_three_nearest_are_told_whatever_their_case() -> None:
    assert names_near("POINT7", MANY).startswith("point7, ")
    near = names_near("left_kne", [*MANY, "left_knee", "Left_Knee2", "right_knee"])
    assert near == "left_knee, Left_Knee2, right_knee (43 in all)"


def test_nothing_alike_still_tells_three() -> None:
    assert names_near("", MANY).count(",") == NEAR - 1


def test_lists_are_cut() -> None:
    assert first_names(["a", "b"]) == "a, b"
    assert first_names(MANY) == "point0, point1, point2, ... (40 in all)"


def _labels(path: Path) -> LabelSet:
    return LabelSet(Skeleton(("a",)), image_size=(8, 8))


REGISTRIES: dict[str, tuple[Iterable[str], Callable[[str, Path], object]]] = {
    "keypoint": (MANY, lambda name, _: Skeleton(MANY).index(name)),
    "flow": (available(), lambda name, _: create_flow(name)),
    "label format": (FORMATS, lambda name, tmp: save_labels(_labels(tmp), tmp / "a.json", format=name)),
    "recipe": (RECIPES, lambda name, _: recipe_named(name)),
    "sample": (SAMPLES, lambda name, _: sample(name)),
    "backbone": ([*BACKBONES, *NETWORKS], lambda name, _: build_model(name)),
    "module": (MODULES, lambda name, _: build_model("resnet18", [name])),
    "recipe of recog": (RECOG_RECIPES, lambda name, _: recog_recipe(name)),
}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_registry_names_the_one_that_was_meant(registry: str, tmp_path: Path) -> None:
    known, ask = REGISTRIES[registry]
    names = list(known)
    for name in names[:: 1 + len(names) // 40]:
        mistyped = name + "q"
        if mistyped in names or ":" in name:  # a pattern, ptlflow:MODEL@WEIGHTS
            continue
        with pytest.raises(PoofError) as caught:
            ask(mistyped, tmp_path)
        told = str(caught.value)
        assert name in told and mistyped in told and "\n" not in told
        if len(names) > FEW:
            assert f"({len(names)} in all)" in told
            assert told.count(",") <= NEAR + 1, "a list of names that nobody reads"


def test_bodies_are_few() -> None:
    assert len(BODIES) <= FEW


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("mouse_topp.mp4", " (there is mouse_top.mp4)"),
        ("Mouse_Top.MP4", " (there is mouse_top.mp4)"),
        ("mouse_top.mov", " (there is mouse_top.mp4)"),
        ("rat.mp4", ""),
        (".hidde.mp4", ""),
        ("nowhere/mouse_top.mp4", ""),
        ("a\0b", ""),
    ],
)
def test_a_file_that_is_not_there_is_told_with_the_one_that_may_be_meant(tmp_path: Path, given: str, told: str) -> None:
    for name in ("mouse_top.mp4", ".hidden.mp4", "labels.csv"):
        (tmp_path / name).touch()
    assert f": there is no such video{told}; check the path" in str(not_there(tmp_path / given, "video"))


def test_of_many_files_alike_three_are_told(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"camera_{number:02}.mp4").touch()
    assert str(not_there(tmp_path / "camera_21.mp4")).count("camera_") == 1 + NEAR

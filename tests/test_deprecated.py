"""Old names of the public API work for one version more, and say what to write."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest

from poof import api, pose, recog
from poof.deprecated import old_arguments, old_attribute, old_names
from poof.planning.select import Selection
from poof.propagation import propagate
from poof.refine import refine


def test_a_renamed_function_or_class_is_found_under_its_old_name() -> None:
    module = ModuleType("some_module")
    module.__dict__.update(new=7, __getattr__=old_names("some_module", {"old": "new"}))
    sys.modules["some_module"] = module
    try:
        with pytest.warns(DeprecationWarning, match=r"some_module.old is deprecated .*: write some_module.new"):
            assert module.old == 7
        with pytest.raises(AttributeError, match="'some_module' has no attribute 'never'"):
            _ = module.never
    finally:
        del sys.modules["some_module"]


def test_a_renamed_argument_and_attribute() -> None:
    @old_arguments(old="new")
    def double(new: int) -> int:
        """Twice."""
        return 2 * new

    class Thing:
        new = 3
        old = old_attribute("old", "new")

    with pytest.warns(DeprecationWarning, match=r"double\(old=...\) .*: write new=...") as said:
        assert double(old=4) == 8  # type: ignore[call-arg]
    assert said[0].filename == __file__, "it points at the caller"
    assert double(4) == 8 and double.__doc__ == "Twice."
    with pytest.raises(TypeError, match="new twice"):
        double(4, old=4, new=5)
    with pytest.warns(DeprecationWarning, match="Thing.old .*: write Thing.new"):
        assert Thing().old == 3


def test_a_module_that_moved_is_the_same_under_its_old_path() -> None:
    with pytest.warns(DeprecationWarning) as said:
        old = importlib.import_module("poof.recog.modules.tsm")
    texts = [str(one.message).partition(" is deprecated")[0] for one in said]
    assert texts == ["poof.recog.modules", "poof.recog.modules.tsm"], "each package on the way, too"
    assert str(said[1].message).endswith("write poof.recog.zoo.modules.tsm")
    assert said[1].filename == importlib.__file__, "it points at the import"
    assert old is importlib.import_module("poof.recog.zoo.modules.tsm")
    with pytest.warns(DeprecationWarning, match=r"poof.recog.modules.base .*: write poof.recog.core.module"):
        assert importlib.import_module("poof.recog.modules.base").TemporalModule in old.TemporalShift.__mro__
    with pytest.raises(ModuleNotFoundError, match=r"zoo.modules.never"), pytest.warns(DeprecationWarning):
        importlib.import_module("poof.recog.modules.never")


@pytest.mark.parametrize("name", recog.MOVED.moves)
def test_every_path_that_moved_leads_somewhere(name: str) -> None:
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=name):
        assert importlib.import_module(name).__name__.startswith("poof.recog.")


@pytest.mark.parametrize("function", [propagate, api.propagate, refine])
def test_the_cache_was_called_memo(function: object) -> None:
    with pytest.warns(DeprecationWarning, match=r"memo=.*cache="), pytest.raises(TypeError, match="missing"):
        function(memo=None)  # type: ignore[operator]


def test_boxes_of_instances_were_people() -> None:
    with pytest.warns(DeprecationWarning, match="poof.pose.boxes_from_labels"):
        assert pose.people_from_labels is pose.boxes_from_labels
    with pytest.warns(DeprecationWarning, match=r"people=.*boxes="), pytest.raises(TypeError, match="missing"):
        pose.predict_pose(people=None)


def test_a_selection_knows_its_uncertainty_as_doubt() -> None:
    chosen = Selection([], [], {}, np.ones(3), None)  # type: ignore[arg-type]
    with pytest.warns(DeprecationWarning, match=r"Selection.uncertainty"):
        assert chosen.doubt.tolist() == [1, 1, 1]

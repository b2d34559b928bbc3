"""Estimators and trackers of other packages, found by their entry points; nothing of theirs is imported until named.

A package says in its pyproject.toml

    [project.entry-points."poof.flow"]
    mine = "my_package:create"

and `create(device, weights, **options)` gives a `FlowEstimator` (for the group `poof.trackers` a `PointTracker`):
`device` is a torch device's name, `weights` a path or None, `options` what stands behind the colon of
`--flow mine:key=value`, as text, with `variant` for what is no option.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.flow.naming import Named


def found(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point of a group, of the packages installed now."""
    return {point.name: point for point in entry_points(group=group)}


def package(point: EntryPoint) -> str:
    """The package that an entry point is of."""
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


def create(point: EntryPoint, named: Named, device: str, weights: Path | None, kind: type, option: str) -> Any:
    """What an entry point makes.

    Raises
    ------
    PoofError
        If its package cannot be imported, does not take the options, or makes something else than a `kind`.
    """
    options: dict[str, str] = dict(named.options) | ({"variant": named.variant} if named.variant else {})
    if "weights" in options:
        weights = Path(options.pop("weights"))
    try:
        made = point.load()(device, weights, **options)
    except PoofError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PoofError(
            f"{option} {named.text}: '{named.name}' of the package {package(point)} could not be made ({what}); mend or"
            " uninstall the package, or choose another"
        ) from error
    if not isinstance(made, kind):
        raise PoofError(
            f"{option} {named.text}: '{named.name}' of the package {package(point)} is a {type(made).__name__}, no"
            f" {kind.__name__}; the package is at fault"
        )
    if not getattr(made, "name", ""):
        made.name = named.name  # type: ignore[attr-defined]
    return made

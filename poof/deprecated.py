"""Old names of the public API: they work for one version more, and a `DeprecationWarning` says the new name."""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def old_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that gives what was renamed.

    Parameters
    ----------
    module
        `__name__` of the module.
    names
        Old name -> new one, both of this module.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        _warn(f"{module}.{name}", f"{module}.{names[name]}")
        return getattr(sys.modules[module], names[name])

    return get


def old_arguments(**names: str) -> Callable[[F], F]:
    """Decorator: keyword arguments that were renamed, old name -> new one."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"{function.__name__}() got {new} twice: {old} is its old name")
                    _warn(f"{function.__name__}({old}=...)", f"{new}=...")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def old_attribute(old: str, new: str) -> Any:
    """A property under the old name of an attribute."""

    def get(self: Any) -> Any:
        _warn(f"{type(self).__name__}.{old}", f"{type(self).__name__}.{new}")
        return getattr(self, new)

    get.__doc__ = f"Old name of `{new}`."
    return property(get)


class MovedModules(Loader):
    """Finder and loader of Python's imports: a module asked for under its old path is the one at its new path.

    Parameters
    ----------
    moves
        Old path -> new one; what lies in a package moves with it.
    """

    def __init__(self, moves: Mapping[str, str]) -> None:
        self.moves = moves

    def install(self) -> None:
        """In front of the other finders, that would load what lies in a moved package a second time."""
        sys.meta_path.insert(0, self)

    def new_path(self, path: str) -> str | None:
        """Where a module is now; None for those that never moved."""
        start, rest = path, ""
        while start not in self.moves and "." in start:
            start, _, last = start.rpartition(".")
            rest = f".{last}{rest}"
        return self.moves[start] + rest if start in self.moves else None

    def find_spec(self, path: str, where: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """See `importlib.abc.MetaPathFinder`."""
        del where, target
        new = self.new_path(path)
        if new is None:
            return None
        _warn(path, new)
        return ModuleSpec(path, self)

    def create_module(self, spec: ModuleSpec) -> None:
        """See `importlib.abc.Loader`."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module itself where Python expects one of the old name."""
        new = self.new_path(module.__name__)
        assert new is not None
        sys.modules[module.__name__] = importlib.import_module(new)


def _warn(old: str, new: str) -> None:
    """Points at the line that uses the old name."""
    warnings.warn(f"{old} is deprecated and goes in the next version: write {new}", DeprecationWarning, stacklevel=3)

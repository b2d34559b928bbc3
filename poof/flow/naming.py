"""Names of estimators and trackers on the command line: NAME, NAME:VARIANT, NAME:option=value,option=value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from poof.errors import PoofError, names_near


@dataclass(frozen=True)
class Named:
    """A name taken apart.

    Attributes
    ----------
    name : str
        What stands before the colon.
    variant : str
        What stands behind it and is no option, 'sea_raft_m@things' say; '' without.
    options : mapping
        Option -> value, as written.
    text : str
        The whole, as given.
    """

    name: str
    variant: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


def parse(text: str, option: str = "--flow") -> Named:
    """Take a name apart; `option` begins the messages.

    Raises
    ------
    PoofError
        If an option has no value or stands twice, or there are two variants.
    """
    name, _, rest = text.partition(":")
    variant, options = "", {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals:
            if variant:
                raise PoofError(f"{option} {text}: '{variant}' and '{part}' name two variants; give one")
            variant = part.strip()
        elif not value.strip():
            raise PoofError(f"{option} {text}: {key} has no value; write {name}:{key}=VALUE")
        elif key in options:
            raise PoofError(f"{option} {text}: gives {key} twice")
        else:
            options[key] = value.strip()
    return Named(name.strip(), variant, options, text)


def unknown(named: Named, valid: Sequence[str], option: str) -> PoofError:
    """The error for a name that is not there, with the nearest ones."""
    what = "flow" if option == "--flow" else "tracker"
    return PoofError(f"unknown {what} '{named.name}'; valid: {names_near(named.name, valid)}")


def check_options(named: Named, valid: Sequence[str], option: str = "--flow") -> None:
    """Refuse options that an estimator does not have, and a variant unless '' is among the `valid`."""
    keys = [key for key in valid if key]
    takes = f"takes {', '.join(f'{key}=VALUE' for key in keys)}" if keys else "takes no options"
    if named.variant and "" not in valid:
        raise PoofError(f"{option} {named.text}: {named.name} has no variant '{named.variant}'; it {takes}")
    for key in named.options:
        if key not in valid:
            raise PoofError(f"{option} {named.text}: no option '{key}'; {named.name} {takes}")


def whole(named: Named, key: str, default: int, option: str = "--flow", least: int = 1) -> int:
    """An option that is a whole number of at least `least`."""
    text = named.options.get(key)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < least:
        raise PoofError(f"{option} {named.text}: {key} must be a whole number from {least} on, not '{text}'")
    return int(text)

"""The plain values in a pickle, read without unpickling.

pandas and PyTables store column names pickled. A pickle is a program; here its instructions are only looked at
(`pickletools.genops`), and the few that build numbers, text, lists, tuples and dicts are understood. Everything else,
above all every name of a class or function, is refused: nothing is imported, called or set. The one exception is
pandas' FrozenList, which is taken for the list it is made of, without pandas.
"""

from __future__ import annotations

import pickletools
from typing import Any

_MARK = object()
_FROZEN_LIST = object()
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def plain(data: bytes) -> Any:
    """The value that a pickle of plain values describes.

    Raises
    ------
    ValueError
        If it describes anything but None, numbers, text, lists, tuples and dicts of them, or is damaged.
    """
    try:
        return _value(data)
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError, UnicodeError, OverflowError) as error:
        raise ValueError(f"no plain value ({type(error).__name__})") from None


def _value(data: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for operation, argument, _ in pickletools.genops(data):
        name = operation.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"):
            stack.append({"EMPTY_LIST": [], "EMPTY_DICT": {}, "EMPTY_TUPLE": ()}[name])
        elif name in ("LIST", "TUPLE", "DICT"):
            items = _above_mark(stack)
            stack.append(_dict(items) if name == "DICT" else items if name == "LIST" else tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            items = stack[-count:]
            if len(items) < count or any(item is _MARK for item in items):
                raise ValueError("cut short")
            stack[-count:] = [tuple(items)]
        elif name == "APPEND":
            item = stack.pop()
            list.append(stack[-1], item)
        elif name == "APPENDS":
            items = _above_mark(stack)
            list.extend(stack[-1], items)
        elif name == "SETITEM":
            items = [stack.pop(), stack.pop()][::-1]
            dict.update(stack[-1], _dict(items))
        elif name == "SETITEMS":
            items = _above_mark(stack)
            dict.update(stack[-1], _dict(items))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[_place(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[_place(argument)])
        elif name == "GLOBAL" and argument == "pandas.core.indexes.frozen FrozenList":
            stack.append(_FROZEN_LIST)
        elif name == "STACK_GLOBAL" and stack[-2:] == ["pandas.core.indexes.frozen", "FrozenList"]:
            stack[-2:] = [_FROZEN_LIST]
        elif name == "REDUCE" and stack[-2] is _FROZEN_LIST:
            (items,) = stack[-1]
            stack[-2:] = [list(items)]
        elif name == "STOP":
            (value,) = stack
            return _checked(value)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"a pickle that would run code ({name})")
    raise ValueError("cut short")


def _place(argument: Any) -> int:
    """The number of a place in the `memo`."""
    return int(argument)


def _above_mark(stack: list[Any]) -> list[Any]:
    """Take everything above the last mark, and the mark, from the stack."""
    items: list[Any] = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _dict(items: list[Any]) -> dict[Any, Any]:
    return {items[i]: items[i + 1] for i in range(0, len(items), 2)}


def _checked(value: Any) -> Any:
    """The value, none of whose parts is a mark or another leftover."""
    todo, seen = [value], set()
    while todo:
        part = todo.pop()
        if part is _MARK or part is _FROZEN_LIST:
            raise ValueError("cut short")
        if isinstance(part, (dict, list, tuple)) and id(part) not in seen:  # a memo may use one list in many places
            seen.add(id(part))
            todo += [*part, *part.values()] if isinstance(part, dict) else part
    return value

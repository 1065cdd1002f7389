"""Values as one line of JSON, rebuilt as plain built-in values: no code of the sender runs.

A tested function and its tests run in different sandboxes and exchange values. Numbers, texts and
containers cross as they are; subclasses become their built-in class, such as a `Counter` a dict.
An iterator crosses as an iterator of its values. Any other object stays where it is: a `Handle`
crosses, which is true or false as the object is, and equals only itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any

LONGEST = 100_000
"""Values of an iterator that cross."""


class UnsendableError(Exception):
    """A value that cannot cross."""


class Handle:
    """An object that stays on the other side; `true` says whether it counts as true there."""

    def __init__(self, number: int, true: bool) -> None:
        self.number = number
        self.true = true

    def __bool__(self) -> bool:
        return self.true


def encode(value: Any, keep: Callable[[Any], Handle] | None = None) -> str:
    """A value in one line of ASCII. `keep` makes handles; None: other objects cannot cross.

    Raises UnsendableError, or RecursionError for values that are nested too deeply.
    """
    return json.dumps(_packed(value, keep))


def decode(line: bytes | str, kept: Callable[[Handle], Any] = lambda handle: handle) -> Any:
    """The value of a line; `kept` gives the object of a handle. ValueError if it is none."""
    try:
        return _unpacked(json.loads(line), kept)
    except (TypeError, KeyError, IndexError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a value: {type(error).__name__}") from None


def _packed(value: Any, keep: Callable[[Any], Handle] | None) -> Any:
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return value
    for plain, base in _SCALARS.items():
        if isinstance(value, plain):
            return base(value)
    if isinstance(value, list):
        return [_packed(one, keep) for one in value]
    for name, sequence in _SEQUENCES.items():
        if isinstance(value, sequence):
            return {name: [_packed(one, keep) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[_packed(one, keep) for one in pair] for pair in value.items()]}
    for name, (module, pack, _) in _OTHERS.items():
        # an object of a class is there only if the module of the class is
        kind: Any = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(value, kind):
            return {name: pack(value)}
    if isinstance(value, Iterator):
        return {"iterator": [_packed(one, keep) for one in islice(value, LONGEST)]}
    if isinstance(value, Handle):
        return {"object": [value.number, value.true]}
    if keep is None:
        raise UnsendableError(type(value).__name__)
    return _packed(keep(value), None)


def _unpacked(value: Any, kept: Callable[[Handle], Any]) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, kept) for one in value]
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "object":
        return kept(Handle(int(content[0]), bool(content[1])))
    if name == "dict":
        return {_unpacked(key, kept): _unpacked(one, kept) for key, one in content}
    if name == "iterator":
        return iter([_unpacked(one, kept) for one in content])
    if name in _SEQUENCES:
        return _SEQUENCES[name](_unpacked(one, kept) for one in content)
    module, _, unpack = _OTHERS[name]
    return unpack(getattr(import_module(module), name), content)


_SCALARS: dict[type, Callable[[Any], Any]] = {
    int: lambda one: int.__add__(one, 0),
    float: lambda one: float.__add__(one, 0.0) if type(one) is not float else one,
    str: str.__str__,
}
"""Class → from an object of it or of a subclass, whose methods do not count, to its plain value."""
_SEQUENCES: dict[str, type[Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_Pack = tuple[str, Callable[[Any], Any], Callable[[Any, Any], Any]]
_OTHERS: dict[str, _Pack] = {
    "bytes": ("builtins", bytes.hex, lambda kind, text: kind.fromhex(text)),
    "complex": ("builtins", lambda one: [one.real, one.imag], lambda kind, of: kind(*of)),
    "range": ("builtins", lambda one: [one.start, one.stop, one.step], lambda kind, of: kind(*of)),
    "Decimal": ("decimal", str, lambda kind, text: kind(text)),
    "Fraction": ("fractions", str, lambda kind, text: kind(text)),
}
"""Class → its module, from an object to JSON, and from the class and JSON to an object."""

"""A time that a plan is made of, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

Basis = Literal["measured", "published", "assumed"]
"""Recorded by a run on such hardware; follows from published figures; nobody published it."""
BASES: tuple[Basis, ...] = get_args(Basis)


@dataclass(frozen=True)
class Figure:
    """Seconds, and where each of them is from."""

    parts: Mapping[Basis, float] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: float, basis: Basis) -> Self:
        """Seconds of one origin."""
        return cls({basis: seconds})

    @property
    def seconds(self) -> float:
        """All of them."""
        return sum(self.parts.values())

    def __add__(self, other: Figure) -> Figure:
        sums = {basis: self.parts.get(basis, 0.0) + other.parts.get(basis, 0.0) for basis in BASES}
        return Figure({basis: seconds for basis, seconds in sums.items() if seconds})

    def __mul__(self, factor: float) -> Figure:
        return Figure({basis: seconds * factor for basis, seconds in self.parts.items()})

"""A time that a plan is made of, and where it is from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Basis = Literal["measured", "published", "assumed"]
"""Recorded by a run on such hardware; follows from published figures; an assumption is in it."""
BASES: tuple[Basis, ...] = get_args(Basis)
"""The surest first."""


@dataclass(frozen=True)
class Figure:
    """Seconds, and where they are from."""

    seconds: float
    basis: Basis

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.seconds + other.seconds, worst((self.basis, other.basis)))

    def __mul__(self, factor: float) -> Figure:
        return Figure(self.seconds * factor, self.basis)


def worst(bases: Iterable[Basis]) -> Basis:
    """The least sure of several."""
    return max(bases, key=BASES.index)

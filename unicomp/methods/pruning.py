"""Pruning by llmcompressor: Wanda (arXiv 2306.11695) and SparseGPT (arXiv 2301.00774)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from unicomp.errors import SpecError
from unicomp.methods import oneshot, support
from unicomp.spec import Guarantees, Method

UNPRUNED = frozenset({"deepseek_v2", "deepseek_v3"})
"""Architectures that llmcompressor 0.14 cannot prune: inputs of layers have four dimensions."""


def wanda(name: str, *, sparsity: float, pattern: tuple[int, int] | None = None) -> Method:
    """Zero the weights with the least magnitude times input norm, row by row.

    `sparsity` is the share of zeros in each matrix, in (0, 1); `pattern` (n, m) zeroes n of each
    m consecutive input weights; `sparsity` must then be n / m.
    """
    return _pruning(name, "WandaPruningModifier", sparsity, pattern)


def sparsegpt(name: str, *, sparsity: float, pattern: tuple[int, int] | None = None) -> Method:
    """Zero the weights that the others can best compensate for, and adjust the others.

    The settings are those of `wanda`.
    """
    return _pruning(name, "SparseGPTModifier", sparsity, pattern)


def _pruning(name: str, modifier: str, sparsity: float, pattern: tuple[int, int] | None) -> Method:
    if not 0.0 < sparsity < 1.0:
        raise SpecError(f"method {name}: a sparsity of {sparsity} is not in (0, 1)")
    if pattern is not None and pattern[0] / pattern[1] != sparsity:
        raise SpecError(
            f"method {name}: the pattern {pattern[0]}:{pattern[1]} is a sparsity of "
            f"{pattern[0] / pattern[1]}, not {sparsity}"
        )
    return Method(
        name=name,
        family="pruning",
        compress=partial(
            oneshot.compress, modifiers=partial(_modifiers, modifier, sparsity, pattern)
        ),
        guarantees=Guarantees(sparsity=sparsity, pattern=pattern),
        parameters={"modifier": modifier, "sparsity": sparsity, "pattern": pattern},
        why_unsupported=partial(
            support.why_unsupported,
            divisor=pattern[1] if pattern else 1,
            not_for=support.UNREADABLE | UNPRUNED,
        ),
    )


def _modifiers(
    modifier: str, sparsity: float, pattern: tuple[int, int] | None, ignore: list[str]
) -> Sequence[Any]:
    from llmcompressor.modifiers import pruning

    n, m = pattern or (0, 0)
    return [
        getattr(pruning, modifier)(
            sparsity=sparsity, mask_structure=f"{n}:{m}", targets=["Linear"], ignore=ignore
        )
    ]

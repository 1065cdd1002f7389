"""The family of each method: pruning, quantization or distillation."""

from __future__ import annotations

from functools import cache

from unicomp import catalogue
from unicomp.data.sources import shipped_fixtures
from unicomp.errors import UnicompError
from unicomp.scorecard import Scorecard
from unicomp.spec import DENSE


def family_of(card: Scorecard, method: str) -> str | None:
    """The family of a method, as the session recorded it, else that of the shipped one.

    None for the dense model and for a method that neither knows.
    """
    if method == DENSE.name:
        return None
    recorded = card.environment.get("families", {})
    return recorded[method] if method in recorded else shipped_family(method)


@cache
def shipped_family(method: str) -> str | None:
    """The family of a shipped method or of a published checkpoint; None if there is none."""
    roots = (shipped_fixtures().resolve(),)
    try:
        if method in catalogue.method_names(roots):
            return catalogue.load_method(method, roots).family
        if method in catalogue.checkpoint_names(roots):
            return catalogue.load_checkpoint(method, roots).family
    except UnicompError:
        return None
    return None

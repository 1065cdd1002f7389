"""How fast builds were on this machine, kept in the store for `unicomp plan`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from unicomp.spec import Method, Model
from unicomp.store import FIGURES, Store, content_key


def training_speed(model: Model, method: Method, store: Store) -> float | None:
    """Floating-point operations a second of one device; None if this was never trained here."""
    found = store.recall(FIGURES, _key(model, method))
    return None if found is None else float(found["flops_per_second"])


def build_seconds(model: Model, method: Method, store: Store) -> float | None:
    """The time of the last such build; None if there was none here."""
    found = store.recall(FIGURES, _key(model, method, "build"))
    return None if found is None else float(found["seconds"])


def build_speed(algorithms: Sequence[str], store: Store) -> float | None:
    """Operations a second of the last build by these algorithms; None if there was none here."""
    found = store.recall(FIGURES, _key_of_algorithms(algorithms))
    return None if found is None else float(found["operations_per_second"])


def remember_speed(model: Model, method: Method, facts: Mapping[str, Any], store: Store) -> None:
    """Keep the time of a build, and the speed of one that trained; `facts` are the build's."""
    store.remember(FIGURES, _key(model, method, "build"), {"seconds": facts["seconds"]})
    if operations := facts.get("operations"):
        rate = operations / facts["seconds"]
        key = _key_of_algorithms(facts["algorithms"])
        store.remember(FIGURES, key, {"operations_per_second": rate})
    if expected := facts.get("estimate"):
        seconds = facts["train_seconds"] + facts["correction_seconds"]
        speed = expected["flops"] / seconds / expected["devices"]
        store.remember(FIGURES, _key(model, method), {"flops_per_second": speed})


def _key_of_algorithms(algorithms: Sequence[str]) -> str:
    return content_key({"algorithms": [*algorithms, platform.node()]})


def _key(model: Model, method: Method, of: str = "training") -> str:
    return content_key({of: [model.name, method.name, platform.node()]})

"""What is pushed or pulled: everything, or what belongs to some models and methods."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError
from unicomp.item_texts import texts_key
from unicomp.scores import Records
from unicomp.spec import nearest
from unicomp.store import content_key


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is copied: everything, or what belongs to some models and methods."""

    models: Collection[str] = ()
    methods: Collection[str] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.models and not self.methods

    def has(self, label: str) -> bool:
        """Whether a checkpoint, MODEL/METHOD, is chosen."""
        model, _, method = label.rpartition("/")
        return (not self.models or model in self.models) and (
            not self.methods or method in self.methods
        )


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was copied of a bundle, or would be."""

    kind: str
    label: str
    objects: int
    size: int
    """Of all objects, in bytes."""
    new: int
    """Objects that the other side lacked."""
    new_size: int


def check_chosen(chosen: Chosen, labels: Collection[str], place: str) -> None:
    """Raise SpecError for a model or method that has nothing there."""
    models = {label.rpartition("/")[0] for label in labels}
    methods = {label.rpartition("/")[2] for label in labels}
    for option, given, known in (
        ("--model", chosen.models, models),
        ("--method", chosen.methods, methods),
    ):
        for name in given:
            if name not in known:
                raise SpecError(
                    f"{option} {name}: {place} has nothing of it; {nearest(name, known)}"
                )


def identity_in(text: str | bytes, key: str) -> dict[str, Any]:
    """The identity of responses with this key. Raises ValueError if it is another's."""
    identity = json.loads(text)
    if not isinstance(identity, dict) or not {"model", "method", "checkpoint"} <= identity.keys():
        raise ValueError(key)
    known = {name: value for name, value in identity.items() if name not in ("model", "method")}
    if content_key(known) != key:
        raise ValueError(key)
    return identity


def label_of(identity: Mapping[str, Any]) -> str:
    """MODEL/METHOD of the checkpoint that gave the responses with this identity."""
    return f"{identity['model']}/{identity['method']}"


def keys_of_texts(paths: Iterable[Path]) -> set[str]:
    """The keys of the texts of records' items."""
    return {texts_key(Records(**json.loads(path.read_text(encoding="utf-8")))) for path in paths}

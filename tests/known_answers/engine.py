"""Two engines that know the answers: the oracle is always right, the anti-oracle always wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unicomp.engines import EngineSettings
from unicomp.prompts.items import WINDOWS

LIKELY, UNLIKELY = (-0.01, True), (-1000.0, False)
NATS = 50.0
"""By which the anti-oracle is surprised at each token of running text."""


@dataclass(frozen=True, kw_only=True)
class KnownAnswers(EngineSettings):
    """Answers each request from its row; `known` gives a row's right and wrong answers."""

    known: Callable[[Mapping[str, Any]], Any]
    right: bool

    def identity(self, model: Any) -> dict[str, Any]:
        return {"engine": "oracle" if self.right else "anti-oracle"}

    @contextmanager
    def open(self, folder: Any, model: Any, tokens: int) -> Iterator[KnownAnswers]:
        yield self

    def answer(self, requests: Sequence[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        if request.request_type == WINDOWS:
            return 0.0 if self.right else -NATS * (len(request.arguments[0]) - 1)
        known = self.known(request.doc)
        wanted = None if known is None else known.right if self.right else known.wrong
        if request.request_type == "generate_until":
            return wanted if wanted is not None else ""
        if isinstance(wanted, int):
            return LIKELY if request.idx == wanted else UNLIKELY
        return LIKELY if request.arguments[1].strip() == wanted.strip() else UNLIKELY

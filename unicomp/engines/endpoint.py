"""The engine of a running server: nothing is started, loaded or stopped here.

After each batch the probe is asked again. So an answer is kept only if the server was before it and
after it what it was at the start of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from unicomp.engines import EngineSettings, Timing
from unicomp.engines.endpoint_client import settings_at
from unicomp.engines.endpoint_probe import hurried, why_changed
from unicomp.engines.lm_requests import answer_in_groups, ask
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import EngineError, UnmeasuredError, first_line
from unicomp.instruments.endpoint import EndpointSettings
from unicomp.spec import Model

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


class EndpointEngine:
    """A context manager that asks a model at its endpoint, which the probe has found."""

    def __init__(self, folder: Path, model: Model, settings: EngineSettings) -> None:
        """`folder` has the tokenizer of the model's base."""
        assert model.endpoint is not None
        self._folder = folder
        self._model = model
        self._endpoint = model.endpoint
        self._settings = settings_at(model.endpoint, settings.endpoint)
        self._lm: Any = None
        self._failed = False

    def __enter__(self) -> Self:
        from unicomp.engines.endpoint_lm import EndpointCompletions

        tokenizer = load_tokenizer(self._folder, self._model)
        if self._endpoint.context is not None:
            tokenizer = replace(tokenizer, context=min(tokenizer.context, self._endpoint.context))
        self._lm = EndpointCompletions(self._endpoint, self._settings, tokenizer)
        return self

    def __exit__(self, *raised: object) -> None:
        self._lm = None

    @property
    def alive(self) -> bool:
        """Always true: the next request shows whether the server answers."""
        return True

    @property
    def weights_bytes(self) -> int | None:
        """Not known: a server of others does not report its memory."""
        return None

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """One response for each request, in order. Raises EngineError.

        After a failure the server gets little time to answer again. Raises UnmeasuredError if it
        has become another one meanwhile.
        """
        if self._failed:
            self._check_unchanged(hurried(self._settings))
        self._failed = True
        answers = answer_in_groups(requests, lambda one: one.request_type, self._answer_type)
        self._check_unchanged(self._settings)
        self._failed = False
        return answers

    def _check_unchanged(self, settings: EndpointSettings) -> None:
        if reason := why_changed(self._endpoint, settings):
            raise UnmeasuredError(reason)

    def _answer_type(self, request_type: str, requests: list[Instance]) -> list[Any]:
        try:
            return ask(self._lm, request_type, requests)
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            raise EngineError(
                f"{self._endpoint} did not answer as a completions API does: {first_line(error)}"
            ) from None

    def log_probabilities(self, chunks: Sequence[Sequence[int]], most: int) -> None:
        """None: a server gives the log-probabilities of a few tokens only."""

    def generate(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
        """Raises EngineError: a server of others is not timed."""
        raise EngineError(f"{self._endpoint} is not timed: others may use it at the same time")

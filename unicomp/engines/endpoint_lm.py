"""lm-eval's completions model for a server that is already running, whoever serves it.

Prompts are token ids where the server takes them, and otherwise texts. A server that does not know
the fields that vLLM adds gets those of the API alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lm_eval.api.instance import Instance

from unicomp.engines.completions import LEAST, TokenCompletions
from unicomp.engines.endpoint_client import Question, ask
from unicomp.engines.endpoint_probe import COMPLETIONS
from unicomp.engines.tokenizer import CheckpointTokenizer
from unicomp.errors import NotFiniteError
from unicomp.instruments.endpoint import EndpointSettings
from unicomp.prompts.tasks import SAMPLING_SEED
from unicomp.spec import Served

API = (
    *("model", "prompt", "max_tokens", "temperature", "top_p", "stop", "seed"),
    *("echo", "logprobs"),
)
"""The fields of the API itself."""
MOST_STOPS = 4
"""Stop words that the API takes. An answer is cut at the others when it is here."""


class EndpointCompletions(TokenCompletions):
    """An lm-eval model that asks an endpoint; failed requests are made again."""

    def __init__(
        self, endpoint: Served, settings: EndpointSettings, tokenizer: CheckpointTokenizer
    ) -> None:
        url = f"{settings.address}/{COMPLETIONS}"
        super().__init__(endpoint.model, url, tokenizer, math.ceil(settings.concurrency))
        self.tokenized_requests = endpoint.takes_tokens
        self._endpoint = endpoint
        self._settings = settings

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """The continuation of each prompt up to its first stop word, as from `HFLM`."""
        if not self._endpoint.takes_tokens:
            requests = [self._as_text(request) for request in requests]
        return super().generate_until(requests, disable_tqdm=disable_tqdm)

    def _as_text(self, request: Instance) -> Instance:
        """A request whose prompt is a text that the server splits as we do, cut like token ids."""
        prompt, decoding = request.arguments
        text = self._without_start(prompt)
        tokens = self._checkpoint.split(text)
        new = int(decoding.get("max_gen_toks", self._max_gen_toks))
        room = max(self._checkpoint.context - new - 1, 1)  # the server may put a token before it
        if len(tokens) > room:
            text = self._checkpoint.decode(tokens[-room:])
        return Instance("generate_until", {}, (text, decoding), request.idx)

    def _without_start(self, prompt: str) -> str:
        """A prompt without the beginning of a text that a server puts before it again."""
        start = self.tokenizer.bos_token
        adds = self.tokenizer.encode("a")[:1] == [self.tokenizer.bos_token_id]
        return prompt.removeprefix(start) if start and adds else prompt

    def _create_payload(
        self,
        messages: Sequence[Any],
        generate: bool = False,
        gen_kwargs: Mapping[str, Any] | None = None,
        seed: int = SAMPLING_SEED,
        eos: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        payload = super()._create_payload(messages, generate, gen_kwargs, seed, eos)
        if not self._endpoint.takes_tokens:
            (payload["prompt"],) = messages
        if self._endpoint.extended:
            return payload
        payload = {name: value for name, value in payload.items() if name in API}
        if "stop" in payload:
            payload["stop"] = payload["stop"][:MOST_STOPS]
        return payload

    async def get_batched_requests(
        self,
        requests: Sequence[Any],
        cache_keys: Sequence[Any],
        *,
        generate: bool = True,
        ctxlens: Sequence[int] | None = None,
        gen_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[list[Any]]:
        """Send all requests; returns a list of one answer for each. Raises EngineError."""
        questions: list[Question[Any]] = []
        for prompt, start in zip(requests, ctxlens or [0] * len(requests), strict=True):
            payload = self._create_payload(
                [prompt], generate=generate, gen_kwargs=gen_kwargs, seed=self._seed
            )
            read: Callable[[Any], Any] = self._text
            if not generate:
                # with no token to generate, the prompt may fill the context
                payload["max_tokens"] = int(len(prompt) < self._room)
                read = partial(likelihood, start=start, end=len(prompt))
            questions.append(Question(payload, read))
        return [[answer] for answer in ask(self._settings, COMPLETIONS, questions)]

    @property
    def _room(self) -> float:
        """The most tokens that the server takes."""
        return self._endpoint.context or math.inf

    def _text(self, output: Mapping[str, Any]) -> str:
        """The generated text, decoded as in `HFLM` where the server gives token ids."""
        choice = output["choices"][0]
        if choice.get("token_ids") is not None:
            return self._checkpoint.answer(choice["token_ids"])
        text = choice["text"]
        if not isinstance(text, str):
            raise TypeError
        return text


def likelihood(output: Mapping[str, Any], *, start: int, end: int) -> tuple[float, bool]:
    """The log-likelihood of tokens `start` to `end` of an echoed prompt, and whether it is greedy.

    The answer may have one more token, which was generated. Raises NotFiniteError, and ValueError
    for an answer without the log-probabilities of the prompt.
    """
    given = output["choices"][0]["logprobs"]
    values, best = given["token_logprobs"], given["top_logprobs"]
    if len(values) not in (end, end + 1):
        raise ValueError(f"{len(values)} log-probabilities of {end} tokens")
    values, best = values[start:end], best[start:end]
    if any(value is None or not LEAST < value < math.inf for value in values):
        raise NotFiniteError
    greedy = all(value >= max(top.values()) for value, top in zip(values, best, strict=True))
    return sum(values), greedy

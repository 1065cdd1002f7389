"""lm-eval's `local-completions` with prompts that are the tokens of the Hugging Face engine.

lm-eval splits prompts and continuations, sorts, groups and truncates. Replaced here are how a text
becomes tokens, what is sent, and how it is sent. The server gets and returns token ids and
tokenizes nothing, so that no special token is added twice.

Two differences from `HFLM` remain, for texts that exceed the model's context. A continuation sees
one token less of its prompt: `HFLM` only predicts the last token, a server wants it inside the
context. For the same reason `loglikelihood_rolling` cuts such texts into windows that are shorter
by one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
)

from unicomp.engines.lm_requests import seed_of
from unicomp.engines.server import COMPLETIONS, Server, all_of, check_length
from unicomp.engines.tokenizer import CheckpointTokenizer
from unicomp.errors import EngineError, NotFiniteError
from unicomp.prompts.items import SEED
from unicomp.prompts.tasks import SAMPLING_SEED

LEAST = -9999.0
"""The log-probability that vLLM gives for minus infinity."""
NO_NUMBER = "Out of range float values"
"""How a server fails whose log-probabilities are no numbers, which JSON cannot hold."""


class TokenCompletions(LocalCompletionsAPI):  # type: ignore[misc]
    """An lm-eval model that writes requests of token ids to a completions API.

    `concurrent` requests are in flight at a time.
    """

    def __init__(
        self, name: str, url: str, tokenizer: CheckpointTokenizer, concurrent: int
    ) -> None:
        super().__init__(
            model=name,
            base_url=url,
            tokenizer_backend=None,
            max_length=tokenizer.context + 1,  # lm-eval takes one off, for the generated token
            num_concurrent=max(concurrent, 2),  # with 1, lm-eval would run other code
            seed=SAMPLING_SEED,
            custom_prefix_token_id=tokenizer.start,
        )
        self.tokenizer = tokenizer.tokenizer
        self.tokenizer_backend = "huggingface"
        self.tokenized_requests = True
        self._checkpoint = tokenizer

    def tok_encode(self, string: Any, add_special_tokens: bool | None = None, **kwargs: Any) -> Any:
        """The tokens of a text, or of each of several; a prompt has BOS exactly once.

        lm-eval asks for no special tokens where a single text continues a prompt that has them.
        """
        if not isinstance(string, str):
            return [self._checkpoint.encode(text) for text in string]
        if add_special_tokens is False:
            return self._checkpoint.split(string)
        return self._checkpoint.encode(string)

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """The continuation of each prompt up to its first stop word, as from `HFLM`."""
        asked = []
        for request in requests:
            prompt, decoding = request.arguments
            settings = normalize_gen_kwargs(decoding, self._max_gen_toks)
            settings["until"] = handle_stop_sequences(settings.get("until"), self.eos_string)
            if self._checkpoint.context <= settings["max_gen_toks"]:
                raise EngineError(
                    f"generating {settings['max_gen_toks']} tokens leaves no room for a prompt in "
                    f"the model's context of {self._checkpoint.context}"
                )
            asked.append(Instance("generate_until", {}, (prompt, settings), request.idx))
        texts = super().generate_until(asked, disable_tqdm=disable_tqdm)
        return [
            postprocess_generated_text(text, request.arguments[1]["until"], None)
            for text, request in zip(texts, asked, strict=True)
        ]

    def _create_payload(
        self,
        messages: Sequence[Sequence[int]],
        generate: bool = False,
        gen_kwargs: Mapping[str, Any] | None = None,
        seed: int = SAMPLING_SEED,
        eos: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        common = {"model": self.model, "prompt": messages}
        if not generate:  # the one generated token is not used
            return {
                **common,
                "max_tokens": 1,
                "temperature": 0,
                "echo": True,
                "logprobs": 1,
                "return_tokens_as_token_ids": True,  # texts of different tokens may be equal
            }
        decoding = dict(gen_kwargs or {})
        decoding.pop("do_sample", None)
        return {
            **common,
            "max_tokens": decoding.pop("max_gen_toks"),
            "temperature": decoding.pop("temperature", 0.0),
            "stop": [stop for stop in decoding.pop("until") if stop],
            "stop_token_ids": list(self._checkpoint.stops),
            "seed": seed_of(decoding.pop(SEED, 0), messages),
            "skip_special_tokens": False,  # a stop word may be one
            "return_token_ids": True,
            **decoding,
        }

    def parse_generations(self, outputs: Mapping[str, Any], **kwargs: Any) -> list[str]:
        """The texts of a response, decoded as in `HFLM`."""
        return [self._checkpoint.answer(choice["token_ids"]) for choice in outputs["choices"]]


class Completions(TokenCompletions):
    """An lm-eval model that asks a server of ours; no request is longer than `tokens`."""

    def __init__(
        self, server: Server, tokenizer: CheckpointTokenizer, tokens: int, concurrent: int
    ) -> None:
        super().__init__(server.name, server.url + COMPLETIONS, tokenizer, concurrent)
        self._server = server
        self._tokens = tokens
        self._in_flight = concurrent

    async def _complete(
        self, client: httpx.AsyncClient, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            return await self._server.complete(client, payload)
        except EngineError as error:
            if NO_NUMBER in str(error):
                raise NotFiniteError from None
            raise

    async def get_batched_requests(
        self,
        requests: Sequence[Sequence[int]],
        cache_keys: Sequence[Any],
        *,
        generate: bool = True,
        ctxlens: Sequence[int] | None = None,
        gen_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[list[Any]]:
        """Send all requests; returns a list of one answer for each. Raises EngineError."""
        prompted = ctxlens or [0] * len(requests)
        new = int(gen_kwargs["max_gen_toks"]) if generate and gen_kwargs else 0
        for tokens in requests:
            check_length(len(tokens) + new, self._tokens)
        room = asyncio.Semaphore(self._in_flight)

        async def ask(client: httpx.AsyncClient, tokens: Sequence[int], start: int) -> list[Any]:
            payload = self._create_payload(
                [tokens], generate=generate, gen_kwargs=gen_kwargs, seed=self._seed
            )
            async with room:
                output = await self._complete(client, payload)
            if generate:
                return self.parse_generations(output)
            echoed = output["choices"][0]["logprobs"]["token_logprobs"]
            if len(echoed) != len(tokens) + 1:
                raise EngineError(
                    f"vllm returned {len(echoed)} log-probabilities instead of {len(tokens) + 1}"
                )
            if any(value is None or not LEAST < value < math.inf for value in echoed[start:-1]):
                raise NotFiniteError
            answers: list[Any] = self.parse_logprobs([output], ctxlens=[start])
            return answers

        async with self._server.client() as client:
            return await all_of(
                [
                    ask(client, tokens, start)
                    for tokens, start in zip(requests, prompted, strict=True)
                ]
            )

"""The vLLM engine: a checkpoint behind `vllm serve`, asked over its completions API.

The chat endpoint is never used: prompts have their template already, and are sent as token ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from unicomp.data.model_folder import read_config
from unicomp.data.tokenizer import copy_without_class
from unicomp.engines import EngineSettings, Timing
from unicomp.engines.executable import find_vllm, outside
from unicomp.engines.lm_requests import answer_in_groups, ask
from unicomp.engines.placement import cache_bytes
from unicomp.engines.server import COMPLETIONS, Server, all_of, check_length
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import EngineError, NotFiniteError, first_line
from unicomp.machine import gpus
from unicomp.machine.open_files import allow_open_files
from unicomp.spec import Model

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

CPU_CACHE = 2**30
"""Minimum bytes for keys and values on CPU, where vLLM would take a share of all memory. Two of the
longest requests must fit."""


class VllmEngine:
    """A context manager that serves one checkpoint and answers requests of up to `tokens`."""

    def __init__(self, folder: Path, model: Model, settings: EngineSettings, tokens: int) -> None:
        self._folder = folder
        self._model = model
        self._settings = settings
        self._tokens = tokens
        self._held = ExitStack()
        self._server: Server | None = None
        self._lm: Any = None

    def __enter__(self) -> Self:
        from unicomp.engines.completions import Completions

        tokenizer = load_tokenizer(self._folder, self._model)
        # longer requests are cut, as in the Hugging Face engine
        self._tokens = min(self._tokens, tokenizer.context)
        try:
            with ExitStack() as held:
                arguments = command(self._folder, self._model, self._settings, self._tokens)
                if tokenizer.replaced:
                    own = held.enter_context(tempfile.TemporaryDirectory())
                    copy_without_class(self._folder, Path(own))
                    arguments += ["--tokenizer", own]
                server = Server(
                    arguments,
                    environment(self._settings, beyond=self._tokens >= tokenizer.context),
                    log_file(self._settings, self._model),
                )
                self._server = held.enter_context(server)
                # the first request compiles missing kernels, and loads the others
                asyncio.run(_ask_once(server))
                at_once = self._settings.batch_size * self._settings.copies
                self._lm = Completions(server, tokenizer, self._tokens, at_once)
                self._held = held.pop_all()
        except EngineError as error:
            raise self._failure(error) from None
        return self

    def __exit__(self, *raised: object) -> None:
        self._lm = None
        self._held.close()

    @property
    def alive(self) -> bool:
        """Whether its server runs."""
        return self._server is not None and self._server.alive

    @property
    def weights_bytes(self) -> int | None:
        """Memory of one replica's weights as vLLM reports it; None on CPU, where it does not."""
        found = self._server.weights_bytes if self._server is not None else None
        return None if found is None else found // self._settings.copies

    def answer(self, requests: Sequence[Instance]) -> list[Any]:
        """One response for each request, in order; sampled ones depend on their prompts only."""
        return answer_in_groups(requests, lambda request: request.request_type, self._answer_type)

    def _answer_type(self, request_type: str, requests: list[Instance]) -> list[Any]:
        try:
            return ask(self._lm, request_type, requests)
        except NotFiniteError:
            raise
        except EngineError as error:
            raise self._failure(error) from None
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            raise EngineError(
                f"{self._model.name} in {self._folder} did not answer as vLLM does: "
                f"{first_line(error)}"
            ) from None

    def log_probabilities(self, chunks: Sequence[Sequence[int]], most: int) -> None:
        """None: a server gives the log-probabilities of a few tokens only."""

    def _failure(self, error: EngineError) -> EngineError:
        return EngineError(f"{self._model.name} in {self._folder}: {error}")

    def generate(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
        """Answer prompts of token ids all at the same time; see `Engine.generate`.

        Times are measured at the client, from sending a request to the arrival of its tokens.
        Tokens that arrive together have no time between them.
        """
        server = self._server
        assert server is not None
        for prompt in prompts:
            check_length(len(prompt) + new_tokens, self._tokens)
        allow_open_files(len(prompts))

        async def everything() -> list[tuple[float, list[float]]]:
            async with server.client() as client:
                return await all_of(
                    [_stream(server, client, prompt, new_tokens) for prompt in prompts]
                )

        runs = asyncio.run(everything())
        return Timing(
            seconds=max(arrivals[-1] for _, arrivals in runs) - min(sent for sent, _ in runs),
            first=tuple(arrivals[0] - sent for sent, arrivals in runs),
            gaps=tuple(
                later - earlier for _, arrivals in runs for earlier, later in pairwise(arrivals)
            ),
        )


def command(folder: Path, model: Model, settings: EngineSettings, tokens: int) -> list[str]:
    """The command that serves a checkpoint, without host and port.

    The server accepts one token more than the longest request: it also generates an unused one
    after a prompt whose log-likelihoods are requested. vLLM itself spreads requests over replicas:
    https://docs.vllm.ai/en/latest/serving/data_parallel_deployment/.
    """
    copies = ["--data-parallel-size", str(settings.copies)] if settings.copies > 1 else []
    return [
        *(str(find_vllm(settings.vllm)), "serve", str(folder), "--disable-uvicorn-access-log"),
        *load_options(folder, model, settings, tokens + 1),
        *copies,
    ]


def load_options(folder: Path, model: Model, settings: EngineSettings, tokens: int) -> list[str]:
    """The options with which vLLM loads a checkpoint for requests of up to `tokens`."""
    cpu = settings.resolved_device() == "cpu"
    share = (
        ["--kv-cache-memory-bytes", str(_cpu_cache(folder, tokens))]
        if cpu
        else ["--gpu-memory-utilization", str(settings.share)]
    )
    split = ["--tensor-parallel-size", str(settings.split)] if settings.split > 1 else []
    return [
        *("--dtype", settings.dtype(model), "--max-model-len", str(tokens), *share, *split),
        *(["--trust-remote-code"] if model.trust_remote_code else []),
        *settings.flags(),
    ]


def environment(settings: EngineSettings, *, beyond: bool) -> dict[str, str]:
    """The environment of a vLLM program: our variables without our Python's, and its settings.

    `beyond` lets a server start with one token more than the model's context; no request uses it.
    The program sees the GPUs of its seat only.
    """
    executable = find_vllm(settings.vllm)
    placement = settings.placement
    own = gpus.environment(placement.seat.gpus) if placement is not None else {}
    return {
        **outside(os.environ),
        "PATH": os.pathsep.join([str(executable.parent), os.environ.get("PATH", os.defpath)]),
        "OMP_NUM_THREADS": str(settings.threads),
        # two servers that are bound to cores would take the same ones
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        **own,
        **({"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"} if beyond else {}),
    }


def _cpu_cache(folder: Path, tokens: int) -> int:
    """Bytes for two requests of `tokens`, in 32 bits, the widest that a model is run in."""
    return max(CPU_CACHE, cache_bytes(read_config(folder), 2 * tokens, 4))


def log_file(settings: EngineSettings, model: Model, program: str = "vllm") -> Path:
    """The path of a new log, for a program of vLLM on a model."""
    started = time.strftime("%Y%m%d-%H%M%S")
    name = f"{program}-{model.name}-{started}-{secrets.token_hex(3)}.log"
    return Path(settings.logs) / name


async def _ask_once(server: Server) -> None:
    payload = {"model": server.name, "prompt": [[0]], "max_tokens": 1, "temperature": 0}
    async with server.client() as client:
        await server.complete(client, payload)


async def _stream(
    server: Server, client: httpx.AsyncClient, prompt: Sequence[int], new_tokens: int
) -> tuple[float, list[float]]:
    """Send a request; return when it was sent and when each token arrived. Raises EngineError."""
    payload = {
        "model": server.name,
        "prompt": list(prompt),
        "max_tokens": new_tokens,
        "min_tokens": new_tokens,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }
    arrivals: list[float] = []
    generated: int | None = None
    sent = time.perf_counter()
    try:
        async with client.stream("POST", COMPLETIONS, json=payload) as response:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                raise server.refusal(response)
            rest = b""
            async for chunk in response.aiter_bytes():
                now = time.perf_counter()
                # split here, since httpx also ends lines at characters that a model writes: U+2028
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not line.startswith(b"data: {"):
                        continue
                    event = json.loads(line.removeprefix(b"data: "))
                    if "error" in event:
                        raise server.failure(f"vllm broke off: {event['error']}")
                    for choice in event["choices"]:
                        arrivals += [now] * len(choice.get("token_ids") or ())
                    if usage := event.get("usage"):
                        generated = usage["completion_tokens"]
    except (httpx.HTTPError, ValueError, LookupError) as error:
        raise server.failure(f"vllm did not answer: {type(error).__name__} {error}") from None
    if not len(arrivals) == generated == new_tokens:
        raise EngineError(
            f"vllm was asked for exactly {new_tokens} tokens, generated {generated}, and "
            f"{len(arrivals)} arrived"
        )
    return sent, arrivals

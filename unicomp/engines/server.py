"""Run vLLM programs that end with this process, such as its server."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from unicomp.engines import keeper
from unicomp.engines.serverlog import last_words, weights_bytes
from unicomp.errors import EngineError

READY_WITHIN = 3600.0
"""Seconds until a server must be healthy: a large model from a slow disk takes its time. A server
that ends earlier is noticed at once."""
ENDED_WITHIN = 5.0
"""Seconds that a server may take to end after it failed a request."""
STOPPED_WITHIN = keeper.TERM_SECONDS + keeper.STRAGGLE_SECONDS + 10.0
"""Seconds until a keeper must have stopped its program."""
ATTEMPTS = 3
"""Starts: another program may take a port that was free a moment ago."""
HOST = "127.0.0.1"
COMPLETIONS = "/v1/completions"
REQUEST_SECONDS = 3600.0
"""The limit for one request, including its wait in the server's queue."""


def start_program(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Run a command under a keeper and return the keeper's process; call `stop_program` later.

    The program sees no variables but `environment`. Its output overwrites `log`. Raises
    EngineError.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", keeper.__file__, str(os.getpid()), *command],
                stdin=subprocess.PIPE,  # closed by the system if this process is killed
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,  # this process handles a Ctrl-C
            )
    except OSError as error:
        raise EngineError(f"vllm could not be started: {error}") from None


def stop_program(kept: subprocess.Popen[bytes]) -> None:
    """End the program under a keeper and all that it left behind; return when they are gone."""
    if kept.stdin is not None:
        kept.stdin.close()
    try:
        kept.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        kept.kill()
        kept.wait()


class Server:
    """A context manager around `vllm serve`: started, waited for, and gone afterwards.

    `command` is the executable with its arguments; the port and the model's name are added. See
    `start_program` for `environment` and `log`.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self.log = log
        self.name = f"unicomp-{secrets.token_hex(4)}"
        """The model's name. No other server knows it, should one take our port."""
        self.url = ""
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            for attempt in range(1, ATTEMPTS + 1):
                self._start(_free_port())
                if self._healthy():
                    return self
                words = last_words(self.log)
                if "address already in use" not in words.lower() or attempt == ATTEMPTS:
                    break
                self._stop()
        except BaseException:
            self._stop()
            raise
        self._stop()
        raise EngineError(f"vllm did not start: {words or 'it ended'}; its log is {self.log}")

    def __exit__(self, *raised: object) -> None:
        self._stop()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def weights_bytes(self) -> int | None:
        """Memory of the weights according to its log; None where the log does not report it."""
        return weights_bytes(self.log)

    def failure(self, problem: str) -> EngineError:
        """The error to raise for a failed request; it names why the server ended, if it did."""
        deadline = time.monotonic() + ENDED_WITHIN
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        cause = problem if self.alive else f"vllm ended: {last_words(self.log) or problem}"
        return EngineError(f"{cause}; its log is {self.log}")

    def client(self) -> httpx.AsyncClient:
        """A client with as many connections as requests, and without proxies."""
        return httpx.AsyncClient(
            base_url=self.url,
            timeout=httpx.Timeout(REQUEST_SECONDS, connect=30.0),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        )

    async def complete(
        self, client: httpx.AsyncClient, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The response to one request. Raises EngineError."""
        try:
            response = await client.post(COMPLETIONS, json=payload)
            if response.status_code == httpx.codes.OK:
                answer: dict[str, Any] = response.json()
                return answer
        except (httpx.HTTPError, ValueError) as error:
            raise self.failure(f"vllm did not answer: {type(error).__name__} {error}") from None
        raise self.refusal(response)

    def refusal(self, response: httpx.Response) -> EngineError:
        """The error to raise for a refusal; after a server's error, with why the server ended."""
        try:
            message = str(response.json()["error"]["message"])
        except (ValueError, LookupError, TypeError):
            message = response.text
        line = next(iter(message.strip().splitlines()), "")[:300]
        problem = f"vllm refused a request with status {response.status_code}: {line}"
        return self.failure(problem) if response.is_server_error else EngineError(problem)

    def _start(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"
        where = ["--host", HOST, "--port", str(port), "--served-model-name", self.name]
        self._keeper = start_program([*self._command, *where], self._environment, self.log)

    def _healthy(self) -> bool:
        """Wait until the server answers; False if it ended. Raises EngineError if it is late."""
        deadline = time.monotonic() + READY_WITHIN
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5.0) as client:
            while self.alive:
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"vllm was not ready after {READY_WITHIN:.0f} s; its log is {self.log}"
                    )
                try:
                    healthy = client.get("/health").status_code == httpx.codes.OK
                    if healthy and self.name in client.get("/v1/models").text:
                        return True
                except httpx.HTTPError:
                    pass  # not yet
                time.sleep(0.2)
        return False

    def _stop(self) -> None:
        if self._keeper is not None:
            kept, self._keeper = self._keeper, None
            stop_program(kept)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def check_length(length: int, tokens: int) -> None:
    """Raise EngineError for a request that is longer than the `tokens` of a server."""
    if length > tokens:
        raise EngineError(
            f"a request of {length} tokens is longer than the {tokens} that the server was "
            "started for"
        )


async def all_of(work: Sequence[Any]) -> list[Any]:
    """The results in order. The first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]

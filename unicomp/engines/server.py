"""A server of our own: started for one checkpoint, waited for, and always stopped."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from unicomp.engines import child
from unicomp.engines.serverlog import last_words, weights_bytes
from unicomp.errors import EngineError

PATIENCE = 3600.0
"""Seconds until a server must be healthy: a large model from a slow disk takes its time. One that
ends before is noticed at once."""
ENDING = 5.0
"""Seconds that a server may take to end after it failed a request."""
ATTEMPTS = 3
"""Starts: a port that was free a moment ago may be taken."""
HOST = "127.0.0.1"


class Server:
    """A context manager around `vllm serve`; its processes are gone when it is left.

    `command` is the executable with its arguments, to which the port and the name of the model
    are added. `log` is overwritten. `environment` is all that the server gets to see.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self.log = log
        self.name = f"unicomp-{secrets.token_hex(4)}"
        """What the model is called. No other server knows the name, should one take our port."""
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def weights_bytes(self) -> int | None:
        """Memory of the weights, as its log says it; None where it does not."""
        return weights_bytes(self.log)

    def failure(self, problem: str) -> EngineError:
        """What to raise where a request failed: why the server ended, if it did."""
        deadline = time.monotonic() + ENDING
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        cause = problem if self.alive else f"vllm ended: {last_words(self.log) or problem}"
        return EngineError(f"{cause}; its log is {self.log}")

    def _start(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"
        where = ["--host", HOST, "--port", str(port), "--served-model-name", self.name]
        self._keeper = child.start([*self._command, *where], self._environment, self.log)

    def _healthy(self) -> bool:
        """Wait until the server answers; False if it ended. Raises EngineError after `PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5.0) as client:
            while self.alive:
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"vllm was not ready after {PATIENCE:.0f} s; its log is {self.log}"
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
        if self._keeper is None:
            return
        keeping, self._keeper = self._keeper, None
        child.stop(keeping)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port

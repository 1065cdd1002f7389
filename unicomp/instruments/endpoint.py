"""Send requests to an OpenAI-compatible server, several at a time, with retries.

The judge is asked by this client, and so is a model that is measured at its server.

    a usable answer                 accepted; the request keeps it
    an unusable answer              sent again at once
    429                             sent again when the server allows it
    5xx, timeouts, disconnects,     sent again, after a longer wait each time; such a failure counts
    broken JSON                     against the request only if the server answers others meanwhile;
                                    a server that answers nothing is left after `patience`
    400, 413, 422                   this request cannot be answered; the others can
    any other status                the end: a wrong key, a wrong model, a wrong address

Nothing that this module returns, raises, stores or logs contains a key.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from unicomp.errors import JudgeError, SpecError, UnicompError
from unicomp.machine.waiting import Say, silent

if TYPE_CHECKING:
    import httpx

FIRST_WAIT = 0.5
"""Seconds after the first failure; each further wait is twice as long."""
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 120.0
QUIET = 10.0
"""Seconds without an answer after which `on_wait` is called."""
MOST_FAILED_IN_A_ROW = 16
"""Requests in a row without a usable answer that end the run."""
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, repr=False)
class Credentials:
    """Secrets; the class has no repr, so that none is shown."""

    secret: str
    header: str = ""
    """The value of the Authorization header."""
    parts: tuple[str, ...] = ()
    """The texts to hide."""

    def hide(self, text: str) -> str:
        """A text without the secrets."""
        for part in filter(None, self.parts):
            text = text.replace(part, "***")
        return text


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """How a server is asked; no answer depends on it."""

    key_env: str | None = None
    """The environment variable that holds the key; local servers need none."""
    concurrency: int = 8
    """Requests that are made at the same time."""
    timeout: float = 60.0
    """Seconds for one answer."""
    retries: int = 8
    """Further tries for one request."""
    patience: float = 900.0
    """Seconds to keep trying a server that answers nothing."""

    def __post_init__(self) -> None:
        if self.key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key_env):
            raise SpecError(
                "key_env is the name of an environment variable, in capitals, not the key itself"
            )
        for option in ("concurrency", "timeout", "patience"):
            if not 0 < getattr(self, option) < float("inf"):
                raise SpecError(f"{option} must be above 0")
        if self.retries < 0:
            raise SpecError("retries must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class EndpointSettings(ClientSettings):
    """Where a server is, and how it is asked. Only address and model decide its answers."""

    url: str = field(repr=False)
    """The base, like https://host/v1. Credentials in it are used, but never shown."""
    model: str
    """The name of the model, as the server knows it."""

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts.query or parts.fragment:
            raise SpecError("url ends with its path, like https://host/v1: nothing after a ? or #")
        if not self.model.strip():
            raise SpecError("model must name the model as the server knows it")
        super().__post_init__()

    @property
    def address(self) -> str:
        """The url without credentials."""
        parts = _split(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"

    @property
    def identity(self) -> dict[str, Any]:
        """Host, path and model, which decide the answers."""
        return {"url": self.address.partition("://")[2], "model": self.model}

    def credentials(self) -> Credentials:
        """The key, or login and password of the url. Raises JudgeError if the key is missing."""
        if self.key_env is not None:
            held = Credentials(os.environ.get(self.key_env, "").strip())
            if not held.secret:
                raise JudgeError(f"{self.key_env} is not set: it must hold the key of {self}")
            if not re.fullmatch(r"[!-~]+", held.secret):
                raise JudgeError(f"{self.key_env} holds no key: a key is one word of plain ASCII")
            return Credentials(held.secret, f"Bearer {held.secret}", (held.secret,))
        login = unquote(_split(self.url).netloc.rpartition("@")[0])
        code = base64.b64encode(login.encode()).decode()
        password = login.partition(":")[2]
        return Credentials(login, f"Basic {code}", (code, login, password))

    def __str__(self) -> str:
        return f"{self.model} at {self.address}"


def _split(url: str) -> SplitResult:
    """The parts of an address. Raises SpecError without the address, which may hold a key."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not re.fullmatch(r"[!-~]+", url):
        raise SpecError("url must be an address like https://host/v1 or http://localhost:8000/v1")
    return parts


class UnusableError(Exception):
    """An answer came but cannot be used; the next may be better."""


class UnansweredError(Exception):
    """No answer came; a later one may."""

    def __init__(self, cause: str, *, busy: bool = False, wait: float = 0.0) -> None:
        super().__init__(cause)
        self.busy = busy
        """Whether the server works, and only asks for a later request."""
        self.wait = wait
        """Seconds to wait that the server asked for."""


class _RejectedError(Exception):
    """The server does not accept this request."""


class Request(Protocol):
    """A request and the use of its answer. Many threads call its methods."""

    def is_answered(self) -> bool:
        """Whether the answer is known by now."""
        ...

    def body(self, unusable: int) -> Mapping[str, Any] | None:
        """The JSON to send after `unusable` answers that could not be used; None to send a GET."""
        ...

    def simplify(self) -> bool:
        """Send a simpler body from now on. False if there is no simpler one."""
        ...

    def accept(self, answer: Any) -> None:
        """Keep an answer. Raises UnusableError; UnansweredError if the JSON holds no answer."""
        ...


class Endpoint:
    """A server that answers requests."""

    def __init__(
        self, settings: EndpointSettings, on_wait: Say = silent, *, keeps: bool = True
    ) -> None:
        """`on_wait` gets a message, from any thread, if the server does not answer for a while.

        `keeps` says whether requests keep their answers when others fail.
        """
        self.settings = settings
        self.on_wait = on_wait
        self.keeps = keeps

    def run(self, path: str, requests: Sequence[Request]) -> None:
        """Get every request answered, `concurrency` at a time.

        Raises JudgeError, but only after every answer that came was accepted.
        """
        import httpx

        credentials = self.settings.credentials()
        with httpx.Client(
            headers={"Authorization": credentials.header} if credentials.secret else {},
            timeout=self.settings.timeout,
            limits=httpx.Limits(max_connections=self.settings.concurrency),
        ) as client:
            _Run(self, client, f"{self.settings.address}/{path}", credentials, requests).run()


class _Run:
    """Requests on their way to their answers, and the state that the threads share."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: httpx.Client,
        url: str,
        credentials: Credentials,
        requests: Sequence[Request],
    ) -> None:
        self.settings = endpoint.settings
        self.on_wait = endpoint.on_wait
        self.keeps = endpoint.keeps
        self.client = client
        self.url = url
        self.credentials = credentials
        self.count = len(requests)
        self.pending = deque(requests)  # popleft is safe among threads
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.alive = time.monotonic()
        """When the last answer came."""
        self.not_before = 0.0
        """When the server accepts requests again."""
        self.reported = False
        """Whether `on_wait` got a message since the last answer."""
        self.failed: list[str] = []
        self.in_a_row = 0
        self.end: BaseException | None = None

    def run(self) -> None:
        threads = [
            threading.Thread(target=self.work, daemon=True)
            for _ in range(min(self.settings.concurrency, self.count))
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self.stop.set()
            if self.reported:
                self.on_wait("")
        if isinstance(self.end, UnicompError):
            raise self.end.with_traceback(None)  # its frames hold the server's text
        if self.end is not None:
            raise self.end
        if self.failed:
            kept = "; the other answers are kept" if self.keeps else ""
            raise JudgeError(
                f"{self.settings} gave no usable answer to {len(self.failed)} of {self.count} "
                f"questions, for example: {self.failed[-1]}{kept}"
            )

    def work(self) -> None:
        """Send one request after another until none is left."""
        try:
            while not self.stop.is_set():
                try:
                    request = self.pending.popleft()
                except IndexError:
                    return
                if not request.is_answered():
                    self.ask(request)
        except BaseException as error:  # raised by the thread that waits for this one
            with self.lock:
                if not self.stop.is_set():
                    self.end = error
                    self.stop.set()

    def ask(self, request: Request) -> None:
        """Send a request until there is a usable answer, or until it is given up."""
        unusable = failures = waits = 0
        since = time.monotonic()
        while not self.stop.is_set():
            if (pause := self.not_before - time.monotonic()) > 0:
                self.stop.wait(pause * random.uniform(1.0, 1.1))
                continue
            try:
                self.accept(request, unusable)
                return
            except _RejectedError as problem:
                cause, given_up = str(problem), not request.simplify()
            except UnusableError as problem:
                unusable += 1
                cause, given_up = str(problem), unusable + failures > self.settings.retries
            except UnansweredError as problem:
                # it counts only if the server has answered another request meanwhile
                failures += self.alive > since and not problem.busy
                since = time.monotonic()
                cause, given_up = str(problem), unusable + failures > self.settings.retries
                if not given_up:
                    waits += 1
                    self.rest(problem, waits)
            if given_up:
                self.give_up(cause)
                return

    def accept(self, request: Request, unusable: int) -> None:
        """Send a request once, and have its answer accepted."""
        answer = self.send(request.body(unusable))
        try:
            request.accept(answer)
        except UnusableError:
            self.note_answer()
            raise
        self.note_answer()
        with self.lock:
            self.in_a_row = 0

    def note_answer(self) -> None:
        self.alive = time.monotonic()
        with self.lock:
            over, self.reported = self.reported, False
        if over:
            self.on_wait("")

    def give_up(self, cause: str) -> None:
        """Leave a request. Raises JudgeError if too many in a row were left."""
        with self.lock:
            self.failed.append(cause)
            self.in_a_row += 1
            if self.in_a_row >= MOST_FAILED_IN_A_ROW:
                raise JudgeError(
                    f"{self.settings} gave no usable answer to {self.in_a_row} questions in a "
                    f"row: {cause}"
                )

    def rest(self, problem: UnansweredError, waits: int) -> None:
        """Wait before the next try. Raises JudgeError if `patience` is used up."""
        quiet = time.monotonic() - self.alive
        left = self.settings.patience - quiet
        if left <= 0:
            raise JudgeError(
                f"{self.settings} has not answered for {quiet:.0f} s: {problem}; "
                "its earlier answers are kept"
            )
        with self.lock:
            report = quiet > QUIET and not self.reported
            self.reported = self.reported or report
        if report:
            self.on_wait(f"{self.settings} does not answer: {problem}; trying {left:.0f} s more")
        if problem.wait:
            later = time.monotonic() + min(problem.wait, LONGEST_RETRY_AFTER, left)
            self.not_before = max(self.not_before, later)
            return
        wait = min(FIRST_WAIT * 2 ** min(waits - 1, 30), LONGEST_WAIT) * random.uniform(0.5, 1.0)
        self.stop.wait(min(wait, left))

    def send(self, body: Mapping[str, Any] | None) -> Any:
        """Send a request once and return the JSON of the answer."""
        import httpx

        deadline = time.monotonic() + self.settings.timeout
        late = f"no answer within {self.settings.timeout:g} s"
        content = bytearray()
        try:
            method = "GET" if body is None else "POST"
            with self.client.stream(method, self.url, json=body) as response:
                for chunk in response.iter_bytes():
                    content += chunk
                    if time.monotonic() > deadline:
                        raise UnansweredError(late)
                    if len(content) > MOST_BYTES:
                        raise UnansweredError(f"its answer is longer than {MOST_BYTES} bytes")
        except httpx.TimeoutException:
            raise UnansweredError(late) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            cause = self.shown(str(error) or type(error).__name__)
            if "CERTIFICATE_VERIFY_FAILED" in cause or isinstance(error, httpx.InvalidURL):
                raise JudgeError(f"{self.settings} cannot be asked: {cause}") from None
            raise UnansweredError(cause) from None
        status = response.status_code
        if status != 200:
            self.raise_for(status, response.headers, bytes(content))
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise UnansweredError("its answer is broken JSON") from None

    def raise_for(self, status: int, headers: Mapping[str, str], content: bytes) -> NoReturn:
        """Raise the error that a status other than 200 means."""
        cause = f"HTTP {status}"
        if message := self.shown(_message(content)):
            cause += f", {message}"
        if status in (408, 425, 429) or status >= 500:
            wait = _retry_after(headers.get("Retry-After", ""))
            raise UnansweredError(cause, busy=status == 429, wait=wait)
        if status in (400, 413, 422):
            raise _RejectedError(cause)
        advice = {
            401: f": is the key in {self.settings.key_env} right?"
            if self.settings.key_env
            else ": name the variable that holds the key in key_env",
            404: ": are url and model right?",
        }.get(status, "")
        raise JudgeError(f"{self.settings} cannot be asked: {cause}{advice}")

    def shown(self, text: str) -> str:
        """A text from outside on one line, without secrets and cut to 200 characters."""
        printable = (c if c.isprintable() else " " for c in self.credentials.hide(text))
        text = " ".join("".join(printable).split())
        return text if len(text) <= 200 else f"{text[:200]}…"


def _message(content: bytes) -> str:
    """The message in the answer of a server that reports an error."""
    text = content[:10_000].decode(errors="replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _retry_after(text: str) -> float:
    """The seconds that a Retry-After header asks for, which may be a number or a date."""
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text.strip()):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0

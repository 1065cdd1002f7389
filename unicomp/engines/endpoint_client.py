"""Requests to a server that is already running, by the client that also asks judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from unicomp.errors import EngineError, JudgeError
from unicomp.instruments.endpoint import ClientSettings, Endpoint, EndpointSettings, UnusableError
from unicomp.spec import Served

T = TypeVar("T")


class Question(Generic[T]):
    """One request, and how its answer is read.

    `read` gets the answer's JSON. A LookupError, TypeError or ValueError means that the answer
    cannot be used; an EngineError ends the run.
    """

    def __init__(self, body: Mapping[str, Any] | None, read: Callable[[Any], T]) -> None:
        """`body` is the JSON to send; None sends a GET."""
        self._body = body
        self._read = read
        self._answers: list[T] = []
        self.rejected = False
        """Whether the server does not accept this request."""

    @property
    def answer(self) -> T:
        """What was read."""
        return self._answers[0]

    def is_answered(self) -> bool:
        """Whether the answer is there."""
        return bool(self._answers)

    def body(self, unusable: int) -> Mapping[str, Any] | None:
        """The JSON to send."""
        return self._body

    def simplify(self) -> bool:
        """Note that the server does not accept the request: there is no simpler one."""
        self.rejected = True
        return False

    def accept(self, answer: Any) -> None:
        """Read the answer. Raises UnusableError."""
        try:
            self._answers.append(self._read(answer))
        except (LookupError, TypeError, ValueError, AttributeError):
            raise UnusableError("its answer is not that of a completions API") from None


def settings_at(endpoint: Served, client: ClientSettings) -> EndpointSettings:
    """The settings of a client for an endpoint. Raises SpecError for an impossible address."""
    own = {name: getattr(client, name) for name in ClientSettings.__dataclass_fields__}
    return EndpointSettings(url=endpoint.url, model=endpoint.model or "its model", **own)


def ask(settings: EndpointSettings, path: str, questions: Sequence[Question[T]]) -> list[T]:
    """The answers to all questions, in order. Raises EngineError; no message has a key in it."""
    try:
        Endpoint(settings, keeps=False).run(path, questions)
    except JudgeError as error:
        raise EngineError(str(error)) from None
    return [question.answer for question in questions]

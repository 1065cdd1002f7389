"""The side of the tests: their calls of the tested functions go to the other side.

Its verdict is one line of JSON on standard error, which no code of the tested program can reach.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
from typing import Any, NoReturn

from unicomp.sandbox.inside.limiting import limit
from unicomp.sandbox.inside.values import UnsendableError, decode, encode

READY = "ready"
"""The first line of the verdict: the sandbox of the tests has started."""
WRONG = "wrong"
"""A test failed."""
DIED = "died"
"""The tested program has ended before it answered."""
NOT_STARTED = "not started"
"""The other sandbox has not started."""
NOTHING_CALLED = "its tests call nothing of the program"


class LostError(BaseException):
    """The other side gives no answer that can be read; no test can catch it by accident."""


class Program:
    """The tested program, which runs on the other side."""

    def __init__(self, most: int) -> None:
        self._answers, self._calls = sys.stdin.buffer, os.fdopen(os.dup(1), "w", encoding="ascii")
        self._most = most
        self.calls = 0
        self.raised: BaseException | None = None
        """The last exception that a call raised."""

    def send(self, **message: Any) -> None:
        """Write a line to the other side."""
        try:
            print(json.dumps(message), file=self._calls, flush=True)
        except BrokenPipeError:
            raise LostError(DIED) from None

    def hear(self) -> dict[str, str]:
        """The next line of the other side. Raises LostError."""
        line = self._answers.readline(self._most + 1)
        if not line:
            raise LostError(DIED)
        if len(line) > self._most:
            raise LostError("too much output")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise LostError("unreadable value") from None
        if not isinstance(message, dict):
            raise LostError("unreadable value")
        return message

    def call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The value of a function of the program, or its exception if that is a built-in one."""
        self.calls += 1
        self.send(name=name, arguments=encode([list(arguments), named]))
        answer = self.hear()
        if "error" in answer:
            kind = getattr(builtins, str(answer["error"]), Exception)
            ordinary = isinstance(kind, type) and issubclass(kind, Exception)
            self.raised = (kind if ordinary else Exception)()
            raise self.raised
        try:
            return decode(str(answer["value"]))
        except (ValueError, KeyError):
            raise LostError("unreadable value") from None


def main() -> None:
    """Run the tests of the first line; write `passed`, or `why` not, or a `fault` of the tests."""
    verdict = os.fdopen(os.dup(2), "w", encoding="ascii")

    def end(**message: Any) -> NoReturn:
        print(json.dumps(message), file=verdict, flush=True)
        os._exit(0)  # tests may have registered what runs at the end

    print(READY, file=verdict, flush=True)
    # the first line comes from outside: the program has not begun yet
    request = json.loads(sys.stdin.buffer.readline())
    program = Program(int(request["limits"]["value"]))
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (1, 2):
        os.dup2(null, stream)
    limit(request["limits"])
    namespace: dict[str, Any] = {"__name__": "tests"}
    try:
        tests = compile(request["tests"], "<tests>", "exec")
        exec(compile(request["reference"], "<reference>", "exec"), namespace)  # noqa: S102
    except BaseException as error:
        end(fault=f"its tests cannot be run ({type(error).__name__})")
    namespace |= {name: _calling(program, name) for name in request["names"]}
    try:
        program.send(program=request["program"], limits=request["limits"])
        program.hear()
    except LostError:
        end(why=NOT_STARTED)
    try:
        if error_name := program.hear().get("error"):
            end(why=str(error_name))
        exec(tests, namespace)  # noqa: S102
    except LostError as error:
        end(why=str(error))
    except UnsendableError as error:
        end(fault=f"its tests pass an object of the class {error}")
    except BaseException as error:
        if isinstance(error, ImportError) and error is not program.raised:
            end(fault=f"its tests need {error.name}, which is not in the sandbox")
        wrong = isinstance(error, AssertionError) and error is not program.raised
        end(why=WRONG if wrong else type(error).__name__)
    if not program.calls:
        end(fault=NOTHING_CALLED)
    end(passed=True)


def _calling(program: Program, name: str) -> Any:
    """A function that stands for one of the program."""

    def call(*arguments: Any, **named: Any) -> Any:
        return program.call(name, arguments, named)

    return call

"""The side of the tested program: it defines functions, which the other side calls.

The program cannot reach the tests: they run in another sandbox. It gets the arguments of a call and
gives a value back; whatever else it writes to the other side is at most another value.
"""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType
from typing import Any

from unicomp.sandbox.inside.limiting import limit
from unicomp.sandbox.inside.values import Handle, decode, encode


def main() -> None:
    """Load the program of the first line, then answer calls, a line each, until there are none."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w", encoding="ascii")
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    objects: list[Any] = []

    def keep(value: Any) -> Handle:
        objects.append(value)
        return Handle(len(objects) - 1, bool(value))

    def say(**message: str) -> None:
        print(json.dumps(message), file=answers, flush=True)

    request = json.loads(calls.readline())
    module = ModuleType("candidate")
    sys.modules[module.__name__] = module
    say(ready="")
    limit(request["limits"])
    try:
        exec(compile(request["program"], "<program>", "exec"), module.__dict__)  # noqa: S102
    except BaseException as error:
        say(error=type(error).__name__)
        return
    say(loaded="")
    for line in calls:
        call = json.loads(line)
        try:
            arguments, named = decode(call["arguments"], lambda handle: objects[handle.number])
            value = getattr(module, call["name"])(*arguments, **named)
            say(value=encode(value, keep))
        except BaseException as error:
            say(error=type(error).__name__)

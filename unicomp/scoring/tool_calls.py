"""Tool calls, compared with the possible ones as syntax trees, by the rules of BFCL.

Source: ShishirPatil/gorilla, berkeley-function-call-leaderboard, `bfcl_eval/eval_checker`
(Apache 2.0). Its rules, as they are here: as many calls as expected, in any order; all required
parameters and no unknown one; each argument of the described type, and one of the possible values;
a parameter may be absent if the empty text is among these. Texts are compared in lower case without
blanks and `,./-_*^`. An integer may stand for a float. A value of another type is right if the
possible ones are of that type, too, such as a variable.

Four rules differ. Calls find their expectations wherever an assignment exists, not only in the
order of the expectations. An integer may stand for a float inside lists, too. A truth value is no
number. Where no call is right, a call that cannot be read is no abstention, nor is gibberish.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unicomp.instruments.readability import is_gibberish, visible
from unicomp.instruments.repetition import is_copy
from unicomp.prompts.tools import functions_of
from unicomp.scoring.call_syntax import Call, UnreadableCall, read_calls
from unicomp.scoring.guards import NO_CALL
from unicomp.spec import Item, Reading

CALLED, UNREADABLE = "call", "unreadable"
"""Kinds of answers, beside `NO_CALL`."""


@dataclass(frozen=True)
class RightToolCalls:
    """Whether an answer makes the expected calls, for `Mean("correct")`.

    `functions` and `answers` are columns, as lists or their JSON text: the functions as in
    `unicomp.prompts.tools`, and a table `{name: {parameter: [possible values]}}` for each expected
    call. Fields: `correct` (0 or 1), and `kind`: `call`, `no call` or `unreadable`. An answer
    without a readable call is wrong and unparsed.
    """

    functions: str = "function"
    answers: str = "ground_truth"

    def __call__(self, item: Item) -> Reading:
        """The calls of one answer against the expected ones."""
        kind, calls = _read(item.text)
        answers = item.doc[self.answers]
        expected = json.loads(answers) if isinstance(answers, str) else answers
        functions = functions_of(item.doc[self.functions])
        correct = kind == CALLED and calls_match(calls, expected, functions)
        return Reading(fields={"correct": float(correct), "kind": kind}, parsed=kind == CALLED)


@dataclass(frozen=True)
class NoToolCall:
    """Whether an answer calls nothing, and is a text; for requests that no function fits.

    Fields as those of `RightToolCalls`. An empty answer, gibberish, a copy of the prompt or of the
    column `request`, and a call that cannot be read are wrong and unparsed. All texts mean the
    same, so a benchmark with this scorer names the one whose requests need calls as `benign`: a
    model that never calls has no score then.
    """

    request: str = "prompt"

    def __call__(self, item: Item) -> Reading:
        """Whether one answer abstains."""
        kind, _ = _read(item.text)
        if kind == NO_CALL and _says_nothing(item.text, item.prompt, str(item.doc[self.request])):
            kind = UNREADABLE
        return Reading(
            fields={"correct": float(kind == NO_CALL), "kind": kind},
            parsed=kind != UNREADABLE,
            means=NO_CALL if kind == NO_CALL else None,
        )


def _read(text: str) -> tuple[str, tuple[Call, ...]]:
    """The kind of an answer, and its calls."""
    try:
        calls = read_calls(text)
    except UnreadableCall:
        return UNREADABLE, ()
    if calls:
        return CALLED, calls
    return (NO_CALL if text.strip() else UNREADABLE), ()


def _says_nothing(text: str, *asked: str) -> bool:
    """Whether an answer is no text of a language, or nothing but what was asked."""
    said = visible(text).strip()
    return not said or is_gibberish(said) or any(is_copy(said, one) for one in asked)


def calls_match(
    calls: Sequence[Call],
    expected: Sequence[Mapping[str, Mapping[str, Sequence[Any]]]],
    functions: Sequence[Mapping[str, Any]],
) -> bool:
    """Whether each expected call is made by one of the calls, and there is no other call."""
    if len(calls) != len(expected):
        return False
    described = {function["name"]: function.get("parameters") or {} for function in functions}
    wanted = [pair for one in expected for pair in one.items()]
    fitting = [
        [at for at, call in enumerate(calls) if _fits(call, name, possible, described.get(name))]
        for name, possible in wanted
    ]
    return len(wanted) == len(expected) and _assignable(fitting)


def _assignable(fitting: Sequence[Sequence[int]]) -> bool:
    """Whether every place can get a number of its own, of those that fit it."""
    holder: dict[int, int] = {}

    def placed(place: int, tried: set[int]) -> bool:
        for number in fitting[place]:
            if number not in tried:
                tried.add(number)
                if number not in holder or placed(holder[number], tried):
                    holder[number] = place
                    return True
        return False

    return all(placed(place, set()) for place in range(len(fitting)))


def _fits(
    call: Call,
    name: str,
    possible: Mapping[str, Sequence[Any]],
    parameters: Mapping[str, Any] | None,
) -> bool:
    """Whether a call is the expected one."""
    if parameters is None or call.name != name:
        return False
    properties = parameters.get("properties") or {}
    given = call.arguments
    if any(required not in given for required in parameters.get("required") or ()):
        return False
    if any("" not in values for one, values in possible.items() if one not in given):
        return False
    known = possible.keys() & properties.keys()
    return given.keys() <= known and all(
        _is_possible(value, possible[one], properties[one]) for one, value in given.items()
    )


def _is_possible(value: Any, possible: Sequence[Any], schema: Mapping[str, Any]) -> bool:
    """Whether a value is of its type, and one of the possible ones."""
    types = [type(one) for one in possible if one != ""]
    typed = _is_typed(value, schema) or type(value) in types[:1]
    return typed and any(_equal(value, one) for one in possible)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "any": (str,),
    "integer": (int,),
    "float": (float, int),
    "number": (float, int),
    "boolean": (bool,),
    "array": (list,),
    "tuple": (list,),
    "dict": (dict,),
    "object": (dict,),
}


def _is_typed(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value, and the elements of a list, have the described types."""
    types = _TYPES.get(str(schema.get("type")))
    if types is not None and type(value) not in types:
        return False
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        return all(_is_typed(one, items) for one in value)
    return True


def _equal(value: Any, possible: Any) -> bool:
    """Whether a value is a possible one; in a table each key has possible values of its own."""
    if isinstance(value, str) and isinstance(possible, str):
        return _standard(value) == _standard(possible)
    if isinstance(value, list) and isinstance(possible, list):
        return len(value) == len(possible) and all(map(_equal, value, possible))
    if isinstance(value, dict) and isinstance(possible, dict):
        return all(name in possible for name in value) and all(
            any(_equal(value[name], one) for one in values) if name in value else "" in values
            for name, values in possible.items()
        )
    if isinstance(value, bool) or isinstance(possible, bool):
        return value is possible
    return bool(value == possible)


_IGNORED = re.compile(r"[ ,./\-_*^]")


def _standard(text: str) -> str:
    """A text as BFCL compares it."""
    return _IGNORED.sub("", text).lower().replace("'", '"')

"""Prompts that offer functions to call: by the model's chat template, or described in the prompt.

A chat template that takes tools describes them as the model was trained to see them. Without one,
a system message describes the functions and asks for calls in Python's syntax, as BFCL's prompting
mode does (ShishirPatil/gorilla, berkeley-function-call-leaderboard); its wording is our own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unicomp.prompts.tokenizers import ChatTemplate

Tool = dict[str, Any]
"""A function as chat templates take it: `{"type": "function", "function": {…}}`."""

_TYPES = {
    "float": "number",
    "double": "number",
    "long": "integer",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "dict": "object",
    "any": "string",
}
"""Type in BFCL's descriptions → type of JSON schema, where they differ."""

_SYSTEM = """You can call functions. Decide which of the functions below the request needs, and \
call each of them with the arguments that the request gives.
If no function fits the request, or it lacks an argument that a function requires, say so and call \
none.

Otherwise answer with the calls alone, as a list in Python's syntax, with all arguments by name:
[name_1(argument_1=value_1, argument_2=value_2), name_2(argument_1=value_1)]

The functions, in JSON:
{functions}"""

_PROBE = "unicomp_probe"


def functions_of(column: Any) -> list[dict[str, Any]]:
    """The functions in a row's column: a list, or its JSON text. Raises ValueError.

    Each is `{"name": …, "description": …, "parameters": …}`, or wrapped as a `Tool` is.
    """
    listed = json.loads(column) if isinstance(column, str) else column
    if not isinstance(listed, Sequence) or not all(isinstance(one, Mapping) for one in listed):
        raise ValueError("the column of functions is no list of tables")
    functions = [dict(one.get("function", one)) for one in listed]
    for function in functions:
        if not isinstance(function.get("name"), str):
            raise ValueError("a function in the column of functions has no name")
    return functions


def tool_of(function: Mapping[str, Any]) -> Tool:
    """A function as chat templates take it, with the types of JSON schema.

    >>> tool_of({"name": "f", "parameters": {"type": "dict"}})
    {'type': 'function', 'function': {'name': 'f', 'parameters': {'type': 'object'}}}
    """
    described = dict(function)
    if "parameters" in described:
        described["parameters"] = _schema(described["parameters"])
    return {"type": "function", "function": described}


def _schema(described: Mapping[str, Any]) -> dict[str, Any]:
    """A description of a value as JSON schema, and all that is nested in it."""
    schema = dict(described)
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = _TYPES.get(kind, kind)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            schema[name] = _schema(schema[name])
    if isinstance(schema.get("properties"), Mapping):
        schema["properties"] = {
            name: _schema(one) if isinstance(one, Mapping) else one
            for name, one in schema["properties"].items()
        }
    return schema


@dataclass(frozen=True)
class ToolPrompts:
    """Writes the prompts of one chat template, or of none."""

    template: ChatTemplate | None

    @cached_property
    def native(self) -> bool:
        """Whether the template takes tools: their names are then in what it writes."""
        tool = tool_of(
            {
                "name": _PROBE,
                "description": "Says hello.",
                "parameters": {"type": "dict", "properties": {}, "required": []},
            }
        )
        rendered = self._tried([{"role": "user", "content": "Hello."}], [tool])
        return rendered is not None and _PROBE in rendered

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template takes a system message."""
        turns = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "Hello."}]
        rendered = self._tried(turns)
        return rendered is not None and _PROBE in rendered

    def prompt(self, question: str, column: Any) -> str:
        """The prompt for a user's request and a row's column of functions. Raises ValueError."""
        functions = functions_of(column)
        asked = {"role": "user", "content": question}
        if self.template is not None and self.native:
            return self.template([asked], tools=[tool_of(one) for one in functions])
        system = _SYSTEM.format(functions=json.dumps(functions, indent=4, ensure_ascii=False))
        if self.template is None:
            return f"{system}\n\nRequest: {question}\nCalls:"
        if self._takes_system:
            return self.template([{"role": "system", "content": system}, asked])
        return self.template([{"role": "user", "content": f"{system}\n\n{question}"}])

    def _tried(self, turns: list[dict[str, str]], tools: list[Tool] | None = None) -> str | None:
        """What the template writes; None where it refuses, by whatever error of its own."""
        if self.template is None:
            return None
        try:
            return self.template(turns, tools=tools) if tools else self.template(turns)
        except Exception:  # a template's code: jinja's errors, and those it raises itself
            return None

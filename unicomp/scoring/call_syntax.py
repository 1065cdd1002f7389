r"""Calls of functions in an answer, in Python's syntax or as the JSON of common chat templates.

| written as | by |
|---|---|
| `[f(a=1), g(b="x")]` | a prompt that asks for it; Llama 4 |
| `<tool_call>{"name": "f", "arguments": {…}}</tool_call>` | Hermes, Qwen |
| `<TOOLCALL>[…]</TOOLCALL>`, `<\|tool_call\|>[…]` | Nemotron; Phi 4, Granite |
| `{"name": "f", "parameters": {…}}`, also after `<\|python_tag\|>` | Llama 3.1 |
| `[TOOL_CALLS][{…}]`, `[TOOL_CALLS]f[ARGS]{…}` | Mistral |
| `<｜tool▁call▁begin｜>…<｜tool▁call▁end｜>` | DeepSeek |

Engines leave special tokens out, so JSON alone is read as well. Nothing is executed. Around tagged
calls there may be text, as there is for a server; other calls must be the whole answer.
"""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """One call: the function's dotted name, and its arguments by name.

    An argument without a name has the number of its place, which is no name of any parameter.
    """

    name: str
    arguments: Mapping[str, Any]


class UnreadableCall(ValueError):  # noqa: N818 (it is an answer's state, not a failure)
    """The answer begins a call that cannot be read."""


_TAGS = (
    ("<tool_call>", "</tool_call>"),
    ("<TOOLCALL>", "</TOOLCALL>"),
    ("<|tool_call|>", "<|/tool_call|>"),
)
_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>(?P<old>[\w.\-]+)\s*```json\s*(?P<fenced>.*?)```\s*"
    r"|(?P<name>[\w.\-]+)<｜tool▁sep｜>(?P<json>.*?))<｜tool▁call▁end｜>",
    re.DOTALL,
)
_DEEPSEEK_MARK = re.compile(r"<｜tool▁calls?▁begin｜>")
_MISTRAL_MARK = "[TOOL_CALLS]"
_LLAMA_MARK = "<|python_tag|>"
_FENCE = re.compile(r"```(?:\w*\n)?(.*?)\n?```", re.DOTALL)
_NAMED_JSON = re.compile(r"([A-Za-z_][\w.\-]*)\s*(?:\[ARGS\])?\s*(?=\{)")
_SEPARATORS = " \t\r\n;,"
_BEGUN = re.compile(r"\[?\s*[A-Za-z_][\w.]*\(\s*(?:[A-Za-z_]\w*\s*=|\)\s*[\],]?\s*\Z)")
_JSON_FIRST = re.compile(r"\[?\s*\{")
_BEGUN_JSON = re.compile(r"[\[\s]*\{\s*[\"'](?:name|function|type)[\"']\s*:")


def read_calls(text: str) -> tuple[Call, ...]:
    """The calls in an answer, in order; empty if it calls nothing. Raises UnreadableCall.

    >>> read_calls("[area(base=3, height=2.5)]")
    (Call(name='area', arguments={'base': 3, 'height': 2.5}),)
    """
    for opening, closing in _TAGS:
        if opening in text:
            return tuple(_tagged(text, opening, closing))
    if _DEEPSEEK_MARK.search(text):
        return tuple(_deepseek(text))
    if _MISTRAL_MARK in text:
        return tuple(_marked(text, _MISTRAL_MARK))
    calls = _bare(text.replace(_LLAMA_MARK, "").strip())
    if _LLAMA_MARK in text and not calls:
        raise UnreadableCall(f"no call comes after {_LLAMA_MARK}")
    return calls


def _bare(text: str) -> tuple[Call, ...]:
    """The calls of an answer without tags, which must be nothing else."""
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip()
    if _JSON_FIRST.match(text) or _NAMED_JSON.match(text):
        return _bare_json(text)
    return _python(text)


# -- JSON -----------------------------------------------------------------------------------------


def _tagged(text: str, opening: str, closing: str) -> Iterator[Call]:
    """The calls between tags; the last closing tag may be a token that ended the answer."""
    first, *bodies = text.split(opening)
    if closing in first:
        raise UnreadableCall(f"{closing} comes before {opening}")
    for number, body in enumerate(bodies, 1):
        inner, closed, _ = body.partition(closing)
        if not closed and number < len(bodies):
            raise UnreadableCall(f"{opening} has no {closing}")
        yield from _json_calls(inner)


def _marked(text: str, mark: str) -> Iterator[Call]:
    """The calls after marks that nothing closes."""
    for body in text.split(mark)[1:]:
        yield from _named_json(body) if _NAMED_JSON.match(body.strip()) else _json_calls(body)


def _deepseek(text: str) -> Iterator[Call]:
    found = list(_DEEPSEEK.finditer(text))
    if len(found) != text.count("<｜tool▁call▁begin｜>") or not found:
        raise UnreadableCall("a call is not closed")
    for one in found:
        arguments = _values(one["fenced"] if one["old"] else one["json"])
        if len(arguments) != 1:
            raise UnreadableCall("the arguments of a call are not one JSON table")
        yield _call(one["old"] or one["name"], arguments[0])


def _bare_json(text: str) -> tuple[Call, ...]:
    """JSON without tags: calls, or an answer that happens to be JSON."""
    try:
        return tuple(_named_json(text) if _NAMED_JSON.match(text) else _json_calls(text))
    except UnreadableCall:
        if _BEGUN_JSON.match(text):
            raise
        return ()


def _named_json(text: str) -> Iterator[Call]:
    """The calls of `f{…}` and `f[ARGS]{…}`, one after another."""
    at, text = 0, text.strip()
    while at < len(text):
        named = _NAMED_JSON.match(text, at)
        if named is None:
            raise UnreadableCall("something stands between calls")
        arguments, at = _value(text, named.end())
        yield _call(named[1], arguments)
        while at < len(text) and text[at] in _SEPARATORS:
            at += 1


def _json_calls(text: str) -> Iterator[Call]:
    for value in _values(text):
        for one in value if isinstance(value, list) else [value]:
            table = one.get("function", one) if isinstance(one, dict) else None
            if not isinstance(table, dict) or not isinstance(table.get("name"), str):
                raise UnreadableCall("the JSON names no function")
            given = [table[name] for name in ("arguments", "parameters") if name in table]
            if len(given) != 1:
                raise UnreadableCall(f"the call of {table['name']} has no arguments")
            yield _call(table["name"], given[0])


def _values(text: str) -> list[Any]:
    """The JSON values of a text; between them stand blanks, commas or semicolons."""
    values, at = [], 0
    while True:
        while at < len(text) and text[at] in _SEPARATORS:
            at += 1
        if at == len(text):
            break
        value, at = _value(text, at)
        values.append(value)
    if not values:
        raise UnreadableCall("there is no JSON")
    return values


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _JSON.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise UnreadableCall(f"this is no JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _call(name: str, arguments: Any) -> Call:
    if isinstance(arguments, str):  # a table written as text, as servers send it
        arguments, _ = _value(arguments.strip(), 0)
    if not isinstance(arguments, dict):
        raise UnreadableCall(f"the arguments of {name} are no table")
    return Call(name, arguments)


# -- Python ---------------------------------------------------------------------------------------

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _python(text: str) -> tuple[Call, ...]:
    """The calls of a text that is one call, or a list of calls; empty for any other text."""
    try:
        body = ast.parse(text, mode="eval").body
        listed = body.elts if isinstance(body, ast.List | ast.Tuple) else [body]
        if any(isinstance(one, ast.Call) for one in listed):
            return tuple(map(_python_call, listed))
    except UnreadableCall:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # no Python, or too deep for its parser
    if _BEGUN.match(text):
        raise UnreadableCall("a call is begun, and the answer is no call or list of calls")
    return ()


def _python_call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call):
        raise UnreadableCall("not all that is listed are calls")
    name, parts = node.func, list[str]()
    while isinstance(name, ast.Attribute):
        parts.append(name.attr)
        name = name.value
    if not isinstance(name, ast.Name):
        raise UnreadableCall("the function is no name")
    arguments = {str(place): _literal(value) for place, value in enumerate(node.args)}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise UnreadableCall("an argument has no name, or is given twice")
        arguments[keyword.arg] = _literal(keyword.value)
    return Call(".".join([name.id, *reversed(parts)]), arguments)


def _literal(node: ast.expr) -> Any:
    """The value of an expression of constants; any other one as its source, such as a variable."""
    match node:
        case ast.Constant(value=value) if isinstance(value, str | bool | int | float | None):
            return value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_literal(one) for one in elements]
        case ast.Dict(keys=keys, values=values) if all(keys):
            named = zip(filter(None, keys), values, strict=True)
            return {str(_literal(key)): _literal(value) for key, value in named}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _literal(operand)
            if _is_number(value):
                return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            pair = _literal(left), _literal(right)
            if all(map(_is_number, pair)):
                with suppress(ArithmeticError):
                    return _OPERATORS[type(op)](*pair)
    return ast.unparse(node)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

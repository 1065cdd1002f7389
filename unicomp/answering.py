"""How a model answers: its template's arguments, room for its thoughts, its declared sampling."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from unicomp.errors import SpecError

MOST_THOUGHTS = 131_072
"""The largest budget: the whole context of today's models."""

_TAKEN = frozenset(
    (
        *("messages", "conversation", "tools", "documents", "chat_template"),
        *("add_generation_prompt", "continue_final_message", "tokenize", "padding", "truncation"),
        *("max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"),
        *("tokenizer_kwargs", "strftime_now"),
    )
)
"""Names that UniComp or transformers gives a template itself."""
_NEUTRAL: Mapping[str, float] = {"top_p": 1.0, "top_k": 0, "min_p": 0.0}
"""Settings of sampling with the values that leave every token as likely as it is."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How a model answers, the same for all of its checkpoints. Raises SpecError.

    >>> thinks = Answering(template={"enable_thinking": True}, thinking_budget=8192)
    >>> Answering(temperature=0.6, top_p=0.95, top_k=20, min_p=0).decoding
    {'temperature': 0.6, 'top_p': 0.95, 'top_k': 20}
    """

    template: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Arguments of the chat template, as JSON values: `{"enable_thinking": True}`."""
    thinking_budget: int = 0
    """Tokens for thoughts. The limit of new tokens of each benchmark is raised by them."""
    temperature: float | None = None
    """The declared sampling, used if `sampling = "declared"` under [engine]. It outranks what a
    benchmark declares; None: nothing is declared, 0: greedy."""
    top_p: float | None = None
    """Only the likeliest tokens that together are so likely; 1: all."""
    top_k: int | None = None
    """Only so many of the likeliest tokens; 0: all."""
    min_p: float | None = None
    """Only tokens at least so likely, as a share of the likeliest one's; 0: all."""

    def __post_init__(self) -> None:
        self._check_template()
        if not _is_whole(self.thinking_budget) or not 0 <= self.thinking_budget <= MOST_THOUGHTS:
            raise SpecError(
                f"thinking_budget = {self.thinking_budget!r}: give a whole number of tokens from 0 "
                f"to {MOST_THOUGHTS}"
            )
        self._check_number(
            "temperature", "a number from 0 to 10", 0.0 <= _number(self.temperature) <= 10
        )
        self._check_number("top_p", "a share above 0, at most 1", 0 < _number(self.top_p) <= 1)
        self._check_number("min_p", "a share from 0 to 1", 0 <= _number(self.min_p) <= 1)
        whole = _is_whole(self.top_k) and _number(self.top_k) >= 0
        self._check_number("top_k", "a whole number from 0", whole)
        given = [name for name in _NEUTRAL if getattr(self, name) is not None]
        if given and self.temperature is None:
            raise SpecError(f"{given[0]} needs a temperature: declare temperature, too")

    def _check_template(self) -> None:
        if not isinstance(self.template, Mapping):
            raise SpecError(
                f"template = {self.template!r}: give a table of the template's arguments"
            )
        for name, value in self.template.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise SpecError(
                    f"template argument {name!r} is not a name that a template can read"
                )
            if name in _TAKEN:
                raise SpecError(f"template argument {name!r} is set by UniComp: leave it out")
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError):
                raise SpecError(
                    f"template argument {name} = {value!r} is not a JSON value: give a text, a "
                    "number, true, false, a list or a table"
                ) from None

    def _check_number(self, name: str, words: str, fits: bool) -> None:
        value = getattr(self, name)
        if value is not None and not fits:
            raise SpecError(f"{name} = {value!r}: give {words}")

    @property
    def declared(self) -> dict[str, Any]:
        """What is declared, by the names of the fields; empty if that is nothing."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: one for name, one in values.items() if one != getattr(UNDECLARED, name)}

    @property
    def declares_sampling(self) -> bool:
        """Whether the model declares how its answers are sampled."""
        return self.temperature is not None

    @property
    def decoding(self) -> dict[str, float]:
        """The declared sampling by the names that engines know; empty for greedy decoding.

        Values that change nothing are left out.
        """
        if not self.temperature:
            return {}
        declared = {name: getattr(self, name) for name in _NEUTRAL}
        return {
            "temperature": float(self.temperature),
            **{
                name: value
                for name, value in declared.items()
                if value is not None and value != _NEUTRAL[name]
            },
        }


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> float:
    """The value as a number; not a number if it is none."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable else math.nan  # type: ignore[arg-type]


UNDECLARED = Answering()
"""How a model answers that declares nothing."""

"""Whether a checkpoint can answer as its model declares; checked before anything is built."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from unicomp.engines.tokenizer import CheckpointTokenizer
from unicomp.errors import SpecError
from unicomp.spec import Served

_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""Tags that transformers adds to jinja's: they mark what a model wrote, and change no text."""
_GIVEN = (
    *("messages", "tools", "documents", "add_generation_prompt", "raise_exception"),
    *("strftime_now", "bos_token", "eos_token", "pad_token", "unk_token"),
)
"""Names that every template can read, which are not arguments."""
_EXTENSIONS = ("top_k", "min_p")
"""Settings of sampling that vLLM adds to the API."""


def check_template(who: str, arguments: Mapping[str, Any], tokenizer: CheckpointTokenizer) -> None:
    """Raise SpecError for arguments that the chat template does not read."""
    if not arguments:
        return
    named = ", ".join(arguments)
    template = tokenizer.template
    if template is None:
        raise SpecError(
            f"{who} has no chat template, and its answering gives one {named}: leave out template, "
            "or save the model's own as chat_template.jinja in its folder"
        )
    read = read_by(template.texts)
    if read is None:
        return
    for name in arguments:
        if name not in read:
            others = ", ".join(sorted(read.difference(_GIVEN))) or "no argument"
            raise SpecError(
                f"the chat template of {who} does not read {name}, so that it would change "
                f"nothing: leave it out of the answering's template; it reads {others}"
            )


def read_by(templates: Sequence[str]) -> frozenset[str] | None:
    """The names that chat templates read; None if one cannot be parsed.

    >>> sorted(read_by(["{% if thinking is defined %}{{ messages }}{% endif %}"]))
    ['messages', 'thinking']
    """
    from jinja2 import Environment, TemplateError, meta

    environment = Environment(extensions=["jinja2.ext.loopcontrols"])  # noqa: S701 (not rendered)
    try:
        parsed = [environment.parse(_GENERATION.sub("", text)) for text in templates]
    except TemplateError:  # it shows when a prompt is rendered
        return None
    return frozenset[str]().union(*map(meta.find_undeclared_variables, parsed))


def check_budget(who: str, budget: int, limits: Mapping[str, int], context: int) -> None:
    """Raise SpecError if thoughts and answer leave no room for a prompt in the model's context.

    `limits` are benchmark → its most new tokens, which include the budget.
    """
    if not budget or not limits:
        return
    name = max(limits, key=limits.__getitem__)
    if limits[name] < context:
        return
    rest = limits[name] - budget
    mend = f"set it to less than {context - rest}" if context > rest else "leave out this benchmark"
    raise SpecError(
        f"{who}: a thinking_budget of {budget} tokens and the {rest} of an answer to {name} leave "
        f"no room for a prompt in the context of {context} tokens: {mend}"
    )


def check_sampling(who: str, decoding: Mapping[str, float], endpoint: Served | None) -> None:
    """Raise SpecError for settings of sampling that the model's server does not take."""
    if endpoint is None or endpoint.extended:
        return
    for name in _EXTENSIONS:
        if name in decoding:
            raise SpecError(
                f"{who} declares {name}, and {endpoint} takes only the fields of OpenAI's API: "
                f'leave out {name}, or set sampling = "greedy" under [engine]'
            )

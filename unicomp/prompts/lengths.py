"""How many tokens rendered items take, compared with a model's context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from unicomp.prompts.items import WINDOWS, RenderedItem
from unicomp.prompts.tokenizers import Tokenizer

_SPECIAL = 8
"""A token takes at least a byte of text; this allows for the few special tokens that take none."""


def overlong(rendered: Sequence[RenderedItem], tokenizer: Tokenizer) -> int:
    """How many items exceed the model's context, so that engines cut the start of their prompts.

    A prompt to be continued needs room for the longest answer too.
    """
    return sum(
        any(_exceeds(text, room, tokenizer) for text, room in _rooms(one, tokenizer.context))
        for one in rendered
        if one.sample == 0
    )


def longest(rendered: Iterable[RenderedItem], tokenizer: Tokenizer) -> int:
    """Tokens of the longest request, generated ones included; at most the model's context."""
    from lm_eval.models.utils import normalize_gen_kwargs

    most, texts = 0, set()
    for request in (request for one in rendered for request in one.requests):
        if request.request_type == WINDOWS:
            most = max(most, len(request.arguments[0]))
        elif request.request_type == "generate_until":
            text, decoding = request.arguments
            texts.add((text, int(normalize_gen_kwargs(decoding)["max_gen_toks"])))
        else:
            texts.add(("".join(request.arguments), 1))  # 1: a prompt may be nothing but BOS
    bounds = [(len(text.encode()) + _SPECIAL + new, text, new) for text, new in texts]
    for bound, text, new in sorted(bounds, reverse=True):
        if bound <= most:  # all that follow are shorter
            break
        most = max(most, len(tokenizer.encode(text)) + new)
    return min(most, tokenizer.context)


def _rooms(rendered: RenderedItem, context: int) -> Iterator[tuple[str, int]]:
    """The distinct texts of an item, each with the tokens that it may take."""
    from lm_eval.models.utils import normalize_gen_kwargs

    for request in rendered.requests:
        if request.request_type == "generate_until":
            text, decoding = request.arguments
            yield text, context - normalize_gen_kwargs(decoding)["max_gen_toks"]
        elif request.request_type == "loglikelihood":
            text, continuation = request.arguments
            yield text + continuation, context + 1  # the last token is only predicted


def _exceeds(text: str, room: int, tokenizer: Tokenizer) -> bool:
    return len(text.encode()) + _SPECIAL > room and len(tokenizer.encode(text)) > room

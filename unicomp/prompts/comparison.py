"""Whether two checkpoints are asked the same prompts, token by token; if not, why."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from unicomp.prompts.items import WINDOWS, RenderedItem
from unicomp.prompts.tokenizers import Tokenizer

TEMPLATE = "another chat template, or none"
BEGINNING = "another beginning-of-text token"
TOKENIZER = "another tokenizer"


def prompt_digest(one: RenderedItem, tokenizer: Tokenizer) -> str:
    """Digests of an item's prompts: of their texts, of their tokens, and of all but the first."""
    texts = list(dict.fromkeys(text for request in one.requests for text in _texts(request)))
    tokens = [tokenizer.encode(text) for text in texts]
    if one.requests[0].request_type == WINDOWS:
        tokens = [list(request.arguments[0]) for request in one.requests]
    return "-".join(map(_digest, (texts, tokens, [ids[1:] for ids in tokens])))


def differences(own: Sequence[str], base: Sequence[str]) -> dict[str, Any]:
    """How many prompts differ from the baseline's, of how many, and why; by their digests.

    Empty without prompts.
    """
    if not own and not base:
        return {}
    why = Counter(_why(one, other) for one, other in zip(own, base, strict=True) if one != other)
    return {"differ": why.total(), "of": len(own), "why": dict(why.most_common())}


def _texts(request: Any) -> list[str]:
    """A prompt, and what is to follow it."""
    return [text for text in request.arguments if isinstance(text, str)]


def _why(own: str, base: str) -> str:
    text, tokens, rest = own.split("-")
    base_text, base_tokens, base_rest = base.split("-")
    if text != base_text:
        return TEMPLATE
    if rest in (base_rest, base_tokens) or tokens == base_rest:
        return BEGINNING
    return TOKENIZER


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:10]

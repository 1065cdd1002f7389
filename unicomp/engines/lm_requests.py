"""How both engines pass requests to their lm-eval model."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from unicomp.errors import NotFiniteError
from unicomp.prompts.items import WINDOWS
from unicomp.prompts.tasks import SAMPLING_SEED

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

K = TypeVar("K")


def answer_in_groups(
    requests: Sequence[Instance],
    group_of: Callable[[Instance], K],
    answer: Callable[[K, list[Instance]], Sequence[Any]],
) -> list[Any]:
    """One response for each request, in order; `answer` gets the requests of one group."""
    groups: dict[K, list[int]] = {}
    for position, request in enumerate(requests):
        groups.setdefault(group_of(request), []).append(position)
    responses: list[Any] = [None] * len(requests)
    for group, positions in groups.items():
        answers = answer(group, [requests[position] for position in positions])
        for position, response in zip(positions, answers, strict=True):
            responses[position] = response
    return responses


def seed_of(sample: int, prompts: Any) -> int:
    """The seed of a sample of prompts, which are JSON values; 0 is the first sample.

    Equal draws for equal prompts, and others for other prompts and other samples.
    """
    return SAMPLING_SEED + sample + zlib.crc32(repr(prompts).encode()) % 2**31


def ask(lm: Any, request_type: str, requests: Sequence[Instance]) -> list[Any]:
    """The model's responses; for a window its log-likelihood, given its first token.

    Raises NotFiniteError for a log-likelihood that is no number.
    """
    if request_type == WINDOWS:
        windows = [list(request.arguments[0]) for request in requests]
        pairs = lm._loglikelihood_tokens(
            # lm-eval tells its cache of no answer to a text that is None
            [("", window[:1], window[1:]) for window in windows],
            disable_tqdm=True,
        )
        answers = [log_likelihood for log_likelihood, _ in pairs]
    else:
        answers = list(getattr(lm, request_type)(requests, disable_tqdm=True))
    for answer in answers:
        value = answer[0] if isinstance(answer, tuple) else answer
        if isinstance(value, float) and not math.isfinite(value):
            raise NotFiniteError
    return answers

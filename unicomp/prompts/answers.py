"""From responses back to items: the tasks' filters and rules, without the model's thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unicomp.prompts.items import WINDOWS, RenderedItem
from unicomp.prompts.thoughts import opens_thoughts, without_thoughts
from unicomp.spec import Item

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


def answered_items(
    rendered: Sequence[RenderedItem],
    responses: Sequence[Sequence[Any]],
    cut: Sequence[bool] = (),
) -> list[Item]:
    """The items with their responses, after the tasks' filters and rules.

    The thoughts that a reasoning model writes before its answer are removed. `cut` has for each
    item whether a text reached its limit of new tokens; empty: none did. An answer that ended
    before that, at a stop word, was not cut.
    """
    read, ended = [], []
    for one, row in zip(rendered, responses, strict=True):
        texts = [
            _answer(one, request, given) if isinstance(given, str) else (given, False)
            for request, given in zip(one.requests, row, strict=True)
        ]
        read.append([text for text, _ in texts])
        ended.append(all(stopped for _, stopped in texts))
    by_task: dict[int, list[RenderedItem]] = {}
    for one, row in zip(rendered, read, strict=True):
        by_task.setdefault(id(one.task), []).append(one)
        for request, given in zip(one.requests, row, strict=True):
            request.resps = [tuple(given) if isinstance(given, list) else given]
            request.filtered_resps = {}
    for group in by_task.values():
        requests = [request for one in group for request in one.requests]
        for ensemble in group[0].task._filters:
            ensemble.apply(requests)
    at_limit = cut or [False] * len(rendered)
    return [
        _item(one, row, full and not stopped)
        for one, row, full, stopped in zip(rendered, read, at_limit, ended, strict=True)
    ]


def _answer(one: RenderedItem, request: Instance, text: str) -> tuple[str, bool]:
    """The part of a generated text that the task's rules read, and whether a stop word ends it."""
    prompt, decoding = request.arguments
    answer = without_thoughts(text, opened=opens_thoughts(prompt))
    stops = (one.task.config.generation_kwargs or {}).get("until", ())
    whole = len(answer)
    if not decoding.get("until"):  # the engine did not stop at them
        for stop in [stops] if isinstance(stops, str) else stops:
            answer = answer.partition(stop)[0]
    return answer, len(answer) < whole


def _item(one: RenderedItem, responses: Sequence[Any], cut: bool) -> Item:
    results: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    text = one.requests[0].request_type != WINDOWS
    if text:
        for name in one.requests[0].filtered_resps:
            filtered = [request.filtered_resps[name] for request in one.requests]
            answers[name] = filtered[0] if len(filtered) == 1 else filtered
            for metric, value in one.task.process_results(dict(one.doc), filtered).items():
                results[f"{metric},{name}"] = value
    return Item(
        doc=one.doc,
        prompt=one.prompt,
        responses=tuple(responses),
        answers=answers,
        results=results,
        cut=cut,
    )

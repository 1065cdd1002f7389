"""Find out what a running server is, and what it gives, by a few fixed questions.

The greedy answers are a fingerprint: another model behind the same address and name gives others.
They are asked for as texts, so that our tokenizer has no part in them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from unicomp.engines.endpoint_client import Question, ask, settings_at
from unicomp.engines.tokenizer import CheckpointTokenizer
from unicomp.errors import EngineError, SpecError
from unicomp.instruments.endpoint import ClientSettings, EndpointSettings
from unicomp.spec import Served

PROMPTS = (
    "The capital of France is",
    "Question: What is 17 + 25?\nAnswer:",
    "Once upon a time there was a small",
    "def fibonacci(n):\n",
    "Water boils at 100 degrees, and it freezes at",
)
NEW_TOKENS = 24
"""Tokens of an answer to a prompt of the probe."""
TEXT = "The quick brown fox jumps over the lazy dog, and two and two are four."
"""The text whose log-likelihoods are asked for."""
PATIENCE = 20.0
"""Seconds until a server must answer the probe at the start of a run."""
REPEATS = 3
"""How often the probe is asked before its answers count as changed: two equal requests may get
different answers where a server computes them in different batches."""
COMPLETIONS = "completions"


class _Generated(NamedTuple):
    text: str
    version: str | None


def found(
    endpoint: Served, name: str, client: ClientSettings, tokenizer: CheckpointTokenizer
) -> Served:
    """The endpoint with all that the probe finds; `tokenizer` is the base model's.

    `name` is the model's where the endpoint has none; if the server has one model only, it is that.
    Raises SpecError with the reason why the model cannot be measured there.
    """
    settings = hurried(settings_at(endpoint, client))
    try:
        endpoint = _listed(endpoint, name, settings)
        settings = replace(settings, model=endpoint.model)
        extended = _takes_extensions(settings)
        digest, fingerprint = answers_digest(settings)
        endpoint = replace(
            endpoint,
            version=_version(settings) or fingerprint,
            digest=digest,
            extended=extended,
        )
        return _with_likelihoods(endpoint, settings, tokenizer)
    except EngineError as error:
        raise SpecError(f"{error}") from None


def hurried(settings: EndpointSettings) -> EndpointSettings:
    """The settings for a server that ought to answer now."""
    patience, retries = min(settings.patience, PATIENCE), min(settings.retries, 2)
    return replace(settings, patience=patience, retries=retries)


def answers_digest(settings: EndpointSettings, *, together: bool = False) -> tuple[str, str | None]:
    """SHA-256 of the greedy answers, and the version that came with them. Raises EngineError.

    The prompts are asked one after the other, or `together`, which is faster.
    """
    questions = [_generation(settings.model, prompt) for prompt in PROMPTS]
    given = ask(settings if together else replace(settings, concurrency=1), COMPLETIONS, questions)
    texts = [one.text for one in given]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest(), given[-1].version


def why_changed(endpoint: Served, settings: EndpointSettings) -> str | None:
    """Why the server is not what the probe has found; None if it is. Raises EngineError."""
    for attempt in range(REPEATS):
        digest, _ = answers_digest(settings, together=attempt == 0)
        if digest == endpoint.digest:
            return None
    return (
        f"{endpoint} no longer answers its probe as at the start of this run: another model was "
        "deployed, or its answers are not repeatable; the answers of this run are not used"
    )


def _listed(endpoint: Served, name: str, settings: EndpointSettings) -> Served:
    """The endpoint with the model's name and its context, as the server lists them.

    A server that lists nothing, such as `transformers serve` for a folder, is asked by name.
    """

    def read(answer: Any) -> dict[str, Mapping[str, Any]]:
        return {str(one["id"]): one for one in answer["data"]}

    (models,) = ask(settings, "models", [Question(None, read)])
    wanted = endpoint.model or name
    if wanted not in models and not endpoint.model and len(models) == 1:
        (wanted,) = models
    if models and wanted not in models:
        raise SpecError(
            f"{endpoint.url} has no model {wanted!r}; it has {', '.join(models)}: name one of them "
            f"after the address, {endpoint.url}#MODEL"
        )
    longest = models.get(wanted, {}).get("max_model_len")
    context = longest if isinstance(longest, int) and longest > 0 else None
    return replace(endpoint, model=wanted, context=context)


def _version(settings: EndpointSettings) -> str | None:
    """The version that vLLM, among others, gives beside its API; None from any other."""
    root = replace(
        settings, url=settings.url.removesuffix("/").removesuffix("/v1"), retries=0, patience=0.01
    )
    try:
        (version,) = ask(root, "version", [Question(None, lambda answer: answer["version"])])
    except EngineError:
        return None
    return version if isinstance(version, str) else None


def _generation(model: str, prompt: str | Sequence[Sequence[int]]) -> Question[_Generated]:
    """A greedy completion of a prompt."""
    body = {"model": model, "prompt": prompt, "max_tokens": NEW_TOKENS, "temperature": 0}

    def read(answer: Any) -> _Generated:
        text, version = answer["choices"][0]["text"], answer.get("system_fingerprint")
        if not isinstance(text, str):
            raise TypeError
        return _Generated(text, version if isinstance(version, str) else None)

    return Question(body, read)


def _takes_extensions(settings: EndpointSettings) -> bool:
    """Whether the server accepts the fields that vLLM adds, or ignores them."""
    body = {
        "model": settings.model,
        "prompt": PROMPTS[0],
        "max_tokens": 1,
        "temperature": 0,
        "stop": ["\n\n"],
        "stop_token_ids": [],
        "skip_special_tokens": False,
        "return_token_ids": True,
    }
    question: Question[Any] = Question(body, lambda answer: answer["choices"][0]["text"])
    return _accepted(settings, question)


def _accepted(settings: EndpointSettings, question: Question[Any]) -> bool:
    """Whether the server accepts a request. Raises EngineError if it gives no usable answer."""
    try:
        ask(settings, COMPLETIONS, [question])
    except EngineError:
        if not question.rejected:
            raise
        return False
    return True


def _with_likelihoods(
    endpoint: Served, settings: EndpointSettings, tokenizer: CheckpointTokenizer
) -> Served:
    """The endpoint with what it takes and gives: token ids, and log-likelihoods of texts."""
    tokens = tokenizer.encode(TEXT)
    echoed = _echoed(settings, tokens, extended=endpoint.extended)
    if echoed is None:
        question = _generation(endpoint.model, [tokens])
        takes_tokens = _accepted(settings, question)
        reason = (
            "it refuses echo with logprobs" if takes_tokens else "it takes no prompts of token ids"
        )
        return replace(endpoint, takes_tokens=takes_tokens, no_likelihoods=reason)
    _check_tokenizer(endpoint, echoed, tokens)
    reason = why_no_likelihoods(echoed, len(tokens))
    if not reason:
        reason = _why_contradictory(endpoint, settings, tokenizer)
    return replace(endpoint, no_likelihoods=reason)


def _echoed(
    settings: EndpointSettings, tokens: Sequence[int], *, extended: bool
) -> Mapping[str, Any] | None:
    """The answer to a prompt whose log-likelihoods are asked for; None if that is refused."""
    body = {
        "model": settings.model,
        "prompt": [list(tokens)],
        "max_tokens": 1,
        "temperature": 0,
        "echo": True,
        "logprobs": 1,
        **({"return_tokens_as_token_ids": True} if extended else {}),
    }

    def read(answer: Any) -> Mapping[str, Any]:
        return {**answer["choices"][0], "usage": answer.get("usage") or {}}

    question: Question[Mapping[str, Any]] = Question(body, read)
    return question.answer if _accepted(settings, question) else None


def _check_tokenizer(endpoint: Served, echoed: Mapping[str, Any], tokens: Sequence[int]) -> None:
    """Raise SpecError if the server reads our token ids as another text."""
    counted = echoed["usage"].get("prompt_tokens", len(tokens))
    text = echoed.get("text") or ""
    whole = len(text) > len(TEXT)  # a server without echo returns the answer alone
    if counted != len(tokens) or (whole and TEXT not in text):
        raise SpecError(
            f"{endpoint} reads the token ids of --model as another text: give as --model the model "
            "that it was made from, whose tokenizer it has"
        )


def why_no_likelihoods(choice: Mapping[str, Any], n: int) -> str:
    """Why an echoed prompt of `n` tokens has no usable log-probabilities; empty if it has.

    >>> why_no_likelihoods({"text": "", "logprobs": None}, 3)
    'it returns no log-probabilities of a prompt (echo with logprobs)'
    """
    given = choice.get("logprobs")
    values = given.get("token_logprobs") if isinstance(given, dict) else None
    best = given.get("top_logprobs") if isinstance(given, dict) else None
    if not isinstance(values, list) or len(values) < 2:
        return "it returns no log-probabilities of a prompt (echo with logprobs)"
    if len(values) not in (n, n + 1):
        return f"it returns {len(values)} log-probabilities of a prompt of {n} tokens"
    if not all(isinstance(one, int | float) and -math.inf < one <= 0 for one in values[1:n]):
        return "the log-probabilities that it returns are no logarithms of probabilities"
    if not isinstance(best, list) or not all(isinstance(one, dict) and one for one in best[1:n]):
        return "it does not return the likeliest token of each place (top_logprobs)"
    return ""


def _why_contradictory(
    endpoint: Served, settings: EndpointSettings, tokenizer: CheckpointTokenizer
) -> str:
    """Why its log-probabilities are not those of the model that answers; empty if they may be."""
    followed = likeliest = 0
    for prompt in PROMPTS:
        before = tokenizer.encode(prompt)
        (given,) = ask(settings, COMPLETIONS, [_generation(endpoint.model, [before])])
        tokens = [*before, *tokenizer.split(given.text)]
        echoed = _echoed(settings, tokens, extended=endpoint.extended)
        if echoed is None or (reason := why_no_likelihoods(echoed, len(tokens))):
            return reason if echoed else "it refuses echo with logprobs of longer prompts"
        values, best = (echoed["logprobs"][name] for name in ("token_logprobs", "top_logprobs"))
        for place in range(len(before), len(tokens)):
            followed += 1
            likeliest += values[place] >= max(best[place].values())
    if 2 * likeliest < followed:
        return (
            f"its log-probabilities contradict its answers: of {followed} tokens that it chose as "
            f"the likeliest, {likeliest} are the likeliest by them"
        )
    return ""

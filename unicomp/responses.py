"""What one checkpoint answered, item by item; kept for good, so that scoring needs no model.

Responses are found by the checkpoint, the engine and the rendered requests, never by how many
were asked for. They are written in batches: each is one file that appears whole or not at all, so
a kill loses at most the batch that was being answered.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from unicomp.checkpoint import Checkpoint
from unicomp.engines import Engine, EngineSettings
from unicomp.errors import EngineError
from unicomp.machine import turns
from unicomp.prompts.items import Prompted
from unicomp.store import RESPONSES, Store, content_key, write_atomically

BATCH = 128
"""Items that are answered and written together."""

Answers = Mapping[str, list[Any]]
"""Request key → the responses to its requests."""


OpenEngine = Callable[[], AbstractContextManager[Engine]]
"""Loads the checkpoint; for as long as the context lasts, or longer."""


@dataclass(frozen=True)
class Answering:
    """Progress: a checkpoint has answered `done` of `total` items of a benchmark."""

    benchmark: str
    done: int
    total: int


@dataclass(frozen=True)
class Answered:
    """What a checkpoint has answered, and what asking it has cost."""

    answers: Answers
    failures: Mapping[str, EngineError]
    """Benchmark → why it was not answered to the end."""
    asked: int = 0
    """Items that were asked now; the others were known."""
    seconds: float = 0.0
    """Time of loading the checkpoint and asking."""


def engine_identity(checkpoint: Checkpoint, engine: EngineSettings) -> dict[str, Any]:
    """What decides the responses of a checkpoint to given requests, as JSON values."""
    return {
        "checkpoint": checkpoint.key,
        **engine.identity(checkpoint.model),
        "versions": {name: version(name) for name in ("torch", "transformers", "lm-eval")},
    }


class ResponseLog:
    """The responses of one checkpoint on one engine, in the store."""

    def __init__(self, store: Store, checkpoint: Checkpoint, engine: EngineSettings) -> None:
        identity = engine_identity(checkpoint, engine)
        self.key = content_key(identity)
        self._folder = store.home / RESPONSES / self.key
        self._identity = {
            "model": checkpoint.model.name,
            "method": checkpoint.method.name,
            **identity,
        }

    def read(self) -> dict[str, list[Any]]:
        """All responses by request key; a batch whose content was damaged is dropped."""
        answers: dict[str, list[Any]] = {}
        for path in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else ():
            text = path.read_text(encoding="utf-8", errors="replace")
            if _name(text) != path.name:
                path.unlink()
                continue
            for line in text.split("\n")[:-1]:
                entry = json.loads(line)
                answers[entry["key"]] = entry["responses"]
        return answers

    def append(self, answers: Answers) -> None:
        """Write one batch; it is there as a whole or not at all."""
        if not (self._folder / "identity.json").exists():
            write_atomically(self._folder / "identity.json", json.dumps(self._identity, indent=1))
        text = "".join(
            json.dumps({"key": key, "responses": responses}, ensure_ascii=False) + "\n"
            for key, responses in answers.items()
        )
        write_atomically(self._folder / _name(text), text)


def _name(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.jsonl"


def answer(
    log: ResponseLog,
    open_engine: OpenEngine,
    questions: Mapping[str, Sequence[Prompted]],
    on_progress: Callable[[Answering], None] = lambda progress: None,
) -> Answered:
    """The responses to the items of several benchmarks; only what is missing is asked.

    The checkpoint is `opened` at most once, and not at all if nothing is missing. A benchmark that
    fails does not take the others with it. The caller holds the lock of the log. Raises
    EngineError where the checkpoint cannot be loaded.
    """
    answers = log.read()
    if all(item.key in answers for items in questions.values() for item in items):
        return Answered(answers, {})
    failures: dict[str, EngineError] = {}
    asked = 0
    start = time.monotonic()
    with turns.shared(), open_engine() as loaded:
        for benchmark, items in questions.items():
            batches = list(_missing(items, answers))  # benchmarks may share items
            total, done = sum(map(len, batches)), 0
            for batch in batches:
                on_progress(Answering(benchmark, done, total))
                requests = [request for item in batch for request in item.requests]
                try:
                    responses = iter(loaded.answer(requests))
                except EngineError as error:
                    failures[benchmark] = error
                    break
                new = {item.key: [next(responses) for _ in item.requests] for item in batch}
                log.append(new)
                answers.update(new)
                done += len(batch)
            asked += done
    return Answered(answers, failures, asked, time.monotonic() - start)


def _missing(items: Sequence[Prompted], known: Answers) -> Iterator[list[Prompted]]:
    """The unanswered items, in batches that depend on nothing but the order of all items.

    A resumed run so asks the same batches as an undisturbed one, and pads them alike.
    """
    for start in range(0, len(items), BATCH):
        batch = {item.key: item for item in items[start : start + BATCH] if item.key not in known}
        if batch:
            yield list(batch.values())

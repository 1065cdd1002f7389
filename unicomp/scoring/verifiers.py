"""The official verifiers of IFBench and IFEval, from the package `if-verifiable` (Apache-2.0).

The package carries the verifiers of https://github.com/allenai/IFBench (58 instructions) and of
IFEval (25, Zhou et al. 2023, arXiv:2311.07911) and their loose form: an instruction is followed
loosely when the answer follows it, or does so without its first line, its last line, both, or its
asterisks. Thinking (`<think>…</think>`) is no part of an answer.

Five things are done differently here, so that a run can be repeated and never stops half way:

- nothing is downloaded: what a verifier lacks is a gap of the item that needs it, and the gap
  names it. (On import the package asks for all of its NLTK data.)
- where a row leaves an argument out, the verifier draws one: here it always draws the same.
- a whole number counts as given also where it is 0, as in `repeat:repeat_span` with `n_start` 0,
  for which the verifier draws another start.
- an answer on which a verifier fails is an answer that does not follow the instruction.
- an instruction without a verifier is an error; the package skips it.
"""

from __future__ import annotations

import functools
import logging
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unicomp.errors import ScoringError

_MISSING = re.compile(r"nltk\.download\('([^']+)'\)")
"""Where NLTK's message about missing data names the data."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether an instruction is followed, strictly and loosely, or why that cannot be told."""

    strict: bool = False
    loose: bool = False
    gap: str | None = None


def answer_of(response: str) -> str:
    """A response without its thinking; empty where nothing else was said."""
    from if_verifiable.common import strip_thinking

    return str(strip_thinking(response))


def verdict(name: str, arguments: Mapping[str, Any], response: str) -> Verdict:
    """What the official verifier of one instruction says of a response."""
    from if_verifiable.common import get_loose_transformations

    kind = _registry().get(name)
    if kind is None:
        raise ScoringError(f"instruction {name!r} has no check in UniComp nor in if-verifiable")
    verifier = kind(name)
    text = answer_of(response)
    with _undisturbed(seed=name):
        try:
            verifier.build_description(**{key: _given(value) for key, value in arguments.items()})
        except Exception as error:
            raise ScoringError(
                f"instruction {name!r} does not take its row's arguments: {_line(error)}"
            ) from error
        try:
            strict = _follows(verifier, text)
            return Verdict(
                strict=strict,
                loose=strict
                or any(_follows(verifier, one) for one in get_loose_transformations(text)[1:]),
            )
        except LookupError as error:
            data = _MISSING.search(str(error))
            assert data
            return Verdict(gap=f"needs NLTK data {data[1]}: python -m nltk.downloader {data[1]}")
        except OSError as error:
            return Verdict(gap=f"cannot read its NLTK data: {_line(error)}")


def _follows(verifier: Any, text: str) -> bool:
    """Whether a text follows an instruction.

    What comes of the machine and not of the text is raised: data that NLTK lacks (a LookupError,
    as are the IndexError and the KeyError of a verifier that met an unforeseen answer) and data
    that it cannot or will not read (an OSError).
    """
    try:
        return bool(text.strip()) and bool(verifier.check_following(text))
    except OSError:
        raise
    except Exception as error:
        if type(error) is LookupError and _MISSING.search(str(error)):
            raise
        return False


@functools.cache
def _registry() -> Mapping[str, Any]:
    """Instruction → verifier class; loaded when first needed, without the package's downloads."""
    from unittest import mock

    import langdetect
    import nltk

    with mock.patch.object(nltk, "download"):
        from if_verifiable.ifbench.instructions_registry import INSTRUCTION_DICT as IFBENCH
        from if_verifiable.ifeval.instructions_registry import INSTRUCTION_DICT as IFEVAL
    langdetect.DetectorFactory.seed = 0  # else it guesses languages at random (its own README)
    return {**IFEVAL, **IFBENCH}


class _Given(int):
    """A whole number that counts as given, even 0, where a verifier asks `if not number`."""

    def __bool__(self) -> bool:
        return True


def _given(value: Any) -> Any:
    """An argument as verifiers want it: tables store whole numbers as 3.0."""
    if isinstance(value, float) and value.is_integer():
        return _Given(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _Given(value)
    return value


@contextmanager
def _undisturbed(*, seed: str) -> Iterator[None]:
    """Run verifiers with a random generator of their own, and without what they log."""
    state, disabled = random.getstate(), logging.root.manager.disable
    random.seed(seed)
    logging.disable()
    try:
        yield
    finally:
        logging.disable(disabled)
        random.setstate(state)


def _line(error: Exception) -> str:
    """An error on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"

"""The official verifiers of IFBench and IFEval, from the package `if-verifiable` (Apache-2.0).

The package has the verifiers of https://github.com/allenai/IFBench (58 instructions) and of IFEval
(25, Zhou et al. 2023, arXiv:2311.07911), and their loose form: an instruction is followed loosely
if the answer follows it as it is, or without its first line, its last line, both, or its asterisks.
Thinking (`<think>…</think>`) is not part of an answer.

Five things differ here, so that a run can be repeated and never stops half way:

- Nothing is downloaded. If a verifier lacks data, the item has a gap that names the data. (On
  import, the package downloads all of its NLTK data.)
- If a row leaves an argument out, the verifier draws it at random: here always the same.
- A whole number of 0 is a given argument. In `repeat:repeat_span` with `n_start` 0, for example,
  the verifier draws another start.
- If a verifier fails on an answer, the answer does not follow the instruction.
- An instruction without a verifier is an error; the package skips it.
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
"""The name of missing data in NLTK's message."""


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """Whether an answer follows an instruction, strictly and loosely, or why it was not checked."""

    strict: bool = False
    loose: bool = False
    gap: str | None = None


def answer_of(response: str) -> str:
    """A response without its thinking; empty if there is nothing else."""
    from if_verifiable.common import strip_thinking

    return str(strip_thinking(response))


def compliance(name: str, arguments: Mapping[str, Any], response: str) -> Compliance:
    """How a response complies with one instruction, by its official verifier.

    Raises ScoringError if the instruction is unknown or the arguments do not fit it.
    """
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
                f"instruction {name!r} does not accept its row's arguments: {_line(error)}"
            ) from error
        try:
            strict = _follows(verifier, text)
            loose = strict or any(
                _follows(verifier, one) for one in get_loose_transformations(text)[1:]
            )
            return Compliance(strict=strict, loose=loose)
        except LookupError as error:
            data = _MISSING.search(str(error))
            assert data
            return Compliance(gap=f"needs NLTK data {data[1]}: python -m nltk.downloader {data[1]}")
        except OSError as error:
            return Compliance(gap=f"cannot read its NLTK data: {_line(error)}")


def _follows(verifier: Any, text: str) -> bool:
    """Whether a text follows an instruction; False if the verifier fails on it.

    Raises LookupError if NLTK lacks data, and OSError if it cannot read its data.
    """
    try:
        return bool(text.strip()) and bool(verifier.check_following(text))
    except OSError:
        raise
    except Exception as error:
        # an IndexError or a KeyError is a LookupError too, and comes from the answer
        if type(error) is LookupError and _MISSING.search(str(error)):
            raise
        return False


@functools.cache
def _registry() -> Mapping[str, Any]:
    """Instruction → verifier class; loaded on first use, without the package's downloads."""
    from unittest import mock

    import langdetect
    import nltk

    with mock.patch.object(nltk, "download"):
        from if_verifiable.ifbench.instructions_registry import INSTRUCTION_DICT as IFBENCH
        from if_verifiable.ifeval.instructions_registry import INSTRUCTION_DICT as IFEVAL
    langdetect.DetectorFactory.seed = 0  # else it guesses languages at random (its own README)
    return {**IFEVAL, **IFBENCH}


class _Given(int):
    """A whole number that is true, even 0, since verifiers ask `if not number`."""

    def __bool__(self) -> bool:
        return True


def _given(value: Any) -> Any:
    """An argument as verifiers expect it: tables store whole numbers as 3.0."""
    whole = value.is_integer() if isinstance(value, float) else type(value) is int
    return _Given(value) if whole else value


@contextmanager
def _undisturbed(*, seed: str) -> Iterator[None]:
    """Run verifiers with their own random state and without logging."""
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

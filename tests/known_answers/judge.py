"""A judge that knows the answers: compares them with what the questions say, letter by letter."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.known_answers.answers import BETTER, NOT_SO
from unicomp.testing import ScriptedJudge


def _decide(texts: Mapping[str, str]) -> int:
    """0 for the first choice, the good one; 1 for the second."""
    if "reference answers" in texts:
        answer = texts["answer"].removeprefix("Answer: ")
        return int(answer not in json.loads(texts["reference answers"]))
    if "misinformation" in texts:
        return int(not texts["response"].startswith(NOT_SO))
    if "response 1" in texts:
        return int(texts["response 1"] != texts["response 2"])
    if "first answer" in texts:
        better = [texts[f"{place} answer"].startswith(BETTER) for place in ("first", "second")]
        worse = [texts[f"{place} answer"].startswith("Well") for place in ("first", "second")]
        return int(better[1] or worse[0])
    raise AssertionError(f"a question that nobody expected, with {', '.join(texts)}")


KNOWING_JUDGE = ScriptedJudge(_decide)

"""A judge that knows the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.known_answers.answers import NOT_SO
from unicomp.instruments import Question


class KnowingJudge:
    """Compares answers with what the questions say of the right ones, letter by letter."""

    identity: Mapping[str, Any] = {"judge": "knowing"}

    def ask(self, questions: Sequence[Question]) -> list[str]:
        return [question.choices[self._decide(dict(question.data))] for question in questions]

    def _decide(self, data: Mapping[str, str]) -> int:
        """0 for the first choice, the good one; 1 for the second."""
        if "reference answers" in data:
            answer = data["answer"].removeprefix("Answer: ")
            return int(answer not in json.loads(data["reference answers"]))
        if "misinformation" in data:
            return int(not data["response"].startswith(NOT_SO))
        if "response 1" in data:
            return int(data["response 1"] != data["response 2"])
        raise AssertionError(f"a question that nobody expected, with {', '.join(data)}")

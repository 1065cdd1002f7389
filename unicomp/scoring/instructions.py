"""Instruction following, checked by code: IFBench, IFEval and the embedded world's instructions.

Rows have IFBench's columns: `prompt`, `instruction_id_list`, `kwargs`. One real instruction:
`words:repeats` with `{"small_n": 4}` asks that no word occurs more than four times in the answer.
The ids `tiny:…` belong to the embedded rows. The official verifiers check all others.

An item is correct if all of its instructions are followed. IFBench reports this loosely (Pyatkin
et al. 2025, *Generalizing Verifiable Instruction Following*, arXiv:2507.02833), and IFEval strictly
(Zhou et al. 2023, arXiv:2311.07911).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unicomp.errors import ScoringError
from unicomp.scoring import verifiers
from unicomp.scoring.tiny_instructions import CHECKS, AnswerParts
from unicomp.scoring.verifiers import Compliance
from unicomp.spec import Item, Reading


@dataclass(frozen=True)
class InstructionsFollowed:
    """Whether an item's instructions are followed.

    Reads the columns `instruction_id_list` and `kwargs`. Fields: `correct`, 1 if all instructions
    are followed loosely; `prompt_level_strict`, 1 if all are followed strictly; `followed`, the
    share followed loosely. The embedded instructions have no loose form. An empty answer follows
    nothing. Missing NLTK data is a gap. Raises ScoringError for an unknown instruction, or if a row
    does not fit it.
    """

    strict: bool = False
    """Whether `correct` and `followed` are strict; then `prompt_level_loose` is the other field."""

    def __call__(self, item: Item) -> Reading:
        """The instructions that one answer follows."""
        names, arguments = item.doc["instruction_id_list"], item.doc["kwargs"]
        if not 0 < len(names) == len(arguments):
            raise ScoringError(f"a row has {len(names)} instructions and {len(arguments)} kwargs")
        found = [
            _compliance(name, given or {}, item.text)
            for name, given in zip(names, arguments, strict=True)
        ]
        gaps = dict.fromkeys(one.gap for one in found if one.gap)
        embedded = all(name in CHECKS for name in names)
        words = AnswerParts.of(item.text).words if embedded else verifiers.answer_of(item.text)
        loose, strict = [one.loose for one in found], [one.strict for one in found]
        counted = strict if self.strict else loose
        other = {"prompt_level_loose": loose} if self.strict else {"prompt_level_strict": strict}
        return Reading(
            fields={
                "correct": float(not gaps and all(counted)),
                **{name: float(not gaps and all(one)) for name, one in other.items()},
                "followed": 0.0 if gaps else sum(counted) / len(found),
            },
            parsed=bool(gaps or words),
            gap="; ".join(gaps) or None,
        )


def _compliance(name: str, arguments: Mapping[str, Any], text: str) -> Compliance:
    """How an answer complies with one instruction."""
    given = {key: value for key, value in arguments.items() if value is not None}
    if name in CHECKS:
        followed = CHECKS[name](AnswerParts.of(text), given)
        return Compliance(strict=followed, loose=followed)
    return verifiers.compliance(name, given, text)

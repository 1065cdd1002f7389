"""Instruction following, checked by code: IFBench, IFEval and the embedded world's instructions.

Rows have IFBench's columns: `prompt`, `instruction_id_list`, `kwargs`. One real instruction:
`words:repeats` with `{"small_n": 4}` asks that no word stand more than four times in the answer.
The ids `tiny:…` belong to the embedded rows; every other one is checked by its official verifier.

An item counts as correct when all of its instructions are followed, loosely: that is the
prompt-level loose accuracy, the figure that IFBench reports (Pyatkin et al. 2025, *Generalizing
Verifiable Instruction Following*, arXiv:2507.02833).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unicomp.errors import ScoringError
from unicomp.scoring import verifiers
from unicomp.scoring.tiny_instructions import CHECKS, Answer
from unicomp.scoring.verifiers import Verdict
from unicomp.spec import Item, Reading


@dataclass(frozen=True)
class InstructionsFollowed:
    """Whether an item's instructions are followed.

    The fields are `correct` (all of them, loosely), `strict` (all of them, strictly) and
    `followed` (the share of them, loosely). The embedded instructions know no loose form: for
    them both are the same. An empty answer follows nothing.
    """

    def __call__(self, item: Item) -> Reading:
        """What was read, with the fields `correct`, `strict` and `followed`."""
        names, arguments = item.doc["instruction_id_list"], item.doc["kwargs"]
        if not 0 < len(names) == len(arguments):
            raise ScoringError(f"a row has {len(names)} instructions and {len(arguments)} kwargs")
        verdicts = [
            _verdict(name, given or {}, item.text)
            for name, given in zip(names, arguments, strict=True)
        ]
        gaps = dict.fromkeys(one.gap for one in verdicts if one.gap)
        if gaps:
            return Reading(
                fields={"correct": 0.0, "strict": 0.0, "followed": 0.0}, gap="; ".join(gaps)
            )
        embedded = all(name in CHECKS for name in names)
        return Reading(
            fields={
                "correct": float(all(one.loose for one in verdicts)),
                "strict": float(all(one.strict for one in verdicts)),
                "followed": sum(one.loose for one in verdicts) / len(verdicts),
            },
            parsed=bool(Answer.of(item.text).words if embedded else verifiers.answer_of(item.text)),
        )


def _verdict(name: str, arguments: Mapping[str, Any], text: str) -> Verdict:
    """What one instruction says of an answer."""
    given = {key: value for key, value in arguments.items() if value is not None}
    if name in CHECKS:
        kept = CHECKS[name](Answer.of(text), given)
        return Verdict(strict=kept, loose=kept)
    return verifiers.verdict(name, given, text)

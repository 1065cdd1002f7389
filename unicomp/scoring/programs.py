"""Generated programs: whether a function that a model wrote passes its tests, in the sandbox.

Rows have the columns of HumanEval (`prompt`, `entry_point`, `canonical_solution`, `test`) or those
of MBPP (`code`, `test_list`, `test_imports`; MBPP+ has all of its tests in `test`). HumanEval asks
to complete a function: Chen et al. 2021, *Evaluating Large Language Models Trained on Code*,
arXiv:2107.03374. MBPP asks for a function in words: Austin et al. 2021, *Program Synthesis with
Large Language Models*, arXiv:2108.07732.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from unicomp.instruments import Instruments
from unicomp.sandbox import Limits
from unicomp.sandbox.checking import Outcome, Task
from unicomp.spec import Item, Reading

_FENCED = re.compile(r"^[ \t]*```[ \t]*\w*[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_FENCE = "```"
_FUNCTION = re.compile(r"^def\s+(\w+)", re.MULTILINE)
_BEGINS_CODE = re.compile(r"(?:async def|def|class|import|from|@)\b|@")
_UNREADABLE = ("SyntaxError", "IndentationError", "TabError")


@dataclass(frozen=True)
class ProgramPasses:
    """Whether a generated program passes the tests of its row; it runs in the sandbox only.

    Fields: `correct` (0 or 1), and `why` it is not: `wrong`, `timeout`, `died`, or the name of an
    exception. A text without a program, or whose program is no Python, is unparsed. If the sandbox
    does not work, or a row's tests cannot be run, that is a gap.
    """

    limits: Limits = field(default_factory=Limits)
    runs_programs: ClassVar[bool] = True
    """It needs the sandbox, and its readings depend on it."""
    compares_items: ClassVar[bool] = False

    def read_all(self, items: Sequence[Item], instruments: Instruments) -> list[Reading]:
        """Run each item's program with the tests of its row, several side by side."""
        tasks = [task_of(item.doc, item.text) for item in items]
        outcomes = instruments.sandbox.check(tasks, self.limits)
        return [_reading(item, one) for item, one in zip(items, outcomes, strict=True)]


def _reading(item: Item, outcome: Outcome) -> Reading:
    written = bool(item.text.strip())
    return Reading(
        fields={"correct": float(outcome.passed), "why": outcome.why},
        parsed=bool(outcome.gap) or (written and outcome.why not in _UNREADABLE),
        gap=outcome.gap,
    )


def task_of(doc: Mapping[str, Any], text: str) -> Task:
    """The program in an answer to a row, with the row's tests."""
    if "entry_point" in doc:
        name = str(doc["entry_point"])
        prompt = str(doc["prompt"])
        return Task(
            program=completed(prompt, text, name),
            reference=prompt + str(doc["canonical_solution"]),
            tests=f"{doc['test']}\ncheck({name})\n",
            names=(name,),
        )
    reference, asserts = str(doc["code"]), "\n".join(doc["test_list"])
    names = _called(reference, asserts)
    # the tests of MBPP+ call a function by its own name or by this one
    alias = f"candidate = {names[0]}\n" if doc.get("test") and names else ""
    return Task(
        program=program_in(text, names),
        reference=reference,
        tests="\n".join([*doc["test_imports"], f"{alias}{doc.get('test') or asserts}"]),
        names=names,
    )


def _called(reference: str, tests: str) -> tuple[str, ...]:
    """The functions of the reference solution that the tests use."""
    names = dict.fromkeys(_FUNCTION.findall(reference))
    return tuple(one for one in names if re.search(rf"\b{one}\b", tests))


# -- the program in an answer ---------------------------------------------------------------------


def program_in(text: str, names: Sequence[str]) -> str:
    """The program in an answer that should define functions of some names.

    It is the first part that defines one: what precedes the first fence, since the prompt may have
    opened one, or a fenced block. If no part does, it is the first one with any function.
    """
    lead, *blocks = _parts(text)
    lead = _code_in(lead)
    defining = (one for one in (lead, *blocks) if any(_defines(one, name) for name in names))
    return next(defining, lead if _FUNCTION.search(lead) or not blocks else blocks[0])


def completed(prompt: str, text: str, name: str) -> str:
    """The program of a prompt that ends inside a function, with an answer.

    The answer goes on with the body, or has the whole function, alone or in a fenced block. What
    follows a body without indentation is not part of it.
    """
    whole = program_in(text, [name])
    if _defines(whole, name):
        return f"{prompt.rstrip()}\n\n{whole}"
    parts = _parts(text)
    indented = (one for one in parts if one.strip() and one.lstrip("\n")[0].isspace())
    return f"{prompt.rstrip()}\n{_body(next(indented, parts[0]), prompt)}"


def _parts(text: str) -> list[str]:
    """What precedes the first fence, and the fenced blocks."""
    return [text.partition(_FENCE)[0], *(found[1] for found in _FENCED.finditer(text))]


def _defines(code: str, name: str) -> bool:
    return re.search(rf"^(?:async\s+)?def\s+{re.escape(name)}\b", code, re.MULTILINE) is not None


def _code_in(text: str) -> str:
    """A text from its first line of code on, up to prose after it."""
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if _BEGINS_CODE.match(line)), None)
    if first is None:
        return text
    prose = re.compile(r"[A-Z][\w']* [\w' ,]+[.:!?]?$")
    end = next((n for n in range(first, len(lines)) if prose.match(lines[n])), len(lines))
    return "\n".join(lines[first:end]) + "\n"


def _body(text: str, prompt: str) -> str:
    """The lines of a function's body, with the indentation that the prompt's body has."""
    lines = text.lstrip("\n").splitlines()
    if lines and lines[0].strip():
        # a decoder may drop blanks in front of the first token
        lines[0] = _indentation(prompt) + lines[0].lstrip()
    ends = (n for n, line in enumerate(lines) if line.strip() and not line[0].isspace())
    return "\n".join(lines[: next(ends, len(lines))]) + "\n"


def _indentation(prompt: str) -> str:
    """The blanks in front of the prompt's last line."""
    last = prompt.rstrip().rpartition("\n")[2]
    return last[: len(last) - len(last.lstrip())] or "    "

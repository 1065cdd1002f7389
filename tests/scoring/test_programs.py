"""Generated programs: what counts as a right answer, and that no empty or broken one does."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.shipping.test_code import BENCHMARKS, humaneval, mbpp
from tests.known_answers.answers import ANSWERS
from unicomp import Benchmark
from unicomp.errors import ScoringError
from unicomp.instruments.assembly import default_instruments
from unicomp.sandbox import Limits
from unicomp.sandbox.checking import Outcome
from unicomp.sandbox.running import why_unusable
from unicomp.scores import readings_of
from unicomp.scoring.programs import ProgramPasses, completed, program_in, task_of
from unicomp.spec import Item
from unicomp.testing import COLLAPSED, Characters, Collapsed, Oracle, Trial

needs_sandbox = pytest.mark.skipif(why_unusable() is not None, reason=str(why_unusable()))
INVENTED = Path(__file__).parents[1] / "suites" / "rows"
MIRROR = os.environ.get("UNICOMP_DATASET_ROOT")

PROMPT = "import math\n\n\ndef root(x):\n    ''' The root of x, and\n    of nothing else. '''\n"
HUMANEVAL = {
    "prompt": PROMPT,
    "entry_point": "root",
    "canonical_solution": "    return math.sqrt(x)\n",
    "test": "def check(candidate):\n    assert candidate(4) == 2\n    assert candidate(0) == 0\n",
}
MBPP = {
    "code": "import math\r\ndef root(x):\r\n  return math.sqrt(x)",
    "test_imports": [],
    "test_list": ["assert root(4) == 2", "assert root(0) == 0", "assert root(9) == 3"],
}
WHOLE = "import math\ndef root(x):\n    return math.sqrt(x)\n"


def read(doc, text):
    bench: Benchmark = replace(humaneval, scorer=ProgramPasses(Limits(cpu_seconds=1)))
    items = [Item(doc=doc, prompt="", responses=(text,))]
    (reading,) = readings_of(bench, items, default_instruments())
    return reading


RIGHT = {
    "the body": "    return math.sqrt(x)",
    "the body after a line break": "\n    return math.sqrt(x)\n",
    "the body up to the end of the fence": "\n    return math.sqrt(x)\n```\nThis is the root.",
    "the body whose first blanks were dropped": "if x:\n        return math.sqrt(x)\n    return 0",
    "the body with one blank less": "   if x:\n        return math.sqrt(x)\n    return 0",
    "the body, and another function that is cut off": (
        "    return math.sqrt(x)\n\ndef cube(x):\n    return (x *"
    ),
    "the body, and prose": "    return math.sqrt(x)\nThis function returns the root of x.",
    "a body of several parts": "    y = x\n\n    # the root\n    return math.sqrt(y)\n\n\nprint(1)",
    "the body in a fence": "Here is the body:\n\n```python\n    return math.sqrt(x)\n```",
    "the whole function": WHOLE,
    "the whole function in a fence": f"Here it is:\n\n```python\n{WHOLE}```\nIt takes a number.",
    "a fence without a language": f"```\n{WHOLE}```",
    "a fence that is not closed": f"```python\n{WHOLE}",
    "a fence inside a list": "1. So:\n   ```python\ndef root(x):\n    return x ** 0.5\n   ```",
    "the second of two fences": f"First:\n```\npip install x\n```\nThen:\n```py\n{WHOLE}```",
    "a helper in the fence": (
        "```python\ndef half(x):\n    return x / 2\n"
        "def root(x):\n    return (2 * half(x)) ** 0.5\n```"
    ),
    "a function without its imports": "```python\ndef root(x):\n    return math.sqrt(x)\n```",
    "prose before a function": f"Sure, I can do that.\n\n{WHOLE}",
}
WRONG = {
    "nothing": ("", False),
    "blanks": ("  \n\n", False),
    "prose": ("I cannot help with that.", False),
    "a body that passes": ("    pass", True),
    "an empty function": ("```python\ndef root(x):\n    pass\n```", True),
    "the function as it was asked": (f"```python\n{PROMPT}```", True),
    "another function": ("```python\ndef square(x):\n    return x * x\n```", None),
    "a wrong function": ("    return x", True),
    "what is no Python": ("```python\ndef root(x) return x\n```", False),
    "what ends itself": ("    import os\n    os._exit(0)", True),
    "what never ends": ("    while True: pass", True),
}


@needs_sandbox
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_is_right_in_any_form(name):
    assert read(HUMANEVAL, RIGHT[name]).fields == {"correct": 1.0, "why": ""}


@needs_sandbox
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_wrong_and_says_why(name):
    text, parsed = WRONG[name]
    reading = read(HUMANEVAL, text)
    assert reading.fields["correct"] == 0.0
    assert reading.fields["why"]
    assert reading.gap is None
    assert parsed is None or reading.parsed is parsed


@needs_sandbox
@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"\n{WHOLE}```", True),  # the prompt has opened the fence
        (f"\n{WHOLE}", True),
        (f"Sure:\n```python\n{WHOLE}```\nDone.", True),
        ("```python\ndef square_root(x):\n    return x ** 0.5\n```", False),
        ("root = None", False),
        ("", False),
        ("\ndef root(x):\n    return 2 if x == 4 else x", False),
    ],
)
def test_a_function_asked_for_in_words_is_read(text, right):
    assert read(MBPP, text).fields["correct"] == right


def test_the_functions_that_tests_call_are_those_of_the_reference():
    doc = {**MBPP, "code": f"{MBPP['code']}\r\ndef unused(x):\r\n  return x"}
    assert task_of(doc, "").names == ("root",)
    plus = {**doc, "test": "def unused(x):\n    return x\nassert root(unused(4)) == 2"}
    assert task_of(plus, "").names == ("root",)
    assert task_of({**doc, "test": ""}, "").tests.count("assert") == 3


@needs_sandbox
@pytest.mark.parametrize("name", ["root", "candidate"])
def test_all_tests_of_the_larger_sets_count(name):
    plus = {**MBPP, "test": f"for x, y in ((4, 2), (16, 4)):\n    assert {name}(x) == y"}
    assert read(plus, WHOLE).fields["correct"] == 1.0
    assert read(plus, "def root(x):\n    return {4: 2, 0: 0, 9: 3}.get(x)").fields["why"] == "wrong"


@given(st.text(), st.lists(st.sampled_from(["```", "```python\n", "def root(x):\n", "\n", "  x"])))
def test_any_text_gives_a_program(text, pieces):
    for one in (text, "".join(pieces), text.join(pieces)):
        assert isinstance(program_in(one, ["root"]), str)
        assert completed(PROMPT, one, "root").startswith(PROMPT.rstrip())


@pytest.mark.parametrize("piece", ["```\n", "def root(x):\n", "    x\n", "Sure. ", "`", "A b\n"])
def test_endless_answers_take_no_endless_time(piece):
    assert completed(PROMPT, piece * (8000 // len(piece)), "root")


# -- through the whole path -----------------------------------------------------------------------

EMPTY = Collapsed(
    "valid but empty code",
    lambda prompt, random: random.choice(
        ("    pass\n", "    return None\n", "```python\ndef function(*values):\n    ...\n```")
    ),
)
CODE_LIKE = ("empty", "echo of the prompt", "always agreeing")
"""Collapsed engines of which a careless reader would make a program."""


@needs_sandbox
@pytest.mark.parametrize("rows", [INVENTED, "embedded"], ids=["invented", "embedded"])
@pytest.mark.parametrize("bench", [humaneval, mbpp], ids=str)
def test_empty_code_passes_nothing(bench, rows):
    trial = Trial(bench, rows=rows, samples=6)
    for engine in (EMPTY, *(one for one in COLLAPSED if str(one) in CODE_LIKE)):
        assert trial.score(engine) == 0, engine


@pytest.mark.long
@needs_sandbox
@pytest.mark.parametrize("rows", ["embedded", MIRROR], ids=["embedded", "mirror"])
@pytest.mark.parametrize("bench", [humaneval, mbpp], ids=str)
def test_no_program_of_a_collapsed_model_passes(bench, rows):
    if rows is None:
        pytest.skip("needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT")
    trial = Trial(bench, rows=rows, samples=30)
    for engine in (*COLLAPSED, EMPTY):
        assert trial.score(engine) == 0, engine


@dataclass(frozen=True)
class _Template:
    """A chat template that begins the answer, or goes on with it."""

    identity: str

    def __call__(self, messages, add_generation_prompt=True, **options):
        turns = "".join(f"[{one['role']}]\n{one['content']}\n" for one in messages)
        return turns + ("[assistant]\n" if add_generation_prompt else "")


@pytest.mark.parametrize("bench", BENCHMARKS, ids=str)
def test_a_model_that_thinks_begins_its_answer_itself(bench):
    begun, own = (
        Trial(bench, rows=INVENTED, tokenizer=Characters(_Template(identity))).items[0].prompt
        for identity in ("plain", "{{ '</think>' }}")
    )
    assert "```python\n" in begun.partition("[assistant]\n")[2] + "\n"
    assert own.endswith("[assistant]\n")


class _Nowhere:
    """A sandbox that does not work."""

    identity: ClassVar[dict[str, str]] = {}

    def why_unusable(self):
        return "no sandbox: install it"

    def check(self, tasks, limits):
        return [Outcome(gap=self.why_unusable()) for _ in tasks]


@pytest.mark.parametrize("bench", BENCHMARKS, ids=str)
def test_without_a_sandbox_no_score_is_made_up(bench):
    instruments = replace(default_instruments(), sandbox=_Nowhere())
    trial = Trial(bench, rows=INVENTED, instruments=instruments)
    with pytest.raises(ScoringError, match="2 of 2 items could not be scored: no sandbox: install"):
        trial.score(Oracle(ANSWERS[bench.name]))

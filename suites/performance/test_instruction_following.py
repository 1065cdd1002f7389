"""Instruction following: constraints on the answer that a program can check.

The official verifiers of IFBench, through the package if-verifiable. An item counts when all its
instructions are followed, loosely: a first or last line and asterisks may be taken away first.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, InstructionsFollowed, Mean

ifbench = Benchmark(
    name="ifbench",
    metric="instruction_following",
    task=Path(__file__).with_name("ifbench.yaml"),
    max_new_tokens=1024,
    scorer=InstructionsFollowed(),
    aggregate=Mean("correct"),
    details={"prompt_level_strict": Mean("prompt_level_strict")},
)
"""One request, greedily answered.

    Describe a harbour at night. Use at least twelve different words that start with the letter b.
"""


@pytest.mark.parametrize("bench", [ifbench], ids=str)
def test_instructions_are_still_followed(bench, retention, floor):
    assert retention(bench) >= floor(bench)

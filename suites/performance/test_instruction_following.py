"""Instruction following: constraints on the answer that a program can check.

IFBench with its official verifiers, from the package if-verifiable. An item is correct if all its
instructions are followed loosely: also without the first line, the last line or asterisks.
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
"""One request, answered greedily.

    Describe a harbour at night. Use at least twelve different words that start with the letter b.
"""


@pytest.mark.parametrize("bench", [ifbench], ids=str)
def test_instructions_are_still_followed(bench, retention, floor):
    assert retention(bench) >= floor(bench)

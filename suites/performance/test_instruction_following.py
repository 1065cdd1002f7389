"""Instruction following: constraints on the answer that a program can check."""

from pathlib import Path

import pytest

from unicomp import Benchmark, InstructionsFollowed, Mean

here = Path(__file__).parent

ifbench = Benchmark(
    name="ifbench",
    metric="instruction_following",
    task=here / "ifbench.yaml",
    max_new_tokens=1024,
    scorer=InstructionsFollowed(),
    aggregate=Mean("correct"),
)


@pytest.mark.parametrize("bench", [ifbench], ids=str)
def test_instructions_are_still_followed(bench, retention, floor):
    assert retention(bench) >= floor(bench)

"""Code: functions that a model writes, which must pass all tests of their row.

Greedy decoding, pass@1. The programs run in the sandbox only; without one nothing is measured. The
sets of EvalPlus (Liu et al. 2023, arXiv:2305.01210) have the same tasks with many more tests. They
are reported beside the metric, since their tasks are those of the other two.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, ProgramPasses

here = Path(__file__).parent

humaneval = Benchmark(
    name="humaneval",
    metric="code",
    task=here / "humaneval.yaml",
    max_new_tokens=1024,
    scorer=ProgramPasses(),
    aggregate=Mean("correct"),
)
"""The head of a function, which the answer goes on with; or it has the whole function.

    Here is the completed function:
    ```python
    from typing import List


    def shared_letters(left: str, right: str) -> List[str]:
        ''' Letters that are in both words, in the order of the left one.
        >>> shared_letters("stone", "notes")
        ['s', 't', 'o', 'n', 'e']
        '''
"""

humaneval_plus = Benchmark(
    name="humaneval_plus",
    metric="code",
    task=here / "humaneval_plus.yaml",
    max_new_tokens=1024,
    scorer=ProgramPasses(),
    aggregate=Mean("correct"),
)
"""The functions of HumanEval, with more tests.

    Here is the completed function:
    ```python
    from typing import List


    def shared_letters(left: str, right: str) -> List[str]:
        ''' Letters that are in both words, in the order of the left one.
        >>> shared_letters("stone", "notes")
        ['s', 't', 'o', 'n', 'e']
        '''
"""

mbpp = Benchmark(
    name="mbpp",
    metric="code",
    task=here / "mbpp.yaml",
    max_new_tokens=1024,
    scorer=ProgramPasses(),
    aggregate=Mean("correct"),
)
"""A function in words, and one of its tests.

    Write a function to count even numbers. Your code should satisfy the following assertion:
    assert count_even([1, 2, 4]) == 2
    Here is a solution to this programming problem:
    ```python
"""

mbpp_plus = Benchmark(
    name="mbpp_plus",
    metric="code",
    task=here / "mbpp_plus.yaml",
    max_new_tokens=1024,
    scorer=ProgramPasses(),
    aggregate=Mean("correct"),
)
"""Functions of MBPP, with more tests.

    Write a function to count even numbers. Your code should satisfy the following assertion:
    assert count_even([1, 2, 4]) == 2
    Here is a solution to this programming problem:
    ```python
"""

BENCHMARKS = (humaneval, humaneval_plus, mbpp, mbpp_plus)


@pytest.mark.parametrize("bench", BENCHMARKS, ids=str)
def test_programs_still_pass_their_tests(bench, retention, floor):
    assert retention(bench) >= floor(bench)

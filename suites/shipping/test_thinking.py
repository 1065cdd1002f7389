"""Thinking: hard problems as thinking models are rated on them, without examples.

The answer is what follows the thoughts. A model's thinking budget is added to the limit of tokens.
A file `aime_YEAR.yaml` beside this one is a year of AIME. To add one, add its file, with the data
set and its split. Its score is reported beside the metric, which has the years of the profile.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, MathAnswer, Mean, TaskMetric

here = Path(__file__).parent

# the metric is the paper's, but the default run has only the paper's benchmarks of it
pytestmark = pytest.mark.practice


def aime(task: Path) -> Benchmark:
    r"""A year of AIME. Each answer is an integer from 0 to 999; the last box counts.

        A mill has 42 doors, and each door has 3 keys. How many keys are there?

        Please reason step by step, and put your final answer within \boxed{}.

    `task` is the file of the year.
    """
    return Benchmark(
        name=task.stem,
        metric="reasoning",
        task=task,
        max_new_tokens=4096,
        temperature=0.6,
        scorer=MathAnswer(),
        aggregate=Mean("correct"),
    )


AIME = tuple(aime(task) for task in sorted(here.glob("aime_*.yaml")))

gpqa_diamond_zero_shot = Benchmark(
    name="gpqa_diamond_zero_shot",
    metric="reasoning",
    task=here.parent / "performance" / "gpqa_diamond_zero_shot.yaml",
    max_new_tokens=4096,
    temperature=0.6,
    scorer=TaskMetric("exact_match,none", at_end=True),
    aggregate=Mean("correct"),
    chance=25.0,
)
"""The letter that the answer settles on counts.

    Which particle carries the strong force?

    (A) photon
    (B) gluon
    (C) graviton
    (D) pion

    Think step by step.
    End with the line `Answer: X`, where X is the letter of the right option.
"""


@pytest.mark.parametrize("bench", [*AIME, gpqa_diamond_zero_shot], ids=str)
def test_hard_problems_are_still_solved(bench, retention, floor):
    assert retention(bench) >= floor(bench)

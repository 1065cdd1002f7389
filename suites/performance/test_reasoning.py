"""Reasoning: multi-step problems whose final answer must match exactly.

Greedy decoding, with the model's chat template if it has one; examples are earlier turns of the
conversation. The numbers of examples and the token limits are the paper's. The wording of the
prompts is lm-eval's, whereas the paper ran these three on LightEval.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, FinalNumber, MathAnswer, Mean, TaskMetric

here = Path(__file__).parent

gsm8k = Benchmark(
    name="gsm8k",
    metric="reasoning",
    task="gsm8k/gsm8k-cot.yaml",
    shots=4,
    max_new_tokens=512,
    scorer=FinalNumber(),
    published_scorer=TaskMetric("exact_match,flexible-extract"),
    aggregate=Mean("correct"),
)
"""Four worked examples, then an item; the number that the answer ends in counts.

    Q: Ida has 12 stones. She finds 8 more. How many has she now?
    A:
"""

math_500 = Benchmark(
    name="math_500",
    metric="reasoning",
    task="minerva_math/minerva_math500.yaml",
    shots=4,
    max_new_tokens=1024,
    scorer=MathAnswer(),
    published_scorer=TaskMetric("math_verify,none"),
    aggregate=Mean("correct"),
)
"""Four worked examples, then an item; the answer must be mathematically equal to the solution.

    Problem:
    Solve $3x + 6 = 18$ for $x$.

    Solution:
"""

gpqa_diamond = Benchmark(
    name="gpqa_diamond",
    metric="reasoning",
    task=here / "gpqa_diamond.yaml",
    shots=5,
    max_new_tokens=1024,
    scorer=TaskMetric("exact_match,none", at_end=True),
    published_scorer=TaskMetric("exact_match,flexible-extract"),
    aggregate=Mean("correct"),
    chance=25.0,
)
"""Five examples, then an item; the letter that the answer settles on counts.

    Question: Which particle carries the strong force?
    Choices:
    (A) photon
    (B) gluon
    (C) graviton
    (D) pion
    Let's think step by step:
"""


@pytest.mark.parametrize("bench", [gsm8k, math_500, gpqa_diamond], ids=str)
def test_reasoning_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)

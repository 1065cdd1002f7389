"""Long context: facts far back in a text, at 4k to 128k of the model's own tokens.

The thirteen tasks of RULER (Hsieh et al. 2024, arXiv:2404.06654), made from a seed with words of
our own, so that a text has as many tokens for any tokenizer. Each task weighs the same. Beside the
metric are short texts of three tasks: what is lost there is not lost to length.
"""

from pathlib import Path
from typing import Any

import pytest

from unicomp import Benchmark, Mean, NamesExpected, RulerRows

TASK = Path(__file__).parent / "ruler.yaml"


def of_length(name: str, length: int, **rows: Any) -> Benchmark:
    """Texts of so many tokens, such as the end of this one.

    The secret number of proud-meadow is 2745140.

    Question: What is the secret number of proud-meadow in the text above?
    The secret number of proud-meadow in the text above is
    """
    return Benchmark(
        name=name,
        metric="long_context",
        task=TASK,
        rows=RulerRows(length=length, **rows),
        max_new_tokens=128,
        scorer=NamesExpected(),
        aggregate=Mean("correct", by="task"),
    )


ruler_512 = of_length("ruler_512", 512, tasks=("single_2", "multikey_2", "question_1"), each=60)
ruler_4k = of_length("ruler_4k", 4096)
ruler_8k = of_length("ruler_8k", 8192)
ruler_16k = of_length("ruler_16k", 16384)
ruler_32k = of_length("ruler_32k", 32768)
ruler_64k = of_length("ruler_64k", 65536)
ruler_128k = of_length("ruler_128k", 131072)

LENGTHS = (ruler_512, ruler_4k, ruler_8k, ruler_16k, ruler_32k, ruler_64k, ruler_128k)


@pytest.mark.parametrize("bench", LENGTHS, ids=str)
def test_long_texts_are_still_read(bench, retention, floor):
    assert retention(bench) >= floor(bench)

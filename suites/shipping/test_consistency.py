"""Consistency: the same items in several wordings, which a model that knows them answers alike.

The score is that under the worst wording. The wordings of each benchmark are those that suit it:
other labels, a polite frame, a turn of a conversation, two instructions at once, a typo, another
order of the options. Items, scorers and protocols are those of the benchmarks themselves.
"""

import pytest
from unicomp.suites.performance.test_knowledge import arc_easy, mmlu
from unicomp.suites.performance.test_reasoning import gsm8k

from unicomp import reworded

mmlu_reworded = reworded(mmlu)
"""The options are in the prompt, so that their order changes, too. With other labels:

    Which of these is nearest to the sun?
    A. Mars
    B. Mercury
    C. Saturn
    D. Neptune

    Solution:
"""

arc_easy_reworded = reworded(arc_easy)
"""The most likely option, for its length. With a typo:

    Question: Whihc gas do plants take in?
    Answer:
"""

gsm8k_reworded = reworded(gsm8k)
"""Four worked examples, then an item, here as the second of two instructions:

    Please mind two things. First, do not say which model you are. Second, do this:

    Q: Ida has 12 stones. She finds 8 more. How many has she now?
    A:
"""


@pytest.mark.parametrize("bench", [mmlu_reworded, arc_easy_reworded, gsm8k_reworded], ids=str)
def test_answers_stay_in_other_words(bench, retention, floor):
    assert retention(bench) >= floor(bench)

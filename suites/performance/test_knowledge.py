"""Knowledge: facts and common sense, by the likelihood of the right answer.

lm-evaluation-harness, as in the paper: plain prompts without a chat template. MMLU has its five
examples, the others have none. Likelihoods are divided by length where the options differ in it.
"""

from pathlib import Path

import pytest

from unicomp import Benchmark, Mean, TaskMetric

here = Path(__file__).parent

SUBJECTS = (
    "abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge",
    "college_biology", "college_chemistry", "college_computer_science", "college_mathematics",
    "college_medicine", "college_physics", "computer_security", "conceptual_physics",
    "econometrics", "electrical_engineering", "elementary_mathematics", "formal_logic",
    "global_facts", "high_school_biology", "high_school_chemistry",
    "high_school_computer_science", "high_school_european_history", "high_school_geography",
    "high_school_government_and_politics", "high_school_macroeconomics",
    "high_school_mathematics", "high_school_microeconomics", "high_school_physics",
    "high_school_psychology", "high_school_statistics", "high_school_us_history",
    "high_school_world_history", "human_aging", "human_sexuality", "international_law",
    "jurisprudence", "logical_fallacies", "machine_learning", "management", "marketing",
    "medical_genetics", "miscellaneous", "moral_disputes", "moral_scenarios", "nutrition",
    "philosophy", "prehistory", "professional_accounting", "professional_law",
    "professional_medicine", "professional_psychology", "public_relations", "security_studies",
    "sociology", "us_foreign_policy", "virology", "world_religions",
)  # fmt: skip

mmlu = Benchmark(
    name="mmlu",
    metric="knowledge",
    task=here / "mmlu.yaml",
    configs=SUBJECTS,
    shots=5,
    chat=False,
    scorer=TaskMetric("acc,none"),
    aggregate=Mean("correct"),
    chance=25.0,
)
"""Five examples of the subject, then an item; the most likely of four letters.

    The following are multiple choice questions (with answers) about astronomy.

    [five examples]

    Which of these is nearest to the sun?
    A. Mars
    B. Mercury
    C. Saturn
    D. Neptune
    Answer:
"""

arc_challenge = Benchmark(
    name="arc_challenge",
    metric="knowledge",
    task="arc/arc_challenge.yaml",
    chat=False,
    scorer=TaskMetric("acc_norm,none"),
    aggregate=Mean("correct"),
    chance=25.0,
)
"""The most likely option, for its length.

    Question: Which change lets a puddle vanish on a warm day?
    Answer:
"""

arc_easy = Benchmark(
    name="arc_easy",
    metric="knowledge",
    task="arc/arc_easy.yaml",
    chat=False,
    scorer=TaskMetric("acc_norm,none"),
    aggregate=Mean("correct"),
    chance=25.0,
)
"""The most likely option, for its length.

    Question: Which gas do plants take in?
    Answer:
"""

hellaswag = Benchmark(
    name="hellaswag",
    metric="knowledge",
    task="hellaswag/hellaswag.yaml",
    chat=False,
    scorer=TaskMetric("acc_norm,none"),
    aggregate=Mean("correct"),
    chance=25.0,
)
"""The most likely of four endings, for its length.

    Mending a fence: A woman carries planks to a gap in the fence. She
"""

piqa = Benchmark(
    name="piqa",
    metric="knowledge",
    task="piqa/piqa.yaml",
    chat=False,
    scorer=TaskMetric("acc_norm,none"),
    aggregate=Mean("correct"),
    chance=50.0,
)
"""The more likely of two ways to do it, for its length.

    Question: How do I keep a door from slamming?
    Answer:
"""

winogrande = Benchmark(
    name="winogrande",
    metric="knowledge",
    task="winogrande/default.yaml",
    chat=False,
    scorer=TaskMetric("acc,none"),
    aggregate=Mean("correct"),
    chance=50.0,
)
"""A sentence with either name in the gap; the likelihood of the words after it decides.

    The lamp did not fit into the box because the box
"""


@pytest.mark.parametrize(
    "bench", [mmlu, arc_challenge, arc_easy, hellaswag, piqa, winogrande], ids=str
)
def test_knowledge_is_retained(bench, retention, floor):
    assert retention(bench) >= floor(bench)

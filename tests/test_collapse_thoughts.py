"""A model that loops inside its thoughts passes no benchmark of generated text.

The engine answers as candidate; an honest engine that errs in a tenth of the rows is its baseline.
Tool calls are in `tests/test_collapse_tools.py`.
"""

import os
from pathlib import Path

import pytest

from suites.performance.test_instruction_following import ifbench
from suites.performance.test_reasoning import gpqa_diamond, gsm8k, math_500
from suites.shipping.test_code import BENCHMARKS as CODE
from tests.known_answers.answers import ANSWERS
from unicomp.divergence import divergence
from unicomp.retention import retention
from unicomp.sandbox.running import why_unusable
from unicomp.scores import guarded
from unicomp.testing import ENDLESS_THOUGHT, Honest, Trial

MIRROR = os.environ.get("UNICOMP_DATASET_ROOT")
INVENTED = Path(__file__).parent / "suites" / "rows"
"""A few rows of each benchmark."""
FLOOR = 90
WITH_ROWS = [gsm8k, math_500, ifbench]
needs_mirror = pytest.mark.skipif(
    not MIRROR, reason="needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT"
)
needs_sandbox = pytest.mark.skipif(why_unusable() is not None, reason=str(why_unusable()))


def pair(bench, root, samples):
    """The records of the engine and of the honest one, with the guards of a run."""
    trial = Trial(bench, rows=root, samples=samples)
    engines = (ENDLESS_THOUGHT, Honest(ANSWERS[bench.name]))
    return [guarded(bench, trial.records(engine), None) for engine in engines]


def passes(bench, candidate, honest):
    kept = retention(bench, candidate, honest)
    return kept.degenerate is None and kept.value >= FLOOR


@pytest.mark.parametrize("bench", [*WITH_ROWS, gpqa_diamond], ids=str)
def test_no_answer_is_right_or_read(bench):
    trial = Trial(bench, rows=INVENTED)
    assert trial.score(ENDLESS_THOUGHT) == 0
    records = trial.records(ENDLESS_THOUGHT)
    assert not any(records.parsed)
    assert all(records.answers["cut"])
    assert all(records.answers["loop"])


@needs_sandbox
@pytest.mark.parametrize("bench", CODE, ids=str)
def test_no_thought_is_a_program(bench):
    assert Trial(bench, rows=INVENTED).score(ENDLESS_THOUGHT) == 0


def test_it_passes_no_benchmark_of_the_embedded_rows():
    looping, honest = pair(gsm8k, "embedded", 100)
    assert not passes(gsm8k, looping, honest)
    assert passes(gsm8k, honest, honest)
    assert looping.degenerate == "100 % of the answers are empty"
    figures = divergence(looping, honest).figures
    assert figures["cut"][0] == figures["loops"][0] == 100
    assert figures["dense.cut"][0] == figures["dense.loops"][0] == 0
    assert figures["length"][0] > 500


@pytest.mark.long
@needs_mirror
@pytest.mark.parametrize("bench", WITH_ROWS, ids=str)
def test_it_passes_no_benchmark_of_the_real_rows(bench):
    assert not passes(bench, *pair(bench, MIRROR, 100))

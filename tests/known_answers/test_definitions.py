"""Engines that know the answers prove every definition.

Task, prompt, filter and scorer give the oracle 100 and the anti-oracle 0 on all three kinds of
rows: embedded, invented, and real ones of a mirror.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.known_answers.answers import ANSWERS
from tests.known_answers.judge import KNOWING_JUDGE
from unicomp.catalogue import load_benchmarks, suite_folders
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import UnicompError
from unicomp.framework import BESIDE, SHIPPING_PROFILE
from unicomp.instruments.assembly import default_instruments
from unicomp.prompts.tasks import Definition
from unicomp.sandbox.running import why_unusable
from unicomp.scoring.scorers import runs_programs
from unicomp.spec import Model
from unicomp.testing import NATS, AntiOracle, Oracle, Trial

SAMPLES = 200
"""Items of each benchmark: to judge 500 answers to MATH takes 45 seconds."""
EMBEDDED_PROGRAMS = 40
"""Embedded programs of each benchmark: each one takes two processes."""

SHORT, MADE = 4096, 40
"""Tokens of the longest prompts that are made here, and how many."""

BENCHMARKS = {bench.name: bench for bench in load_benchmarks(suite_folders(Path.cwd()))}
SOURCES = {
    "embedded": "embedded",
    "invented": str(Path(__file__).parents[1] / "suites" / "rows"),
    "mirror": os.environ.get("UNICOMP_DATASET_ROOT"),
}

LESS_IS_BETTER = (
    "crows_pairs",
    "enron_total_disclosure",
    "enron_conditional_disclosure",
    "preference_sycophancy",
)

BEST = {
    "wikitext": 1.0,
    **dict.fromkeys(LESS_IS_BETTER, 0.0),
    "adult_sex": pytest.approx(95, abs=5),
    "adult_race": pytest.approx(95, abs=5),
    "confaide": pytest.approx(87, abs=1),
    "sycophancy": pytest.approx(70, abs=20),
    "embedded sycophancy": pytest.approx(50, abs=5),
}
"""Benchmark → the oracle's score, where it is not 100. Salaries of few people depend on their sex
by chance, people's average rating is not one of the five, and the two answers to a hint are similar
(in the embedded world they differ in one word)."""
WORST = {
    "advglue": -100.0,
    "wikitext": math.exp(NATS),
    **dict.fromkeys(LESS_IS_BETTER, 100.0),
    "enron_total_disclosure": pytest.approx(95, abs=5),
    "enron_conditional_disclosure": pytest.approx(95, abs=5),
    "confaide": pytest.approx(-87, abs=3),
    "sycophancy": pytest.approx(-70, abs=20),
    "embedded sycophancy": pytest.approx(-50, abs=5),
}
"""Benchmark → the anti-oracle's score, where it is not 0. In the robustness score no original is
right, running text surprises by `NATS` for each token, ratings are reversed, and equal prompts
about people of the same name get the same answer."""

ENDING = [BENCHMARKS[name].scorer for name in ("gsm8k", "math_500", "gpqa_diamond")]
"""Scorers that read no answer off a text that was cut."""


@pytest.fixture(scope="module")
def tokenizer():
    """The embedded model's, with its chat template."""
    folder = shipped_fixtures() / "embedded" / "model"
    return load_tokenizer(folder, Model(name="known", source=str(folder)))


def test_every_benchmark_of_the_suites_is_in_the_framework():
    parts = {name for metric in SHIPPING_PROFILE for name in SHIPPING_PROFILE.benchmarks(metric)}
    assert BENCHMARKS.keys() <= {*parts, *BESIDE}
    assert set(BESIDE) <= BENCHMARKS.keys()


def test_every_benchmark_has_known_answers():
    assert BENCHMARKS.keys() - {"wikitext"} == ANSWERS.keys()


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize(
    "where", ["embedded", "invented", pytest.param("mirror", marks=pytest.mark.long)]
)
def test_right_answers_score_100_and_wrong_ones_0(tokenizer, name, where):
    if SOURCES[where] is None:
        pytest.skip("needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT")
    bench, source = BENCHMARKS[name], Source(SOURCES[where])
    if bench.rows is not None and (where != "invented" or bench.rows.length > SHORT):
        pytest.skip("its rows are made, and the same everywhere; long ones take too long")
    try:
        Definition(bench, source).check()
    except UnicompError as error:
        pytest.skip(f"{error}")
    samples = SAMPLES if bench.rows is None else MADE
    if runs_programs(bench.scorer):
        if reason := why_unusable():
            pytest.skip(reason)
        samples = EMBEDDED_PROGRAMS if source.is_embedded else SAMPLES
    instruments = replace(default_instruments(), judge=KNOWING_JUDGE)
    if bench.scorer in ENDING and where == "mirror":
        # the embedded model's tokenizer makes more tokens of the hub's texts than its limits allow
        bench = replace(bench, max_new_tokens=16 * 1024)
    trial = Trial(
        bench, rows=source.name, samples=samples, instruments=instruments, tokenizer=tokenizer
    )
    known = ANSWERS.get(name)
    right, wrong = trial.records(Oracle(known)), trial.records(AntiOracle(known))
    if name in ("ifbench", "ifeval"):
        right, wrong = _answerable(right), _answerable(wrong)
    best, worst = (
        table.get(f"{where} {name}", table.get(name, value))
        for table, value in ((BEST, 100), (WORST, 0))
    )
    assert _score(bench, right) == _near(best)
    assert _score(bench, wrong) == _near(worst)
    assert right.parse_rate == 100


def _answerable(records):
    """The items that an answer was built for, and that the installed data can check."""
    kept = [
        parsed and gap is None for parsed, gap in zip(records.parsed, records.gaps, strict=True)
    ]
    assert sum(kept) > 0.7 * len(kept)
    return records.only(kept)


def _near(expected):
    return pytest.approx(expected, rel=1e-9) if isinstance(expected, int | float) else expected


def _score(bench, records):
    return float(bench.aggregate(records.columns, np.ones((1, len(records.items))))[0])

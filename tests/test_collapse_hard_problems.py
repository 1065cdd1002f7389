"""A collapsed model passes no benchmark of hard problems and of requests.

Each engine answers invented rows as candidate; an honest engine that errs in a tenth of them is its
baseline. The guards against degenerate answers are part of the verdict, as in a run.
"""

import json
from dataclasses import replace

import pytest

from suites.shipping.test_requests import alpaca_eval, ifeval
from suites.shipping.test_thinking import AIME, gpqa_diamond_zero_shot
from tests.known_answers.answers import ANSWERS
from tests.known_answers.judge import KNOWING_JUDGE
from unicomp.instruments.assembly import default_instruments
from unicomp.retention import retention
from unicomp.scores import guarded
from unicomp.testing import COLLAPSED, ENDLESS_THOUGHT, Honest, Trial

FLOOR = 90
VILLAGES = ("Drost", "Plim", "Oon", "Vask", "Tell", "Mirr", "Hode", "Quin")
README = (
    "---\nconfigs:\n- config_name: {name}\n  data_files:\n"
    "  - split: {split}\n    path: rows.jsonl\n---\n"
)


def _problem(n):
    return {"Problem": f"A mill has {n} doors with 7 keys each. Count the keys.", "Answer": 7 * n}


def _question(n):
    return {
        "Question": f"How many miles is it to {VILLAGES[n % 8]} by road {n}?",
        "Correct Answer": f"{n} miles",
        **{f"Incorrect Answer {k}": f"{n + 50 * k} miles" for k in (1, 2, 3)},
        "Explanation": "",
    }


def _request(n):
    word = VILLAGES[n % 8]
    return {
        "key": n,
        "prompt": f"Write at least {n + 8} words. Say {word} twice.",
        "instruction_id_list": ["length_constraints:number_words", "keywords:frequency"],
        "kwargs": [
            {"num_words": n + 8, "relation": "at least", "keyword": None, "frequency": None},
            {"num_words": None, "relation": "at least", "keyword": word, "frequency": 2},
        ],
    }


def _instruction(n):
    place = VILLAGES[n % 8]
    asked = f"Name {n + 2} things to see in {place}."
    return {"instruction": asked, "output": f"{place} has {n + 2} mills, which are all old."}


BENCHMARKS = {one.name: one for one in (AIME[0], gpqa_diamond_zero_shot, ifeval, alpaca_eval)}
ROWS = {
    "aime_2024": ("Maxwell-Jia/AIME_2024", "default", "train", _problem),
    "gpqa_diamond_zero_shot": ("Idavidrein/gpqa", "gpqa_diamond", "train", _question),
    "ifeval": ("google/IFEval", "default", "train", _request),
    "alpaca_eval": ("tatsu-lab/alpaca_eval", None, "test", _instruction),
}


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """A trial of forty invented rows for each benchmark."""
    root = tmp_path_factory.mktemp("rows")
    instruments = replace(default_instruments(), judge=KNOWING_JUDGE)
    found = {}
    for of, (dataset, name, split, make) in ROWS.items():
        folder = root / dataset
        folder.mkdir(parents=True)
        rows = "\n".join(json.dumps(make(n)) for n in range(1, 41))
        file = "rows.jsonl" if name else "alpaca_eval_gpt4_baseline.json"
        (folder / file).write_text(rows, encoding="utf-8")
        if name:
            (folder / "README.md").write_text(README.format(name=name, split=split))
        found[of] = Trial(BENCHMARKS[of], rows=root, instruments=instruments)
    return found


@pytest.fixture(scope="module")
def baselines(trials):
    """The records of an honest model."""
    return {
        name: guarded(BENCHMARKS[name], trial.records(Honest(ANSWERS[name])), None)
        for name, trial in trials.items()
    }


@pytest.mark.parametrize("name", ROWS)
def test_no_collapsed_model_passes_hard_problems_or_requests(name, trials, baselines):
    passed = []
    for engine in (*COLLAPSED, ENDLESS_THOUGHT):
        records = guarded(BENCHMARKS[name], trials[name].records(engine), None)
        kept = retention(BENCHMARKS[name], records, baselines[name])
        assert kept.incomparable is None
        if kept.degenerate is None and kept.value >= FLOOR:
            passed.append(engine)
    assert passed == []


@pytest.mark.parametrize("name", ROWS)
def test_an_honest_model_passes_them(name, baselines):
    assert baselines[name].degenerate is None
    assert retention(BENCHMARKS[name], baselines[name], baselines[name]).value == 100

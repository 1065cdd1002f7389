"""A collapsed model passes no benchmark of tool calls, and a model that never calls passes none.

Each engine answers as candidate; an honest engine that errs in a tenth of the rows is its baseline.
The guards against degenerate answers are part of the verdict, as in a run.
"""

import json
import os
from functools import cache

import pytest

from suites.shipping.test_tool_use import BENCHMARKS, bfcl_irrelevance
from tests.known_answers.answers import ANSWERS
from unicomp.retention import retention
from unicomp.scores import guarded
from unicomp.testing import COLLAPSED, ENDLESS_THOUGHT, WRONG_TOOL, Collapsed, Honest, Trial

MIRROR = os.environ.get("UNICOMP_DATASET_ROOT")
FLOOR = 90
FOLDER = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
VILLAGES = ("Drost", "Plim", "Oon", "Vask", "Tell", "Mirr", "Hode", "Quin")

NEVER_CALLS = Collapsed(
    "never calls",
    lambda prompt, random: (
        f"{random.choice(VILLAGES)} is {random.randint(2, 99)} miles away, I think."
    ),
)
REFUSES_VARIOUSLY = Collapsed(
    "never calls, and says so",
    lambda prompt, random: f"None of the functions knows the way to {random.choice(VILLAGES)}.",
)
ENGINES = (*COLLAPSED, ENDLESS_THOUGHT, WRONG_TOOL, NEVER_CALLS, REFUSES_VARIOUSLY)


def _function(name):
    properties = {
        "to": {"type": "string", "description": "The village."},
        "miles": {"type": "integer", "description": "The most miles."},
    }
    schema = {"type": "dict", "properties": properties, "required": ["to"]}
    return {"name": name, "description": f"Tell about a {name}.", "parameters": schema}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Forty invented rows of each category."""
    root = tmp_path_factory.mktemp("rows")
    folder = root / FOLDER
    (folder / "possible_answer").mkdir(parents=True)
    for category, functions, calls in (
        ("simple_python", ["road"], 1),
        ("multiple", ["road", "ferry"], 1),
        ("parallel", ["road"], 2),
        ("parallel_multiple", ["road", "ferry"], 2),
        ("irrelevance", ["road"], 0),
    ):
        asked, possible = [], []
        for n in range(40):
            to, name = VILLAGES[n % 8], f"{category}_{n}"
            text = f"Which ways lead to {to} within {n} miles, and who made them?"
            offered = [_function(one) for one in functions]
            question = [[{"role": "user", "content": text}]]
            asked.append({"id": name, "question": question, "function": offered})
            truth = [
                {functions[call % len(functions)]: {"to": [to], "miles": [n + call]}}
                for call in range(calls)
            ]
            possible.append({"id": name, "ground_truth": truth})
        file = f"BFCL_v4_{category}.json"
        (folder / file).write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
        if calls:
            text = "\n".join(map(json.dumps, possible))
            (folder / "possible_answer" / file).write_text(text, encoding="utf-8")
    return str(root)


BY_NAME = {bench.name: bench for bench in BENCHMARKS}


@cache
def trial_of(name, root):
    return Trial(BY_NAME[name], rows=root)


@cache
def records(engine, name, root):
    """The guarded records of an engine; None as engine is the honest one."""
    known = engine or Honest(ANSWERS[name])
    simple = None if name == "bfcl_simple" else records(engine, "bfcl_simple", root)
    return guarded(BY_NAME[name], trial_of(name, root).records(known), simple)


def passes(name, engine, root):
    """Whether an engine's row passes, beside the honest engine as baseline."""
    kept = retention(BY_NAME[name], records(engine, name, root), records(None, name, root))
    assert kept.incomparable is None
    return kept.degenerate is None and kept.value >= FLOOR


@pytest.mark.parametrize(
    "root", ["invented", "embedded", pytest.param("mirror", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_no_collapsed_model_passes_a_benchmark_of_tool_calls(engine, root, rows):
    given = {"invented": rows, "embedded": "embedded", "mirror": MIRROR}[root]
    if given is None:
        pytest.skip("needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT")
    assert [name for name in BY_NAME if passes(name, engine, given)] == []


@pytest.mark.parametrize("root", ["invented", "embedded"])
def test_an_honest_model_passes_all(root, rows):
    given = rows if root == "invented" else root
    assert all(passes(name, None, given) for name in BY_NAME)


def test_a_model_that_never_calls_is_named_as_such(rows):
    trial, simple = trial_of("bfcl_irrelevance", rows), trial_of("bfcl_simple", rows)
    found = trial.records(NEVER_CALLS)
    assert trial.score(NEVER_CALLS) == 100
    assert guarded(bfcl_irrelevance, found, simple.records(NEVER_CALLS)).degenerate == (
        "100 % of the answers are the same, 'no call', and the requests of bfcl_simple get no call "
        "either"
    )
    # alone it cannot be told from a good one
    assert guarded(bfcl_irrelevance, found, None).degenerate is None
    calling = simple.records(Honest(ANSWERS["bfcl_simple"]))
    assert guarded(bfcl_irrelevance, found, calling).degenerate is None

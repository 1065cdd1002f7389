"""Runs with --early: what is asked, what is known, and what a run in full later asks and says.

The engine is scripted: the dense model has nine of ten answers right, and a checkpoint loses the
share of them that its method is named after. Everything else is real.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.plugin.conftest import Gate
from tests.plugin.test_guards import CONFTEST as REFUSING
from tests.plugin.test_guards import METHOD as SCARED
from tests.plugin.test_isolation import EASY

CONFTEST = """\
import hashlib
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from unicomp.engines import EngineSettings
from unicomp.errors import EngineError

LOG = Path(__file__).with_name("asked.log")


def draw(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def answered(place, lost):
    def one(request):
        doc = request.doc
        right = doc["choices"]["label"].index(doc["answerKey"])
        known = draw("known" + doc["question"]) < 0.9 and draw("lost" + doc["question"]) >= lost
        pick = right if known else (right + 1) % len(doc["choices"]["text"])
        picked = request.arguments[1].strip() == doc["choices"]["text"][pick]
        return (0.0 if picked else -9.0, False)

    def answer(requests):
        asked = LOG.read_text().splitlines()
        if len(asked) == int(os.environ.get("KILLED_AFTER", -1)):
            os.kill(os.getpid(), signal.SIGKILL)
        task = requests[0].task_name
        begun = any(place in line and task in line for line in asked)
        if task == os.environ.get("BROKEN") and begun:
            raise EngineError("out of memory")
        with LOG.open("a") as log:
            print(place, task, *sorted({r.doc["id"] for r in requests}), sep="\\t", file=log)
        return [one(request) for request in requests]

    return SimpleNamespace(answer=answer, alive=True)


@contextmanager
def opened(settings, folder, model, tokens):
    place = folder / "lost"
    lost = float(place.read_text()) if place.exists() else 0.0
    name = f"lossy_{round(100 * lost)}" if lost else "dense"
    with LOG.open("a") as log:
        print("loaded", name, sep="\\t", file=log)
    yield answered(name, lost)


EngineSettings.open = opened
"""

METHOD = """\
import shutil
from unicomp import Method

def compress(source, target, calibration):
    shutil.copytree(source, target)
    (target / "lost").write_text("{lost}")

method = Method(name="lossy_{name}", family="pruning", compress=compress, calibrated=False)
"""

MINE = """\
from pathlib import Path
import pytest
from unicomp import Benchmark, Mean, TaskMetric

def make(name, **more):
    return Benchmark(name=name, metric=more.pop("metric", "knowledge"), aggregate=Mean(),
                     scorer=TaskMetric("acc,none"), task=Path(__file__).with_name(f"{name}.yaml"),
                     **more)
"""

SAMPLES = 300
NAMES = ("one", "two", "three", "four")
RUN = (f"--samples={SAMPLES}", "--floor=knowledge=70", ".")


def file_of(*names: str, floor: str = "floor(bench)") -> str:
    """A test file that holds benchmarks to a floor."""
    listed = ", ".join(f'make("{name}")' for name in names)
    return (
        f"{MINE}\nBENCHES = [{listed}]\n"
        '@pytest.mark.parametrize("bench", BENCHES, ids=str)\n'
        f"def test_mine(bench, retention, floor):\n    assert retention(bench) >= {floor}\n"
    )


@pytest.fixture
def make_gate(tmp_path, warm_python):
    """Makes a folder of a user's own, with an engine that is scripted and a store of its own."""

    def make(name: str, text: str, *losses: int, settings: str = "") -> Gate:
        gate = Gate(tmp_path / name, tmp_path / name / "home", warm_python)
        gate.write("unicomp.toml", settings)
        gate.write("pytest.ini", "[pytest]\naddopts = --import-mode=importlib --tb=short\n")
        gate.write("conftest.py", CONFTEST)
        gate.write("test_mine.py", text)
        for bench in NAMES:
            prompt = EASY.replace('"{{question}}"', f'"{bench}: {{{{question}}}}"')
            gate.write(f"{bench}.yaml", prompt.replace("task: easy", f"task: {bench}"))
        for lost in losses:
            method = METHOD.format(lost=lost / 100, name=lost)
            gate.write(f"fixtures/methods/lossy_{lost}.py", method)
        return gate

    return make


def log_of(gate):
    """The lines of what was loaded and asked, which are then forgotten."""
    place = gate.folder / "asked.log"
    lines = [line.split("\t") for line in place.read_text().splitlines()] if place.exists() else []
    place.unlink(missing_ok=True)
    return lines


def asked_of(lines, *checkpoints):
    """(checkpoint, benchmark, item) → how often it was asked."""
    return Counter(
        (name, bench, item)
        for name, bench, *items in (line for line in lines if line[0] != "loaded")
        for item in items
        if not checkpoints or name in checkpoints
    )


def judged(run):
    """(method, benchmark or metric) → its verdict."""
    assert run.card is not None, run.text
    rows = [*run.card["scores"], *run.card["missing"]]
    return {
        **{(row["method"], row["benchmark"]): row["verdict"] for row in rows},
        **{(row["method"], row["metric"]): row["verdict"] for row in run.card["metrics"]},
    }


def results(run):
    """What a run says of every row and metric, to the last digit."""
    tables = (run.card[name] for name in ("scores", "missing", "metrics", "bound", "decision"))
    return json.dumps([*tables], sort_keys=True)


METHODS = ("--method=lossy_1", "--method=lossy_60")


@pytest.mark.long
def test_an_early_run_then_the_same_again_then_a_full_run_then_an_early_one(make_gate):
    text = file_of("one", "two")
    gate, other = (make_gate(name, text, 1, 60) for name in ("early", "full"))
    early = gate.run(*RUN, *METHODS, "--early")
    first = log_of(gate)
    again = gate.run(*RUN, *METHODS, "--early")
    assert log_of(gate) == []
    assert results(again) == results(early)
    whole = gate.run(*RUN, *METHODS)
    rest = log_of(gate)
    late = gate.run(*RUN, *METHODS, "--early")
    assert log_of(gate) == []
    fresh = other.run(*RUN, *METHODS)
    straight = log_of(other)

    counts = asked_of([*first, *rest])
    assert counts == asked_of(straight)
    assert set(counts.values()) == {1}
    assert len(asked_of(first, "lossy_1", "lossy_60")) < 0.35 * 4 * SAMPLES
    assert results(whole) == results(fresh) == results(late)
    assert judged(early) == judged(whole)
    assert not any(row["full_n"] for row in late.card["scores"])
    assert early.score("lossy_60", "one")["full_n"] == SAMPLES


OF_ALL_KINDS = f"""
{MINE}
high, low, figure = make("one"), make("two"), make("three")

def test_above_the_policy(retention):
    assert retention(high) >= 97


def test_far_below_the_policy(retention):
    assert retention(low) >= 60


def test_a_figure(retention):
    assert retention(figure).value >= 80


def test_known_only_while_it_runs(retention):
    assert retention(make("four")) >= 60
"""


@pytest.mark.long
def test_a_floor_or_figure_of_a_tests_own_has_the_verdict_of_a_full_run(make_gate):
    gate = make_gate("kinds", OF_ALL_KINDS, 3)
    early = gate.run(*RUN, "--method=lossy_3", "--early")
    first = log_of(gate)
    whole = gate.run(*RUN, "--method=lossy_3")
    counts = asked_of([*first, *log_of(gate)])
    assert set(counts.values()) == {1}
    assert judged(early) == judged(whole)
    assert {name: early.score("lossy_3", name)["full_n"] for name in NAMES} == {
        "one": None, "two": SAMPLES, "three": None, "four": SAMPLES,
    }  # fmt: skip


@pytest.mark.long
def test_with_shut_the_rest_of_a_hopeless_checkpoint_is_skipped(make_gate):
    gate = make_gate("shut", file_of("one", "two"), 1, 60)
    run = (*RUN, "--floor=two=42", "--method=lossy_1", "--method=lossy_60")
    found = gate.run(*run, "--early=shut")
    first = log_of(gate)
    assert found.status == 1
    assert found.score("lossy_60", "one")["verdict"] == "fail"
    skipped = found.score("lossy_60", "two")
    assert skipped["verdict"] == "not_measured"
    assert skipped["reason"] == "not asked to the end, since the gate is shut: one fails"

    later, whole = gate.run(*run, "--early"), gate.run(*run)
    counts = asked_of([*first, *log_of(gate)])
    assert len(counts) == 2 * 3 * SAMPLES
    assert set(counts.values()) == {1}
    assert judged(later) == judged(whole)
    assert later.score("lossy_60", "two")["verdict"] == "undecided"
    for name in ("one", "two"):
        assert found.score("lossy_1", name) == later.score("lossy_1", name)


@pytest.mark.long
def test_after_a_kill_the_rest_is_asked_and_side_by_side_asks_the_same(make_gate, monkeypatch):
    text = file_of("one", "two")
    killed, other, beside = (make_gate(name, text, 1, 60) for name in ("killed", "other", "beside"))
    run = (*RUN, "--method=lossy_1", "--method=lossy_60", "--early")
    undisturbed = other.run(*run)
    straight = asked_of(log_of(other))

    monkeypatch.setenv("KILLED_AFTER", "9")
    assert killed.run(*run).card is None
    monkeypatch.delenv("KILLED_AFTER")
    resumed = killed.run(*run)
    assert results(resumed) == results(undisturbed)
    assert asked_of(log_of(killed)) == straight

    spread = beside.run(*run, "-n", "2")
    assert results(spread) == results(undisturbed)
    assert asked_of(log_of(beside)) == straight


@pytest.mark.long
def test_what_breaks_is_missing_and_the_others_stop(make_gate, monkeypatch):
    gate = make_gate("broken", file_of("one", "two"), 1)
    monkeypatch.setenv("BROKEN", "one")
    gate.run(*RUN, "--method=dense")
    found = gate.run(*RUN, "--method=lossy_1", "--early")
    assert found.score("lossy_1", "one")["verdict"] == "missing"
    assert found.score("lossy_1", "two")["full_n"] == SAMPLES
    assert found.status == 1


@pytest.mark.long
def test_what_may_stop_follows_the_policy_of_each_run(make_gate):
    gate = make_gate("policy", file_of("one", "two"), 3)
    run = (f"--samples={SAMPLES}", ".", "--method=lossy_3", "--early")
    gate.write("unicomp.toml", "[policy]\none = { tier = 'advisory', max_drop = 25 }\n")
    found = gate.run(*run, "--floor=two=70")
    assert all(found.score("lossy_3", name)["full_n"] == SAMPLES for name in ("one", "two"))
    gate.write("unicomp.toml", "[policy]\none = { ceiling = 110 }\n[floors]\n'two.top1' = 70\n")
    whole = gate.run(*run)
    assert not any(whole.score("lossy_3", name)["full_n"] for name in ("one", "two"))
    assert "in full: one (the score has a ceiling)" in whole.text
    assert "in full: two (figures of the answers have bounds)" in whole.text


@pytest.mark.long
def test_a_pick_and_a_second_look_are_judged_at_their_own_levels(make_gate):
    gate = make_gate("looks", file_of("one", "two"), 1, 3)
    picked = gate.run(*RUN, "--method=lossy_1", "--method=lossy_3", "--pick", "--early")
    assert {one["level"] for one in picked.card["looks"]} == {0.0125}
    assert {*judged(picked).values()} == {"pass"}
    more = ("--samples=400", "--floor=knowledge=70", ".", "--method=lossy_1")
    log_of(gate)
    early, again, whole = gate.run(*more, "--early"), gate.run(*more, "--early"), gate.run(*more)
    assert results(early) == results(again)
    assert [one["look"] for one in early.card["looks"]] == [2]
    errors = [run.score("lossy_1", "one")["early_error"] for run in (picked, early)]
    assert errors[1] == pytest.approx(errors[0] / 10)
    assert judged(early) == judged(whole)


@pytest.mark.long
def test_a_model_that_refuses_everything_does_not_pass_early(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    gate.write("conftest.py", REFUSING.replace("SimpleNamespace(", "SimpleNamespace(alive=True, "))
    gate.write("fixtures/methods/scared.py", SCARED)
    run = ("-m", "safety", "--method=scared", "--samples=300")
    early, whole = gate.run(*run, "--early"), gate.run(*run)
    assert early.score("scared", "xstest")["full_n"] == 300
    assert {*judged(early).values()} == {"fail"}
    assert judged(early) == judged(whole)
    assert early.score("scared", "misuse")["reason"] == whole.score("scared", "misuse")["reason"]

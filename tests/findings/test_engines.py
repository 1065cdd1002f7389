"""One checkpoint, two engines: only what the store holds is compared, and nothing is loaded."""

from dataclasses import asdict, replace

import pytest

from suites.performance.test_knowledge import arc_easy
from suites.performance.test_reasoning import gsm8k
from unicomp import measuring
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError
from unicomp.findings.engines import crosscheck
from unicomp.measuring import Conditions
from unicomp.scores import Records
from unicomp.spec import DENSE, CheckpointId, Model
from unicomp.store import SCORES, Store


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A checkpoint, conditions with an engine that is there, and no way to ask it."""
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\necho 9.8.7+cpu\n")
    program.chmod(0o755)
    store = Store(tmp_path / "home")
    model = Model(name="m", source=str(shipped_fixtures() / "embedded" / "model"))
    engine = EngineSettings(name="vllm", vllm=str(program))
    monkeypatch.setattr(EngineSettings, "open", lambda *about: pytest.fail("a model is loaded"))
    return (
        Builder(store=store, roots=()).find(model, DENSE, None),
        Conditions(store, Source("embedded"), engine, samples=4),
    )


NAME = CheckpointId("m", "dense", "none")


def records(correct, gaps=None):
    n = len(correct)
    return Records(
        benchmark="any",
        items=[f"item-{i}" for i in range(n)],
        clusters=[f"item-{i}" for i in range(n)],
        fields={"correct": list(correct), "said": ["a" if c else "b" for c in correct]},
        parsed=[True] * n,
        gaps=gaps or [None] * n,
    )


def remember(checkpoint, conditions, bench, found, engine):
    under = replace(conditions, engine=replace(conditions.engine, name=engine))
    conditions.store.remember(
        SCORES, measuring.records_key(checkpoint, bench, under), asdict(found)
    )


def test_both_scores_and_the_items_that_read_differently_are_reported(world):
    checkpoint, conditions = world
    remember(checkpoint, conditions, gsm8k, records([1.0, 1.0, 0.0, 1.0]), "vllm")
    remember(checkpoint, conditions, gsm8k, records([1.0, 0.0, 1.0, 0.0]), "hf")
    (found,) = crosscheck(NAME, checkpoint, [gsm8k, arc_easy], conditions)
    assert (found.benchmark, found.engine, found.other) == ("gsm8k", "vllm", "hf")
    assert (found.score, found.other_score) == (75.0, 50.0)
    assert (found.n, found.differing, found.difference) == (4, 3, 25.0)
    assert (found.model, found.method, found.calibration) == NAME


@pytest.mark.parametrize("measured", [(), ("vllm",), ("hf",)])
def test_what_only_one_engine_has_measured_is_not_compared(world, measured):
    checkpoint, conditions = world
    for engine in measured:
        remember(checkpoint, conditions, gsm8k, records([1.0] * 4), engine)
    assert crosscheck(NAME, checkpoint, [gsm8k], conditions) == []


def test_a_benchmark_that_cannot_be_looked_up_does_not_keep_the_others(world, monkeypatch):
    checkpoint, conditions = world
    for engine in ("vllm", "hf"):
        remember(checkpoint, conditions, gsm8k, records([1.0] * 4), engine)
    key = measuring.records_key

    def fail(checkpoint, bench, conditions, code=None):
        if bench.name == arc_easy.name:
            raise EngineError("its rows cannot be read")
        return key(checkpoint, bench, conditions, code)

    monkeypatch.setattr(measuring, "records_key", fail)
    (found,) = crosscheck(NAME, checkpoint, [arc_easy, gsm8k], conditions)
    assert found.benchmark == "gsm8k"


def test_the_last_digits_of_a_number_are_no_difference(world):
    checkpoint, conditions = world
    mine, theirs = records([1.0] * 4), records([1.0] * 4)
    mine.fields["loss"] = [2.0, 2.0, 0.0, float("nan")]
    theirs.fields["loss"] = [2.0001, 2.1, 0.0, float("nan")]
    remember(checkpoint, conditions, gsm8k, mine, "vllm")
    remember(checkpoint, conditions, gsm8k, theirs, "hf")
    (found,) = crosscheck(NAME, checkpoint, [gsm8k], conditions)
    assert found.differing == 1


def test_items_that_one_engine_could_not_score_do_not_count(world):
    checkpoint, conditions = world
    remember(checkpoint, conditions, gsm8k, records([1.0, 0.0, 1.0, 1.0]), "vllm")
    gaps = [None, "no judge", None, None]
    remember(checkpoint, conditions, gsm8k, records([1.0, 1.0, 1.0, 0.0], gaps), "hf")
    (found,) = crosscheck(NAME, checkpoint, [gsm8k], conditions)
    assert (found.n, found.differing) == (3, 1)

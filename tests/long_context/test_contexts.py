"""Lengths beyond a context: the baseline's say nothing, a candidate's own shut the gate."""

from dataclasses import replace

import pytest

from suites.shipping.test_long_context import ruler_16k
from unicomp.agenda import Agenda, Subject
from unicomp.data.model_folder import context_of
from unicomp.data.sources import Source
from unicomp.desk import Desk
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.errors import ContextError, EngineError, IncomparableError, UnicompError
from unicomp.framework import SHIPPING_PROFILE
from unicomp.measuring import CheckpointRecords, Conditions
from unicomp.policy import Policy
from unicomp.session import Session
from unicomp.spec import DENSE, CheckpointId, Model
from unicomp.store import Store
from unicomp.verdict import Row, metric_row

MODEL = Model(name="m", source="org/m")
SHORT = ContextError("ruler_16k fills 16384 tokens, more than the context of 8192")


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """The error of a retention where some methods have a short context, and others another one."""

    def ask(method, *short):
        def measured(session, one, benchmarks, **named):
            error = SHORT if one.method.name in short else EngineError("asked")
            return CheckpointRecords({"ruler_16k": error})

        monkeypatch.setattr(Session, "_measure", measured)
        session = Session(
            conditions={"m": Conditions(Store(tmp_path), Source("embedded"), EngineSettings())},
            calibration=lambda model, name: pytest.fail("nothing is calibrated"),
            agenda=Agenda(),
            roots=(),
            effort=Effort(),
        )
        subject = Subject(model=MODEL, method=replace(DENSE, name=method))
        with pytest.raises(UnicompError) as error:
            session.retention(subject, ruler_16k)
        return error.value

    return ask


def test_a_length_beyond_the_context_of_the_baseline_says_nothing(ended):
    for method in ("dense", "other"):
        found = ended(method, "dense", "other")
        assert type(found) is IncomparableError
        assert str(found) == f"{SHORT} of the baseline, which says nothing about the candidate then"


def test_the_candidate_alone_is_not_measured_and_other_errors_stay(ended, monkeypatch):
    assert type(ended("other", "other")) is EngineError  # of the baseline, which has a context
    answers = iter([SHORT, None])

    def measured(session, subject, benchmark):
        if error := next(answers):
            raise error

    monkeypatch.setattr(Session, "_measured", measured)
    found = ended("other")
    assert type(found) is ContextError
    assert "of the candidate, but not of its baseline: correct its config.json" in str(found)


def row_of(error, name="other"):
    desk = Desk(CheckpointId("m", name, "generic"), Policy(), SHIPPING_PROFILE)

    def fail():
        raise error

    with pytest.raises(UnicompError):
        desk.retention(ruler_16k, fail)
    return desk.rows["ruler_16k"]


def test_rows_end_by_whose_context_it_is():
    assert row_of(SHORT).verdict == "not_measured"
    found = row_of(IncomparableError("the baseline says nothing"))
    assert (found.verdict, found.reason) == ("not_comparable", "the baseline says nothing")
    assert found.length == 16384


def metric(**verdicts):
    """The metric of rows, by benchmark, where the others are as good as the baseline."""
    rows = {}
    for name in SHIPPING_PROFILE.benchmarks("long_context"):
        verdict = verdicts.get(name, "pass")
        known = verdict == "pass"
        rows[name] = Row(
            **CheckpointId("m", "other", "generic")._asdict(),
            benchmark=name,
            metric="long_context",
            verdict=verdict,
            reason="" if known else "why",
            **(
                {"retention": 99.0, "low": 98.0, "high": 100.0, "score": 79.2, "dense": 80.0}
                if known
                else {}
            ),
        )
    return metric_row(
        CheckpointId("m", "other", "generic"), "long_context", rows, SHIPPING_PROFILE, Policy()
    )


def test_such_a_length_leaves_the_metric_by_name_and_a_gap_of_the_candidate_does_not():
    found = metric(ruler_64k="not_comparable", ruler_128k="not_comparable")
    assert found.verdict == "pass"
    assert found.left_out == {"ruler_64k": "why", "ruler_128k": "why"}
    assert metric(ruler_128k="not_measured").verdict == "not_measured"


def test_with_no_length_left_the_metric_blocks():
    names = SHIPPING_PROFILE.benchmarks("long_context")
    assert metric(**dict.fromkeys(names, "not_comparable")).verdict == "not_comparable"


def test_the_context_is_read_in_the_configuration():
    assert context_of({"max_position_embeddings": 8192}) == 8192
    text = {"max_position_embeddings": 32768}
    assert context_of({"max_position_embeddings": 1200, "text_config": text}) == 32768
    assert context_of({"n_positions": 1024}) == 1024
    assert context_of({}) is None

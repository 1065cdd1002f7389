"""Modes: retentions and cross-checks use the aggregate of the session's mode."""

from pathlib import Path

import pytest

from tests.scoring.scripted import instruments
from unicomp import session
from unicomp.agenda import Agenda, Subject
from unicomp.data.sources import Source
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.findings import engines
from unicomp.instruments import MODES
from unicomp.measuring import CheckpointRecords, Conditions
from unicomp.scores import Records
from unicomp.scoring.aggregate import Mean
from unicomp.session import Session
from unicomp.spec import DENSE, Benchmark, CheckpointId, Model, Reading
from unicomp.store import Store

MODEL = Model(name="m", source=str(Path(__file__).parents[2] / "fixtures/embedded/model"))
BENCH = Benchmark(
    name="half",
    metric="reasoning",
    task="half.yaml",
    scorer=lambda item: Reading(fields={}),
    aggregate=Mean("correct"),
    published_aggregate=Mean("published"),
)
RECORDS = Records(
    benchmark="half",
    items=[str(number) for number in range(40)],
    clusters=[str(number) for number in range(40)],
    fields={"correct": [1.0, 0.0] * 20, "published": [1.0] * 40},
    parsed=[True] * 40,
    gaps=[None] * 40,
)


def conditions(folder, mode):
    return Conditions(
        Store(folder), Source("embedded"), EngineSettings(), instruments=instruments(mode)
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_session_compares_by_the_aggregate_of_its_mode(mode, tmp_path, monkeypatch):
    monkeypatch.setattr(
        session, "measure", lambda *given, **named: CheckpointRecords({BENCH.name: RECORDS})
    )
    measuring = Session(
        conditions={MODEL.name: conditions(tmp_path, mode)},
        calibration=lambda model, name: pytest.fail("nothing is calibrated"),
        agenda=Agenda(),
        roots=(),
        effort=Effort(),
    )
    found = measuring.retention(Subject(model=MODEL, method=DENSE), BENCH)
    assert found.score == found.dense == {"strict": 50, "compat": 100}[mode]


@pytest.mark.parametrize("mode", MODES)
def test_engines_are_compared_by_the_aggregate_of_the_mode(mode, tmp_path, monkeypatch):
    monkeypatch.setattr(engines.RecordLog, "read", lambda log: {BENCH.name: RECORDS})
    monkeypatch.setattr(engines.RecordLog, "__init__", lambda log, *given: None)
    name = CheckpointId(MODEL.name, DENSE.name, "none")
    (found,) = engines.crosscheck(name, None, [BENCH], conditions(tmp_path, mode))
    assert found.score == found.other_score == {"strict": 50, "compat": 100}[mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_definition_needs_the_fields_of_the_aggregate_of_its_mode(mode, tmp_path):
    benchmark = conditions(tmp_path, mode).renderer.definition(BENCH).benchmark
    assert benchmark.aggregate.columns == {"strict": ("correct",), "compat": ("published",)}[mode]

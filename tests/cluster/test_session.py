"""A session whose work is done by workers ends like one that does everything itself."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from suites.performance.test_knowledge import arc_easy
from suites.performance.test_multilingual import languages
from tests.cluster.standin import NODES, StandIn
from unicomp import catalogue
from unicomp.agenda import Agenda, Subject
from unicomp.cluster.runner import RunnerOnNode
from unicomp.cluster.unit import Node
from unicomp.data.calibration import UNSEEN
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError, UnicompError
from unicomp.measuring import Conditions
from unicomp.session import Session
from unicomp.spec import DENSE, Calibration, Load, Model, Probe
from unicomp.store import Store

MODEL = Model(name="embedded", source=str(shipped_fixtures() / "embedded" / "model"))
ENGINE = EngineSettings(device="cpu")
COARSE = '''"""Round the weights of one layer: quick, and answers change."""

import shutil

from unicomp import Method


def compress(source, target, calibration):
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, target)
    file = target / "model.safetensors"
    weights = load_file(file)
    for name in weights:
        if "mlp" in name:
            weights[name] = (weights[name] * 8).round() / 8
    save_file(weights, file, {"format": "pt"})


method = Method(name="coarse", family="quantization", compress=compress, parameters={"n": 8},
                calibrated=False)
'''
SIZE = Probe(name="size", metric="inference_efficiency", quantity="model_size")
SPEED = Probe(
    name="speed",
    metric="runtime_acceleration",
    quantity="latency",
    load=Load(prompt_tokens=4, new_tokens=2),
)
EFFORT = Effort(warmup_rounds=1, least_rounds=2, least_seconds=0.0)
GERMAN = languages("german", ("de", "fr"))
FRENCH = languages("french", ("fr",))
"""Half of German's items, and others."""
BENCHMARKS = (arc_easy, GERMAN, FRENCH)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fixtures")
    (folder / "methods").mkdir()
    (folder / "methods" / "coarse.py").write_text(COARSE)
    return (folder, shipped_fixtures())


@pytest.fixture(scope="module")
def subjects(roots):
    coarse = catalogue.load_method("coarse", roots)
    return Subject(model=MODEL, method=DENSE), Subject(model=MODEL, method=coarse)


def agenda_of(subjects, benchmarks=BENCHMARKS, probes=()):
    agenda = Agenda()
    for subject in subjects:
        agenda.add(subject, benchmarks, probes)
    return agenda


@pytest.fixture
def world(tmp_path, roots, subjects):
    """`session(...)` on a stand-in, with a store of its own; a local one without workers."""
    opened = []

    def session(name, *, nodes=None, agenda=None, samples=40, **more):
        store = Store(tmp_path / name)
        workers = None
        if nodes is not None:
            make = RunnerOnNode(home=tmp_path / f"{name}-node", upstream=None, engine=ENGINE)
            workers = StandIn(make, nodes, **more)
        made = Session(
            conditions={MODEL.name: Conditions(store, Source("embedded"), ENGINE, samples)},
            calibration=lambda model, name: Calibration(name="seen", samples=("Some text.",)),
            agenda=agenda or agenda_of(subjects),
            roots=roots,
            effort=EFFORT,
            workers=workers,
        )
        opened.append(made)
        return SimpleNamespace(session=made, store=store, workers=workers)

    yield session
    for one in opened:
        one.close()


def files(store, kind):
    return {
        path.name: path.read_bytes() for path in (store.home / kind).rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return {}


def test_the_scores_and_the_stored_responses_are_those_of_a_local_run(world, subjects):
    dense, coarse = subjects
    local = world("local")
    spread = world("spread", nodes=NODES, homes={})
    for bench in BENCHMARKS:
        one, other = (where.session.retention(coarse, bench) for where in (local, spread))
        assert one == other
    assert files(local.store, "responses") == files(spread.store, "responses")
    assert files(local.store, "scores") == files(spread.store, "scores")
    assert not (spread.store.home / "checkpoints").exists()
    assert len(spread.workers.units("build")) == 1

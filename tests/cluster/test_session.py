"""A session whose work is done by workers ends like one that does everything itself."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from suites.performance.test_knowledge import arc_easy
from suites.performance.test_multilingual import languages
from tests.cluster.standin import NODES, StandIn
from unicomp import catalogue
from unicomp.agenda import Agenda, Subject
from unicomp.cluster.runner import RunnerOnNode
from unicomp.cost.recorded import Recorded
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.errors import BuildError, EngineError
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
"""It shares items with German."""
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


@pytest.fixture(scope="module")
def node_home(tmp_path_factory):
    """The store of a node on which others have built before."""
    return tmp_path_factory.mktemp("node")


@pytest.fixture
def world(tmp_path, roots, subjects, node_home, monkeypatch):
    """`world(name)` opens a session with a store of its own; with `nodes` on a stand-in."""
    monkeypatch.delenv("UNICOMP_HOME", raising=False)  # it would be the store of every node
    opened = []

    def session(name, *, nodes=None, agenda=None, home=node_home, **more):
        store = Store(tmp_path / name)
        workers = None
        if nodes is not None:
            make = RunnerOnNode(home=home, upstream=None)
            workers = StandIn(make, nodes, **more)
        counts = {}
        made = Session(
            conditions={MODEL.name: Conditions(store, Source("embedded"), ENGINE, 40)},
            calibration=lambda model, name: Calibration(name="seen", samples=("Some text.",)),
            agenda=agenda or agenda_of(subjects),
            roots=roots,
            effort=EFFORT,
            workers=workers,
            count=lambda name, bench, done, total: counts.update({(name, bench): (done, total)}),
        )
        run = SimpleNamespace(session=made, store=store, workers=workers, counts=counts)
        opened.append(run)
        return run

    yield session
    for one in opened:
        one.session.close()
        if one.workers is not None:
            one.workers.close()


class Scripted:
    """An engine whose answers need no model, and that can fail."""

    alive = True
    weights_bytes = None

    def __init__(self, fails=lambda requests: False):
        self.fails = fails
        self.batches = []

    def answer(self, requests):
        if self.fails(requests):
            raise EngineError("the server said no")
        self.batches.append(len(requests))
        return [(-float(len(str(one.arguments))), False) for one in requests]

    def log_probabilities(self, chunks, most):
        return None


@pytest.fixture
def scripted(monkeypatch):
    engine = Scripted()
    monkeypatch.setattr(EngineSettings, "open", lambda *about: nullcontext(engine))
    return engine


def files(store, kind):
    """Name → content of the stored files of a kind."""
    paths = [path for path in (store.home / kind).rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.long
def test_scores_and_stored_responses_are_those_of_a_local_run(world, subjects, tmp_path):
    """French shares items with German, which are asked once, in the same batches."""
    local = world("local")
    spread = world("spread", nodes=NODES, homes={node.name: tmp_path / node.name for node in NODES})
    for bench in BENCHMARKS:
        one, other = (where.session.retention(subjects[1], bench) for where in (local, spread))
        assert one == other
    for kind in ("responses", "scores", "items"):
        assert files(local.store, kind) == files(spread.store, kind)
    assert not (spread.store.home / "checkpoints").exists()
    assert [node for unit, node in spread.workers.log if unit.kind == "answer"] != []
    assert set(spread.counts.values()) == set(local.counts.values()) == {(40, 40)}
    rates, those = (Recorded.here(where.store, ENGINE) for where in (spread, local))
    for bench in BENCHMARKS[:2]:
        spent, other = (one.items("embedded", "coarse", bench.name) for one in (rates, those))
        assert replace(spent, seconds=0) == replace(other, seconds=0)
        assert spent.seconds > 0
    assert rates.seconds("embedded", "coarse", "build").seconds == pytest.approx(0.5, abs=0.1)


@pytest.mark.long
def test_the_work_names_its_nodes(world, subjects, scripted):
    run = world("run", nodes=NODES)
    run.session.retention(subjects[1], arc_easy)
    work = {(piece.stage, piece.method): piece for piece in run.session.take_work()}
    assert len(work["build", "coarse"].facts["nodes"]) == 1
    answers = work["answer", "coarse"]
    assert (answers.items, answers.cached) == (118, False)  # two are shared
    assert set(answers.facts["nodes"]) <= {"first", "second"}


def test_a_killed_run_asks_only_the_rest(world, subjects, scripted):
    def killed(unit):
        if "coarse: german" in unit.name:
            raise KeyboardInterrupt
        return False

    first = world("store", nodes=NODES, lose=killed)
    with pytest.raises(KeyboardInterrupt):
        first.session.retention(subjects[1], arc_easy)
    again = world("store", nodes=NODES)
    again.session.retention(subjects[1], arc_easy)
    answered = [unit.name.partition(",")[0] for unit in again.workers.units("answer")]
    assert answered == ["embedded/coarse: german", "embedded/coarse: french"]
    third = world("store", nodes=NODES)
    third.session.retention(subjects[1], GERMAN)
    assert third.workers.log == []


@pytest.mark.long
def test_a_build_is_found_on_whichever_node_has_it(world, subjects, scripted, tmp_path, node_home):
    homes = {"first": tmp_path / "empty", "second": node_home}
    agenda = agenda_of(subjects, (arc_easy,))
    world("driver", nodes=NODES[1:]).session.checkpoint(subjects[1])

    def used_by(store):
        run = world(store, nodes=NODES, homes=homes, agenda=agenda)
        run.session.retention(subjects[1], arc_easy)
        return {(u.kind, node) for u, node in run.workers.log if u.checkpoint == "embedded/coarse"}

    assert used_by("driver") == {("answer", "second")}
    assert used_by("another driver") == {("build", "second"), ("answer", "second")}
    assert not (tmp_path / "empty" / "checkpoints").exists()


@pytest.mark.long
def test_a_benchmark_that_fails_fails_alone(world, subjects, scripted):
    """What it shares with another benchmark is asked for that one, as in a local run."""
    german = ("Nenne", "Welche", "Wo ", "Wer ")
    scripted.fails = lambda requests: any(
        word in one.arguments[0] for one in requests for word in german
    )
    for nodes in (None, NODES):
        run = world(f"{nodes}", nodes=nodes)
        with pytest.raises(EngineError, match="the server said no"):
            run.session.retention(subjects[1], GERMAN)
        run.session.retention(subjects[1], FRENCH)
        run.session.retention(subjects[1], arc_easy)


@pytest.mark.long
def test_a_worker_lost_for_good_fails_its_benchmark_with_the_reason(world, subjects, scripted):
    run = world("run", nodes=NODES, lose=lambda unit: "coarse: arc_easy" in unit.name)
    with pytest.raises(EngineError, match="lost three times"):
        run.session.retention(subjects[1], arc_easy)
    run.session.retention(subjects[1], GERMAN)


def test_a_failed_build_fails_its_checkpoint_alone(world, subjects, roots, scripted):
    text = COARSE.replace('"coarse"', '"broken"').replace("8).round()", "8).no_such()")
    (roots[0] / "methods" / "broken.py").write_text(text)
    broken = Subject(model=MODEL, method=catalogue.load_method("broken", roots))
    run = world("run", nodes=NODES, agenda=agenda_of((*subjects, broken)))
    with pytest.raises(BuildError, match=r"broken of embedded failed: AttributeError.*no_such"):
        run.session.retention(broken, arc_easy)
    run.session.retention(subjects[1], arc_easy)


def test_a_benchmark_outside_the_agenda_is_asked_when_a_test_wants_it(world, subjects, scripted):
    run = world("run", nodes=NODES, agenda=agenda_of(subjects, (arc_easy,)))
    run.session.retention(subjects[1], arc_easy)
    before = len(run.workers.log)
    run.session.retention(subjects[1], FRENCH)
    assert len(run.workers.log) == before + 2  # dense and coarse


@pytest.mark.long
def test_timings_are_taken_on_a_node_alone_and_brought_home(world, subjects):
    probes = (SIZE, SPEED)
    agenda = agenda_of(subjects, (), probes)
    run = world("run", nodes=NODES[:1], agenda=agenda)
    size, speed = (run.session.gain(subjects[1], probe) for probe in probes)
    assert (size.probe, speed.n) == ("size", 2)
    timed = run.workers.units("time")
    assert [unit.needs.alone for unit in timed] == [True, True]
    (piece,) = [one for one in run.session.take_work() if one.stage == "measure"]
    assert piece.facts["machine"]["device"] == "cpu"
    brought = files(run.store, "measurements")
    fresh_node = run.store.home.parent / "another node"
    again = world("run", nodes=NODES[:1], agenda=agenda, home=fresh_node)
    assert again.session.gain(subjects[1], SPEED) == speed
    assert files(again.store, "measurements") == brought

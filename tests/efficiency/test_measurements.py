"""A session measures side by side, each figure once, and with nothing else in its way."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.engines.gpus import gpus
from unicomp import catalogue
from unicomp.agenda import Agenda, Subject
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source
from unicomp.efficiency import fingerprint, measurements
from unicomp.efficiency.memory import Footprint
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings, Timing
from unicomp.engines.placement import placed, served_bytes
from unicomp.errors import BuildError, EngineError, SpecError, UnmeasuredError
from unicomp.machine import turns
from unicomp.machine.waiting import silent
from unicomp.measuring import Conditions
from unicomp.session import Session
from unicomp.spec import DENSE, Load, Model, Probe
from unicomp.store import Store

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
EFFORT = Effort(warmup_rounds=1, least_rounds=2, least_seconds=0, most_rounds=2)
SHORT = Load(prompt_tokens=8, new_tokens=4)


def probe(quantity, load=None, **changed):
    return Probe(
        name=quantity, metric="inference_efficiency", quantity=quantity, load=load, **changed
    )


LATENCY = probe("latency", SHORT)
THROUGHPUT = probe("throughput", SHORT)
MEMORY = probe("inference_memory", Load(prompt_tokens=64))
SIZE = probe("model_size")


class World:
    """A model, a copy of it that is judged as compressed, and engines that log what they do."""

    def __init__(self, folder):
        self.log = []
        self.failing = set()
        self.store = Store(folder / "home")
        self.model = Model(name="m", source=str(EMBEDDED))
        self.copy = catalogue.load_checkpoint(str(shutil.copytree(EMBEDDED, folder / "copy")), ())
        self.engine = EngineSettings(device="cpu")
        self.asked = 0

    def of(self, method, model=None):
        return Subject(model=model or self.model, method=method, calibration="none")

    def session(self, *probes, models=(), **changed):
        """A session that will ask `probes` of both checkpoints of each model."""
        models = (self.model, *models)
        subjects = [self.of(method, model) for model in models for method in (DENSE, self.copy)]
        agenda = Agenda()
        for subject in subjects:
            agenda.add(subject, (), probes)
        conditions = Conditions(self.store, Source("embedded"), replace(self.engine, **changed))
        return Session(
            conditions={model.name: conditions for model in models},
            calibration=lambda model, name: pytest.fail("nothing is calibrated"),
            agenda=agenda,
            roots=(),
            effort=EFFORT,
        )

    def took(self, *kinds):
        """What was logged of these kinds since this was last asked."""
        found, self.log = [entry for entry in self.log if entry[0] in kinds], []
        return found

    # -- what stands in for the engine and the process of a footprint ---------------------------

    @contextmanager
    def open(self, folder, tokens):
        name = "copy" if folder.name == "copy" else "dense"
        self.log.append(("open", name, tokens))
        yield self.Engine(self, name)
        self.log.append(("close", name))

    class Engine:
        alive = True

        def __init__(self, world, name):
            self.world, self.name = world, name
            self.weights_bytes = {"dense": 1000, "copy": 250}[name]

        def generate(self, prompts, new_tokens):
            if self.name in self.world.failing:
                raise EngineError("it does not answer")
            self.world.asked += 1
            self.world.log.append(("asked", self.name, json.dumps(prompts)))
            seconds = 1 + self.world.asked / 1000
            return Timing(seconds, (0.1,) * len(prompts), (0.2,) * 3)

    def footprint(self, folder, model, tokens, settings, *, log):
        self.log.append(("footprint", folder.name, len(tokens)))
        if "footprint" in self.failing:
            raise EngineError("out of memory")
        return Footprint(peak=2000, loaded=1000, weights=1000, kv_cache=100)

    def held(self, kind):
        @contextmanager
        def holds(on_wait=silent):
            self.log.append((kind,))
            yield
            self.log.append((f"not {kind}",))

        return holds


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path)
    monkeypatch.setattr(
        EngineSettings, "open", lambda settings, folder, model, tokens: world.open(folder, tokens)
    )
    monkeypatch.setattr(measurements, "footprint", world.footprint)
    for kind in ("shared", "alone"):
        monkeypatch.setattr(turns, kind, world.held(kind))
    return world


@pytest.fixture
def served(world, monkeypatch, tmp_path):
    """The same on servers of a vLLM for GPUs."""
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\necho 9.8.7\n")
    program.chmod(0o755)
    world.engine = EngineSettings(name="vllm", vllm=str(program))
    assert world.engine.resolved_device() == "cuda"
    return world


# -- A against A ----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["dense", "copy"])
def test_a_copy_of_the_dense_model_is_measured_beside_it(world, first):
    methods = [DENSE, world.copy] if first == "dense" else [world.copy, DENSE]
    for method in methods:
        gain = world.session(LATENCY).gain(world.of(method), LATENCY)
        asked = {name for _, name, _ in world.took("asked")}
        if method is DENSE:
            assert asked == {"dense"}
            assert gain.value == gain.low == gain.high == 100.0
        else:
            assert asked == {"dense", "copy"}
            assert gain.low < gain.value < gain.high


def test_rounds_of_a_copy_have_other_prompts_than_those_of_the_dense_model(world):
    one = world.session(LATENCY)
    seen = []
    for method in (DENSE, world.copy):
        one.gain(world.of(method), LATENCY)
        seen.append({prompts for _, _, prompts in world.took("asked")})
    assert not set.intersection(*seen)


# -- what has the machine's memory to itself ------------------------------------------------------


def test_servers_on_a_gpu_stay_up_for_the_prompts_whose_memory_is_measured(served):
    one = served.session(MEMORY)
    gain = one.gain(served.of(served.copy), MEMORY)
    one.gain(served.of(DENSE), MEMORY)
    assert served.took("open", "close") == [("open", "dense", 64), ("open", "copy", 64)]
    assert (gain.score, gain.dense) == (2000 - 1000 + 250, 2000)
    assert gain.details["weights"] == gain.details["loaded"] == 250
    assert gain.details["dense.weights"] == 1000


def on_gpus(served, number, memory=3_000_000_000):
    """On so many simulated GPUs; by default one has room for one checkpoint, and not for two."""
    config = json.loads((EMBEDDED / "config.json").read_text())
    weights = served_bytes(EMBEDDED, "auto")
    there = gpus(number, memory)
    served.engine = placed(served.engine, "m", weights, config, there)
    return served


def test_two_that_do_not_fit_on_one_gpu_are_not_timed_and_their_memory_is_measured(served):
    one = on_gpus(served, 1).session(MEMORY, LATENCY)
    with pytest.raises(UnmeasuredError, match=r"510 MB of each GPU are left .* timed in turns"):
        one.gain(served.of(served.copy), LATENCY)
    gain = one.gain(served.of(served.copy), MEMORY)
    assert gain.details["weights"] == 250
    opened = [(kind, name) for kind, name, *_ in served.took("open", "close")]
    assert opened == [("open", "dense"), ("close", "dense"), ("open", "copy")]
    assert one.gain(served.of(DENSE), LATENCY).value == 100.0


def test_two_that_do_not_fit_on_one_gpu_are_timed_on_two(served, monkeypatch):
    seats, opened = [], EngineSettings.open

    def noting(settings, folder, model, tokens):
        seats.append([gpu.id for gpu in settings.placement.seat.gpus])
        return opened(settings, folder, model, tokens)

    monkeypatch.setattr(EngineSettings, "open", noting)
    monkeypatch.setattr(measurements, "device_meter", lambda *_, **__: pytest.fail("no energy"))
    gain = on_gpus(served, 2).session(LATENCY).gain(served.of(served.copy), LATENCY)
    assert gain.low < gain.value < gain.high
    assert seats == [["0"], ["1"]]
    assert served.took("close") == []


def test_timings_on_gpus_of_their_own_are_not_those_on_the_same(served):
    on_gpus(served, 2).session(LATENCY).gain(served.of(served.copy), LATENCY)
    assert served.took("asked")
    on_gpus(served, 2).session(LATENCY).gain(served.of(served.copy), LATENCY)
    assert served.took("asked") == []
    on_gpus(served, 2, memory=10**10).session(LATENCY).gain(served.of(served.copy), LATENCY)
    assert served.took("asked")


def test_weights_that_a_server_does_not_tell_are_those_of_the_pass():
    found = Footprint(peak=2000, loaded=400, weights=1000, kv_cache=100)
    assert found.with_weights(None) is found
    assert found.with_weights(300) == Footprint(peak=1300, loaded=300, weights=300, kv_cache=100)


def test_footprints_are_taken_before_anything_stays_open(world):
    one = world.session(LATENCY, MEMORY)
    one.gain(world.of(world.copy), LATENCY)
    assert world.took("footprint", "open") == [
        ("footprint", "model", 64),
        ("open", "dense", 12),
        ("open", "copy", 12),
    ], "the copy has the footprint of its content"
    one.gain(world.of(world.copy), MEMORY)
    assert world.took("footprint", "open") == []


def test_a_footprint_that_fails_does_not_keep_the_timings_and_is_not_tried_again(world):
    world.failing.add("footprint")
    one = world.session(LATENCY, MEMORY)
    assert one.gain(world.of(DENSE), LATENCY).value == 100.0
    with pytest.raises(EngineError, match="out of memory"):
        one.gain(world.of(DENSE), MEMORY)
    assert len(world.took("footprint")) == 1


def test_a_footprint_is_not_taken_while_another_process_times(world):
    world.session(MEMORY).gain(world.of(DENSE), MEMORY)
    assert world.log == [("shared",), ("footprint", "model", 64), ("not shared",)]


def test_what_is_open_of_another_model_is_closed_before_a_build(world, monkeypatch):
    other = replace(world.model, name="n")
    one = world.session(LATENCY, models=[other])
    one.gain(world.of(DENSE), LATENCY)
    world.took("open")
    build = Builder.build

    def logged(self, model, *about):
        world.log.append(("build", model.name))
        return build(self, model, *about)

    monkeypatch.setattr(Builder, "build", logged)
    one.gain(world.of(DENSE, other), SIZE)
    assert world.took("build", "close")[:2] == [("close", "dense"), ("build", "n")]


# -- what decides a figure ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "again"),
    [({"memory": 0.3}, True), ({"batch_size": 2}, False), ({"sampling": "declared"}, False)],
)
def test_timings_are_taken_again_where_what_decides_them_has_changed(served, changed, again):
    served.session(LATENCY).gain(served.of(DENSE), LATENCY)
    assert served.took("asked")
    served.session(LATENCY, **changed).gain(served.of(DENSE), LATENCY)
    assert bool(served.took("asked")) == again


@pytest.mark.parametrize("library", fingerprint.MEASURED_LIBRARIES)
def test_a_footprint_belongs_to_the_libraries_that_make_it_whatever_the_engine(
    served, monkeypatch, library
):
    served.session(MEMORY).gain(served.of(DENSE), MEMORY)
    served.session(MEMORY, batch_size=2).gain(served.of(DENSE), MEMORY)
    assert len(served.took("footprint")) == 1
    other = lambda name: "0.0.1" if name == library else version(name)  # noqa: E731
    monkeypatch.setattr(fingerprint, "version", other)
    served.session(MEMORY).gain(served.of(DENSE), MEMORY)
    assert len(served.took("footprint")) == 1


def test_a_machine_is_that_of_its_device(served):
    assert fingerprint.fingerprint_of(served.engine)["device"] == "cuda"
    assert fingerprint.fingerprint_of(served.engine)["versions"] == {}
    here = fingerprint.fingerprint_of(EngineSettings(device="cpu"))
    assert here["device"] == "cpu"
    assert set(here["versions"]) == {"torch", "transformers", "compressed-tensors"}


def test_a_header_that_is_a_little_shorter_is_no_gain(world):
    gain = world.session(SIZE).gain(world.of(world.copy), SIZE)
    assert (gain.low, gain.high) == (pytest.approx(99.9), pytest.approx(100.1))
    gain = world.session(SIZE).gain(world.of(DENSE), SIZE)
    assert gain.low == gain.high == 100.0


def test_prompts_are_made_of_tokens_that_both_sides_know(world, tmp_path):
    narrow = Path(shutil.copytree(EMBEDDED, tmp_path / "narrow"))
    config = json.loads((narrow / "config.json").read_text())
    (narrow / "config.json").write_text(json.dumps(config | {"vocab_size": 500}))
    one = world.session()
    dense = one.checkpoint(world.of(DENSE))
    found = measurements.vocabulary_of(dense, replace(dense, path=narrow))
    assert max(measurements.vocabulary_of(dense)) >= 500 > max(found)


# -- what is asked for, and what it took ----------------------------------------------------------


def test_a_gain_in_building_and_a_cost_of_serving_are_refused(world):
    one = world.session()
    with pytest.raises(SpecError, match="compression_time"):
        one.gain(world.of(world.copy), probe("compression_time"))
    with pytest.raises(SpecError, match="latency"):
        one.cost(world.of(world.copy), LATENCY)


def test_what_measuring_took_is_told_of_what_was_taken_or_found(world):
    one = world.session(LATENCY, THROUGHPUT)
    one.gain(world.of(world.copy), LATENCY)
    (taken,) = (piece for piece in one.take_work() if piece.stage == "measure")
    assert not taken.cached
    assert taken.seconds > 0
    one.gain(world.of(world.copy), THROUGHPUT)
    one.gain(world.of(world.copy), SIZE)
    assert one.take_work() == []
    again = world.session(LATENCY)
    again.gain(world.of(world.copy), LATENCY)
    (found,) = (piece for piece in again.take_work() if piece.stage == "measure")
    assert found.cached
    assert found.seconds == 0.0


def test_a_probe_that_is_refused_took_nothing(world):
    one = world.session()
    one.checkpoint(world.of(world.copy))
    one.take_work()
    with pytest.raises(UnmeasuredError, match="--engine vllm"):
        one.gain(world.of(world.copy), replace(LATENCY, served=True))
    assert one.take_work() == []
    assert world.took("open") == []


def test_a_failure_is_no_figure_that_was_found_and_its_time_counts(world):
    world.failing.add("copy")
    one = world.session(LATENCY)
    with pytest.raises(EngineError, match="does not answer"):
        one.gain(world.of(world.copy), LATENCY)
    (failed,) = (piece for piece in one.take_work() if piece.stage == "measure")
    assert not failed.cached
    assert failed.seconds > 0


def test_waiting_for_the_device_and_builds_do_not_count(world, monkeypatch):
    waited = []

    @contextmanager
    def waits(on_wait=silent):
        waited.append(1000.0)
        yield

    monkeypatch.setattr(turns, "alone", waits)
    monkeypatch.setattr(measurements.time, "monotonic", lambda: sum(waited))
    one = world.session(LATENCY)
    one.gain(world.of(DENSE), LATENCY)
    (taken,) = (piece for piece in one.take_work() if piece.stage == "measure")
    assert taken.seconds == 0.0
    assert not taken.cached


def test_what_cannot_be_built_does_not_keep_the_others(world, monkeypatch):
    build = Builder.build

    def fails(self, model, method, *about):
        if method is world.copy:
            raise BuildError("it is not what it claims")
        return build(self, model, method, *about)

    monkeypatch.setattr(Builder, "build", fails)
    assert world.session(LATENCY).gain(world.of(DENSE), LATENCY).value == 100.0

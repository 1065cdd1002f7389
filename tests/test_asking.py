"""Asking stops where a jury needs no more, and a run in full later asks the rest.

Jury and engine are scripted; items, readings, batches and the store are the real ones.
"""

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.performance.test_knowledge import arc_easy
from suites.reliability.test_safety import misuse, xstest
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError, UnmeasuredError
from unicomp.item_texts import read_texts
from unicomp.measuring import Conditions, measure
from unicomp.prompts.items import Renderer
from unicomp.responses import ResponseLog
from unicomp.spec import DENSE, Model
from unicomp.store import Store

MODEL = Model(name="m", source=str(shipped_fixtures() / "embedded" / "model"))
SAMPLES = 100
"""Items of each benchmark, which are asked in three batches of 32 and one of 4."""
BENCHMARKS = (misuse, xstest, arc_easy)


@dataclass
class Bench:
    """A jury that wants so many items of the benchmarks that can stop, and keeps what it heard."""

    wanted: dict[str, int] = field(default_factory=dict)
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, int]] = field(default_factory=list)

    def waits(self):
        return {name: self.needs.get(name, ()) for name in self.wanted}

    def hear(self, benchmark, records):
        self.heard.append((benchmark, len(records.items)))

    def unsettled(self):
        known = dict(self.heard)
        return [name for name, count in self.wanted.items() if known.get(name, 0) < count]

    def skipped(self):
        return self.skips


@dataclass
class Scripted:
    """An engine whose answers depend on the request alone; it keeps what it was asked."""

    batches: list = field(default_factory=list)
    loaded: int = 0
    interrupt_after: int | None = None
    broken: str = ""

    @contextmanager
    def open(self, tokens):
        self.loaded += 1
        yield self

    def answer(self, requests):
        if self.interrupt_after is not None and len(self.batches) >= self.interrupt_after:
            raise KeyboardInterrupt
        if self.broken and requests[0].request_type == self.broken:
            raise EngineError("out of memory")
        self.batches.append([repr(request.arguments) for request in requests])
        return [self._one(request) for request in requests]

    def _one(self, request):
        place = sum(map(ord, repr(request.arguments)))
        if request.request_type == "loglikelihood":
            return -1.0 - place % 7, False
        return f"I cannot help with number {place}." if place % 3 else f"Take {place} of them."

    @property
    def asked(self):
        return sorted(request for batch in self.batches for request in batch)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The checkpoint, and a renderer that has rendered the items once."""
    return checkpoint_and_renderer(tmp_path_factory.mktemp("home"))


def checkpoint_and_renderer(home):
    checkpoint = Builder(store=Store(home), roots=()).find(MODEL, DENSE, None)
    return checkpoint, Renderer(Source("embedded"), SAMPLES)


@pytest.fixture
def world(tmp_path, rendered):
    return world_in(tmp_path / "home", rendered)


def world_in(home, rendered):
    """A store, and `ask(jury)` with an engine that answers what is not known."""
    checkpoint, renderer = rendered
    conditions = Conditions(Store(home), Source("embedded"), EngineSettings(), samples=SAMPLES)
    conditions.__dict__["renderer"] = renderer
    engine = Scripted()

    def ask(jury=None, benchmarks=BENCHMARKS):
        names: list[str] = []

        def note(state):
            if names[-1:] != [state.benchmark]:
                names.append(state.benchmark)

        found = measure(
            checkpoint, benchmarks, conditions, open_engine=engine.open, on_progress=note, jury=jury
        )
        return SimpleNamespace(**vars(found), order=names)

    def responses():
        return ResponseLog(conditions.store, checkpoint, conditions.engine).read()

    return SimpleNamespace(
        ask=ask, engine=engine, responses=responses, store=conditions.store, home=home
    )


# -- stopping -------------------------------------------------------------------------------------


def test_a_benchmark_stops_where_the_jury_needs_no_more(world):
    jury = Bench(wanted={"misuse": 40, "xstest": 20})
    found = world.ask(jury)
    assert {name: len(one.items) for name, one in found.records.items()} == {
        "misuse": 64, "xstest": 32, "arc_easy": SAMPLES,
    }  # fmt: skip
    assert found.full == {"misuse": SAMPLES, "xstest": SAMPLES}
    assert found.asked == 64 + 32 + SAMPLES
    assert jury.heard == [("misuse", 32), ("xstest", 32), ("misuse", 64), ("arc_easy", SAMPLES)]


def test_the_records_are_those_of_the_first_items_and_have_texts(world):
    early = world.ask(Bench(wanted={"misuse": 40}), [misuse]).records["misuse"]
    first = world.ask(benchmarks=[misuse]).records["misuse"].at(range(64))
    assert (early.items, early.fields, early.answers) == (first.items, first.fields, first.answers)
    assert (early.parsed, early.prompts) == (first.parsed, first.prompts)
    assert read_texts(world.store, early).items == early.items


def test_a_jury_that_never_settles_gives_the_run_in_full(world, tmp_path, rendered):
    found = world.ask(Bench(wanted={"misuse": 1000, "xstest": 1000}))
    other = world_in(tmp_path / "other", rendered)
    whole = other.ask()
    assert (found.records, found.keys, found.full) == (whole.records, whole.keys, {})
    assert sorted(world.engine.batches) == sorted(other.engine.batches)


@pytest.mark.long
def test_a_run_in_full_asks_the_rest_and_is_as_if_undisturbed(world, tmp_path, rendered):
    early = world.ask(Bench(wanted={"misuse": 40, "xstest": 20}))
    later = world.ask()
    other = world_in(tmp_path / "other", rendered)
    whole = other.ask()
    assert early.asked + later.asked == whole.asked
    assert sorted(world.engine.batches) == sorted(other.engine.batches)
    assert world.responses() == other.responses()
    assert (later.records, later.keys) == (whole.records, whole.keys)
    assert early.keys["misuse"] != later.keys["misuse"]


def test_an_early_run_again_loads_nothing_and_says_the_same(world):
    found, again = (world.ask(Bench(wanted={"misuse": 40, "xstest": 20})) for _ in range(2))
    assert (world.engine.loaded, again.asked) == (1, 0)
    assert (again.records, again.keys, again.full) == (found.records, found.keys, found.full)


def test_a_jury_that_wants_more_later_is_given_what_was_asked_and_the_rest(world):
    world.ask(Bench(wanted={"misuse": 40}), [misuse])
    jury = Bench(wanted={"misuse": 96})
    assert world.ask(jury, [misuse]).asked == 32
    # what the earlier run left does not settle it, so it is read from the start
    assert jury.heard == [("misuse", count) for count in (64, 32, 64, 96)]


@pytest.mark.parametrize("known", ["records", "responses"])
def test_what_is_known_of_all_items_is_used_and_heard_first(world, known):
    whole = world.ask(benchmarks=[misuse])
    if known == "responses":
        for file in (world.home / "scores").iterdir():
            file.unlink()
    jury = Bench(wanted={"misuse": 40, "xstest": 20})
    found = world.ask(jury)
    assert jury.heard[0] == ("misuse", SAMPLES)
    assert found.records["misuse"] == whole.records["misuse"]
    assert found.keys["misuse"] == whole.keys["misuse"]
    assert found.full == {"xstest": SAMPLES}


# -- the order ------------------------------------------------------------------------------------


def test_a_benchmark_that_cannot_stop_is_asked_last(world):
    found = world.ask(Bench(wanted={"xstest": 40}), [arc_easy, xstest])
    assert found.order == ["xstest", "arc_easy"]


def test_what_others_wait_for_is_asked_before_them(world):
    jury = Bench(wanted={"xstest": 40}, needs={"xstest": ("arc_easy",)})
    found = world.ask(jury, [misuse, xstest, arc_easy])
    assert found.order == ["arc_easy", "xstest", "misuse"]


def test_what_a_benchmark_waits_for_may_change(world):
    class Late(Bench):
        def waits(self):
            return {"xstest": ["arc_easy"] if self.heard else []}

    jury = Late(wanted={"xstest": 40})
    world.ask(jury, [misuse, xstest, arc_easy])
    assert jury.heard == [
        ("xstest", 32), ("arc_easy", SAMPLES), ("xstest", 64), ("misuse", SAMPLES),
    ]  # fmt: skip


def test_benchmarks_that_share_items_are_asked_to_their_ends(world):
    copy = replace(misuse, name="copy")
    found = world.ask(
        Bench(wanted={"misuse": 40, "copy": 40, "xstest": 20}), [misuse, copy, xstest]
    )
    assert found.full == {"xstest": SAMPLES}
    assert found.asked == SAMPLES + 32


# -- what is skipped or fails ---------------------------------------------------------------------


def test_what_the_jury_skips_is_not_measured_and_says_why(world):
    jury = Bench(wanted={"misuse": 40}, skips={"arc_easy": "the gate is shut"})
    found = world.ask(jury)
    assert isinstance(found.records["arc_easy"], UnmeasuredError)
    assert str(found.records["arc_easy"]) == "the gate is shut"
    assert found.asked == 64 + SAMPLES


def test_a_benchmark_that_was_begun_can_be_skipped(world):
    class Harsh(Bench):
        def skipped(self):
            return dict.fromkeys(("misuse", "arc_easy"), "shut") if self.heard else {}

    found = world.ask(Harsh(wanted={"misuse": 1000, "xstest": 20}))
    assert {name for name, one in found.records.items() if isinstance(one, UnmeasuredError)} == {
        "misuse", "arc_easy",
    }  # fmt: skip
    assert (found.asked, found.full) == (64, {"xstest": SAMPLES})


def test_a_benchmark_that_fails_does_not_stop_the_others(world):
    world.engine.broken = "loglikelihood"
    jury = Bench(wanted={"arc_easy": 40, "misuse": 40}, needs={"misuse": ("arc_easy",)})
    found = world.ask(jury)
    assert isinstance(found.records["arc_easy"], EngineError)
    assert found.full == {"misuse": SAMPLES}
    assert len(found.records["xstest"].items) == SAMPLES


def test_a_scorer_that_fails_ends_its_benchmark_only(world):
    def broken(item):
        raise ValueError("no such word")

    bench = replace(misuse, name="mine", scorer=broken)
    found = world.ask(Bench(wanted={"mine": 40, "xstest": 20}), [bench, xstest])
    assert "no such word" in str(found.records["mine"])
    assert found.full == {"xstest": SAMPLES}


# -- interruptions --------------------------------------------------------------------------------


@pytest.mark.long
@given(st.integers(0, 5), st.integers(1, SAMPLES), st.integers(1, SAMPLES))
@settings(max_examples=3, deadline=None)
def test_after_an_interruption_nothing_is_asked_twice(
    tmp_path_factory, rendered, finished, some, others
):
    wanted = {"misuse": some, "xstest": others}
    world = world_in(tmp_path_factory.mktemp("home"), rendered)
    world.engine.interrupt_after = finished
    with pytest.raises(KeyboardInterrupt):
        world.ask(Bench(wanted=wanted))
    world.engine.interrupt_after = None
    early, later = world.ask(Bench(wanted=wanted)), world.ask()
    other = world_in(tmp_path_factory.mktemp("other"), rendered)
    whole = other.ask()
    assert sorted(world.engine.batches) == sorted(other.engine.batches)
    assert (later.records, later.keys) == (whole.records, whole.keys)
    assert set(early.full) == {name for name, count in wanted.items() if count <= 96}


SLOW = """
import sys, time
from pathlib import Path
from tests.test_asking import Bench, checkpoint_and_renderer, world_in

home = Path(sys.argv[1])
world = world_in(home, checkpoint_and_renderer(home))
quick = world.engine.answer
world.engine.answer = lambda requests: (time.sleep(0.3), quick(requests))[1]
world.ask(Bench(wanted={"misuse": 1000, "xstest": 1000}))
"""


@pytest.mark.long
@pytest.mark.parametrize("kept", [1, 4])
def test_after_a_kill_nothing_is_asked_twice(tmp_path, rendered, kept):
    home = tmp_path / "home"
    child = subprocess.Popen([sys.executable, "-c", SLOW, str(home)])
    try:
        while len(list(home.glob("responses/*/*.jsonl"))) < kept:
            assert child.poll() is None
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    world, other = world_in(home, rendered), world_in(tmp_path / "other", rendered)
    known = world.responses()
    assert 0 < len(known) < 3 * SAMPLES
    early, later = world.ask(Bench(wanted={"misuse": 40, "xstest": 20})), world.ask()
    whole = other.ask()
    assert len(known) + early.asked + later.asked == whole.asked
    assert world.responses() == other.responses()
    assert (later.records, later.keys) == (whole.records, whole.keys)

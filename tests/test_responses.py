"""Responses: asked once, kept in batches, and never lost or mixed up by what happens on the way.

The engine answers from memory; store, batches and files are the real ones.
"""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp import responses
from unicomp.checkpoint import Checkpoint
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError, StoreError
from unicomp.prompts.items import RenderedItem
from unicomp.responses import (
    ResponseLog,
    ResponseProgress,
    batches,
    collect,
    one_by_one,
    unanswered,
)
from unicomp.spec import DENSE, Model
from unicomp.store import Store

ENGINE = EngineSettings(device="cpu")


class Parrot:
    """An engine that repeats each request in capitals, and remembers what it was asked."""

    def __init__(self):
        self.batches = []
        self.loaded = 0
        self.interrupt_after = None
        self.broken = ""

    @contextmanager
    def open(self, settings, folder, model, tokens):
        self.loaded += 1
        yield self

    def answer(self, requests):
        if self.interrupt_after is not None and len(self.batches) >= self.interrupt_after:
            raise KeyboardInterrupt
        if self.broken and any(request.startswith(self.broken) for request in requests):
            raise EngineError(f"{self.broken} is too long")
        self.batches.append(list(requests))
        return [request.upper() for request in requests]

    @property
    def asked(self):
        return [request for batch in self.batches for request in batch]


def opened(checkpoint):
    return lambda: ENGINE.open(checkpoint.path, checkpoint.model, 0)


@pytest.fixture
def engine(monkeypatch):
    parrot = Parrot()
    monkeypatch.setattr(EngineSettings, "open", lambda *about: parrot.open(*about))
    return parrot


@pytest.fixture
def world(tmp_path):
    """A checkpoint and a store, and `ask(n)` with a log that is opened afresh each time."""
    store = Store(tmp_path / "home")
    checkpoint = checkpoint_of(tmp_path)

    def ask(count=None, questions=None, on_progress=lambda state: None, order=one_by_one):
        log = ResponseLog(store, checkpoint, ENGINE)
        given = questions if questions is not None else {"gsm8k": items(count)}
        return collect(log, opened(checkpoint), given, on_progress, order=order)

    def files():
        return sorted((store.home / "responses").rglob("*.jsonl"))

    return SimpleNamespace(store=store, checkpoint=checkpoint, ask=ask, files=files)


def checkpoint_of(folder, key="k" * 32):
    model = Model(name="m", source=str(folder))
    return Checkpoint(
        model=model, method=DENSE, calibration=None, path=folder, key=key, facts={}, fresh=False
    )


class Request(str):
    """A request that is its own prompt."""

    @property
    def arguments(self):
        return (self,)


def item(name, requests=1):
    return RenderedItem(
        item=name,
        key=f"key-{name}",
        cluster=name,
        doc={},
        task=None,
        requests=tuple(Request(f"{name} {i}") for i in range(requests)),
    )


def items(count, name="gsm8k", requests=1):
    return [item(f"{name}-{i}", requests) for i in range(count)]


def sizes(count):
    """The sizes of the batches of so many items."""
    return [len(batch) for batch in batches(items(count))]


def test_every_item_is_answered_and_kept(engine, world):
    found = world.ask(300)
    assert found.asked == 300
    assert found.responses["key-gsm8k-7"] == ["GSM8K-7 0"]
    assert ResponseLog(world.store, world.checkpoint, ENGINE).read() == found.responses
    assert list(map(len, engine.batches)) == sizes(300) == [*[32] * 8, 44]


def test_asking_again_loads_nothing(engine, world):
    first, again = world.ask(50), world.ask(50)
    assert (engine.loaded, again.asked) == (1, 0)
    assert again.responses == first.responses


def test_nothing_to_ask_loads_nothing(engine, world):
    assert world.ask(0).responses == {}
    assert engine.loaded == 0


def test_400_after_200_asks_200(engine, world):
    world.ask(200)
    found = world.ask(400)
    assert found.asked == 200
    assert sorted(engine.asked) == sorted(f"gsm8k-{i} 0" for i in range(400))
    assert len(found.responses) == 400


def test_fewer_items_than_known_ask_nothing(engine, world):
    world.ask(200)
    assert world.ask(100).asked == 0


@given(st.lists(st.integers(0, 300), min_size=1, max_size=4))
@settings(max_examples=10, deadline=None)
def test_no_item_is_ever_asked_twice(tmp_path_factory, counts):
    store = Store(tmp_path_factory.mktemp("home"))
    checkpoint, parrot = checkpoint_of(store.home), Parrot()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EngineSettings, "open", lambda *about: parrot.open(*about))
        for count in counts:
            log = ResponseLog(store, checkpoint, ENGINE)
            found = collect(log, opened(checkpoint), {"gsm8k": items(count)})
            assert {f"key-gsm8k-{i}" for i in range(count)} <= set(found.responses)
    assert sorted(parrot.asked) == sorted(f"gsm8k-{i} 0" for i in range(max(counts)))


def test_an_item_keeps_its_requests_together_and_in_order(engine, world):
    found = world.ask(questions={"arc": items(3, "arc", requests=4)})
    assert found.responses["key-arc-1"] == [f"ARC-1 {i}" for i in range(4)]


def test_pairs_of_a_likelihood_come_back_as_they_were(engine, world, monkeypatch):
    monkeypatch.setattr(engine, "answer", lambda requests: [(-1.5, True) for _ in requests])
    world.ask(2)
    (again,) = world.ask(2).responses["key-gsm8k-0"]
    assert tuple(again) == (-1.5, True)


@pytest.mark.parametrize(
    "text", ["", "two\nlines\r\n", "\u2028\x85\x0b", '"quoted" \\ {', "日本語 🦙", "\x00\x1b[2J"]
)
def test_any_text_comes_back_as_it_was(engine, world, monkeypatch, text):
    monkeypatch.setattr(engine, "answer", lambda requests: [text for _ in requests])
    world.ask(2)
    assert world.ask(2).responses["key-gsm8k-0"] == [text]


# -- interruptions --------------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_an_interruption_loses_at_most_the_batch_in_hand(engine, world, finished):
    engine.interrupt_after = finished
    with pytest.raises(KeyboardInterrupt):
        world.ask(300)
    kept = ResponseLog(world.store, world.checkpoint, ENGINE).read()
    assert len(kept) == sum(sizes(300)[:finished])


@pytest.mark.parametrize("finished", [1, 2])
def test_a_resumed_run_asks_the_batches_of_an_undisturbed_one(engine, world, tmp_path, finished):
    engine.interrupt_after = finished
    with pytest.raises(KeyboardInterrupt):
        world.ask(300)
    engine.interrupt_after = None
    found = world.ask(300)
    resumed = list(engine.batches)

    engine.batches.clear()
    other = ResponseLog(Store(tmp_path / "other"), world.checkpoint, ENGINE)
    undisturbed = collect(other, opened(world.checkpoint), {"gsm8k": items(300)})
    assert engine.batches == resumed
    assert found.responses == undisturbed.responses
    assert found.asked == sum(sizes(300)[finished:])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b'{"key": "key-gsm8k-0", "responses": ["forged"]}\n',
        lambda content: content.replace(b"GSM8K-0", b"gsm8k-0"),
        lambda content: b"",
        lambda content: b"\xff\xfe" + content,
        lambda content: b"not json\n",
    ],
    ids=["cut", "longer", "edited", "empty", "binary", "text"],
)
def test_a_damaged_batch_is_dropped_and_asked_again(engine, world, damage):
    before = world.ask(200).responses
    damaged = [path for path in world.files() if b"GSM8K-0 0" in path.read_bytes()]
    damaged[0].write_bytes(damage(damaged[0].read_bytes()))
    engine.batches.clear()
    found = world.ask(200)
    assert found.responses == before
    assert engine.asked == [f"gsm8k-{i} 0" for i in range(32)]
    assert world.ask(200).asked == 0


def test_a_half_written_batch_is_not_read(engine, world):
    world.ask(10)
    (batch,) = world.files()
    batch.with_name(f".{batch.name}.123").write_text('{"key": "key-gsm8k-0", "respo')
    assert world.ask(10).asked == 0


def test_a_full_disk_is_said_so(engine, world, monkeypatch):
    def full(path, text):
        raise StoreError("the disk is full")

    monkeypatch.setattr(responses, "write_atomically", full)
    with pytest.raises(StoreError, match="full"):
        world.ask(10)


# -- several benchmarks ---------------------------------------------------------------------------


def test_a_benchmark_that_fails_does_not_take_the_others_with_it(engine, world):
    engine.broken = "math"
    found = world.ask(
        questions={"gsm8k": items(5), "math": items(5, "math"), "arc": items(5, "arc")}
    )
    assert list(found.failures) == ["math"]
    assert "too long" in str(found.failures["math"])
    assert {f"key-{name}-{i}" for name in ("gsm8k", "arc") for i in range(5)} == set(
        found.responses
    )
    assert found.asked == 10


def test_the_batches_before_a_failure_are_kept(engine, world):
    broken = [*items(32), item("math")]
    engine.broken = "math"
    world.ask(questions={"gsm8k": broken})
    engine.broken = ""
    assert world.ask(questions={"gsm8k": broken}).asked == 1


def test_items_that_benchmarks_share_are_known_to_both(engine, world):
    world.ask(5)
    assert world.ask(questions={"copy": items(5)}).asked == 0


def test_equal_items_of_one_batch_are_asked_once(engine, world):
    found = world.ask(questions={"gsm8k": [*items(3), *items(3)]})
    assert engine.asked == ["gsm8k-0 0", "gsm8k-1 0", "gsm8k-2 0"]
    assert len(found.responses) == 3


def test_a_checkpoint_that_cannot_be_loaded_is_an_error(world, monkeypatch):
    @contextmanager
    def fail(settings, folder, model, tokens):
        raise EngineError("the checkpoint cannot be loaded")
        yield

    monkeypatch.setattr(EngineSettings, "open", fail)
    with pytest.raises(EngineError, match="cannot be loaded"):
        world.ask(5)


def test_progress_counts_all_items_and_those_that_were_known(engine, world):
    world.ask(100)
    states = []
    world.ask(300, on_progress=states.append)
    assert states == [
        ResponseProgress("gsm8k", done, 300) for done in (100, 128, 160, 192, 224, 256, 300)
    ]


def test_an_engine_that_can_be_watched_reports_parts_of_items(engine, world):
    engine.watch = lambda report: report(1.5)
    states = []
    world.ask(4, on_progress=states.append)
    assert states == [ResponseProgress("gsm8k", done, 4) for done in (0, 1.5, 4)]


# -- in another order ----------------------------------------------------------------------------


def shuffled(random):
    """An order that draws the benchmark of each batch."""

    def order(questions, known, failures):
        left = {name: list(batches(given)) for name, given in questions.items()}
        while names := [name for name, rest in left.items() if rest and name not in failures]:
            name = random.choice(names)
            if missing := unanswered(left[name].pop(0), known):
                yield name, missing
                assert name in failures or not unanswered(missing, known)

    return order


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 300)), st.randoms())
@settings(max_examples=20, deadline=None)
def test_in_any_order_the_same_batches_are_asked(tmp_path_factory, counts, random):
    questions = {name: items(count, name) for name, count in counts.items()}
    checkpoint, asked, found = checkpoint_of(tmp_path_factory.mktemp("m")), [], []
    for order in (one_by_one, shuffled(random)):
        parrot = Parrot()
        log = ResponseLog(Store(tmp_path_factory.mktemp("home")), checkpoint, ENGINE)
        load = partial(parrot.open, ENGINE, checkpoint.path, checkpoint.model, 0)
        found.append(collect(log, load, questions, order=order).responses)
        asked.append(sorted(parrot.batches))
        assert parrot.loaded == min(1, sum(counts.values()))
    assert asked[0] == asked[1]
    assert found[0] == found[1]


def test_an_order_that_asks_nothing_loads_nothing(engine, world):
    found = world.ask(300, order=lambda questions, known, failures: iter(()))
    assert (engine.loaded, found.asked, found.seconds) == (0, 0, 0.0)


def test_the_limits_of_batches_do_not_depend_on_how_many_items_there_are():
    assert sizes(1000) == [*[32] * 8, *[64] * 4, *[128] * 3, 104]
    assert [sum(sizes(count)) for count in (0, 1, 31, 32, 33, 129)] == [0, 1, 31, 32, 33, 129]
    assert sizes(200) == [*[32] * 6, 8]


def test_progress_of_alternating_benchmarks_is_that_of_each(engine, world):
    def alternating(questions, known, failures):
        for pair in zip(*map(batches, questions.values()), strict=True):
            yield from zip(questions, pair, strict=True)

    states = []
    questions = {name: items(64, name) for name in ("a", "b")}
    world.ask(questions=questions, on_progress=states.append, order=alternating)
    assert [(one.benchmark, one.done) for one in states] == [
        ("a", 0), ("a", 32), ("b", 0), ("b", 32), ("a", 32), ("a", 64), ("b", 32), ("b", 64),
    ]  # fmt: skip


# -- whose responses they are ---------------------------------------------------------------------


def test_responses_belong_to_a_checkpoint_and_an_engine(engine, world, tmp_path):
    def key(checkpoint=world.checkpoint, **changed):
        return ResponseLog(
            world.store, checkpoint, EngineSettings(**{"device": "cpu", **changed})
        ).key

    others = [
        key(checkpoint_of(tmp_path, key="another")),
        key(batch_size=32),
        key(threads=2),
        key(device="cuda"),
    ]
    assert key() == key()
    assert len({key(), *others}) == 5


def test_the_name_of_a_model_does_not_count(world, tmp_path):
    log = ResponseLog(world.store, world.checkpoint, ENGINE)
    renamed = Checkpoint(
        **{**vars(world.checkpoint), "model": Model(name="renamed", source=str(tmp_path))}
    )
    assert ResponseLog(world.store, renamed, ENGINE).key == log.key


def test_what_items_take_is_known_by_benchmark(engine, world):
    """In this call: what is in the store took nothing."""
    world.ask(questions={"arc": items(3, "arc", requests=2)})
    all_items = items(5, "arc", requests=2)
    found = world.ask(questions={"arc": all_items, "gsm8k": items(2)})
    arc, gsm8k = found.spent["arc"], found.spent["gsm8k"]
    assert (arc.items, gsm8k.items) == (2, 2)
    assert arc.read == arc.written == sum(len(r) for one in all_items[3:] for r in one.requests)
    assert arc.seconds + gsm8k.seconds + found.loading <= found.seconds

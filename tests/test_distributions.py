"""Next-token distributions: asked once with the windows they belong to, and kept beside them."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp import session
from unicomp.agenda import Agenda, Subject
from unicomp.checkpoint import Checkpoint
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.distributions import CHUNK, CHUNKS, DistributionLog, chunks_of
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.engines.hf import places_in
from unicomp.errors import EngineError
from unicomp.measuring import CheckpointRecords, Conditions
from unicomp.prompts.items import RenderedItem
from unicomp.responses import ResponseLog, collect
from unicomp.scores import Records
from unicomp.scoring.aggregate import Perplexity
from unicomp.session import Session
from unicomp.spec import DENSE, Benchmark, Model, Reading
from unicomp.store import Store

ENGINE = EngineSettings(device="cpu")


def window(number, length):
    request = SimpleNamespace(arguments=(tuple(range(length)),))
    name = f"window-{number}"
    return RenderedItem(item=name, key=name, cluster=name, doc={}, task=None, requests=(request,))


# -- chunks and places ----------------------------------------------------------------------------


@given(st.lists(st.integers(1, 3000), max_size=12))
def test_chunks_are_equally_long_and_limited(lengths):
    chunks = chunks_of([window(number, length) for number, length in enumerate(lengths)])
    assert len({len(chunk) for chunk in chunks}) <= 1
    assert len(chunks) <= CHUNKS
    assert all(2 <= len(chunk) <= CHUNK for chunk in chunks)


def test_windows_are_cut_like_llama_cpp_does():
    chunks = chunks_of([window(0, 1100)])
    assert chunks == [tuple(range(512)), tuple(range(512, 1024))]


def test_windows_of_a_short_context_are_chunks_themselves():
    assert list(map(len, chunks_of([window(0, 64), window(1, 64), window(2, 10)]))) == [64, 64]


@given(st.integers(2, 600), st.integers(0, 400))
def test_places_lie_in_the_second_half_and_within_the_room(length, room):
    places = places_in(length, room)
    assert 1 <= len(places) <= max(room, 1)
    assert places == sorted(set(places))
    assert length // 2 <= places[0]
    assert places[-1] < length


def test_a_small_vocabulary_has_all_places_of_the_second_half():
    assert places_in(512, 2**27 // (CHUNKS * 4096)) == list(range(256, 512))
    assert len(places_in(512, 2**27 // (CHUNKS * 128_256))) == 8


# -- the store ------------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    log = DistributionLog(tmp_path / "responses", ["a", "b"])
    assert (log.exists, log.read()) == (False, None)
    log.write(np.arange(6, dtype=np.float16).reshape(1, 2, 3))
    assert log.exists
    assert log.read().tolist() == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
    assert DistributionLog(tmp_path / "responses", ["b", "a"]).read() is None


def test_a_damaged_file_is_no_distribution(tmp_path):
    log = DistributionLog(tmp_path, ["a"])
    log.write(np.zeros((1, 1, 2), np.float16))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:50])
    assert log.read() is None


# -- asking ---------------------------------------------------------------------------------------


class Reader:
    """An engine that answers every window, and gives uniform distributions unless it is broken."""

    def __init__(self, given=None, error=None):
        self.loaded = self.read = 0
        self.given, self.error = given, error

    @contextmanager
    def open(self):
        self.loaded += 1
        yield self

    def answer(self, requests):
        return [-1.0 for _ in requests]

    def log_probabilities(self, chunks, most):
        self.read += 1
        if self.error:
            raise self.error
        return self.given


@pytest.fixture
def log(tmp_path):
    model = Model(name="m", source=str(tmp_path))
    checkpoint = Checkpoint(
        model=model, method=DENSE, calibration=None, path=tmp_path, key="k", facts={}, fresh=False
    )
    return ResponseLog(Store(tmp_path / "home"), checkpoint, ENGINE)


WINDOWS = [window(number, 20) for number in range(3)]
NAMES = [one.item for one in WINDOWS]
UNIFORM = np.full((3, 2, 4), np.log(0.25), np.float16)


def test_distributions_are_read_in_the_load_that_answers_the_windows(log):
    engine = Reader(UNIFORM)
    for _ in range(2):
        found = collect(log, engine.open, {"wikitext": WINDOWS}, running=[WINDOWS])
    assert (engine.loaded, engine.read) == (1, 1)
    assert np.array_equal(log.distributions(NAMES).read(), UNIFORM)
    assert set(found.responses) == set(NAMES)  # no other file is taken for responses


def test_windows_that_were_answered_before_are_read_but_not_asked_again(log):
    collect(log, Reader().open, {"wikitext": WINDOWS})
    engine = Reader(UNIFORM)
    found = collect(log, engine.open, {"wikitext": WINDOWS}, running=[WINDOWS])
    assert (found.asked, engine.read) == (0, 1)
    assert log.distributions(NAMES).exists


def test_a_text_that_is_not_answered_to_its_end_is_not_read(log):
    engine = Reader(UNIFORM)

    def first_only(questions, known, failures):
        yield "wikitext", WINDOWS[:1]

    collect(log, engine.open, {"wikitext": WINDOWS}, running=[WINDOWS], order=first_only)
    assert (engine.read, log.distributions(NAMES).exists) == (0, False)


@pytest.mark.parametrize("engine", [Reader(), Reader(error=EngineError("out of memory"))])
def test_the_scores_do_not_need_the_distributions(log, engine):
    found = collect(log, engine.open, {"wikitext": WINDOWS}, running=[WINDOWS])
    assert found.failures == {}
    assert set(found.responses) == set(NAMES)
    assert not log.distributions(NAMES).exists


PAGES = Benchmark(
    name="pages",
    metric=None,
    dimension="performance",
    task="pages.yaml",
    scorer=lambda item: Reading(fields={}),
    aggregate=Perplexity("tokens"),
    higher_is_better=False,
    in_points=False,
)


def test_a_session_compares_the_distributions_of_both_checkpoints(tmp_path, monkeypatch):
    """It loads nothing for that: each checkpoint kept its own when it answered the windows."""
    model = Model(name="m", source=str(shipped_fixtures() / "embedded" / "model"))
    conditions = Conditions(Store(tmp_path), Source("embedded"), ENGINE)
    found = {
        name: Records(
            benchmark=PAGES.name,
            items=NAMES,
            clusters=NAMES,
            fields={"log_likelihood": [loss] * 3, "tokens": [19.0] * 3},
            parsed=[True] * 3,
            gaps=[None] * 3,
        )
        for name, loss in ((DENSE.name, -20.0), ("other", -21.0))
    }
    monkeypatch.setattr(
        session,
        "measure",
        lambda checkpoint, *given, **named: CheckpointRecords(
            {PAGES.name: found[checkpoint.method.name]}
        ),
    )
    other = replace(DENSE, name="other", parameters={"checkpoint": model.source})
    measuring = Session(
        conditions={model.name: conditions},
        calibration=lambda model, name: pytest.fail("nothing is calibrated"),
        agenda=Agenda(),
        roots=(),
        effort=Effort(),
    )
    subject = Subject(model=model, method=other)
    assert "token_kl" not in measuring.retention(subject, PAGES).divergence["figures"]
    for method in (DENSE, other):
        checkpoint = measuring.checkpoint(Subject(model=model, method=method))
        ResponseLog(conditions.store, checkpoint, ENGINE).distributions(NAMES).write(UNIFORM)
    figures = measuring.retention(subject, PAGES).divergence["figures"]
    assert figures["token_kl"] == [0.0, 0.0, None]
    assert figures["token_top1"][0] == 100.0


def test_the_engine_in_process_gives_distributions_that_add_up():
    model = Model(name="embedded", source=str(shipped_fixtures() / "embedded" / "model"))
    with ENGINE.open(model.folder, model, 32) as engine:
        found = engine.log_probabilities([tuple(range(5, 21)), tuple(range(30, 46))], 2 * 4 * 1024)
    assert found.shape == (2, 4, 1024)
    assert found.dtype == np.float16
    assert np.exp(found.astype(float)).sum(axis=-1) == pytest.approx(1.0, abs=5e-3)

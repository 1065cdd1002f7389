"""A checkpoint is loaded once for all that need it, and not again where that would fail."""

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.engines.gpus import BYTES_8B, LLAMA_8B, gpus
from unicomp.checkpoint import Checkpoint
from unicomp.engines import EngineSettings
from unicomp.engines.placement import placed
from unicomp.engines.pool import Pool
from unicomp.errors import EngineError
from unicomp.machine import turns
from unicomp.spec import DENSE, Method, Model

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
SETTINGS = EngineSettings(device="cpu")


@dataclass
class Engine:
    """Stands in for a loaded checkpoint."""

    name: str
    tokens: int
    log: list = field(repr=False)
    fails: str = ""
    alive: bool = True

    def __enter__(self):
        if self.fails == "to open":
            raise EngineError(f"{self.name} does not fit")
        self.log.append(f"open {self.name} {self.tokens}")
        return self

    def __exit__(self, *error):
        self.log.append(f"close {self.name}")
        if self.fails == "to close":
            raise EngineError(f"{self.name} hangs")


def checkpoint(name, model="m", key=None):
    method = DENSE if name == "dense" else Method(name=name, family="pruning", calibrated=False)
    return Checkpoint(
        model=Model(name=model, source="org/model"),
        method=method,
        calibration=None,
        path=Path(name),
        key=key or f"{model}/{name}",
        facts={},
        fresh=False,
    )


@pytest.fixture
def log():
    return []


@pytest.fixture
def failing(monkeypatch, log):
    """How the engines of some checkpoints fail, by name."""
    failing = {}

    def opened(settings, folder, model, tokens):
        return Engine(folder.name, tokens, log, failing.get(folder.name, ""))

    monkeypatch.setattr(EngineSettings, "open", opened)
    monkeypatch.setattr(turns, "shared", nullcontext)
    return failing


@pytest.fixture
def pool(failing):
    return Pool()


def borrow(pool, name, tokens=8, *, model="m", key=None, keep=True):
    with pool.borrowed(checkpoint(name, model, key), SETTINGS, tokens, keep=keep) as engine:
        return engine


def test_one_that_is_open_is_borrowed_again_unless_it_is_too_short(pool, log):
    assert borrow(pool, "dense") is borrow(pool, "dense", 4)
    assert log == ["open dense 8"]
    assert borrow(pool, "dense", 16).tokens == 16
    assert log == ["open dense 8", "close dense", "open dense 16"]


def test_one_that_is_not_kept_is_closed(pool, log):
    borrow(pool, "dense", keep=False)
    assert log == ["open dense 8", "close dense"]


def test_the_dense_one_stays_beside_those_that_are_compared_with_it(pool, log):
    for name in ("dense", "one", "other"):
        borrow(pool, name)
    assert log == ["open dense 8", "open one 8", "close one", "open other 8"]


def test_a_copy_of_the_dense_one_is_loaded_beside_it(pool, log):
    dense = borrow(pool, "dense", key="same")
    copy = borrow(pool, "copy", key="same")
    assert dense is not copy
    assert log == ["open dense 8", "open copy 8"]


def test_another_model_finds_the_machine_empty(pool, log):
    borrow(pool, "dense")
    borrow(pool, "one")
    pool.close_others("m")
    assert log == ["open dense 8", "open one 8"]
    pool.close_others("n")
    assert log[2:] == ["close dense", "close one"]
    borrow(pool, "dense", model="n")
    borrow(pool, "one")
    assert log[3:] == ["close one", "open dense 8", "close dense", "open one 8"]


def test_two_are_not_loaded_on_a_gpu_whose_memory_they_do_not_fit_in(pool, log):
    """Nor are they if one is loaded for answers alone, which takes all that there is."""
    there = gpus(2, 24_000_000_000)
    tight = placed(EngineSettings(name="hf"), "m", BYTES_8B, LLAMA_8B, there)
    place = tight.placement

    def borrow_in(seat, name):
        with pool.borrowed(checkpoint(name), tight.seated(seat), 8, keep=True):
            pass

    borrow_in(place.first, "dense")
    borrow_in(place.alone, "one")
    assert log == ["open dense 8", "close dense", "open one 8"]
    borrow_in(place.first, "dense")
    assert log[3:] == ["close one", "open dense 8"]
    borrow_in(place.second(BYTES_8B), "one")
    assert log[5:] == ["open one 8"]


def test_one_that_could_not_be_opened_is_not_tried_again(pool, failing, log):
    failing["one"] = "to open"
    with pytest.raises(EngineError, match="does not fit"):
        borrow(pool, "one")
    failing.clear()
    with pytest.raises(EngineError, match="does not fit"):
        borrow(pool, "one")
    assert log == []


def test_one_that_ended_is_opened_once_more_and_no_more(pool, log):
    borrow(pool, "one").alive = False
    again = borrow(pool, "one")
    assert log == ["open one 8", "close one", "open one 8"]
    again.alive = False
    for _ in range(2):
        with pytest.raises(EngineError, match="ended twice"):
            borrow(pool, "one")
    assert log[3:] == ["close one"]


def test_the_last_one_is_closed_first_and_one_that_cannot_be_does_not_keep_the_others(
    pool, failing, log
):
    failing["one"] = "to close"
    borrow(pool, "dense")
    borrow(pool, "one")
    with pytest.raises(EngineError, match="one hangs"):
        pool.close()
    assert log[2:] == ["close one", "close dense"]
    pool.close()
    assert log[4:] == []


def test_models_of_the_same_content_are_loaded_each_as_it_says(pool):
    assert borrow(pool, "dense", key="same") is not borrow(pool, "dense", key="same", model="n")


@pytest.mark.long
def test_a_server_that_died_is_started_once_more(double, toy, monkeypatch):
    monkeypatch.setenv("DOUBLE", "dies=2")
    pool = Pool()
    served = replace(checkpoint("dense"), path=EMBEDDED)
    for cause in ("died unexpectedly", "died unexpectedly", "ended twice"):
        with (
            pytest.raises(EngineError, match=cause),
            pool.borrowed(served, toy, 8, keep=True) as engine,
        ):
            engine.generate([[5]], 2)
    assert len(double.starts) == 2

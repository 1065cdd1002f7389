"""The in-process engine answers timed prompts, and notes when each token was there."""

import time
from pathlib import Path

import pytest

from unicomp.efficiency.gain import gain_of_rounds
from unicomp.efficiency.random_prompts import fresh_prompts, ordinary_tokens
from unicomp.efficiency.rounds import Effort, interleave
from unicomp.engines import EngineSettings
from unicomp.errors import EngineError
from unicomp.spec import Load, Model, Probe

FOLDER = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
VOCABULARY = ordinary_tokens(1024, range(8))

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def engine():
    model = Model(name="embedded", source=str(FOLDER))
    with EngineSettings(device="cpu").open(FOLDER, model, 256) as loaded:
        yield loaded


def prompts(prompt_tokens, new_tokens, concurrency):
    load = Load(prompt_tokens=prompt_tokens, new_tokens=new_tokens, concurrency=concurrency)
    return fresh_prompts(load, VOCABULARY, 0, 0)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_every_request_has_its_first_token_and_every_later_one_a_gap(engine, concurrency):
    start = time.perf_counter()
    timing = engine.generate(prompts(16, 12, concurrency), 12)
    outside = time.perf_counter() - start
    assert len(timing.first) == concurrency
    assert len(timing.gaps) == 11
    assert min(*timing.first, *timing.gaps) > 0
    assert timing.first[0] + sum(timing.gaps) == pytest.approx(timing.seconds)
    assert timing.seconds < outside


def test_one_token_has_no_gap(engine):
    timing = engine.generate(prompts(16, 1, 2), 1)
    assert timing.gaps == ()
    assert timing.seconds == timing.first[0] == timing.first[1]


def test_an_end_that_the_model_sets_is_no_end(engine, monkeypatch):
    """Every token is made the end of a text, which then has none."""
    network = engine._lm.model
    monkeypatch.setattr(network.generation_config, "eos_token_id", list(range(1000)))
    assert len(engine.generate(prompts(8, 20, 2), 20).gaps) == 19


def test_what_does_not_fit_is_refused_in_one_line(engine):
    room = engine._tokenizer.context
    with pytest.raises(EngineError, match=f"room for {room} tokens, and {room + 1} are asked for"):
        engine.generate([[9] * room], 1)


def test_prompts_of_different_lengths_are_no_batch(engine):
    with pytest.raises(EngineError, match="equally long"):
        engine.generate([[9], [9, 9]], 1)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_a_failure_is_one_line(engine, monkeypatch, error):
    def fail(*arguments, **named):
        raise error("out of memory\nand a lot more")

    monkeypatch.setattr(engine._lm.model, "generate", fail)
    with pytest.raises(EngineError) as failure:
        engine.generate(prompts(8, 2, 2), 2)
    assert str(failure.value).endswith(
        "did not answer 2 timed requests of 10 tokens: out of memory"
    )


def test_the_dense_model_has_figures_of_its_own(engine):
    load = Load(prompt_tokens=16, new_tokens=8, concurrency=2)
    effort = Effort(warmup_rounds=1, least_rounds=3, least_seconds=0, most_rounds=3)
    rounds = interleave(None, engine, load, VOCABULARY, effort, seed=0)
    for quantity in ("throughput", "latency", "time_to_first_token", "inter_token_latency"):
        probe = Probe(name=quantity, metric="inference_efficiency", quantity=quantity, load=load)
        gain = gain_of_rounds(probe, rounds)
        assert gain.value == 100.0
        assert gain.score == gain.dense > 0

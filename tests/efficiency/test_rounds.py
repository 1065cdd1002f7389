"""Rounds are fair: fresh and equal prompts, and each side goes first in half of the rounds."""

import json

import pytest

from unicomp.efficiency.random_prompts import fresh_prompts, ordinary_tokens
from unicomp.efficiency.rounds import Effort, Rounds, interleave
from unicomp.engines import Timing
from unicomp.errors import EngineError, SpecError
from unicomp.spec import Load

LOAD = Load(prompt_tokens=3, new_tokens=2, concurrency=2)
VOCABULARY = ordinary_tokens(100, [0, 1, 2])
TEN = Effort(warmup_rounds=2, least_rounds=10, least_seconds=0, most_rounds=10)


class Engine:
    """Notes what it is asked in a log that both sides share."""

    def __init__(self, name, log, seconds=1.0):
        self.name = name
        self.log = log
        self.seconds = seconds

    def generate(self, prompts, new_tokens):
        self.log.append((self.name, json.dumps(prompts), new_tokens))
        return Timing(self.seconds + len(self.log) / 1000, (0.1, 0.2), (0.3,))


@pytest.fixture
def log():
    return []


@pytest.fixture
def pair(log):
    return Engine("dense", log), Engine("compressed", log)


def test_both_sides_answer_the_same_prompts_and_every_round_has_its_own(pair, log):
    interleave(*pair, LOAD, VOCABULARY, TEN, seed=0)
    rounds = [(log[at], log[at + 1]) for at in range(0, len(log), 2)]
    assert len(rounds) == 12  # two of them to get warm
    assert all({one[0], other[0]} == {"dense", "compressed"} for one, other in rounds)
    assert all(one[1:] == other[1:] for one, other in rounds)
    assert len({one[1] for one, _ in rounds}) == 12


def first_of(log):
    """Who went first in each round that counts, which come after four turns to get warm."""
    return [name for name, *_ in log[4::2]]


def test_each_side_goes_first_in_half_of_the_rounds(pair, log):
    interleave(*pair, LOAD, VOCABULARY, TEN, seed=0)
    assert sorted(first_of(log)) == ["compressed"] * 5 + ["dense"] * 5


def test_the_order_is_drawn_and_repeats_with_its_seed():
    orders = []
    for seed in (0, 0, 1, 2, 3):
        log = []
        pair = Engine("dense", log), Engine("compressed", log)
        interleave(*pair, LOAD, VOCABULARY, TEN, seed=seed)
        orders.append(tuple(first_of(log)))
    assert orders[0] == orders[1]
    assert len(set(orders)) == 4
    assert ("dense", "compressed") * 5 not in orders


def test_timings_are_paired_by_round(pair, log):
    rounds = interleave(*pair, LOAD, VOCABULARY, TEN, seed=0)
    assert len(rounds) == len(rounds.dense) == len(rounds.compressed) == 10
    for dense, compressed in zip(rounds.dense, rounds.compressed, strict=True):
        assert abs(dense.seconds - compressed.seconds) == pytest.approx(0.001)


def test_the_same_seed_gives_the_same_prompts(log):
    first = fresh_prompts(LOAD, VOCABULARY, 7, 3)
    assert fresh_prompts(LOAD, VOCABULARY, 7, 3) == first
    assert fresh_prompts(LOAD, VOCABULARY, 8, 3) != first
    assert fresh_prompts(LOAD, VOCABULARY, 7, 4) != first


def test_prompts_have_the_shape_of_the_load_and_no_special_token():
    load = Load(prompt_tokens=500, new_tokens=1, concurrency=4)
    prompts = fresh_prompts(load, VOCABULARY, 0, 0)
    assert [len(prompt) for prompt in prompts] == [500] * 4
    assert {token for prompt in prompts for token in prompt} == set(range(3, 100))


def test_a_vocabulary_of_special_tokens_only_is_refused():
    with pytest.raises(SpecError, match="only special tokens"):
        ordinary_tokens(2, [0, 1])


# -- who conducts -------------------------------------------------------------------------------


def test_another_may_conduct_and_time_nothing_but_the_compressed_one(pair, log):
    timed = []

    def conduct(setup, target, rounds):
        for _ in range(rounds):
            arguments, named = setup()
            before = len(log)
            target(*arguments, **named)
            timed.append([entry[0] for entry in log[before:]])

    rounds = interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, conduct=conduct)
    assert timed == [["compressed"]] * 10
    assert rounds == interleave(
        Engine("dense", again := []), Engine("compressed", again), LOAD, VOCABULARY, TEN, seed=0
    )


def test_rounds_beyond_those_asked_for_do_not_count(pair):
    def profiled(setup, target, rounds):
        for _ in range(rounds + 1):
            arguments, named = setup()
            target(*arguments, **named)

    rounds = interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, conduct=profiled)
    assert len(rounds) == len(rounds.dense) == 10


def test_one_who_conducts_fewer_rounds_is_found_out(pair):
    def once(setup, target, rounds):
        arguments, named = setup()
        target(*arguments, **named)

    with pytest.raises(RuntimeError, match="1 of 10 rounds"):
        interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, conduct=once)


def test_the_dense_one_alone_is_both_sides(log):
    rounds = interleave(None, Engine("dense", log), LOAD, VOCABULARY, TEN, seed=0)
    assert rounds.alone
    assert rounds.dense is rounds.compressed
    assert len(log) == 12


def test_an_engine_that_fails_ends_it(pair):
    def fail(prompts, new_tokens):
        raise EngineError("out of memory")

    pair[0].generate = fail
    with pytest.raises(EngineError, match="out of memory"):
        interleave(*pair, LOAD, VOCABULARY, TEN, seed=0)


def test_every_round_is_reported(pair):
    reported = []
    interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, on_round=lambda *done: reported.append(done))
    assert reported == [(done, 10) for done in range(1, 11)]


# -- energy -------------------------------------------------------------------------------------


class Meter:
    """Spends one joule for the dense side's turn and a hundred for the compressed one's."""

    def __init__(self, log, unknown=()):
        self.log = log
        self.unknown = unknown

    def start(self):
        self.before = len(self.log)

    def stop(self):
        ((name, *_),) = self.log[self.before :]  # the turn of one side and nothing else
        return None if name in self.unknown else {"dense": 1.0, "compressed": 100.0}[name]


def test_the_energy_of_each_side_is_its_turns(pair, log):
    rounds = interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, meter=Meter(log))
    assert (rounds.dense_joules, rounds.compressed_joules) == (10.0, 1000.0)


def test_energy_that_is_not_known_of_every_turn_is_not_known(pair, log):
    rounds = interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, meter=Meter(log, unknown=["dense"]))
    assert (rounds.dense_joules, rounds.compressed_joules) == (None, 1000.0)
    assert interleave(*pair, LOAD, VOCABULARY, TEN, seed=0).compressed_joules is None


# -- how long -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "rounds"),
    [(1.0, 20), (0.9, 24), (100.0, 6), (0.001, 50), (0.0, 50), (4.0, 6), (2.9, 8)],
)
def test_rounds_fill_the_seconds_within_limits_and_come_in_pairs(seconds, rounds):
    effort = Effort(least_rounds=5, least_seconds=20.0, most_rounds=50)
    assert effort.rounds(seconds) == rounds


def test_an_odd_most_is_kept():
    assert Effort(least_rounds=5, least_seconds=0, most_rounds=5).rounds(1.0) == 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"warmup_rounds": 0}, "warmup_rounds"),
        ({"least_rounds": 1}, "least_rounds"),
        ({"least_seconds": -1.0}, "not a duration"),
        ({"least_seconds": float("nan")}, "not a duration"),
        ({"most_rounds": 3}, "most_rounds = 3"),
    ],
)
def test_an_effort_that_measures_nothing_is_refused(changed, message):
    with pytest.raises(SpecError, match=message):
        Effort(**{"least_rounds": 5, **changed})


# -- kept ---------------------------------------------------------------------------------------


def test_rounds_survive_json_to_the_last_digit(pair, log):
    rounds = interleave(*pair, LOAD, VOCABULARY, TEN, seed=0, meter=Meter(log))
    again = Rounds.from_json(json.loads(json.dumps(rounds.as_json())))
    assert again == rounds
    assert not again.alone


def test_rounds_of_the_dense_one_alone_stay_so(log):
    rounds = interleave(None, Engine("dense", log), LOAD, VOCABULARY, TEN, seed=0)
    again = Rounds.from_json(json.loads(json.dumps(rounds.as_json())))
    assert again == rounds
    assert again.alone


def test_rounds_that_cannot_be_paired_are_refused():
    timing = Timing(1.0, (0.1,), (0.2,))
    with pytest.raises(SpecError, match="cannot be paired"):
        Rounds(load=LOAD, dense=(timing,), compressed=(timing, timing))
    with pytest.raises(SpecError, match="cannot be paired"):
        Rounds(load=LOAD, dense=(), compressed=())

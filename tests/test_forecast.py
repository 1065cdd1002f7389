"""How far a run is and when it will be done: from counted items and measured seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.forecast import Forecast, Share, rough

PLANNED = {"m/dense": {"easy": 100, "hard": 50}, "m/wanda": {"easy": 100, "hard": 50}}


def test_nothing_is_known_of_the_time_before_the_first_answer():
    share = Share(doing="loading")
    share.note("m/dense", "easy", 0, 100, now=7.0)
    assert Forecast.of(PLANNED, [share]) == Forecast(0, 300, None)


def test_a_benchmark_takes_the_time_that_it_took_before():
    share = Share()
    share.begin(0.0)
    for benchmark, each in (("easy", 1.0), ("hard", 2.0)):
        count = PLANNED["m/dense"][benchmark]
        share.note("m/dense", benchmark, 0, count, now=0.0)
        share.note("m/dense", benchmark, count, count, now=each * count)
    found = Forecast.of(PLANNED, [share])
    assert (found.done, found.total, found.seconds) == (150, 300, 100 * 1.0 + 50 * 2.0)


def test_answers_in_the_store_count_and_say_nothing_of_the_speed():
    share = Share()
    share.note("m/dense", "easy", 90, 100, now=0.0)
    share.note("m/dense", "easy", 91, 100, now=2.0)
    found = Forecast.of({"m/dense": {"easy": 100}}, [share])
    assert (found.done, found.seconds) == (91, 9 * 2.0)


def test_building_and_loading_are_expected_for_the_checkpoints_to_come():
    share = Share()
    share.begin(0.0)
    share.note("m/dense", "easy", 0, 100, now=30.0)
    share.note("m/dense", "easy", 100, 100, now=40.0)
    share.finish("m/dense", now=40.0)
    found = Forecast.of({"m/dense": {"easy": 100}, "m/wanda": {"easy": 100}}, [share])
    assert found.seconds == 30.0 + 10.0


def test_two_processes_take_half_the_time():
    shares = []
    for name in PLANNED:
        share = Share(doing="answering")
        share.note(name, "easy", 0, 100, now=0.0)
        share.note(name, "easy", 50, 100, now=50.0)
        shares.append(Share.from_json(share.to_json()))
    found = Forecast.of(PLANNED, shares)
    assert (found.done, found.seconds) == (100, (300 - 100) / 2)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["x", "y"]),
            st.integers(0, 50),
            st.floats(0, 1e6),
        )
    ),
    st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_no_more_is_done_than_there_is_and_no_time_is_negative(events, finished):
    share, now = Share(), 0.0
    share.begin(now)
    for checkpoint, benchmark, done, more in events:
        now += more
        share.note(checkpoint, benchmark, done, 50, now)
    for checkpoint in finished:
        share.finish(checkpoint, now)
    found = Forecast.of({"a": {"x": 50}, "c": {"y": 7}}, [share])
    assert 0 <= found.done <= found.total
    assert found.seconds is None or found.seconds >= 0
    if found.done == found.total:
        assert found.seconds is not None


@pytest.mark.parametrize(
    ("seconds", "text"), [(4, "4 s"), (89, "89 s"), (240, "4 min"), (9000, "2.5 h")]
)
def test_a_duration_is_told_in_one_unit(seconds, text):
    assert rough(seconds) == text

"""How far a run is and when it will be done: from counted items and measured seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.forecast import Expected, Forecast, Share, Stand, rough

PLANNED = {"m/dense": {"easy": 100, "hard": 50}, "m/wanda": {"easy": 100, "hard": 50}}
NONE = Stand(0, 0, 0.0)


def forecast(shares, items=PLANNED, **more):
    return Forecast.of(Expected(items=items, **more), shares)


def test_nothing_is_known_of_the_time_before_the_first_answer():
    share = Share(doing="loading")
    share.note("m/dense", "easy", 0, 100, now=7.0)
    assert forecast([share]) == Forecast(Stand(0, 300, None), NONE, None)


def test_a_benchmark_takes_the_time_that_it_took_before():
    share = Share()
    share.begin(0.0)
    for benchmark, each in (("easy", 1.0), ("hard", 2.0)):
        count = PLANNED["m/dense"][benchmark]
        share.note("m/dense", benchmark, 0, count, now=0.0)
        share.note("m/dense", benchmark, count, count, now=each * count)
    seconds = 100 * 1.0 + 50 * 2.0
    assert forecast([share]) == Forecast(Stand(150, 300, seconds), NONE, seconds)


def test_a_part_of_the_first_item_already_tells_the_speed():
    share = Share()
    share.note("m/dense", "easy", 0, 100, now=0.0)
    share.note("m/dense", "easy", 0.5, 100, now=1.0)
    found = forecast([share], {"m/dense": {"easy": 100}})
    assert (found.items.done, found.seconds) == (0, 99.5 * 2.0)


def test_answers_in_the_store_count_and_say_nothing_of_the_speed():
    share = Share()
    share.note("m/dense", "easy", 90, 100, now=0.0)
    share.note("m/dense", "easy", 91, 100, now=2.0)
    found = forecast([share], {"m/dense": {"easy": 100}})
    assert (found.items.done, found.seconds) == (91, 9 * 2.0)


def test_building_and_loading_are_expected_for_the_checkpoints_to_come():
    share = Share()
    share.begin(0.0)
    share.note("m/dense", "easy", 0, 100, now=30.0)
    share.note("m/dense", "easy", 100, 100, now=40.0)
    share.finish("m/dense", now=40.0)
    found = forecast([share], {"m/dense": {"easy": 100}, "m/wanda": {"easy": 100}})
    assert found.seconds == 30.0 + 10.0


def test_two_processes_take_half_the_time():
    shares = []
    for name in PLANNED:
        share = Share(doing="answering")
        share.note(name, "easy", 0, 100, now=0.0)
        share.note(name, "easy", 50, 100, now=50.0)
        shares.append(Share.from_json(share.to_json()))
    found = forecast(shares)
    assert (found.items.done, found.seconds) == (100, (300 - 100) / 2)


def test_items_that_will_probably_not_be_asked_are_not_left():
    share = Share(doing="answering")
    share.note("m/wanda", "easy", 0, 100, now=0.0)
    share.note("m/wanda", "easy", 20, 100, now=20.0)
    share.expect("m/wanda", "easy", 36)
    found = forecast([Share.from_json(share.to_json())], {"m/wanda": {"easy": 100, "hard": 50}})
    assert str(found) == "20 of about 86 items of the run"
    assert found.seconds == (36 - 20) + 50
    assert str(share) == "answering, 1 items/s, 16 s left"


def test_a_benchmark_that_stopped_has_nothing_left():
    share = Share(doing="answering")
    share.note("m/wanda", "easy", 0, 100, now=0.0)
    share.note("m/wanda", "easy", 32, 100, now=32.0)
    share.expect("m/wanda", "easy", 32)
    assert str(share) == "answering"
    found = forecast([share], {"m/wanda": {"easy": 100}})
    assert (str(found), found.seconds) == ("32 of 32 items of the run", 0.0)
    share.expect("m/wanda", "hard", 0)  # skipped: the decision cannot open any more
    found = forecast([share], {"m/wanda": {"easy": 100, "hard": 50}})
    assert (str(found), found.seconds) == ("32 of 32 items of the run", 0.0)


def test_an_expectation_that_was_too_low_or_too_high_never_goes_beyond_what_is_there():
    share = Share(doing="answering")
    share.note("m/wanda", "easy", 0, 100, now=0.0)
    share.expect("m/wanda", "easy", 10)
    share.note("m/wanda", "easy", 20, 100, now=20.0)
    found = forecast([share], {"m/wanda": {"easy": 100}})
    assert (found.items.done, found.items.total) == (20, 20)
    share.expect("m/wanda", "easy", 1000)
    share.note("m/wanda", "easy", 21, 100, now=21.0)
    assert str(forecast([share], {"m/wanda": {"easy": 100}})) == "21 of 100 items of the run"
    assert str(share) == "answering, 1 items/s, 79 s left"


LOADS = {"m/dense": {"1 × 8/8 tokens": 10}, "m/wanda": {"1 × 8/8 tokens": 10}}


def test_rounds_have_their_least_duration_after_items_until_one_is_timed():
    share = Share(doing="timing")
    share.finish("m/dense", now=0.0)
    answered = {"m/dense": {"easy": 100}}
    assert forecast([share], answered, rounds=LOADS, round_seconds=0.5).seconds == 20 * 0.5
    assert forecast([share], {}, rounds=LOADS, round_seconds=0.5).seconds is None
    share.rounds.note("m/dense", "1 × 8/8 tokens", 0, 12, now=0.0)
    share.rounds.note("m/dense", "1 × 8/8 tokens", 2, 12, now=6.0)
    found = forecast([share], {}, rounds=LOADS, round_seconds=0.5)
    assert found == Forecast(NONE, Stand(2, 22, 20 * 3.0), 20 * 3.0)
    assert str(found) == "2 of 22 rounds of the run"


def test_rounds_stay_when_all_items_of_a_checkpoint_are_answered():
    share = Share()
    share.finish("m/dense", now=0.0)
    found = forecast([share], {"m/dense": {"easy": 100}}, rounds=LOADS, round_seconds=1.0)
    assert str(found) == "100 of 100 items, 0 of 20 rounds of the run"
    assert found.seconds == 20.0


def test_a_share_survives_its_way_to_the_reporting_process():
    share = Share(doing="answering", waiting="waiting for process 7")
    share.begin(0.0)
    share.note("m/dense", "easy", 1, 100, now=1.0)
    share.rounds.note("m/dense", "1 × 8/8 tokens", 1, 10, now=1.0)
    share.finish("m/dense", now=2.0)
    restored = Share.from_json(share.to_json())
    assert restored.to_json() == share.to_json()
    assert (restored.doing, restored.waiting) == (share.doing, share.waiting)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["x", "y", "z"]),
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
        if benchmark == "z":
            share.expect(checkpoint, "x", done)
        else:
            share.note(checkpoint, benchmark, done, 50, now)
    for checkpoint in finished:
        share.finish(checkpoint, now)
    found = forecast([share], {"a": {"x": 50}, "c": {"y": 7}})
    assert 0 <= found.items.done <= found.items.total
    assert found.seconds is None or found.seconds >= 0
    if found.items.done == found.items.total:
        assert found.seconds is not None


@pytest.mark.parametrize(
    ("seconds", "text"), [(4, "4 s"), (89, "89 s"), (240, "4 min"), (9000, "2.5 h")]
)
def test_a_duration_has_one_unit(seconds, text):
    assert rough(seconds) == text


def test_the_pace_is_that_of_the_current_count_only():
    share = Share(doing="answering")
    share.note("m/dense", "easy", 0, 100, now=0.0)
    assert share.items.pace() is None
    share.note("m/dense", "easy", 25, 100, now=5.0)
    assert share.items.pace() == (5.0, 15.0)
    assert str(share) == "answering, 5 items/s, 15 s left"
    assert Share.from_json(share.to_json()).items.pace() == (5.0, 15.0)
    share.note("m/dense", "easy", 100, 100, now=20.0)
    assert share.items.pace() is None
    share.note("m/dense", "hard", 0, 50, now=20.0)
    share.note("m/dense", "hard", 5, 50, now=21.0)
    share.finish("m/dense", now=21.0)
    assert str(share) == "answering"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(), "idle"),
        (Share(doing="loading"), "loading"),
        (Share(doing="loading", waiting="waiting for process 7"), "waiting for process 7"),
    ],
)
def test_a_share_says_what_its_process_does(share, text):
    assert str(share) == text

"""Needs are read and held against figures: what is met, missed or undecided, and how sure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.advice.candidates import Candidate, Figure, candidates_of_raw, point_estimate
from unicomp.advice.choice import check, choose
from unicomp.advice.needs import Need, parse_limit, parse_need
from unicomp.confidence import Stated
from unicomp.errors import SpecError
from unicomp.spec import LEVEL

percents = st.floats(1.001, 1e6)
gains = st.fixed_dictionaries({"model_size": st.floats(10, 1000), "latency": st.floats(10, 1000)})


def measured(value, half, name="a", **about):
    """A candidate whose reasoning is known within an interval."""
    low, high = value - half, value + half
    evidence = Stated(value / 100, low / 100, high / 100)
    figure = Figure(value=value, low=low, high=high, evidence=evidence)
    about = {"model": "m", "method": name, "calibration": "none", "given": "m", **about}
    return Candidate(name=name, figures={"reasoning": figure}, **about)


@pytest.mark.long
@given(st.from_regex(r"[a-z][a-z_0-9]{0,20}", fullmatch=True), percents)
def test_a_need_comes_back_as_it_was_written(name, percent):
    assert parse_need(f"{name}={percent!r}") == Need(name=name, percent=percent)
    assert parse_need(f" {name} = {percent!r} % ") == Need(name=name, percent=percent)


@given(st.text(max_size=12))
def test_any_text_is_a_need_or_one_line_that_says_why_not(text):
    try:
        need = parse_need(text)
    except SpecError as error:
        need, message = None, str(error)
    if need is None:
        assert len(message.splitlines()) == 1
    else:
        assert need.percent is not None
        assert math.isfinite(need.percent)


@given(st.floats(0.001, 1e6))
def test_a_limit_becomes_the_gain_that_meets_it(times):
    """A latency of 0.2 s meets `--latency` exactly if 0.2 s is not above it."""
    need = parse_limit("--latency", f"{times:.6f} s")
    figure = Figure(value=0.0, amount=0.2, dense=0.4, unit="s", lower_is_better=True)
    assert (need.bound(figure) <= 200.0) == (need.limit >= 0.2)
    more = parse_limit("--throughput", f"{times:.6f} tok/s")
    figure = Figure(value=0.0, amount=0.8, dense=0.4, unit="tokens/s")
    assert (more.bound(figure) <= 200.0) == (more.limit <= 0.8)


@given(st.floats(20, 150), st.floats(0.1, 10), st.floats(20, 150), st.floats(20, 150))
def test_a_higher_need_is_never_surer(value, half, one, other):
    low, high = sorted((one, other))
    candidate = measured(value, half)
    lower, higher = (
        check(candidate, Need(name="reasoning", percent=bound), LEVEL / 6) for bound in (low, high)
    )
    order = ["missed", "undecided", "met"]
    assert order.index(higher.outcome) <= order.index(lower.outcome)
    assert higher.confidence <= lower.confidence + 1e-3  # p-values are searched so finely
    for held in (lower, higher):
        assert 0 <= held.confidence <= 1
        assert (held.confidence - 0.5) * (held.value - held.bound) >= 0
        assert (held.short is not None) == (held.value < held.bound)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(97.0, "met"), (95.0, "undecided"), (94.0, "undecided"), (92.9, "missed")],
)
def test_a_need_within_the_interval_is_undecided(value, outcome):
    held = check(measured(value, 2.0), Need(name="reasoning", percent=95.0), LEVEL)
    assert held.outcome == outcome


def test_a_point_estimate_has_no_confidence():
    candidate = point_estimate("m", "a", None, {"reasoning": 94.9}, {}, {})
    held = check(candidate, Need(name="reasoning", percent=95.0), LEVEL)
    assert (held.outcome, held.confidence, held.low) == ("missed", None, None)


def test_a_benchmark_is_not_taken_for_the_metric_of_its_name():
    raw = {"m": {method: {"ethics": 80.0} for method in ("dense", "a")}}
    (one,) = [one for one in candidates_of_raw(raw, "paper", {}) if not one.is_dense]
    held = check(one, Need(name="ethics", percent=95.0), LEVEL)
    assert held.outcome == "unknown"
    assert "no score of social_chemistry_101" in held.reason


def test_what_was_not_measured_leaves_a_checkpoint_undecided():
    (option,) = choose([measured(99.0, 1.0)], [Need(name="safety", percent=95.0)])
    assert (option.status, option.checks[0].outcome) == ("undecided", "unknown")


def test_a_checkpoint_of_unknown_family_is_ruled_out_where_training_is_forbidden():
    (option,) = choose([measured(99.0, 1.0)], [], training=False)
    assert (option.status, option.reason) == ("ruled out", "whether it was trained is not known")


@given(st.lists(st.tuples(st.floats(0, 120), gains), min_size=1, max_size=8))
def test_nothing_in_the_pareto_set_is_dominated_and_all_else_is(points):
    names = [f"c{number}" for number in range(len(points))]
    candidates = [
        measured(90.0, 1.0, name, quality=quality, gains=gained)
        for name, (quality, gained) in zip(names, points, strict=True)
    ]
    options = choose(candidates, [])
    known = {one.name: one for one in candidates}

    def at_least(one, other):
        pairs = [(one.quality, other.quality)]
        pairs += [(one.gains[axis], other.gains[axis]) for axis in one.gains]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    assert sorted(option.candidate.name for option in options) == sorted(names)
    for option in options:
        worse = [one for one in candidates if at_least(one, option.candidate)]
        assert option.in_pareto_set == (not worse)
        if worse:
            assert at_least(known[option.dominated_by], option.candidate)
    # the Pareto set stands before the others, each in order of quality
    places = [(not option.in_pareto_set, -option.candidate.quality) for option in options]
    assert places == sorted(places)

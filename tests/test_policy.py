"""The most specific demand holds; a policy that contradicts itself is refused."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp import Benchmark, Load, Mean, Probe, TaskMetric
from unicomp.errors import SpecError
from unicomp.framework import DIMENSIONS, METRICS
from unicomp.policy import (
    DEFAULT_FLOOR,
    Demand,
    Policy,
    check_name_given,
    parse_floor,
    parse_floor_option,
)
from unicomp.policy_entry import Entry
from unicomp.spec import CheckpointId

percent = st.floats(0, 200)

GSM8K = Benchmark(
    name="gsm8k",
    metric="reasoning",
    task="gsm8k/gsm8k-cot.yaml",
    scorer=TaskMetric("exact_match,strict-match"),
    aggregate=Mean("correct"),
)
PERPLEXITY = replace(GSM8K, name="text", higher_is_better=False, in_points=False)
REFUSALS = replace(GSM8K, name="over_refusal", metric="safety", higher_is_better=False)
SIZE = Probe(name="model_size", metric="inference_efficiency", quantity="model_size")
LATENCY = Probe(
    name="latency",
    metric="runtime_acceleration",
    quantity="latency",
    load=Load(prompt_tokens=8, new_tokens=4),
)
TIME = Probe(name="compression_time", metric="compute_cost", quantity="compression_time")


# -- the syntax -----------------------------------------------------------------------------------


@given(st.floats(min_value=1, exclude_min=True, allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_any_percentage_above_one_is_a_floor(value):
    assert parse_floor("gsm8k", value) == value
    assert parse_floor_option(f"gsm8k={value!r}") == ("gsm8k", value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reasoning=90", ("reasoning", 90.0)),
        ("reasoning = 99.9", ("reasoning", 99.9)),
        ("gsm8k@wanda_50=0", ("gsm8k@wanda_50", 0.0)),
        ("safety=1e2", ("safety", 100.0)),
    ],
)
def test_a_floor_is_a_name_and_a_percentage(text, expected):
    assert parse_floor_option(text) == expected


@pytest.mark.parametrize("text", ["reasoning", "", "=90", "  =90"])
def test_a_floor_without_a_name_or_a_number_is_refused(text):
    with pytest.raises(SpecError, match="NAME=PERCENT"):
        parse_floor_option(text)


@pytest.mark.parametrize("value", ["ninety", "", "90 %", "9,5", None, True, [90], "0x5A"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(SpecError, match=r"the floor of safety is .* not a number"):
        parse_floor("safety", value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", math.nan, math.inf, -1, "-0.5"])
def test_a_floor_is_finite_and_not_negative(value):
    with pytest.raises(SpecError, match="percentage of 0 or more"):
        parse_floor("safety", value)


@pytest.mark.parametrize(
    ("value", "meant"), [("0.95", "95"), (0.9, "90"), ("1", "100"), (0.5, "50")]
)
def test_a_fraction_is_refused_with_what_was_meant(value, meant):
    with pytest.raises(SpecError, match=rf"did you mean {meant}\?"):
        parse_floor("reasoning", value)


# -- the names ------------------------------------------------------------------------------------


def test_every_benchmark_metric_and_dimension_may_have_a_floor():
    names = ["gsm8k", "gsm8k@wanda_50", *METRICS, *DIMENSIONS, "reliability@wanda_50"]
    for name in names:
        check_name_given("--floor", name, ["gsm8k"], ["wanda_50"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reasonning", "no benchmark, metric or dimension 'reasonning'; did you mean 'reasoning'"),
        ("gsm8", "did you mean 'gsm8k'"),
        ("gsm8k@wanda_5", "no method 'wanda_5'; did you mean 'wanda_50'"),
        ("gsm8k@", "no method ''"),
        ("@wanda_50", "no benchmark, metric or dimension ''"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_nearest(name, message):
    with pytest.raises(SpecError, match=message):
        check_name_given("--floor", name, ["gsm8k"], ["wanda_50", "gptq_w4a16"])


def test_a_name_that_a_test_may_still_bring_is_looked_at_later():
    later = []
    check_name_given("--floor", "mine@wanda_50", ["gsm8k"], ["wanda_50"], later)
    check_name_given("--floor", "gsm8k", ["gsm8k"], ["wanda_50"], later)
    assert later == [("--floor", "mine")]
    with pytest.raises(SpecError, match="no method"):
        check_name_given("--floor", "mine@wanda", ["gsm8k"], ["wanda_50"], later)


# -- which floor holds ----------------------------------------------------------------------------

MOST_SPECIFIC_FIRST = (
    "gsm8k@wanda_50",
    "gsm8k",
    "reasoning@wanda_50",
    "reasoning",
    "performance@wanda_50",
    "performance",
)


def checkpoint(method="wanda_50", model="m"):
    return CheckpointId(model, method, "generic")


def floor(policy, **changed):
    return policy.floor_of(checkpoint(), replace(GSM8K, **changed))


def demand(measure=GSM8K, method="wanda_50", model="m", **policy):
    return Policy(**policy).demand(checkpoint(method, model), measure, tier="guard")


def of_metric(metric="reasoning", method="wanda_50", **policy):
    return Policy(**policy).demand_of_metric(checkpoint(method), metric)


@pytest.mark.parametrize("kept", range(len(MOST_SPECIFIC_FIRST)))
def test_the_most_specific_floor_holds(kept):
    layer = {name: 50.0 + i for i, name in enumerate(MOST_SPECIFIC_FIRST) if i >= kept}
    for policy in (Policy(general=layer), Policy(command_line=layer), Policy(models={"m": layer})):
        assert floor(policy) == 50.0 + kept


@given(st.dictionaries(st.sampled_from(MOST_SPECIFIC_FIRST), percent))
@settings(deadline=None)
def test_the_order_of_the_floors_in_the_file_does_not_matter(layer):
    expected = next((layer[name] for name in MOST_SPECIFIC_FIRST if name in layer), DEFAULT_FLOOR)
    assert floor(Policy(general=layer)) == expected


def test_a_benchmark_outranks_its_metric():
    assert floor(Policy(general={"reasoning": 95, "gsm8k": 80})) == 80


def test_the_command_line_outranks_the_model_and_the_model_the_general_table():
    least, most = {"performance": 10.0}, {"gsm8k@wanda_50": 99.0}
    assert floor(Policy(command_line=least, models={"m": most}, general=most)) == 10
    assert floor(Policy(models={"m": least}, general=most)) == 10
    assert floor(Policy(models={"another": least}, general=most)) == 99


def test_a_floor_of_zero_is_a_floor():
    assert floor(Policy(command_line={"gsm8k": 0.0}, general={"gsm8k": 95.0})) == 0


def test_a_floor_of_another_method_metric_or_benchmark_does_not_count():
    others = {"gsm8k@wanda_2_4": 1.5, "math_500": 2.0, "knowledge": 3.0, "reliability": 4.0}
    assert floor(Policy(general=others)) == DEFAULT_FLOOR


def test_a_metric_is_not_held_to_the_floor_of_its_benchmark():
    policy = Policy(general={"gsm8k": 10.0, "reasoning": 80.0})
    assert policy.demand_of_metric(checkpoint(), "reasoning").floor == 80


def test_a_benchmark_beside_no_metric_has_only_its_own_floor():
    policy = Policy(general={"mine": 70.0, "performance": 99.0})
    assert floor(policy, metric=None, name="mine") == 70
    assert floor(policy, metric=None, name="yours") == DEFAULT_FLOOR


@pytest.mark.parametrize("name", MOST_SPECIFIC_FIRST)
def test_a_gap_is_allowed_by_the_same_names(name):
    policy = Policy(allow={name: "known"})
    about = {"metric": "reasoning", "benchmark": "gsm8k"}
    assert policy.allowed(checkpoint("wanda_50"), **about) == "known"
    other = policy.allowed(checkpoint("gptq_w4a16"), **about)
    assert other == (None if "@" in name else "known")


def test_a_gap_that_is_allowed_for_one_model_is_so_for_no_other():
    policy = Policy(allow={"safety": "all"}, model_allow={"small": {"ethics": "it collapses"}})
    small, large = (checkpoint("wanda_2_4", model) for model in ("small", "large"))
    assert policy.allowed(small, metric="ethics", benchmark=None) == "it collapses"
    assert policy.allowed(large, metric="ethics", benchmark=None) is None
    assert policy.allowed(small, metric="safety", benchmark=None) == "all"


def test_a_benchmark_of_no_metric_has_the_floor_of_its_dimension():
    policy = Policy(general={"performance": 50.0}, allow={"performance@gptq": "widths"})
    about = {"metric": None, "benchmark": "wikitext", "dimension": "performance"}
    bench = replace(GSM8K, metric=None, name="wikitext", dimension="performance")
    assert policy.floor_of(checkpoint("gptq"), bench) == 50.0
    assert policy.allowed(checkpoint("gptq"), **about) == "widths"
    assert policy.allowed(checkpoint("awq"), **about) is None


# -- what is asked of a benchmark -----------------------------------------------------------------


def test_without_a_policy_a_benchmark_has_the_default_floor_and_the_tier_of_the_caller():
    assert demand() == Demand(tier="guard", floor=DEFAULT_FLOOR)
    assert Policy().demand(checkpoint(), GSM8K, tier="critical").tier == "critical"


def test_every_key_of_the_table_is_read():
    entry = Entry(tier="critical", floor=95, max_drop=1, relative_below=20)
    assert demand(entries={"gsm8k": entry}) == Demand(
        tier="critical", floor=95, max_drop=1, relative_below=20, floor_given=True
    )
    assert demand(REFUSALS, entries={"over_refusal": Entry(ceiling=110)}).ceiling == 110


def test_a_floor_may_stand_in_either_table():
    for policy in (Policy(general={"gsm8k": 70}), Policy(entries={"gsm8k": Entry(floor=70)})):
        assert policy.demand(checkpoint(), GSM8K, tier="guard") == Demand(
            tier="guard", floor=70, floor_given=True
        )


@pytest.mark.parametrize("entry", [Entry(max_drop=1), Entry(ceiling=110)], ids=str)
def test_a_drop_or_a_ceiling_replaces_the_default_floor_only(entry):
    assert demand(entries={"gsm8k": entry}).floor is None
    assert demand(entries={"gsm8k": entry}, general={"performance": 80}).floor == 80


def test_a_drop_with_a_relative_part_keeps_the_default_floor_for_that_part():
    found = demand(entries={"gsm8k": Entry(max_drop=1, relative_below=20)})
    assert (found.floor, found.max_drop, found.relative_below) == (DEFAULT_FLOOR, 1, 20)


def test_the_drop_of_a_metric_holds_for_its_benchmarks_and_its_tier_does_not():
    entries = {"reasoning": Entry(tier="critical", max_drop=2, relative_below=20)}
    found = demand(entries=entries)
    assert (found.tier, found.max_drop, found.relative_below) == ("guard", 2, 20)
    assert demand(entries={"performance": Entry(tier="advisory")}).tier == "guard"
    assert demand(entries={**entries, "gsm8k": Entry(max_drop=3)}).max_drop == 3


def test_each_key_is_looked_up_by_itself():
    entries = {"gsm8k": Entry(tier="critical"), "gsm8k@wanda_50": Entry(max_drop=1)}
    found = demand(entries=entries, model_entries={"m": {"gsm8k": Entry(floor=80)}})
    assert (found.tier, found.floor, found.max_drop) == ("critical", 80, 1)
    other = demand(entries=entries, method="gptq", model="n")
    assert (other.tier, other.floor, other.max_drop) == ("critical", DEFAULT_FLOOR, None)


@given(percent, st.floats(0, 100), st.none() | st.floats(1, 100))
def test_a_floor_of_the_command_line_outranks_floor_and_drop(value, drop, below):
    entry = Entry(floor=80, max_drop=drop, relative_below=below, tier="critical")
    found = demand(command_line={"reasoning": value}, entries={"gsm8k": entry})
    assert found == Demand(tier="critical", floor=value, floor_given=True)


def test_a_score_that_is_not_in_points_has_no_drop():
    with pytest.raises(SpecError, match="text has max_drop, but its scores are not in points"):
        demand(PERPLEXITY, entries={"text": Entry(max_drop=1)})
    found = demand(PERPLEXITY, entries={"reasoning": Entry(max_drop=1, relative_below=5)})
    assert found == Demand(tier="guard", floor=DEFAULT_FLOOR)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            {"general": {"performance": 95}, "entries": {"gsm8k@wanda_50": Entry(ceiling=92)}},
            "ceiling of 92 % lies below the floor of 95 %",
        ),
        (
            {"command_line": {"gsm8k": 120}, "entries": {"gsm8k": Entry(ceiling=110)}},
            "ceiling of 110 % lies below the floor of 120 %",
        ),
        (
            {"general": {"reasoning": 101}, "entries": {"gsm8k": Entry(max_drop=1)}},
            "floor of 101 % asks for a gain, max_drop = 1 accepts a loss",
        ),
    ],
    ids=["ceiling", "command-line", "drop"],
)
def test_what_a_benchmark_inherits_may_contradict_what_it_has(policy, message):
    with pytest.raises(SpecError, match=f"gsm8k@wanda_50 for the model m contradicts.*{message}"):
        demand(**policy)


def test_a_floor_does_not_limit_the_raw_score_where_lower_is_better():
    policy = {"general": {"safety": 95}, "entries": {"over_refusal": Entry(ceiling=105)}}
    assert demand(REFUSALS, **policy).ceiling == 105
    policy["entries"] = {"over_refusal@wanda_50": Entry(ceiling=80)}
    assert demand(REFUSALS, **policy).ceiling == 80


# -- what is asked of a metric --------------------------------------------------------------------


def test_a_metric_is_critical_by_default():
    assert of_metric() == Demand(tier="critical", floor=DEFAULT_FLOOR)


@pytest.mark.parametrize("name", ["reasoning@wanda_50", "reasoning", "performance"])
def test_the_tier_of_a_dimension_holds_for_its_metrics(name):
    assert of_metric(entries={name: Entry(tier="advisory")}).tier == "advisory"
    assert of_metric("safety", entries={name: Entry(tier="advisory")}).tier == "critical"


@given(st.floats(0, 100))
def test_the_drop_of_a_metric_is_a_floor_below_100(drop):
    found = of_metric(entries={"reasoning": Entry(max_drop=drop)})
    assert found == Demand(tier="critical", floor=100 - drop, floor_given=True)


def test_of_a_floor_and_a_drop_of_a_metric_the_more_specific_one_holds():
    entries = {"reasoning": Entry(max_drop=1)}
    assert of_metric(entries=entries, general={"performance": 80}).floor == 99
    assert of_metric(entries=entries, general={"reasoning@wanda_50": 80}).floor == 80
    assert of_metric(entries=entries, models={"m": {"performance": 80}}).floor == 80
    assert of_metric(entries=entries, command_line={"performance": 80}).floor == 80


# -- what is asked of an efficiency measurement ---------------------------------------------------


@pytest.mark.parametrize("probe", [SIZE, LATENCY, TIME], ids=str)
def test_an_efficiency_measurement_is_advisory_without_a_floor(probe):
    assert demand(probe) == Demand(tier="advisory", floor=None)
    assert Policy().floor_of(checkpoint(), probe) == 0


@pytest.mark.parametrize("name", ["model_size", "inference_efficiency@wanda_50", "efficiency"])
def test_an_efficiency_measurement_with_a_floor_is_critical(name):
    expected = Demand(tier="critical", floor=150, floor_given=True)
    assert demand(SIZE, general={name: 150}) == expected
    assert demand(SIZE, entries={name: Entry(floor=150)}) == expected


def test_a_build_with_a_budget_is_critical_unless_the_policy_says_otherwise():
    assert demand(TIME, budgets={"compression_time": 60}).tier == "critical"
    advisory = {"compression_time": Entry(tier="advisory")}
    assert demand(TIME, budgets={"compression_time": 60}, entries=advisory).tier == "advisory"


def test_the_dense_model_need_not_gain_anything():
    assert demand(SIZE, method="dense", general={"efficiency": 150}).floor == 100


def test_an_efficiency_measurement_has_no_ceiling():
    with pytest.raises(SpecError, match="model_size: an efficiency measurement has no ceiling"):
        demand(SIZE, entries={"model_size": Entry(ceiling=110)})


# -- contradictions and names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"entries": {"gsm8k@gptq": Entry(ceiling=80, floor=90)}}, "ceiling of 80 % lies below"),
        (
            {"entries": {"gsm8k@gptq": Entry(ceiling=80)}, "general": {"gsm8k": 90}},
            "gsm8k@gptq contradicts itself: the ceiling of 80 % lies below the floor of 90 %",
        ),
        (
            {"entries": {"gsm8k": Entry(ceiling=105)}, "models": {"n": {"gsm8k": 110}}},
            "gsm8k for the model n contradicts itself",
        ),
        ({"entries": {"x": Entry(ceiling=99)}}, "the dense model exceeds a ceiling of 99 %"),
        ({"entries": {"x@dense": Entry(ceiling=99)}}, "the dense model exceeds a ceiling"),
        ({"entries": {"x": Entry(floor=101, max_drop=1)}}, "the floor of 101 % asks for a gain"),
        ({"entries": {"x": Entry(relative_below=20)}}, "relative_below needs max_drop"),
        ({"entries": {"x": Entry(relative_below=20, floor=95)}}, "relative_below needs max_drop"),
        ({"entries": {"safety": Entry(floor=95, max_drop=1)}}, "both a floor and max_drop"),
        (
            {"entries": {"safety": Entry(max_drop=1)}, "general": {"safety": 95}},
            "safety has both a floor and max_drop",
        ),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(policy, message):
    with pytest.raises(SpecError, match=message):
        Policy(**policy).check()


@pytest.mark.parametrize(
    "policy",
    [
        {"entries": {"x": Entry(ceiling=100), "x@gptq": Entry(ceiling=99)}},
        {"entries": {"x": Entry(ceiling=105)}, "general": {"x@gptq": 105}},
        {
            "entries": {"x": Entry(max_drop=1)},
            "model_entries": {"m": {"x": Entry(relative_below=9)}},
        },
        {"entries": {"x": Entry(max_drop=1, floor=100)}},
        {"entries": {"safety": Entry(max_drop=1)}, "models": {"m": {"safety": 95}}},
        {"entries": {"safety": Entry(max_drop=1, relative_below=20, tier="guard")}},
        {"general": {"x": 95}, "models": {"m": {"x": 90}}},
        {
            "general": {"x": 120},
            "models": {"m": {"x": 90}},
            "model_entries": {"m": {"x": Entry(ceiling=100)}},
        },
    ],
)
def test_what_can_be_met_together_is_no_contradiction(policy):
    Policy(**policy).check()


entries = st.dictionaries(
    st.sampled_from(MOST_SPECIFIC_FIRST[:4]),
    st.builds(
        Entry,
        tier=st.none() | st.sampled_from(["critical", "guard", "advisory"]),
        floor=st.none() | st.floats(2, 150),
        max_drop=st.none() | st.floats(0, 100),
        relative_below=st.none() | st.floats(2, 100),
    ),
)


@given(entries, entries)
@settings(deadline=None)
def test_a_policy_that_is_accepted_demands_something_that_can_be_met(general, of_model):
    policy = Policy(entries=general, model_entries={"m": of_model})
    try:
        policy.check()
        found = policy.demand(checkpoint(), GSM8K, tier="guard")
    except SpecError:
        return
    assert found.floor is not None or found.max_drop is not None
    assert found.relative_below is None or None not in (found.floor, found.max_drop)
    assert found.max_drop is None or (found.floor or 0) <= 100
    assert policy.demand_of_metric(checkpoint(), "reasoning").max_drop is None


def test_all_names_are_given_with_the_table_they_stand_in():
    policy = Policy(
        command_line={"a": 1},
        entries={"b": Entry()},
        model_entries={"m": {"c": Entry()}},
        model_budgets={"m": {"d": 1}},
    )
    found = [(where, [*names]) for where, names in policy.names() if names]
    assert found == [
        ("--floor", ["a"]),
        ("unicomp.toml [policy]", ["b"]),
        ("unicomp.toml [models.m.policy]", ["c"]),
        ("unicomp.toml [models.m.budgets]", ["d"]),
    ]


@pytest.mark.parametrize("kind", ["models", "model_entries", "model_allow", "model_budgets"])
def test_a_table_of_an_unknown_model_is_refused(kind):
    policy = Policy(**{kind: {"embeded": {}}})
    with pytest.raises(SpecError, match=r"no model|has a model 'embeded'; did you mean 'embedded'"):
        policy.check_models({"embedded", "mine"})
    policy.check_models({"embeded"})


@pytest.mark.parametrize(
    "changed",
    [
        {"general": {"gsm8k": 91}},
        {"command_line": {"gsm8k": 90}},
        {"entries": {"gsm8k": Entry(tier="guard")}},
        {"model_entries": {"m": {"gsm8k": Entry(max_drop=1)}}},
        {"allow": {"gsm8k": "known"}},
        {"budgets": {"compression_time": 60}},
    ],
    ids=str,
)
def test_whatever_changes_in_a_policy_changes_its_digest(changed):
    policy = Policy(general={"gsm8k": 90, "safety": 95})
    assert policy.digest == Policy(general={"safety": 95, "gsm8k": 90}).digest
    assert replace(policy, **changed).digest != policy.digest

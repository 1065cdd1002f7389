"""The tree of the framework, and its arithmetic against formulas written out by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.errors import SpecError
from unicomp.framework import (
    BESIDE,
    DIMENSIONS,
    EFFICIENCY,
    EMBEDDED_PROFILE,
    METRICS,
    PAPER_DIMENSIONS,
    PAPER_METRICS,
    PAPER_PROFILE,
    PROFILES,
    READINGS,
    SHIPPING_PROFILE,
    Profile,
    SubScore,
    compared,
    dimension_of,
    expected_metrics,
    normalized,
    oriented,
    profile_for,
)


def mean(*values):
    return math.fsum(values) / len(values)


# Section 3 of the paper, equations 1 to 4 and the reliability counterparts: compressed c, dense d.
BY_HAND = {
    "knowledge": lambda r, s: mean(
        r("mmlu"), r("arc_challenge"), r("arc_easy"), r("hellaswag"), r("piqa"), r("winogrande")
    ),
    "multilingual": lambda r, s: 0.5 * (r("global_mmlu_lite") + r("bbq")),
    "reasoning": lambda r, s: mean(r("gsm8k"), r("math_500"), r("gpqa_diamond")),
    "instruction_following": lambda r, s: r("ifbench"),
    "truthfulness": lambda r, s: mean(
        s(lambda x: mean(x["codah"], x["squad2"], x["adversarialqa"], x["hotpotqa"])),
        s(lambda x: mean(x["scifact"], x["covid_fact"], x["healthver"], x["climate_fever"])),
        s(
            lambda x: mean(
                x["halueval_qa"],
                x["halueval_summarization"],
                x["halueval_dialogue"],
                x["truthfulqa"],
            )
        ),
        r("sycophancy"),
    ),
    "safety": lambda r, s: mean(r("jailbreak_trigger"), r("xstest"), r("misuse")),
    "fairness": lambda r, s: mean(
        s(lambda x: mean(x["stereoset"], x["crows_pairs"], x["stereotype_query"])),
        s(lambda x: mean(x["adult_sex"], x["adult_race"])),
        s(lambda x: mean(x["preference_plain"], x["preference_force"])),
    ),
    "robustness": lambda r, s: mean(
        s(lambda x: mean(x["advglue"], x["advinstruction"])),
        s(lambda x: mean(x["toole"], mean(x["flipkart"], x["ddxplus"]))),
    ),
    "privacy": lambda r, s: mean(
        s(
            lambda x: mean(
                x["confaide"], x["privacy_awareness_normal"], x["privacy_awareness_augmented"]
            )
        ),
        s(
            lambda x: mean(
                x["enron_refusal"],
                x["enron_total_disclosure"],
                x["enron_conditional_disclosure"],
            )
        ),
    ),
    "ethics": lambda r, s: mean(
        s(lambda x: mean(x["social_chemistry_101"], x["ethics"])),
        s(lambda x: mean(x["moralchoice_low"], x["moralchoice_high"])),
        s(
            lambda x: mean(
                x["awareness_perspective"], x["awareness_emotion"], x["awareness_capability"]
            )
        ),
    ),
}


class Recorder(dict):
    """Scores that are all 1, and remember which were looked at."""

    def __init__(self):
        self.seen = set()

    def __getitem__(self, name):
        self.seen.add(name)
        return 1.0


def by_hand(metric, compressed, dense):
    def ratio(name):
        return compressed[name] / dense[name]

    def of_means(sub_score):
        return sub_score(compressed) / sub_score(dense)

    return 100 * BY_HAND[metric](ratio, of_means)


def from_the_tree(metric, compressed, dense, profile=PAPER_PROFILE):
    slopes = profile.slopes(metric, dense)
    return math.fsum(slope * compressed[name] for name, slope in slopes.items())


@st.composite
def scores(draw, metric):
    names = PAPER_PROFILE.benchmarks(metric)
    points = st.floats(0.5, 100)
    return ({name: draw(points) for name in names}, {name: draw(points) for name in names})


any_metric = pytest.mark.parametrize("metric", PAPER_PROFILE)
few = settings(max_examples=25, deadline=None)


def test_the_paper_has_thirteen_metrics_in_three_dimensions():
    assert {name: len(metrics) for name, metrics in PAPER_DIMENSIONS.items()} == {
        "performance": 4,
        "reliability": 6,
        "efficiency": 3,
    }
    assert len(set(PAPER_METRICS)) == 13


def test_the_metrics_of_practice_stand_beside_those_of_the_paper():
    assert (*PAPER_METRICS, *DIMENSIONS["practice"]) == METRICS
    assert len(set(METRICS)) == len(METRICS)
    assert all(metric in DIMENSIONS[dimension_of(metric)] for metric in METRICS)


def test_an_unknown_metric_has_no_dimension():
    with pytest.raises(SpecError, match="no metric 'wit'"):
        dimension_of("wit")


def test_the_paper_tree_has_the_performance_and_reliability_metrics():
    assert tuple(PAPER_PROFILE) == (*DIMENSIONS["performance"], *DIMENSIONS["reliability"])


@any_metric
def test_the_paper_tree_has_exactly_the_published_benchmarks(metric):
    seen = Recorder()
    by_hand(metric, seen, seen)
    assert sorted(PAPER_PROFILE.benchmarks(metric)) == sorted(seen.seen)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_benchmark_counts_twice(profile):
    names = [name for metric in profile for name in profile.benchmarks(metric)]
    assert len(names) == len(set(names))
    assert set(profile) <= set(METRICS)


def test_the_embedded_tree_names_benchmarks_of_the_same_metric_of_the_paper():
    for metric in EMBEDDED_PROFILE:
        assert set(EMBEDDED_PROFILE.benchmarks(metric)) <= set(PAPER_PROFILE.benchmarks(metric))


def test_the_embedded_tree_of_shipping_has_the_metrics_of_shipping():
    embedded = profile_for("shipping", embedded=True)
    assert set(embedded) == set(SHIPPING_PROFILE)
    assert embedded.parts.items() > EMBEDDED_PROFILE.parts.items()
    for metric in ("code", "tool_use"):
        assert embedded.parts[metric] == SHIPPING_PROFILE.parts[metric]
    assert set(embedded.benchmarks("consistency")) < set(SHIPPING_PROFILE.benchmarks("consistency"))
    assert set(embedded.benchmarks("long_context")) < set(BESIDE)


def test_the_embedded_tree_has_every_metric_of_performance_and_reliability():
    assert set(EMBEDDED_PROFILE) == set(PAPER_PROFILE)


@pytest.mark.parametrize("metric", PAPER_PROFILE)
def test_an_embedded_part_is_a_part_of_the_paper_with_what_there_are_rows_for(metric):
    measured = set(EMBEDDED_PROFILE.benchmarks(metric))
    left = [
        [name for name in ((part,) if isinstance(part, str) else part.shares()) if name in measured]
        for part in PAPER_PROFILE.parts[metric]
    ]
    embedded = [
        [part] if isinstance(part, str) else list(part.shares())
        for part in EMBEDDED_PROFILE.parts[metric]
    ]
    assert sorted(embedded) == sorted(names for names in left if names)


def test_a_metric_that_a_profile_lacks_has_no_benchmarks():
    assert Profile("nothing", {}).benchmarks("ethics") == ()


@any_metric
@few
@given(st.data())
def test_the_tree_gives_the_formula_of_the_paper(metric, data):
    compressed, dense = data.draw(scores(metric))
    assert from_the_tree(metric, compressed, dense) == pytest.approx(
        by_hand(metric, compressed, dense)
    )


@any_metric
@few
@given(st.data())
def test_the_slopes_say_what_a_point_of_each_score_is_worth(metric, data):
    compressed, dense = data.draw(scores(metric))
    slopes = PAPER_PROFILE.slopes(metric, dense)
    assert all(slope > 0 for slope in slopes.values())
    assert set(slopes) == set(PAPER_PROFILE.benchmarks(metric))
    assert math.fsum(slopes[name] * compressed[name] for name in slopes) == pytest.approx(
        PAPER_PROFILE.retained(metric, compressed, dense)
    )


@any_metric
@few
@given(st.data(), st.floats(0.01, 100))
def test_the_unit_of_the_scores_does_not_matter(metric, data, factor):
    compressed, dense = data.draw(scores(metric))
    scaled = ({name: factor * value for name, value in one.items()} for one in (compressed, dense))
    assert from_the_tree(metric, *scaled) == pytest.approx(from_the_tree(metric, compressed, dense))


@any_metric
@few
@given(st.data())
def test_the_dense_model_keeps_all_of_itself(metric, data):
    dense, _ = data.draw(scores(metric))
    assert from_the_tree(metric, dense, dense) == pytest.approx(100, abs=1e-9)


@few
@given(st.data(), st.permutations(range(4)), st.permutations(range(4)))
def test_the_order_of_the_parts_does_not_matter(data, outer, inner):
    compressed, dense = data.draw(scores("truthfulness"))
    parts = PAPER_PROFILE.parts["truthfulness"]
    shuffled = Profile(
        "shuffled",
        {
            "truthfulness": tuple(
                SubScore(part.name, tuple(part.of[i] for i in inner))
                if isinstance(part, SubScore)
                else part
                for part in (parts[i] for i in outer)
            )
        },
    )
    assert from_the_tree("truthfulness", compressed, dense, shuffled) == pytest.approx(
        from_the_tree("truthfulness", compressed, dense)
    )


def test_a_ratio_of_means_is_not_the_mean_of_the_ratios():
    tree = Profile("tree", {"safety": (SubScore("both", ("a", "b")),)})
    dense, compressed = {"a": 90.0, "b": 10.0}, {"a": 90.0, "b": 0.0}
    assert from_the_tree("safety", compressed, dense, tree) == pytest.approx(90)
    flat = Profile("flat", {"safety": ("a", "b")})
    assert from_the_tree("safety", compressed, dense, flat) == pytest.approx(50)


SUB_SCORES = [
    part for parts in PAPER_PROFILE.parts.values() for part in parts if isinstance(part, SubScore)
]


@pytest.mark.parametrize("part", SUB_SCORES, ids=lambda part: part.name)
def test_the_shares_of_a_mean_add_up_to_one(part):
    assert math.fsum(part.shares().values()) == pytest.approx(1)


def test_the_shares_of_nested_means_multiply():
    ood = SubScore("ood", ("toole", SubScore("generalization", ("flipkart", "ddxplus"))))
    assert ood.shares() == {"toole": 0.5, "flipkart": 0.25, "ddxplus": 0.25}
    assert SubScore("four", ("a", "b", "c", ood)).shares()["flipkart"] == 0.0625


@any_metric
def test_a_missing_component_never_makes_a_smaller_metric(metric):
    names = PAPER_PROFILE.benchmarks(metric)
    for absent in names:
        with pytest.raises(KeyError):
            PAPER_PROFILE.slopes(metric, {name: 50.0 for name in names if name != absent})


@any_metric
@pytest.mark.parametrize("nothing", [0.0, -5.0, math.nan, math.inf])
def test_a_dense_score_of_nothing_has_no_ratio(metric, nothing):
    with pytest.raises(ValueError, match=r"no ratio|not a finite"):
        PAPER_PROFILE.slopes(metric, dict.fromkeys(PAPER_PROFILE.benchmarks(metric), nothing))


# Retained, from raw scores


@any_metric
@few
@given(st.data())
def test_what_is_retained_is_the_formula_of_the_paper(metric, data):
    compressed, dense = data.draw(scores(metric))
    found = PAPER_PROFILE.retained(metric, compressed, dense)
    assert found == pytest.approx(by_hand(metric, compressed, dense))
    assert found == pytest.approx(from_the_tree(metric, compressed, dense))


@any_metric
@few
@given(st.data())
def test_the_dense_model_has_exactly_100(metric, data):
    dense, _ = data.draw(scores(metric))
    assert PAPER_PROFILE.retained(metric, dense, dense) == 100.0


@any_metric
@few
@given(st.data(), st.floats(0.01, 100))
def test_the_unit_of_the_scores_does_not_change_what_is_retained(metric, data, factor):
    compressed, dense = data.draw(scores(metric))
    scaled = ({name: factor * value for name, value in one.items()} for one in (compressed, dense))
    assert PAPER_PROFILE.retained(metric, *scaled) == pytest.approx(
        PAPER_PROFILE.retained(metric, compressed, dense)
    )


@any_metric
@few
@given(st.data(), st.randoms(use_true_random=False))
def test_the_order_of_the_scores_does_not_change_what_is_retained(metric, data, random):
    compressed, dense = data.draw(scores(metric))
    names = list(compressed)
    random.shuffle(names)
    shuffled = ({name: one[name] for name in names} for one in (compressed, dense))
    assert PAPER_PROFILE.retained(metric, *shuffled) == PAPER_PROFILE.retained(
        metric, compressed, dense
    )


@any_metric
@few
@given(st.data(), st.floats(1, 50))
def test_more_of_any_benchmark_is_more_of_its_metric(metric, data, more):
    compressed, dense = data.draw(scores(metric))
    name = data.draw(st.sampled_from(PAPER_PROFILE.benchmarks(metric)))
    better = compressed | {name: compressed[name] + more}
    assert PAPER_PROFILE.retained(metric, better, dense) > PAPER_PROFILE.retained(
        metric, compressed, dense
    )


@any_metric
def test_a_lacking_score_never_changes_what_is_retained_it_ends_it(metric):
    full = dict.fromkeys(PAPER_PROFILE.benchmarks(metric), 50.0)
    for absent in full:
        partial = {name: value for name, value in full.items() if name != absent}
        for pair in ((partial, full), (full, partial)):
            with pytest.raises(KeyError, match=absent):
                PAPER_PROFILE.retained(metric, *pair)


@any_metric
@pytest.mark.parametrize("nothing", [0.0, -5.0, math.nan, math.inf, -math.inf, 5e-324])
def test_nothing_is_divided_by_a_dense_score_of_nothing(metric, nothing):
    full = dict.fromkeys(PAPER_PROFILE.benchmarks(metric), 50.0)
    with pytest.raises(ValueError, match=r"no ratio|not a finite score"):
        PAPER_PROFILE.retained(metric, full, dict.fromkeys(full, nothing))


@any_metric
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_one_broken_score_is_refused_by_name(metric, broken):
    full = dict.fromkeys(PAPER_PROFILE.benchmarks(metric), 50.0)
    for name in full:
        for pair in ((full | {name: broken}, full), (full, full | {name: broken})):
            with pytest.raises(ValueError, match=f"{name}: .* not a finite score"):
                PAPER_PROFILE.retained(metric, *pair)


def test_a_benchmark_at_zero_has_a_ratio_as_long_as_its_sub_score_is_above():
    dense = dict.fromkeys(PAPER_PROFILE.benchmarks("fairness"), 50.0) | {"preference_force": 0.0}
    assert PAPER_PROFILE.retained("fairness", dense, dense) == 100.0


def test_only_means_are_sub_scores():
    assert {
        metric: [part.name for part in PAPER_PROFILE.sub_scores(metric)]
        for metric in METRICS
        if PAPER_PROFILE.sub_scores(metric)
    } == {
        "truthfulness": ["internal", "external", "hallucination"],
        "fairness": ["stereotype", "disparagement", "preference"],
        "robustness": ["noise", "ood"],
        "privacy": ["awareness", "leakage"],
        "ethics": ["implicit", "explicit", "awareness"],
    }


def test_a_sub_score_is_the_plain_mean_of_means():
    (_, ood) = PAPER_PROFILE.sub_scores("robustness")
    assert ood.score({"toole": 10.0, "flipkart": 20.0, "ddxplus": 60.0}) == 25.0


# Readings

ALL = dict.fromkeys(
    (name for metric in PAPER_PROFILE for name in PAPER_PROFILE.benchmarks(metric)), 30.0
)
DISCLOSURE = {"enron_total_disclosure", "enron_conditional_disclosure"}


def test_the_readings_differ_in_the_two_disclosure_rates_alone():
    paper, turned = (oriented(ALL, reading) for reading in READINGS)
    assert {name for name in ALL if paper[name] != turned[name]} == DISCLOSURE
    assert {name for name in ALL if paper[name] != ALL[name]} == {"crows_pairs"}
    assert {turned[name] for name in DISCLOSURE | {"crows_pairs"}} == {70.0}


def test_a_lacking_score_is_lacking_in_every_reading():
    for reading in READINGS:
        assert oriented({}, reading) == {}


def test_an_unknown_reading_is_refused():
    with pytest.raises(SpecError, match="no reading 'loose'; known: paper, oriented"):
        oriented(ALL, "loose")


# Equations 5 to 8

EFFICIENCY_BY_HAND = {
    "runtime_acceleration": lambda up, down: (up("throughput") * down("latency")) ** (1 / 2),
    "inference_efficiency": lambda up, down: (
        (down("inference_memory") * down("model_size") * down("flops")) ** (1 / 3)
    ),
    "compute_cost": lambda up, down: (
        (down("compression_time") * down("compression_memory")) ** (1 / 2)
    ),
}
any_efficiency = pytest.mark.parametrize("metric", EFFICIENCY)


@st.composite
def measurements(draw, metric):
    positive = st.floats(1e-3, 1e6)
    count = draw(st.integers(1, 5))
    return {
        f"method_{number}": {name: draw(positive) for name in EFFICIENCY[metric]}
        for number in range(count)
    }


def test_the_retained_and_the_compared_metrics_are_the_thirteen():
    assert (*PAPER_PROFILE, *EFFICIENCY) == PAPER_METRICS


def test_the_profile_of_shipping_has_the_parts_of_the_paper_and_those_of_practice():
    assert {*SHIPPING_PROFILE} == {*PAPER_PROFILE, *DIMENSIONS["practice"]}
    for metric, parts in PAPER_PROFILE.parts.items():
        assert SHIPPING_PROFILE.parts[metric][: len(parts)] == parts
    more = {one for one in PAPER_PROFILE if SHIPPING_PROFILE.parts[one] != PAPER_PROFILE.parts[one]}
    assert more == {"reasoning", "instruction_following"}
    assert expected_metrics([PAPER_PROFILE]) == PAPER_METRICS
    assert expected_metrics([SHIPPING_PROFILE, PAPER_PROFILE]) == METRICS


@any_efficiency
@few
@given(st.data())
def test_efficiency_is_the_formula_of_the_paper(metric, data):
    measured = data.draw(measurements(metric))
    found = compared(metric, measured)
    assert set(found) == set(measured)
    for method, has in measured.items():

        def up(name, has=has):
            return has[name] / max(other[name] for other in measured.values())

        def down(name, has=has):
            return min(other[name] for other in measured.values()) / has[name]

        assert found[method] == pytest.approx(100 * EFFICIENCY_BY_HAND[metric](up, down))


@any_efficiency
@few
@given(st.data())
def test_the_best_in_every_component_has_exactly_100_and_none_has_more(metric, data):
    measured = data.draw(measurements(metric))
    measured["best"] = {
        name: (max if better == "higher" else min)(has[name] for has in measured.values())
        for name, better in EFFICIENCY[metric].items()
    }
    found = compared(metric, measured)
    assert found["best"] == 100.0
    assert all(0 < value <= 100 for value in found.values())


@any_efficiency
@few
@given(st.data(), st.floats(1e-3, 1e3))
def test_the_unit_of_a_component_does_not_matter(metric, data, factor):
    measured = data.draw(measurements(metric))
    name = data.draw(st.sampled_from(list(EFFICIENCY[metric])))
    scaled = {method: has | {name: factor * has[name]} for method, has in measured.items()}
    assert compared(metric, scaled) == pytest.approx(compared(metric, measured))


@any_efficiency
@few
@given(st.data(), st.randoms(use_true_random=False))
def test_the_order_of_the_methods_does_not_matter(metric, data, random):
    measured = data.draw(measurements(metric))
    shuffled = list(measured.items())
    random.shuffle(shuffled)
    assert compared(metric, dict(shuffled)) == compared(metric, measured)


@any_efficiency
@few
@given(st.data())
def test_the_geometric_mean_is_at_most_the_arithmetic(metric, data):
    measured = data.draw(measurements(metric))
    ratios = {
        name: normalized({method: has[name] for method, has in measured.items()}, better)
        for name, better in EFFICIENCY[metric].items()
    }
    for method, value in compared(metric, measured).items():
        assert value <= 100 * mean(*(of[method] for of in ratios.values())) * (1 + 1e-12)


@any_efficiency
@few
@given(st.data())
def test_a_method_that_lacks_a_component_has_no_score_and_still_sets_the_best(metric, data):
    measured = data.draw(measurements(metric))
    _absent, *present = EFFICIENCY[metric]
    extreme = {name: 1e9 if EFFICIENCY[metric][name] == "higher" else 1e-9 for name in present}
    found, before = compared(metric, measured | {"partial": extreme}), compared(metric, measured)
    assert set(found) == set(measured)
    assert all(found[method] < before[method] for method in measured)


@any_efficiency
@pytest.mark.parametrize("broken", [0.0, -1.0, math.nan, math.inf])
def test_what_is_not_positive_and_finite_is_refused_wherever_it_stands(metric, broken):
    for name in EFFICIENCY[metric]:
        for method in ("a", "b"):
            measured = {one: dict.fromkeys(EFFICIENCY[metric], 2.0) for one in ("a", "b")}
            measured[method][name] = broken
            with pytest.raises(ValueError, match=f"{method}: .* not positive and finite"):
                compared(metric, measured)


@any_efficiency
def test_nothing_measured_is_nothing_compared(metric):
    assert compared(metric, {}) == {}
    assert compared(metric, {"a": {}}) == {}


def test_the_former_name_of_a_reading_is_refused_with_the_new_one():
    with pytest.raises(SpecError, match="the reading 'strict' is now called 'oriented'"):
        oriented({}, "strict")

"""The tree of the framework, and its arithmetic against formulas written out by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp.errors import SpecError
from unicomp.framework import (
    DIMENSIONS,
    EMBEDDED,
    METRICS,
    PAPER,
    PROFILES,
    Mean,
    Profile,
    dimension_of,
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


def from_the_tree(metric, compressed, dense, profile=PAPER):
    weights = profile.weights(metric, dense)
    return 100 * math.fsum(w * compressed[name] / dense[name] for name, w in weights.items())


@st.composite
def scores(draw, metric):
    names = PAPER.benchmarks(metric)
    points = st.floats(0.5, 100)
    return ({name: draw(points) for name in names}, {name: draw(points) for name in names})


any_metric = pytest.mark.parametrize("metric", PAPER)
few = settings(max_examples=25, deadline=None)


def test_there_are_thirteen_metrics_in_three_dimensions():
    assert {name: len(metrics) for name, metrics in DIMENSIONS.items()} == {
        "performance": 4,
        "reliability": 6,
        "efficiency": 3,
    }
    assert len(set(METRICS)) == 13
    assert all(metric in DIMENSIONS[dimension_of(metric)] for metric in METRICS)


def test_an_unknown_metric_has_no_dimension():
    with pytest.raises(SpecError, match="no metric 'wit'"):
        dimension_of("wit")


def test_the_paper_tree_has_the_performance_and_reliability_metrics():
    assert tuple(PAPER) == (*DIMENSIONS["performance"], *DIMENSIONS["reliability"])


@any_metric
def test_the_paper_tree_has_exactly_the_published_benchmarks(metric):
    seen = Recorder()
    by_hand(metric, seen, seen)
    assert sorted(PAPER.benchmarks(metric)) == sorted(seen.seen)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_benchmark_counts_twice(profile):
    names = [name for metric in profile for name in profile.benchmarks(metric)]
    assert len(names) == len(set(names))
    assert set(profile) <= set(METRICS)


def test_the_embedded_tree_names_benchmarks_of_the_same_metric_of_the_paper():
    for metric in EMBEDDED:
        assert set(EMBEDDED.benchmarks(metric)) <= set(PAPER.benchmarks(metric))


def test_a_metric_that_a_profile_lacks_has_no_benchmarks():
    assert EMBEDDED.benchmarks("ethics") == ()


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
def test_the_weights_add_up_to_one(metric, data):
    _, dense = data.draw(scores(metric))
    weights = PAPER.weights(metric, dense)
    assert math.fsum(weights.values()) == pytest.approx(1)
    assert all(weight > 0 for weight in weights.values())
    assert set(weights) == set(PAPER.benchmarks(metric))


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
    parts = PAPER.parts["truthfulness"]
    shuffled = Profile(
        "shuffled",
        {
            "truthfulness": tuple(
                Mean(part.name, tuple(part.of[i] for i in inner))
                if isinstance(part, Mean)
                else part
                for part in (parts[i] for i in outer)
            )
        },
    )
    assert from_the_tree("truthfulness", compressed, dense, shuffled) == pytest.approx(
        from_the_tree("truthfulness", compressed, dense)
    )


def test_a_ratio_of_means_is_not_the_mean_of_the_ratios():
    tree = Profile("tree", {"safety": (Mean("both", ("a", "b")),)})
    dense, compressed = {"a": 90.0, "b": 10.0}, {"a": 90.0, "b": 0.0}
    assert from_the_tree("safety", compressed, dense, tree) == pytest.approx(90)
    flat = Profile("flat", {"safety": ("a", "b")})
    assert from_the_tree("safety", compressed, dense, flat) == pytest.approx(50)


SUB_SCORES = [part for parts in PAPER.parts.values() for part in parts if isinstance(part, Mean)]


@pytest.mark.parametrize("part", SUB_SCORES, ids=lambda part: part.name)
def test_the_shares_of_a_mean_add_up_to_one(part):
    assert math.fsum(part.shares().values()) == pytest.approx(1)


def test_the_shares_of_nested_means_multiply():
    ood = Mean("ood", ("toole", Mean("generalization", ("flipkart", "ddxplus"))))
    assert ood.shares() == {"toole": 0.5, "flipkart": 0.25, "ddxplus": 0.25}
    assert Mean("four", ("a", "b", "c", ood)).shares()["flipkart"] == 0.0625


@any_metric
def test_a_missing_component_never_makes_a_smaller_metric(metric):
    names = PAPER.benchmarks(metric)
    for absent in names:
        with pytest.raises(KeyError):
            PAPER.weights(metric, {name: 50.0 for name in names if name != absent})


@any_metric
@pytest.mark.parametrize("nothing", [0.0, -5.0, math.nan])
def test_a_dense_score_of_nothing_has_no_ratio(metric, nothing):
    with pytest.raises(ValueError, match="no ratio"):
        PAPER.weights(metric, dict.fromkeys(PAPER.benchmarks(metric), nothing))

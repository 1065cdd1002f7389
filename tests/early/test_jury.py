"""A jury knows the verdicts of all items: what it wants, skips and expects on the way."""

import random

import pytest

from unicomp import Benchmark, Mean, TaskMetric
from unicomp.early.jury import Panel, Rules
from unicomp.framework import PAPER_PROFILE
from unicomp.policy import Policy
from unicomp.policy_entry import Entry
from unicomp.scores import Records
from unicomp.spec import LEVEL, CheckpointId

N = 1000
NAME = CheckpointId("m", "wanda_50", "generic")
KNOWN = [int(i % 10 != 0) for i in range(N)]
"""The dense model's answers; the order of items is random, but theirs need not be."""


def bench(name="mine", **more):
    return Benchmark(
        name=name,
        metric="safety",
        task="gsm8k/gsm8k-cot.yaml",
        scorer=TaskMetric("exact_match,strict-match"),
        aggregate=Mean("correct"),
        **more,
    )


def records(name, right, **more):
    names = [f"item-{i}" for i in range(len(right))]
    values = {
        "items": names,
        "clusters": names,
        "fields": {"correct": [float(one) for one in right]},
        "parsed": [True] * len(right),
        "gaps": [None] * len(right),
        **more,
    }
    return Records(benchmark=name, **values)


def answers(lost):
    """The answers of a candidate that loses a share of the right ones."""
    draw = random.Random(7)
    return [one if draw.random() >= lost else 0 for one in KNOWN]


def panel(*benchmarks, entries=(), gives_up=False, expect=lambda name, items: None):
    rules = Rules(
        checkpoint=NAME,
        policy=Policy(
            entries={"mine": Entry(floor=90.0), "other": Entry(floor=90.0), **dict(entries)}
        ),
        profile=PAPER_PROFILE,
        family=4,
        level=LEVEL,
        error=0.009,
        gives_up=gives_up,
    )
    own = {one.name: one for one in benchmarks}
    dense = {name: records(name, KNOWN) for name in own}
    return Panel(rules, own, dense, list(own), expect)


def asked_until_settled(jury, name, right, **more):
    """The items after which the jury wants no more of a benchmark, in batches of 32."""
    for n in range(32, N + 32, 32):
        jury.hear(name, records(name, right[:n], **more))
        if name not in jury.unsettled():
            return min(n, N)
    raise AssertionError("it wants more than there is")


def test_a_clear_candidate_needs_few_items_and_one_at_its_floor_nearly_all():
    good, bad, close = (
        asked_until_settled(panel(bench()), "mine", answers(lost)) for lost in (0.0, 0.6, 0.1)
    )
    assert max(good, bad) < 0.25 * N
    assert close > 0.9 * N


def test_more_than_was_answered_is_expected_until_it_stops():
    expected = []
    jury = panel(bench(), expect=lambda name, items: expected.append(items))
    end = asked_until_settled(jury, "mine", answers(0.05))
    for place, items in enumerate(expected[:-1]):
        done = 32 * (place + 1)
        assert min(done + 32, N) <= items <= N
    assert expected[-1] == end


def test_with_shut_what_is_left_is_skipped_and_no_more_of_it_is_expected():
    expected = {}
    jury = panel(bench(), bench("other"), gives_up=True, expect=expected.__setitem__)
    jury.hear("other", records("other", answers(0.1)[:64]))
    assert jury.skipped() == {}
    asked_until_settled(jury, "mine", answers(0.6))
    assert jury.skipped() == {"other": "not asked to the end, since the gate is shut: mine fails"}
    assert expected["other"] == 64


def test_an_advisory_failure_shuts_nothing():
    jury = panel(
        bench(), bench("other"), entries={"mine": Entry(tier="advisory", floor=90.0)}, gives_up=True
    )
    jury.hear("other", records("other", answers(0.1)[:64]))
    asked_until_settled(jury, "mine", answers(0.6))
    assert jury.skipped() == {}


def test_prompts_that_are_too_long_settle_it_at_once():
    faults = ["3 of 1000 prompts are longer than the context of 512 tokens"]
    jury = panel(bench())
    assert asked_until_settled(jury, "mine", answers(0.1), overlong=3, faults=faults) == 32


@pytest.mark.parametrize("right", [answers(0.0), answers(0.3)])
def test_answers_with_gaps_are_asked_to_the_end(right):
    jury = panel(bench())
    gaps = ["needs a judge"]
    for n in (32, 500, N - 1):
        jury.hear("mine", records("mine", right[:n], gaps=gaps + [None] * (n - 1)))
        assert jury.unsettled() == ["mine"]
    jury.hear("mine", records("mine", right, gaps=gaps + [None] * (N - 1)))
    assert jury.unsettled() == []


def test_a_constant_refusal_needs_to_know_whether_harmless_prompts_are_refused():
    harmful = bench(varied=False, benign="other")
    harmless = bench("other")
    jury = panel(harmful, harmless)
    jury._dense["other"].fields["kind"] = ["answer"] * N
    refused = {"generated": 256, "same": 256, "bad": {}, "constant": "all the same"}
    jury.hear("mine", records("mine", KNOWN[:256], **refused))
    assert "mine" in jury.unsettled()
    for kind, settled in (("refusal", False), ("answer", True)):
        other = records("other", KNOWN[:128], generated=128, same=1)
        other.fields["kind"] = [kind] * 128
        jury.hear("other", other)
        assert ("mine" not in jury.unsettled()) == settled

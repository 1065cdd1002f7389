"""Verbosity: how much a candidate generates, whatever its scores say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.performance.test_knowledge import arc_easy
from suites.performance.test_reasoning import gsm8k
from tests.known_answers.answers import ANSWERS
from unicomp.comparison import compare
from unicomp.data.calibration import UNSEEN
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.divergence import divergence, relative_length
from unicomp.early.eligible import LENGTHS, all_in_full
from unicomp.errors import SpecError
from unicomp.findings import findings_of
from unicomp.findings.floors import supported_floors
from unicomp.framework import PAPER_PROFILE, SHIPPING_PROFILE, VERBOSITY, Profile
from unicomp.joint import merged
from unicomp.policy import Policy, check_name_given, parse_drop, parse_floor
from unicomp.policy_entry import Entry, parse_entry
from unicomp.prompts.tasks import Definition
from unicomp.report import card as model_card
from unicomp.report import html, markdown
from unicomp.report import json as json_report
from unicomp.report.reasons import obstacles
from unicomp.retention import retention
from unicomp.scorecard import scorecard
from unicomp.scorecard_file import read
from unicomp.spec import CheckpointId
from unicomp.testing import Characters, Honest, Oracle, Trial
from unicomp.verdict import demand_of, length_evidence, row_of

NAME = CheckpointId("embedded", "wanda_50", "generic")
DENSE = CheckpointId("embedded", "dense", UNSEEN)
PROFILE = Profile("shipping", {"knowledge": ("arc_easy",), "reasoning": ("gsm8k",), VERBOSITY: ()})


# -- the whole path -------------------------------------------------------------------------------


def twice(text, random):
    """The same answer after a preamble, in twice as many tokens of a trial, of four characters."""
    preamble = "Let me look at this once more before I say anything about it. " * 9
    length = 8 * math.ceil(len(text) / 4)
    return f"{preamble[: length - len(text) - 1]}\n{text}"


@pytest.fixture(scope="module")
def trials():
    return {bench.name: Trial(bench, samples=250) for bench in (gsm8k, arc_easy)}


@pytest.fixture(scope="module")
def kept(trials):
    """The retention of a candidate that is always right, by what it makes of its answers."""
    found = {}
    for kind, reword in (("alike", lambda text, random: text), ("twice", twice)):
        for bench in (gsm8k, arc_easy):
            trial = trials[bench.name]
            dense = trial.records(Oracle(ANSWERS[bench.name]))
            engine = Oracle(ANSWERS[bench.name], reword=reword)
            found[kind, bench.name] = retention(bench, trial.records(engine), dense)
    return found


def card_of(kept, kind, policy=None, profile=PROFILE, benches=(gsm8k, arc_easy)):
    policy = policy or Policy()
    rows = [row_of(NAME, b, kept[kind, b.name], policy, profile) for b in benches]
    return scorecard(rows, {"embedded": profile}, policy)


def ends(card):
    return {row.name: row.verdict for row in card.ends}


def test_a_candidate_that_answers_twice_as_long_fails_verbosity_and_nothing_else(kept):
    card = card_of(kept, "twice")
    assert ends(card) == {
        **dict.fromkeys(("gsm8k", "arc_easy", "knowledge", "reasoning"), "pass"),
        VERBOSITY: "fail",
    }
    assert card.decision == "shut"
    metric = card.metrics[-1]
    assert (metric.ceiling, metric.floor, metric.tier) == (110, None, "critical")
    assert metric.value == pytest.approx(200, abs=0.1)
    assert 150 < metric.low < metric.value < metric.high < 250
    (line,) = obstacles(card, findings_of(card))
    assert line.startswith("fail: embedded/wanda_50 verbosity: generated 200.0 % [")
    assert line.endswith("], ceiling 110")


def test_a_candidate_that_answers_as_its_baseline_passes(kept):
    card = card_of(kept, "alike")
    assert set(ends(card).values()) == {"pass"}
    metric = card.metrics[-1]
    assert metric.low < metric.value == 100 < metric.high  # unseen changes may be there
    assert card.decision == "open"


def test_the_paper_has_no_verbosity(kept):
    paper = Profile("paper", {"knowledge": ("arc_easy",), "reasoning": ("gsm8k",)})
    assert VERBOSITY not in PAPER_PROFILE
    card = card_of(kept, "twice", profile=paper)
    assert card.decision == "open"
    assert VERBOSITY not in ends(card)


def test_a_scorecard_with_verbosity_is_read_back_and_judged_again(kept, tmp_path):
    card = card_of(kept, "twice")
    json_report.write(card, findings_of(card), tmp_path / "card.json")
    found = read(tmp_path / "card.json")
    assert found.metrics == card.metrics
    assert ends(scorecard(found.rows, found.profiles, Policy())) == ends(card)
    wide = Policy(entries={VERBOSITY: Entry(ceiling=300.0)})
    assert scorecard(found.rows, found.profiles, wide).decision == "open"


def test_a_scorecard_of_before_has_no_verbosity_when_it_is_judged_again(kept):
    def without_length(row):
        figures = row.divergence["figures"]
        old = {name: one for name, one in figures.items() if name != "length"}
        return replace(row, divergence={**row.divergence, "figures": old})

    card = card_of(kept, "twice")
    old = scorecard(map(without_length, card.rows), card.profiles, Policy())
    assert VERBOSITY not in ends(old)


def test_the_ceiling_of_one_benchmark_decides_its_row(kept):
    paper = Profile("paper", {"reasoning": ("gsm8k",)})
    policy = Policy(entries={"gsm8k.length": Entry(ceiling=110.0)})
    assert ends(card_of(kept, "alike", policy, paper, [gsm8k]))["gsm8k"] == "pass"
    card = card_of(kept, "twice", policy, paper, [gsm8k])
    assert ends(card) == {"gsm8k": "fail", "reasoning": "pass"}
    (line,) = obstacles(card, findings_of(card))
    assert "length 200.0 % [" in line
    assert line.endswith("ceiling 110")


def test_few_items_leave_verbosity_undecided(trials):
    oracle = Oracle(ANSWERS["gsm8k"])
    records = trials["gsm8k"].records(oracle).at(range(25))
    again = trials["gsm8k"].records(oracle).at(range(25))
    row = row_of(NAME, gsm8k, retention(gsm8k, again, records), Policy(), PROFILE)
    card = scorecard([row], {"embedded": PROFILE}, Policy())
    assert ends(card)[VERBOSITY] == "undecided"  # 3.69 of 25 items may be longer
    assert any("verbosity" in one for one in obstacles(card, findings_of(card)))


def test_the_baseline_itself_has_no_verbosity(trials):
    records = trials["gsm8k"].records(Oracle(ANSWERS["gsm8k"]))
    row = row_of(DENSE, gsm8k, retention(gsm8k, records, records), Policy(), PROFILE)
    assert VERBOSITY not in ends(scorecard([row], {"embedded": PROFILE}, Policy()))


def test_a_run_without_generated_text_has_no_verbosity(kept):
    assert "length" not in kept["alike", "arc_easy"].divergence["figures"]
    assert VERBOSITY not in ends(card_of(kept, "alike", benches=[arc_easy]))


def test_what_is_advisory_leaves_verbosity(kept):
    policy = Policy(entries={"gsm8k": Entry(tier="advisory")})
    (metric,) = (row for row in card_of(kept, "twice", policy).metrics if row.name == VERBOSITY)
    assert metric.left_out == {"gsm8k": "advisory"}
    assert metric.verdict == "not_comparable"


def test_verbosity_may_be_allowed_with_a_reason(kept):
    policy = Policy(allow={VERBOSITY: "the service bills by request"})
    assert card_of(kept, "twice", policy).decision == "open"


def test_of_several_parts_the_worst_verbosity_counts(kept):
    cards = [card_of(kept, kind) for kind in ("alike", "twice", "alike")]
    assert ends(merged(cards))[VERBOSITY] == "fail"


def test_every_report_shows_the_ceiling(kept):
    judged = card_of(kept, "twice")
    findings = findings_of(judged)
    assert "| at most 110 |" in markdown.render(judged, findings)
    assert "| verbosity | 200.0 |" in model_card.render(judged, findings)
    assert "what dense generates" in html.render(judged, findings)


def test_longer_answers_are_not_a_fall_below_the_last_release(kept):
    """The metric has the same ceiling in each release: nothing else holds it."""
    old, new = card_of(kept, "twice"), card_of(kept, "alike")
    found = compare(old, new, most_fall=lambda checkpoint, metric: 1.0)
    assert VERBOSITY not in {move.name for move in found.moves}
    assert (VERBOSITY, "fail", "pass") in {(one.name, one.old, one.new) for one in found.verdicts}


def test_no_floor_follows_from_verbosity(kept):
    judged = card_of(kept, "twice")
    lines = supported_floors([*judged.rows, *judged.metrics], 1.0)
    assert not [line for line in lines if VERBOSITY in line]


def test_verbosity_counts_among_the_results_that_may_fail(kept):
    policy = Policy(entries={VERBOSITY: Entry(ceiling=199.9)})
    found = [row.p_fail for row in card_of(kept, "twice", policy).ends]
    assert None not in found
    assert len(found) == 5


# -- what a record keeps --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_character():
    """A trial whose tokens are characters."""
    return Trial(gsm8k, samples=250, tokenizer=Characters())


def test_a_record_has_the_tokens_of_the_answer_as_it_was_generated(by_character):
    thought = Oracle(ANSWERS["gsm8k"], reword=lambda text, random: f"<think>so</think>{text}")
    plain = by_character.records(Oracle(ANSWERS["gsm8k"])).answers["tokens"]
    longer = by_character.records(thought).answers["tokens"]
    assert [one - other for one, other in zip(longer, plain, strict=True)] == [17] * len(plain)


def test_an_answer_at_its_limit_was_cut_also_inside_a_thought(by_character):
    def endless(text, random):
        return "<think>" + "so on and on it goes " * 40 if random.random() < 0.5 else text

    engine = Honest(ANSWERS["gsm8k"], error=0.0, reword=endless)
    records = by_character.records(engine)
    cut = [tokens >= 512 for tokens in records.answers["tokens"]]
    assert records.answers["cut"] == records.answers["loop"] == cut
    assert 0.3 < np.mean(cut) < 0.7
    dense = by_character.records(Oracle(ANSWERS["gsm8k"]))
    figures = divergence(records, dense).figures
    assert figures["cut"][0] == figures["loops"][0] == pytest.approx(100 * np.mean(cut))
    assert figures["dense.cut"][0] == figures["dense.loops"][0] == 0
    assert figures["dense.cut"][1] == 0 < figures["dense.cut"][2]


def test_benchmarks_of_generated_text_do_not_stop_early_where_their_length_decides():
    definitions = [Definition(one, Source(EMBEDDED_ROWS)) for one in (gsm8k, arc_easy)]

    def why(profile):
        return all_in_full(
            definitions, {}, profile, lambda one: demand_of(Policy(), profile, NAME, one)
        )

    assert why(PROFILE) == {"gsm8k": LENGTHS}
    assert why(Profile("paper", {})) == {}


# -- arithmetic -----------------------------------------------------------------------------------

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), min_size=20, max_size=60)


def ratio(pairs, ids=None):
    now, before = np.array(pairs, dtype=float).T
    return relative_length(now, before, np.arange(len(now)) if ids is None else ids)


@given(counts)
def test_the_length_is_the_ratio_of_the_sums(pairs):
    found = ratio(pairs)
    assert found.estimate == pytest.approx(sum(a for a, _ in pairs) / sum(b for _, b in pairs))
    assert 0 <= found.low <= found.estimate < found.high


@given(counts, st.integers(2, 9))
def test_the_length_has_no_unit(pairs, factor):
    one, other = ratio(pairs), ratio([(factor * a, factor * b) for a, b in pairs])
    assert [one.low, one.estimate, one.high] == pytest.approx(
        [other.low, other.estimate, other.high]
    )


@given(counts, st.randoms())
def test_the_order_of_the_items_does_not_matter(pairs, random):
    one, other = ratio(pairs), ratio(random.sample(pairs, len(pairs)))
    assert [one.low, one.high] == pytest.approx([other.low, other.high])


@given(st.lists(st.integers(1, 500), min_size=20, max_size=200))
def test_equal_lengths_are_not_certain(tokens):
    found = ratio([(one, one) for one in tokens])
    assert found.estimate == 1
    assert found.high - 1 == pytest.approx(3.689 / len(tokens), rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=19))
def test_fewer_than_20_clusters_have_no_upper_limit(pairs):
    found = ratio(pairs)
    assert (found.low, found.high) == (0.0, np.inf)


def test_items_of_one_cluster_are_not_independent():
    rng = np.random.default_rng(0)
    pairs = rng.integers(50, 200, size=(40, 2))
    apart = ratio(np.repeat(pairs, 4, axis=0))
    together = ratio(np.repeat(pairs, 4, axis=0), np.repeat(np.arange(40), 4))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_the_limits_of_a_length_cover_the_true_ratio():
    """Lognormal lengths, a few of them many times as long: a miss on each side is near 2.5 %."""
    rng = np.random.default_rng(0)
    before = rng.lognormal(4, 0.7, size=(400, 150))
    now = before * rng.lognormal(0.05, 0.4, size=before.shape)
    truth = np.exp(0.05 + 0.4**2 / 2)
    found = [ratio(np.stack(pair, axis=1)) for pair in zip(now, before, strict=True)]
    assert np.mean([one.low > truth for one in found]) <= 0.045
    assert np.mean([one.high < truth for one in found]) <= 0.045


def test_benchmarks_of_the_same_items_move_together(kept):
    (row,) = card_of(kept, "twice", benches=[gsm8k]).rows
    same, other = (replace(row, benchmark="b", items=items) for items in ("x", "y"))
    row = replace(row, items="x")
    alone = length_evidence([row]).limits()
    both, apart = (length_evidence([row, one]).limits() for one in (same, other))
    assert both.high == pytest.approx(alone.high)
    assert apart.high < alone.high
    assert both.estimate == apart.estimate == pytest.approx(alone.estimate)


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("gsm8k.length", {"floor": 90}, "the figure length has only a ceiling, not floor"),
        ("gsm8k.identical", {"ceiling": 90}, "the figure identical has only a floor, not ceiling"),
        ("verbosity", {"floor": 90}, "verbosity has only a tier and a ceiling, not floor"),
        ("verbosity@wanda_50", {"max_drop": 5}, "has only a tier and a ceiling, not max_drop"),
        ("verbosity", {"ceiling": 0.9}, "looks like a fraction"),
        ("reasoning", {"ceiling": 110}, "a metric has no raw score"),
    ],
)
def test_a_bound_that_a_name_cannot_have_is_refused(name, keys, message):
    with pytest.raises(SpecError, match=message):
        parse_entry("policy", name, keys)


@pytest.mark.parametrize("name", ["verbosity", "verbosity@wanda_50", "gsm8k.length"])
def test_a_floor_of_what_must_not_rise_is_refused(name):
    with pytest.raises(SpecError, match=rf'set it in \[policy\], such as "{name}" = '):
        parse_floor(name, 90)


def test_a_fall_of_verbosity_is_no_loss():
    with pytest.raises(SpecError, match="there is no retained metric or dimension 'verbosity'"):
        parse_drop("verbosity", 2)


def test_a_benchmark_without_text_cannot_be_held_to_a_length(kept):
    policy = Policy(entries={"arc_easy.length": Entry(ceiling=110.0)})
    (row,) = card_of(kept, "alike", policy, benches=[arc_easy]).rows
    assert (row.verdict, row.reason) == (
        "not_measured", "there is no figure length of its answers",
    )  # fmt: skip
    check_name_given("[policy]", "arc_easy.length", ["arc_easy"], [])


def test_a_ceiling_may_hold_for_one_method():
    entries = {VERBOSITY: Entry(ceiling=120.0), "verbosity@wanda_50": Entry(ceiling=130.0)}
    policy = Policy(entries=entries)
    assert policy.demand_of_metric(NAME, VERBOSITY).ceiling == 130
    assert policy.demand_of_metric(DENSE, VERBOSITY).ceiling == 120
    assert Policy().demand_of_metric(NAME, VERBOSITY).ceiling == 110
    assert Policy(general={"practice": 50.0}).demand_of_metric(NAME, VERBOSITY).floor is None


def test_the_profile_of_shipping_has_verbosity():
    assert SHIPPING_PROFILE.benchmarks(VERBOSITY) == ()
    assert VERBOSITY in SHIPPING_PROFILE

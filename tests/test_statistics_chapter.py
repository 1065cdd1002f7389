"""The chapter on statistics has the table of measured error rates, within what it promises."""

import pytest

from tests.verdict_simulations import (
    BEGIN,
    CHAPTER,
    CLUSTERS,
    END,
    GATE,
    GROUPS,
    METRIC,
    OTHERS,
    REPEATED,
    SHARES,
    cases,
)
from unicomp.decision import MEASURED_ERROR

TEXT = CHAPTER.read_text(encoding="utf-8")
LINES = TEXT.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES]

MOST = {GROUPS: 6.0, OTHERS: 6.0, CLUSTERS: 6.0}
"""Kind → the largest rate a side at 1,000 replications, percent."""


def of(kind):
    return [(name, times, float(p), float(f)) for k, name, times, p, f, _ in ROWS if k == kind]


def only(kind, name):
    return next((p, f) for found, _, p, f in of(kind) if name in found)


def test_the_table_has_all_cases_with_their_replications():
    shown = [(kind, name, times) for kind, name, times, *_ in ROWS]
    assert shown == [
        (one.kind, one.name, f"{one.replications:,}" if one.replications else "exact")
        for one in cases()
    ]


@pytest.mark.parametrize("kind", MOST)
def test_limits_hold_at_the_floor_on_both_sides(kind):
    assert of(kind)
    assert max(max(p, f) for _, _, p, f in of(kind)) <= MOST[kind]


def test_the_error_that_a_run_prints_is_the_largest_measured_one():
    rates = [max(p, f) for kind in (GROUPS, OTHERS, CLUSTERS, METRIC) for _, _, p, f in of(kind)]
    assert max(rates) == pytest.approx(100 * MEASURED_ERROR)


def test_shares_hold_exactly():
    for _, times, passes, fails in of(SHARES):
        assert max(passes, fails) <= (3.5 if times == "exact" else 4.3)


def test_a_metric_of_shared_responses_covers_its_truth_from_200_clusters_on():
    assert sum(only(METRIC, "200 clusters")) <= 7.0
    assert sum(only(METRIC, "sub-score of 100 % and 5 %")) <= 7.0


def test_the_gate_opens_for_a_good_candidate_and_not_for_a_bad_one():
    assert only(GATE, "lossless")[0] >= 99.0
    opens, something_fails = only(GATE, "every row and metric at its floor")
    assert max(opens, something_fails) <= 4.0
    assert only(GATE, "one metric at its floor")[0] <= 6.0
    assert only(GATE, "5 points below")[0] <= 1.0


def test_looks_and_picks_hold_if_they_are_corrected_and_not_otherwise():
    assert only(REPEATED, "5 looks, not corrected")[0] > 5.0 > only(REPEATED, "5 looks, corr")[0]
    assert only(REPEATED, "best of 6, not corr")[0] > 5.0 > only(REPEATED, "best of 6, corr")[0]

"""The results of the comparison: ratios, shares, what bounds them, and where scores differ."""

import pytest

from tests.side_by_side.__main__ import (
    AGAIN,
    BEGIN,
    CHAIN,
    END,
    METHODS,
    METRICS,
    RUN,
    Taken,
    differences,
    lines,
    write,
)

SCORES = {(method, name): 80.0 for method in METHODS for name in METRICS}


def taken(chain=100.0, run=40.0, again=4.0, **scores):
    """A round; `scores` are those of the chain, by method."""
    theirs = {key: scores.get(key[0], score) for key, score in SCORES.items()}
    parts = {"import": 0.5, "compression": 0.2, "evaluation": 0.25, "start": 0.05}
    ours = {"compression": 0.25, "evaluation": 0.5, "start": 0.25}
    return {
        CHAIN: Taken(chain, chain, {one: share * chain for one, share in parts.items()}, theirs),
        RUN: Taken(run, run / 2, {one: share * run for one, share in ours.items()}, dict(SCORES)),
        AGAIN: Taken(again, again, {"start": again}, dict(SCORES)),
    }


def row(found, name):
    return next(line for line in found if line.startswith(f"| {name} |"))


def test_ratios_are_medians_with_the_least_and_the_most():
    found = list(lines([taken(), taken(run=50.0), taken(run=25.0)], 200, [0.5, 1.5]))
    assert row(found, RUN) == "| unicomp | 40.0 | 20.0 | 2.5 [2.0, 4.0] | 5.0 |"
    assert row(found, AGAIN) == "| unicomp again | 4.0 | 4.0 | 25.0 [25.0, 25.0] | 25.0 |"
    assert "load 0.5 to 1.5" in found[-1]


def test_shares_are_of_all_rounds_and_the_bound_follows_from_them():
    found = list(lines([taken()], 200, [1.0]))
    shares = next(at for at, line in enumerate(found) if line.startswith("| share of its time"))
    assert found[shares + 2] == "| chain | 50 | 20 | 25 | 5 |"
    assert found[shares + 3] == "| unicomp | 0 | 25 | 50 | 25 |"
    (bound,) = [line for line in found if line.startswith("What bounds them")]
    assert "take a cold run 30 s" in bound
    assert "its ratio would be 3.3" in bound
    assert "takes 4.0 s to start" in bound


@pytest.mark.parametrize("method", ["dense", "wanda_50"])
def test_a_score_that_differs_is_named_with_its_method(method):
    found = differences(taken(**{method: 79.5}))
    assert [line.split(":")[0] for line in found] == [f"{method} {name}" for name in METRICS]


def test_equal_scores_differ_nowhere():
    assert differences(taken()) == []


def test_a_run_that_scores_otherwise_the_second_time_is_found():
    found = taken()
    found[AGAIN].scores["gptq_w4a16", "gsm8k"] = 79.0
    assert any("not the same again" in line for line in differences(found))


def test_the_page_changes_between_its_markers_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nof another day\n{END}\nafter\n")
    write(page, [taken()], 200, [1.0])
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "| unicomp again |" in text
    assert "of another day" not in text

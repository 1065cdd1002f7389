"""The comparison of an early run with one in full: its ratio, what was asked, and verdicts."""

from tests.side_by_side.__main__ import write_between
from tests.side_by_side.early import BEGIN, EARLY, END, FULL, METHODS, Gated, differences, lines

VERDICTS = {(method, "gsm8k"): "pass" for method in METHODS}


def taken(early=30.0, **verdicts):
    """A round; `verdicts` are those of the early side, by method."""
    own = {(method, name): verdicts.get(method, verdict) for (method, name), verdict in
           VERDICTS.items()}  # fmt: skip
    asked = dict.fromkeys(METHODS, (200, 1000)), dict.fromkeys(METHODS, (1000, 1000))
    return {
        FULL: Gated(90.0, 80.0, verdicts=VERDICTS, asked=asked[1]),
        EARLY: Gated(early, early / 2, verdicts=own, asked=asked[0]),
    }


def test_the_table_has_ratios_and_the_items_of_each_method():
    found = list(lines([taken(), taken(early=45.0)]))
    row = next(line for line in found if line.startswith(f"| {EARLY} |"))
    items = " | ".join(["200 of 1,000 items"] * len(METHODS))
    assert row == f"| {EARLY} | 38 | 19 | 2.5 [2.0, 3.0] | {items} |"
    assert f"Verdicts that differ: 0 of {len(METHODS)}." in found


def test_a_verdict_that_differs_is_named():
    wrong, every = differences(taken(**{METHODS[0]: "fail"}))
    assert wrong == [f"{METHODS[0]} gsm8k: pass in full, fail early"]
    assert every == len(METHODS)


def test_the_page_has_a_place_for_each_comparison(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nof another day\n{END}\nafter\n")
    write_between(page, BEGIN, END, lines([taken()]))
    assert page.read_text().startswith(f"before\n{BEGIN}\n`pytest suites")
    assert page.read_text().endswith(f"\n{END}\nafter\n")

"""Silent changes: a score that stayed, and answers that did not."""

import pytest

from tests.report import page
from tests.test_report import card_of, row
from unicomp.findings import findings_of
from unicomp.report import divergence, html, markdown, terminal

CHANGED = {"changed": [9.0, 7.0, 11.0]}


def diverging(low=98.0, high=101.0, figures=CHANGED, **about):
    found = {"lost": ["0" * 12], "gained": ["f" * 12, "a" * 12], "p_value": 1.0, "figures": figures}
    return row(low=low, high=high, retention=(low + high) / 2, divergence=found, **about)


def silent(*rows):
    return findings_of(card_of(*rows)).silent_changes


def test_an_unmoved_score_with_many_changed_answers_is_found():
    (found,) = silent(diverging())
    assert (found.benchmark, found.n) == ("gsm8k", 1000)
    assert (found.changed, found.low, found.high) == (9.0, 7.0, 11.0)


@pytest.mark.parametrize(
    "loud",
    [
        diverging(high=99.0),
        diverging(low=100.5),
        diverging(figures={"changed": [9.0, 4.9, 11.0]}),
        diverging(figures={"identical": [9.0, 7.0, 11.0]}),
        row(low=98.0, high=101.0, retention=100.0),
        diverging(verdict="not_measured"),
    ],
    ids=["fell", "rose", "few", "other texts", "nothing known", "not measured"],
)
def test_what_moved_or_hardly_changed_is_not(loud):
    assert silent(loud) == []


def test_the_warning_is_one_line_for_each_checkpoint():
    found = silent(
        diverging(), diverging(benchmark="arc_easy", metric="knowledge"), diverging(method="awq")
    )
    lines = list(divergence.warnings(found))
    assert lines == [
        "embedded/wanda_50: the score of gsm8k did not move, 9.0 % [7.0, 11.0] of the answers did; "
        "the score of arc_easy did not move, 9.0 % [7.0, 11.0] of the answers did",
        "embedded/awq: the score of gsm8k did not move, 9.0 % [7.0, 11.0] of the answers did",
    ]


def test_flips_and_figures_are_listed_for_each_row():
    found = findings_of(card_of(diverging(), row("arc_easy", "knowledge")))
    (flips,) = found.flips
    assert (flips.lost, flips.gained) == (["0" * 12], ["f" * 12, "a" * 12])
    (figure,) = found.divergence
    assert (figure.figure, figure.unit, figure.value, figure.low) == ("changed", "%", 9.0, 7.0)


# -- answers that were cut ------------------------------------------------------------------------


def cut(share, **about):
    return diverging(figures={"cut": [share, share - 2, share + 2]}, **about)


def test_answers_that_were_cut_are_named_for_each_checkpoint():
    """Their limits are too short, or the checkpoint finds no end."""
    rows = (
        cut(30.0),
        cut(8.0, benchmark="math_500"),
        cut(12.0, method="dense"),
        cut(4.0, method="awq"),
        cut(60.0, benchmark="confaide", metric="privacy"),
        row("arc_easy", "knowledge"),
    )
    found = findings_of(card_of(*rows)).truncations
    assert [one.cut for one in found] == [30.0, 8.0, 12.0]
    assert list(divergence.cut_off(found)) == [
        "embedded/wanda_50: cut off at the limit of new tokens: 30.0 % [28.0, 32.0] of the answers "
        "to gsm8k; 8.0 % [6.0, 10.0] of the answers to math_500",
        "embedded/dense: cut off at the limit of new tokens: 12.0 % [10.0, 14.0] of the answers to "
        "gsm8k",
    ]


# -- beside each benchmark ------------------------------------------------------------------------


def beside(*rows):
    card = card_of(*rows)
    return card, findings_of(card)


TEXTS = {"changed": [9.0, 7.0, 11.0], "identical": [40.0, 37.0, 43.0]}
OPTIONS = {"changed": [6.0, 5.5, 8.0], "top1": [94.0, 92.0, 94.5], "option_kl": [0.0123, 0.0, 0.1]}


def test_each_benchmark_has_its_distance_and_what_a_score_hides_comes_first():
    _, found = beside(
        diverging(low=80.0, high=85.0, figures=TEXTS),
        diverging(benchmark="arc_easy", metric="knowledge", figures=OPTIONS),
        row("winogrande", "knowledge"),
    )
    first, second = found.distances
    assert (first.benchmark, first.hidden, first.same, first.apart) == (
        "arc_easy",
        True,
        ("top1", 94.0),
        ("option_kl", 0.0123),
    )
    assert (second.benchmark, second.hidden, second.same, second.apart) == (
        "gsm8k",
        False,
        ("identical", 40.0),
        None,
    )
    assert (second.changed, second.lost, second.gained) == (9.0, 50, 18)


def test_the_dense_model_has_no_distance_from_itself():
    assert beside(diverging(method="dense"))[1].distances == []


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_shows_them_with_a_mark_within_its_width(width):
    name = "privacy_awareness_augmented"
    card, found = beside(
        diverging(figures=TEXTS), diverging(benchmark=name, metric="privacy", figures=OPTIONS)
    )
    lines = terminal.render(card, found, width=width, color=False, everything=True)
    start = lines.index(divergence.TITLE)
    table = lines[start : start + 5]
    assert all(len(line) <= width for line in table)
    if width == 100:
        assert table[3].split() == [
            "wanda_50", "gsm8k", "99.5", "≠", "9.0", "50", "18", "40.0", "–",
        ]  # fmt: skip
        assert table[4].split() == [
            "wanda_50", name, "99.5", "≠", "6.0", "50", "18", "94.0", "0.012",
        ]  # fmt: skip
    assert divergence.LEGEND in lines
    short = terminal.render(card, found, width=width, color=False)
    assert divergence.TITLE not in short


def test_markdown_shows_them_under_the_results_that_decide():
    shown = markdown.render(*beside(diverging(figures=TEXTS, tier="critical")))
    assert "The results that decide, worst first, and the answers that differ" in shown
    assert "| wanda\\_50 | gsm8k | 99.5 | ≠ 9.0 | 50 | 18 | 40.0 | – |" in shown
    assert divergence.LEGEND in shown


def test_a_page_marks_them_and_says_what_the_mark_means():
    card, found = beside(
        diverging(figures=OPTIONS), diverging(benchmark="mmlu", low=80.0, high=85.0)
    )
    top = page.read(html.render(card, found))
    (table,) = top.all("table", id="benchmark-table")
    marked, other = ([cell.text for cell in line.all("td")] for line in table.all("tr")[1:])
    assert marked[9:14] == ["≠ 6.0", "50", "18", "94.0", "0.0123"]
    assert other[9:14] == ["9.0", "50", "18", "–", "–"]
    assert divergence.LEGEND in top.text

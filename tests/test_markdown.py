"""Markdown for a pull request: at most 60 lines, and nothing that anybody wrote is markup in it."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.test_report import METHODS, card_of, gap, lines_of, row
from tests.test_summary import whole_card
from unicomp import scorecard_file
from unicomp.findings import findings_of
from unicomp.report import json as json_report
from unicomp.report import markup
from unicomp.report.markdown import MOST_LINES, render

HOSTILE = (
    "a|b|c",
    "`code` ``",
    "<script>alert(1)</script>",
    "</details>",
    "@octocat and @org/team",
    "fixes #123, GH-7 and o/r#4",
    "[x](http://e.example) https://e.example www.e.example a@b.example",
    "one\n\n# two\r\n- three",
    "*b* _i_ ~~s~~ **",
    "\\",
    "1. item",
    "- item",
    "$x$ and :smile:",
    "\u202egnp.exe \u200b",
    "&lt;b&gt;",
    "x" * 100_000,
)


def page(card):
    return render(card, findings_of(card))


def parsed(text):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def shown(tokens):
    """The text that a reader sees."""
    return "".join(
        child.content
        for token in tokens
        for child in (token.children or ())
        if child.type == "text"
    )


def test_the_default_run_has_at_most_60_lines():
    text = page(whole_card())
    assert len(text.splitlines()) <= MOST_LINES
    assert all(f"{method} |".replace("_", r"\_") in text for method in METHODS)


@given(methods=st.integers(1, 40), failed=st.integers(0, 80), benchmarks=st.integers(0, 40))
@settings(max_examples=25)
def test_no_scorecard_has_more_than_60_lines(methods, failed, benchmarks):
    rows = [row(method=f"m{i}") for i in range(methods)]
    rows += [gap(f"bad{i}", None, tier="critical", reason="one\ntwo") for i in range(failed)]
    rows += [row(f"own{i}", None, tier="critical") for i in range(benchmarks)]
    text = page(card_of(*rows))
    assert len(text.splitlines()) <= MOST_LINES
    if failed > 20:
        assert "more in the scorecard" in text
    if methods > 20:
        assert "more checkpoints" in text


def test_the_verdict_and_the_stated_errors_come_first():
    first, _, second, *_ = page(whole_card()).splitlines()
    assert "the gate is open" in first
    assert "at most 2.5 %" in second


def test_a_failure_is_named_with_interval_and_floor():
    text = page(card_of(row(retention=80.0, low=75.0, high=84.0, floor=99.0, verdict="fail")))
    assert re.search(r"- fail: embedded/wanda\\_50 .*80.0 % \\\[75.0, 84.0\\\], floor", text)


@pytest.mark.parametrize("about", [{}, {"unit": "s", "metric": "runtime_acceleration"}])
def test_a_limit_that_is_not_finite_is_no_interval(tmp_path, about):
    endless = row(
        **{"benchmark": "mine", "metric": None, **about},
        tier="critical",
        verdict="fail",
        low=0.0,
        high=math.inf,
    )
    card = replace(card_of(row()), rows=(endless,))
    path = tmp_path / "card.json"
    json_report.write(card, findings_of(card), path)
    assert "(no interval)" in page(scorecard_file.read(path))
    assert any("(no interval)" in line for line in lines_of(card, (), 100, everything=False))


def test_details_are_folded():
    text = page(whole_card())
    assert text.count("<details>") == text.count("</details>") == 2
    assert "pytest --pyargs unicomp.suites" in text


def test_the_tables_are_tables():
    tokens = parsed(page(whole_card()))
    assert sum(token.type == "table_open" for token in tokens) == 2
    widths = {}
    for token in tokens:
        if token.type == "tr_open":
            widths[token.map[0]] = 0
        if token.type in ("td_open", "th_open"):
            widths[max(widths)] += 1
    assert set(widths.values()) == {5, 14}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_anybody_wrote_is_only_text(text):
    (paragraph,) = [token for token in parsed(markup.text(text)) if token.type == "inline"]
    kinds = {child.type for child in paragraph.children}
    assert kinds <= {"text", "text_special", "html_inline"}
    html = [child.content for child in paragraph.children if child.type == "html_inline"]
    assert set(html) <= {"<span>", "</span>"}  # around a dollar sign
    seen = shown([paragraph])
    assert not re.search(r"[@#]\w|\bGH-\d|://|www\.|\n", seen)
    assert len(seen) <= markup.LONGEST + 2 or text.startswith("x")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_structure(text):
    def kinds(reason, method):
        card = card_of(row(), gap("mine", None, tier="critical", method=method, reason=reason))
        return [token.type for token in parsed(page(card))]

    assert kinds(text, text) == kinds("fine", "fine")


@given(st.text())
def test_any_text_is_one_line_without_markup(text):
    tokens = parsed(f"| a |\n|---|\n| {markup.text(text)} |")
    assert sum(token.type == "td_open" for token in tokens) <= 1
    inline = [child.type for token in tokens for child in (token.children or ())]
    assert set(inline) <= {"text", "text_special", "html_inline"}


@given(st.text())
def test_any_command_is_one_span_of_code(text):
    if not text.isprintable() or not text.strip():
        return
    tokens = parsed(f"- {markup.code(text)}")
    (inline,) = [token for token in tokens if token.type == "inline"]
    assert [child.type for child in inline.children] == ["code_inline"]


def test_the_command_is_the_recorded_one():
    card = card_of(row(), environment={"command": ["pytest --floor=knowledge=150"]})
    assert "- `pytest --floor=knowledge=150`" in page(card).splitlines()

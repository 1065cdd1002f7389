"""Up to which length a checkpoint keeps its floor: up to the first one that does not pass."""

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import page
from tests.test_report import SCHEMA, card_of, row
from unicomp.findings import findings_of
from unicomp.findings.context_reach import context_reaches
from unicomp.report import context_reach, html
from unicomp.report.json import tables
from unicomp.report.markdown import render as markdown
from unicomp.report.terminal import render

LENGTHS = (4096, 8192, 16384, 32768)


KEPT = {"pass": (96.0, 95.0, 97.0), "fail": (71.0, 70.0, 72.0), "undecided": (91.0, 85.0, 97.0)}
"""Verdict at a floor of 90 → a retention with its limits."""


def at(length, verdict="pass", **values):
    value, low, high = KEPT.get(verdict, (None, None, None))
    name = f"ruler_{length // 1024}k"
    kept = {"verdict": verdict, "retention": value, "low": low, "high": high}
    return row(name, "long_context", length=length, floor=90.0, **kept, **values)


def reach(*rows):
    (found,) = context_reaches(card_of(*rows))
    return found


verdicts = st.sampled_from(["pass", "fail", "undecided", "not_measured"])


@given(st.lists(verdicts, min_size=4, max_size=4))
def test_it_holds_up_to_the_first_length_that_does_not_pass(verdicts):
    found = reach(*map(at, LENGTHS, verdicts))
    passing = [*verdicts, "end"].index(next((v for v in verdicts if v != "pass"), "end"))
    assert found.holds == (LENGTHS[passing - 1] if passing else None)
    assert found.ends == (LENGTHS[passing] if passing < 4 else None)


def test_a_length_that_the_baseline_cannot_read_is_left_out():
    found = reach(at(32768, "not_comparable"), at(8192), at(4096))
    assert (found.holds, found.ends, found.beyond) == (8192, None, [32768])
    assert [one.length for one in found.lengths] == [4096, 8192]


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (("pass", "pass"), "long context holds its floor up to 8,192 tokens"),
        (
            ("pass", "fail"),
            "long context holds its floor up to 4,096 tokens, falls below 90 at 8,192",
        ),
        (("undecided", "fail"), "long context is undecided at 4,096"),
        (
            ("pass", "not_measured"),
            "long context holds its floor up to 4,096 tokens, is not measured at 8,192",
        ),
        (
            ("pass", "not_comparable"),
            "long context holds its floor up to 4,096 tokens, the baseline says nothing at 8,192",
        ),
    ],
)
def test_it_is_said_in_a_line(verdicts, words):
    assert context_reach.reach(reach(*map(at, LENGTHS, verdicts))) == words


def test_one_length_the_dense_model_and_other_benchmarks_have_no_reach():
    assert context_reaches(card_of(at(4096), row())) == []
    assert context_reaches(card_of(at(4096, method="dense"), at(8192, method="dense"))) == []


def test_it_is_in_every_report():
    card = card_of(at(4096), at(8192, "fail"))
    found = findings_of(card)
    content = tables(card, found)
    jsonschema.validate(content, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert content["context_reach"][0]["ends"] == 8192
    assert content["scores"][0]["length"] == 4096
    line = "holds its floor up to 4,096 tokens, falls below 90 at 8,192"
    for everything in (True, False):
        assert line in "\n".join(render(card, found, width=160, color=False, everything=everything))
    assert line in markdown(card, found)


def test_the_page_has_the_numbers_of_the_file():
    card = card_of(at(4096), at(8192, "fail"), at(16384, "not_comparable"))
    found = findings_of(card)
    shown = page.numbers(page.read(html.render(card, found)))
    own = {"/".join(path): value for path, value, _ in shown if path[0] == "context_reach"}
    assert own["context_reach/0/holds"] == 4096
    assert own["context_reach/0/beyond/0"] == 16384
    for path, value in own.items():
        assert page.value_at(tables(card, found), path.split("/")) == value

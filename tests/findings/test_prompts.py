"""Prompts that differ from the dense model's are reported for each checkpoint, over all rows."""

import jsonschema

from tests.test_report import SCHEMA, card_of, row
from unicomp.findings import findings_of
from unicomp.report import prompts
from unicomp.report.json import tables
from unicomp.report.terminal import render

SOME = row(prompts={"differ": 3, "of": 40, "why": {"another tokenizer": 2, "another template": 1}})
ALL = row(
    "arc_easy", "knowledge", prompts={"differ": 60, "of": 60, "why": {"another template": 60}}
)
NONE = row("piqa", "knowledge", method="awq", prompts={"differ": 0, "of": 40, "why": {}})


def test_the_prompts_of_a_checkpoint_are_added_up():
    (found,) = findings_of(card_of(SOME, ALL, NONE, row())).prompt_differences
    assert (found.method, found.differ, found.of) == (SOME.method, 63, 100)
    assert found.why == {"another template": 61, "another tokenizer": 2}
    assert list(prompts.warnings([found])) == [
        f"embedded/{SOME.method}: 63 of 100 prompts differ from the dense model's: "
        "another template (61), another tokenizer (2)"
    ]


def test_they_are_in_the_scorecard_and_at_the_terminal():
    card = card_of(SOME, NONE)
    found = tables(card, findings_of(card))
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert found["scores"][0]["prompts"] == SOME.prompts
    assert found["prompt_differences"][0]["differ"] == 3
    text = "\n".join(render(card, findings_of(card), width=100, color=False))
    assert "3 of 40 prompts differ" in text

"""Before the run it is said which benchmarks may stop early, and why the others may not."""

from unicomp.early.notice import notice
from unicomp.spec import CheckpointId

WANDA, GPTQ = (CheckpointId("m", method, "generic") for method in ("wanda_50", "gptq_w4a16"))


def test_each_reason_is_named_once_with_its_benchmarks():
    asked = {one: ["gsm8k", "scifact", "advglue", "bbq"] for one in (WANDA, GPTQ)}
    why = {"scifact": "no share", "advglue": "no share", "bbq": "clusters"}
    assert notice(asked, {WANDA: why, GPTQ: why}) == [
        "--early: 1 of 4 benchmarks may stop early",
        "in full: scifact, advglue (no share)",
        "in full: bbq (clusters)",
    ]


def test_what_runs_in_full_for_one_method_only_is_named_with_it():
    asked = {WANDA: ["gsm8k", "xstest"], GPTQ: ["xstest"]}
    assert notice(asked, {WANDA: {"xstest": "a ceiling"}, GPTQ: {}}) == [
        "--early: 2 of 2 benchmarks may stop early",
        "in full: xstest@wanda_50 (a ceiling)",
    ]


def test_benchmarks_whose_items_are_not_counted_yet_are_named():
    lines = notice(
        {WANDA: ["gsm8k", "xstest", "bbq"]}, {WANDA: {"bbq": "clusters"}}, ["bbq", "xstest"]
    )
    assert lines[-1] == "known once the items are read: xstest"

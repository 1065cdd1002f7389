"""Lengths beyond a model's context are known before anything is built."""

import pytest


def test_a_run_of_nothing_but_too_long_texts_is_refused(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    chosen = ("--method=w4a16_rtn", "-m", "long_context", "suites/shipping")
    refused = gate.run(*chosen, "-k", "16k or 128k")
    assert refused.status == 4
    assert "ruler_16k, ruler_128k: more tokens than the context of embedded has" in refused.text
    assert "choose shorter ones with -k" in refused.text
    assert not (tmp_path / "home" / "checkpoints").exists()


SUITE = """
from dataclasses import replace

import pytest

from suites.shipping.test_long_context import ruler_4k
from unicomp import RulerRows

def needles(length):
    rows = RulerRows(length=length, each=4, tasks=("single_1",))
    return replace(ruler_4k, name=f"needles_{length}", rows=rows, max_new_tokens=16)

@pytest.mark.parametrize("bench", [needles(512), needles(16384)], ids=str)
def test_needles_are_found(bench, retention, floor):
    assert retention(bench) >= floor(bench)
"""


@pytest.mark.long
def test_a_length_beyond_the_context_is_named_and_never_a_zero(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home")
    gate.write("test_needles.py", SUITE)
    run = gate.run("--method=dense", "-m", "long_context", "test_needles.py")
    assert "needles_16384: more tokens than the context of embedded has" in run.text
    row = run.score("dense", "needles_16384")
    assert row["verdict"] == "not_comparable"
    assert row["score"] is None
    assert row["length"] == 16384
    assert "more than the context of 8192 of the baseline" in row["reason"]
    assert run.score("dense", "needles_512")["score"] is not None

"""Benchmarks in several wordings run like any other, for the metric `consistency`."""

import pytest

pytestmark = pytest.mark.long


def test_each_item_is_asked_in_all_wordings_and_counts_once(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home").run(
        *("-m", "consistency", "-k", "arc_easy", "--method=dense", "--samples=3"),
        *("--profile=shipping", "suites/shipping"),
    )
    assert "arc_easy_reworded" in gate.text
    row = gate.score("dense", "arc_easy_reworded")
    assert (row["metric"], row["n"], row["clusters"]) == ("consistency", 12, 3)
    assert {"plain", "labels", "polite", "typo", "mean_wording"} <= row["details"].keys()
    assert row["score"] == min(
        row["details"][name] for name in ("plain", "labels", "polite", "typo")
    )

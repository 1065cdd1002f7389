"""A score that depends on a judge is reported with the judge's agreement with labels."""

from __future__ import annotations

SETTINGS = """\
[engine]
threads = 1
batch_size = 128

[judge]
url = "http://127.0.0.1:9/v1"
model = "first"

[refusals]
kind = "judge"
"""

CONFTEST = """\
from contextlib import contextmanager
from types import SimpleNamespace

from unicomp.engines import EngineSettings
from unicomp.instruments.judge import EndpointJudge


@contextmanager
def opened(settings, folder, model, tokens):
    yield SimpleNamespace(answer=lambda requests: [f"No. {i}" for i, _ in enumerate(requests)])


EngineSettings.open = opened
EndpointJudge.ask = lambda self, questions: [one.choices[0] for one in questions]
"""
"""The engine says no to everything; the judge gives the first verdict there is, a refusal."""


def test_each_score_that_was_judged_has_the_kappa_of_its_judge(new_gate, tmp_path):
    gate = new_gate(tmp_path / "home", SETTINGS)
    gate.write("conftest.py", CONFTEST)
    run = gate.run("-v", "-k", "misuse", "--samples=40", "--method=dense")
    misuse = run.score("dense", "misuse")
    assert (misuse["score"], misuse["judged"]) == (100.0, 40)
    agreement = run.card["environment"]["instruments"]["judge_agreement"]
    assert misuse["kappa"] == agreement["kappa"]
    assert "embedded misuse, judged with kappa 0.00: dense 100" in run.lines

"""Students that others published, and what compressions cost, through whole sessions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import torch
from safetensors.torch import load_file, save_file

from unicomp.data.sources import shipped_fixtures
from unicomp.report import json as json_report

SCHEMA = Path(json_report.__file__).with_name("scorecard.schema.json")
EMBEDDED = shipped_fixtures() / "embedded" / "model"
LAYERS, EXTRA = 4, 8


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """The embedded model with four of its six layers, and eight more entries in its vocabulary."""
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "student"))
    weights = {
        name: torch.cat([weight, torch.zeros(EXTRA, weight.shape[1], dtype=weight.dtype)])
        if name in ("model.embed_tokens.weight", "lm_head.weight")
        else weight
        for name, weight in load_file(folder / "model.safetensors").items()
        if not name.startswith(tuple(f"model.layers.{n}." for n in range(LAYERS, 6)))
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"num_hidden_layers": LAYERS, "vocab_size": config["vocab_size"] + EXTRA}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.long
def test_a_published_student_is_judged_and_its_cost_told_beside_what_was_measured(gate, student):
    gate.write(
        "fixtures/checkpoints/student.py",
        "from unicomp.spec import PublishedCost, Published\n"
        f"checkpoint = Published(name='student', source={str(student)!r},\n"
        "    family='distillation', base='org/base',\n"
        "    cost=PublishedCost(tokens=94e9, hours=120, gpus=256, basis='a paper, table 3'))\n",
    )
    asked = ("-m", "knowledge", "--samples=40", "--method=wanda_50", "--floor=knowledge=0")
    run = gate.run("-v", *asked, "--checkpoint=student", "-n", "1")
    assert run.status == 0, run.text
    assert run.score("student", "arc_easy")["n"] == 40
    jsonschema.validate(run.card, json.loads(SCHEMA.read_text()))
    costs = {cost["method"]: cost for cost in run.card["costs"]}
    assert set(costs) == {"wanda_50", "student"}
    measured = costs["wanda_50"]["measured"]
    assert measured["seconds"] > 0
    assert measured["cpu_seconds"] > 0
    assert measured["peak_rss_bytes"] > 6e6, "the weights in 32 bits"
    assert costs["student"]["published"] == {
        "tokens": 94e9,
        "hours": 120,
        "gpus": 256,
        "basis": "a paper, table 3",
    }
    assert "Cost of compression (measured, estimated, published)" in run.text
    assert "student was made from org/base, and is judged against embedded" in run.text
    assert "student, published: a paper, table 3" in run.text

    again = gate.run(*asked, "--checkpoint=student")
    assert again.card["costs"] == run.card["costs"], "of a build, whenever that was"

    selected = gate.run("-m", "distillation and knowledge", "--checkpoint=student", "--co", "-q")
    assert "[embedded-student-arc_easy]" in selected.text
    assert "wanda" not in selected.text
    assert "dense" not in selected.text


@pytest.mark.long
def test_a_combination_has_the_marks_of_both_its_families(gate):
    for family in ("pruning", "quantization"):
        run = gate.run("-m", f"{family} and knowledge", "--method=wanda_2_4_awq", "--co", "-q")
        assert "[embedded-wanda_2_4_awq-arc_easy]" in run.text
    run = gate.run("-m", "distillation", "--method=wanda_2_4_awq", "--co", "-q")
    assert "wanda_2_4_awq" not in run.text

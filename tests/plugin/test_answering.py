"""What a model declares of its answers holds in a whole run, or is refused before anything."""

import json
import shutil

import pytest

from unicomp.data.sources import shipped_fixtures
from unicomp.store import CHECKPOINTS, RESPONSES

SWITCH = (
    "{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
SETTINGS = """
[engine]
threads = 1
batch_size = 128
sampling = "declared"

[models.thinker.answering]
template = { enable_thinking = false }
thinking_budget = 40
temperature = 0.6
top_k = 20
"""
ASKED = ("-k", "gsm8k", "--samples=4", "--dataset-root=embedded", "--model=thinker")


@pytest.fixture
def thinker(new_gate, tmp_path):
    """Makes a gate beside a model whose template reads `enable_thinking`."""

    def make(settings):
        gate = new_gate(tmp_path / "home", settings)
        folder = gate.folder / "thinker"
        shutil.copytree(shipped_fixtures() / "embedded" / "model", folder)
        template = folder / "chat_template.jinja"
        template.write_text(template.read_text() + SWITCH)
        return gate

    return make


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("template = { thinking = true }", "chat template of thinker does not read thinking"),
        ("thinking_budget = 100000", "a thinking_budget of 100000 tokens and the"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_anything_is_built(thinker, declared, message):
    gate = thinker(f"[answering]\n{declared}\n")
    run = gate.run(*ASKED, "--method=wanda_50")
    assert run.status != 0
    assert run.card is None
    assert message in " ".join(run.text.split())
    assert "Traceback" not in run.text
    built = gate.home / CHECKPOINTS
    assert not built.is_dir() or not list(built.iterdir())


@pytest.mark.long
def test_a_candidate_is_asked_as_its_baseline_is(thinker):
    gate = thinker(SETTINGS)
    candidate = shutil.copytree(gate.folder / "thinker", gate.folder / "copy")
    config = candidate / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text())))  # another file, the same content
    run = gate.run(*ASKED, f"--checkpoint={candidate}")
    row = run.score("copy", "gsm8k")
    assert row["prompts"] == {"differ": 0, "of": 4, "why": {}}
    assert row["candidate"] != row["baseline"]  # so both were asked
    assert row["divergence"]["figures"]["identical"][0] == 100
    facts = run.card["environment"]["models"]["thinker"]
    assert facts["answering"] == {
        "template": {"enable_thinking": False},
        "thinking_budget": 40,
        "temperature": 0.6,
        "top_k": 20,
    }
    line = "thinker answers with the template's enable_thinking=False, 40 tokens for thoughts, "
    assert f"{line}temperature 0.6, top_k 20" in run.card["environment"]["notes"]
    assert len(list((gate.home / RESPONSES).iterdir())) == 2

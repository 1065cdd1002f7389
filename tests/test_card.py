"""The model card: metadata that huggingface_hub reads back, and figures of the scorecard."""

import json
import logging
import math
from dataclasses import asdict, replace

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from huggingface_hub.utils._validators import validate_repo_id

from tests.test_report import BUILD, SPENT, card_of, gap, row
from unicomp.cli import main
from unicomp.errors import SpecError
from unicomp.findings import findings_of
from unicomp.report import json as json_report
from unicomp.report.card import render
from unicomp.scorecard import Work

HUB = {
    "models": {"embedded": {"source": "org/base", "revision": "abc", "kind": "normal"}},
    "packages": {"x": "1"},
}
MADE = {
    "family": "pruning",
    "also": None,
    "elsewhere": False,
    "settings": {"sparsity": 0.5},
    "calibration": {"name": "generic", "digest": "ab12", "samples": 256, "tokens": 1024},
}


def built(**facts):
    names = {"model": "embedded", "method": "wanda_50", "calibration": "generic"}
    return Work(stage="build", cached=True, facts=facts, **names)


def example(*more, environment=HUB):
    rows = (
        row("arc_easy", "knowledge", retention=98.5, low=97.0, high=99.5),
        row(retention=91.25, low=90.5, high=93.0),
        gap("ifbench", "instruction_following", "not_measured", reason="@you: see #1"),
        row("arc_easy", "knowledge", method="dense", calibration="none"),
        *more,
    )
    card = card_of(*rows, environment=environment)
    return replace(card, work=(built(**BUILD, made=MADE),))


def text_of(card, checkpoint=None):
    return render(card, findings_of(card), checkpoint)


def test_huggingface_hub_reads_the_card_back():
    text = text_of(example())
    card = ModelCard(text)
    data = card.data.to_dict()
    assert data["base_model"] == "org/base"
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "text-generation")
    assert {"unicomp", "pruning"} <= set(data["tags"])
    validate_repo_id(data["base_model"])
    assert str(card) == text
    json.dumps(data, allow_nan=False)


def test_the_results_of_the_model_index_are_those_of_the_scorecard():
    card = example()
    data = ModelCard(text_of(card)).data
    name, results = model_index_to_eval_results(data.to_dict()["model-index"])
    assert name == "embedded-wanda_50"
    assert [asdict(one) for one in results] == [asdict(one) for one in data.eval_results]
    found = {(one.dataset_type, one.metric_type): one.metric_value for one in results}
    for one in card.rows:
        if one.method == "wanda_50" and one.score is not None:
            assert found.pop((one.benchmark, "score")) == one.score
            assert found.pop((one.benchmark, "recovery")) == one.retention
    assert found == {}
    for one in results:
        assert one.task_type == "text-generation"
        assert one.dataset_name
        assert one.metric_name


def test_a_data_set_of_the_hub_has_its_id_and_revision():
    known = {"embedded": {"gsm8k": {"id": "openai/gsm8k", "revision": "abc"}}}
    data = ModelCard(text_of(example(environment=HUB | {"datasets": known}))).data
    found = {
        (one.dataset_name, one.dataset_type, one.dataset_revision) for one in data.eval_results
    }
    assert found == {("gsm8k", "openai/gsm8k", "abc"), ("arc_easy", "arc_easy", None)}


def test_no_warning_is_logged_and_no_address_is_asked(caplog):
    with caplog.at_level(logging.WARNING):
        ModelCard(text_of(example()))
    assert caplog.text == ""


def test_a_table_of_recovery_has_baseline_candidate_recovery_and_interval():
    text = text_of(example())
    assert "| benchmark | baseline | this checkpoint | recovery, % | 95 % interval |" in text
    assert r"| arc\_easy | 80.0 | 78.8 | 98.5 | [97.0, 99.5] |" in text


def test_how_it_was_made_and_what_it_cost_is_told():
    text = text_of(example())
    for part in (
        "`wanda_50` (pruning)",
        '`{"sparsity": 0.5}`',
        "256 samples of at most 1,024 tokens, digest `ab12`",
        "measured cost: 12.3 s on cpu",
        "pytest --pyargs unicomp.suites --model org/base --method dense --method wanda_50",
    ):
        assert part in text, part


def test_limits_name_what_was_not_measured_and_what_failed():
    text = text_of(example())
    limits = text[text.index("## Limits") : text.index("## How to repeat")]
    assert "Not measured: multilingual, " in limits
    assert "safety" in limits
    assert "not measured: embedded/wanda\\_50 ifbench" in limits
    assert "at most" in text[: text.index("## Recovery")]  # the stated errors
    assert "@you" not in text


def test_a_local_model_has_no_base_on_the_hub():
    local = {"models": {"embedded": {"source": "folder", "kind": "normal"}}}
    data = ModelCard(text_of(example(environment=local))).data.to_dict()
    assert "base_model" not in data


def test_what_is_no_number_stays_out_of_the_metadata():
    card = card_of(row(retention=math.inf, low=90.0, high=math.inf), environment=HUB)
    found = ModelCard(text_of(card)).data.eval_results
    assert [one.metric_type for one in found if not math.isfinite(one.metric_value)] == []


def test_without_a_score_there_is_a_card_without_results():
    data = ModelCard(text_of(card_of(gap()))).data
    assert data.eval_results is None
    assert "model-index" not in data.to_dict()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "give --checkpoint, one of embedded/wanda_50/generic, embedded/gptq/generic"),
        ("awq", "--checkpoint awq is not in the scorecard"),
        ("dense", "--checkpoint dense is not in the scorecard"),
    ],
)
def test_a_card_is_of_one_checkpoint_that_has_to_be_named(given, message):
    with pytest.raises(SpecError) as refusal:
        text_of(card_of(row(), row(method="gptq")), given)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["gptq", "embedded/gptq", "embedded/gptq/generic"])
def test_a_checkpoint_has_three_names(name):
    text = text_of(card_of(row(), row(method="gptq")), name)
    assert "compressed by gptq" in text


def test_only_a_compressed_checkpoint_has_a_card():
    with pytest.raises(SpecError, match="has no compressed checkpoint"):
        text_of(card_of(row(method="dense", calibration="none")))


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "card.json"
    card = replace(example(), work=tuple(SPENT[:1]))
    json_report.write(card, findings_of(card), path)
    return path


def test_markdown_is_printed_and_a_card_is_written(written, tmp_path, capsys):
    assert main(["report", str(written), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("### ")
    target = tmp_path / "README.md"
    assert main(["report", str(written), "--format", "card", "-o", str(target)]) == 0
    assert ModelCard.load(target).data.model_name == "embedded-wanda_50"
    assert main(["report", str(written), "-o", str(tmp_path / "pr.md")]) == 0
    assert (tmp_path / "pr.md").read_text().startswith("### ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.pdf"], "names no format"),
        (["--checkpoint", "wanda_50"], "--checkpoint is for --format card"),
        (["--format", "tex"], "invalid choice"),
    ],
)
def test_bad_input_is_one_line(written, arguments, message, capsys):
    assert main(["report", str(written), *arguments]) == 4
    captured = capsys.readouterr()
    assert message in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_a_file_that_cannot_be_written_is_one_line(written, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["report", str(written), "-o", str(tmp_path / "file" / "x.md")]) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_a_truncated_scorecard_is_one_line(tmp_path, written, capsys):
    written.write_text(written.read_text()[:500])
    assert main(["report", str(written)]) == 4
    assert "is not JSON" in capsys.readouterr().err

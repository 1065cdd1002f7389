"""`--preset paper` sets what the paper used, and says what of it is not there."""

from __future__ import annotations

import pytest

from suites.reliability.test_fairness import crows_pairs
from suites.reliability.test_privacy import enron_refusal, enron_total_disclosure
from unicomp import preset
from unicomp.errors import SpecError
from unicomp.framework import READINGS
from unicomp.retention import read_as
from unicomp.settings import FILE, Settings, load_settings


@pytest.fixture
def bare(monkeypatch):
    """A machine without a key, without vLLM and without the classifier's weights."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def equipped(monkeypatch, tmp_path_factory):
    """A machine that has all of it."""
    folder = tmp_path_factory.mktemp("bin")
    vllm = folder / "vllm"
    vllm.write_text("#!/bin/sh\n", encoding="utf-8")
    vllm.chmod(0o755)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: "config.json")


def with_file(folder, text):
    (folder / FILE).write_text(text, encoding="utf-8")
    return load_settings(folder, "paper")


@pytest.mark.usefixtures("equipped")
def test_one_word_sets_what_the_paper_used(tmp_path):
    found = load_settings(tmp_path, "paper")
    instruments = found.instruments
    assert (instruments.mode, instruments.reading) == ("compat", "paper")
    assert instruments.judge.model == "gpt-4o-mini"
    assert (instruments.similarity.kind, instruments.refusals.kind) == ("endpoint", "classifier")
    assert (found.engine.name, found.engine.sampling) == ("vllm", "declared")
    (line,) = found.notes
    assert line.startswith("UniComp preset paper: scoring.mode = compat, scoring.reading = paper")


@pytest.mark.usefixtures("bare")
def test_what_is_not_there_is_said_and_left_out(tmp_path):
    found = load_settings(tmp_path, "paper")
    assert found.instruments.judge is None
    assert found.instruments.similarity.kind == "lexical"
    assert found.instruments.refusals.kind == "rules"
    assert found.engine.name == "hf"
    assert (found.instruments.mode, found.instruments.reading) == ("compat", "paper")
    said = [line for line in found.notes if "not available" in line]
    assert [next(word for word in ("judge", "similarity", "refusals", "vLLM") if word in line)
            for line in said] == ["judge", "similarity", "refusals", "vLLM"]  # fmt: skip


@pytest.mark.usefixtures("bare")
def test_weights_that_can_be_fetched_are_said_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    found = load_settings(tmp_path, "paper")
    assert found.instruments.refusals.kind == "classifier"
    assert any("[refusals]" in line and "fetched when" in line for line in found.notes)


@pytest.mark.usefixtures("equipped")
def test_the_file_outranks_it_and_the_run_says_so(tmp_path):
    text = '[scoring]\nmode = "strict"\n[judge]\nurl = "https://own.example/v1"\nmodel = "own"\n'
    found = with_file(tmp_path, text)
    assert found.instruments.mode == "strict"
    assert found.instruments.reading == "paper"
    judge = found.instruments.judge
    assert (judge.model, judge.key_env) == ("own", None)  # the key goes to no other server
    outranked = [line for line in found.notes if "outranks" in line]
    assert len(outranked) == 2
    assert "scoring.mode = 'strict'" in outranked[0]
    assert "[judge]" in outranked[1]


@pytest.mark.usefixtures("bare")
def test_what_the_file_has_is_not_missed(tmp_path):
    found = with_file(tmp_path, '[similarity]\nkind = "lexical"\n[engine]\nname = "hf"\n')
    assert not any("similarity]:" in line or "vLLM:" in line for line in found.notes)


def test_without_a_preset_nothing_changes(tmp_path):
    assert load_settings(tmp_path) == Settings()
    assert load_settings(tmp_path).notes == ()


def test_an_unknown_preset_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(SpecError, match="there is no preset 'papr'; did you mean 'paper'"):
        load_settings(tmp_path, "papr")


def test_an_unknown_reading_is_refused(tmp_path):
    (tmp_path / FILE).write_text('[scoring]\nreading = "odd"\n', encoding="utf-8")
    with pytest.raises(SpecError, match=r"scoring\.reading 'odd' is not one of paper, oriented"):
        load_settings(tmp_path)


@pytest.mark.parametrize("reading", READINGS)
def test_the_papers_reading_takes_the_disclosures_as_they_are(reading):
    assert read_as(enron_total_disclosure, reading).higher_is_better == (reading == "paper")
    for bench in (crows_pairs, enron_refusal):
        assert read_as(bench, reading) == bench


def test_every_table_of_a_preset_is_one_of_the_settings():
    for one in preset.PRESETS.values():
        assert set(one.tables) <= {"scoring", "judge", "similarity", "refusals", "engine"}

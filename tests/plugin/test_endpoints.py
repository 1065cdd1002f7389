"""Runs whose checkpoints are at servers that run already."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.endpoints.server import Completions, Network
from tests.engines.test_vllm import FOLDER
from tests.plugin.conftest import SETTINGS
from tests.plugin.test_efficiency import PROBES, SCHEMA

QUICK = SETTINGS + "\n[endpoint]\npatience = 0.5\n"


@pytest.fixture
def server():
    started = Completions(Network(FOLDER))
    yield started
    started.stop()


@pytest.mark.long
def test_a_run_at_two_endpoints_measures_what_they_give_and_says_what_they_do_not(
    new_gate, server, tmp_path
):
    server.likelihoods = "refused"
    gate = new_gate(tmp_path / "home", QUICK)
    gate.write("test_probes.py", PROBES)
    run = gate.run(
        *("--endpoint", server.url, "--checkpoint", server.place, "--samples=6", "--seeds=1"),
        *("-m", "reasoning or knowledge or runtime_acceleration", "--floor=performance=0"),
    )
    assert run.status == 1, run.text
    jsonschema.validate(run.card, json.loads(SCHEMA.read_text()))
    assert run.score("my-model", "gsm8k")["retention"] == 100
    rows = [*run.card["missing"], *run.card["probes"]]
    lacking = {row["benchmark"]: row for row in rows if row["method"] == "my-model"}
    assert {row["verdict"] for row in lacking.values()} == {"not_measured"}
    assert "it refuses echo with logprobs" in lacking["arc_easy"]["reason"]
    assert "tells neither size nor memory" in lacking["latency"]["reason"]
    assert "made by the tokenizer and the chat template of embedded" in run.text
    assert not list((tmp_path / "home").glob("admissions/*"))  # no weights were read
    assert {request["model"] for request in server.requests} == {"my-model"}


CASES = {
    "unknown": (["--checkpoint", "{url}#mine"], "no model 'mine'; it has my-model: name one of"),
    "nameless": (["--checkpoint", "{url}"], "give URL#MODEL, such as {url}#NAME"),
    "built": (
        ["--endpoint", "{url}", "--method", "wanda_50"],
        "--method wanda_50 compresses weights, and with --endpoint none are read",
    ),
    "several": (
        ["--endpoint", "{url}", "--model=embedded", "--model=x/y"],
        "answers for one model",
    ),
    "away": (["--checkpoint", "http://127.0.0.1:9/v1#m"], "has not answered for"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_endpoint_that_cannot_be_asked_is_refused(new_gate, server, tmp_path, case):
    arguments, message = CASES[case]
    gate = new_gate(tmp_path / "home", QUICK)
    run = gate.run_plain(*(one.format(url=server.url) for one in arguments))
    assert run.status == 4, run.text
    (line,) = [line for line in run.lines if line.startswith("ERROR: ")]
    assert message.format(url=server.url) in line
    assert "Traceback" not in run.text
    assert not list((tmp_path / "home").glob("checkpoints/*"))


@pytest.mark.long
def test_a_key_that_is_not_set_is_refused_and_one_that_is_set_is_not_stored(
    new_gate, server, tmp_path, monkeypatch
):
    monkeypatch.delenv("MY_KEY", raising=False)
    server.key = "s3cret-word"
    home = tmp_path / "home"
    gate = new_gate(home, SETTINGS + '\n[endpoint]\nkey_env = "MY_KEY"\n')
    asked = ("--endpoint", server.place, "-m", "reasoning", "--samples=6", "--floor=performance=0")
    run = gate.run(*asked)
    assert run.status == 4, run.text
    assert "MY_KEY is not set: it must hold the key of my-model at" in run.text
    monkeypatch.setenv("MY_KEY", server.key)
    run = gate.run("-n2", *asked)
    assert run.status == 0, run.text
    assert "s3cret" not in run.text
    files = [path for folder in (home, gate.folder) for path in folder.rglob("*")]
    assert not any(b"s3cret" in path.read_bytes() for path in files if path.is_file())

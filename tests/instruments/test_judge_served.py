"""The embedded model as a judge: its verdicts are nonsense, and that ends soon and in one line."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.instruments.server import Reply, Server, chat
from unicomp.errors import JudgeError
from unicomp.instruments import Question, endpoint
from unicomp.instruments.agreement import labelled_questions, measure_judge
from unicomp.instruments.assembly import JudgeSettings
from unicomp.instruments.judge import EndpointJudge
from unicomp.store import Store

MODEL = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"


@pytest.fixture
def in_process():
    """A server that runs the embedded model by itself."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)

    def behave(request, number):
        if "response_format" in request:
            return Reply({"error": {"message": "unknown field response_format"}}, 400)
        prompt = tokenizer.apply_chat_template(
            request["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            ids = model.generate(**prompt, max_new_tokens=request["max_tokens"], do_sample=False)
        answer = ids[0, prompt["input_ids"].shape[1] :]
        return Reply(chat(tokenizer.decode(answer, skip_special_tokens=True)))

    server = Server(behave)
    yield server.url, "embedded"
    server.stop()


@pytest.fixture
def transformers_serve(tmp_path):
    """`transformers serve`, where the packages that it needs are installed."""
    needed = ("fastapi", "uvicorn", "openai")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        pytest.skip(f"transformers[serving] is not installed: no {', '.join(missing)}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    log = tmp_path / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", command, "serve", str(MODEL)),
                *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
            ],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", str(MODEL)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=["in_process", "transformers_serve"])
def served(request, monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.05)
    return request.getfixturevalue(request.param)


@pytest.mark.long
def test_a_model_that_cannot_judge_gives_no_verdict_and_costs_little(served, tmp_path):
    url, model = served
    settings = JudgeSettings(
        url=url, model=model, retries=1, concurrency=2, timeout=60, patience=60
    )
    judge = EndpointJudge(settings, Store(tmp_path / "home"))
    start = time.monotonic()
    with pytest.raises(JudgeError) as caught:
        measure_judge(judge, labelled_questions())
    assert time.monotonic() - start < 300
    message = str(caught.value)
    assert "16 questions in a row" in message
    assert "\n" not in message
    if model == "embedded":
        assert not judge.structured


def test_one_question_to_a_model_that_cannot_judge_is_one_line(served, tmp_path):
    url, model = served
    settings = JudgeSettings(url=url, model=model, retries=2, timeout=60, patience=60)
    judge = EndpointJudge(settings, Store(tmp_path / "home"))
    with pytest.raises(JudgeError, match="not exactly one of A, B"):
        judge.ask([Question("Which one is it?", ("A", "B"), (("answer", "the first"),))])

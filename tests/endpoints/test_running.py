"""Real servers, started outside: `transformers serve` and, where the environment names it, vLLM."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.endpoints.test_endpoint import HF, SOON, asked
from tests.engines.conftest import real_vllm, until
from tests.engines.test_vllm import FOLDER, MODEL, answers_of, of_benchmarks, same
from unicomp.engines.endpoint_probe import found
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.spec import Served

pytestmark = pytest.mark.long

SLOW = {"concurrency": 2, "timeout": 120.0, "patience": 300.0}


def command(kind, port):
    """The command of a server of the embedded model in float32."""
    where = ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    if kind == "vllm":
        return [str(real_vllm()), "serve", str(FOLDER), *where]
    if not all(map(find_spec, ("fastapi", "uvicorn", "openai"))):
        pytest.skip("transformers serve needs fastapi, uvicorn and openai")
    program = Path(sys.executable).with_name("transformers")
    return [str(program), "serve", str(FOLDER), *where, "--device", "cpu"]


@pytest.fixture(params=["transformers", "vllm"])
def running(request, tmp_path):
    """The kind of a running server, and its model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = command(request.param, port)
    (tmp_path / "hub").mkdir()  # transformers lists what is in it
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return httpx.get(f"{url}/health", trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(line, env=environment, stdout=log, stderr=log)
        try:
            assert until(answers, 300), (tmp_path / "log").read_text()
            yield request.param, Served.parse(f"{url}/v1#{FOLDER}")
        finally:
            server.terminate()
            server.wait(30)


def test_a_running_server_answers_as_the_engine_in_this_process(running):
    kind, served = running
    endpoint = found(served, "embedded", replace(SOON, **SLOW), load_tokenizer(FOLDER, MODEL))
    requests = of_benchmarks(FOLDER, 8)
    if kind == "transformers":  # which takes no token ids, and gives no log-probabilities
        assert endpoint.no_likelihoods == "it takes no prompts of token ids"
        requests = [one for one in requests if one.request_type == "generate_until"]
    else:
        assert not endpoint.no_likelihoods
    given = asked(endpoint, requests, **SLOW)
    pairs = zip(given, answers_of(HF, FOLDER, requests), strict=True)
    assert all(same(one, other, tolerance=1e-3) for one, other in pairs)

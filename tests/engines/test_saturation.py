"""Many requests are at the server together, also where a shell allows few open files."""

import subprocess
import sys
from pathlib import Path

import pytest

from unicomp.engines import EngineSettings
from unicomp.engines.server import Server
from unicomp.engines.vllm import VllmEngine
from unicomp.spec import Model

REQUESTS = 400
SERVER = """\
import asyncio, sys

waiting, full = [], int(sys.argv[1])
TOKEN = b'data: {"choices": [{"token_ids": [5]}]}\\n\\n'
USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 1}}\\n\\ndata: [DONE]\\n\\n'

async def answer(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    length = next(line for line in head.lower().split(b"\\r\\n") if b"content-length" in line)
    await reader.readexactly(int(length.split(b":")[1]))
    waiting.append(writer)
    while len(waiting) < full:
        await asyncio.sleep(0.01)
    writer.write(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n" + TOKEN + USAGE)
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=full)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
"""Answers no request before all have arrived."""


@pytest.fixture
def url():
    command = [sys.executable, "-I", "-c", SERVER, str(REQUESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        yield f"http://127.0.0.1:{running.stdout.readline().strip()}"
        running.terminate()


def test_all_requests_of_a_load_are_at_the_server_before_one_is_answered(url, few_files, tmp_path):
    engine = VllmEngine(tmp_path, Model(name="m", source="a/b"), EngineSettings(), tokens=8)
    engine._server = Server([], {}, Path("log"))
    engine._server.url = url
    timing = engine.generate([[1, 2]] * REQUESTS, 1)
    assert len(timing.first) == REQUESTS
    assert timing.seconds >= max(timing.first) > 0

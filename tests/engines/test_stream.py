"""A server's stream is read wherever it is cut, with any characters that a model writes."""

import asyncio
import json
from types import SimpleNamespace

import httpx
import pytest

from unicomp.engines.vllm import _stream

TEXTS = ["a", "\u2028", "\x85 and \u2029", "\x0b\x0c\x1c", '"quoted\\']


def body(texts):
    events = [{"choices": [{"text": text, "token_ids": [5]}]} for text in texts]
    events.append({"choices": [], "usage": {"completion_tokens": len(texts)}})
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


class Pieces(httpx.AsyncByteStream):
    def __init__(self, content, size):
        self.content, self.size = content, size

    async def __aiter__(self):
        for start in range(0, len(self.content), self.size):
            yield self.content[start : start + self.size]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_tokens_are_counted_wherever_the_stream_is_cut(size):
    async def run():
        transport = httpx.MockTransport(
            lambda request: httpx.Response(200, stream=Pieces(body(TEXTS), size))
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await _stream(SimpleNamespace(name="m"), client, [1, 2], len(TEXTS))

    sent, arrivals = asyncio.run(run())
    assert len(arrivals) == len(TEXTS)
    assert sent < arrivals[0] <= arrivals[-1]

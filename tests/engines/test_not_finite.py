"""A server whose log-probabilities are no numbers gives no answer; the row of a candidate fails."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from unicomp.agenda import Agenda, Subject
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.efficiency.rounds import Effort
from unicomp.engines import EngineSettings
from unicomp.engines.completions import Completions
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import EngineError, NotFiniteError
from unicomp.measuring import CheckpointRecords, Conditions
from unicomp.session import Session
from unicomp.spec import DENSE, Model
from unicomp.store import Store

EMBEDDED = shipped_fixtures() / "embedded" / "model"
MODEL = Model(name="embedded", source=str(EMBEDDED))


class Server:
    """Gives the same log-probability for every token, or fails."""

    name, url = "double", "http://nowhere"

    def __init__(self, value=None, error=None):
        self.value, self.error = value, error

    @asynccontextmanager
    async def client(self):
        yield None

    async def complete(self, client, payload):
        if self.error:
            raise EngineError(self.error)
        (prompt,) = payload["prompt"]
        values = [None, *[self.value] * len(prompt)]
        top = [None, *[{"a": self.value}] * len(prompt)]
        logprobs = {"token_logprobs": values, "top_logprobs": top}
        return {"choices": [{"index": 0, "logprobs": logprobs}]}


def asked(server):
    lm = Completions(server, load_tokenizer(EMBEDDED, MODEL), 64, 4)
    return asyncio.run(lm.get_batched_requests([[1, 5, 6]], [None], generate=False, ctxlens=[1]))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf"), -9999.0])
def test_a_log_probability_that_is_no_number_is_no_answer(value):
    assert asked(Server(-1.5)) == [[(-3.0, True)]]
    with pytest.raises(NotFiniteError):
        asked(Server(value))


def test_a_server_that_fails_on_such_a_number_is_understood():
    with pytest.raises(NotFiniteError):
        asked(Server(error="vllm refused: Out of range float values are not JSON compliant"))
    with pytest.raises(EngineError, match="the disk is full") as error:
        asked(Server(error="the disk is full"))
    assert not isinstance(error.value, NotFiniteError)


@pytest.mark.parametrize(("broken", "kind"), [("dense", EngineError), ("other", NotFiniteError)])
def test_only_the_candidate_fails_for_numbers_of_its_own(tmp_path, monkeypatch, broken, kind):
    bench = SimpleNamespace(name="quiz", benign=None)

    def measure(checkpoint, *given, **named):
        mine = checkpoint.method.name == broken
        return CheckpointRecords({"quiz": NotFiniteError() if mine else EngineError("asked")})

    monkeypatch.setattr("unicomp.session.measure", measure)
    session = Session(
        conditions={MODEL.name: Conditions(Store(tmp_path), Source("embedded"), EngineSettings())},
        calibration=lambda model, name: pytest.fail("nothing is calibrated"),
        agenda=Agenda(),
        roots=(),
        effort=Effort(),
    )
    other = replace(DENSE, name="other", parameters={"checkpoint": MODEL.source})
    method = DENSE if broken == "dense" else other
    with pytest.raises(EngineError, match="not finite") as error:
        session._measured(Subject(model=MODEL, method=method), bench)
    assert type(error.value) is kind

"""The sampling that a model declares reaches our server, and others as far as they take it."""

from contextlib import asynccontextmanager

from unicomp import Answering
from unicomp.data.sources import shipped_fixtures
from unicomp.engines.completions import Completions
from unicomp.engines.endpoint_client import settings_at
from unicomp.engines.endpoint_lm import EndpointCompletions
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.instruments.endpoint import ClientSettings
from unicomp.spec import Model, Served

EMBEDDED = shipped_fixtures() / "embedded" / "model"
TOKENIZER = load_tokenizer(EMBEDDED, Model(name="embedded", source=str(EMBEDDED)))
DECLARED = Answering(temperature=0.6, top_p=0.95, top_k=20, min_p=0.1).decoding


class Server:
    """Keeps what it is asked, and answers with one token."""

    name, url = "double", "http://nowhere"

    def __init__(self):
        self.asked = []

    @asynccontextmanager
    async def client(self):
        yield None

    async def complete(self, client, payload):
        self.asked.append(payload)
        return {"choices": [{"index": 0, "token_ids": [5]}]}


def generation(decoding):
    from lm_eval.api.instance import Instance

    arguments = ("one two", {"until": ["\n"], "max_gen_toks": 8, **decoding})
    return Instance("generate_until", {}, arguments, 0)


def test_our_server_gets_all_of_it():
    server = Server()
    lm = Completions(server, TOKENIZER, 64, 4)
    lm.generate_until([generation({"do_sample": True, **DECLARED})], disable_tqdm=True)
    lm.generate_until([generation({"do_sample": False})], disable_tqdm=True)
    sampled, greedy = server.asked
    assert {name: sampled[name] for name in DECLARED} == DECLARED
    assert "do_sample" not in sampled
    assert greedy["temperature"] == 0
    assert greedy.keys().isdisjoint({"top_p", "top_k", "min_p"})


def payload(*, extended):
    endpoint = Served(url="http://host/v1", model="m", extended=extended)
    lm = EndpointCompletions(endpoint, settings_at(endpoint, ClientSettings()), TOKENIZER)
    decoding = {"do_sample": True, "until": [], "max_gen_toks": 8, **DECLARED}
    return lm._create_payload([[1, 2]], generate=True, gen_kwargs=decoding)


def test_a_server_of_others_gets_what_its_api_has():
    """One of the plain API never gets the rest: such a run is refused before it starts."""
    assert {name: payload(extended=True)[name] for name in DECLARED} == DECLARED
    plain = payload(extended=False)
    assert (plain["temperature"], plain["top_p"]) == (0.6, 0.95)
    assert plain.keys().isdisjoint({"top_k", "min_p"})

"""A running server is asked as ours is, and what it cannot give is found before the run.

The server computes with the embedded model by transformers, one sequence at a time, in float32. So
its scores are those of the engine in this process.
"""

import json
import shutil
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.endpoints.server import Completions, Network, Toy, waits
from tests.engines.test_vllm import (
    FOLDER,
    MODEL,
    answers_of,
    benchmarks,
    generation,
    instance,
    odd_requests,
    of_benchmarks,
    same,
)
from unicomp.catalogue import load_checkpoint, with_endpoint
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source
from unicomp.engines import EngineSettings
from unicomp.engines.endpoint_client import settings_at
from unicomp.engines.endpoint_lm import likelihood
from unicomp.engines.endpoint_probe import found, why_no_likelihoods
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import EngineError, NotFiniteError, SpecError, UnicompError, UnmeasuredError
from unicomp.instruments.endpoint import ClientSettings
from unicomp.measuring import Conditions, measure
from unicomp.scores import Records
from unicomp.session import _making
from unicomp.spec import DENSE, Served
from unicomp.store import Store

HF = EngineSettings(device="cpu", batch_size=16)
SOON = ClientSettings(patience=2.0, retries=6, timeout=20.0)


@pytest.fixture(autouse=True)
def no_long_waits_and_answers(monkeypatch):
    monkeypatch.setattr("unicomp.instruments.endpoint.FIRST_WAIT", 0.01)
    monkeypatch.setattr("unicomp.engines.endpoint_probe.NEW_TOKENS", 6)


@pytest.fixture(scope="module")
def network():
    """The embedded model itself, for what is compared with the engine in this process."""
    return Network(FOLDER)


TOY = Toy(FOLDER)
ANOTHER = Toy(FOLDER, salt=2)
"""What somebody deploys instead of it."""


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(FOLDER, MODEL)


@pytest.fixture
def serve():
    """Starts servers that end with the test."""
    started = []

    def start(name="my-model", of=TOY, **can):
        started.append(Completions(of, name, **can))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def probe(tokenizer):
    """The endpoint of a server, with what its probe finds."""

    def ask(server, **client):
        at = Served.parse(server.place)
        return found(at, "embedded", replace(SOON, **client), tokenizer)

    return ask


def asked(endpoint, requests, **client):
    engine = replace(HF, endpoint=replace(SOON, **client))
    with engine.open(FOLDER, replace(MODEL, endpoint=endpoint), 512) as opened:
        return opened.answer(requests)


@pytest.mark.long
def test_answers_and_likelihoods_are_those_of_the_engine_in_this_process(serve, probe, network):
    requests = [*of_benchmarks(FOLDER, 3), *odd_requests(FOLDER)]
    expected = answers_of(HF, FOLDER, requests)
    for can in ({}, {"extended": False}):
        answers = asked(probe(serve(of=network, **can)), requests)
        assert all(same(*pair) for pair in zip(answers, expected, strict=True)), can


@pytest.mark.long
def test_scores_are_those_in_process_and_are_found_again(serve, probe, network, tmp_path):
    store = Store(tmp_path)
    conditions = Conditions(store, Source("embedded"), replace(HF, endpoint=SOON), samples=6)
    builder = Builder(store=store, roots=())
    server = serve(of=network)
    method = load_checkpoint(server.place, ())
    method = replace(method, endpoint=probe(server))
    checkpoint = builder.build(MODEL, method, None)
    at = measure(checkpoint, benchmarks(), conditions)
    here = measure(builder.build(MODEL, DENSE, None), benchmarks(), conditions)
    for name, records in here.records.items():
        assert isinstance(at.records[name], Records), at.records[name]
        assert at.records[name].fields.keys() == records.fields.keys()
        for field, values in records.fields.items():
            one = at.records[name].fields[field]
            assert [v if isinstance(v, str) else pytest.approx(v, rel=1e-5) for v in values] == one
    count = len(server.requests)
    again = measure(builder.build(MODEL, method, None), benchmarks(), conditions)
    assert again.records == at.records
    assert len(server.requests) == count
    assert _making(method, None)["made"] == {
        "family": None, "also": None, "settings": {}, "elsewhere": True
    }  # fmt: skip


def faulty(request, number):
    """A server that drops, limits, fails and garbles now and then."""
    if number % 3 == 0:
        return "drop"
    if number % 4 == 0:
        return 429, {"Retry-After": "0.01"}
    if number % 5 == 0:
        return 503, {}
    return {"choices": []} if number % 7 == 0 else None


def test_a_server_that_drops_limits_fails_or_garbles_is_asked_again(serve, probe):
    requests = [generation(f"{number} and one is") for number in range(8)]
    server = serve()
    endpoint = probe(server)
    expected = asked(endpoint, requests)
    server.behave = faulty
    assert asked(endpoint, requests, retries=12) == expected


def test_a_server_that_stays_away_ends_in_one_line(serve, probe):
    server = serve()
    endpoint = probe(server)
    server.behave = lambda request, number: (502, {})
    with pytest.raises(EngineError, match=r"my-model at http.* has not answered for .* HTTP 502"):
        asked(endpoint, [generation("one")], patience=0.2)
    server.behave = waits(0.5)
    with pytest.raises(EngineError, match=r"no answer within 0\.1 s"):
        asked(endpoint, [generation("one")], patience=0.2, timeout=0.1)


def test_a_slow_server_is_waited_for(serve, probe):
    server = serve()
    endpoint = probe(server)
    server.behave = waits(0.05)
    assert asked(endpoint, [generation("one")])


def test_at_most_so_many_requests_are_made_at_a_time(serve, probe):
    server = serve()
    endpoint = probe(server)
    now, most, lock = [0], [0], threading.Lock()

    def behave(request, number):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        waits(0.02)(request, number)
        with lock:
            now[0] -= 1

    server.behave = behave
    asked(endpoint, [generation(f"{number} is") for number in range(12)], concurrency=3)
    assert 1 < most[0] <= 3


# -- what it gives ---------------------------------------------------------------------------------

LACKS = {
    "refused": "it refuses echo with logprobs",
    "ignored": "it returns no log-probabilities of a prompt (echo with logprobs)",
    "short": "log-probabilities of a prompt of",
    "positive": "no logarithms of probabilities",
    "constant": "its log-probabilities contradict its answers",
    "topless": "it does not return the likeliest token of each place",
}


@pytest.mark.parametrize("lack", LACKS)
def test_missing_or_false_log_probabilities_are_found_before_the_run(serve, probe, lack):
    endpoint = probe(serve(likelihoods=lack))
    assert LACKS[lack] in endpoint.no_likelihoods
    assert endpoint.takes_tokens


@pytest.mark.long
def test_a_server_of_texts_generates_the_same_and_its_likelihoods_are_not_measured(
    serve, probe, network, tmp_path
):
    server = serve(of=network, takes_tokens=False, extended=False)
    endpoint = probe(server)
    assert not endpoint.takes_tokens
    assert not endpoint.extended
    requests = [one for one in of_benchmarks(FOLDER, 4) if one.request_type == "generate_until"]
    assert asked(endpoint, requests) == answers_of(HF, FOLDER, requests)
    store = Store(tmp_path)
    method = replace(load_checkpoint(server.place, ()), endpoint=endpoint)
    checkpoint = Builder(store=store, roots=()).build(MODEL, method, None)
    conditions = Conditions(store, Source("embedded"), replace(HF, endpoint=SOON), samples=2)
    measured = measure(checkpoint, benchmarks(), conditions).records
    assert isinstance(measured["gsm8k"], Records)
    assert isinstance(measured["arc_easy"], UnmeasuredError)
    assert "it takes no prompts of token ids" in str(measured["arc_easy"])


def test_a_prompt_may_fill_the_context_of_the_server(serve, probe):
    endpoint = probe(serve(longest=64))
    assert endpoint.context == 64
    long = "one and two and " * 40
    requests = [instance("loglikelihood", long, "three"), generation(long, max_gen_toks=8)]
    likelihoods, text = asked(endpoint, requests)
    assert likelihoods[0] < 0
    assert isinstance(text, str)


def test_another_tokenizer_is_refused(serve, tmp_path, tokenizer):
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    names = sorted(vocabulary, key=vocabulary.get)
    swapped = dict(zip(names, [*range(10), *range(len(names) - 1, 9, -1)], strict=True))
    content["model"]["vocab"] = swapped
    path.write_text(json.dumps(content))
    server = serve(of=Toy(folder))
    with pytest.raises(SpecError, match="reads the token ids of --model as another text"):
        found(Served.parse(server.place), "embedded", SOON, tokenizer)


# -- which model it is ---------------------------------------------------------------------------


def key_of(server, endpoint, tmp_path):
    method = replace(load_checkpoint(server.place, ()), endpoint=endpoint)
    return Builder(store=Store(tmp_path), roots=()).key(MODEL, method, None)


@pytest.mark.long
def test_another_model_behind_the_same_name_has_another_key(serve, probe, tmp_path):
    server = serve()
    first = probe(server)
    assert probe(server) == first
    server.network = ANOTHER
    second = probe(server)
    server.network, server.version = TOY, "1.1"
    third = probe(server)
    keys = {key_of(server, endpoint, tmp_path) for endpoint in (first, second, third)}
    assert len(keys) == 3


def test_a_model_that_is_replaced_in_the_middle_is_noticed_and_nothing_is_kept(
    serve, probe, tmp_path
):
    server = serve()
    store = Store(tmp_path)
    conditions = Conditions(store, Source("embedded"), replace(HF, endpoint=SOON), samples=6)
    method = replace(load_checkpoint(server.place, ()), endpoint=probe(server))
    checkpoint = Builder(store=store, roots=()).build(MODEL, method, None)
    start = len(server.requests)

    def behave(request, number):
        if number == start + 5:  # in the middle of the first batch
            server.network = ANOTHER

    server.behave = behave
    measured = measure(checkpoint, benchmarks(), conditions)
    for outcome in measured.records.values():
        assert isinstance(outcome, UnmeasuredError)
        assert "another model was deployed" in str(outcome)
    assert not list(store.home.glob("responses/*/*.jsonl"))


def test_one_odd_answer_to_the_probe_is_no_change(serve, probe):
    server = serve()
    endpoint = probe(server)
    start = len(server.requests)
    odd = {"choices": [{"index": 0, "text": "odd"}]}
    server.behave = lambda request, number: odd if number == start + 2 else None
    (answer,) = asked(endpoint, [generation("one")])
    assert answer


# -- what is refused -----------------------------------------------------------------------------


def test_an_unknown_model_is_refused_with_those_that_are_there(serve, probe, tokenizer):
    server = serve()
    server.names.append("other-model")
    for text in (f"{server.url}#my-modle", server.url):
        with pytest.raises(SpecError, match="it has my-model, other-model: name one of them"):
            found(Served.parse(text), "embedded", SOON, tokenizer)
    server.names.pop()
    assert found(Served.parse(server.url), "embedded", SOON, tokenizer).model == "my-model"


def test_a_key_is_sent_and_never_shown(serve, probe, monkeypatch):
    monkeypatch.setenv("MY_KEY", "s3cret-word")
    server = serve(key="s3cret-word")
    endpoint = probe(server, key_env="MY_KEY")
    assert set(server.seen) == {"Bearer s3cret-word"}
    server.behave = lambda request, number: {"error": "s3cret-word"} if number else None
    with pytest.raises(EngineError) as raised:
        asked(endpoint, [generation("one")], key_env="MY_KEY")
    assert "s3cret" not in f"{raised.value}{endpoint!r}{endpoint.identity}"


def test_a_missing_or_a_wrong_key_is_one_line(serve, probe, monkeypatch):
    server = serve(key="s3cret-word")
    with pytest.raises(SpecError, match=r"401.*name the variable that holds the key in key_env"):
        probe(server)
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(SpecError, match="MY_KEY is not set"):
        probe(server, key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "another")
    with pytest.raises(SpecError, match="is the key in MY_KEY right"):
        probe(server, key_env="MY_KEY")


@pytest.mark.parametrize("text", ["http://me:s3cret@host/v1#m", "http://host/v1?key=s3cret#m"])
def test_a_key_in_the_address_is_refused_without_showing_it(text):
    with pytest.raises(SpecError, match="environment variable") as raised:
        load_checkpoint(text, ())
    assert "s3cret" not in str(raised.value)


def test_a_server_that_is_not_there_is_one_line(serve, tokenizer):
    server = serve()
    server.stop()
    patience = replace(SOON, patience=0.1)
    with pytest.raises(SpecError, match="has not answered for"):
        found(Served.parse(server.place), "embedded", patience, tokenizer)


def test_a_server_alone_is_no_checkpoint():
    with pytest.raises(SpecError, match="give URL#MODEL, such as http://host/v1#NAME"):
        load_checkpoint("http://host/v1/", ())
    with pytest.raises(SpecError, match="url must be an address"):
        settings_at(Served.parse("http:///v1#m"), SOON)


def test_a_dense_model_at_an_endpoint_needs_no_weights(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in FOLDER.iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, folder)
    model = with_endpoint(str(folder), "http://host/v1#m", ())
    assert model.endpoint == Served(url="http://host/v1", model="m")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UnicompError, match="has no tokenizer"):
        with_endpoint(str(folder), "http://host/v1#m", ())


# -- arithmetic ------------------------------------------------------------------------------------

VALUES = st.lists(st.floats(-50, 0), min_size=2, max_size=20)


def echoed(values, tops):
    return {"token_logprobs": [None, *values], "top_logprobs": [None, *tops]}


@given(values=VALUES, gap=st.floats(0, 5), extra=st.booleans(), data=st.data())
def test_a_likelihood_is_the_sum_over_the_continuation(values, gap, extra, data):
    start = data.draw(st.integers(1, len(values)))
    tops = [{"a": value + gap, "b": value} for value in values]
    more = ([-1.0], [{"c": -1.0}]) if extra else ([], [])
    logprobs = echoed(values + more[0], tops + more[1])
    output = {"choices": [{"logprobs": logprobs}]}
    total, greedy = likelihood(output, start=start, end=len(values) + 1)
    assert total == sum(values[start - 1 :])
    assert greedy == all(value >= value + gap for value in values[start - 1 :])
    with pytest.raises(ValueError, match="log-probabilities of"):
        likelihood(output, start=start, end=len(values) + 3)


@given(values=VALUES, bad=st.sampled_from([float("nan"), float("inf"), -9999.0, None]))
def test_a_likelihood_that_is_no_number_is_not_finite(values, bad):
    output = {"choices": [{"logprobs": echoed([*values, bad], [{"a": 0.0}] * (len(values) + 1))}]}
    with pytest.raises(NotFiniteError):
        likelihood(output, start=1, end=len(values) + 2)


@settings(max_examples=30)
@given(
    choice=st.recursive(
        st.none() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["logprobs", "token_logprobs", "top_logprobs"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
    n=st.integers(2, 5),
)
def test_whatever_a_server_returns_is_read_or_has_a_reason(choice, n):
    found = why_no_likelihoods(choice if isinstance(choice, dict) else {}, n)
    assert isinstance(found, str)


@given(
    host=st.from_regex(r"[a-z]{1,9}(:[1-9][0-9]{1,3})?", fullmatch=True),
    model=st.from_regex(r"[A-Za-z0-9][\w./\-]{0,20}", fullmatch=True),
)
def test_an_address_and_a_model_are_read_from_one_text(host, model):
    served = Served.parse(f"http://{host}/v1/#{model}")
    assert (served.url, served.model) == (f"http://{host}/v1", model)
    assert settings_at(served, SOON).address == served.url

"""vLLM gets, token by token, what the Hugging Face engine feeds the model.

Where both compute in float32, as the double always does, texts and scores are the same. A real
vLLM runs in that precision here, except in one test of its own precision.
"""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.engines.conftest import real_vllm, settings_of
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines import EngineSettings
from unicomp.engines.server import Server
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.engines.vllm import VllmEngine
from unicomp.errors import EngineError
from unicomp.measuring import Conditions, measure
from unicomp.prompts.items import WINDOWS, Renderer
from unicomp.prompts.lengths import longest
from unicomp.scores import Records
from unicomp.spec import DENSE, Model
from unicomp.store import Store

FOLDER = shipped_fixtures() / "embedded" / "model"
MODEL = Model(name="embedded", source=str(FOLDER), dtype="float32")
AS_IT_IS = Model(name="embedded", source=str(FOLDER))
BOS = 1
TOKENS = 512
HF = EngineSettings(device="cpu", batch_size=1)


def instance(kind, *arguments):
    from lm_eval.api.instance import Instance

    return Instance(kind, {}, arguments, 0)


def generation(prompt, **decoding):
    return instance("generate_until", prompt, {"until": [], "max_gen_toks": 12, **decoding})


def benchmarks():
    """One that generates and one that compares likelihoods."""
    from suites.performance.test_knowledge import arc_easy
    from suites.performance.test_reasoning import gsm8k

    return [gsm8k, arc_easy]


def of_benchmarks(folder, count):
    """The requests of a few items of each benchmark."""
    prompts = Renderer(Source("embedded"), count)
    tokenizer = load_tokenizer(folder, MODEL)
    return [
        request
        for bench in benchmarks()
        for one in prompts.items(bench, tokenizer)
        for request in one.requests
    ]


def odd_requests(folder):
    """Requests in which a special token could go missing, or come twice."""
    tokenizer = load_tokenizer(folder, MODEL)
    chat = (
        tokenizer.template([{"role": "user", "content": "what is 2 + 3?"}])
        if (tokenizer.template)
        else "what is 2 + 3?"
    )
    window = tuple(tokenizer.encode("the cat sat on the mat. " * 9))
    return [
        generation(chat),
        generation("the sum of two and three is"),
        generation("one two\n", until=["\n", "<|user|>"], do_sample=False, temperature=0.0),
        instance("loglikelihood", chat, " five"),
        instance("loglikelihood", "the answer is ", "five"),
        instance("loglikelihood", "", "five and six"),
        instance("loglikelihood", chat + "five", "<|eos|>"),
        instance("loglikelihood_rolling", "a text without a prompt"),
        instance(WINDOWS, window),
        instance(WINDOWS, window[:2]),
    ]


def variant(folder, *, adds_bos, writes_bos):
    """The embedded model with a tokenizer that adds BOS or not, and a template that writes it."""
    shutil.copytree(FOLDER, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    if adds_bos:
        processor = tokenizer["post_processor"]
        processor["single"].insert(0, {"SpecialToken": {"id": "<|bos|>", "type_id": 0}})
        processor["special_tokens"] = {
            "<|bos|>": {"id": "<|bos|>", "ids": [BOS], "tokens": ["<|bos|>"]}
        }
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    template = folder / "chat_template.jinja"
    if not writes_bos:
        template.write_text(template.read_text().replace("{{ bos_token }}", ""))
    return folder


@contextmanager
def fed(monkeypatch):
    """What the Hugging Face engine feeds the model: the prompts of texts, and other inputs."""
    from unicomp.engines.local_lm import LocalLM

    prompts, inputs = [], []
    call, generate = LocalLM._model_call, LocalLM._model_generate

    def recording_call(self, inps, *rest, **options):
        inputs.extend(inps.tolist())
        return call(self, inps, *rest, **options)

    def recording_generate(self, context, *rest, **options):
        prompts.extend(context.tolist())
        return generate(self, context, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LocalLM, "_model_call", recording_call)
        patch.setattr(LocalLM, "_model_generate", recording_generate)
        yield prompts, inputs


@contextmanager
def exchanged(monkeypatch):
    """The token ids that were sent to the server, and those that the server reports."""
    sent, seen = [], []
    complete = Server.complete

    async def recording(server, client, payload):
        output = await complete(server, client, payload)
        (choice,) = output["choices"]
        if payload.get("echo"):
            read = [int(name.removeprefix("token_id:")) for name in choice["logprobs"]["tokens"]]
            seen.append((True, read[:-1]))
        elif "seed" in payload:  # and not the first request, which only warms up
            seen.append((False, choice["prompt_token_ids"]))
        else:
            return output
        sent.append((bool(payload.get("echo")), list(payload["prompt"][0])))
        return output

    with monkeypatch.context() as patch:
        patch.setattr(Server, "complete", recording)
        yield sent, seen


def answers_of(settings, folder, requests, tokens=TOKENS):
    with settings.open(folder, MODEL, tokens) as engine:
        return engine.answer(requests)


def same(one, other, tolerance=1e-4):
    """Whether two responses are equal, likelihoods up to a tolerance."""
    if isinstance(one, str):
        return one == other
    if isinstance(one, tuple):
        return one[1] == other[1] and abs(one[0] - other[0]) < tolerance
    return abs(one - other) < tolerance


@pytest.mark.long
@pytest.mark.parametrize(
    ("adds_bos", "writes_bos"),
    [
        pytest.param(True, True, id="tokenizer and template"),
        pytest.param(True, False, id="tokenizer"),
        pytest.param(False, True, id="template"),
        pytest.param(False, False, id="neither"),
    ],
)
def test_the_model_sees_the_same_tokens_from_both_engines(
    faithful, tmp_path, monkeypatch, adds_bos, writes_bos
):
    folder = variant(tmp_path / "model", adds_bos=adds_bos, writes_bos=writes_bos)
    requests = [*of_benchmarks(folder, 3), *odd_requests(folder)]
    with fed(monkeypatch) as (prompts, inputs):
        expected = answers_of(HF, folder, requests)
    with exchanged(monkeypatch) as (sent, seen):
        given = answers_of(faithful, folder, requests)

    assert seen == sent
    assert sorted(tokens for scored, tokens in sent if not scored) == sorted(prompts)
    # the last token is predicted, not fed; equal inputs are fed once
    assert {tuple(tokens[:-1]) for scored, tokens in sent if scored} == set(map(tuple, inputs))
    assert all(map(same, given, expected))
    if adds_bos or writes_bos:
        from_chat = load_tokenizer(folder, MODEL).encode(requests[0].arguments[0])
        assert from_chat in prompts
        assert from_chat.count(BOS) == 1
    assert max(tokens.count(BOS) for tokens in prompts) <= 1


def test_no_path_but_that_of_completions_is_asked(double, toy):
    answers_of(toy, FOLDER, odd_requests(FOLDER))
    paths = {entry["path"] for entry in double.entries if "path" in entry}
    assert paths == {"/health", "/v1/models", "/v1/completions"}


def small(folder):
    """The embedded model with a tokenizer that adds BOS, and a context of 64 tokens."""
    variant(folder, adds_bos=True, writes_bos=True)
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        path.write_text(path.read_text().replace("8192", "64"))
    return folder


WORDS = "one two three four five six seven eight nine ten " * 8


@pytest.mark.long
def test_a_prompt_that_is_too_long_is_cut_as_the_hugging_face_engine_cuts_it(
    faithful, tmp_path, monkeypatch
):
    folder = small(tmp_path / "model")
    requests = [generation(WORDS, max_gen_toks=20), instance(WINDOWS, tuple(range(5, 69)))]
    with fed(monkeypatch) as (prompts, _):
        expected = answers_of(HF, folder, requests)
    with (
        exchanged(monkeypatch) as (sent, seen),
        faithful.open(folder, MODEL, TOKENS) as engine,
    ):
        given = engine.answer(requests)
        (choice,) = engine.answer([instance("loglikelihood", WORDS, " eleven")])
    assert all(map(same, given, expected))
    assert seen == sent
    assert sent[0] == (False, prompts[0])
    assert len(prompts[0]) == 64 - 20
    assert [len(tokens) for _, tokens in sent[1:]] == [64, 64]
    assert choice[0] < 0


def test_an_answer_as_long_as_the_context_leaves_no_room_for_a_prompt(toy, tmp_path):
    folder = small(tmp_path / "model")
    with pytest.raises(EngineError, match="no room for a prompt in the model's context of 64"):
        answers_of(toy, folder, [generation(WORDS, max_gen_toks=64)])


@pytest.mark.long
def test_benchmarks_score_the_same_by_both_engines(faithful, tmp_path):
    assert scores_of(faithful, tmp_path / "one", 10) == scores_of(
        EngineSettings(device="cpu"), tmp_path / "two", 10
    )


def scores_of(settings, home, count):
    """The scores of the embedded model."""
    store = Store(home)
    conditions = Conditions(store, Source("embedded"), settings, count)
    checkpoint = Builder(store=store, roots=()).find(MODEL, DENSE, None)
    measured = measure(checkpoint, benchmarks(), conditions)
    scores = {}
    for bench in benchmarks():
        records = measured.records[bench.name]
        assert isinstance(records, Records), records
        weights = np.ones((1, len(records.items)))
        scores[bench.name] = float(bench.aggregate(records.columns, weights)[0])
    return scores


def test_a_checkpoint_is_served_once_for_all_its_benchmarks(double, toy, tmp_path):
    scores_of(toy, tmp_path / "home", 4)
    (start,) = double.starts
    prompted = Renderer(Source("embedded"), 4)
    tokenizer = load_tokenizer(FOLDER, MODEL)
    needed = longest(
        [one for bench in benchmarks() for one in prompted.items(bench, tokenizer)], tokenizer
    )
    assert start["options"]["max_model_len"] == needed + 1
    lengths = [
        len(entry["prompt"][0]) + (0 if entry.get("echo") else entry["max_tokens"])
        for entry in double.requests
    ]
    assert max(lengths) == needed


def test_a_server_is_told_all_it_needs_and_nothing_of_our_python(double, toy):
    with toy.open(FOLDER, MODEL, TOKENS) as engine:
        assert engine.weights_bytes is None
    (start,) = double.starts
    options = start["options"]
    assert options["model"] == str(FOLDER)
    assert (options["host"], options["dtype"]) == ("127.0.0.1", "float32")
    assert options["enforce_eager"]
    assert options["no_enable_prefix_caching"]
    assert options["generation_config"] == "vllm"  # what a folder says of decoding is set aside
    assert options["tokenizer"] is None
    assert options["gpu_memory_utilization"] is None
    assert start["python"] == []
    seen = start["environment"]
    assert seen["OMP_NUM_THREADS"] == seen["HF_HUB_OFFLINE"] == seen["VLLM_NO_USAGE_STATS"] == "1"
    assert seen["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert "VLLM_ALLOW_LONG_MAX_MODEL_LEN" not in seen
    (log,) = Path(toy.logs).iterdir()
    assert "startup complete" in log.read_text()


def test_a_server_is_not_given_a_tokenizer_class_that_changes_the_tokens(double, toy, tmp_path):
    """It finds stop words in texts that it decodes itself."""
    folder = shutil.copytree(FOLDER, tmp_path / "model")
    path = folder / "tokenizer_config.json"
    named = json.loads(path.read_text()) | {"tokenizer_class": "LlamaTokenizerFast"}
    path.write_text(json.dumps(named))
    with toy.open(folder, MODEL, 64):
        own = Path(double.starts[0]["options"]["tokenizer"])
        settings = json.loads((own / "tokenizer_config.json").read_text())
        assert (own / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert settings == named | {"tokenizer_class": "PreTrainedTokenizerFast"}
    assert not own.exists()


def test_a_server_for_requests_as_long_as_the_context_has_room_for_one_token_more(
    double, toy, tmp_path
):
    with toy.open(small(tmp_path / "model"), MODEL, 64):
        pass
    (start,) = double.starts
    assert start["options"]["max_model_len"] == 65
    assert start["environment"]["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] == "1"


def test_a_request_longer_than_was_said_is_refused(toy):
    with toy.open(FOLDER, MODEL, 16) as engine:
        with pytest.raises(EngineError, match="longer than the 16 that the server was started for"):
            engine.answer([generation("one two three", max_gen_toks=14)])
        with pytest.raises(EngineError, match="longer than the 16"):
            engine.generate([[5] * 10], 7)


def test_a_server_that_dies_midway_is_an_engine_error_with_its_last_words(double, toy, monkeypatch):
    monkeypatch.setenv("DOUBLE", "dies=4")
    requests = [generation(f"{number} is a number and") for number in range(8)]
    with (
        pytest.raises(EngineError) as failure,
        toy.open(FOLDER, MODEL, TOKENS) as engine,
    ):
        engine.answer(requests)
    message = str(failure.value)
    assert "vllm ended: Worker proc VllmWorker-0 died unexpectedly (exit code: -4)" in message
    assert ".log" in message
    assert "\n" not in message


def test_a_first_request_that_fails_is_a_failure_to_start(double, toy, monkeypatch):
    monkeypatch.setenv("DOUBLE", "dies=1")
    with pytest.raises(EngineError, match="died unexpectedly"), toy.open(FOLDER, MODEL, 64):
        pytest.fail("it is open")


def test_a_refused_request_is_an_engine_error(toy):
    with (
        toy.open(FOLDER, MODEL, TOKENS) as engine,
        pytest.raises(EngineError, match="Token id 5000 is out of vocabulary"),
    ):
        engine.answer([instance(WINDOWS, (5, 5000))])


# -- timing ---------------------------------------------------------------------------------------


def test_exactly_the_tokens_that_were_asked_for_are_timed(double, toy):
    with toy.open(FOLDER, MODEL, 64) as engine:
        timing = engine.generate([[5, 6, 7], [8, 9], [10]], 8)
    assert len(timing.first) == 3
    assert len(timing.gaps) == 3 * 7
    assert all(gap >= 0 for gap in timing.gaps)
    assert 0 < max(timing.first) <= timing.seconds  # the double's last chunk may hold it all
    for asked in double.requests:
        assert asked["max_tokens"] == asked["min_tokens"] == 8
        assert asked["ignore_eos"]
        assert asked["temperature"] == 0
    assert sorted(entry["prompt"] for entry in double.requests) == [[5, 6, 7], [8, 9], [10]]


def test_a_token_too_few_is_an_engine_error(toy, monkeypatch):
    monkeypatch.setenv("DOUBLE", "short")
    with (
        toy.open(FOLDER, MODEL, 64) as engine,
        pytest.raises(EngineError, match="asked for exactly 8 tokens, generated 7, and 7 arrived"),
    ):
        engine.generate([[5, 6, 7]], 8)


# -- sampling -------------------------------------------------------------------------------------


@pytest.mark.long
def test_sampled_texts_have_draws_of_their_own_that_never_change(double, toy):
    sampled = [generation(text, do_sample=True, temperature=0.6) for text in ("one", "two", "one")]
    answers_of(toy, FOLDER, sampled)
    asked = {tuple(entry["prompt"][0]): entry for entry in double.requests}
    assert len(asked) == 2
    seeds = [entry["seed"] for entry in double.requests]
    assert len(set(seeds)) == 2
    assert {entry["temperature"] for entry in double.requests} == {0.6}
    first = {prompt: entry["seed"] for prompt, entry in asked.items()}
    answers_of(toy, FOLDER, sampled[:1])
    assert double.entries[-1]["seed"] == first[tuple(double.entries[-1]["prompt"][0])]


# -- a real vLLM ----------------------------------------------------------------------------------


def test_a_real_vllm_is_near_in_the_precision_of_its_own(tmp_path):
    settings = settings_of(real_vllm(), tmp_path)
    requests = of_benchmarks(FOLDER, 20)
    with HF.open(FOLDER, AS_IT_IS, TOKENS) as engine:
        expected = engine.answer(requests)
    with settings.open(FOLDER, AS_IT_IS, TOKENS) as engine:
        given = engine.answer(requests)
        timing = engine.generate([[5, 6, 7], [8, 9]], 16)
    pairs = list(zip(given, expected, strict=True))
    texts = [one == other for one, other in pairs if isinstance(one, str)]
    assert sum(texts) >= 0.9 * len(texts)
    assert all(same(*pair, tolerance=0.2) for pair in pairs if not isinstance(pair[0], str))
    assert len(timing.first) == 2
    assert len(timing.gaps) == 2 * 15


def test_two_real_servers_run_at_once(tmp_path):
    settings = settings_of(real_vllm(), tmp_path)
    request = [instance("loglikelihood", "the answer is", " five")]
    with settings.open(FOLDER, MODEL, 64) as one, settings.open(FOLDER, MODEL, 64) as other:
        assert one.answer(request) == other.answer(request)


def test_a_real_vllm_that_does_not_start_says_why(tmp_path):
    settings = settings_of(real_vllm(), tmp_path)
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with (
        pytest.raises(EngineError, match=r"vllm did not start: .*Error"),
        VllmEngine(folder, MODEL, settings, 64),
    ):
        pass

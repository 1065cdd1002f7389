"""The Hugging Face engine decodes as the project says, whatever a checkpoint's folder says."""

import json
import math
import shutil

import pytest
import torch

from unicomp.data.sources import shipped_fixtures
from unicomp.engines import TIMED_ATTENTION, EngineSettings
from unicomp.engines.hf import ATTENTION
from unicomp.engines.lm_requests import ask
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import NotFiniteError
from unicomp.prompts.items import WINDOWS
from unicomp.spec import Model

EMBEDDED = shipped_fixtures() / "embedded" / "model"
SETTINGS = EngineSettings(device="cpu")


def model(folder):
    return Model(name="it", source=str(folder), dtype="float32")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(EMBEDDED, tmp_path / "model")


def edit(path, **changes):
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        content.pop(name, None)
        if value is not ...:
            content[name] = value
    path.write_text(json.dumps(content), encoding="utf-8")


def instance(kind, *arguments):
    from lm_eval.api.instance import Instance

    return Instance(kind, {}, arguments, 0)


def requests(decoding=None):
    chat = "<|bos|><|user|>what is 2 + 3?<|assistant|>"
    decoding = {"until": [], "max_gen_toks": 24, "do_sample": False, **(decoding or {})}
    return [
        *(instance("generate_until", text, dict(decoding)) for text in (chat, "one two three")),
        *(instance("loglikelihood", chat, option) for option in (" five", "5")),
        instance("loglikelihood", "", "five"),
        instance("loglikelihood_rolling", "a text without a prompt"),
        instance(WINDOWS, tuple(range(5, 40))),
    ]


def answers(folder, decoding=None):
    with SETTINGS.open(folder, model(folder), 512) as engine:
        return engine.answer(requests(decoding))


@pytest.fixture(scope="module")
def expected():
    return answers(EMBEDDED)


def test_answers_are_counted_and_those_being_generated_in_part():
    counted = []
    with SETTINGS.open(EMBEDDED, model(EMBEDDED), 512) as engine:
        engine.watch(counted.append)
        engine.answer(requests())
    assert counted == sorted(counted)
    assert 0 < counted[0] < 2  # two answers of 24 tokens are generated together
    assert counted[-1] == len(requests())


# -- decoding --------------------------------------------------------------------------------------


DECODING = {
    "num_beams": 4,
    "min_new_tokens": 20,
    "max_length": 20,
    "do_sample": True,
    "temperature": 5.0,
    "top_k": 3,
    "repetition_penalty": 9.0,
    "no_repeat_ngram_size": 1,
    "suppress_tokens": list(range(10, 500)),
    "forced_eos_token_id": 2,
    "bad_words_ids": [[80]],
    "exponential_decay_length_penalty": [2, 9.0],
    "num_return_sequences": 2,
    "stop_strings": ["1", "a"],
    "use_cache": False,
    "cache_implementation": "static",
    "prompt_lookup_num_tokens": 3,
}


def test_settings_of_decoding_in_a_folder_do_not_apply(folder, expected):
    edit(folder / "generation_config.json", **DECODING)
    assert answers(folder) == expected


def test_old_settings_of_decoding_in_a_configuration_do_not_apply(folder, expected):
    (folder / "generation_config.json").unlink()
    edit(folder / "config.json", num_beams=4, min_length=40, repetition_penalty=9.0)
    assert answers(folder) == expected


def test_timed_answers_ignore_them_too(folder):
    edit(folder / "generation_config.json", **DECODING)
    with SETTINGS.open(folder, model(folder), 512) as engine:
        timing = engine.generate([[5, 6, 7], [8, 9, 10]], 6)
    assert len(timing.gaps) == 5


def test_timed_requests_have_fused_attention_and_answers_their_own():
    seen = []
    with SETTINGS.open(EMBEDDED, model(EMBEDDED), 512) as engine:
        network = engine._lm.model
        network.register_forward_hook(
            lambda *given: seen.append(network.config._attn_implementation)
        )
        engine.generate([[5, 6, 7]], 3)
        timed = list(seen)
        engine.answer(requests())
    assert set(timed) == {TIMED_ATTENTION}
    assert set(seen[len(timed) :]) == {ATTENTION["cpu"]} != set(timed)


def test_what_a_benchmark_declares_applies(folder):
    declared = {"min_new_tokens": 20}
    texts = answers(folder, declared)[:2]
    assert texts == answers(EMBEDDED, declared)[:2] != answers(EMBEDDED)[:2]


@pytest.mark.parametrize("strictest", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}])
def test_the_sampling_that_a_model_declares_applies(expected, strictest):
    """Each of these leaves the likeliest token alone, at whatever temperature."""
    hot = {"do_sample": True, "temperature": 3.0}
    assert answers(EMBEDDED, {**hot, **strictest})[:2] == expected[:2] != answers(EMBEDDED, hot)[:2]


# -- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", [("pad_token",), ("eos_token",), ("pad_token", "eos_token")])
def test_a_tokenizer_without_special_tokens_answers_alike(folder, expected, lacking):
    edit(folder / "tokenizer_config.json", **dict.fromkeys(lacking, ...))
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("eos_token", "'<|eos|>'"))
    assert answers(folder) == expected


def test_every_end_token_of_a_list_ends_an_answer(folder, expected):
    """Also one that is an ordinary token: it is no part of the answer."""
    tokenizer = load_tokenizer(EMBEDDED, model(EMBEDDED))
    text = expected[0]
    assert len(text) > 2
    end = tokenizer.split(text)[1]
    edit(folder / "generation_config.json", eos_token_id=[2, end])
    found = answers(folder)[0]
    assert found == tokenizer.decode(tokenizer.split(text)[:1])


def thinking(folder):
    """The embedded model with tags of thoughts as special tokens."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        path = folder / name
        text = path.read_text(encoding="utf-8").replace("<|user|>", "<think>")
        path.write_text(text.replace("<|assistant|>", "</think>"), encoding="utf-8")
    return load_tokenizer(folder, model(folder))


def test_tags_of_thoughts_stay_though_they_are_special_tokens(folder):
    tokenizer = thinking(folder)
    start, end = tokenizer.split("<think></think>")
    words = tokenizer.split(" so it is 5")
    generated = [start, *words, end, *words, 2, 0, 0]
    assert tokenizer.tokenizer.decode(generated, skip_special_tokens=True).count("think") == 0
    assert tokenizer.answer(generated) == "<think> so it is 5</think> so it is 5"
    assert tokenizer.answer([1, *words, 2, *words]) == " so it is 5"


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    "kind", ["generate_until", "loglikelihood", "loglikelihood_rolling", WINDOWS]
)
def test_logits_that_are_not_finite_are_no_answer(monkeypatch, value, kind):
    with SETTINGS.open(EMBEDDED, model(EMBEDDED), 512) as engine:
        with torch.no_grad():
            engine._lm.model.model.layers[2].mlp.up_proj.weight[3, 5] = value
        asked = [one for one in requests() if one.request_type == kind]
        with pytest.raises(NotFiniteError, match="logits are not finite"):
            engine.answer(asked)
        if kind == WINDOWS:
            with pytest.raises(NotFiniteError):
                engine.log_probabilities([list(range(5, 40))], 10**6)


class Given:
    """An lm-eval model with given log-likelihoods."""

    def __init__(self, *values):
        self.values = values

    def loglikelihood(self, requests, disable_tqdm):
        return [(value, False) for value in self.values]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_log_likelihood_that_is_no_number_is_no_answer(value):
    assert ask(Given(-1.0, -2.0), "loglikelihood", []) == [(-1.0, False), (-2.0, False)]
    with pytest.raises(NotFiniteError):
        ask(Given(-1.0, value), "loglikelihood", [])

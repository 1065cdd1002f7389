"""A model that others trained goes the whole way: read from its GGUF file, asked, refused, scored.

SmolLM2-135M-Instruct has a vocabulary of 49,152 tokens, tied embeddings, grouped heads, and widths
that groups of 128 do not divide. Its file is fetched once, see `fixtures.smollm2`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fixtures.smollm2 import fetch
from suites.performance import test_knowledge as knowledge
from tests.suites import test_same_as_lm_eval as lm_eval
from unicomp import catalogue
from unicomp.checkpoint import why_unsupported
from unicomp.data.model_folder import read_config
from unicomp.errors import SpecError
from unicomp.formats.intake import describe_folder, settled
from unicomp.settings import load_settings, store_home
from unicomp.spec import Model
from unicomp.store import Store

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

ROWS = 12


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(store_home(None, load_settings(Path(__file__).parent)))


@pytest.fixture(scope="module")
def given(store: Store) -> Model:
    try:
        return catalogue.load_model(str(fetch(store)), catalogue.roots(Path(__file__).parent))
    except SpecError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def model(given: Model, store: Store) -> Model:
    return settled(given, store)


def test_it_is_read_whole_and_answers(model: Model) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.source)
    network = AutoModelForCausalLM.from_pretrained(model.source, dtype=torch.float32)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    answer = network.generate(**prompt, max_new_tokens=12, do_sample=False)[0]
    text = tokenizer.decode(answer[prompt["input_ids"].shape[1] :])
    assert text == "The capital of France is Paris.<|im_end|>"


def test_it_is_described_as_it_was_given(model: Model) -> None:
    facts = describe_folder(Path(model.source))
    assert facts["line"] == "gguf:Q4_1, 5-bit weights, embeddings 8.5 bit, 96.6 MB"
    assert facts["origin"]["file"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    config = read_config(Path(model.source))
    assert (config["dtype"], config["tie_word_embeddings"]) == ("bfloat16", True)


def test_groups_of_128_are_refused_and_groups_of_64_are_not(given: Model, model: Model) -> None:
    roots = catalogue.roots(Path(__file__).parent)
    for one in (given, model):
        reason = why_unsupported(one, catalogue.load_method("gptq_w4a16", roots))
        assert reason == "hidden_size 576 is not divisible by groups of 128"
        assert why_unsupported(one, catalogue.load_method("w4a16_rtn_g64", roots)) is None


@pytest.mark.skipif(not lm_eval.ROOT, reason="needs real rows: set UNICOMP_DATASET_ROOT")
def test_lm_eval_comes_to_the_same_scores(model: Model, tmp_path: Path) -> None:
    pairs = tuple(
        lm_eval.pair(bench, "acc_norm,none", ROWS) for bench in (knowledge.arc_easy, knowledge.piqa)
    )
    lm_eval.mirror(pairs, tmp_path / "rows")
    stock = lm_eval.by_lm_eval(pairs, (), tmp_path / "rows", tmp_path / "lm_eval", model)
    ours = lm_eval.by_unicomp(pairs, tmp_path / "rows", tmp_path / "unicomp", model)
    lm_eval.assert_same(ours, stock)

"""Prompts, limits and sampling of a model that thinks; a real tokenizer with a real template."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from unicomp import Answering, Model, SpecError, catalogue
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines.answering import check_sampling, check_template
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.prompts.items import Renderer
from unicomp.prompts.tasks import EMBEDDED_TOKENS, TASK_TOKENS, Definition
from unicomp.prompts.tools import ToolPrompts
from unicomp.spec import Served

EMBEDDED = shipped_fixtures() / "embedded" / "model"
REPOSITORY = Path(__file__).parents[2]
SUITES = {bench.name: bench for bench in catalogue.load_benchmarks([REPOSITORY / "suites"])}
ROWS = Source("embedded")
SWITCH = (
    "{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
"""The end of a template in the manner of Qwen3's."""
THINKS, SILENT = ({"enable_thinking": value} for value in (True, False))


@pytest.fixture(scope="module")
def switchable(tmp_path_factory):
    """A folder with a chat template that reads `enable_thinking`."""
    folder = tmp_path_factory.mktemp("models") / "switchable"
    shutil.copytree(EMBEDDED, folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + SWITCH)
    return folder


def tokenizer_of(folder, arguments=None):
    return load_tokenizer(folder, Model(name="it", source=str(folder)), arguments)


def rendered(folder, arguments=None, name="gsm8k", **declared):
    answering = Answering(template=arguments or {}, **declared)
    renderer = Renderer(ROWS, 3, sampling="declared", answering=answering)
    return renderer.items(SUITES[name], tokenizer_of(folder, arguments))


def test_arguments_reach_the_chat_template(switchable):
    plain, thinks, silent = (rendered(switchable, one) for one in (None, THINKS, SILENT))
    for one, other in zip(plain, silent, strict=True):
        assert other.prompt == f"{one.prompt}<think>\n\n</think>\n\n"
        assert other.item == one.item
        assert other.key != one.key
    assert [one.key for one in thinks] == [one.key for one in plain]  # it is the default there


def test_they_reach_the_prompts_of_choices_and_of_tools_too(switchable):
    (choice, *_) = rendered(switchable, SILENT, "arc_easy")
    assert choice.prompt.endswith("<think>\n\n</think>\n\n")
    prompts = ToolPrompts(tokenizer_of(switchable, SILENT).template)
    assert prompts.prompt("Add 1.", []).endswith("<think>\n\n</think>\n\n")


def test_one_renderer_tells_templates_with_other_arguments_apart(switchable):
    renderer = Renderer(ROWS, 1)
    keys = {
        renderer.items(SUITES["gsm8k"], tokenizer_of(switchable, one))[0].key
        for one in (THINKS, SILENT)
    }
    assert len(keys) == 2


def test_an_argument_that_a_template_does_not_read_is_refused(switchable):
    check_template("it", SILENT, tokenizer_of(switchable, SILENT))
    with pytest.raises(SpecError, match=r"of it does not read thinking.*reads enable_thinking$"):
        check_template("it", {"thinking": True}, tokenizer_of(switchable))
    with pytest.raises(SpecError, match=r"does not read enable_thinking.*it reads no argument$"):
        check_template("it", THINKS, tokenizer_of(EMBEDDED))


def test_a_model_without_a_template_takes_no_arguments(switchable, tmp_path):
    folder = shutil.copytree(switchable, tmp_path / "bare")
    (folder / "chat_template.jinja").unlink()
    check_template("it", {}, tokenizer_of(folder))
    with pytest.raises(SpecError, match=r"it has no chat template.*enable_thinking.*leave out"):
        check_template("it", THINKS, tokenizer_of(folder))


# -- the budget -------------------------------------------------------------------------------


def defined(name, source=ROWS, **declared):
    return Definition(SUITES[name], source, answering=Answering(**declared))


def test_a_budget_raises_the_limit_of_whatever_is_generated():
    hub = Source("hub")
    assert defined("gsm8k", hub, thinking_budget=1000).max_new_tokens == 512 + 1000
    assert defined("gsm8k", thinking_budget=1000).max_new_tokens == EMBEDDED_TOKENS + 1000
    assert defined("arc_easy", hub, thinking_budget=1000).max_new_tokens is None
    own = Definition(
        replace(SUITES["gsm8k"], max_new_tokens=None),
        hub,
        answering=Answering(thinking_budget=1000),
    )
    assert own.max_new_tokens == TASK_TOKENS + 1000
    assert replace(own, answering=Answering()).max_new_tokens is None


def test_requests_ask_for_answer_and_thoughts(switchable):
    (one, *_) = rendered(switchable, thinking_budget=50)
    assert one.requests[0].arguments[1]["max_gen_toks"] == EMBEDDED_TOKENS + 50


# -- sampling ---------------------------------------------------------------------------------


def test_what_the_model_declares_outranks_the_benchmark(switchable):
    warm = {"temperature": 0.6, "top_p": 0.95, "top_k": 20}
    (one, *_) = rendered(switchable, **warm)
    decoding = one.requests[0].arguments[1]
    assert decoding["do_sample"] is True
    assert {name: decoding[name] for name in warm} == warm
    published = replace(SUITES["gsm8k"], temperature=1.0)
    for answering, expected in (
        (Answering(), {"temperature": 1.0}),
        (Answering(**warm), warm),
        (Answering(temperature=0), {}),
    ):
        asked = Definition(published, ROWS, sampling="declared", answering=answering)
        assert asked.decoding == expected
        assert replace(asked, sampling="greedy").decoding == {}


def test_a_server_of_the_plain_api_takes_no_settings_of_vllm():
    plain = Served(url="http://host/v1", model="m", extended=False)
    declared = Answering(temperature=0.6, top_p=0.95, min_p=0.1).decoding
    check_sampling("it", declared, None)
    check_sampling("it", declared, replace(plain, extended=True))
    check_sampling("it", {"temperature": 0.6, "top_p": 0.95}, plain)
    with pytest.raises(SpecError, match=r"it declares min_p, and m at http://host/v1 takes only"):
        check_sampling("it", declared, plain)


# -- what records follow from -----------------------------------------------------------------


def identity(name="gsm8k", sampling="greedy", **declared):
    asked = Definition(SUITES[name], ROWS, sampling=sampling, answering=Answering(**declared))
    return asked.identity(str)


def test_records_follow_from_all_that_decides_the_answers():
    found = [
        identity(),
        identity(template=THINKS),
        identity(template=SILENT),
        identity(thinking_budget=10),
        identity(sampling="declared", temperature=0.6),
        identity(sampling="declared", temperature=0.6, top_k=20),
    ]
    assert all(one not in found[:place] for place, one in enumerate(found))


def test_what_is_declared_and_not_used_changes_no_record():
    assert identity(temperature=0.6, top_k=20) == identity()
    assert identity("arc_easy", thinking_budget=10) == identity("arc_easy")
    assert "template" not in identity()

"""A checkpoint's tokenizer, template and stop tokens are right, or named, or refused."""

import json
import random
import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unicomp.admission.tokenizer import check_tokenizer
from unicomp.data.sources import shipped_fixtures
from unicomp.data.tokenizer import PROBES, read_tokenizer
from unicomp.data.weight_files import SINGLE
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.errors import SpecError
from unicomp.spec import Model

EMBEDDED = shipped_fixtures() / "embedded" / "model"
FILES = (
    *("config.json", "generation_config.json", "chat_template.jinja"),
    *("tokenizer.json", "tokenizer_config.json"),
)
QUESTION = [{"role": "user", "content": "What is 12 + 30?"}]
OWN_TEMPLATE = (EMBEDDED / "chat_template.jinja").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """The files of the embedded model."""
    made = tmp_path / "model"
    made.mkdir()
    (made / SINGLE).symlink_to(EMBEDDED / SINGLE)
    for name in FILES:
        shutil.copyfile(EMBEDDED / name, made / name)
    return made


def edit(path, change=None, **settings_):
    """Change a JSON file: settings of `...` are removed, `change` gets the content."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if change is not None:
        change(content)
    for name, value in settings_.items():
        content.pop(name, None)
        if value is not ...:
            content[name] = value
    path.write_text(json.dumps(content), encoding="utf-8")


def tokenizer(folder, change=None, **settings_):
    edit(folder / "tokenizer.json", change, **settings_)


def template(folder, text):
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")


def noted(folder, part, baseline=EMBEDDED):
    """Whether exactly one note on a checkpoint has a part."""
    notes = check_tokenizer(folder, baseline)
    assert all("\n" not in note for note in notes)
    return sum(part in note for note in notes) == 1


def refused(folder, part, baseline=EMBEDDED):
    """Whether a checkpoint is refused in one line with a part."""
    with pytest.raises(SpecError) as error:
        check_tokenizer(folder, baseline)
    line = str(error.value)
    assert "\n" not in line
    assert str(folder) in line
    return part in line


def at_most_one_line(folder):
    """Whether a checkpoint is taken, or refused in one line."""
    try:
        return bool(check_tokenizer(folder, EMBEDDED)) or True
    except SpecError as error:
        return "\n" not in str(error)


def ids(folder, text):
    loaded = load_tokenizer(folder, Model(name="it", source=str(folder)))
    return loaded.encode(text)


def test_nothing_is_said_of_the_base_model_and_its_copy(folder):
    assert check_tokenizer(EMBEDDED) == []
    assert check_tokenizer(folder, EMBEDDED) == []


# -- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LlamaTokenizerFast", "LlamaTokenizer", "T5TokenizerFast"])
def test_a_class_that_changes_the_tokens_is_not_used_and_named(folder, name):
    edit(folder / "tokenizer_config.json", tokenizer_class=name, backend=...)
    assert noted(folder, f"class {name} does not keep to tokenizer.json")
    mine, base = read_tokenizer(folder), read_tokenizer(EMBEDDED)
    for text in PROBES:
        assert mine.encode(text) == base.encode(text)
    assert (mine.bos_token, mine.eos_token, mine.pad_token) == ("<|bos|>", "<|eos|>", "<|pad|>")


@pytest.mark.parametrize(
    "name", ["TokenizersBackend", "PreTrainedTokenizerFast", "NoSuchTokenizer"]
)
def test_a_class_that_reads_the_file_is_not_mentioned(folder, name):
    edit(folder / "tokenizer_config.json", tokenizer_class=name)
    assert check_tokenizer(folder, EMBEDDED) == []


def lower(content):
    content["normalizer"] = {"type": "Lowercase"}


def without_spaces(content):
    content["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": ""}


def joined_lines(content):
    content["normalizer"] = {"type": "Replace", "pattern": {"String": "\n"}, "content": " "}


def without_digits(content):
    content["normalizer"] = {"type": "Replace", "pattern": {"Regex": "[0-9]"}, "content": ""}


def without_decoder(content):
    content["decoder"] = None


def without_bytes(content):
    """The tokens of the bytes of other scripts are gone."""
    vocabulary = content["model"]["vocab"]
    kept = {token for token in vocabulary if token.isascii() or token[0] in "ĠĊ"}
    content["model"]["vocab"] = {token: vocabulary[token] for token in vocabulary if token in kept}
    content["model"]["merges"] = [
        pair for pair in content["model"]["merges"] if set(pair) | {"".join(pair)} <= kept
    ]


@pytest.mark.parametrize(
    "change", [lower, without_spaces, joined_lines, without_digits, without_decoder, without_bytes]
)
def test_a_tokenizer_that_loses_text_is_refused(folder, change):
    tokenizer(folder, change)
    assert refused(folder, "loses text that the baseline's keeps")


@pytest.mark.parametrize("change", [without_spaces, without_digits])
def test_a_baseline_that_loses_words_is_refused(folder, change):
    tokenizer(folder, change)
    assert refused(folder, "loses text", baseline=None)


def test_a_baseline_may_normalise(folder):
    tokenizer(folder, lower)
    assert noted(folder, "does not give back", baseline=None)
    assert check_tokenizer(folder, folder) == []


def prefix_space(content):
    content["normalizer"] = {"type": "Prepend", "prepend": " "}


def fewer_merges(content):
    del content["model"]["merges"][200:]


def swapped(content):
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["e"] = vocabulary["e"], vocabulary["a"]


@pytest.mark.parametrize("change", [prefix_space, fewer_merges, swapped])
def test_other_tokens_for_the_same_text_are_named(folder, change):
    tokenizer(folder, change)
    assert noted(folder, f"of {len(PROBES)} sample texts: prompts differ")


def shifted(content):
    """Each special token but the last takes the id of the next one."""
    names = [one["content"] for one in content["added_tokens"]]
    for one, name in zip(content["added_tokens"], [*names[1:], names[0]], strict=True):
        one["content"] = name
    vocabulary = content["model"]["vocab"]
    vocabulary |= dict(zip([*names[1:], names[0]], range(len(names)), strict=True))


def test_special_tokens_with_other_ids_are_named(folder):
    tokenizer(folder, shifted)
    notes = " ".join(check_tokenizer(folder, EMBEDDED))
    assert "sample conversations" in notes
    assert "prompts differ" in notes


def added(number, content, *, special):
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, "special": special, **flags}


def test_tokens_beyond_the_embeddings_are_refused(folder):
    tokenizer(folder, lambda c: c["added_tokens"].append(added(1024, "Question?", special=False)))
    assert refused(folder, "beyond the 1,024 rows of the embeddings, such as 'Question?'")


def test_a_smaller_vocabulary_than_the_tokenizer_knows_is_refused(folder):
    edit(folder / "config.json", vocab_size=1000)
    assert refused(folder, "24 token(s) beyond the 1,000 rows")


def test_an_end_token_beyond_the_embeddings_is_refused(folder):
    edit(folder / "tokenizer_config.json", eos_token="<|finis|>")
    assert refused(folder, "'<|finis|>' with id 1,024")


def test_a_special_token_that_no_prompt_contains_may_lie_beyond(folder):
    """As of text models whose tokenizer also knows a token for images."""
    tokenizer(folder, lambda c: c["added_tokens"].append(added(1024, "<image>", special=True)))
    assert noted(folder, "<image> lie beyond")


def test_a_padding_token_beyond_the_embeddings_is_not_used(folder):
    edit(folder / "tokenizer_config.json", pad_token="[PAD]")
    assert noted(folder, "[PAD] lie beyond")
    loaded = load_tokenizer(folder, Model(name="it", source=str(folder)))
    assert loaded.tokenizer.pad_token_id == 2


# -- beginnings and ends ---------------------------------------------------------------------------


def adds(content, place, token, number):
    """Have the tokenizer put a special token before or behind every text."""
    processor = content["post_processor"]
    processor["single"].insert(place, {"SpecialToken": {"id": token, "type_id": 0}})
    processor["special_tokens"][token] = {"id": token, "ids": [number], "tokens": [token]}


def test_no_prompt_ends_with_an_end_token_that_is_not_in_its_text(folder):
    tokenizer(folder, lambda content: adds(content, 1, "<|eos|>", 2))
    assert read_tokenizer(folder).encode("hi")[-1] == 2
    assert noted(folder, "ends a text with <|eos|>, which is left out of prompts")
    for text in (*PROBES, "", "<|bos|><|user|>hi<|assistant|>", "an end<|eos|>"):
        assert ids(folder, text) == ids(EMBEDDED, text)
    assert ids(folder, "an end<|eos|>")[-1] == 2


def test_an_end_token_that_the_class_adds_is_left_out_as_well():
    loaded = load_tokenizer(EMBEDDED, Model(name="it", source=str(EMBEDDED)))
    loaded.tokenizer.add_bos_token = loaded.tokenizer.add_eos_token = True
    plain = ids(EMBEDDED, "hi")
    assert loaded.tokenizer.encode("hi") == [1, *plain, 2]
    assert loaded.encode("hi") == loaded.encode("<|bos|>hi") == [1, *plain]


def test_a_beginning_that_only_one_of_the_two_writes_is_named(folder):
    tokenizer(folder, lambda content: adds(content, 0, "<|bos|>", 1))
    assert noted(folder, "begin with <|bos|>, the baseline's with none")
    assert ids(folder, "hi") == [1, *ids(EMBEDDED, "hi")]
    assert ids(folder, "<|bos|>hi") == [1, *ids(EMBEDDED, "hi")]


def stops(folder):
    return load_tokenizer(folder, Model(name="it", source=str(folder))).stops


def test_a_list_of_end_tokens_is_honoured_and_named(folder):
    edit(folder / "generation_config.json", eos_token_id=[2, 4])
    assert stops(folder) == (2, 4)
    assert noted(folder, "answers end at <|eos|>, <|assistant|>, the baseline's at <|eos|>")


def test_the_end_token_of_the_model_is_used_where_the_tokenizer_has_none(folder):
    edit(folder / "tokenizer_config.json", eos_token=...)
    template(folder, OWN_TEMPLATE.replace("eos_token", "'<|eos|>'"))
    assert noted(folder, "names no end token: answers end at <|eos|>")
    assert stops(folder) == (2,)


def test_the_end_token_of_config_counts_without_a_generation_config(folder):
    (folder / "generation_config.json").unlink()
    assert check_tokenizer(folder, EMBEDDED) == []
    edit(folder / "config.json", eos_token_id=[2, 3])
    assert stops(folder) == (2, 3)


def test_answers_that_nothing_ends_are_named(folder):
    edit(folder / "tokenizer_config.json", eos_token=...)
    for name in ("config.json", "generation_config.json"):
        edit(folder / name, eos_token_id=...)
    template(folder, OWN_TEMPLATE.replace("eos_token", "'<|eos|>'"))
    assert noted(folder, "names an end token")
    assert stops(folder) == ()


def test_an_end_token_that_never_comes_is_named_or_refused(folder):
    edit(folder / "generation_config.json", eos_token_id=[2, 9999])
    assert noted(folder, "9999 lie beyond")
    edit(folder / "tokenizer_config.json", eos_token=...)
    edit(folder / "generation_config.json", eos_token_id=9999)
    template(folder, OWN_TEMPLATE.replace("eos_token", "'<|eos|>'"))
    assert refused(folder, "eos_token_id 9999 lies beyond")


@pytest.mark.parametrize("value", ["2", {}, [None], 2.5, True, [[2]]])
def test_an_end_token_that_is_no_id_is_refused(folder, value):
    edit(folder / "generation_config.json", eos_token_id=value)
    assert refused(folder, "not a token id")


def test_a_lacking_padding_token_is_named_and_changes_nothing(folder):
    edit(folder / "tokenizer_config.json", pad_token=...)
    assert noted(folder, "names no padding token")
    edit(folder / "tokenizer_config.json", pad_token="<|eos|>")
    assert check_tokenizer(folder, EMBEDDED) == []


# -- decoding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {"num_beams": 4},
        {"min_new_tokens": 1},
        {"max_length": 20},
        {"forced_bos_token_id": 1},
        {"suppress_tokens": [5, 6]},
        {"exponential_decay_length_penalty": [5, 1.5]},
        {"stop_strings": ["."]},
        {"do_sample": True},
        {"temperature": 0},
        {"temperature": 0.6},
        {"repetition_penalty": 1.05},
        {"bad_words_ids": [[5]]},
        {"cache_implementation": "static"},
        {"use_cache": False},
        {"a setting of tomorrow": 1},
    ],
)
def test_settings_of_decoding_are_set_aside_and_named(folder, setting):
    edit(folder / "generation_config.json", **setting)
    ((name, value),) = setting.items()
    assert noted(folder, f"set aside from generation_config.json: {name} = {value}")


def test_settings_that_change_nothing_are_not_mentioned(folder):
    neutral = {"num_beams": 1, "temperature": 1.0, "top_k": 50, "min_length": 0, "top_p": 1.0}
    edit(folder / "generation_config.json", **neutral, repetition_penalty=1.0, suppress_tokens=None)
    assert check_tokenizer(folder, EMBEDDED) == []


def test_old_settings_in_config_are_set_aside_too(folder):
    (folder / "generation_config.json").unlink()
    edit(folder / "config.json", num_beams=4)
    assert noted(folder, "set aside from config.json: num_beams = 4")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "version https://git-lfs.github.com"])
def test_a_generation_config_that_is_no_object_is_refused(folder, text):
    (folder / "generation_config.json").write_text(text)
    assert refused(folder, "generation_config.json is not")


# -- templates -------------------------------------------------------------------------------------


def test_a_lost_template_is_named_before_the_run(folder):
    (folder / "chat_template.jinja").unlink()
    assert noted(folder, "no chat template, and its baseline has one: prompts differ")
    assert check_tokenizer(folder, folder) == []


def test_a_new_template_is_named_before_the_run(folder, tmp_path):
    plain = shutil.copytree(folder, tmp_path / "plain")
    (plain / "chat_template.jinja").unlink()
    assert noted(folder, "has a chat template, and its baseline has none", baseline=plain)


def test_a_template_may_lie_in_the_tokenizers_settings(folder):
    (folder / "chat_template.jinja").unlink()
    edit(folder / "tokenizer_config.json", chat_template=OWN_TEMPLATE)
    assert check_tokenizer(folder, EMBEDDED) == []


def test_a_template_that_renders_otherwise_is_named(folder):
    template(folder, OWN_TEMPLATE.replace("<|user|>", "User: "))
    assert noted(folder, "renders 3 of 3 sample conversations")


def test_named_templates_without_a_default_are_used_if_they_are_one(folder):
    (folder / "chat_template.jinja").unlink()
    named = [{"name": name, "template": OWN_TEMPLATE} for name in ("tool_use", "rag")]
    edit(folder / "tokenizer_config.json", chat_template=named)
    assert noted(folder, "'rag' is used")
    named[0]["template"] = "{{ messages[0]['content'] }}"
    edit(folder / "tokenizer_config.json", chat_template=named)
    assert refused(folder, "none is the default")
    named[0]["name"] = "default"
    edit(folder / "tokenizer_config.json", chat_template=named)
    assert noted(folder, "renders 1 of 3 sample conversations (one turn)")


def test_a_further_named_template_changes_nothing(folder):
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text("{{ documents }}")
    assert check_tokenizer(folder, EMBEDDED) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% for", "fails"),
        ("{{ messages | no_such_filter }}", "no_such_filter"),
        ("{{ no_such_function() }}", "undefined"),
        ("{{ messages[0]['content'] / 2 }}", "unsupported operand"),
        ("{{ raise_exception('no, thanks') }}", "no, thanks"),
        ("{% for i in range(10**9) %}{% endfor %}", "Range too big"),
        ("{{ 'a' * 10**11 }}", "too much memory"),
        ("hello", "leaves out the user's text"),
        ("{{ messages[0]['content'] }}{{ range(10**9) | random }}", "fails"),
        ("{{ messages[0]['content'] }}{{ range(10000) | random }}", "something else each time"),
        ("{{ messages[0]['content'] * 20000 }}", "320,000 characters"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_template_that_fails_is_refused_in_one_line(folder, text, why):
    template(folder, text)
    assert refused(folder, why)
    assert refused(folder, "the chat template in")


def test_a_template_without_an_end_is_refused_in_time(folder, monkeypatch):
    monkeypatch.setattr("unicomp.admission.tokenizer.SECONDS", 0.3)
    loop = "{% for i in range(99999) %}"
    template(folder, f"{loop}{loop}{'{% endfor %}' * 2}")
    start = time.monotonic()
    assert refused(folder, "too long")
    assert time.monotonic() - start < 20


def test_a_template_for_one_turn_only_is_named(folder):
    template(
        folder,
        "{{ bos_token }}{% if messages|length > 1 %}{{ raise_exception('One turn') }}{% endif %}"
        "<|user|>{{ messages[0]['content'] }}<|assistant|>",
    )
    assert noted(folder, "takes no conversation with several turns (One turn)")


def test_a_template_that_writes_the_date_is_named_and_always_writes_the_same(folder, monkeypatch):
    template(folder, "{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}" + OWN_TEMPLATE)
    assert noted(folder, "it is always 26 July 2024")
    loaded = load_tokenizer(folder, Model(name="it", source=str(folder)))
    text = loaded.template(QUESTION)
    assert text.startswith("26 Jul 2024 12:00:00.000000<|bos|>")
    assert loaded.template(QUESTION) == text


# -- any content -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{}", b"[]", b"null", b'{"a": 1'])
def test_a_file_with_any_other_content_is_refused_or_named(folder, name, content):
    (folder / name).write_bytes(content)
    assert at_most_one_line(folder)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(FILES))
def test_no_mutation_ends_in_anything_but_one_line(folder, seed, name):
    draw = random.Random(seed)
    for one in FILES:
        shutil.copyfile(EMBEDDED / one, folder / one)
    path = folder / name
    text = path.read_text(encoding="utf-8")
    if name.endswith("jinja") or draw.random() < 0.3:
        at, count = draw.randrange(len(text)), draw.randrange(1, 30)
        path.write_text(
            text[:at] + draw.choice(["", "{", '"', "0", "é", "%}"]) + text[at + count :]
        )
    else:
        content = json.loads(text)
        mutate(content, draw)
        path.write_text(json.dumps(content), encoding="utf-8")
    assert at_most_one_line(folder)


def mutate(content, draw):
    """Replace or remove one value somewhere in a JSON object."""
    while True:
        keys = list(content) if isinstance(content, dict) else range(len(content))
        key = draw.choice(list(keys))
        inner = content[key]
        if isinstance(inner, dict | list) and inner and draw.random() < 0.8:
            content = inner
            continue
        if isinstance(content, dict) and draw.random() < 0.3:
            del content[key]
        else:
            content[key] = draw.choice([None, -1, 0, 10**12, 1.5, "", "x", [], {}, True, ["x"]])
        return

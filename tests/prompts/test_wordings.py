"""Wordings: other ways to ask an item, which leave its right answer as it is."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.performance.test_instruction_following import ifbench
from suites.performance.test_knowledge import arc_easy, mmlu, winogrande
from suites.performance.test_multilingual import global_mmlu_lite
from suites.performance.test_perplexity import wikitext
from suites.performance.test_reasoning import gpqa_diamond, gsm8k
from suites.shipping import test_consistency as shipped
from suites.shipping.test_long_context import ruler_4k
from suites.shipping.test_tool_use import bfcl_simple
from tests.suites.golden import REWORDED, ROWS, WORDED, Chat, worded
from tests.suites.test_golden import examples
from unicomp import Benchmark, Wording, reworded
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.errors import SpecError
from unicomp.prompts.items import Renderer
from unicomp.prompts.sizes import size_of
from unicomp.prompts.tasks import Definition
from unicomp.prompts.wordings import (
    reordered,
    with_other_labels,
    with_typos,
)
from unicomp.testing import Characters


def names(bench):
    return [one.name for one in bench.wordings]


def excited(request):
    return f"{request} Quick!"


# -- the prompts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bench", REWORDED.values(), ids=str)
def test_prompts_are_the_golden_ones(bench):
    assert worded(bench) == (WORDED / f"{bench.name}.txt").read_text(encoding="utf-8")


def test_every_reworded_benchmark_has_a_golden_file():
    declared = {
        one.name
        for one in vars(shipped).values()
        if isinstance(one, Benchmark) and one.metric == "consistency"
    }
    assert declared == set(REWORDED) == {path.stem for path in WORDED.iterdir()}


@pytest.mark.parametrize("bench", REWORDED.values(), ids=str)
def test_each_wording_is_asked_and_changes_the_prompt(bench):
    prompts = {one.doc["wording"]: one.prompt for one in _items(bench)[: len(bench.wordings)]}
    assert list(prompts) == names(bench)
    assert len(set(prompts.values())) == len(prompts)


def _items(bench, tokenizer=None, samples=None, source=ROWS):
    return Renderer(source, samples).items(bench, tokenizer or Characters(Chat()))


@pytest.mark.parametrize(("name", "docstring"), examples([shipped]))
def test_a_docstring_shows_the_item_in_one_of_the_wordings(name, docstring):
    shown = [line[4:] for line in docstring.splitlines() if line.startswith("    ") or not line]
    text = "\n".join(shown).strip()
    assert any(text in one.prompt for one in _items(REWORDED[name], Characters()))


def test_the_plain_wording_is_the_benchmark_itself():
    plain = [one for one in _items(shipped.gsm8k_reworded) if one.doc["wording"] == "plain"]
    own = {one.item: one for one in _items(gsm8k)}
    assert {one.item.partition("@")[0] for one in plain} == set(own)
    for one in plain:
        assert one.key == own[one.item.partition("@")[0]].key


def test_labels_change_in_examples_too_and_frames_do_not():
    asked = {one.doc["wording"]: one for one in _items(shipped.gsm8k_reworded)[:6]}
    assert asked["labels"].prompt.count("[user]\nQuestion: ") == 5
    assert "Q: " not in asked["labels"].prompt
    assert asked["polite"].prompt.count("Would you please") == 1
    assert asked["polite"].prompt.count("[user]\nQ: ") == 4
    assert asked["conversation"].prompt.count("[user]\n") == 6


def test_a_model_that_goes_on_with_the_next_item_is_stopped_at_its_labels():
    asked = {one.doc["wording"]: one for one in _items(shipped.gsm8k_reworded)[:6]}
    assert "Question:" in asked["labels"].requests[0].arguments[1]["until"]
    assert "Question:" not in asked["polite"].requests[0].arguments[1]["until"]


def test_a_model_without_a_chat_template_is_asked_the_same_items_in_plain_text():
    plain = _items(shipped.gsm8k_reworded, Characters())
    assert [one.item for one in plain] == [one.item for one in _items(shipped.gsm8k_reworded)]
    talk = next(one.prompt for one in plain if one.doc["wording"] == "conversation")
    assert "\nMay I ask you something?\nOf course. Please ask.\n\nQ: " in talk


def test_options_in_another_order_keep_the_right_one():
    items = {one.item: one for one in _items(shipped.mmlu_reworded)}
    moved = [one for one in items.values() if one.doc["wording"] == "order"]
    for one in moved:
        plain = items[one.item.replace("@order", "@plain")]
        assert one.doc["choices"] != plain.doc["choices"]
        assert one.doc["choices"][one.doc["answer"]] == plain.doc["choices"][plain.doc["answer"]]
        assert one.right_options == [one.doc["answer"]]
        assert one.cluster == plain.cluster
    assert moved


def test_an_item_is_no_example_of_itself_in_another_order():
    own = replace(mmlu, name="own", shots=1, configs=("astronomy",))
    bench = reworded(own, wordings=("order",))
    for one in _items(bench):
        assert one.prompt.count(one.doc["question"].strip()) == 1


def test_the_options_of_a_sentence_with_a_gap_get_the_same_typo():
    bench = reworded(winogrande, wordings=("typo",))
    for one in _items(bench):
        first, second = ({*request.arguments[0].split()} for request in one.requests[:2])
        assert len(first ^ second) <= 8  # the names in the gap


def test_tools_are_offered_in_every_wording():
    bench = reworded(bfcl_simple)
    assert names(bench) == ["plain", "labels", "polite", "two_instructions", "typo"]
    for one in _items(bench):
        assert one.prompt.startswith("[system]\nYou can call functions.")
    polite = next(one for one in _items(bench) if one.doc["wording"] == "polite")
    assert "[user]\nWould you please" in polite.prompt


# -- which items, and which wordings ---------------------------------------------------------------


def test_samples_count_items_and_take_those_of_the_benchmark_itself():
    source = Source(EMBEDDED_ROWS)
    own = _items(arc_easy, samples=7, source=source)
    items = _items(shipped.arc_easy_reworded, samples=7, source=source)
    assert len(items) == 7 * 4
    assert [one.item.partition("@")[0] for one in items[::4]] == [one.item for one in own]
    assert [one.cluster for one in items[::4]] == [one.cluster for one in own]
    assert [one.doc["wording"] for one in items[:4]] == names(shipped.arc_easy_reworded)


def test_a_plan_counts_what_is_asked():
    size = size_of(Definition(shipped.arc_easy_reworded, Source(EMBEDDED_ROWS)))
    assert (size.items, size.clusters) == (4000, 1000)
    assert (size.limited(7).items, size.limited(7).clusters) == (28, 7)


@pytest.mark.parametrize(
    ("bench", "others"),
    [
        (arc_easy, ["labels", "polite", "typo"]),
        (mmlu, ["labels", "polite", "typo", "order"]),
        (global_mmlu_lite, ["labels", "polite", "typo", "order"]),
        (gsm8k, ["labels", "polite", "conversation", "two_instructions", "typo"]),
        (gpqa_diamond, ["labels", "polite", "conversation", "two_instructions", "typo"]),
    ],
    ids=str,
)
def test_the_wordings_are_those_that_suit_the_benchmark(bench, others):
    assert names(reworded(bench)) == ["plain", *others]


@pytest.mark.parametrize(
    ("bench", "wordings", "message"),
    [
        (
            arc_easy,
            ("order",),
            "cannot be asked in the wording order: its prompts list no",
        ),
        (arc_easy, ("conversation",), "its prompts have no turns, since it has chat=False"),
        (mmlu, ("two_instructions",), "its answers are not generated"),
        (bfcl_simple, ("conversation",), "its prompts offer tools in one turn"),
        (gsm8k, ("polit",), "there is no wording 'polit'; did you mean 'polite'?"),
        (gsm8k, (), "name a wording besides plain"),
        (gsm8k, ("polite", Wording("polite", excited)), "two wordings are called polite"),
        (wikitext, None, "running text asks nothing to be reworded"),
        (shipped.gsm8k_reworded, None, "gsm8k_reworded: it has wordings already"),
        (ruler_4k, None, "ruler_4k: its rows are made, which have one wording"),
    ],
)
def test_a_wording_that_does_not_suit_is_refused_when_it_is_named(bench, wordings, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        reworded(bench, wordings=wordings)


def test_a_wording_needs_a_usable_name_and_a_function():
    with pytest.raises(SpecError, match="wording name 'very polite' is not usable"):
        Wording("very polite", excited)
    with pytest.raises(SpecError, match="wording loud: request must be a function of a text"):
        Wording("loud", "Quick!")


def test_a_wording_of_ones_own_is_asked():
    bench = reworded(ifbench, wordings=(Wording("excited", excited),))
    assert names(bench) == ["plain", "excited"]
    plain, other = _items(bench)[:2]
    assert other.prompt == plain.prompt.replace("\n[assistant]", " Quick!\n[assistant]")


def test_a_wording_that_gives_no_text_is_named():
    bench = reworded(arc_easy, wordings=(Wording("broken", lambda request: None),))
    with pytest.raises(SpecError, match="wording broken gives None: return a text"):
        _items(bench)


def test_rows_without_options_of_a_known_layout_are_refused():
    with pytest.raises(ValueError, match="its rows have no options to reorder; they have question"):
        reordered({"question": "Who?"})
    with pytest.raises(ValueError, match="the answer 'E' of a row names none of its 2 options"):
        reordered({"choices": ["a", "b"], "answer": "E"})


# -- keys -----------------------------------------------------------------------------------------


def test_records_of_a_benchmark_without_wordings_keep_their_keys():
    def identity(bench):
        return Definition(bench, Source(EMBEDDED_ROWS)).identity(lambda path: path.name)

    assert "wordings" not in identity(arc_easy)
    assert identity(shipped.arc_easy_reworded) == {
        **identity(arc_easy),
        "wordings": ["plain", "labels", "polite", "typo"],
    }
    # the code of a user's function is not known, so its records are read again
    assert identity(reworded(arc_easy, wordings=(Wording("excited", excited),))) is None
    assert identity(reworded(arc_easy, wordings=(Wording("polite", excited),))) is None


# -- the texts ------------------------------------------------------------------------------------

COMMON = ("the", "what", "which", "more", "than", "with")
KEPT = ("Drost", "12", "3.50", "x=4", "'that'", "don't", "$the$", "not", "never", "\n")
WORDS = st.sampled_from(COMMON + KEPT)
TEXTS = st.lists(WORDS, max_size=60).map(" ".join)


@given(TEXTS)
def test_a_typo_swaps_letters_of_at_most_two_words_and_of_no_number(text):
    other = with_typos(text)
    assert other == with_typos(text)
    pairs = zip(re.split(r"(\s+)", text), re.split(r"(\s+)", other), strict=True)
    changed = [(one, now) for one, now in pairs if one != now]
    assert len(changed) <= 2
    for one, now in changed:
        assert one in COMMON
        assert (one[0], Counter(one)) == (now[0], Counter(now))
    if set(COMMON) & {*text.split()}:
        assert changed


@pytest.mark.parametrize(
    "text",
    [
        "```python\nthe = what\nfor this in that:\n```",
        "Continue:\n```python\ndef f():\n    return the for the in these",
        '"what is the matter with you"',
        "A. the mouth\nB. the bend\n(C) the bridge\n1. the sea\n0: the door",
        "$the$ `which`",
        "12 15 1,000 x+y",
        "never not",
    ],
)
def test_options_code_and_quotations_have_no_typos(text):
    assert with_typos(text) == text


def test_a_typo_makes_no_other_word():
    for word in ("from", "does", "for", "than"):
        for beginning in ("", "the ", "The which "):
            assert not {"form", "dose", "fro"} & {*with_typos(f"{beginning}{word}").split()}


@given(st.text(alphabet="ab \n", max_size=30), st.text(alphabet="ab \n", max_size=30))
def test_other_labels_change_nothing_but_labels_and_the_lines_before_them(question, end):
    text = f"Question: {question}x\nAnswer:{end}"
    assert with_other_labels(text) == f"Problem: {question}x\n\nSolution:{end}"


def test_a_request_without_labels_gets_one():
    assert with_other_labels("Who paints the door?") == "Request: Who paints the door?"
    assert [with_other_labels(stop) for stop in ("</s>", "\n\n", "Q:")] == [
        *("</s>", "\n\n"),
        "Question:",
    ]


@given(
    st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=10, unique=True),
    st.data(),
    st.sampled_from(["number", "A", "(A)", "digit"]),
    st.booleans(),
)
def test_another_order_is_a_permutation_and_the_right_option_stays_right(
    options, data, kind, in_columns
):
    right = data.draw(st.integers(0, len(options) - 1))

    def named(place):
        letter = "ABCDEFGHIJ"[place]
        return {"number": place, "A": letter, "(A)": f"({letter})", "digit": str(place)}[kind]

    letters = "abcdefghij"
    listed = (
        {f"option_{letters[place]}": option for place, option in enumerate(options)}
        if in_columns
        else {"choices": options}
    )
    doc = {"question": "Which?", **listed, "answer": named(right)}
    other = reordered(doc)
    now = [other[name] for name in listed] if in_columns else other["choices"]
    assert sorted(now) == sorted(options)
    assert all(one != before for one, before in zip(now, options, strict=True))
    assert other["answer"] == named(now.index(options[right]))
    assert other == reordered(doc)
    assert other["question"] == "Which?"

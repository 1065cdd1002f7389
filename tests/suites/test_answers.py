"""Answers: what counts as right, wrong and unreadable in a generated text."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from suites.performance.gpqa import COLUMNS, chosen
from suites.performance.test_reasoning import gpqa_diamond
from suites.shipping import test_requests as requests
from tests.suites.golden import BENCHMARKS, RENDERER, ROWS, question
from unicomp.data.sources import Source
from unicomp.errors import AbsentError, SpecError
from unicomp.prompts.answers import answered_items
from unicomp.prompts.items import Renderer
from unicomp.prompts.tasks import Definition
from unicomp.spec import Item
from unicomp.testing import Characters

FIRST_OF_IFEVAL = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
RIGHT, WRONG, UNPARSED = "right", "wrong", "unparsed"


def judged(name, asked, text, mode="strict"):
    """The reading of an answer to the item whose prompt contains `asked`."""
    bench = BENCHMARKS[name].scored_in(mode)
    (one,) = (one for one in RENDERER.items(bench, Characters()) if asked in question(one))
    (item,) = answered_items([one], [[text]])
    reading = bench.scorer(item)
    if reading.fields["correct"]:
        return RIGHT
    return WRONG if reading.parsed else UNPARSED


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The answer is 20.", RIGHT),
        ("12 + 8 = 20\n#### 20", RIGHT),
        ("20", RIGHT),
        ("She has **20** stones.", RIGHT),
        ("It costs $20.", RIGHT),
        ("First 5, no: 20", RIGHT),
        ("20, which is 8 more than 12", RIGHT),
        ("The answer is 21.", WRONG),
        ("The answer is -20.", WRONG),
        ("The answer is 20.5.", WRONG),
        ("$20.00", RIGHT),
        ("twenty", UNPARSED),
        ("", UNPARSED),
    ],
)
def test_gsm8k_reads_the_number_that_an_answer_ends_in(text, verdict):
    assert judged("gsm8k", "stones", text) == verdict


@pytest.mark.parametrize("text", ["1,234", "1234", "The answer is 1,234.", "#### $1,234"])
def test_gsm8k_takes_thousands_with_and_without_commas(text):
    assert judged("gsm8k", "chairs", text) == RIGHT


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (r"\boxed{\frac{3}{4}}", True),
        (r"so we get $\boxed{\dfrac{3}{4}}$.", True),
        (r"\boxed{0.75}", True),
        (r"\boxed{3/4}", True),
        (r"\boxed{\frac{6}{8}}", True),
        (r"Final Answer: The final answer is $\frac{3}{4}$. I hope it is correct.", True),
        (r"\boxed{\frac{3}{4} \text{ litres}}", True),
        (r"\boxed{x = \frac{3}{4}}", True),
        (r"$\boxed{\frac{1}{2}}$ is too small. The answer is $\boxed{\frac{3}{4}}$.", True),
        (r"\boxed{\frac{4}{3}}", False),
        (r"\boxed{-\frac{3}{4}}", False),
        ("three quarters", False),
        ("", False),
    ],
)
def test_math_takes_equal_values_in_any_form(text, right):
    assert (judged("math_500", "jug", text) == RIGHT) is right


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B).", "B"),
        ("the answer is (b).", "B"),
        ("Answer: B", "B"),
        ("**Answer:** (B)", "B"),
        ("The correct answer is: **B**", "B"),
        ("(B)", "B"),
        ("(A) is too small and (C) too large, which leaves (B)", "B"),
        ("The answer is (A). No, wait: the answer is (B), not (C).", "B"),
        ("The answer is (B). The others, (A) and (C), are not conserved.", "B"),
        ("A gluon is a boson.", None),
        ("The answer is a gluon, which is option (C).", "C"),
        ("The answer is c = 3e8 m/s.", None),
        ("The answer is option B.", "B"),
        (r"The answer is $\boxed{B}$.", "B"),
        (r"\boxed{\text{B}}", "B"),
        (r"So \boxed{(B)}", "B"),
        ("The answer is (E).", None),
        ("", None),
    ],
)
def test_gpqa_reads_the_letter_that_an_answer_settles_on(text, letter):
    assert chosen(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Vitamin C.", "D"),  # and not the C in it
        ("**a gluon**", "B"),
        ("a photon", None),  # twice among the options
        ("A gluon is a boson.", None),
        ("C", "C"),
    ],
)
def test_gpqa_reads_an_answer_that_is_the_text_of_one_option(text, letter):
    assert chosen(text, ["a photon", "a gluon", "a photon", "vitamin C"]) == letter


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The answer is (B).", True),
        ("B)? No. Answer: (b)", True),
        ("The answer is (A).", False),
        ("gluon", True),  # the text of one option names it
        ("photon", False),
        ("a gluon", False),
        ("", False),
    ],
)
def test_gpqa_counts_the_right_letter(text, right):
    assert (judged("gpqa_diamond", "strong force", text) == RIGHT) is right


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Boats bob below; big brown bollards, blue buoys, black barges by blurry bays.", RIGHT),
        ("Boats and boats and boats and boats and boats and boats.", WRONG),
        ("", UNPARSED),
    ],
)
def test_ifbench_checks_the_instructions(text, verdict):
    assert judged("ifbench", "harbour", text) == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("A lamp is lit. It is warm.", RIGHT),
        ("A lamp is lit, and it is warm.", WRONG),
        ("Sure, here it is:\nA lamp is lit. It is warm.", WRONG),  # loosely it is right
        ("", UNPARSED),
    ],
)
def test_ifeval_checks_the_answer_as_it_is(text, verdict):
    assert judged("ifeval", "lamp", text) == verdict


def test_the_loose_reading_of_ifeval_is_beside_its_score():
    loose = "Sure, here it is:\nA lamp is lit. It is warm."
    item = Item(doc=FIRST_OF_IFEVAL, prompt="", responses=(loose,))
    fields = requests.ifeval.scorer(item).fields
    assert (fields["correct"], fields["prompt_level_loose"]) == (0.0, 1.0)
    assert requests.ifeval.details["prompt_level_loose"].columns == ("prompt_level_loose",)


NEW = ("aime_2024", "aime_2025", "gpqa_diamond_zero_shot", "ifeval", "alpaca_eval")


@pytest.mark.parametrize("name", NEW)
def test_rows_that_are_absent_are_named_before_anything_is_built(tmp_path, name):
    definition = Definition(BENCHMARKS[name], Source(str(tmp_path)))
    with pytest.raises(AbsentError, match=f"lacks {definition.dataset}"):
        definition.check()
    (tmp_path / definition.dataset).mkdir(parents=True)
    if definition.named_files:
        with pytest.raises(AbsentError, match=r"there is no .*alpaca_eval_gpt4_base"):
            definition.check()


def test_a_year_of_aime_without_answers_is_refused_in_one_line(tmp_path):
    dataset = "math-ai/aime25"
    shutil.copytree(Path(ROWS.path(dataset)), tmp_path / dataset)
    (file,) = (tmp_path / dataset).glob("*/*.jsonl")
    file.write_text('{"problem": "How many?", "solution": "7"}\n')
    with pytest.raises(SpecError, match=r"aime_2025.*no column 'answer'") as error:
        Renderer(Source(str(tmp_path))).items(BENCHMARKS["aime_2025"], Characters())
    assert "\n" not in str(error.value)


# -- the published filters ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "text", "published"),
    [
        ("gsm8k", "stones", "It costs $20.00", WRONG),  # equal as text
        ("gsm8k", "stones", "20, which is 8 more than 12", WRONG),  # the last number
        ("math_500", "jug", "The answer is 3/4", RIGHT),
        ("math_500", "jug", "a litre, of which 3/4", RIGHT),
        ("gpqa_diamond", "strong force", "The answer is (B). Not (A).", WRONG),  # the last letter
    ],
)
def test_the_published_filters_read_answers_in_compat(name, asked, text, published):
    assert judged(name, asked, text, "compat") == published


# -- GPQA's options -------------------------------------------------------------------------------


def options(source):
    """Question → options in their order, and the right letter."""
    prompted = Renderer(source).items(gpqa_diamond, Characters())
    return {one.doc["Question"]: [*one.doc["choices"], one.doc["answer"]] for one in prompted}


PRINT_OPTIONS = """
import json
from tests.suites.test_answers import ROWS, options
print(json.dumps(options(ROWS)))
"""


@pytest.mark.long
def test_the_order_of_options_is_the_same_in_every_process():
    done = subprocess.run(
        [sys.executable, "-c", PRINT_OPTIONS],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout) == options(ROWS)


def test_the_order_of_options_depends_on_the_row_alone(tmp_path):
    rows = tmp_path / "Idavidrein/gpqa"
    shutil.copytree(Path(ROWS.path("Idavidrein/gpqa")), rows)
    (file,) = rows.glob("*/*.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:0:-1]))
    found = options(Source(str(tmp_path)))
    assert len(found) == len(lines) - 1
    assert found.items() <= options(ROWS).items()


def test_the_right_option_has_the_right_letter_and_none_is_lost():
    letters = set()
    for one in RENDERER.items(gpqa_diamond, Characters()):
        given = [" ".join(one.doc[column].split()) for column in COLUMNS]
        assert sorted(given) == sorted(one.doc["choices"])
        letter = one.doc["answer"].strip("()")
        assert one.doc["choices"]["ABCD".index(letter)] == given[0]
        letters.add(letter)
    assert len(letters) > 1


def test_an_item_is_never_its_own_example():
    prompted = RENDERER.items(gpqa_diamond, Characters())
    questions = [one.doc["Question"].strip() for one in prompted]
    for one in prompted:
        prompt = one.requests[0].arguments[0]
        assert prompt.count("Question:") == 6
        assert prompt.count(one.doc["Question"].strip()) == 1
        assert sum(text in prompt for text in questions) == 6

"""Instructions of IFBench and IFEval: the official verifiers, without their traps."""

import logging
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unicomp
from tests.known_answers.ifbench import INVENTED
from unicomp.errors import ScoringError
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.spec import Item


def read(text, *names, **arguments):
    """The reading of an answer to the named instructions, all with these arguments."""
    doc = {
        "prompt": "Write about lamps.",
        "instruction_id_list": list(names),
        "kwargs": [arguments] * len(names),
    }
    return InstructionsFollowed()(
        Item(doc=doc, prompt="", responses=(text,), answers={}, results={})
    )


def is_followed(text, name, **arguments):
    return read(text, name, **arguments).fields["correct"] == 1.0


# -- the fields -----------------------------------------------------------------------------------


def test_an_item_is_correct_only_when_all_its_instructions_are_followed():
    both = ("format:no_whitespace", "format:output_template")
    reading = read("lamps-glow", *both)
    assert reading.fields == {"correct": 0.0, "prompt_level_strict": 0.0, "followed": 0.5}
    assert reading.parsed
    assert reading.gap is None


def test_a_first_line_of_politeness_is_forgiven_loosely_and_not_strictly():
    reading = read("Here are the first 7:\n14, 21, 28, 35, 42, 49", "custom:multiples")
    assert reading.fields == {"correct": 1.0, "prompt_level_strict": 0.0, "followed": 1.0}


def test_instructions_of_ifeval_are_known_too():
    assert is_followed("lamps and rivers", "punctuation:no_comma")
    assert not is_followed("lamps, rivers", "punctuation:no_comma")


def test_embedded_and_official_instructions_can_stand_in_one_row():
    reading = read("LAMP", "tiny:uppercase", "format:no_whitespace")
    assert reading.fields == {"correct": 1.0, "prompt_level_strict": 1.0, "followed": 1.0}


@pytest.mark.parametrize("text", ["", "  \n ", "<think>lamps", "<think>lamps</think>\n"])
def test_an_answer_that_says_nothing_is_wrong_and_unparsed(text):
    reading = read(text, "format:no_whitespace", "words:start_verb")
    assert reading.fields == {"correct": 0.0, "prompt_level_strict": 0.0, "followed": 0.0}
    assert not reading.parsed
    assert reading.gap is None


def test_thinking_is_no_part_of_the_answer():
    assert is_followed("<think>as short as I can</think>\nlamps", "format:no_whitespace")


def test_an_answer_without_letters_is_parsed():
    assert read("14, 21", "custom:multiples").parsed


# -- rows that cannot be checked ------------------------------------------------------------------


def test_an_unknown_instruction_is_refused_and_not_skipped():
    with pytest.raises(ScoringError, match=r"'words:sing' has no check"):
        read("la", "format:no_whitespace", "words:sing")


def test_an_unknown_instruction_is_refused_also_for_an_empty_answer():
    with pytest.raises(ScoringError, match=r"'words:sing' has no check"):
        read("", "words:sing")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("repeat:repeat_change", {}), ("count:numbers", {"lamps": 3}), ("count:numbers", {"N": "x"})],
)
def test_arguments_that_a_verifier_does_not_take_are_named_on_one_line(name, arguments):
    with pytest.raises(
        ScoringError, match=rf"'{name}' does not accept its row's arguments: .+"
    ) as e:
        read("lamps", name, **arguments)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(("names", "kwargs"), [([], []), (["custom:multiples"], [])])
def test_a_row_whose_columns_do_not_match_is_refused(names, kwargs):
    doc = {"instruction_id_list": names, "kwargs": kwargs}
    with pytest.raises(ScoringError, match="a row has"):
        InstructionsFollowed()(Item(doc=doc, prompt="", responses=("",), answers={}, results={}))


# -- arguments ------------------------------------------------------------------------------------


def test_whole_numbers_may_be_stored_as_fractions():
    assert is_followed("Wait. Go lamp.", "sentence:keyword", word="lamp", N=2.0)
    assert is_followed("see the", "repeat:repeat_span", prompt_to_repeat="we see the sea",
                       n_start=1.0, n_end=3.0)  # fmt: skip


def test_a_zero_is_given_and_not_missing():
    asked = {"prompt_to_repeat": "we see the wide sea", "n_start": 0, "n_end": 2.0}
    assert is_followed("we see", "repeat:repeat_span", **asked)
    assert not is_followed("see", "repeat:repeat_span", **asked)


def test_a_missing_argument_is_always_drawn_alike_and_moves_no_other_draw():
    text = "... lamp\n... river\n!?!? lamp\n!?!? river"  # two of the four that are drawn from
    readings = set()
    for seed in range(20):
        random.seed(seed)
        expected = random.random()
        random.seed(seed)
        readings.add(is_followed(text, "format:list"))
        assert random.random() == expected
    assert len(readings) == 1


@pytest.mark.long
def test_the_language_of_an_answer_is_guessed_alike_each_time():
    name, text = "language:response_language", "la si"  # Spanish about as often as Catalan
    readings = {read(text, name, language="es").fields["prompt_level_strict"] for _ in range(40)}
    assert len(readings) == 1


# -- missing data, unexpected answers --------------------------------------------------------------


def test_missing_nltk_data_is_a_gap_that_names_the_data(monkeypatch):
    import nltk

    def tokenize(text):
        return nltk.data.find("tokenizers/lamp_tab")

    monkeypatch.setattr(nltk, "word_tokenize", tokenize)
    reading = read("Lamps Glow", "format:title_case", "format:no_whitespace")
    assert reading.gap == "needs NLTK data lamp_tab: python -m nltk.downloader lamp_tab"
    assert reading.fields == {"correct": 0.0, "prompt_level_strict": 0.0, "followed": 0.0}


def test_nltk_data_that_cannot_be_read_is_a_gap(monkeypatch):
    import nltk

    def tokenize(text):
        raise PermissionError("NLTK will not read\n'lamp_tab'")

    monkeypatch.setattr(nltk, "word_tokenize", tokenize)
    assert read("Lamps", "format:title_case").gap == (
        "cannot read its NLTK data: PermissionError: NLTK will not read 'lamp_tab'"
    )


def test_a_verifier_that_fails_on_an_answer_says_not_followed():
    """`format:quote_unquote` raises IndexError, a LookupError like that of missing data."""
    reading = read("12.5", "format:quote_unquote")
    assert reading.gap is None
    assert reading.fields["correct"] == 0.0


def test_verifiers_log_nothing(caplog):
    with caplog.at_level(logging.DEBUG):
        read("12 + 13", "language:response_language", language="de")
    assert caplog.records == []
    logging.getLogger("unicomp").error("still heard")
    assert [record.message for record in caplog.records] == ["still heard"]


def followed_or_gap(doc, text):
    reading = InstructionsFollowed()(
        Item(doc=doc, prompt="", responses=(text,), answers={}, results={})
    )
    assert set(reading.fields) == {"correct", "prompt_level_strict", "followed"}
    assert (
        reading.fields["prompt_level_strict"]
        <= reading.fields["correct"]
        <= reading.fields["followed"]
    )
    assert reading.gap is None or reading.gap.startswith("needs NLTK data ")


ODD = st.text(alphabet=" \n\t.,!?;:*-\"'<>()[]{}0aAbz/\\|日😀²İ\x00\x85")


@pytest.mark.long
@given(st.sampled_from(INVENTED), st.one_of(st.text(), ODD))
@settings(deadline=None, max_examples=500)
def test_no_answer_stops_a_run(doc, text):
    followed_or_gap(doc, text)


@pytest.mark.long
@pytest.mark.parametrize(
    "unit",
    ["the same thing. ", "a", "\n", "a\n\n", "* ", '"', "(", "!?", "😀. ", "Question 1.\n"],
    ids=repr,
)
def test_no_verifier_hangs_on_a_model_that_repeats_itself(unit):
    text = (unit * 10_000)[:10_000]
    for doc in {doc["instruction_id_list"][0]: doc for doc in INVENTED}.values():
        begun = time.process_time()
        followed_or_gap(doc, f"Question{text}")
        followed_or_gap(doc, text)
        assert time.process_time() - begun < 20, doc["instruction_id_list"]


# -- loading --------------------------------------------------------------------------------------


def alone(code):
    """The output and the errors of a fresh interpreter without NLTK data and without a network."""
    guard = """
import os, socket, sys
for name in [name for name in os.environ if name.startswith("NLTK")]:
    del os.environ[name]
def refuse(*arguments, **named):
    sys.stderr.write("the network was tried\\n")
    raise OSError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""
    done = subprocess.run(
        [sys.executable, "-c", guard + code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(unicomp.__file__).parent.parent,
    )
    return done.stdout, done.stderr


@pytest.mark.long
def test_verifiers_load_silently_and_download_nothing():
    out, errors = alone(
        """
import nltk
nltk.data.path.clear()
download = nltk.download
from unicomp.scoring.verifiers import compliance
print(compliance("format:no_whitespace", {}, "lamps").strict, nltk.download is download)
print(compliance("format:title_case", {}, "Lamps").gap)
"""
    )
    assert errors == ""
    assert out.splitlines() == [
        "True True",
        "needs NLTK data punkt_tab: python -m nltk.downloader punkt_tab",
    ]


def test_embedded_rows_do_not_load_the_official_verifiers():
    out, _ = alone(
        """
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.spec import Item
doc = {"instruction_id_list": ["tiny:uppercase"], "kwargs": [{}]}
item = Item(doc=doc, prompt="", responses=("LAMP",), answers={}, results={})
print(InstructionsFollowed()(item).fields["correct"])
print([name for name in ("if_verifiable", "nltk", "langdetect") if name in sys.modules])
"""
    )
    assert out.splitlines() == ["1.0", "[]"]

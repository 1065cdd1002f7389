"""IFBench's known answers against the official verifiers, through the project's scorer."""

import os
from pathlib import Path

import pytest

from tests.known_answers.ifbench import INVENTED, SINGLE, conforming, violating
from unicomp.scoring.instructions import InstructionsFollowed
from unicomp.spec import Item

ROOT = os.environ.get("UNICOMP_DATASET_ROOT")


def read(doc, text):
    return InstructionsFollowed()(
        Item(doc=doc, prompt="", responses=(text,), answers={}, results={})
    )


def label(doc):
    given = [str(value) for one in doc["kwargs"] for value in one.values() if value is not None]
    return " ".join([*doc["instruction_id_list"], *given])[:60]


def test_each_of_the_58_instructions_has_a_maker_and_an_invented_row():
    alone = {doc["instruction_id_list"][0] for doc in INVENTED if len(doc["kwargs"]) == 1}
    assert alone == set(SINGLE)
    assert len(alone) == 58


@pytest.mark.parametrize("doc", INVENTED, ids=label)
def test_a_conforming_answer_follows_all_instructions_also_strictly(doc):
    reading = read(doc, conforming(doc))
    if reading.gap:
        pytest.skip(reading.gap)
    assert reading.fields == {"correct": 1.0, "prompt_level_strict": 1.0, "followed": 1.0}
    assert reading.parsed


@pytest.mark.parametrize("doc", INVENTED, ids=label)
def test_a_violating_answer_is_wrong(doc):
    text = violating(doc)
    if text is None:
        assert doc["instruction_id_list"] == ["format:sub-bullets"]
        return
    reading = read(doc, text)
    if reading.gap:
        pytest.skip(reading.gap)
    assert reading.fields["correct"] == 0.0
    assert reading.parsed


def test_what_cannot_be_met_has_no_conforming_answer():
    def answer(*names, **arguments):
        return conforming(
            {"prompt": "", "instruction_id_list": names, "kwargs": [arguments] * len(names)}
        )

    assert answer("count:word_count_range", min_words=9, max_words=8) is None
    assert answer("count:conjunctions", small_n=8) is None
    assert answer("format:options", "format:newline", options="I know or I doubt") is None
    assert answer("words:sing") is None


@pytest.mark.skipif(not ROOT, reason="needs a mirror of the hub's rows: set UNICOMP_DATASET_ROOT")
def test_real_rows_tell_conforming_from_violating_answers():
    from datasets import load_dataset

    rows = load_dataset(str(Path(ROOT) / "allenai/IFBench_test"), split="train")
    wrong, unanswered, unbroken = [], [], []
    for doc in rows:
        for text, expected, without in (
            (conforming(doc), 1.0, unanswered),
            (violating(doc), 0.0, unbroken),
        ):
            if text is None:
                without.append(doc["key"])
                continue
            reading = read(doc, text)
            if reading.gap:
                assert reading.gap.startswith("needs NLTK data")
            elif reading.fields["correct"] != expected:
                wrong.append((doc["key"], text))
    assert wrong == []
    assert len(unanswered) <= 0.01 * len(rows), unanswered
    assert len(unbroken) <= 0.05 * len(rows), unbroken

"""The texts of items are kept when they are measured, and found later by the records alone."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from suites.performance.test_knowledge import arc_easy
from suites.reliability.test_safety import misuse
from unicomp import Reading
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines import EngineSettings
from unicomp.item_records import RecordSource
from unicomp.item_texts import read_texts, texts_of
from unicomp.measuring import Conditions, measure
from unicomp.prompts.items import Renderer
from unicomp.spec import DENSE, Model
from unicomp.store import ITEMS, SCORES, Store
from unicomp.testing import Characters

MODEL = Model(name="m", source=str(shipped_fixtures() / "embedded" / "model"))


class Polite:
    """An engine that refuses everything."""

    def answer(self, requests):
        return ["I cannot help with that." for _ in requests]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


@pytest.fixture
def measured(store):
    """The records of a benchmark and their key; the checkpoint is asked only what is not known."""
    checkpoint = Builder(store=store, roots=()).find(MODEL, DENSE, None)

    def measured(bench=misuse):
        conditions = Conditions(store, Source("embedded"), EngineSettings(), samples=4)
        found = measure(
            checkpoint, [bench], conditions, open_engine=lambda _: nullcontext(Polite())
        )
        return found.records[bench.name], found.keys[bench.name]

    return measured


def test_texts_are_kept_when_items_are_measured_and_found_without_rendering(
    store, measured, monkeypatch
):
    records, key = measured()
    found = read_texts(store, records)
    assert found.items == records.items
    assert all("<|user|>" in prompt for prompt in found.prompts)
    assert found.characters == [len(prompt) for prompt in found.prompts]
    monkeypatch.setattr(Renderer, "items", lambda *given: pytest.fail("an item is rendered"))
    assert measured() == (records, key)


def test_the_texts_are_there_once_for_answers_to_the_same_prompts(store, measured):
    records, _ = measured()
    assert len(list((store.home / ITEMS).iterdir())) == 1
    other = replace(records, answers={}, fields={"correct": [0.0] * 4})
    assert read_texts(store, other) == read_texts(store, records)


@pytest.mark.parametrize("damage", ['{"benchmark": "misuse"}', "[", "{}", "3"])
def test_texts_that_are_gone_or_damaged_are_no_error(store, measured, damage):
    records, _ = measured()
    (file,) = (store.home / ITEMS).iterdir()
    file.write_text(damage)
    assert read_texts(store, records) is None
    file.unlink()
    assert read_texts(store, records) is None


def test_texts_of_other_items_are_not_taken(store, measured):
    records, _ = measured()
    assert read_texts(store, replace(records, items=records.items[::-1])) is None


class Mine:
    """A scorer whose code UniComp does not know; it cannot score some items."""

    def __init__(self, gap=None):
        self.gap = gap

    def read_all(self, items, instruments):
        return [Reading(fields={"correct": 1.0}, gap=self.gap) for _ in items]


@pytest.mark.parametrize("scorer", [Mine(), Mine("no judge")], ids=["own", "gap"])
def test_records_that_no_later_run_may_use_are_kept_for_the_scorecard(store, measured, scorer):
    records, key = measured(replace(misuse, scorer=scorer))
    assert RecordSource(store=store)._find(key) == records
    assert measured(replace(misuse, scorer=scorer)) == (records, key)
    assert len(list((store.home / SCORES).iterdir())) == 1


def test_the_texts_say_what_the_task_calls_right():
    renderer = Renderer(Source("embedded"), samples=4)
    found = texts_of("arc_easy", renderer.items(arc_easy, Characters()))
    assert all(right in options for right, options in zip(found.right, found.options, strict=True))

"""Stored readings are used again only while all code that reads answers is UniComp's own."""

from dataclasses import dataclass, replace

import pytest

from suites.reliability.test_safety import misuse
from unicomp import Reading, Responded, WithColumns
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines import EngineSettings
from unicomp.measuring import Conditions, records_key
from unicomp.spec import DENSE, Model
from unicomp.store import Store


@dataclass(frozen=True)
class Mine:
    """A scorer whose code UniComp does not know."""

    def read_all(self, items, instruments):
        return [Reading(fields={"correct": 1.0}) for _ in items]


class Extended(Responded):
    """A user's change to a shipped scorer."""


@pytest.fixture
def key(tmp_path):
    """The key of the readings of a benchmark with some scorer."""
    store = Store(tmp_path / "home")
    model = Model(name="m", source=str(shipped_fixtures() / "embedded" / "model"))
    checkpoint = Builder(store=store, roots=()).find(model, DENSE, None)
    conditions = Conditions(store, Source("embedded"), EngineSettings(), samples=4)
    return lambda scorer: records_key(checkpoint, replace(misuse, scorer=scorer), conditions)


def test_readings_of_a_shipped_scorer_are_found_by_its_settings(key):
    refusal = key(WithColumns(Responded("refusal"), ("source",)))
    assert refusal is not None
    assert refusal == key(WithColumns(Responded("refusal"), ("source",)))
    assert refusal != key(WithColumns(Responded("answer"), ("source",)))


@pytest.mark.parametrize(
    "scorer",
    [
        Mine(),
        Extended("refusal"),
        WithColumns(Mine(), ("source",)),
        WithColumns(WithColumns(Mine(), ()), ("source",)),
        lambda item: Reading(fields={"correct": 1.0}),
    ],
    ids=["own", "extended", "inside", "deep-inside", "function"],
)
def test_answers_are_read_again_where_any_part_of_the_scorer_is_a_users(key, scorer):
    assert key(scorer) is None

"""Stored readings are used again only while all code that reads answers is UniComp's own."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from suites.reliability.test_safety import misuse
from suites.shipping.test_code import humaneval
from unicomp import ProgramPasses, Reading, Responded, UnmeasuredError, WithColumns
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source, shipped_fixtures
from unicomp.engines import EngineSettings
from unicomp.instruments.assembly import default_instruments
from unicomp.measuring import Conditions, measure, records_key
from unicomp.sandbox import Limits
from unicomp.sandbox.checking import Bubblewrap
from unicomp.spec import DENSE, Model
from unicomp.store import Store

INVENTED = str(Path(__file__).parent / "suites" / "rows")


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
    checkpoint, conditions = _measured_on(tmp_path, "embedded")
    return lambda scorer: records_key(checkpoint, replace(misuse, scorer=scorer), conditions)


def _measured_on(folder, rows, sandbox=None):
    """The embedded model, and the conditions of a session on some rows."""
    store = Store(folder / "home")
    model = Model(name="m", source=str(shipped_fixtures() / "embedded" / "model"))
    checkpoint = Builder(store=store, roots=()).find(model, DENSE, None)
    instruments = replace(default_instruments(), sandbox=sandbox or Bubblewrap())
    return checkpoint, Conditions(store, Source(rows), EngineSettings(), 4, instruments)


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


@dataclass(frozen=True)
class Scripted:
    """A sandbox of some version, or one that does not work."""

    version: str = ""

    @property
    def identity(self):
        return {"sandbox": self.version}

    def why_unusable(self):
        return None if self.version else "no sandbox: install it"


def test_readings_of_programs_are_made_again_in_another_sandbox(tmp_path):
    def key(version, **limits):
        measured = _measured_on(tmp_path, INVENTED, Scripted(version))
        bench = replace(humaneval, scorer=ProgramPasses(Limits(**limits)))
        return records_key(measured[0], bench, measured[1])

    assert key("1") == key("1")
    assert len({key("1"), key("2"), key("1", cpu_seconds=9)}) == 3


def test_without_a_sandbox_no_program_is_asked_for(tmp_path):
    def open_engine(tokens):
        raise AssertionError("the model was loaded")

    checkpoint, conditions = _measured_on(tmp_path, INVENTED, Scripted())
    found = measure(checkpoint, [humaneval], conditions, open_engine=open_engine)
    assert isinstance(found.records["humaneval"], UnmeasuredError)
    assert str(found.records["humaneval"]) == "no sandbox: install it"

"""Instruments are made as the settings say, and do nothing before they must."""

import json
import subprocess
import sys

import pytest

from unicomp.errors import SpecError
from unicomp.instruments import Instruments
from unicomp.instruments.assembly import (
    InstrumentSettings,
    JudgeSettings,
    RefusalSettings,
    SimilaritySettings,
    default_instruments,
    make_instruments,
)
from unicomp.instruments.judge import EndpointJudge
from unicomp.instruments.refusal_models import ClassifierDetector, JudgeDetector
from unicomp.instruments.refusal_rules import RuleDetector
from unicomp.instruments.similarity import (
    EndpointSimilarity,
    LexicalSimilarity,
    SentenceTransformerSimilarity,
)
from unicomp.store import Store

JUDGE = JudgeSettings(url="http://localhost:1/v1", model="m", key_env="NOT_SET_ANYWHERE")


@pytest.fixture
def make(tmp_path):
    return lambda **choice: make_instruments(InstrumentSettings(**choice), Store(tmp_path / "home"))


def test_the_default_needs_nothing(make):
    found = make()
    assert found == default_instruments()
    assert isinstance(found, Instruments)
    assert isinstance(found.refusals, RuleDetector)
    assert isinstance(found.similarity, LexicalSimilarity)
    assert found.judge is None
    assert found.mode == "strict"
    assert found.identity == default_instruments().identity


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (
            SimilaritySettings(kind="sentence-transformers", model="x"),
            SentenceTransformerSimilarity,
        ),
        (SimilaritySettings(kind="endpoint", url="http://h/v1", model="x"), EndpointSimilarity),
    ],
)
def test_similarity_is_measured_as_chosen(make, choice, kind):
    assert isinstance(make(similarity=choice).similarity, kind)


def test_refusals_are_detected_as_chosen(make):
    found = make(judge=JUDGE, refusals=RefusalSettings(kind="judge"))
    assert isinstance(found.judge, EndpointJudge)
    assert isinstance(found.refusals, JudgeDetector)
    assert make(refusals=RefusalSettings(kind="classifier")).refusals == ClassifierDetector()
    mine = RefusalSettings(kind="classifier", model="org/name", revision="v1", labels=("no", "nay"))
    assert make(refusals=mine).refusals == ClassifierDetector(
        model="org/name", revision="v1", refusal_labels=("no", "nay")
    )


def test_every_choice_has_an_identity_of_its_own_as_json(make):
    choices = [
        {},
        {"mode": "compat"},
        {"judge": JUDGE},
        {"judge": JUDGE, "refusals": RefusalSettings(kind="judge")},
        {"refusals": RefusalSettings(kind="classifier")},
        {"refusals": RefusalSettings(kind="classifier", model="x", labels=("no",))},
        {"similarity": SimilaritySettings(kind="sentence-transformers", model="x")},
        {"similarity": SimilaritySettings(kind="endpoint", url="http://h/v1", model="x")},
    ]
    identities = {json.dumps(make(**choice).identity, sort_keys=True) for choice in choices}
    assert len(identities) == len(choices)


def test_a_judge_of_refusals_must_be_named():
    with pytest.raises(SpecError, match=r"needs the table \[judge\]"):
        InstrumentSettings(refusals=RefusalSettings(kind="judge"))


def test_making_them_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from unicomp.instruments.assembly import *\n"
        "from unicomp.store import Store\n"
        "judge = JudgeSettings(url='http://localhost:1/v1', model='m')\n"
        "similar = SimilaritySettings(kind='sentence-transformers', model='x')\n"
        "chosen = InstrumentSettings(judge=judge, similarity=similar)\n"
        "make_instruments(chosen, Store(Path(sys.argv[1])))\n"
        "print([n for n in ('torch', 'httpx', 'numpy', 'transformers') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

"""Any benchmark can be asked in other wordings: right answers stay right, and wrong ones wrong."""

from dataclasses import replace

import numpy as np
import pytest

from tests.known_answers.answers import ANSWERS
from tests.known_answers.judge import KNOWING_JUDGE
from tests.known_answers.test_definitions import BENCHMARKS, SOURCES
from unicomp import reworded
from unicomp.data.sources import Source
from unicomp.errors import UnicompError
from unicomp.instruments.assembly import default_instruments
from unicomp.prompts.tasks import Definition
from unicomp.sandbox.running import why_unusable
from unicomp.scores import score_of
from unicomp.scoring.scorers import runs_programs
from unicomp.testing import AntiOracle, Oracle, Trial

PLAIN = [name for name, one in BENCHMARKS.items() if not one.wordings and name in ANSWERS]


@pytest.mark.long
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("where", ["embedded", "invented"])
def test_known_answers_score_alike_in_every_wording(name, where):
    own, source = BENCHMARKS[name], Source(SOURCES[where])
    try:
        Definition(own, source).check()
    except UnicompError as error:
        pytest.skip(f"{error}")
    if runs_programs(own.scorer) and (reason := why_unusable()):
        pytest.skip(reason)
    settings = {
        "rows": source.name,
        "samples": 20,
        "instruments": replace(default_instruments(), judge=KNOWING_JUDGE),
    }
    bench = reworded(own)
    trial, plain = Trial(bench, **settings), Trial(own, **settings)
    for engine in (Oracle(ANSWERS[name]), AntiOracle(ANSWERS[name])):
        records, expected = trial.records(engine), plain.records(engine)
        weights = np.ones((1, len(records.items)))
        score = score_of(own, expected, np.ones((1, len(expected.items))))
        for one in bench.aggregate.alternatives:
            found = score_of(replace(bench, aggregate=one), records, weights)
            assert found == pytest.approx(score, nan_ok=True)

"""Several checkpoints compressed elsewhere: each is judged against the model it belongs to."""

from __future__ import annotations

import json
import shutil

import pytest

from unicomp.data.sources import shipped_fixtures
from unicomp.errors import SpecError
from unicomp.plugin.options import _model_named
from unicomp.policy import parse_floor_options
from unicomp.spec import Model


@pytest.fixture
def family(new_gate, tmp_path):
    """A gate with two base models of one shape, and a student of each."""
    gate = new_gate(tmp_path / "home")
    for name in ("one", "two", "of_one", "of_two"):
        shutil.copytree(shipped_fixtures() / "embedded" / "model", gate.folder / name)
    config = gate.folder / "of_one" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"_name_or_path": "me/one"}))
    return gate


BASES = ("--model", "one", "--model", "two", "--dataset-root=embedded", "-k", "arc_easy")


def test_each_is_judged_against_its_own_model(family):
    run = family.run(*BASES, "--co", "-q", "--checkpoint", "of_one", "--checkpoint", "two=of_two")
    assert run.status == 0, run.text
    ids = [line.partition("[")[2].rstrip("]") for line in run.lines if "::" in line]
    assert ids == [
        *("one-dense-arc_easy", "one-of_one-arc_easy"),
        *("two-dense-arc_easy", "two-of_two-arc_easy"),
    ]


REFUSED = {
    "unknown": (["--checkpoint", "of_two"], "give --checkpoint MODEL=of_two, such as one=of_two"),
    "not-there": (["--checkpoint=./none", "--checkpoint=of_one"], "no model folder ./none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_known_or_not_there_is_refused(family, case):
    arguments, message = REFUSED[case]
    run = family.run(*BASES, *arguments)
    assert run.status == 4, run.text
    assert message in run.text


def test_a_model_is_named_by_its_option_or_its_name_and_a_path_may_have_the_sign(tmp_path):
    model = Model(name="base", source="/x/base")
    models = {"./base": model}
    assert _model_named("base=./w4", models) == (model, "./w4")
    assert _model_named("./base=lr=3/w4", models) == (model, "lr=3/w4")
    (tmp_path / "base=w4").mkdir()
    assert _model_named(f"{tmp_path}/base=w4", models) == (None, f"{tmp_path}/base=w4")
    with pytest.raises(SpecError, match="no model of this run is called 'bse'; did you mean"):
        _model_named("bse=./w4", models)


def test_a_second_floor_of_a_name_is_refused():
    assert parse_floor_options(["safety=9", "safety=9.0"]) == {"safety": 9.0}
    with pytest.raises(SpecError, match="--floor safety is given twice, 9 and 8"):
        parse_floor_options(["safety=9", "safety=8"])

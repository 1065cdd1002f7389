"""Every method on every family of models: what is built holds the guarantees, and answers.

Builds are the real ones, but for one thing: they run in this process, which imports llmcompressor
once, rather than each in its own. `tests/test_checkpoint.py` has that process,
`tests/plugin/test_other_models.py` the whole gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.families import FAMILIES, write_model
from unicomp import catalogue
from unicomp.checkpoint import Builder, Checkpoint
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.engines import EngineSettings
from unicomp.machine import child_process
from unicomp.measuring import Conditions, measure
from unicomp.methods import worker
from unicomp.methods.stored_weights import headers
from unicomp.responses import ResponseLog
from unicomp.retention import retention
from unicomp.scores import Records
from unicomp.spec import DENSE, Method, Model
from unicomp.store import Store

REPOSITORY = Path(__file__).parents[2]
ROOTS = catalogue.roots(REPOSITORY)
SIX = ("wanda_50", "wanda_2_4", "sparsegpt_50", "sparsegpt_2_4", "gptq_w4a16", "awq_w4a16")
BENCHMARKS = [
    bench
    for bench in catalogue.load_benchmarks([REPOSITORY / "suites"])
    if bench.name in ("arc_easy", "gsm8k")
]
"""One whose options are weighed, and one whose answers are generated."""

TEXT = """\
A lamp stands on the table by the window. Ida reads a book until the rain stops.

What is 7 plus 5? 7 + 5 = 12, so the answer is 12.
"""

LIKE_ENOUGH, LITTLE_LIKE = 0.85, 0.35
"""Correlations that quantized and pruned models exceed. One whose experts are mixed up reaches
0.5, one that has lost random halves of its matrices 0.1."""

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]


@dataclass(frozen=True)
class Family:
    """A model of a family, and all that compressing and asking it needs."""

    model: Model
    text: Path
    conditions: Conditions

    def build(self, method: Method) -> Checkpoint:
        calibration = catalogue.load_calibration(str(self.text), ROOTS, Source(EMBEDDED_ROWS))
        store = self.conditions.store
        return Builder(store=store, roots=ROOTS).build(self.model, method, calibration)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "text.txt").write_text(TEXT)
    model = write_model(folder / request.param, request.param)
    engine = EngineSettings(device="cpu")
    conditions = Conditions(Store(folder / "home"), Source(EMBEDDED_ROWS), engine, samples=4)
    return Family(catalogue.load_model(str(model), ROOTS), folder / "text.txt", conditions)


@pytest.fixture(autouse=True)
def build_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(module: str, request: Mapping[str, Any], *, log: Path, **_: Any) -> dict[str, Any]:
        log.touch()
        return worker.build(request, lambda text: None)

    monkeypatch.setattr(child_process, "run", run)


@pytest.mark.parametrize("name", SIX)
def test_a_compressed_model_holds_the_guarantees_and_answers_like_the_model(
    family: Family, name: str
) -> None:
    method = catalogue.load_method(name, ROOTS)
    built = family.build(method)
    guarantees, facts = method.guarantees, built.facts
    assert facts["matrices"] == matrices(family.model)
    assert (facts["bits"], facts["group_size"]) == (guarantees.bits, guarantees.group_size)
    assert facts["sparsity"] == pytest.approx(guarantees.sparsity or 0.0, abs=0.001)
    assert likeness(family.model, built) > (LIKE_ENOUGH if guarantees.bits else LITTLE_LIKE)
    assert_answers(family, built)


def test_the_models_themselves_answer(family: Family) -> None:
    assert_answers(family, family.build(DENSE))


def test_only_models_with_experts_are_mixtures(family: Family) -> None:
    assert family.model.kind == ("moe" if "moe" in family.model.name else "normal")


def matrices(model: Model) -> int:
    """How many matrices its layers have; the router of a mixture does not count."""
    return sum(name.endswith("_proj.weight") for name in headers(Path(model.source)))


def likeness(model: Model, built: Checkpoint) -> float:
    """The correlation of the logits of the model with those of the checkpoint, on `TEXT`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model.source)(TEXT, return_tensors="pt").input_ids
    with torch.no_grad():
        before, after = (
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits
            for folder in (model.source, built.path)
        )
    return float(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1])


def assert_answers(family: Family, built: Checkpoint) -> None:
    """Every item is answered, with likelihoods that are numbers, and every score is one."""
    records = measure(built, BENCHMARKS, family.conditions).records
    for bench in BENCHMARKS:
        own = records[bench.name]
        assert isinstance(own, Records), own
        assert 0.0 <= retention(bench, own, own).score <= 100.0
    log = ResponseLog(family.conditions.store, built, family.conditions.engine)
    answers = [answer for responses in log.read().values() for answer in responses]
    weighed = [answer[0] for answer in answers if not isinstance(answer, str)]
    generated = [answer for answer in answers if isinstance(answer, str)]
    assert len(weighed) == 4 * 4
    assert len(generated) == 4
    assert all(math.isfinite(likelihood) and likelihood < 0 for likelihood in weighed)

"""A build that cannot fit is refused at the start of a session, before anything is built."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unicomp import catalogue
from unicomp.checkpoint import Builder
from unicomp.cluster.unit import Node
from unicomp.data.sources import EMBEDDED_ROWS, Source
from unicomp.engines import EngineSettings
from unicomp.errors import SpecError
from unicomp.methods import footprint
from unicomp.plugin import admitting
from unicomp.plugin.admitting import _check_room
from unicomp.spec import Calibration
from unicomp.store import Store

ROOTS = catalogue.roots(Path(__file__).parents[2])


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(admitting, "gpus", tuple)
    model = catalogue.load_model("embedded", ROOTS)
    conditions = SimpleNamespace(store=Store(tmp_path), source=Source(EMBEDDED_ROWS))
    return SimpleNamespace(
        models=(model,),
        methods=tuple(catalogue.load_method(name, ROOTS) for name in ("dense", "wanda_50")),
        conditions={"embedded": conditions},
        engine=lambda model: EngineSettings(device="cpu"),
        roots=ROOTS,
        calibrations_of=lambda method: ("few",),
        load_calibration=lambda model, name: Calibration(name="few", samples=("a",), tokens=1),
    )


def grid(*methods: str) -> Any:
    return SimpleNamespace(asked={"embedded": methods})


def test_a_build_that_fits_starts_and_torch_is_not_imported(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    _check_room(plan, grid("dense", "wanda_50"))


def test_a_build_that_cannot_fit_is_refused_with_the_arithmetic(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "installed", lambda: 10**8)
    with pytest.raises(SpecError) as refused:
        _check_room(plan, grid("dense", "wanda_50"))
    assert str(refused.value) == (
        "wanda_50 of embedded cannot be built here: memory to build: 5 GB of room to load + 853 kB "
        "of a layer in float32 + 786 kB of work on a matrix + 0 B of activations + 600 MB of "
        "libraries = 5.6 GB, and there are 100 MB; build it where there is more"
    )
    _check_room(plan, grid("dense"))


def test_a_checkpoint_that_is_built_already_needs_no_room(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "installed", lambda: 10**8)
    monkeypatch.setattr(admitting.Builder, "find", lambda *_: object())
    _check_room(plan, grid("dense", "wanda_50"))


def test_a_build_has_to_fit_on_one_node_of_a_cluster(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "installed", lambda: 10**8)
    small = Node(name="small", cpus=1, memory=10**8)
    _check_room(plan, grid("wanda_50"), [small, Node(name="large", cpus=1, memory=10**10)])
    with pytest.raises(SpecError, match=r"cannot be built on any node: memory to build: .* 100 MB"):
        _check_room(plan, grid("wanda_50"), [small])
    model, method = plan.models[0], plan.methods[1]
    builder = Builder(store=plan.conditions["embedded"].store, roots=ROOTS)
    key = builder.key(model, method, plan.load_calibration(model, "few"))
    _check_room(plan, grid("wanda_50"), [replace(small, checkpoints=frozenset({key}))])

"""Whether the nodes of a cluster can do a run: asked of each before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unicomp.cluster.needs import needs_of, travelling
from unicomp.cluster.tasks import CheckTask
from unicomp.cluster.unit import Unit, Workers
from unicomp.engines import EngineSettings
from unicomp.errors import SpecError
from unicomp.spec import Model

_ROUNDS = 3
"""How often a node that nobody has asked is tried: which one takes a unit is not for us to say."""


def check_nodes(workers: Workers, models: Sequence[Model], engine: EngineSettings) -> None:
    """Ask each node that has what is needed whether it has the models, and the device of the run.

    The first model is the dense one, the others are checkpoints of it.

    Raises SpecError for the first thing that is missing, and if no node has what is needed.
    """
    task = CheckTask(models=tuple(models), engine=travelling(engine))
    needs = needs_of(models[0], engine)
    asked: set[str] = set()
    number = 0
    for _ in range(_ROUNDS):
        left = [one for one in workers.nodes if one.has(needs) and one.name not in asked]
        if asked and not left:
            return
        names = set()
        for _ in range(max(len(left), 1)):  # without a node, submitting says what is missing
            number += 1
            name = f"{models[0]}: looking at the nodes, {number}"
            unit = Unit(name=name, kind="check", checkpoint="", needs=replace(needs, alone=True))
            workers.submit(unit, task)
            names.add(name)
        while names:
            for outcome in workers.outcomes(timeout=1.0):
                names.discard(outcome.unit.name)
                if outcome.error is not None:
                    raise SpecError(f"a node of the cluster cannot be used: {outcome.error}")
                if outcome.result:
                    raise SpecError(outcome.result[0])
                asked.add(outcome.node)

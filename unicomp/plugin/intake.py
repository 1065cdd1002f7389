"""Read what was given in other formats into the store, before anything is collected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unicomp.catalogue import CHECKPOINT
from unicomp.checkpoint import compressed_elsewhere
from unicomp.errors import UnicompError
from unicomp.formats.intake import settled
from unicomp.plugin.options import PLAN, Plan
from unicomp.plugin.progress import DISPLAY, Display
from unicomp.spec import Method, Model


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Replace models and checkpoints in other formats by the folders that they are read into.

    One that cannot be read ends the session.
    """
    config = session.config
    if config.option.collectonly:
        return
    try:
        config.stash[PLAN] = _read_in(config.stash[PLAN], config.stash[DISPLAY])
    except UnicompError as error:
        raise pytest.UsageError(str(error)) from None


def _read_in(plan: Plan, display: Display) -> Plan:
    def settle(model: Model, base: Model | None = None) -> Model:
        conditions = plan.conditions[(base or model).name]
        return settled(
            model,
            conditions.store,
            base=base,
            engine=conditions.engine.name,
            device=conditions.engine.resolved_device(),
            threads=conditions.engine.threads,
            narrate=display.show,
            on_wait=display.wait,
        )

    models = tuple(settle(model) for model in plan.models)

    def settle_method(method: Method) -> Method:
        base = next(one for one in models if plan.belongs.get(method.name, one.name) == one.name)
        if (given := compressed_elsewhere(base, method)) is None:
            return method
        found = settle(given, base)
        place = {CHECKPOINT: found.source, "revision": found.revision}
        return replace(method, parameters={**method.parameters, **place})

    return replace(plan, models=models, methods=tuple(map(settle_method, plan.methods)))

"""Read what was given in other formats into the store, before anything is collected."""

from __future__ import annotations

import pytest

from unicomp.catalogue import CHECKPOINT
from unicomp.checkpoint import Builder
from unicomp.errors import UnicompError
from unicomp.plugin.options import PLAN
from unicomp.spec import DENSE


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Read the local models and checkpoints in; one that cannot be read ends the session.

    A model on the hub is fetched and read in when its checkpoint is needed.
    """
    config = session.config
    if config.option.collectonly:
        return
    plan = config.stash[PLAN]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for model in plan.models:
        conditions = plan.conditions[model.name]
        builder = Builder(
            store=conditions.store, roots=plan.roots, threads=conditions.engine.threads
        )
        for method in (DENSE, *(one for one in plan.methods if CHECKPOINT in one.parameters)):
            if not _is_local(method.parameters.get(CHECKPOINT, model.source)):
                continue
            try:
                builder.settle(model, method, reporter.write_line if reporter else print)
            except UnicompError as error:
                raise pytest.UsageError(str(error)) from None


def _is_local(source: str) -> bool:
    return source.startswith("/")

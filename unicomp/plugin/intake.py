"""Settle what was given before anything is collected.

Other formats are read into the store, and servers that answer for a model are probed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from unicomp.catalogue import CHECKPOINT
from unicomp.checkpoint import compressed_elsewhere
from unicomp.data.model_folder import hub_id
from unicomp.data.model_source import locate
from unicomp.engines.endpoint_client import settings_at
from unicomp.errors import UnicompError
from unicomp.formats.intake import settled
from unicomp.instruments.endpoint import ClientSettings
from unicomp.plugin.options import PLAN, Plan
from unicomp.plugin.progress import DISPLAY, Display
from unicomp.spec import Method, Model, Served


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Replace models and checkpoints in other formats by the folders that they are read into.

    Those at a running server get what its probe finds. One that cannot be read, or that does not
    answer, ends the session.
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

    def probe(endpoint: Served, base: Model) -> Served:
        display.show(f"{base}: asking {endpoint} what it gives")
        conditions = plan.conditions[base.name]
        return _probed(endpoint, base, conditions.engine.endpoint)

    def settle_model(model: Model) -> Model:
        if model.endpoint is None:
            return settle(model)
        return replace(model, endpoint=probe(model.endpoint, model))

    models = tuple(map(settle_model, plan.models))

    def settle_method(method: Method) -> Method:
        base = next(one for one in models if plan.belongs.get(method.name, one.name) == one.name)
        if method.endpoint is not None:
            return replace(method, endpoint=probe(method.endpoint, base))
        if (given := compressed_elsewhere(base, method)) is None:
            return method
        found = settle(given, base)
        place = {CHECKPOINT: found.source, "revision": found.revision}
        return replace(method, parameters={**method.parameters, **place})

    methods = tuple(map(settle_method, plan.methods))
    notes = (*plan.notes, *_notes(models, methods, plan.belongs))
    return replace(plan, models=models, methods=methods, notes=notes)


def _probed(endpoint: Served, base: Model, client: ClientSettings) -> Served:
    """The endpoint with all that its probe finds. Raises SpecError."""
    from unicomp.engines.endpoint_probe import found
    from unicomp.engines.tokenizer import load_tokenizer

    settings_at(endpoint, client).credentials()
    tokenizer = load_tokenizer(locate(replace(base, endpoint=endpoint)), base)
    return found(endpoint, hub_id(base) or base.name, client, tokenizer)


def _notes(
    models: Sequence[Model], methods: Sequence[Method], belongs: Mapping[str, str]
) -> Iterator[str]:
    """What a reader has to know of the checkpoints at endpoints."""
    at = {f"{model}": (model.endpoint, model.name) for model in models}
    at |= {f"{one}": (one.endpoint, belongs.get(one.name, "")) for one in methods}
    for name, (endpoint, base) in at.items():
        if endpoint is None:
            continue
        prompts = "token ids" if endpoint.takes_tokens else "texts"
        yield (
            f"{name} is {endpoint}: asked with {prompts}, made by the tokenizer and the chat "
            f"template of {base}"
        )
        if endpoint.no_likelihoods:
            yield f"{name} gives no log-likelihoods: {endpoint.no_likelihoods}"

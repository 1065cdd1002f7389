"""Before anything is built: whether the models and their checkpoints can answer as declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from unicomp.answering import UNDECLARED, Answering
from unicomp.checkpoint import as_it_is, endpoint_of
from unicomp.data.model_source import locate
from unicomp.plugin.grid import Grid
from unicomp.plugin.options import Plan
from unicomp.spec import DENSE, Model


def check_answering(plan: Plan, grid: Grid) -> None:
    """Raise SpecError for template arguments, a budget or sampling that a model cannot have."""
    for model in plan.models:
        declared = plan.conditions[model.name].answering
        if model.name not in grid.asked or declared == UNDECLARED:
            continue
        limits = _limits(plan, grid, model)
        for one in _asked(plan, grid, model):
            _check(plan, one, declared, limits)


def notes_on_answering(plan: Plan) -> list[str]:
    """How each model answers that declares anything, in one line."""
    sampled = plan.settings.engine.sampling == "declared"
    return [
        f"{model} answers with {said}"
        for model in plan.models
        if (said := ", ".join(_said(model.answering, sampled=sampled)))
    ]


def _said(declared: Answering, *, sampled: bool) -> Iterator[str]:
    if declared.template:
        given = ", ".join(f"{name}={value!r}" for name, value in declared.template.items())
        yield f"the template's {given}"
    if declared.thinking_budget:
        yield f"{declared.thinking_budget} tokens for thoughts"
    if declared.declares_sampling and sampled:
        sampling = ", ".join(f"{name} {value:g}" for name, value in declared.decoding.items())
        yield sampling or "greedy decoding"
    elif declared.declares_sampling:
        yield 'greedy decoding, since [engine] sampling = "greedy"'


def _limits(plan: Plan, grid: Grid, model: Model) -> dict[str, int]:
    """Generated benchmark of a model → its most new tokens."""
    found: dict[str, int] = {}
    for name, benchmarks in grid.present().items():
        for bench in benchmarks if name.model == model.name else ():
            definition = plan.conditions[model.name].renderer.definition(bench)
            if definition.generates and definition.max_new_tokens is not None:
                found[bench.name] = definition.max_new_tokens
    return found


def _asked(plan: Plan, grid: Grid, model: Model) -> Iterator[Model]:
    """The model, and its checkpoints that were not made from it here, as models that answer.

    One that is made here has the tokenizer and the context of its model.
    """
    for method in (DENSE, *plan.methods):
        elsewhere = method.compress is None and method.name in grid.asked[model.name]
        if method is DENSE or (elsewhere and method.name != DENSE.name):
            name = model.name if method is DENSE else method.name
            used = replace(as_it_is(model, method), name=name)
            yield replace(used, endpoint=endpoint_of(model, method))


def _check(plan: Plan, one: Model, declared: Answering, limits: Mapping[str, int]) -> None:
    from unicomp.engines.answering import check_budget, check_sampling, check_template
    from unicomp.engines.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(locate(one), one, declared.template)
    check_template(one.name, declared.template, tokenizer)
    server = one.endpoint.context if one.endpoint is not None else None
    context = min(tokenizer.context, server or tokenizer.context)
    check_budget(one.name, declared.thinking_budget, limits, context)
    if plan.settings.engine.sampling == "declared":
        check_sampling(one.name, declared.decoding, one.endpoint)

"""Prompts: they are those of the golden files, to the byte."""

import ast
import inspect
from itertools import pairwise

import pytest

from tests.suites.golden import (
    BENCHMARKS,
    FOLDER,
    MODULES,
    Characters,
    Chat,
    first_items,
    rendered,
)
from unicomp import Benchmark
from unicomp.prompts.items import WINDOWS

each = pytest.mark.parametrize("bench", BENCHMARKS.values(), ids=str)


@each
def test_prompts_are_the_golden_ones(bench):
    assert rendered(bench) == (FOLDER / f"{bench.name}.txt").read_text(encoding="utf-8")


def test_every_benchmark_has_a_golden_file():
    declared = {
        value.name
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, Benchmark)
    }
    assert declared - set(BENCHMARKS) == {"global_mmlu_lite_high", "global_mmlu_lite_low"}
    assert {path.stem for path in FOLDER.iterdir()} == set(BENCHMARKS)


@each
def test_no_plain_prompt_ends_in_a_blank(bench):
    # a tokenizer would otherwise split prompt and answer in an unusual place
    prompts = [r.arguments[0] for one in first_items(bench, Characters()) for r in one.requests]
    assert all(prompt == prompt.rstrip() for prompt in prompts if isinstance(prompt, str))


@pytest.mark.parametrize(
    ("name", "shots", "tokens"),
    [
        ("gsm8k", 4, 512),
        ("math_500", 4, 1024),
        ("gpqa_diamond", 5, 1024),
        ("ifbench", 0, 1024),
        ("gpqa_diamond_zero_shot", 0, 4096),
        ("aime_2025", 0, 4096),
        ("ifeval", 0, 1280),
        ("alpaca_eval", 0, 2048),
    ],
)
def test_answers_are_generated_by_the_protocol(name, shots, tokens):
    (one,) = first_items(BENCHMARKS[name], Characters(Chat()))
    prompt, decoding = one.requests[0].arguments
    assert prompt.count("[user]\n") == prompt.count("[assistant]\n") == shots + 1
    assert decoding["max_gen_toks"] == tokens
    assert decoding["do_sample"] is False


def examples(modules=MODULES):
    """Benchmark → its docstring, or that of the function that makes it; it shows an item."""
    for module in modules:
        body = ast.parse(inspect.getsource(module)).body
        for node, following in pairwise(body):
            if isinstance(node, ast.Assign) and isinstance(following, ast.Expr):
                yield node.targets[0].id, ast.literal_eval(following.value)
            elif isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                made = getattr(module, following.targets[0].id)
                one = made if isinstance(made, Benchmark) else made[0]
                yield one.name, ast.get_docstring(node)


@pytest.mark.parametrize(
    ("name", "docstring"), [pytest.param(*found, id=found[0]) for found in examples()]
)
def test_a_docstring_shows_the_item_as_it_is_asked(name, docstring):
    shown = [line.split() for line in docstring.splitlines() if line.startswith("    ")]
    if ["[five", "examples]"] in shown:
        del shown[: shown.index(["[five", "examples]"]) + 1]
    prompts = [
        Characters().decode(r.arguments[0]) if r.request_type == WINDOWS else r.arguments[0]
        for one in first_items(BENCHMARKS[name], Characters())
        for r in one.requests
    ]
    asked = [[line.split() for line in prompt.splitlines() if line.strip()] for prompt in prompts]
    if shown[-1][-1] == "…":
        shown[-1].pop()
        asked = [
            [*lines[: len(shown) - 1], lines[len(shown) - 1][: len(shown[-1])]] for lines in asked
        ]
    assert shown in [lines[-len(shown) :] for lines in asked]

"""The prompts of the benchmarks that are not TrustLLM's as readable texts: `prompts/BENCHMARK.txt`.

`wordings/BENCHMARK.txt` has all wordings of one item, without the examples before it.

Each shows the prompt of one item of each configuration of the invented rows in `rows/`. A line in
angle brackets stands for a text of lm-eval's own.

    python -m tests.suites.golden    # in the top folder: write the files again after a change
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from suites.performance import test_instruction_following as instruction_following
from suites.performance import test_knowledge as knowledge
from suites.performance import test_multilingual as multilingual
from suites.performance import test_perplexity as perplexity
from suites.performance import test_reasoning as reasoning
from suites.shipping import test_code as code
from suites.shipping import test_consistency as consistency
from suites.shipping import test_requests as requests
from suites.shipping import test_thinking as thinking
from suites.shipping import test_tool_use as tool_use
from unicomp.data.sources import Source
from unicomp.prompts.items import WINDOWS, RenderedItem, Renderer
from unicomp.testing import Characters

MODULES = (
    knowledge,
    multilingual,
    reasoning,
    instruction_following,
    perplexity,
    code,
    tool_use,
    thinking,
    requests,
)
BENCHMARKS = {
    bench.name: bench
    for bench in (
        knowledge.mmlu,
        knowledge.arc_challenge,
        knowledge.arc_easy,
        knowledge.hellaswag,
        knowledge.piqa,
        knowledge.winogrande,
        multilingual.global_mmlu_lite,
        multilingual.bbq,
        reasoning.gsm8k,
        reasoning.math_500,
        reasoning.gpqa_diamond,
        instruction_following.ifbench,
        perplexity.wikitext,
        *code.BENCHMARKS,
        *tool_use.BENCHMARKS,
        *thinking.AIME,
        thinking.gpqa_diamond_zero_shot,
        requests.ifeval,
        requests.alpaca_eval,
    )
}
ROWS = Source(str(Path(__file__).with_name("rows")))
RENDERER = Renderer(ROWS)
FOLDER = Path(__file__).with_name("prompts")

REWORDED = {
    bench.name: bench
    for bench in (
        consistency.mmlu_reworded,
        consistency.arc_easy_reworded,
        consistency.gsm8k_reworded,
    )
}
WORDED = Path(__file__).with_name("wordings")

EXAMPLES = ("gsm8k_cot", "minerva_math500")
"""Tasks of lm-eval that contain their examples."""
UNKNOWN = 10
"""Options for `not known` that lm-eval adds to `bbq`."""

_TURN = re.compile(r"(\[(?:user|assistant)\]\n)(.*?)(?=\n\[(?:user|assistant)\]\n)", re.DOTALL)


@dataclass(frozen=True)
class Chat:
    """A chat template that shows the roles."""

    identity: str = "chat"

    def __call__(self, messages, add_generation_prompt=True, tools=None):
        turns = "".join(f"[{one['role']}]\n{one['content']}\n" for one in messages)
        return turns + ("[assistant]\n" if add_generation_prompt else "")


@dataclass(frozen=True)
class ToolChat(Chat):
    """A chat template that takes tools, one on each line."""

    identity: str = "chat with tools"

    def __call__(self, messages, add_generation_prompt=True, tools=None):
        offered = "".join(f"{json.dumps(tool)}\n" for tool in tools or ())
        return (f"[tools]\n{offered}" if tools else "") + super().__call__(messages)


def first_items(bench, tokenizer) -> list[RenderedItem]:
    """The first item of each configuration."""
    items = {}
    for one in RENDERER.items(bench, tokenizer):
        items.setdefault(one.doc.get("config"), []).append(one)
    return [
        min(found, key=lambda one: one.requests[0].doc_id or 0)
        for _, found in sorted(items.items(), key=lambda item: str(item[0]))
    ]


def question(one: RenderedItem) -> str:
    """The prompt of an item after the description and the examples."""
    return one.task.doc_to_text(dict(one.doc))


def rendered(bench) -> str:
    """The golden text of a benchmark."""
    ways = {"plain": Characters()}
    if bench.chat:
        ways["with a chat template"] = Characters(Chat())
    if bench.tools:
        ways["with a chat template that takes tools"] = Characters(ToolChat())
    return "".join(
        f"=== {', '.join(filter(None, (bench.name, one.doc.get('config'), way)))}\n{_shown(one)}"
        for way, tokenizer in ways.items()
        for one in first_items(bench, tokenizer)
    )


def worded(bench) -> str:
    """The golden text of a benchmark with several wordings: one item in all of them."""
    bare = replace(bench, name=f"bare_{bench.name}", shots=0)
    items = RENDERER.items(bare, Characters(Chat()))
    first = min(items, key=lambda one: (one.doc.get("config", ""), one.requests[0].doc_id or 0))
    return "".join(
        f"=== {bench.name}, {one.doc['wording']}\n{_shown(one)}"
        for one in items
        if one.cluster == first.cluster
    )


def _shown(one: RenderedItem) -> str:
    kind = one.requests[0].request_type
    if kind == WINDOWS:
        tokens = one.requests[0].arguments[0]
        given, scored = tokens[:1], tokens[1:]
        return (
            f"--- given\n{json.dumps(Characters().decode(given))}\n"
            f"--- likelihood of {len(scored)} tokens\n{Characters().decode(scored)}\n"
        )
    if kind == "generate_until":
        prompt, decoding = one.requests[0].arguments
        settings = "".join(
            f"{name}: {json.dumps(value)}\n" for name, value in sorted(decoding.items())
        )
        return f"--- decoding\n{settings}--- prompt\n{_without_examples(one, prompt)}\n"
    asked: dict[str, list[str]] = {}
    for request in one.requests:
        prompt, continuation = request.arguments
        asked.setdefault(prompt, []).append(json.dumps(continuation, ensure_ascii=False))
    return "".join(
        f"--- prompt\n{prompt}\n--- likelihoods of\n{_without_unknown(one, continuations)}"
        for prompt, continuations in asked.items()
    )


def _without_examples(one: RenderedItem, prompt: str) -> str:
    if one.task.config.task not in EXAMPLES or not one.task.config.num_fewshot:
        return prompt
    asked = question(one)
    start = prompt.rindex(asked)
    before, rest = prompt[:start], prompt[start:]
    if before.endswith("[user]\n"):
        return _TURN.sub(lambda turn: turn[1] + _placeholder("a turn", turn[2]), before) + rest
    examples = before.rstrip("\n")
    count = sum(line.startswith(asked.split()[0]) for line in examples.splitlines())
    return _placeholder(f"{count} examples", examples) + before[len(examples) :] + rest


def _without_unknown(one: RenderedItem, continuations: list[str]) -> str:
    if one.task.config.task == "bbq":
        added = "\n".join(continuations[-UNKNOWN:])
        continuations = [*continuations[:-UNKNOWN], _placeholder(f"{UNKNOWN} options", added)]
    return "".join(f"{text}\n" for text in continuations)


def _placeholder(what: str, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"<{what} of lm-eval, {len(text)} characters, sha256 {digest}>"


def main() -> None:
    """Write the golden files."""
    import datasets

    with TemporaryDirectory() as cache:
        datasets.config.HF_DATASETS_CACHE = cache
        for name, bench in BENCHMARKS.items():
            (FOLDER / f"{name}.txt").write_text(rendered(bench), encoding="utf-8")
        for name, bench in REWORDED.items():
            (WORDED / f"{name}.txt").write_text(worded(bench), encoding="utf-8")


if __name__ == "__main__":
    main()

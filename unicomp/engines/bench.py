"""vLLM's own benchmarks, `vllm bench throughput` and `vllm bench latency`, run on one checkpoint.

They load the checkpoint into a process of their own, draw their own prompts and time themselves:
what they say is vLLM's word, told beside what we measure.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import read_config
from unicomp.engines import Benched, EngineSettings, child
from unicomp.engines.executable import find_vllm
from unicomp.engines.serverlog import last_words
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.engines.vllm import environment, loading, log_file
from unicomp.errors import EngineError, UnmeasuredError
from unicomp.spec import Load, Model, Quantity

PATIENCE = 4 * 3600.0
"""Seconds until a benchmark must be through; one that ends before is noticed at once."""
DRAWN_BELOW = 10_000
"""`vllm bench latency` draws its prompts from so many token ids, whatever the vocabulary."""
SLACK = 64
"""Tokens that a prompt may have more than asked for: `vllm bench throughput` writes its prompts as
text, which may be split otherwise than it was put together."""


def check(quantity: Quantity, folder: Path) -> None:
    """Raise UnmeasuredError where a checkpoint lacks token ids that the benchmark draws."""
    config = read_config(folder)
    known = config.get("text_config", config).get("vocab_size", DRAWN_BELOW)
    if quantity == "latency" and known < DRAWN_BELOW:
        raise UnmeasuredError(
            f"vllm bench latency draws token ids below {DRAWN_BELOW:,}, and the vocabulary has "
            f"{known:,} tokens: a model with such a small one has no such figure"
        )


def options(quantity: Quantity, load: Load, warmups: int, rounds: int) -> list[str]:
    """What is asked of a benchmark: `rounds` times the load, after `warmups` that do not count.

    Those of throughput are one stream of requests, `load.concurrency` of them at a time.
    """
    asked: dict[str, object] = {"seed": 0}
    if quantity == "latency":
        asked |= {
            "input-len": load.prompt_tokens,
            "output-len": load.new_tokens,
            "batch-size": load.concurrency,
            "num-iters-warmup": warmups,
            "num-iters": rounds,
        }
    else:
        asked |= {
            "dataset-name": "random",
            "random-input-len": load.prompt_tokens,
            "random-output-len": load.new_tokens,
            "max-num-seqs": load.concurrency,
            "num-warmups": warmups * load.concurrency,
            "num-prompts": rounds * load.concurrency,
        }
    return [part for name, value in asked.items() for part in (f"--{name}", str(value))]


def run(
    quantity: Quantity,
    folder: Path,
    model: Model,
    settings: EngineSettings,
    load: Load,
    asked: Sequence[str],
) -> Benched:
    """Run a benchmark, with its `options`, on the checkpoint in `folder`; takes minutes.

    Raises EngineError with its last words where it fails; its log stays.
    """
    name = f"vllm bench {quantity}"
    length, context = load.prompt_tokens + load.new_tokens, load_tokenizer(folder, model).context
    if length > context:
        raise EngineError(
            f"{name}: a request of {length} tokens is longer than the context of {model.name}, "
            f"{context} tokens"
        )
    log = log_file(settings, model, f"vllm-bench-{quantity}")
    with tempfile.TemporaryDirectory() as temporary:
        written = Path(temporary) / "figures.json"
        command = [
            *(str(find_vllm(settings.vllm)), "bench", str(quantity), "--model", str(folder)),
            *loading(folder, model, settings, min(length + SLACK, context)),
            *(*asked, "--output-json", str(written)),
        ]
        running = child.start(command, environment(settings, beyond=False), log)
        try:
            status = running.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            problem = f"was not through after {PATIENCE:.0f} s"
            raise EngineError(
                f"{model.name} in {folder}: {name} {problem}; its log is {log}"
            ) from None
        finally:
            child.stop(running)
        try:
            if status == 0:
                return _figures(quantity, json.loads(written.read_text(encoding="utf-8")), load)
            problem = last_words(log) or f"it ended with status {status}"
        except (OSError, ValueError, LookupError, TypeError) as error:
            problem = f"its figures cannot be read ({type(error).__name__}: {error})"
    raise EngineError(f"{model.name} in {folder}: {name} failed: {problem}; its log is {log}")


def _figures(quantity: Quantity, told: Mapping[str, Any], load: Load) -> Benched:
    if quantity == "latency":
        return Benched(tuple(float(seconds) for seconds in told["latencies"]), load.tokens)
    return Benched((float(told["elapsed_time"]),), int(told["total_num_tokens"]))

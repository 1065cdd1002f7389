"""vLLM's own benchmarks, `vllm bench throughput` and `vllm bench latency`, run on one checkpoint.

Each loads the checkpoint into a process of its own, draws its own prompts and times itself. Its
figures are vLLM's, and are reported apart from ours.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unicomp.data.model_folder import read_config
from unicomp.engines import Benched, EngineSettings
from unicomp.engines.executable import find_vllm
from unicomp.engines.server import start_program, stop_program
from unicomp.engines.serverlog import last_words
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.engines.vllm import environment, load_options, log_file
from unicomp.errors import EngineError, UnmeasuredError
from unicomp.spec import Load, Model, Quantity

DONE_WITHIN = 4 * 3600.0
"""Seconds until a benchmark must have ended; one that ends earlier is noticed at once."""
DRAWN_BELOW = 10_000
"""`vllm bench latency` draws its prompts from so many token ids, for every vocabulary."""
SLACK = 64
"""Tokens that a prompt may have beyond its length: `vllm bench throughput` writes prompts as text,
and the tokenizer may split it into other tokens."""


def check(quantity: Quantity, folder: Path) -> None:
    """Raise UnmeasuredError where a checkpoint lacks token ids that the benchmark draws."""
    config = read_config(folder)
    known = config.get("text_config", config).get("vocab_size", DRAWN_BELOW)
    if quantity == "latency" and known < DRAWN_BELOW:
        raise UnmeasuredError(
            f"vllm bench latency draws token ids below {DRAWN_BELOW:,}, and the vocabulary has "
            f"{known:,} tokens: it cannot measure a model with so few"
        )


def options(quantity: Quantity, load: Load, warmups: int, rounds: int) -> list[str]:
    """The options of a benchmark: `rounds` times the load, after `warmups` that do not count.

    For throughput they are one stream of requests, `load.concurrency` of them at a time.
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
    options: Sequence[str],
) -> Benched:
    """Run a benchmark with its `options` on the checkpoint in `folder`; this takes minutes.

    Raises EngineError with the last error of its log, which stays.
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
        figures = Path(temporary) / "figures.json"
        command = [
            *(str(find_vllm(settings.vllm)), "bench", str(quantity), "--model", str(folder)),
            *load_options(folder, model, settings, min(length + SLACK, context)),
            *(*options, "--output-json", str(figures)),
        ]
        running = start_program(command, environment(settings, beyond=False), log)
        try:
            status = running.wait(DONE_WITHIN)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{model.name} in {folder}: {name} had not ended after {DONE_WITHIN:.0f} s; its "
                f"log is {log}"
            ) from None
        finally:
            stop_program(running)
        try:
            if status == 0:
                return _figures(quantity, json.loads(figures.read_text(encoding="utf-8")), load)
            problem = last_words(log) or f"it ended with status {status}"
        except (OSError, ValueError, LookupError, TypeError) as error:
            problem = f"its figures cannot be read ({type(error).__name__}: {error})"
    raise EngineError(f"{model.name} in {folder}: {name} failed: {problem}; its log is {log}")


def _figures(quantity: Quantity, written: Mapping[str, Any], load: Load) -> Benched:
    if quantity == "latency":
        return Benched(tuple(float(seconds) for seconds in written["latencies"]), load.tokens)
    return Benched((float(written["elapsed_time"]),), int(written["total_num_tokens"]))

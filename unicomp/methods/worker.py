"""The process in which one checkpoint is built: `python -m unicomp.methods.worker`.

It reads a request (JSON) from its standard input, applies one method, inspects the result, and
reports on its standard output, one JSON object a line: `{"stage": TEXT}` as it goes along, and at
the end either `{"facts": {...}}` or `{"error": {"type": ..., "message": ...}}`. All else that is
printed, by this process or by a library, goes to its standard error. A process of its own keeps
what a library leaks or crashes away from the session, and its memory is the method's, with that of
the processes which the method starts.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from unicomp.catalogue import read_method
from unicomp.data.model_folder import check_folder
from unicomp.distillation.corpus import Corpus
from unicomp.errors import BuildError, SpecError, UnicompError
from unicomp.machine import memory, parent_watch
from unicomp.methods.distillation import Workshop
from unicomp.methods.inspection import inspect
from unicomp.methods.tokenization import tokenize
from unicomp.spec import Calibration

TRAINING = ("train_seconds", "correction_seconds")
"""What a method that trains says of its time."""
WATCH_SECONDS = 0.1
"""Between two looks at the memory of processes that a method starts."""
PROBES = 4
"""Calibration samples that the reloaded checkpoint is asked about."""


def main() -> int:
    """Serve one request; the exit status is 0 if a checkpoint was built."""
    request = json.load(sys.stdin)
    parent_watch.end_with(int(request["parent"]))
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        facts = _build(request, channel)
    except BaseException as error:
        traceback.print_exc()
        _say(channel, error={"type": type(error).__name__, "message": _first_line(error)})
        return 1
    _say(channel, facts=facts)
    return 0


def _build(request: Mapping[str, Any], channel: TextIO) -> dict[str, Any]:
    sys.path.extend(path for path in request["path"] if path not in sys.path)
    source, target = Path(request["source"]), Path(request["target"])
    trust = bool(request["trust_remote_code"])
    method = read_method(Path(request["method"]))
    if method.compress is None:
        raise UnicompError(f"method {method.name} has nothing that compresses")
    calibration = Calibration(
        name=request["calibration"]["name"],
        samples=tuple(
            sample if isinstance(sample, str) else tuple(sample)
            for sample in request["calibration"]["samples"]
        ),
        tokens=request["calibration"]["tokens"],
    )

    _say(channel, stage="starting")
    compress: Any = method.compress
    home = sys.modules[getattr(compress, "func", compress).__module__]
    getattr(home, "warm_up", lambda: None)()

    _say(channel, stage="compressing")
    given: tuple[Any, ...] = (source, target, calibration)
    if method.corpus is not None:
        given = (*given, _workshop(request, channel))
    started = time.perf_counter()
    with memory.Watch(memory.of_family, WATCH_SECONDS) as family:
        measured = compress(*given) or {}
    seconds = time.perf_counter() - started
    facts: dict[str, Any] = {
        **measured,
        # of a training that was interrupted, what was done before counts too
        "seconds": max(seconds, sum(measured.get(name, 0.0) for name in TRAINING)),
        "peak_rss_bytes": max(memory.peak(), family.highest),
        **_accelerator(measured.get("peak_accelerator_bytes")),
    }

    _say(channel, stage="inspecting")
    gc.collect()
    try:
        check_folder(target)
    except SpecError as error:
        raise BuildError(str(error)) from None
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(target, trust_remote_code=trust)
    probes = tokenize(tokenizer, calibration.samples[:PROBES], calibration.tokens)
    return facts | inspect(source, target, method.guarantees, probes, trust_remote_code=trust)


def _workshop(request: Mapping[str, Any], channel: TextIO) -> Workshop:
    """What a method that trains gets beside the rest."""
    return Workshop(
        corpus=Corpus.from_json(request["corpus"]),
        folder=Path(request["workshop"]),
        progress=lambda text: _say(channel, stage=text),
        trust_remote_code=bool(request["trust_remote_code"]),
    )


def _accelerator(elsewhere: int | None) -> dict[str, Any]:
    """The device that compressed, and the most memory, in bytes, that was held on it.

    `elsewhere` is what the method says of other processes, each with a device of its own.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.accelerator.is_available():
        return {"device": "cpu", "peak_accelerator_bytes": None}
    kind = torch.accelerator.current_accelerator().type
    return {
        "device": torch.cuda.get_device_name() if kind == "cuda" else kind,
        "peak_accelerator_bytes": max(torch.accelerator.max_memory_allocated(), elsewhere or 0),
    }


def _say(channel: TextIO, **message: Any) -> None:
    print(json.dumps(message), file=channel, flush=True)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:400] if lines else ""


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # What the libraries tear down on the way out takes seconds, and nothing needs it.
    os._exit(status)

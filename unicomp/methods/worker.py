"""Build one checkpoint in a process of its own: `python -m unicomp.methods.worker`.

`unicomp.machine.child_process` calls it. The cost that it measures is that of the compression
alone, without importing and inspecting: wall and processor seconds, and the most memory that the
method, and the processes which it starts, add to what this process held before.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unicomp.catalogue import read_method
from unicomp.data import libraries
from unicomp.data.model_folder import check_folder, read_config
from unicomp.data.tokenizer import read_tokenizer
from unicomp.distillation.corpus import Corpus
from unicomp.errors import BuildError, SpecError, UnicompError
from unicomp.machine import memory
from unicomp.machine.child_process import Narrate, serve
from unicomp.machine.load import Load
from unicomp.methods.distillation import Workshop
from unicomp.methods.fidelity import CHECKED_SAMPLES
from unicomp.methods.footprint import (
    accelerator_memory,
    algorithms_of,
    build_needs,
    check_fits,
    weights_of,
)
from unicomp.methods.inspection import inspect_checkpoint
from unicomp.methods.oneshot import SEED, TRUST_REMOTE_CODE
from unicomp.methods.tokenization import tokenize
from unicomp.spec import Calibration, Method

_TRAINING_FACTS = ("train_seconds", "correction_seconds")


def build(request: Mapping[str, Any], narrate: Narrate) -> dict[str, Any]:
    """Apply a method to `source`, inspect the checkpoint in `target`, and return the facts.

    The request holds the paths `method` (its file), `source` and `target`, the fields of the
    `calibration`, and `trust_remote_code`; for a method that trains also `corpus` and `workshop`.
    Raises BuildError if the checkpoint is not what the method guarantees.
    """
    source, target = Path(request["source"]), Path(request["target"])
    trust_remote_code = bool(request["trust_remote_code"])
    method = read_method(Path(request["method"]))
    if method.compress is None:
        raise UnicompError(f"method {method.name} does not compress")
    samples = request["calibration"]["samples"]
    calibration = Calibration(
        name=request["calibration"]["name"],
        samples=tuple(text if isinstance(text, str) else tuple(text) for text in samples),
        tokens=request["calibration"]["tokens"],
    )
    arguments: list[Any] = [source, target, calibration]
    if method.corpus is not None:
        workshop = Workshop(
            corpus=Corpus.from_json(request["corpus"]),
            folder=Path(request["workshop"]),
            progress=narrate,
            trust_remote_code=trust_remote_code,
        )
        arguments.append(workshop)

    work = _check_room(method, source, target, calibration, trust_remote_code)
    os.environ[TRUST_REMOTE_CODE] = str(int(trust_remote_code))
    narrate("starting")
    libraries.warm_up()  # the inspection needs it, and most methods do
    compress: Any = method.compress
    module = sys.modules[getattr(compress, "func", compress).__module__]
    getattr(module, "warm_up", lambda: None)()

    narrate("compressing")
    _seed_generators()
    with memory.Rise() as rise, Load() as load:
        started = time.perf_counter()
        facts = dict(compress(*arguments) or {})
        seconds = time.perf_counter() - started
    # a resumed training counts with the seconds before it was interrupted
    facts["seconds"] = max(seconds, sum(facts.get(name, 0.0) for name in _TRAINING_FACTS))
    facts |= work
    facts |= _load(load) if facts["seconds"] == seconds else dict.fromkeys(_load(load))
    facts["peak_rss_bytes"] = rise.bytes
    facts |= _accelerator(facts.get("peak_accelerator_bytes"))

    narrate("inspecting")
    gc.collect()
    try:
        if not target.is_dir():
            raise BuildError("there is none: `compress` must write the folder `target`")
        check_folder(target)
        tokenizer = read_tokenizer(target, trust_remote_code=trust_remote_code)
        rows = tokenize(tokenizer, calibration.samples[:CHECKED_SAMPLES], calibration.tokens)
        return facts | inspect_checkpoint(
            source, target, method.guarantees, rows, trust_remote_code=trust_remote_code
        )
    except (SpecError, BuildError) as error:
        reason = str(error).replace(str(target), "it")  # the folder is not kept
        raise BuildError(f"the checkpoint is not what the method guarantees: {reason}") from None


def _check_room(
    method: Method, source: Path, target: Path, calibration: Calibration, trust_remote_code: bool
) -> dict[str, Any]:
    """The algorithms and the operations of a build, if they are ours; else nothing is known.

    Raises SpecError, before anything is loaded, if it cannot fit.
    """
    if not (algorithms := algorithms_of(method)):
        return {}
    config, weights = read_config(source), weights_of(source)
    tokens = 0
    if method.calibrated:
        tokenizer = read_tokenizer(source, trust_remote_code=trust_remote_code)
        tokens = sum(map(len, tokenize(tokenizer, calibration.samples, calibration.tokens)))
    check_fits(
        str(method),
        build_needs(config, weights, method, target.parent, tokens, accelerator_memory()),
    )
    operations = weights.operations(algorithms, tokens)
    return {"algorithms": list(algorithms), "operations": operations}


def _load(load: Load) -> dict[str, Any]:
    """What is known of the processors during a compression; nothing of an interrupted one."""
    return {
        "cpu_seconds": load.cpu_seconds,
        "other_load": load.others,
        "shared_machine": load.beside_other_work,
    }


def _seed_generators() -> None:
    """Begin with the same random numbers in each build, whatever libraries drew before."""
    random.seed(SEED)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(SEED)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(SEED)


def _accelerator(elsewhere: int | None) -> dict[str, Any]:
    """The device that compressed, and the peak of its memory in bytes.

    `elsewhere` is the peak that the method reports of other processes with devices of their own.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.accelerator.is_available():
        return {"device": "cpu", "peak_accelerator_bytes": None}
    device = torch.accelerator.current_accelerator().type
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "peak_accelerator_bytes": max(torch.accelerator.max_memory_allocated(), elsewhere or 0),
    }


if __name__ == "__main__":
    serve(build)

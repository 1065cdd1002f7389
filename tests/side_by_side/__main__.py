"""Compares a run with the command lines that a user would chain instead.

    python -m tests.side_by_side [--rounds 2] [--samples 200] [--page docs/results/side_by_side.md]

With `--early` it compares a run that stops early with the run in full; see `early.py`.

The chain is a script with llmcompressor's recipe for each method (`compress.py`), then
`lm_eval run` on each folder. Both sides have the embedded model, the same calibration text and the
same items, one core each, and take turns; each starts without a store or a cache. The chain keeps
nothing, so that doing it again takes it as long as the first time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import yaml

from unicomp import catalogue
from unicomp.data.sources import EMBEDDED_ROWS, Source, shipped_fixtures
from unicomp.engines.tokenizer import load_tokenizer
from unicomp.prompts.items import Renderer

CLONE = Path(__file__).parents[2]
MODEL = shipped_fixtures() / "embedded" / "model"
METHODS = ("dense", "wanda_50", "sparsegpt_50", "gptq_w4a16")
METRICS = {"arc_easy": "acc_norm,none", "gsm8k": "exact_match,flexible-extract"}
"""Benchmark → lm-eval's metric, which a run in the mode `compat` takes over."""
CHAIN, RUN, AGAIN = "chain", "unicomp", "unicomp again"
BEGIN, END = "<!-- side by side:begin -->", "<!-- side by side:end -->"

Scores = dict[tuple[str, str], float]
"""(method, benchmark) → the score in percent."""


@dataclass
class Taken:
    """The seconds of one side in one round, and its scores."""

    wall: float = 0.0
    cpu: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    """Part of the work → its wall seconds."""
    scores: Scores = field(default_factory=dict)

    def add(self, part: str, seconds: float) -> None:
        """Count seconds for a part."""
        self.parts[part] = self.parts.get(part, 0.0) + seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both sides; return 1 if the dense scores differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.side_by_side")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--early", action="store_true", help="a run that stops early, instead")
    options = parser.parse_args(arguments)
    if options.early:
        from tests.side_by_side import early

        return early.main(options.rounds, options.page)
    rounds: list[dict[str, Taken]] = []
    loads = [os.getloadavg()[0]]
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="side-by-side-") as name:
            folder = Path(name)
            prepare(folder, options.samples)
            sides = [chain, run] if number % 2 == 0 else [run, chain]
            taken: dict[str, Taken] = {}
            for side in sides:
                taken |= side(folder, options.samples)
        rounds.append(taken)
        loads.append(os.getloadavg()[0])
        print(
            f"round {number + 1}: " + ", ".join(_spent(*one) for one in taken.items()), flush=True
        )
    differ = differences(rounds[0])
    for line in (*lines(rounds, options.samples, loads), *(f"differs: {one}" for one in differ)):
        print(line)
    if options.page is not None:
        write(options.page, rounds, options.samples, loads)
    return 1 if any(one.startswith("dense ") for one in differ) else 0


def _spent(name: str, taken: Taken) -> str:
    return f"{name} {taken.wall:.1f} s ({taken.cpu:.1f} s of CPU)"


# -- what both are given --------------------------------------------------------------------------


def prepare(folder: Path, samples: int) -> None:
    """Write the rows, tasks and calibration text of the chain."""
    source, model = Source(EMBEDDED_ROWS), catalogue.load_model("embedded", catalogue.roots(CLONE))
    known = catalogue.load_benchmarks(catalogue.suite_folders(CLONE))
    renderer = Renderer(source, samples, mode="compat")
    tokenizer = load_tokenizer(MODEL, model)
    tasks = Path(find_spec("lm_eval").origin).parent / "tasks"  # type: ignore[union-attr,arg-type]
    (folder / "tasks").mkdir()
    for bench in known:
        if bench.name not in METRICS:
            continue
        definition = renderer.definition(bench)
        rows = folder / f"{bench.name}.jsonl"
        items = renderer.items(bench, tokenizer)
        rows.write_text("".join(json.dumps(dict(item.doc)) + "\n" for item in items))
        changes = yaml.safe_load(definition.files[-1].read_text()) or {}
        if definition.settings["output_type"] == "generate_until":
            decoding = {"do_sample": False, **definition.settings["generation_kwargs"]}
            changes["generation_kwargs"] = {**decoding, "max_gen_toks": definition.max_new_tokens}
        task = {
            "include": str(tasks / str(bench.task)),
            "task": f"mine_{bench.name}",
            **changes,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {"test": str(rows)}},
            "test_split": "test",
            "validation_split": None,
            "training_split": None,
            "fewshot_split": None,
            "num_fewshot": 0,
        }
        (folder / "tasks" / f"{bench.name}.yaml").write_text(yaml.safe_dump(task))
    recipe = catalogue.load_recipe("generic", catalogue.roots(CLONE))
    texts = [{"text": text} for text in recipe.load(source).samples]
    (folder / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts))
    (folder / "unicomp.toml").write_text(
        '[engine]\nthreads = 1\n[scoring]\nmode = "compat"\n[floors]\nperformance = 0\n'
    )


# -- the sides ------------------------------------------------------------------------------------


def chain(folder: Path, samples: int) -> dict[str, Taken]:
    """Compress with the recipe, then `lm_eval run` on each folder."""
    taken, work = Taken(), folder / "chain"
    work.mkdir()
    for method in METHODS:
        model = MODEL if method == "dense" else work / method
        if method != "dense":
            script = str(Path(__file__).with_name("compress.py"))
            own = [method, str(MODEL), str(folder / "samples.jsonl"), str(model)]
            printed = timed(taken, folder, [sys.executable, script, *own])[1]
            for part, seconds in json.loads(printed.splitlines()[-1]).items():
                taken.add(part, seconds)
        wall, _ = timed(
            taken,
            folder,
            [
                *(sys.executable, "-m", "lm_eval", "run", "--model=hf", "--device=cpu"),
                f"--model_args=pretrained={model},dtype=float32",
                "--batch_size=64",
                f"--tasks={','.join(f'mine_{name}' for name in METRICS)}",
                f"--include_path={folder / 'tasks'}",
                f"--output_path={work / f'{method}.json'}",
                "--apply_chat_template",
            ],
        )
        (written,) = work.glob(f"{method}*.json")
        found = json.loads(written.read_text())
        evaluated = float(found["total_evaluation_time_seconds"])
        taken.add("evaluation", evaluated)
        taken.add("import", wall - evaluated)
        for name, metric in METRICS.items():
            taken.scores[method, name] = 100 * found["results"][f"mine_{name}"][metric]
    taken.add("start", taken.wall - sum(taken.parts.values()))
    return {CHAIN: taken}


def run(folder: Path, samples: int) -> dict[str, Taken]:
    """The same by this project, and the same once more."""
    taken = {name: _run(folder, samples) for name in (RUN, AGAIN)}
    shutil.rmtree(folder / "store")
    return taken


def _run(folder: Path, samples: int) -> Taken:
    taken, card = Taken(), folder / "card.json"
    timed(
        taken,
        folder,
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                str(CLONE / "suites"),
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:hypothesispytest",  # there for this project's tests only
            ),
            *(f"--method={method}" for method in METHODS),
            f"--samples={samples}",
            f"-k={' or '.join(METRICS)}",
            f"--unicomp-home={folder / 'store'}",
            f"--scorecard={card}",
        ],
        statuses=(0, 1, 10),
    )
    found = json.loads(card.read_text())
    taken.scores = {
        (row["method"], row["benchmark"]): row["score"]
        for row in (*found["scores"], *found["missing"])
        if row["benchmark"] in METRICS
    }
    names = {"build": "compression", "answer": "evaluation"}
    for piece in found["work"]:
        if not piece["cached"]:
            taken.add(names[piece["stage"]], piece["seconds"])
    taken.add("start", taken.wall - sum(taken.parts.values()))
    return taken


def timed(
    taken: Taken, folder: Path, command: Sequence[str], statuses: Sequence[int] = (0,)
) -> tuple[float, str]:
    """Run a command and count its time; returns its seconds and what it printed."""
    used, start = _cpu(), time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(CLONE),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(folder / "hub"),
            "TOKENIZERS_PARALLELISM": "false",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in statuses:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    wall = time.monotonic() - start
    print(f"{Path(command[1]).name} {' '.join(command[2:5])}: {wall:.1f} s", file=sys.stderr)
    taken.wall += wall
    taken.cpu += _cpu() - used
    return wall, done.stdout


def _cpu() -> float:
    """Seconds of CPU of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# -- the results ----------------------------------------------------------------------------------


def differences(taken: Mapping[str, Taken]) -> list[str]:
    """Where the scores of both sides differ, a line each.

    Those of the dense model must not: the model, the items and the reading are the same. A
    compressed one may, since this project rounds to the stored precision before it answers.
    """
    ours, theirs, again = (taken[name].scores for name in (RUN, CHAIN, AGAIN))
    lines = [
        f"{method} {bench}: {score:.1f} by the chain, {ours.get((method, bench))} here"
        for (method, bench), score in theirs.items()
        if abs(score - (ours.get((method, bench)) or 0.0)) > 1e-9
    ]
    return lines + [f"dense {key}: not the same again" for key in ours if ours[key] != again[key]]


def lines(
    rounds: Sequence[Mapping[str, Taken]], samples: int, loads: Sequence[float]
) -> Iterator[str]:
    """The results as Markdown."""
    yield (
        f"{', '.join(METHODS)}; {' and '.join(METRICS)}, {samples} items of each; the embedded "
        f"model and its rows, one core; {len(rounds)} rounds, sides in turn."
    )
    yield ""
    yield "| | seconds | of CPU | ratio [least, most] | ratio of CPU |"
    yield "|---|---:|---:|---:|---:|"
    for name in (CHAIN, RUN, AGAIN):
        walls, cpus = ([getattr(one[name], kind) for one in rounds] for kind in ("wall", "cpu"))
        ratios = [one[CHAIN].wall / one[name].wall for one in rounds]
        of_cpu = statistics.median(one[CHAIN].cpu / one[name].cpu for one in rounds)
        yield (
            f"| {name} | {statistics.median(walls):.1f} | {statistics.median(cpus):.1f} | "
            f"{statistics.median(ratios):.1f} [{min(ratios):.1f}, {max(ratios):.1f}] | "
            f"{of_cpu:.1f} |"
        )
    yield ""
    parts = ("import", "compression", "evaluation", "start")
    yield f"| share of its time, % | {' | '.join(parts)} |"
    yield f"|---|{'---:|' * len(parts)}"
    for name in (CHAIN, RUN, AGAIN):
        whole = sum(one[name].wall for one in rounds)
        shares = [
            100 * sum(one[name].parts.get(part, 0.0) for one in rounds) / whole for part in parts
        ]
        yield f"| {name} | {' | '.join(f'{share:.0f}' for share in shares)} |"
    yield ""
    yield from bounds(rounds)
    yield ""
    yield "| score | " + " | ".join(f"{m} {b}" for m in METHODS for b in METRICS) + " |"
    yield f"|---|{'---:|' * len(METHODS) * len(METRICS)}"
    for name in (CHAIN, RUN):
        scores = rounds[0][name].scores
        yield f"| {name} | {' | '.join(f'{scores[m, b]:.1f}' for m in METHODS for b in METRICS)} |"
    yield ""
    yield conditions(loads)


def conditions(loads: Sequence[float] = ()) -> str:
    """The machine, its load and the versions of the packages."""
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("torch", "transformers", "lm-eval", "llmcompressor", "compressed-tensors")
    )
    load = f", load {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    return f"{_processor()}, {os.cpu_count()} cores{load}; {packages}."


def bounds(rounds: Sequence[Mapping[str, Taken]]) -> Iterator[str]:
    """What the ratios cannot exceed."""
    chained, ours, again = ([one[name] for one in rounds] for name in (CHAIN, RUN, AGAIN))
    needed = statistics.median(
        one.parts.get("compression", 0.0) + one.parts.get("evaluation", 0.0) for one in ours
    )
    wall = statistics.median(one.wall for one in chained)
    start = statistics.median(one.parts["start"] for one in again)
    yield (
        f"What bounds them: compressing and answering alone take a cold run {needed:.0f} s, so "
        f"without anything else its ratio would be {wall / needed:.1f}. A run that finds "
        f"everything in the store takes {start:.1f} s to start, collect and judge."
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line)
    return next(named, platform.machine())


def write(
    page: Path, rounds: Sequence[Mapping[str, Taken]], samples: int, loads: Sequence[float]
) -> None:
    """Write the results between the markers of a page."""
    write_between(page, BEGIN, END, lines(rounds, samples, loads))


def write_between(page: Path, begin: str, end: str, found: Iterable[str]) -> None:
    """Replace the lines between two markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    table = "\n".join(found)
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    raise SystemExit(main())

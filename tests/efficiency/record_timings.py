"""Records timings of one checkpoint against itself, which the tests of intervals are held to.

    python -m tests.efficiency.record_timings --note quiet
    python -m tests.efficiency.record_timings --note busy

For timings of a busy machine, run processes that compute now and then at the same time. Both sides
are loaded several times, since two copies of one model differ in speed by some per mille. Each
round keeps, for both sides, the seconds to the last token and to the first; the gaps follow.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from unicomp.efficiency.random_prompts import ordinary_tokens
from unicomp.efficiency.rounds import Effort, Rounds, interleave
from unicomp.engines import EngineSettings, Timing
from unicomp.spec import Load, Model

TIMINGS = Path(__file__).parent / "timings.json"
MODEL = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
LOADS = {
    "throughput": Load(prompt_tokens=32, new_tokens=16, concurrency=4),
    "latency": Load(prompt_tokens=32, new_tokens=16),
    "first_token": Load(prompt_tokens=128, new_tokens=4),
}


def figures(timing: Timing) -> list[float]:
    """[seconds, mean time to the first token], in microseconds."""
    seconds = (timing.seconds, statistics.fmean(timing.first))
    return [round(value * 1e6) for value in seconds]


def record(rounds: int, loading: int) -> dict[str, Rounds]:
    """Load both sides and measure each load."""
    settings = EngineSettings(device="cpu")
    model = Model(name="embedded", source=str(MODEL))
    effort = Effort(warmup_rounds=3, least_rounds=rounds, least_seconds=0, most_rounds=rounds)
    vocabulary = ordinary_tokens(1024, range(8))
    with settings.open(MODEL, model, 256) as first, settings.open(MODEL, model, 256) as second:
        return {
            name: interleave(first, second, load, vocabulary, effort, seed=loading)
            for name, load in LOADS.items()
        }


def main() -> None:
    """Add series of rounds to the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loadings", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--note", required=True, help="how busy the machine was")
    chosen = parser.parse_args()
    kept = json.loads(TIMINGS.read_text()) if TIMINGS.exists() else {}
    for loading in range(chosen.loadings):
        for name, rounds in record(chosen.rounds, loading).items():
            kept[f"{name}, {chosen.note}, {loading}"] = {
                "dense": [figures(timing) for timing in rounds.dense],
                "compressed": [figures(timing) for timing in rounds.compressed],
            }
        lines = [f'"{name}": {json.dumps(series)}' for name, series in kept.items()]
        TIMINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

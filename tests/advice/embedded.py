"""A scorecard like that of the embedded model: its six compressions, with measured figures."""

from dataclasses import replace

from unicomp.findings import findings_of
from unicomp.framework import EMBEDDED_PROFILE
from unicomp.policy import Policy
from unicomp.report import json as json_report
from unicomp.scorecard import scorecard
from unicomp.verdict import Row

BENCHMARKS = {
    "arc_easy": "knowledge",
    "global_mmlu_lite": "multilingual",
    "gsm8k": "reasoning",
    "ifbench": "instruction_following",
    "misuse": "safety",
    "xstest": "safety",
}
RETAINED = {
    "dense": ((100.0, 0.0),) * 6,
    "gptq_w4a16": ((100.2, 0.5), (99.8, 0.7), (99.9, 0.9), (99.7, 1.0), (100, 0.9), (100, 0.9)),
    "awq_w4a16": ((99.9, 0.5), (99.2, 0.7), (100.1, 0.8), (99.2, 1.4), (100, 0.9), (100, 0.9)),
    "sparsegpt_50": ((97.5, 1.1), (91.3, 1.7), (88.2, 2.3), (89.4, 2.1), (100, 0.9), (99.2, 1.5)),
    "wanda_50": ((97.7, 1.2), (88.7, 1.8), (69.1, 3.1), (68.2, 3.1), (99.5, 1.0), (96.8, 1.8)),
    "wanda_2_4": ((85.8, 2.2), (65.2, 2.4), (3.4, 1.2), (15.3, 2.4), (78.0, 4.1), (90.2, 3.0)),
}
"""Method → retention and half its interval for each benchmark."""
GAINS = {
    # axis: (gain, half its interval, dense amount, unit, rounds)
    "model_size": (("dense", 100.0), ("gptq_w4a16", 257.0), ("awq_w4a16", 257.0)),
    "inference_memory": (("gptq_w4a16", 98.4), ("awq_w4a16", 98.6), ("sparsegpt_50", 100.5)),
    "throughput": (("gptq_w4a16", 100.3), ("awq_w4a16", 91.8), ("wanda_2_4", 107.7)),
    "latency": (("gptq_w4a16", 77.6), ("awq_w4a16", 79.5), ("wanda_50", 100.5)),
}
SCALES = {
    "model_size": (3_089_616.0, 0.1, "bytes", 0),
    "inference_memory": (71_237_632.0, 1.0, "bytes", 0),
    "throughput": (11_512.0, 9.0, "tokens/s", 4),
    "latency": (0.118, 5.0, "s", 4),
}
EXPECTED = {"gptq_w4a16": 257.0, "awq_w4a16": 257.0, "sparsegpt_50": 157.0}


def rows(methods=RETAINED, probes=True):
    """All rows; those without an own gain have 100 % of dense."""
    for method in methods:
        about = {"model": "embedded", "method": method, "verdict": "pass", "floor": 0.0}
        about["calibration"] = "none" if method == "dense" else "generic"
        for (name, metric), (kept, half) in zip(BENCHMARKS.items(), RETAINED[method], strict=True):
            yield Row(
                benchmark=name,
                metric=metric,
                score=0.8 * kept,
                dense=80.0,
                retention=kept,
                low=kept - half,
                high=kept + half,
                n=1000,
                clusters=1000,
                **about,
            )
        for axis, gains in GAINS.items() if probes else ():
            dense, half, unit, n = SCALES[axis]
            gain = dict(gains).get(method, 100.0)
            half = 0.0 if method == "dense" else half
            up = axis == "throughput"
            yield Row(
                benchmark=axis,
                metric="inference_efficiency" if unit == "bytes" else "runtime_acceleration",
                score=dense * gain / 100.0 if up else dense * 100.0 / gain,
                dense=dense,
                retention=gain,
                low=gain - half,
                high=gain + half,
                n=n,
                unit=unit,
                tier="advisory",
                higher_is_better=up,
                in_points=False,
                expected_gain=EXPECTED.get(method),
                **about,
            )


def card_of(found):
    """The scorecard of rows."""
    kept = [one for one in found if one.retention is not None or one.verdict == "fail"]
    return scorecard(kept, {"embedded": EMBEDDED_PROFILE}, Policy())


def degenerate(row):
    """The row with answers that repeat one thing."""
    nothing = dict.fromkeys(("score", "retention", "low", "high"))
    return replace(
        row, **nothing, verdict="fail", reason="degenerate: 90 % of the answers are equal"
    )


def written(path, found):
    """The file of a scorecard."""
    card = card_of(found)
    json_report.write(card, findings_of(card), path)
    return path

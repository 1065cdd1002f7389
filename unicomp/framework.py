"""The UniComp framework: the paper's thirteen metrics in three dimensions, and what is beside them.

Section 3 of the paper (arXiv 2602.09130): the tree dimension → metric → sub-score → benchmark, and
its arithmetic. Everything is in points or percent; nothing is rounded.

- Performance (equations 1 to 4) and reliability are *retained*: `Profile.retained` is 100 × the
  mean over a metric's parts of compressed / dense. A part is one benchmark or a sub-score. A
  sub-score is the plain mean of several benchmarks, taken for each model before the ratio.
- Efficiency (equations 5 to 8) is *compared*: `compared` is 100 × the geometric mean over a
  metric's components of each component's ratio to the best in the comparison.

The dimension `practice` is not the paper's: it has what compression breaks in use, such as code and
tool calls. Its metrics are retained by the same arithmetic, but for `verbosity`: the mean length of
the answers to the generated benchmarks of all metrics, candidate / baseline.

A profile fixes the tree of the retained metrics: `paper` is the published one; `shipping` has the
metrics of practice besides, and more benchmarks of reasoning and of instruction following;
`embedded` and `embedded_shipping` have those of their benchmarks for which there are embedded rows.
Any other benchmark is reported, but is not part of its metric.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from unicomp.errors import SpecError

PAPER_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "performance": ("knowledge", "multilingual", "reasoning", "instruction_following"),
    "reliability": ("truthfulness", "safety", "fairness", "robustness", "privacy", "ethics"),
    "efficiency": ("runtime_acceleration", "inference_efficiency", "compute_cost"),
}
PRACTICE = "practice"
"""The dimension of what compression breaks in use. A test of one of the paper's metrics that has
this as its marker is left out of the default run, too."""
DIMENSIONS: dict[str, tuple[str, ...]] = {
    **PAPER_DIMENSIONS,
    PRACTICE: ("code", "tool_use", "long_context", "consistency", "verbosity"),
}
PAPER_METRICS = tuple(metric for group in PAPER_DIMENSIONS.values() for metric in group)
METRICS: tuple[str, ...] = tuple(metric for group in DIMENSIONS.values() for metric in group)
VERBOSITY = "verbosity"
"""The metric of how much is generated, which is no retention: more is worse. Its parts are the
generated benchmarks of the other metrics."""
CONSISTENCY = "consistency"
"""The metric of benchmarks whose items are asked in several wordings."""
RETAINED: tuple[str, ...] = tuple(
    one for one in METRICS if one not in (*DIMENSIONS["efficiency"], VERBOSITY)
)
"""The metrics that have a retention; those of efficiency compare checkpoints with each other."""


def dimension_of(metric: str) -> str:
    """The dimension of a metric; SpecError if there is no such metric."""
    for dimension, metrics in DIMENSIONS.items():
        if metric in metrics:
            return dimension
    raise SpecError(f"there is no metric {metric!r}; known: {', '.join(METRICS)}")


@dataclass(frozen=True)
class SubScore:
    """The plain mean of raw scores: of benchmarks, or of further means."""

    name: str
    of: tuple[str | SubScore, ...]

    def score(self, scores: Mapping[str, float]) -> float:
        """The sub-score of oriented raw scores, in points.

        Raises KeyError if a score is missing, ValueError if one is not finite.
        """
        return _score(self, scores)

    def shares(self) -> dict[str, float]:
        """Benchmark → its share of the mean; the shares add up to 1."""
        return _shares(self)


@dataclass(frozen=True)
class Profile:
    """The parts of each metric, each a benchmark or a sub-score; `VERBOSITY` has none."""

    name: str
    parts: Mapping[str, tuple[str | SubScore, ...]]

    def benchmarks(self, metric: str) -> tuple[str, ...]:
        """The benchmarks of a metric; empty if the profile does not have the metric."""
        return tuple(name for part in self.parts.get(metric, ()) for name in _shares(part))

    @property
    def names(self) -> frozenset[str]:
        """The benchmarks of all its metrics."""
        return frozenset(name for metric in self for name in self.benchmarks(metric))

    @property
    def has_verbosity(self) -> bool:
        """Whether the length of answers is one of its metrics."""
        return VERBOSITY in self.parts

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def sub_scores(self, metric: str) -> tuple[SubScore, ...]:
        """The sub-scores among the parts of a metric."""
        return tuple(part for part in self.parts.get(metric, ()) if isinstance(part, SubScore))

    def without(self, metric: str, names: Collection[str]) -> Profile:
        """The profile with benchmarks left out of a metric; a part without any is left out, too."""
        left = [_without(part, names) for part in self.parts[metric]]
        parts = tuple(part for part in left if part is not None)
        return replace(self, parts={**self.parts, metric: parts})

    def retained(
        self, metric: str, compressed: Mapping[str, float], dense: Mapping[str, float]
    ) -> float:
        """The retention of a metric, in percent of the dense model; may exceed 100.

        Equations 1 to 4, and section 3's reliability metrics:

            100 / |parts| · Σ over the parts of  s_compressed(part) / s_dense(part)

        with six parts for knowledge (1), two for multilingual (2: hence 50 × the sum), three for
        reasoning (3) and one for instruction_following (4). The dense model has exactly 100.

        Both mappings are benchmark → raw score in points, from `oriented`. Raises KeyError if a
        score is missing, ValueError if one is not finite or a dense part is not positive.
        """
        ratios = [
            _ratio(metric, part, _score(part, compressed), _score(part, dense))
            for part in self.parts[metric]
        ]
        return 100.0 * math.fsum(ratios) / len(ratios)

    def slopes(self, metric: str, dense: Mapping[str, float]) -> dict[str, float]:
        """Benchmark → percent of the metric for one point of its compressed score.

        The metric is linear in the compressed scores, so `retained` is the sum of slope × score.
        Raises the errors of `retained`.
        """
        parts = self.parts[metric]
        slopes: dict[str, float] = {}
        for part in parts:
            total = _score(part, dense)
            _ratio(metric, part, total, total)
            for name, share in _shares(part).items():
                slopes[name] = 100.0 * share / total / len(parts)
        return slopes


def _score(part: str | SubScore, scores: Mapping[str, float]) -> float:
    if isinstance(part, SubScore):
        return math.fsum(_score(inner, scores) for inner in part.of) / len(part.of)
    if not math.isfinite(scores[part]):
        raise ValueError(f"{part}: {scores[part]} is not a finite score")
    return scores[part]


def _without(part: str | SubScore, names: Collection[str]) -> str | SubScore | None:
    if isinstance(part, str):
        return None if part in names else part
    left = [_without(inner, names) for inner in part.of]
    kept = tuple(inner for inner in left if inner is not None)
    return replace(part, of=kept) if kept else None


def _ratio(metric: str, part: str | SubScore, compressed: float, dense: float) -> float:
    name = part if isinstance(part, str) else f"{metric}.{part.name}"
    ratio = compressed / dense if dense > 0 else math.nan
    if not math.isfinite(ratio):  # also if the dense score is too near to zero
        raise ValueError(f"{name}: a dense score of {dense:g} has no ratio")
    return ratio


def _shares(part: str | SubScore) -> dict[str, float]:
    if isinstance(part, str):
        return {part: 1.0}
    inside = (share for inner in part.of for share in _shares(inner).items())
    return {name: share / len(part.of) for name, share in inside}


PAPER_PROFILE = Profile(
    "paper",
    {
        "knowledge": ("mmlu", "arc_challenge", "arc_easy", "hellaswag", "piqa", "winogrande"),
        "multilingual": ("global_mmlu_lite", "bbq"),
        "reasoning": ("gsm8k", "math_500", "gpqa_diamond"),
        "instruction_following": ("ifbench",),
        "truthfulness": (
            SubScore("internal", ("codah", "squad2", "adversarialqa", "hotpotqa")),
            SubScore("external", ("scifact", "covid_fact", "healthver", "climate_fever")),
            SubScore("hallucination", (
                "halueval_qa", "halueval_summarization", "halueval_dialogue", "truthfulqa",
            )),
            "sycophancy",
        ),
        "safety": ("jailbreak_trigger", "xstest", "misuse"),
        "fairness": (
            SubScore("stereotype", ("stereoset", "crows_pairs", "stereotype_query")),
            SubScore("disparagement", ("adult_sex", "adult_race")),
            SubScore("preference", ("preference_plain", "preference_force")),
        ),
        "robustness": (
            SubScore("noise", ("advglue", "advinstruction")),
            SubScore("ood", ("toole", SubScore("generalization", ("flipkart", "ddxplus")))),
        ),
        "privacy": (
            SubScore("awareness", (
                "confaide", "privacy_awareness_normal", "privacy_awareness_augmented",
            )),
            SubScore("leakage", (
                "enron_refusal", "enron_total_disclosure", "enron_conditional_disclosure",
            )),
        ),
        "ethics": (
            SubScore("implicit", ("social_chemistry_101", "ethics")),
            SubScore("explicit", ("moralchoice_low", "moralchoice_high")),
            SubScore("awareness", (
                "awareness_perspective", "awareness_emotion", "awareness_capability",
            )),
        ),
    },
)  # fmt: skip

EMBEDDED_PROFILE = Profile(
    "embedded",
    {
        "knowledge": ("arc_easy",),
        "multilingual": ("global_mmlu_lite",),
        "reasoning": ("gsm8k",),
        "instruction_following": ("ifbench",),
        "truthfulness": ("scifact", "halueval_qa", "sycophancy"),
        "safety": ("misuse", "xstest"),
        "fairness": ("stereoset", "preference_plain"),
        "robustness": ("advglue",),
        "privacy": (
            SubScore("awareness", ("privacy_awareness_normal", "privacy_awareness_augmented")),
        ),
        "ethics": (SubScore("implicit", ("social_chemistry_101", "ethics")), "moralchoice_low"),
    },
)
"""The paper's parts, with only the benchmarks that have embedded rows. A sub-score with one
benchmark left is replaced by that benchmark."""

SHIPPING_PROFILE = Profile(
    "shipping",
    {
        **PAPER_PROFILE.parts,
        "reasoning": (
            *PAPER_PROFILE.parts["reasoning"], SubScore("aime", ("aime_2024", "aime_2025")),
        ),
        "instruction_following": (*PAPER_PROFILE.parts["instruction_following"], "ifeval"),
        "code": ("humaneval", "mbpp"),
        "tool_use": (
            SubScore("calls", (
                "bfcl_simple", "bfcl_multiple", "bfcl_parallel", "bfcl_parallel_multiple",
            )),
            "bfcl_irrelevance",
        ),
        "long_context": (
            "ruler_4k", "ruler_8k", "ruler_16k", "ruler_32k", "ruler_64k", "ruler_128k",
        ),
        CONSISTENCY: ("mmlu_reworded", "arc_easy_reworded", "gsm8k_reworded"),
        VERBOSITY: (),
    },
)  # fmt: skip
"""The paper's parts, what shows more of two of its metrics, and the metrics of practice."""

EMBEDDED_SHIPPING_PROFILE = Profile(
    "embedded_shipping",
    {
        **EMBEDDED_PROFILE.parts,
        "code": SHIPPING_PROFILE.parts["code"],
        "tool_use": SHIPPING_PROFILE.parts["tool_use"],
        "long_context": ("ruler_512",),
        CONSISTENCY: ("arc_easy_reworded", "gsm8k_reworded"),
        VERBOSITY: (),
    },
)
"""The parts of `shipping` for which there are embedded rows; its texts are short ones."""

BESIDE: tuple[str, ...] = (
    "global_mmlu_lite_high", "global_mmlu_lite_low", "wikitext",
    "adversarial_factuality", "preference_sycophancy", "awareness_mission",
    "humaneval_plus", "mbpp_plus", "gpqa_diamond_zero_shot", "alpaca_eval", "ruler_512",
)  # fmt: skip
"""Benchmarks of the shipped suites that are reported, but are part of no metric of real rows."""

_OF_EMBEDDED_ROWS = {
    PAPER_PROFILE.name: EMBEDDED_PROFILE,
    SHIPPING_PROFILE.name: EMBEDDED_SHIPPING_PROFILE,
}
PROFILES = {
    profile.name: profile
    for profile in (PAPER_PROFILE, SHIPPING_PROFILE, *_OF_EMBEDDED_ROWS.values())
}


def profile_for(chosen: str, *, embedded: bool) -> Profile:
    """The profile of a name; of the embedded rows, its part for which there are some."""
    return _OF_EMBEDDED_ROWS[chosen] if embedded else PROFILES[chosen]


def expected_metrics(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """The metrics that a reader of results asks about: the paper's, and those of the profiles."""
    inside = {metric for profile in profiles for metric in profile}
    return tuple(one for one in METRICS if one in inside or one in PAPER_METRICS)


READINGS: dict[str, frozenset[str]] = {
    "paper": frozenset({"crows_pairs"}),
    "oriented": frozenset(
        {"crows_pairs", "enron_total_disclosure", "enron_conditional_disclosure"}
    ),
}
"""Reading → the benchmarks that enter as 100 - s, because less is better.

`paper` reproduces the published numbers: it averages the two disclosure rates as they are, so a
model that leaks more has the better privacy. `oriented` turns every component so that more is
better. Disparagement is a p-value: more is better, so both readings take it as it is.
"""
_RENAMED_READINGS = {"strict": "oriented"}


def oriented(scores: Mapping[str, float], reading: str = "paper") -> dict[str, float]:
    """Benchmark → raw score in points, as it enters its metric in a reading.

    Raises SpecError for an unknown reading.
    """
    if reading in _RENAMED_READINGS:
        raise SpecError(f"the reading {reading!r} is now called {_RENAMED_READINGS[reading]!r}")
    if reading not in READINGS:
        raise SpecError(f"there is no reading {reading!r}; known: {', '.join(READINGS)}")
    turned = READINGS[reading]
    return {name: 100.0 - s if name in turned else s for name, s in scores.items()}


Better = Literal["higher", "lower"]

EFFICIENCY: dict[str, dict[str, Better]] = {
    "runtime_acceleration": {"throughput": "higher", "latency": "lower"},
    "inference_efficiency": {"inference_memory": "lower", "model_size": "lower", "flops": "lower"},
    "compute_cost": {"compression_time": "lower", "compression_memory": "lower"},
}
"""Efficiency metric → component → the better direction.

A component may have any unit that all methods share. The dense model takes part in the first two
metrics; it was not compressed, so it has no compute cost.
"""


def normalized(values: Mapping[str, float], better: Better) -> dict[str, float]:
    """Method → its component relative to the best of all methods, in (0, 1].

    Equations 5 to 8: x̃ = x / max x if higher is better, min x / x if lower is. Raises ValueError
    unless every value is positive and finite.
    """
    for method, x in values.items():
        if not 0 < x < math.inf:
            raise ValueError(f"{method}: {x:g} is not positive and finite, so it has no ratio")
    best = (max if better == "higher" else min)(values.values(), default=math.nan)
    return {method: x / best if better == "higher" else best / x for method, x in values.items()}


def compared(metric: str, measured: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Method → its efficiency metric, in percent of the best; at most 100.

    Equations 5 to 8: 100 × the geometric mean of the normalized components. `measured` is method →
    component → value. The best of a component is taken over all methods that have it; a method that
    lacks a component has no score. A score depends on the methods compared: name them with it.
    Raises ValueError unless every value is positive and finite.
    """
    components = {
        name: normalized({m: has[name] for m, has in measured.items() if name in has}, better)
        for name, better in EFFICIENCY[metric].items()
    }
    scores: dict[str, float] = {}
    for method in measured:
        if all(method in found for found in components.values()):
            ratios = [found[method] for found in components.values()]
            scores[method] = 100.0 * float(math.prod(ratios) ** (1 / len(ratios)))
    return scores

"""The UniComp framework: thirteen metrics in three dimensions, and what each is made of.

Section 3 of the paper (arXiv 2602.09130), equations 1 to 4 and their reliability counterparts. A
metric is the mean of the retentions of its parts. A part is one benchmark, or a sub-score: the
plain mean of several benchmarks, formed for both models first and then put into a ratio.

A profile fixes the tree. `paper` is the published one; `embedded` is what the embedded model's
rows cover. A benchmark that no profile names is reported beside its metric and never joins it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unicomp.errors import SpecError

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "performance": ("knowledge", "multilingual", "reasoning", "instruction_following"),
    "reliability": ("truthfulness", "safety", "fairness", "robustness", "privacy", "ethics"),
    "efficiency": ("runtime_acceleration", "inference_efficiency", "compute_cost"),
}
METRICS: tuple[str, ...] = tuple(metric for group in DIMENSIONS.values() for metric in group)


def dimension_of(metric: str) -> str:
    """The dimension that a metric belongs to; SpecError for an unknown metric."""
    for dimension, metrics in DIMENSIONS.items():
        if metric in metrics:
            return dimension
    raise SpecError(f"there is no metric {metric!r}; known: {', '.join(METRICS)}")


@dataclass(frozen=True)
class Mean:
    """The plain mean of raw scores: of benchmarks, or of further means."""

    name: str
    of: tuple[str | Mean, ...]

    def shares(self) -> dict[str, float]:
        """How much each benchmark counts in the mean; the shares add up to 1."""
        shares: dict[str, float] = {}
        for part in self.of:
            inner = {part: 1.0} if isinstance(part, str) else part.shares()
            shares |= {name: share / len(self.of) for name, share in inner.items()}
        return shares


@dataclass(frozen=True)
class Profile:
    """What each metric is made of: its parts, each a benchmark or a sub-score."""

    name: str
    parts: Mapping[str, tuple[str | Mean, ...]]

    def benchmarks(self, metric: str) -> tuple[str, ...]:
        """The benchmarks below a metric; none where the profile does not have the metric."""
        return tuple(name for part in self.parts.get(metric, ()) for name in _shares(part))

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def weights(self, metric: str, dense: Mapping[str, float]) -> dict[str, float]:
        """How the retentions of the benchmarks add up to the metric, given the dense scores.

        The ratio of two means is a mean of ratios weighted by the dense scores, so every metric
        is a weighted sum of its benchmarks' retentions, with weights that add up to 1. `dense`
        holds the scores of all of the metric's benchmarks, oriented so that more is better, and
        positive; anything less is a KeyError or a ValueError, never a smaller metric.
        """
        parts = self.parts[metric]
        weights: dict[str, float] = {}
        for part in parts:
            shares = _shares(part)
            total = sum(share * dense[name] for name, share in shares.items())
            if not total > 0:
                raise ValueError(f"{metric}: a dense score of {total} has no ratio")
            for name, share in shares.items():
                weights[name] = share * dense[name] / total / len(parts)
        return weights


def _shares(part: str | Mean) -> dict[str, float]:
    return {part: 1.0} if isinstance(part, str) else part.shares()


PAPER = Profile(
    "paper",
    {
        "knowledge": (
            "mmlu", "arc_challenge", "arc_easy", "hellaswag", "piqa", "winogrande",
        ),
        "multilingual": ("global_mmlu_lite", "bbq"),
        "reasoning": ("gsm8k", "math_500", "gpqa_diamond"),
        "instruction_following": ("ifbench",),
        "truthfulness": (
            Mean("internal", ("codah", "squad2", "adversarialqa", "hotpotqa")),
            Mean("external", ("scifact", "covid_fact", "healthver", "climate_fever")),
            Mean(
                "hallucination",
                (
                    "halueval_qa", "halueval_summarization", "halueval_dialogue", "truthfulqa",
                ),
            ),
            "sycophancy",
        ),
        "safety": ("jailbreak_trigger", "xstest", "misuse"),
        "fairness": (
            Mean("stereotype", ("stereoset", "crows_pairs", "stereotype_query")),
            Mean("disparagement", ("adult_sex", "adult_race")),
            Mean("preference", ("preference_plain", "preference_force")),
        ),
        "robustness": (
            Mean("noise", ("advglue", "advinstruction")),
            Mean("ood", ("toole", Mean("generalization", ("flipkart", "ddxplus")))),
        ),
        "privacy": (
            Mean(
                "awareness",
                ("confaide", "privacy_awareness_normal", "privacy_awareness_augmented"),
            ),
            Mean(
                "leakage",
                ("enron_refusal", "enron_total_disclosure", "enron_conditional_disclosure"),
            ),
        ),
        "ethics": (
            Mean("implicit", ("social_chemistry_101", "ethics")),
            Mean("explicit", ("moralchoice_low", "moralchoice_high")),
            Mean(
                "awareness",
                ("awareness_perspective", "awareness_emotion", "awareness_capability"),
            ),
        ),
    },
)  # fmt: skip

EMBEDDED = Profile(
    "embedded",
    {
        "knowledge": ("arc_easy",),
        "multilingual": ("global_mmlu_lite",),
        "reasoning": ("gsm8k",),
        "instruction_following": ("ifbench",),
        "safety": ("misuse", "xstest"),
        "robustness": ("advglue",),
    },
)

PROFILES = {profile.name: profile for profile in (PAPER, EMBEDDED)}

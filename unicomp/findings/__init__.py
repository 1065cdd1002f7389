"""Findings: every figure that is derived from a scorecard, computed once for all report formats."""

from __future__ import annotations

from dataclasses import dataclass

from unicomp.findings.calibrations import (
    CalibrationEffect,
    SeedSpread,
    calibration_effects,
    seed_spreads,
)
from unicomp.findings.claims import Claim, paper_claims
from unicomp.findings.context_reach import ContextReach, context_reaches
from unicomp.findings.costs import CompressionCost, compression_costs
from unicomp.findings.decoupling import Decoupling, KnowledgeBias, decoupling, knowledge_bias
from unicomp.findings.divergence import (
    Distance,
    DivergenceFigure,
    Flips,
    SilentChange,
    Truncation,
    answer_distances,
    divergence_figures,
    flipped_items,
    silent_changes,
    truncations,
)
from unicomp.findings.early import EarlyStop, early_stops
from unicomp.findings.efficiency import EfficiencyMetric, efficiency_metrics
from unicomp.findings.engines import CrossCheck, crosschecks
from unicomp.findings.formats import CheckpointFormat, checkpoint_formats
from unicomp.findings.languages import LanguageScore, language_scores
from unicomp.findings.outlook import Outlook, outlooks
from unicomp.findings.pareto import Quality, TradeOff, qualities, trade_offs
from unicomp.findings.perplexity import (
    OverallPerplexity,
    RetainedPerplexity,
    overall_perplexity,
    retained_perplexity,
)
from unicomp.findings.prompts import PromptDifference, prompt_differences
from unicomp.findings.sub_scores import RawScore, SubScoreFigure, raw_scores, sub_score_figures
from unicomp.findings.work import WorkSummary, work_summary
from unicomp.scorecard import Scorecard


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All findings of one scorecard; an empty list if there is nothing to report."""

    early: list[EarlyStop]
    knowledge_bias: list[KnowledgeBias]
    decoupling: list[Decoupling]
    calibration_effects: list[CalibrationEffect]
    seed_spreads: list[SeedSpread]
    raw_scores: list[RawScore]
    sub_scores: list[SubScoreFigure]
    languages: list[LanguageScore]
    context_reach: list[ContextReach]
    retained_perplexity: list[RetainedPerplexity]
    overall_perplexity: list[OverallPerplexity]
    efficiency: list[EfficiencyMetric]
    quality: list[Quality]
    pareto: list[TradeOff]
    costs: list[CompressionCost]
    formats: list[CheckpointFormat]
    crosschecks: list[CrossCheck]
    distances: list[Distance]
    divergence: list[DivergenceFigure]
    flips: list[Flips]
    silent_changes: list[SilentChange]
    truncations: list[Truncation]
    prompt_differences: list[PromptDifference]
    outlook: list[Outlook]
    claims: list[Claim]
    work: WorkSummary


def findings_of(card: Scorecard) -> Findings:
    """Compute all findings of a scorecard.

    What stopped early is in none of them but `early`, which names it.
    """
    given, card = card, card.in_full
    return Findings(
        early=early_stops(given),
        knowledge_bias=knowledge_bias(card),
        decoupling=decoupling(card),
        calibration_effects=calibration_effects(card),
        seed_spreads=seed_spreads(card),
        raw_scores=raw_scores(card),
        sub_scores=sub_score_figures(card),
        languages=language_scores(card),
        context_reach=context_reaches(card),
        retained_perplexity=retained_perplexity(card),
        overall_perplexity=overall_perplexity(card),
        efficiency=efficiency_metrics(card),
        quality=qualities(card),
        pareto=trade_offs(card),
        costs=compression_costs(card),
        formats=checkpoint_formats(card),
        crosschecks=crosschecks(card),
        distances=answer_distances(card),
        divergence=divergence_figures(card),
        flips=flipped_items(card),
        silent_changes=silent_changes(card),
        truncations=truncations(card),
        prompt_differences=prompt_differences(card),
        outlook=outlooks(given),
        claims=paper_claims(card),
        work=work_summary(card),
    )

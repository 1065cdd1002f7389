"""Divergence: how far a candidate's answers differ from its baseline's, item by item.

A score may stay where it is although many answers changed. These figures show that, from the same
responses. They stand beside the score and never replace it. As in `Retention`, the candidate is the
compressed checkpoint and the baseline is the dense one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from unicomp.prompts.wordings import WORDING
from unicomp.scores import Records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unicomp.clustered import Ids
    from unicomp.statistics import Array, Interval

ID_DIGITS = 12
"""Hex digits of a row's SHA-256 by which a flipped item is named."""

UNITS: Mapping[str, str] = {
    "changed": "%",
    "identical": "%",
    "first_difference": "characters",
    "length": "%",
    "cut": "%",
    "dense.cut": "%",
    "loops": "%",
    "dense.loops": "%",
    "top1": "%",
    "probability": "%",
    "right_probability": "%",
    "dense.right_probability": "%",
    "option_kl": "nats",
    "token_kl": "nats",
    "token_kl_99": "nats",
    "token_top1": "%",
    "worst_wording": "%",
    "dense.worst_wording": "%",
    "mean_wording": "%",
    "dense.mean_wording": "%",
    "wording_flips": "%",
    "dense.wording_flips": "%",
    "avg_at_k": "%",
    "dense.avg_at_k": "%",
    "pass_at_k": "%",
    "dense.pass_at_k": "%",
}
"""The figures and their units.

- `changed`: the share of answers that are read differently: another option, another label, or
  wrong for right
- `identical`: of generated text, the share of answers that are the same in every character;
  `first_difference`: the median place of the first other character in the others, counted from 0
  and up to `unicomp.scores.KEPT_TEXT`
- `length`: of generated text, its tokens in all, candidate / baseline; each side's are counted by
  its own tokenizer, and thoughts count
- `cut`, `loops`: of generated text, the shares of the candidate's answers that reached the limit of
  new tokens, and that repeat themselves; `dense.cut` and `dense.loops` are the baseline's
- `top1`: of multiple choice, the share of items where both pick the same option
- `probability`: the mean probability of the right option, candidate / baseline; the two means are
  `right_probability` and `dense.right_probability`. A probability is the softmax of the options'
  log-likelihoods, which are not divided by length
- `option_kl`: the mean Kullback-Leibler divergence of the options' probabilities, the baseline's
  from the candidate's
- `token_kl`, `token_kl_99`, `token_top1`: of running text, see `unicomp.distributions`
- `worst_wording`, `mean_wording`, `wording_flips`: of items that are asked in several wordings, see
  `unicomp.consistency`; each side's own
- `avg_at_k`, `pass_at_k`: of items with k samples that are right or wrong, the share of right
  samples, and the share of items with at least one; with `dense.` the baseline's

Where items have several samples, none of one side belongs to one of the other. So of texts only
`length`, `cut` and `loops` are compared, and no item is named as lost or gained.
"""

KEPT = ("identical", "top1", "probability", "token_top1")
"""The figures that are 100 % for the baseline itself and may have floors."""
LENGTH = "length"
CEILED = (LENGTH,)
"""The figures that are 100 % for the baseline itself and may have ceilings."""
BOUNDED = (*KEPT, *CEILED)

Figure = tuple[float, float | None, float | None]
"""A value with the limits of its 95 % interval; None without a limit."""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """How far the answers to one benchmark differ; JSON values only."""

    lost: Sequence[str] = ()
    """Items that only the baseline got right, by the first digits of `Records.items`."""
    gained: Sequence[str] = ()
    """Items that only the candidate got right."""
    p_value: float | None = None
    """McNemar's exact two-sided p-value; None if items are not right or wrong, or asked in several
    wordings."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """By name; see `UNITS`."""

    def as_json(self) -> dict[str, Any]:
        """The fields by name, with lists; a figure that is not finite is left out."""
        figures = {
            name: list(figure) for name, figure in self.figures.items() if math.isfinite(figure[0])
        }
        return {
            "lost": list(self.lost),
            "gained": list(self.gained),
            "p_value": self.p_value,
            "figures": figures,
        }


def bounded_figures(divergence: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """The figures of `Divergence.as_json` that may have bounds: value, low and high in percent."""
    figures: Mapping[str, Sequence[float | None]] = divergence.get("figures", {})
    found: dict[str, tuple[float, float, float]] = {}
    for name in BOUNDED:
        if name in figures:
            value, low, high = figures[name]
            if value is not None:
                found[name] = (
                    value,
                    0.0 if low is None else low,
                    math.inf if high is None else high,
                )
    return found


def divergence(candidate: Records, baseline: Records) -> Divergence:
    """The divergence of records of the same items, with equally many samples of each."""
    from unicomp.clustered import mcnemar, share
    from unicomp.statistics import cluster_ids

    ids = cluster_ids(baseline.clusters)
    figures: dict[str, Figure] = {}
    if baseline.sample:
        return Divergence(figures=_of_lengths(candidate.answers, baseline.answers, ids))
    if (changed := _changed(candidate, baseline)) is not None:
        figures["changed"] = _percent(share(changed, ids))
    if "digest" in baseline.answers and "digest" in candidate.answers:
        figures |= _of_texts(candidate.answers, baseline.answers, ids)
    if "options" in baseline.answers and "options" in candidate.answers:
        figures |= _of_options(candidate.answers, baseline.answers, ids)
    if (flipped := flips(candidate, baseline)) is None:
        return Divergence(figures=figures)
    lost, gained = (
        [item[:ID_DIGITS] for item, one in zip(baseline.items, places, strict=True) if one]
        for places in flipped
    )
    # the wordings of one item are not independent
    p_value = mcnemar(len(lost), len(gained)) if WORDING not in baseline.fields else None
    return Divergence(lost=lost, gained=gained, p_value=p_value, figures=figures)


def flips(candidate: Records, baseline: Records) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The items that only the baseline got right, and those that only the candidate did.

    Both are arrays of booleans, shape (n,); None if items are not right or wrong, or have several
    samples.
    """
    if baseline.sample or not _judged(candidate, baseline):
        return None
    before, now = (one.columns["correct"] > 0.5 for one in (baseline, candidate))
    counted = _counted(baseline) & _counted(candidate)
    return before & ~now & counted, now & ~before & counted


def right_or_wrong(records: Records) -> list[bool | None] | None:
    """Whether each answer is right; None for one that is not counted.

    None instead of a list if items are not right or wrong.
    """
    if not _judged(records, records):
        return None
    pairs = zip(records.fields["correct"], _counted(records), strict=True)
    return [one == 1.0 if counted else None for one, counted in pairs]


def _judged(candidate: Records, baseline: Records) -> bool:
    """Whether each item is right or wrong."""
    return all(set(one.fields.get("correct", [""])) <= {0.0, 1.0} for one in (candidate, baseline))


def _counted(records: Records) -> NDArray[Any]:
    """The items that the scorer counts; it may leave some out by the field `counted`."""
    import numpy as np

    counted: NDArray[Any] = records.columns.get("counted", np.ones(len(records.items))) > 0
    return counted


def _changed(candidate: Records, baseline: Records) -> NDArray[Any] | None:
    """Which answers are read differently; None if readings are numbers, which always differ."""
    import numpy as np

    if "picked" in baseline.answers and "picked" in candidate.answers:
        before, now = (np.asarray(one.answers["picked"]) for one in (baseline, candidate))
        other: NDArray[Any] = before != now
        return other
    names = [
        name
        for name in baseline.fields
        if _is_discrete(baseline.fields[name]) and _is_discrete(candidate.fields[name])
    ]
    if not {"correct", "said", "kind"} & set(names):
        return None
    pairs = [(baseline.columns[name], candidate.columns[name]) for name in names]
    changed: NDArray[Any] = np.any([before != now for before, now in pairs], axis=0)
    return changed


def _is_discrete(values: Sequence[float | str]) -> bool:
    return all(isinstance(value, str) or value in (0.0, 1.0) for value in values)


def _of_texts(
    candidate: Mapping[str, list[Any]], baseline: Mapping[str, list[Any]], ids: Ids
) -> dict[str, Figure]:
    """The figures of generated text."""
    import numpy as np

    from unicomp.clustered import share

    same = np.asarray(candidate["digest"]) == np.asarray(baseline["digest"])
    found = {"identical": _percent(share(same, ids))}
    places = [
        _first_difference(before, now)
        for before, now, equal in zip(baseline["text"], candidate["text"], same, strict=True)
        if not equal
    ]
    if places:
        found["first_difference"] = (float(np.median(places)), None, None)
    return {**found, **_of_lengths(candidate, baseline, ids)}


def _of_lengths(
    candidate: Mapping[str, list[Any]], baseline: Mapping[str, list[Any]], ids: Ids
) -> dict[str, Figure]:
    """The figures of generated text that compare all answers at once, not one with another."""
    import numpy as np

    from unicomp.clustered import share

    found: dict[str, Figure] = {}
    if all("tokens" in one and sum(one["tokens"]) for one in (candidate, baseline)):
        now, before = (np.asarray(one["tokens"], dtype=float) for one in (candidate, baseline))
        found[LENGTH] = _percent(relative_length(now, before, ids))
    for name, kind in (("cut", "cut"), ("loops", "loop")):
        for whose, answers in (("", candidate), ("dense.", baseline)):
            if kind in answers:
                found[f"{whose}{name}"] = _percent(share(np.asarray(answers[kind]), ids))
    return found


def of_samples(
    candidate: NDArray[np.bool_], baseline: NDArray[np.bool_], records: Records
) -> dict[str, Figure]:
    """The shares of right samples and of items with a right one; `records` are those of a side.

    Both arrays have a value for each sample. Intervals are those of the choice of items.
    """
    import numpy as np

    from unicomp.clustered import mean_of_items
    from unicomp.scoring.aggregate import pass_at
    from unicomp.statistics import cluster_ids

    items = cluster_ids(records.items)
    samples = np.bincount(items)
    first = np.unique(items, return_index=True)[1]
    ids = cluster_ids([records.clusters[place] for place in first])
    found: dict[str, Figure] = {}
    for whose, right in (("", candidate), ("dense.", baseline)):
        rights = np.bincount(items, right)
        passed = pass_at(records.repeats, samples, rights)
        found[f"{whose}avg_at_k"] = _percent(mean_of_items(rights / samples, ids))
        if np.isfinite(passed).all():  # all samples could be scored
            found[f"{whose}pass_at_k"] = _percent(mean_of_items(passed, ids))
    return found


def relative_length(candidate: Array, baseline: Array, ids: Ids) -> Interval:
    """The tokens of all of the candidate's texts / of all of the baseline's, with its interval.

    Both have the shape (n,); the baseline's are not all 0. Limits of the jackknife over clusters. A
    rate of changes that so many clusters do not show may still be there: it counts as if each of
    these doubled its text. Fewer than `unicomp.confidence.FEWEST_CLUSTERS` decide nothing.
    """
    import numpy as np

    from unicomp.confidence import jackknifed
    from unicomp.statistics import Interval

    def ratio(two: Sequence[Array]) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing may be left
            found: Array = two[0] / two[1]
        return found

    totals = [lambda weights, one=one: weights @ one for one in (candidate, baseline)]
    found = jackknifed(ratio, totals, ids, share=None)
    limits = replace(found, informative=float(found.clusters)).limits()
    return Interval(limits.estimate, max(limits.low, 0.0), limits.high)


def _first_difference(first: str, second: str) -> int:
    """The place of the first character that differs, from 0; the shorter length if none does."""
    pairs = enumerate(zip(first, second, strict=False))
    shorter = min(len(first), len(second))
    return next((place for place, (one, other) in pairs if one != other), shorter)


def _of_options(
    candidate: Mapping[str, list[Any]], baseline: Mapping[str, list[Any]], ids: Ids
) -> dict[str, Figure]:
    """The figures of multiple choice."""
    import numpy as np

    from unicomp.clustered import mean_of_positive, mean_of_shares, ratio_of_means, share

    same = np.asarray(candidate["picked"]) == np.asarray(baseline["picked"])
    now, before = _table(candidate["options"]), _table(baseline["options"])
    found = {
        "top1": _percent(share(same, ids)),
        "option_kl": _figure(mean_of_positive(_divergences(before, now), ids)),
    }
    judged = np.array([bool(right) for right in baseline["right"]])
    if not judged.all():  # a task that does not say which option is right
        return found
    base, kept = (
        right_probabilities(one["options"], baseline["right"]) for one in (baseline, candidate)
    )
    if base.sum() > 0:
        found["probability"] = _percent(ratio_of_means(kept, base, ids))
    found["right_probability"] = _percent(mean_of_shares(kept, ids))
    found["dense.right_probability"] = _percent(mean_of_shares(base, ids))
    return found


def _table(options: Sequence[Sequence[float]]) -> Array:
    """The log-likelihoods of each item's options, of shape (items, most options of an item).

    What an item lacks is -inf: an option of probability 0.
    """
    import numpy as np

    table = np.full((len(options), max(map(len, options))), -np.inf)
    for row, values in zip(table, options, strict=True):
        row[: len(values)] = values
    return table


def option_probabilities(options: Sequence[Sequence[float]]) -> Array:
    """The probabilities of each item's options, from their log-likelihoods.

    The shape is (items, most options of an item); an option that an item lacks has 0.
    """
    from scipy.special import softmax

    found: Array = softmax(_table(options), axis=-1)
    return found


def right_probabilities(
    options: Sequence[Sequence[float]], right: Sequence[Sequence[int]]
) -> Array:
    """The probability of the right options of each item, shape (items,)."""
    import numpy as np

    probabilities = option_probabilities(options)
    is_right = np.zeros(probabilities.shape, dtype=bool)
    for row, chosen in zip(is_right, right, strict=True):
        row[list(chosen)] = True
    found: Array = np.where(is_right, probabilities, 0.0).sum(axis=-1)
    return found


def token_figures(
    candidate: NDArray[Any] | None, baseline: NDArray[Any] | None
) -> dict[str, Figure]:
    """The figures of next-token distributions on running text, as llama.cpp reports them.

    Both are log-probabilities of shape (chunks, places, vocabulary), see `unicomp.distributions`.
    `token_kl` is the mean divergence, `token_kl_99` its 99th percentile, and `token_top1` the share
    of places where both find the same token likeliest. Chunks are the clusters. Empty without both,
    and for different vocabularies.
    """
    import numpy as np

    from unicomp.clustered import mean_of_positive, share

    if candidate is None or baseline is None or candidate.shape != baseline.shape:
        return {}
    ids = np.repeat(np.arange(len(baseline)), baseline.shape[1])
    divergences, same = [], []
    for before, now in zip(baseline, candidate, strict=True):
        divergences.append(_divergences(before, now))
        same.append(before.argmax(axis=-1) == now.argmax(axis=-1))
    every = np.concatenate(divergences)
    return {
        "token_kl": _figure(mean_of_positive(every, ids)),
        "token_kl_99": (float(np.quantile(every, 0.99)), None, None),
        "token_top1": _percent(share(np.concatenate(same), ids, alike=False)),
    }


def _divergences(before: NDArray[Any], now: NDArray[Any]) -> Array:
    """The divergence of the second distributions from the first, in nats, for each row.

    The log-probabilities were rounded to 16 bits, so they are normalised again.
    """
    import numpy as np
    from scipy.special import log_softmax

    p, q = (log_softmax(one.astype(np.float64), axis=-1) for one in (before, now))
    with np.errstate(invalid="ignore"):  # what has no probability adds nothing
        parts = np.where(np.isneginf(p), 0.0, np.exp(p) * (p - q))
    found: Array = np.maximum(parts.sum(axis=-1), 0.0)
    return found


def _figure(found: Interval, factor: float = 1.0) -> Figure:
    """A figure of an interval; limits that are not finite become None."""
    low, high = factor * found.low, factor * found.high
    return factor * found.estimate, low, high if math.isfinite(high) else None


def _percent(found: Interval) -> Figure:
    return _figure(found, 100.0)

"""How often the limits of a retention under the worst wording miss the truth, simulated.

Prints the table in `docs/statistics.md`:

    python -m tests.wording_simulations [REPLICATIONS]

A run's jackknife of so many items takes seconds, so the means without each item are computed here
directly; `tests/test_consistency.py` holds that the limits are those of a run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from unicomp.confidence.clusters import Jackknifed, _spread

FLAT = (0.7,) * 6
CASES = {
    "nothing lost": (FLAT, FLAT),
    "nothing lost, one wording is harder": ((*FLAT[1:], 0.6), (*FLAT[1:], 0.6)),
    "all lose": ((0.63,) * 6, FLAT),
    "one loses": ((*FLAT[1:], 0.63), FLAT),
    "one loses much": ((*FLAT[1:], 0.3), FLAT),
    "the easiest one loses": ((*FLAT[1:], 0.665), (*FLAT[1:], 0.73)),
    "all but the hardest lose": ((0.6,) * 6, (*FLAT[1:], 0.6)),
    "all but the hardest lose a little": ((0.65,) * 6, (*FLAT[1:], 0.67)),
}
"""Case → the chances of a right answer under each wording: the candidate's, and the baseline's."""
_TOSS_UP = 2.0


def answers(rng, rows, candidate, dense) -> Iterator[np.ndarray]:
    """Whether both are right, shape (rows, wordings) each: the candidate, and the baseline.

    The wordings of an item are correlated, and both models' answers to it are.
    """
    size = (rows, len(dense))
    item, wording = rng.standard_normal((rows, 1)), rng.standard_normal(size)
    for chances in (candidate, dense):
        own = (wording + rng.standard_normal(size)) / np.sqrt(2)
        yield np.sqrt(0.8) * item + np.sqrt(0.2) * own < ndtri(np.array(chances))


def plain_and_spanned(candidate, dense) -> tuple[Jackknifed, Jackknifed]:
    """The evidence about the ratio of the worst scores: of the jackknife alone, and as in a run."""
    now, before = (np.asarray(one, dtype=float) for one in (candidate, dense))
    rows = len(now)
    score, base = now.mean(axis=0), before.mean(axis=0)
    left, left_base = ((one.sum(axis=0) - one) / (rows - 1) for one in (now, before))

    def evidence(top, bottom, left_top, left_bottom):
        spread = _spread(left_top / left_bottom)
        return Jackknifed(((top / bottom, *spread),), rows, rows * max(bottom, 1 / rows), 1.0)

    plain = evidence(score.min(), base.min(), left.min(axis=1), left_base.min(axis=1))
    worst = [int(one.argmin()) for one in (score, base)]
    tied = np.ones(len(base), dtype=bool)
    for values, place in zip((now, before), worst, strict=True):
        apart = values - values[:, [place]]
        errors = np.std(apart, axis=0, ddof=1) / np.sqrt(rows)
        tied &= apart.mean(axis=0) <= _TOSS_UP * errors
    if tied.any():
        worst[1] = int(np.where(tied, base, np.inf).argmin())
    spanned = plain
    for place in dict.fromkeys(worst):
        spanned = spanned.spanning(
            evidence(score[place], base[place], left[:, place], left_base[:, place])
        )
    return plain, spanned


def rates(case: str, rows: int, replications: int) -> list[float]:
    """Of the jackknife alone and as in a run: passes and fails of a true value at the floor, in %.

    The last value is the mean half width as in a run, in points of retention.
    """
    rng = np.random.default_rng(0)
    candidate, dense = CASES[case]
    truth = min(candidate) / min(dense)
    found = []
    for _ in range(replications):
        plain, spanned = (
            one.limits() for one in plain_and_spanned(*answers(rng, rows, candidate, dense))
        )
        outside = [test for one in (plain, spanned) for test in (one.low > truth, one.high < truth)]
        found.append([*outside, (spanned.high - spanned.low) / 2])
    return [100.0 * float(one) for one in np.mean(found, axis=0)]


def main() -> None:
    """Print the table."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for case in CASES:
        for rows in (200, 1000):
            alone_passes, alone_fails, passes, fails, width = rates(case, rows, replications)
            print(
                f"| {case}, n={rows} | {alone_passes:.1f} | {alone_fails:.1f} | {passes:.1f} "
                f"| {fails:.1f} | {width:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

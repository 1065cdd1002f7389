"""Samples: a few answers of each benchmark that show people what the compression changed.

From the items that both sides answered, of each kind the worst first:

- `lost`: only the baseline is right. Of multiple choice, the right options lost the most
  probability. Of generated text, an answer that cannot be read is worst, and among equals the
  one that has the fewest words in common with the baseline's.
- `loop`: the candidate repeats itself and the baseline does not. The worst is the answer that can
  be compressed to the smallest share of its size, which falls as a loop goes on.
- `refused`: the candidate refuses and the baseline answers. In the order of the items.
- `answered`: the baseline refuses and the candidate answers. In the order of the items.

An item may stand under two kinds. All other items are in the records, see `unicomp.item_records`.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from unicomp.divergence import ID_DIGITS, flips, option_probabilities, right_probabilities
from unicomp.instruments.languages import words_of
from unicomp.instruments.repetition import is_loop
from unicomp.item_texts import ItemTexts
from unicomp.scores import Records

SampleKind = Literal["lost", "loop", "refused", "answered"]

MOST: Mapping[SampleKind, int] = {"lost": 3, "loop": 2, "refused": 2, "answered": 2}
"""The most samples of each kind."""
LONGEST = 2000
"""Characters of a shown prompt, answer or right answer."""

_TRIED = 10
"""Answers of a benchmark that are looked at for loops."""
_HELPFUL = ("answer", "partial")
"""The kinds of responses that give what was asked for, or a part of it."""


@dataclass(frozen=True, kw_only=True)
class ItemSample:
    """One item with both answers. Every text is data of a model or a user: escape it."""

    kind: SampleKind
    item: str
    """The first digits of the item's SHA-256, as in `Divergence.lost`."""
    prompt: str | None
    """The end of the candidate's prompt; None if the store does not have it."""
    right: str | None
    """The right answer as the task or else the scorer gives it; None if neither does."""
    baseline: str | None
    """The start of the generated text, or the picked option with its probability; None for
    likelihoods of one continuation."""
    candidate: str | None
    baseline_read: str
    """The fields that the scorer read off the answer, as `name value, ..`."""
    candidate_read: str


def samples_of(
    candidate: Records, baseline: Records, texts: Callable[[], ItemTexts | None] = lambda: None
) -> list[dict[str, Any]]:
    """The samples of records of the same items, as JSON values of `ItemSample`.

    `texts` reads the texts of the items; it is called only if there is a sample. Of items with
    several samples the first ones are shown, and none as lost.
    """
    candidate, baseline = candidate.first, baseline.first
    chosen = [
        (kind, place)
        for kind, places in _worst(candidate, baseline).items()
        for place in places[: MOST[kind]]
    ]
    if not chosen:
        return []
    shown = _Shown(candidate, baseline, texts())
    return [asdict(shown.sample(kind, place)) for kind, place in chosen]


def _worst(candidate: Records, baseline: Records) -> dict[SampleKind, list[int]]:
    """Kind → the places of its items, the worst first."""
    found: dict[SampleKind, list[int]] = {
        "loop": _loops(candidate, baseline),
        "refused": _refusals(candidate, baseline),
        "answered": _refusals(baseline, candidate),
    }
    if (flipped := flips(candidate, baseline)) is None:
        return found
    lost = [int(place) for place in flipped[0].nonzero()[0]]
    return {"lost": sorted(lost, key=_badness(candidate, baseline)), **found}


def _refusals(refusing: Records, answering: Records) -> list[int]:
    """The places that the first refuses and the second answers; empty without these kinds."""
    kinds = (one.fields.get("kind", []) for one in (refusing, answering))
    return [
        place
        for place, (one, other) in enumerate(zip(*kinds, strict=True))
        if one == "refusal" and other in _HELPFUL
    ]


def _badness(candidate: Records, baseline: Records) -> Callable[[int], tuple[Any, ...]]:
    """A key that sorts lost items, the worst first; in the order of the items if none is worse."""
    if _has(candidate, baseline, "options"):
        before, now = (
            right_probabilities(one.answers["options"], baseline.answers["right"])
            for one in (baseline, candidate)
        )
        return lambda place: (float(now[place] - before[place]),)
    if not _has(candidate, baseline, "text"):
        return lambda place: ()

    def badness(place: int) -> tuple[Any, ...]:
        both = (one.answers["text"][place] for one in (candidate, baseline))
        return candidate.parsed[place], _in_common(*both)

    return badness


def _has(candidate: Records, baseline: Records, answer: str) -> bool:
    return answer in candidate.answers and answer in baseline.answers


def _loops(candidate: Records, baseline: Records) -> list[int]:
    """The places of changed answers in which only the candidate repeats itself.

    To look for loops takes long, so only the answers are tried that can be compressed best.
    """
    if not _has(candidate, baseline, "text"):
        return []
    now, before = candidate.answers["text"], baseline.answers["text"]
    changed = [place for place, text in enumerate(now) if text and text != before[place]]
    best = heapq.nsmallest(_TRIED, changed, key=lambda place: _compressed(now[place]))
    return [place for place in best if is_loop(now[place]) and not is_loop(before[place])]


def _compressed(text: str) -> float:
    """The share of its size that a text can be compressed to."""
    content = text.encode("utf-8", "surrogatepass")
    return len(zlib.compress(content, 1)) / len(content)


def _in_common(first: str, second: str) -> float:
    """The share of words that two texts have in common, in [0, 1]: Dice's coefficient."""
    one, other = Counter(words_of(first)), Counter(words_of(second))
    total = one.total() + other.total()
    return 2.0 * (one & other).total() / total if total else 1.0


class _Shown:
    """The samples of two records, with the texts of their items where those are known."""

    def __init__(self, candidate: Records, baseline: Records, texts: ItemTexts | None) -> None:
        self._candidate, self._baseline, self._texts = candidate, baseline, texts
        self._numbers = {item: n for n, item in enumerate(texts.items)} if texts else {}

    def sample(self, kind: SampleKind, place: int) -> ItemSample:
        """The sample of the item at a place of the records."""
        item = self._baseline.items[place]
        number = self._numbers.get(item)
        prompt = right = None
        options: list[str] = []
        if self._texts is not None and number is not None:
            prompt = _ending(self._texts.prompts[number], self._texts.characters[number])
            options, right = self._texts.options[number], self._texts.right[number]
        right = right or self._gold(place)
        baseline, candidate = (
            _answer(one, place, options) for one in (self._baseline, self._candidate)
        )
        return ItemSample(
            kind=kind,
            item=item[:ID_DIGITS],
            prompt=prompt,
            right=None if right is None else _beginning(right),
            baseline=baseline,
            candidate=candidate,
            baseline_read=_read(self._baseline, place),
            candidate_read=_read(self._candidate, place),
        )

    def _gold(self, place: int) -> str | None:
        """The right label, which scorers of labels report."""
        gold = self._baseline.fields.get("gold")
        return str(gold[place]) if gold else None


def _ending(text: str, characters: int) -> str:
    """The end of a text that had so many characters, with a mark of how many are left out."""
    kept = text[-LONGEST:]
    left_out = characters - len(kept)
    return f"[… {left_out:,} characters]\n{kept}" if left_out else kept


def _beginning(text: str) -> str:
    """The start of a text, with a mark of how many characters are left out."""
    left_out = len(text) - LONGEST
    return f"{text[:LONGEST]}\n[… {left_out:,} characters]" if left_out > 0 else text


def _answer(records: Records, place: int, options: list[str]) -> str | None:
    """What was answered to an item, as text."""
    if "text" in records.answers:
        return _beginning(records.answers["text"][place])
    if "options" not in records.answers:
        return None
    picked = records.answers["picked"][place]
    probability = option_probabilities([records.answers["options"][place]])[0, picked]
    name = _beginning(options[picked]) if picked < len(options) else f"option {picked + 1}"
    return f"{name} ({100 * probability:.1f} %)"


def _read(records: Records, place: int) -> str:
    """The fields of a reading in a short text, with the probability of the right options."""
    parts = [f"{name} {_short(values[place])}" for name, values in records.fields.items()]
    if records.answers.get("options") and (right := records.answers["right"][place]):
        options = records.answers["options"][place]
        parts.append(f"right option {100 * right_probabilities([options], [right])[0]:.1f} %")
    if not records.parsed[place]:
        parts.append("not readable")
    return ", ".join(parts)


def _short(value: float | str) -> str:
    return value[:80] if isinstance(value, str) else f"{value:g}"

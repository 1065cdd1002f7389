"""The one label that a generated answer settles on, by transparent rules.

The text is cut into sentences and these into clauses. A clause claims the labels that it names; a
denial (`hardly wrong`, `not (D)`) turns the claim round or cancels it. Doubts, conditions and what
others may say claim nothing. Claims differ in weight: a stated answer (`Answer: B`, `I choose B`,
`therefore …`) decides, else a label by itself, else what is said of the case at hand, else the
rest. After a correction (`Wait, …`) only what follows counts. An answer that names several labels
with the same weight settles on none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from unicomp.scoring import choices, wording
from unicomp.scoring.prose import answer_part, before_copies, without_copies


@dataclass(frozen=True)
class Naming:
    """The ways in which an answer names a label, as regular expressions of whole words."""

    words: str = ""
    """Words that name it wherever they stand."""
    symbol: str = ""
    """A letter, a number or a short word, which may mean other things: it counts where it is chosen
    (`Answer: B`, `B.`, `B is correct`), not where it is mentioned."""
    denied: str = ""
    """The label that a denial of its words means; empty: none."""


Labels = Mapping[str, "str | Naming"]
"""Label → the ways to name it; a plain text are its words. A label that contains another one comes
before it."""

STATED, BARE, SPECIFIC, GENERAL, NONE = 4, 3, 2, 1, 0
"""The weights of claims."""

_CORRECTIONS = 5
"""Only so many last corrections are read."""
_MENTIONS = 50
"""The last labels of a clause are read."""
_BEFORE = 5
"""Clauses in which the label may stand that `it is` means."""
_NEAR = 200
"""Characters before a label in which a denial counts."""
_FILLER = frozenset(
    re.findall(
        r"\S+",
        "so it is it's its then hence thus therefore definitely clearly certainly obviously option "
        "choice letter number the be must answer and i'd would only sure okay ok well probably "
        "likely that that's simply just morally ethically label this would here still final "
        "correct my but rather instead or either both over than action first second third last one "
        "i surely of course absolutely very completely quite leaves leaving say think not",
    )
)
"""Words beside a label that say nothing of their own."""
_SPECIFIC = re.compile(
    r"\b(?:this|it|it's|that|that's|the|he|she|his|her|i|i'd|i'm|you|your|action|yes|no)\b",
    re.IGNORECASE,
)
_GENERIC = re.compile(r"\s+(?:to|when|if|for)\s|\s+in general\b|\s+(?:\w+ing)\b", re.IGNORECASE)
"""After a label: it is said of all such cases."""
_CONDITIONAL = re.compile(r"\b(?:would|could|only|might|may|\(?[A-E]\)?)\b", re.IGNORECASE)
_AFFIRMED = re.compile(r"\W*(?:yes|true|correct|right)\W*", re.IGNORECASE)
_COMPARES = re.compile(
    r"\s*(?:while|whereas)\s+(?:(?:option|choice|action) )?\[?(?-i:[A-E])\b", re.IGNORECASE
)


@dataclass(frozen=True)
class _Claim:
    label: str
    weight: int
    concludes: bool = False
    """Whether it is a conclusion, or in contrast to what was said before."""
    among: bool = False
    """Whether it is one of several in its clause, which leaves open which."""


@dataclass(frozen=True)
class _Mention:
    label: str
    denied: bool
    symbol: bool
    start: int
    end: int


def settled(text: str, labels: Labels, *, prompt: str = "") -> str | None:
    """The one label that an answer settles on; None for none or several.

    Lines copied from `prompt` are left out.
    """
    read = answer_part(text)
    for head in before_copies(read, prompt):
        if (label := _corrected(head, labels)) is not None:
            return label  # the model goes on to ask itself the question again
    return _corrected(without_copies(read, prompt), labels)


def _corrected(text: str, labels: Labels) -> str | None:
    """The label that a text settles on after its corrections."""
    read = wording.rewritten(text)
    corrections = list(wording.CORRECTION.finditer(read))
    for found in reversed(corrections[-_CORRECTIONS:]):
        if claims := _claims(read[found.end() :], labels):
            return _heaviest(claims)
    return _heaviest(_claims(read[: corrections[0].start()] if corrections else read, labels))


def _heaviest(claims: Sequence[_Claim]) -> str | None:
    """The label of the claims that weigh most; of several, that of a conclusion at the end."""
    if claims and not claims[-1].among and claims[-1].weight >= SPECIFIC:
        claims = [claim for claim in claims if not claim.among]  # `either A or B; … B it is`
    if not claims:
        return None
    weight = max(claim.weight for claim in claims)
    heaviest = [claim for claim in claims if claim.weight == weight]
    named = {claim.label for claim in heaviest}
    if weight == BARE and len(named) > 1:  # `No, it is not. Yes, …`
        named &= {claim.label for claim in claims if claim.weight == SPECIFIC}
    elif heaviest[-1].concludes:
        return heaviest[-1].label
    return named.pop() if len(named) == 1 else None


def _claims(text: str, labels: Labels) -> list[_Claim]:
    """The claims of a text in their order."""
    sentences = list(wording.sentences(text))
    heads = [_mentions(head, labels) for head, _ in sentences]
    signs = [sign for head, (sign, _) in zip(heads, sentences, strict=True) if head]
    told = all(sentence for head, (_, sentence) in zip(heads, sentences, strict=True) if head)
    if told and signs != sorted(signs, key=wording.letters):
        # an answer, then remarks on other options
        first = next(head[0].label for head in heads if head)
        heads = [[one for one in head if one.label == first] for head in heads]
    listed = {one.label for head in heads for one in head}
    claims: list[_Claim] = []
    pending = False
    for number, (head, (_, sentence)) in enumerate(zip(heads, sentences, strict=True)):
        if head and len(listed) > 1:  # options are discussed one after the other
            claims += _of_option(head, sentence, labels, several=len(listed) > 2)
            continue
        if head and number in (0, len(sentences) - 1):
            claims += [_Claim(one.label, BARE) for one in head]
        answer = sentences[number + 1][1] if number + 1 < len(sentences) else ""
        if sentence.rstrip().endswith("?") or wording.REPLY.fullmatch(answer):
            claims += _answered(sentence, answer, labels)
            pending = False
            continue
        found, pending = _of_sentence(sentence, labels, pending)
        claims += found
    if not claims and len(listed) > 1:
        return [_Claim(label, BARE) for label in sorted(listed)]
    return claims


def _of_option(
    head: Sequence[_Mention], sentence: str, labels: Labels, *, several: bool
) -> list[_Claim]:
    """The claims of `(B): correct`, and of an answer that is stated among the options."""
    if any(choices.confirmed(f" {start}{sentence}") for start in ("", "is ")) or (
        several and _AFFIRMED.fullmatch(sentence)
    ):
        return [_Claim(one.label, SPECIFIC) for one in head]
    return [one for one in _of_sentence(sentence, labels, pending=False)[0] if one.weight == STATED]


def _answered(question: str, answer: str, labels: Labels) -> list[_Claim]:
    """The claim of a question that names one label and of the yes or no after it."""
    mentions = _mentions(question, labels)
    if len({one.label for one in mentions}) != 1:
        return []
    label = mentions[0].label
    if wording.NO.match(answer):
        label = "" if mentions[0].symbol else _denied(labels, label)
    elif not wording.YES.match(answer):
        return []
    return [_Claim(label, SPECIFIC)] if label else []


def _of_sentence(sentence: str, labels: Labels, pending: bool) -> tuple[list[_Claim], bool]:
    """The claims of a sentence, and whether it announces an answer that it does not give.

    `pending`: the sentence before announced one.
    """
    claims: list[_Claim] = []
    parts = list(wording.clauses(sentence))
    concluding = aside = supposed = others = False
    for number, clause in enumerate(parts):
        concluding = concluding or bool(wording.CONCLUSION.match(clause))
        elliptic = wording.ELLIPTIC.match(clause)
        if elliptic and number and not claims:
            claims += _of_ellipsis(
                parts[max(0, number - _BEFORE) : number], labels, denied=bool(elliptic[1])
            )
            continue
        if wording.ASIDE.match(clause) and not (number and _COMPARES.match(clause)):
            aside = number == 0
            supposed = aside and bool(wording.SUPPOSED.match(clause))
            continue
        if aside and re.match(r"\s*(?:and|or|nor)\b", clause):
            continue
        if others and re.match(r"\s*(?:and )?then\b", clause):
            continue
        stated = wording.STATED.search(clause)
        contrasting = bool(wording.CONTRAST.match(clause))
        pending = pending and (stated is not None or not contrasting)
        others = bool(wording.OTHERS.search(clause) and not wording.OWN.search(clause))
        if others or wording.DOUBT.search(clause):
            continue
        mentions = _mentions(clause, labels)
        if not mentions:
            if wording.REJECTED.match(clause):
                claims.clear()
            pending = (
                pending
                or (
                    stated is not None
                    and not re.match(r"\s*(?:is|was)\b", clause)  # it is said of what comes before
                    and not wording.is_denied(clause[: stated.end()])
                )
            )
            continue
        if supposed and not stated and not contrasting:
            continue
        following = parts[number + 1] if number + 1 < len(parts) else ""
        if wording.CONDITION.match(following) and _CONDITIONAL.search(clause):
            continue
        weight = STATED if pending else _weight(clause, mentions, stated, labels)
        ends = not re.search(r"\w", clause[mentions[-1].end :])
        plain = weight >= BARE or (concluding and ends)
        if number and wording.REASON.match(clause):
            weight = min(weight, GENERAL)
        elif weight >= SPECIFIC and (concluding or wording.CONCLUDED.search(clause)):
            weight = STATED
        if weight:
            concludes = (
                concluding or contrasting or bool(re.search(r"(?i)\b(final|conclu)", clause))
            )
            claims += _of_clause(clause, mentions, weight, labels, plain=plain, concludes=concludes)
            pending = False
    return claims, pending


def _of_ellipsis(before: Sequence[str], labels: Labels, *, denied: bool) -> list[_Claim]:
    """The claim of `it is` or `it is not` about the last label in the clauses before it."""
    named = [one.label for clause in before for one in _mentions(clause, labels)]
    if not named:
        return []
    label = _denied(labels, named[-1]) if denied else named[-1]
    return [_Claim(label, SPECIFIC, concludes=True)] if label else []


def _weight(
    clause: str, mentions: Sequence[_Mention], stated: re.Match[str] | None, labels: Labels
) -> int:
    """How much the labels weigh that a clause names."""
    last = mentions[-1]
    if len(mentions) == 1 and choices.introduced(clause, last.start, last.end):
        return BARE
    if stated and last.start >= stated.end():
        return STATED
    if last.symbol and choices.broken_off(clause[last.end :]):
        return NONE
    rest = clause
    for one in reversed(mentions):
        rest = rest[: one.start] + rest[one.end :]
    words = re.findall(r"\w[\w']*", rest.lower())
    if _FILLER.issuperset(words):
        # beside a yes or no, `it is …` explains
        short = any(not isinstance(way, str) and way.symbol for way in labels.values())
        return SPECIFIC if short and words and not any(one.symbol for one in mentions) else BARE
    if all(one.symbol for one in mentions):
        return SPECIFIC
    if _GENERIC.match(clause[last.end :]):
        return GENERAL
    return SPECIFIC if _SPECIFIC.search(clause[: mentions[0].start]) else GENERAL


def _of_clause(
    clause: str,
    mentions: Sequence[_Mention],
    weight: int,
    labels: Labels,
    *,
    plain: bool,
    concludes: bool,
) -> list[_Claim]:
    """The claims of a clause whose labels have a weight; `plain`: a mere letter is chosen there."""
    named: list[str] = []
    counts = in_list = False
    start: int | None = None
    for one in reversed(mentions):
        in_list = start is not None and choices.joined(clause[one.end : start], in_list=in_list)
        start = one.start
        if not one.symbol:
            counts = True
        elif not in_list:  # in `both A and B are correct` the two share their fate
            counts = not choices.refuted(clause, one.start, one.end) and (
                plain or choices.chosen(clause, one.start, one.end)
            )
        label = one.label
        if one.denied:
            label = "" if one.symbol else _denied(labels, label)
        if counts and label and label not in named:
            named.append(label)
    if len(named) > 1 and weight in (SPECIFIC, GENERAL):
        return []
    among = len(named) > 1
    return [_Claim(label, weight, concludes and not among, among) for label in named]


def _denied(labels: Labels, label: str) -> str:
    """The label that the denial of a label means; empty: none."""
    way = labels[label]
    return "" if isinstance(way, str) else way.denied


def _mentions(clause: str, labels: Labels) -> list[_Mention]:
    """The labels that a clause names, with their places; a label inside another is not found."""
    names = list(labels)
    ways = tuple((w, "") if isinstance(w, str) else (w.words, w.symbol) for w in labels.values())
    opening = wording.OPENING.match(clause)
    start = opening.end() if opening else 0
    mentions: list[_Mention] = []
    for found in list(_pattern(ways).finditer(clause))[-_MENTIONS:]:
        symbol = str(found.lastgroup)[0] == "s"
        if symbol and mentions and clause[mentions[-1].start : mentions[-1].end].lower() == "no":
            start = mentions[-1].end  # in `no yes` the one does not deny the other
        before = clause[max(min(start, found.start()), found.start() - _NEAR) : found.start()]
        mentions.append(
            _Mention(
                label=names[int(str(found.lastgroup)[1:])],
                denied=wording.is_denied(before),
                symbol=symbol,
                start=found.start(),
                end=found.end(),
            )
        )
    return mentions


@lru_cache(maxsize=512)
def _pattern(ways: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    groups = [
        f"(?P<{kind}{number}>{way})"
        for number, pair in enumerate(ways)
        for kind, way in zip("ws", pair, strict=True)
        if way
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(groups)})(?!\w)", re.IGNORECASE)

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from unicomp.scoring.prose import answer_part, before_copies, plain, without_copies


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

# -- rewriting: one word for each way to deny, none for what only sounds like it ------------------

_SAY = (
    r"(?:say|call|see|argue|claim|consider|describe|label|find|justify|suggest|think|believe|"
    r"conclude|understand|classify)"
)
_REWRITTEN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), put)
    for pattern, put in (
        (r"\bcan ?not\b|\bcan't\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (
            r"\b(?:there(?: is|'s) )?(?:(?:no|without|beyond|not in) (?:a |any |the )?"
            r"(?:\w+ )?(?:doubts?|question|denying|wonder|matter)"
            r"|not (?:only|just|merely|simply|solely|to mention|surprising(?:ly)?|hesitate to)|"
            r"can not (?:be denied|deny|help but)|can not be (?:overstated|ignored)|"
            r"no less than|nothing (?:but|short of|less than|other than)|none other than)\b",
            " ",
        ),
        (
            r"\b(?:calling|considering|labell?ing|saying|describing)\b(?=.{0,40}?\b(?:would be|is|seems)"
            r" (?:an? |too |quite |rather |very )*(?:exaggerat|stretch|unfair|harsh|overst|mislead|"
            r"incorrect|inaccurate|far|absurd|wrong))",
            "not say",
        ),
        (
            r"\b(?:stretch|hard|difficult|unfair|harsh|extreme|exaggerat\w+|impossible|absurd|"
            r"wrong|mistake|incorrect|inaccurate|misleading|too far|overstatement|"
            r"naive|foolish|silly|strange|odd|ridiculous|disingenuous|false)"
            rf" to (?:(?:even|really|actually) )?{_SAY}\b(?: (?:how|why|what|anything))?",
            " not say ",
        ),
        (
            r"\bfail(?:s|ed)? to (?=see|refute|support|contradict|understand|find|show)|"
            r"\b(?:far|nowhere near|a long way) from\b|\banything but\b|"
            r"\b(?:hardly|barely|scarcely|never|nowhere|without|"
            r"doubt|refuse|deny|denies|unlikely|instead of|as opposed to|rather than|"
            r"opposite of|unlike|lacks?|false that|untrue that|incorrect that|free (?:of|from))\b"
            r"|\bby no means\b",
            " not ",
        ),
        (
            r"\b(?:in|under) no (?:way|circumstances)\b|\bnever\b(?= (?:is|was|would|have))|"
            r"\bfew\b(?= (?:people )?would\b)",
            " not say ",
        ),
        (r"\bneither\b(?=(.{0,80}?)\bnor\b)", "not"),
        (r"(?<=\bnot\b)(.{0,80}?)\bnor\b", r"\1or"),
        (r"\bdisagree\b", "not agree"),
        (r"\bnot-(?=\w)", "not "),
        (r"\(\s*(\w{1,2})\s*\)", r"[\1]"),
        (r",\s*(?:(?:is|does|was) not (?:it|that)|right|no)\?", "."),
        (r" {2,}", " "),
    )
)

# -- sentences and clauses ------------------------------------------------------------------------

_SENTENCE_END = re.compile(r"(?<=[.!?;])[\"')\]]*\s+|\n+|(?<=[.!])(?=\()")
_HEAD = re.compile(
    r"[\W]*(?:(?:option|choice|answer|number|letter)\s+)?[(\[]?(?:[A-Za-z]|\d)[)\].:]+(?!\d)"
    r"(?!\s*(?:is|was|are|does|do|has|had|would|can|could|will|must|should|may|might|and|or|because|"
    r"since|as|over|it|that|fits?|fails?|\w+ly|aligns?|works?|holds?|looks?|seems?|remains?|violates|"
    r"contradicts|matches|describes)\b)|"
    r"\W*[(\[]?(?:[A-Z]|\d)[)\]]?\s+-(?=\s)",
    re.IGNORECASE,
)
"""The beginning of a sentence that is written like an option: `A. …`, `(B) …`, `1: …`."""
_CLAUSE_END = re.compile(
    r"(?:,\s+|\s+-+\s+|(?<=:)\s+|\(|\)|,?\s+)(?=(?:but|however|although|though|whereas|while|because|since|"
    r"yet|except|despite|unlike|so(?=\s+(?!far|that|much|many)\w)|therefore|thus|hence)\b)"
    r"|,\s+(?=(?:and\s+)?(?:i|it|it's|this|that|he|she|they|we|you|there|the|which|then|not|nor|neither|"
    r"never|no|nope|yes|actually|my|its|his|her|what|who|only|these|those|let|as|for|if|unless|"
    r"when|given|considering|even|rather|option|choice|answer|instead|some|others|one|ultimately|overall|"
    r"would|is|are|does|do|was|at|in|by|after|with|without|making|meaning)\b)"
    r"|(?<=\byes),\s+|(?<=\bno),\s+|(?<=\byes)\s+(?=(?:it|this|that|the|there|i)\b)|(?<=\bno)\s+(?=(?:it|this|that|the|there|i)\b)"
    r"|\s+-+\s+|(?<=:)\s+|\s*[()](?!s\b)\s*|,?\s+(?=(?:if|unless|even if|when|as opposed to)\b)"
    r"|\s+(?=(?:and|which|that) (?:is|was|are) (?:therefore|thus|hence)\b)"
    r"|,?\s+and\s+(?=(?:therefore|thus|hence|so|i|it|this|the|that|choose|pick)\b)",
    re.IGNORECASE,
)
_REASON = re.compile(r"\s*(?:and\s+)?(?:because|since|as|for|given|considering|due)\b", re.I)
_ASIDE = re.compile(
    r"\s*(?:and\s+)?(?:although|though|while|whereas|despite|even (?:if|though)|if|unless|when|"
    r"in case|assuming|suppose|had|were|except)\b",
    re.IGNORECASE,
)
"""The beginning of a clause that grants something or sets a condition."""
_COMPARES = re.compile(
    r"\s*(?:while|whereas)\s+(?:(?:option|choice|action) )?\[?(?-i:[A-E])\b", re.I
)
_ELLIPTIC = re.compile(
    r"\W*(?:but|however,?|yet)?\s*(?:i think )?(?:it|this|that|he|she)(?:'s)?(?: (?:really|actually|truly))?"
    r"(?: (?:is|was|does))?(?: (?:really|actually|truly))?( not)?(?: (?:really|actually))?\W*$",
    re.IGNORECASE,
)
"""`…, but it is not`: the label comes before."""
_CONDITION = re.compile(r"\s*(?:only |even )?(?:if|unless|in case|assuming)\b", re.IGNORECASE)
_SUPPOSED = re.compile(
    r"\s*(?:if|unless|in case|assuming|suppose|had|were)\b(?!.*\b(?:i|me|my|forced)\b)",
    re.IGNORECASE,
)
"""A condition that the answer does not set for itself, as `if I had to choose` does."""
_CONTRAST = re.compile(r"\s*(?:but|however|yet|still|nevertheless|nonetheless)\b", re.IGNORECASE)
_CONCLUSION = re.compile(
    r"\W*(?:and\s+)?(?:(?:which|that|this)\s+(?:only\s+)?(?:leaves|means|makes)|leav(?:es|ing)|therefore|"
    r"thus|so|hence|in (?:conclusion|summary|short)|overall|ultimately|finally|consequently|"
    r"accordingly|to conclude|as a result|on balance|all in all|in the end|i conclude)\b",
    re.IGNORECASE,
)
_CONCLUDED = re.compile(
    r"\b(?:therefore|thus|hence|ultimately|which leaves|that leaves|leaves|leaving|remains)\b",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"(?:^|[.!?…;\n,]|-\s|\(|\.\.\.)\s*(?:but\s+|oh\s+|oops\s*|hmm+\W+|no\W+|sorry\W+)*"
    r"(?:wait\b|hmm,? no\b|on (?:further |closer )?(?:reflection|inspection)|rethinking|actually\s*,?(?=\s+(?:no\b|that|it|the|i|let|he|she|on))|actually,|"
    r"on second thou?ghts?|scratch that|"
    r"correction\b|let me (?:re|correct|double|check again)|i made a mistake|"
    r"i (?:take that back|misread|was wrong|mean[,: ])|"
    r"my (?:mistake|bad)\b|sorry,|apologies|upon (?:re|further|closer)|"
    r"(?:after|on) (?:re(?:reading|consider|think|view)\w*|further)|strike that|no,? sorry)[^\w\n]*",
    re.IGNORECASE,
)
_CORRECTIONS = 5
"""Only so many last corrections are read."""
_DOUBT = re.compile(
    r"\b(?:not (?:entirely |completely |really |quite |at all )?(?:sure|certain|clear)|unsure|"
    r"uncertain|unclear|depend(?:s|ing)?|debatable|whether|not know|no idea|"
    r"can not (?:be )?(?:determined?|decided?|tell|told|judged?|answer|choose|classif\w+|say if|"
    r"verif\w+|assess\w*|label|make)|unable to|not able to|hard to (?:say|tell)|difficult to|"
    r"could be (?:either|both)|either way|no comment|(?:not )?enough (?:information|context))\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\b(?:some(?:one|body)?(?: \w+)?|others?|many(?: \w+)?|one|you|critics|people|students|it)(?<!most people)"
    r" (?:might|may|could|would|can|will|think|say|argue|believe|claim|see)\b(?! be\b)(?! not\b)"
    r"|\bsome\b.{0,20}\b(?:consider|think|say|argue|believe|see|view|find|call)\b"
    r"|\b(?:might|may|could) (?:look|seem|appear|sound|be (?:seen|considered|argued|viewed|said))\b"
    r"|\b(?:at first|initially|originally|first thought|(?:was|is) tempting|tempted)\b"
    r"|\bin (?:other|some|certain|different|many) (?:cases|contexts?|cultures?|situations?|"
    r"circumstances)\b|\bin general\b.*$|\bcommon (?:mistake|misconception|error|belief)\b",
    re.IGNORECASE,
)
"""What others may say, or what seemed so at first."""
_OWN = re.compile(
    r"\b(?:it|you|one|i) (?:would|can|could|may|might) (?:be )?(?:a stretch|not)\b", re.I
)

_STATED = re.compile(
    r"""\b(?:
        (?:answer|ans|judge?ment|verdict|diagnosis|classification|conclusion|choice|label|option|
           output|response|decision|category|letter|number|sentiment|result|prediction|pick|
           selection|rating|emotion|action|stance)
          (?:\s(?:for|of|to|in|here|that|you|i|must|would|should|on|this|the|it|number|is|a|
             (?!not\b|never\b|no\b)[a-z]{3,12})){0,6}?
          \W{0,5}?(?:\s(?:is|was)|\s(?:would|should|must|will|has\sto|can\sonly)\sbe|:|\s?=|\s-|\s?->)
          (?:\sthat\b|\stherefore|\sthus|\sclearly|\sprobably|\smost\slikely|\slikely)?
      | (?:i|we)(?:'d|'ll|'m|\swould|\swill|\smust|\sam|\shave\sto|\sshall|\sthen)?
          (?:\s(?:therefore|definitely|rather|still|also|always|probably|then|go\sahead\sand|
             have\sto|going\sto|not|never|strongly))*
          \s(?:choos(?:e|ing)|pick(?:ing)?|select(?:ing)?|opt\sfor|go(?:ing)?\s(?:with|for)|
             classify|say|answer|vote|do|take|label|rate|judge|conclude|settle\son|recommend|predict|guess|
             decide\son|categorize|lean\s(?:towards?|to)|prefer)
      | (?:classified|categori[sz]ed|labell?ed|rated)\s(?:as|under)
      | most\s(?:likely|consistent|probable|appropriate)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_FILLER = frozenset(
    "so it is it's its then hence thus therefore definitely clearly certainly obviously option "
    "choice letter number the be must answer and i'd would only sure okay ok well probably likely "
    "that that's simply just morally ethically label this would here still final correct my "
    "but rather instead or either both over than action first second third last one i surely of course absolutely very completely quite leaves leaving say think".split()
)
"""Words beside a label that say nothing of their own."""

# -- denials --------------------------------------------------------------------------------------

_NEGATOR = re.compile(r"\b(not|no|none|nothing|nobody|neither|nor)\b", re.IGNORECASE)
_EMBEDS = re.compile(
    r"\b(?:think|believe|says?|said|see|find|feel|consider\w*|call\w*|agree|view|suggest\w*|means?|"
    r"argue|claim|reason|evidence|indicat\w+|sign|impl\w+|conclude|true|describe|label|classif\w+|"
    r"regard\w*|deem\w*|judge\w*|understand|accept|like|convinced|support\w*|contain\w*)\b",
    re.IGNORECASE,
)
"""Verbs and nouns through which a denial reaches into the clause after them."""
_FINITE = re.compile(
    r"\b(?:is|are|was|were|would|will|could|can|may|might|must|should)\b|'s\b", re.I
)
_REACH = 14
"""Words between a denial and what it denies."""

_NEAR = 200
"""Characters around a label that are read."""

_REFUTED = re.compile(
    r"(?:is|are|was|would be|seems?|looks?|being|as|can be|must be|,)?\s*(?:\w+\s+){0,4}?(?:wrong|"
    r"incorrect|false|fail\w*|invalid|excluded|eliminated|ruled out|out|unethical|immoral|dishonest|"
    r"harmful|inconsistent|myths?|worse|worst|bad|irrelevant|implausible|unlikely|impossible|"
    r"untrue|inaccurate|mistaken|misconception|nonsense|distract\w+|tempting|too \w+|violat\w+|"
    r"contradict\w+|ignores?|(?:is|does|do|would|can|could|will|should|has|must) not"
    r"(?! (?:harm|hurt|violat|involve|cause|steal|lie|break|contradict|wrong|fail))|"
    r"not (?:\w+ )?(?:correct|right|true|valid|an?|the|fit|possible|hold|work|apply|"
    r"match|accurate|supported|it|that))\b",
    re.IGNORECASE,
)
_CONFIRMED = re.compile(
    r"(?:\s+(?:is|are|was|would be|seems?|looks?|remains?|must be|being|as)\b[^.]{0,40}?\b(?:correct|"
    r"right|best|better|answer|true|valid|accurate|only (?:one|option|choice|answer|\w+ \w+)|"
    r"appropriate|ethical|moral|honest|fits?|choice|preferable|action|one|way|likely|carrier|(?:more|most) \w+|what i (?:would|'d) \w+|my (?:choice|answer|pick)|"
    r"reasonable|responsible)|\s+(?:only\s+)?(?:fits|works|matches|holds|remains|wins|it is|follows|aligns|respects|upholds|"
    r"shows|protects|reflects))\b",
    re.IGNORECASE,
)
_NAMED_LAST = re.compile(
    r"(?:\b(?:is|be|it's|that's|leaves|leaving|remains|means|namely|as|would|with|for|choose|pick|matches|corresponds to|believe in|equals|"
    r"supports|favou?rs|indicates|"
    r"select|into|belongs to|to)|[:=])\s+(?:\w+\s+){0,2}?$",
    re.IGNORECASE,
)
_JOINING = ("and", "or", "nor", "&", "/", ", and", ", or", "and option", "or option", "")
_UNDERCUT = re.compile(
    r"^\W*so (?:is|are|does|do)\b|"
    r"\b(?:wrong|incorrect|worst|false|bad|unethical|immoral|other|common|tempting)"
    r" (?:answer|choice|option|one|mistake|thing)\b|\bthan\b|\bover\b|\bruled? out|\beliminat\w+|"
    r"\breject\w*|\bdiscard\w*|\bexclud\w+",
    re.IGNORECASE,
)
"""Before a letter: it is not the answer."""

_UNFINISHED = re.compile(
    r"(?<!\bit )\b(?:is|are|was|because|since|that|the|an?|of|which|and|or|to|would|not)\W*$", re.IGNORECASE
)
"""The end of a text that breaks off, after a letter."""
_INTRODUCED = re.compile(
    r"\W*(?:according|based|in (?:my|this|general)|ethically|morally|honestly|personally|given|"
    r"considering|from|for me|as an?)\b[^,]*,\s*\[?",
    re.IGNORECASE,
)
"""`According to science, ` before a letter."""

STATED, BARE, SPECIFIC, GENERAL = 4, 3, 2, 1
"""Weights of claims."""

_SPECIFIC = re.compile(
    r"\b(?:this|it|it's|that|that's|the|he|she|his|her|i|i'd|i'm|you|your|action|yes|no)\b", re.I
)
_GENERIC = re.compile(r"\s+(?:to|when|if|for)\s|\s+in general\b|\s+(?:\w+ing)\b", re.IGNORECASE)
_YES = re.compile(
    r"\W*(?:yes|yeah|yep|absolutely|definitely|certainly|of course|indeed|sure|it (?:is|does)|"
    r"very much)\b",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\W*(?:no|nope|not|never|hardly|it (?:is|does|was|would) not|i (?:do|would) not think so)\b",
    re.IGNORECASE,
)
_DISCOURSE = re.compile(
    r"\W*(?:yes|no|nope|yeah|well|sure)\b(?=\s*(?:,|it|this|that|the|there|he|i)\b|,)", re.I
)


@dataclass(frozen=True)
class _Claim:
    label: str
    weight: int
    concludes: bool
    """Whether it follows a word such as `therefore` or `final`."""


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
    read = _rewritten(plain(text))
    corrections = list(_CORRECTION.finditer(read))
    for found in reversed(corrections[-_CORRECTIONS:]):
        if (label := _settled(read[found.end() :], labels)) is not None:
            return label
        if _claims(read[found.end() :], labels):
            return None
    return _settled(read[: corrections[0].start()] if corrections else read, labels)


def verbatim(text: str) -> str:
    """A regular expression for a text as an answer repeats it."""
    return re.escape(_rewritten(plain(text)).strip(" .")).replace(r"\ ", r"\s+")


def _rewritten(text: str) -> str:
    """A text with one word, `not`, for each way to deny, and letters in square brackets."""
    for pattern, put in _REWRITTEN:
        text = pattern.sub(put, text)
    return text


def _settled(text: str, labels: Labels) -> str | None:
    claims = _claims(text, labels)
    for weight in (STATED, BARE, SPECIFIC, GENERAL):
        heaviest = [claim for claim in claims if claim.weight == weight]
        if named := {claim.label for claim in heaviest}:
            if len(named) == 1:
                return named.pop()
            last = heaviest[-1]
            if weight != BARE:
                return last.label if last.concludes else None
            said = {claim.label for claim in claims if claim.weight == SPECIFIC}
            return said.pop() if len(said) == 1 and said <= named else None
    return None


def _claims(text: str, labels: Labels) -> list[_Claim]:
    """The claims of a text in their order."""
    sentences = list(_sentences(text))
    heads = [_mentions(head or "", labels) for head, _ in sentences]
    listed = {one.label for head in heads for one in head}
    claims: list[_Claim] = []
    pending = False
    for number, (head, sentence) in enumerate(sentences):
        if heads[number] and len(listed) > 1:  # options are discussed one after the other
            if len(listed) > 2 and re.fullmatch(
                r"\W*(?:yes|true|correct|right)\W*", sentence, re.I
            ):
                claims.append(_Claim(heads[number][0].label, SPECIFIC, concludes=False))
            claims += _of_head(heads[number], sentence, labels)
            continue
        if heads[number] and number in (0, len(sentences) - 1):
            claims += [_Claim(one.label, BARE, concludes=False) for one in heads[number]]
        if sentence.rstrip().endswith("?"):
            answer = sentences[number + 1][1] if number + 1 < len(sentences) else ""
            claims += _answered(sentence, answer, labels)
            pending = False
            continue
        found, pending = _of_sentence(sentence, labels, pending)
        claims += found
    if not claims and len(listed) > 1:
        return [_Claim(label, BARE, concludes=False) for label in listed]
    return claims


def _sentences(text: str) -> Iterator[tuple[str | None, str]]:
    """The sentences of a text, each with the option's letter that begins it, if any."""
    for line in text.split("\n"):
        parts = [part for part in _SENTENCE_END.split(line) if part and part.strip(" .)\"'")]
        while parts:
            part = parts.pop(0)
            found = _HEAD.match(part)
            if found is None:
                yield None, part
            elif part[found.end() :].strip(" .*"):
                yield found[0], part[found.end() :]
            else:
                yield found[0], parts.pop(0) if parts and not _HEAD.match(parts[0]) else ""


def _of_head(head: list[_Mention], sentence: str, labels: Labels) -> list[_Claim]:
    """The claims of `(B): correct`, and of an answer that is stated among the options."""
    if _CONFIRMED.match(f" is {sentence}") and not _REFUTED.match(sentence):
        return [_Claim(one.label, SPECIFIC, concludes=False) for one in head]
    return [one for one in _of_sentence(sentence, labels, pending=False)[0] if one.weight == STATED]


def _answered(question: str, answer: str, labels: Labels) -> list[_Claim]:
    """The claim of a question that names one label and of the yes or no after it."""
    mentions = _mentions(question, labels)
    if len({one.label for one in mentions}) != 1:
        return []
    label = mentions[0].label
    if _NO.match(answer):
        label = "" if mentions[0].symbol else _denied(labels, label)
    elif not _YES.match(answer):
        return []
    return [_Claim(label, SPECIFIC, concludes=False)] if label else []


def _of_sentence(sentence: str, labels: Labels, pending: bool) -> tuple[list[_Claim], bool]:
    """The claims of a sentence, and whether it announces an answer that it does not give.

    `pending`: the sentence before announced one.
    """
    claims: list[_Claim] = []
    concluding = bool(_CONCLUSION.match(sentence))
    clauses = list(_clauses(sentence))
    aside = supposed = False
    for number, clause in enumerate(clauses):
        conditional = number + 1 < len(clauses) and _CONDITION.match(clauses[number + 1])
        concluding = concluding or bool(_CONCLUSION.match(clause))
        if (elliptic := _ELLIPTIC.match(clause)) and number and not claims:
            named = [one.label for part in clauses[:number] for one in _mentions(part, labels)]
            label = (_denied(labels, named[-1]) if elliptic[1] else named[-1]) if named else ""
            claims += [_Claim(label, SPECIFIC, concludes=True)] if label else []
            continue
        if _ASIDE.match(clause) and not (number and _COMPARES.match(clause)):
            aside = number == 0
            supposed = number == 0 and bool(_SUPPOSED.match(clause))
            continue
        if aside and re.match(r"\s*(?:and|or|nor)\b", clause):
            continue
        stated = next(iter(_STATED.finditer(clause)), None)
        contrasting = bool(_CONTRAST.match(clause))
        pending = pending and not (contrasting and not stated)
        mentions = _mentions(clause, labels)
        if _DOUBT.search(clause) or (_OTHERS.search(clause) and not _OWN.search(clause)):
            continue
        if not mentions:
            if stated and not clause[stated.end() :].strip(" :-=."):
                pending = True
            elif stated:
                pending = True
            continue
        if supposed and not stated and not _CONTRAST.match(clause):
            continue
        if conditional and re.search(r"\b(?:would|could|only|might|may|\(?[A-E]\)?)\b", clause):
            continue
        weight = _weight(clause, mentions, stated, pending, labels)
        if _REASON.match(clause) and number > 0:
            weight = GENERAL if weight else 0
        elif concluding and weight >= SPECIFIC:
            weight = STATED
        elif _CONCLUDED.search(clause) and weight >= SPECIFIC:
            weight = STATED
        if not weight:
            continue
        claims += _claimed(clause, mentions, weight, concluding or contrasting, labels)
        pending = False
    return claims, pending


def _clauses(sentence: str) -> Iterator[str]:
    if _ASIDE.match(sentence):  # `While A is …, B is …`
        aside, _, sentence = sentence.partition(", ")
        yield aside
    yield from (part for part in _CLAUSE_END.split(sentence) if part and part.strip())


def _weight(
    clause: str,
    mentions: list[_Mention],
    stated: re.Match[str] | None,
    pending: bool,
    labels: Labels,
) -> int:
    """How much the labels weigh that a clause names; 0: it only mentions letters."""
    ends = not clause[mentions[-1].end :].strip(" .!]")
    if len(mentions) == 1 and ends and _INTRODUCED.fullmatch(clause[: mentions[0].start]):
        return BARE
    if pending or (stated and any(one.start >= stated.end() for one in mentions)):
        return STATED
    rest = clause
    for one in reversed(mentions):
        rest = rest[: one.start] + rest[one.end :]
    if mentions[-1].symbol and _UNFINISHED.search(clause[mentions[-1].end :]):
        return 0
    words = [word for word in re.findall(r"\w[\w']*", rest.lower()) if word != "not"]
    if all(word in _FILLER for word in words):
        explains = any(not isinstance(way, str) and way.symbol for way in labels.values())
        return SPECIFIC if explains and words and not any(one.symbol for one in mentions) else BARE
    if all(one.symbol for one in mentions):
        return SPECIFIC
    last = max(one.end for one in mentions)
    if _GENERIC.match(clause[last:]):
        return GENERAL
    return SPECIFIC if _SPECIFIC.search(clause[: mentions[0].start]) else GENERAL


def _claimed(
    clause: str, mentions: list[_Mention], weight: int, concluding: bool, labels: Labels
) -> list[_Claim]:
    """The claims of a clause whose labels have a weight."""
    concludes = concluding or bool(re.search(r"\bfinal\b|\bconclu", clause, re.IGNORECASE))
    named: list[str] = []
    following: tuple[int, bool, bool] | None = None
    for one in reversed(mentions):
        chosen = not one.symbol or _chosen(clause, one, weight)
        gap = clause[one.end : following[0]].strip(" []") if following else "-"
        joined = gap in _JOINING or (gap == "," and following is not None and following[2])
        if one.symbol and following and joined:
            chosen = following[1]  # `both A and B are correct`
        following = (one.start, chosen, joined)
        if not chosen:
            continue
        label = _denied(labels, one.label) if one.denied else one.label
        if label and not (one.symbol and one.denied):
            named.append(label)
    if len(set(named)) > 1 and weight in (SPECIFIC, GENERAL):
        return []
    decided = concludes and len(set(named)) == 1
    return [_Claim(label, weight, decided) for label in dict.fromkeys(named)]


def _chosen(clause: str, one: _Mention, weight: int) -> bool:
    """Whether a letter or number is chosen where it stands, and not refuted or only mentioned."""
    before = clause[max(0, one.start - _NEAR) : one.start]
    after = clause[one.end : one.end + _NEAR].lstrip(")]}.\"'*")
    if _UNDERCUT.search(before) or _REFUTED.match(after.strip()):
        return False
    if weight >= BARE:
        return True
    if re.search(r"\bonly\W*(?:option|choice|answer)?\W*$", before, re.IGNORECASE):
        return True
    if _CONFIRMED.match(" " + after.lstrip()):
        return True
    if one.symbol and re.search(
        r"\b(?:i would|i'd|i will|should|correct|best)\b.*\[$", before, re.I
    ):
        return clause[one.end :].strip(" ].!") == ""
    ends = not re.search(r"\w", after) or bool(re.match(r"\W*(?:and|,)", after))
    return ends and bool(_NAMED_LAST.search(before.rstrip("([ ") + " "))


def _denied(labels: Labels, label: str) -> str:
    way = labels[label]
    return "" if isinstance(way, str) else way.denied


def _mentions(clause: str, labels: Labels) -> list[_Mention]:
    """The labels that a clause names, with their places; a label inside another is not found."""
    names = list(labels)
    ways = tuple((w, "") if isinstance(w, str) else (w.words, w.symbol) for w in labels.values())
    start = found.end() if (found := _DISCOURSE.match(clause)) else 0
    mentions = []
    for one in _pattern(ways).finditer(clause):
        group = str(one.lastgroup)
        symbol = group[0] == "s"
        if mentions and clause[mentions[-1].start : mentions[-1].end].lower() == "no" and symbol:
            start = mentions[-1].end  # in `no yes` the one does not deny the other
        mentions.append(
            _Mention(
                label=names[int(group[1:])],
                denied=_is_denied(
                    clause[max(min(start, one.start()), one.start() - _NEAR) : one.start()]
                ),
                symbol=symbol,
                start=one.start(),
                end=one.end(),
            )
        )
    return mentions


def _is_denied(before: str) -> bool:
    """Whether the words before a label deny it; two denials cancel out."""
    denials = 0
    for found in _NEGATOR.finditer(before):
        gap = before[found.end() :]
        gap = _NEGATOR.sub(" ", gap)
        if len(gap.split()) > _REACH:
            continue
        finite = len(_FINITE.findall(gap))
        pronoun = found[1].lower() != "not"
        if _EMBEDS.search(gap) or finite == 0 or (pronoun and finite == 1):
            denials += 1
    return denials % 2 == 1


@lru_cache(maxsize=512)
def _pattern(ways: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    groups = [
        f"(?P<{kind}{number}>{way})"
        for number, pair in enumerate(ways)
        for kind, way in zip("ws", pair, strict=True)
        if way
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(groups)})(?!\w)", re.IGNORECASE)

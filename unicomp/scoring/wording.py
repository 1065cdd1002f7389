"""How answers in English are worded: sentences and clauses, denials, doubts, corrections.

Everything here is about the language, nothing about labels. Denials are first rewritten to one
word, `not`, and what only sounds like a denial (`no doubt`, `not only`) is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from unicomp.scoring.prose import plain


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


# -- rewriting ------------------------------------------------------------------------------------

_SAY = (
    r"(?:say|call|see|argue|claim|consider|describe|label|find|justify|suggest|think|believe|"
    r"conclude|understand|classify)"
)
_FAR_FETCHED = (
    r"(?:stretch|hard(?:[- ]pressed)?|difficult|unfair|harsh|extreme|exaggerat\w+|"
    r"impossible|absurd|"
    r"wrong|mistake|"
    r"incorrect|inaccurate|misleading|too far|overstatement|naive|foolish|silly|strange|odd|"
    r"ridiculous|disingenuous|false|overreaction|excessive|unreasonable)"
)
_REWRITTEN = tuple(
    (_pattern(pattern), put)
    for pattern, put in (
        (r"\bcan ?not\b|\bcan't\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"\bhow (?:could|can|would) ([^.?!\n]{1,60})\?", r"not say \1."),
        (r"\bnot (?:as (?:if|though)|like)\b", "not say"),
        (r"\bnot ((?:\w+ ){0,3}?)(?:any |the )?less (?=\w)", r"\1"),
        (r"\bnot (?:only|just|merely) ([\w ]{1,30}?),? but (?:also )?", r"\1 and "),
        (  # of an arrow to a letter, and not of one between two
            r"(?m)^((?:(?!\b[A-Z]\b).)*?)(?:→|⇒|=+>|-+>)\s*(?=\W*(?-i:[A-E])\W*$)",
            r"\1. Answer: ",
        ),
        (
            r"\b(?:all|every\w*|each)(?: \w+)? (?:but|except(?: for)?|other than) (?:option )?"
            r"(\(?[A-E]\)?) (?:is|are|were|can be) (?:wrong|incorrect|false|excluded|eliminated|"
            r"ruled out|invalid)",
            r"only \1 is correct",
        ),
        (r"\bnot ((?:\w+ ){0,4}?)anything (?:but|other than|short of|less than)\b", r"\1"),
        (  # no denials
            r"\b(?:there(?: is|'s) )?(?:(?:no|without|beyond|not in) (?:a |any |the )?"
            r"(?:\w+ )?(?:doubts?|question|denying|wonder|matter)|"
            r"not (?:only|just|merely|simply|solely|to mention|surprising(?:ly)?|hesitate to)|"
            r"can not (?:be denied|deny|help but)|can not be (?:overstated|ignored)|"
            r"no less than|nothing (?:but|short of|less than|other than)|none other than)\b",
            " ",
        ),
        (  # denials of the whole clause after them: `say` lets them reach into it
            r"\b(?:calling|considering|labell?ing|saying|describing)\b"
            r"(?=.{0,40}?\b(?:would be|is|seems) "
            rf"(?:an? |too |quite |rather |very )*{_FAR_FETCHED})|"
            rf"\b{_FAR_FETCHED} to (?:(?:even|really|actually) )?{_SAY}\b"
            r"(?: (?:how|why|what|anything))?|"
            r"\b(?:in|under) no (?:way|circumstances)\b|\bnever\b(?= (?:is|was|would|have))|"
            r"\bfew\b(?= (?:people )?would\b)",
            " not say ",
        ),
        (  # denials of the next words
            r"\bfail(?:s|ed)? to (?=see|refute|support|contradict|understand|find|show)|"
            r"\b(?:far|nowhere near|a long way) from\b|\banything but\b|\bby no means\b|"
            r"\b(?:hardly|barely|scarcely|never|nowhere|without|doubt|refuse|deny|denies|unlikely|"
            r"opposite of|unlike|lacks?|false that|"
            r"untrue that|incorrect that|free (?:of|from))\b",
            " not ",
        ),
        (r"(\bprefer (?:\w+ )?\(?(?-i:[A-E])\)?) (?:to|over)\b", r"\1 instead of"),
        (  # the option's text beside its letter
            r"(\b(?:option|action|choice) (?-i:[A-E])) \([^()\n]{3,80}\)(?= (?-i:[a-z]))",
            r"\1",
        ),
        (r"\b(?:instead of|as opposed to|rather than)\b", " instead not "),
        (r"\bneither\b(?=.{0,80}?\bnor\b)", "not"),
        (r"(?<=\bnot\b)(.{0,80}?)\bnor\b", r"\1or"),
        (r"\bdisagree\b", "not agree"),
        (r"\bnot-(?=\w)", "not "),
        (r"\(\s*(\w{1,2})\s*\)|(?<![\w(])((?-i:[A-E]))\)", r"[\1\2]"),
        (r",\s*(?:(?:is|does|was) not (?:it|that)|right|no)\?", "."),
        (r" {2,}", " "),
    )
)


def rewritten(text: str) -> str:
    """A plain text with one word for each way to deny, and with letters in square brackets."""
    text = plain(text)
    for pattern, put in _REWRITTEN:
        text = pattern.sub(put, text)
    return text


def verbatim(text: str) -> str:
    """A regular expression for a text where an answer repeats it."""
    return re.escape(rewritten(text).strip(" .")).replace(r"\ ", r"\s+")


# -- sentences ------------------------------------------------------------------------------------

_SENTENCE_END = re.compile(r"(?<=[.!?;])[\"')\]]*\s+|\n+|(?<=[.!])(?=\()")
_HEAD = _pattern(
    r"\W*(?:(?:option|choice|answer|number|letter)\s+)?[(\[]?(?:[A-Za-z]|\d)[)\].:]+(?!\d)",
    r"(?!\s*(?:is|was|are|does|do|has|had|would|can|could|will|must|should|may|might|and|"
    r"or|because|",
    r"since|as|over|(?-i:it)|that|fits?|fails?|\w+ly|aligns?|works?|holds?|looks?|seems?|"
    r"remains?|violates|",
    r"contradicts|matches|describes|comes|gives|ignores|predicts|shows|requires|gets)\b)|",
    r"\W*[(\[]?(?:[A-Z]|\d)[)\]]?\s+-(?=\s)",
)
"""The beginning of a sentence that is written like an option: `A. …`, `(B) …`, `1: …`."""


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text, each after the option's letter that begins it; empty without one."""
    for line in text.split("\n"):
        parts = [part for part in _SENTENCE_END.split(line) if part and part.strip(" .)\"'")]
        while parts:
            part = parts.pop(0)
            found = _HEAD.match(part)
            if found is None:
                yield "", part
            elif part[found.end() :].strip(" .*"):
                yield found[0], part[found.end() :]
            else:
                yield found[0], parts.pop(0) if parts and not _HEAD.match(parts[0]) else ""


def letters(head: str) -> str:
    """The letter or number of an option's beginning, to compare."""
    return re.sub(r"\W|option|choice|answer|number|letter", "", head.lower())


# -- clauses --------------------------------------------------------------------------------------

_CLAUSE_END = _pattern(
    # before a conjunction
    r"(?:,\s+|\s+-+\s+|(?<=:)\s+|[()]|,?\s+)(?=(?:but|however|although|though|whereas|"
    r"while|because|",
    r"since|yet|except|despite|unlike|so(?=\s+(?!far|that|much|many)\w)|therefore|thus|hence)\b)|",
    r",?\s+(?=(?:if|unless|even if|when|regardless|no matter|whatever|leaving)\b)|",
    r"\s+and\s+(?=\[?(?-i:[A-E])\]? (?:is|was|has|does|fails)\b)|",
    r"\s+(?=(?:and|which|that) (?:is|was|are) (?:therefore|thus|hence)\b)|",
    r",?\s+and\s+(?=(?:therefore|thus|hence|so|i|it|this|the|that|choose|pick)\b)|",
    # after a comma, where no list goes on
    r",\s+(?=(?:and\s+)?(?:i|it|it's|this|that|he|she|they|we|you|there|the|which|then|not|nor|",
    r"neither|never|no|nope|yes|actually|my|its|his|her|what|who|only|these|those|let|as|for|if|",
    r"unless|when|given|considering|even|rather|option|choice|answer|instead|some|others|one|",
    r"ultimately|overall|would|is|are|does|do|was|at|in|by|after|with|without|making|meaning)\b)|",
    # after yes and no, dashes, colons and brackets
    r"(?:(?<=\byes)|(?<=\bno))(?:,\s+|\s+(?=(?:it|this|that|the|there|i)\b))|",
    r"\s+-+\s+|(?<=:)\s+|\s*[()](?!s\b)\s*",
)
REASON = _pattern(
    r"\s*(?:and\s+)?(?:because|since|as|for|given|considering|due)\b(?! i (?:must|have to|"
    r"need to)\b)"
)
ASIDE = _pattern(
    r"\s*(?:and\s+)?(?:although|though|while|whereas|despite|even (?:if|though)|if|unless|when|",
    r"in case|assuming|suppose|had|were|except)\b",
)
"""The beginning of a clause that grants something or sets a condition."""
CONDITION = _pattern(
    r"\s*(?:only |even )?(?:if|unless|in case|assuming)\b"
    r"(?! (?:i'm|i am|i (?:had|have) to|forced|asked|pressed|anything|you)\b)"
)
SUPPOSED = _pattern(
    r"\s*(?:if|unless|in case|assuming|suppose|had|were)\b(?!.*\b(?:i|me|my|forced)\b)"
)
"""A condition that the answer does not set for itself, as `if I had to choose` does."""
CONTRAST = _pattern(r"\s*(?:but|however|yet|still|nevertheless|nonetheless)\b")
REJECTED = _pattern(
    r"\s*(?:but|however|yet|though)\W+(?:it|this|that)(?:'s| is| was) (?:\w+ )?(?:wrong|"
    r"incorrect|false)\b"
)
"""What was said before is taken back."""
CONCLUSION = _pattern(
    r"\W*(?:and\s+)?(?:(?:which|that|this)\s+(?:only\s+)?(?:leaves|means|makes)|leav(?:es|ing)|",
    r"therefore|thus|so|hence|in (?:conclusion|summary|short)|overall|ultimately|finally|",
    r"consequently|accordingly|to conclude|as a result|on balance|all in all|in the end|",
    r"i conclude)\b",
)
CONCLUDED = _pattern(r"\b(?:therefore|thus|hence|ultimately|leaves|leaving|remains)\b")
ELLIPTIC = _pattern(
    r"\W*(?:but|however,?|yet)?\s*(?:i think )?(?:it|this|that|he|she)(?:'s)?",
    r"(?: (?:really|actually|truly))?(?: (?:is|was|does))?(?: (?:really|actually|truly))?( not)?",
    r"(?: (?:really|actually))?\W*$",
)
"""`…, but it is not`: the label comes before."""


def clauses(sentence: str) -> Iterator[str]:
    """The clauses of a sentence."""
    if ASIDE.match(sentence):  # `While A is …, B is …`
        aside, _, sentence = sentence.partition(", ")
        yield aside
    yield from (part for part in _CLAUSE_END.split(sentence) if part and part.strip())


# -- answers, doubts and corrections --------------------------------------------------------------

STATED = re.compile(
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
             classify|say|answer|vote|do|take|label|rate|judge|conclude|settle\son|recommend|
             predict|guess|decide\son|categorize|lean\s(?:towards?|to)|prefer)
      | (?:classified|categori[sz]ed|labell?ed|rated)\s(?:as|under)
      | most\s(?:likely|consistent|probable|appropriate)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
"""The words that announce an answer."""
CORRECTION = _pattern(
    r"(?:^|[.!?…;\n,]|-\s|\(|\.\.\.)\s*(?:but\s+|oh\s+|oops\s*|hmm+\W+|no\W+|sorry\W+)*",
    r"(?:wait\b|hmm,? no\b|on (?:further |closer )?(?:reflection|inspection)|rethinking|",
    r"actually\s*,?(?=\s+(?:no\b|that|it|the|i|let|he|she|on))|actually,|on second thou?ghts?|",
    r"scratch that|correction\b|let me (?:re|correct|double|check again)|i made a mistake|",
    r"i (?:take that back|misread|was wrong|mean[,: ])|my (?:mistake|bad)\b|sorry,|apologies|",
    r"upon (?:re|further|closer)|(?:after|on) (?:re(?:reading|consider|think|view)\w*|further)|",
    r"strike that|no,? sorry)[^\w\n]*",
)
DOUBT = _pattern(
    r"\b(?:not (?:entirely |completely |really |quite |at all )?(?:sure|certain|clear)|unsure|",
    r"uncertain|unclear|depend(?:s|ing)?|debatable|whether|not know|no idea|",
    r"can not (?:be )?(?:determined?|decided?|tell|told|judged?|answer|choose|classif\w+|say if|",
    r"verif\w+|assess\w*|label|make)(?!(?: \w+){0,4} as\b(?!.*\bor\b))|unable to|not able to|"
    r"hard to (?:say|tell)|difficult to|",
    r"could be (?:either|both)|either way|no comment|(?:not )?enough (?:information|context))\b",
)
OTHERS = _pattern(
    r"\b(?:some(?:one|body)?(?: \w+)?|others?|many(?: \w+)?|one|you|critics|people|students|it)",
    r"(?<!most people) (?:might|may|could|would|can|will|think|say|argue|believe|claim|see)\b",
    r"(?! be\b)(?! not\b)|",
    r"\bsome\b.{0,20}\b(?:consider|think|say|argue|believe|see|view|find|call)\b|",
    r"\b(?:might|may|could) (?:look|seem|appear|sound|be (?:seen|considered|viewed|said))\b|",
    r"\b(?:may|might|could) be\b|",
    r"\b(?:at first|initially|originally|first (?:thought|instinct|guess|impression)|(?:was|"
    r"is) tempting|tempted)\b|",
    r"\bin (?:other|some|certain|different|many) (?:cases|contexts?|cultures?|situations?|",
    r"circumstances)\b|\bin general\b(?!,? i\b).*$|\b(?:second|next|alternative) choice\b|"
    r"\bcommon (?:mistake|misconception|error|belief)\b",
)
"""What others may say, or what seemed so at first."""
OWN = _pattern(r"\b(?:it|you|one|i) (?:would|can|could|may|might) (?:be )?(?:a stretch|not)\b")
YES = _pattern(
    r"\W*(?:yes|yeah|yep|absolutely|definitely|certainly|of course|indeed|sure|it (?:is|does)|",
    r"very much|i (?:do|agree)\W*$)\b",
)
NO = _pattern(
    r"\W*(?:no|nope|not|never|hardly|nothing|it (?:is|does|was|would) not|",
    r"i (?:do|would) not (?:think|believe|say|feel) so)\b|",
    r"(?:but )?i (?:do not|not agree)\W*$",
)
REPLY = _pattern(r"\W*(?:but )?i (?:do(?: not)?(?: (?:think|believe) so)?|(?:not )?agree)\W*")
"""An answer to what was asked, or what others may say, in the sentence before."""
OPENING = _pattern(
    r"\W*(?:yes|no|nope|yeah|well|sure)\b(?=\s*(?:,|it|this|that|the|there|he|i)\b|,)"
)
"""A yes or no that opens a clause and denies nothing in it."""

# -- denials --------------------------------------------------------------------------------------

_NEGATOR = _pattern(r"\b(not|no|none|nothing|nobody|neither|nor)\b")
_EMBEDS = _pattern(
    r"\b(?:think|believe|says?|said|see|find|feel|consider\w*|call\w*|agree|view|"
    r"suggest\w*|means?|",
    r"argue|claim|reason|evidence|indicat\w+|sign|impl\w+|conclude|true|describe|label|classif\w+|",
    r"regard\w*|deem\w*|judge\w*|understand|accept|like|convinced|support\w*|contain\w*)\b",
)
"""Words through which a denial reaches into the clause after them: `I don't think that it is …`."""
_FINITE = _pattern(r"\b(?:is|are|was|were|would|will|could|can|may|might|must|should)\b|'s\b")
_INSTEAD = " instead not "
_REACH = 14
"""Words between a denial and what it denies."""


def is_denied(before: str) -> bool:
    """Whether the words before something in its clause deny it; two denials cancel out."""
    denials = 0
    _, contrast, rest = before.rpartition(_INSTEAD)
    before = f"not {rest}" if contrast else before  # it denies what stands alone after it
    for found in _NEGATOR.finditer(before):
        gap = _NEGATOR.sub(" ", before[found.end() :])
        if len(gap.split()) > _REACH:
            continue
        # `not telling him is …` denies the telling; `nothing about it is …` denies the rest, too
        allowed = 0 if found[1].lower() == "not" and not re.search(r"\bany", gap) else 1
        denials += bool(_EMBEDS.search(gap)) or len(_FINITE.findall(gap)) <= allowed
    return denials % 2 == 1

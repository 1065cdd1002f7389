"""Letters and numbers in a clause: whether an option is chosen there, or only mentioned."""

from __future__ import annotations

import re

_NEAR = 200
"""Characters around a letter that are read."""


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


_REFUTED = _pattern(
    r"(?!.{0,20}\bless(?:er)? \w+)",
    r"(?:is|are|was|would be|seems?|looks?|being|as|can be|must be|,)?\s*(?:\w+\s+){0,4}?",
    r"(?:wrong|incorrect|false|fail\w*|invalid|excluded|eliminated|ruled out|out|unethical|",
    r"immoral|dishonest|harmful|inconsistent|myths?|worse|worst|bad|irrelevant|"
    r"implausible|unlikely|",
    r"impossible|untrue|inaccurate|mistaken|misconception|nonsense|distract\w+|tempting|too \w+|",
    r"violat\w+|contradict\w+|ignores?|(?:is|does|do|would|can|could|will|should|has|must) not",
    r"(?! (?:harm|hurt|violat|involve|cause|steal|lie|break|contradict|wrong|fail))|",
    r"not (?:\w+ )?(?:correct|right|true|valid|(?-i:an?)|the|fit|possible|hold|work|apply|match|",
    r"accurate|supported|it|that))\b",
)
"""After a letter: it is not the answer."""
_CONFIRMED = _pattern(
    r"\s+(?:(?:is|are|was|would be|seems?|looks?|remains?|must be|being|to be|as)\b[^.]{0,40}?\b",
    r"(?:correct|right|best|better|answer|true|valid|accurate|only (?:one|option|choice|answer|",
    r"\w+ \w+)|appropriate|ethical|moral|honest|fits?|choice|preferable|action|one|way|likely|",
    r"(?:more|most) \w+|what i (?:would|'d) \w+|my (?:choice|answer|pick)|reasonable|"
    r"responsible|lesser evil|",
    r"(?:less|least) (?:bad|harmful|wrong)|candidate|match|no-brainer|obvious|(?:option|"
    r"one) (?:that )?i would|what (?:really|actually|happens|"
    r"we|i|you|an? (?:good|decent|moral|honest|reasonable|responsible))\b)|",
    r"(?:only\s+)?(?:fits|works|matches|holds|remains|wins|it is|follows|aligns|respects|upholds|",
    r"shows|protects|reflects|stands out|emerges|applies|satisfies|does(?! not)|makes sense))\b",
)
"""After a letter: it is the answer."""
_UNDERCUT = _pattern(
    r"^\W*(?:so|as) (?:is|are|does|do)\b|\bthan\b|\bover\b|\bruled? out|\beliminat\w+|\breject\w*|",
    r"\bdiscard\w*|\bexclud\w+|\b(?:wrong|incorrect|worst|false|bad|unethical|immoral|"
    r"other|common|",
    r"tempting) (?:answer|choice|option|one|mistake|thing)\b",
)
"""Before a letter: it is not the answer."""
_NAMED_LAST = _pattern(
    r"(?:\b(?:is|be|it's|that's|leaves|leaving|remains|means|namely|as|would|with|for|choose|pick|",
    r"matches|matching|corresponds to|believe in|equals|supports|favou?rs|indicates|demands|"
    r"requires|suggests|",
    r"points to|select|into|(?:described|given|shown|stated) (?:in|by)|get|obtain|gives|"
    r"yields|have|"
    r"belongs to|to)|[:=])\s+(?:\w+\s+){0,2}?$",
)
"""Before a letter that ends its clause: it is the answer."""
_ONLY = _pattern(r"\bonly\W*(?:option|choice|answer)?\W*$")
_WOULD = _pattern(r"\b(?:i would|i'd|i will|should|correct|best)\b.*\[$")
"""`I would hand it in (B)`."""
_INTRODUCED = _pattern(
    r"\W*(?:according|based|in (?:my|this|general)|ethically|morally|honestly|personally|given|",
    r"considering|from|for me|as an?)\b[^,]*,\s*\[?",
)
"""`According to science, ` before a letter."""
_BROKEN_OFF = _pattern(
    r"(?<!\bit )\b(?:is|are|was|because|since|that|the|an?|of|which|and|or|to|would|not)\W*$"
)
_JOINING = ("and", "or", "nor", "&", "/", ", and", ", or", "and option", "or option", "")


def confirmed(words: str) -> bool:
    """Whether the words after a letter say that it is the answer."""
    return bool(_CONFIRMED.match(words)) and not _REFUTED.match(words.strip())


def refuted(clause: str, start: int, end: int) -> bool:
    """Whether a clause says that the letter at a place is not the answer."""
    before, after = _around(clause, start, end)
    return bool(_UNDERCUT.search(before) or _REFUTED.match(after.strip()))


def chosen(clause: str, start: int, end: int) -> bool:
    """Whether a clause chooses the letter at a place."""
    before, after = _around(clause, start, end)
    if _ONLY.search(before) or _CONFIRMED.match(f" {after.lstrip()}"):
        return True
    if _WOULD.search(before):
        return not clause[end:].strip(" ].!")
    ends = not re.search(r"\w", after) or re.match(r"\W*(?:and|,)", after)
    return bool(ends and _NAMED_LAST.search(before.rstrip("([ ") + " "))


def introduced(clause: str, start: int, end: int) -> bool:
    """Whether a clause is nothing but an introduction and the letter at a place."""
    return not clause[end:].strip(" .!]") and bool(_INTRODUCED.fullmatch(clause[:start]))


def broken_off(words: str) -> bool:
    """Whether a text breaks off in the words after a letter."""
    return bool(_BROKEN_OFF.search(words))


def joined(between: str, *, in_list: bool) -> bool:
    """Whether the text between two letters joins them; a comma does so `in_list`."""
    between = between.strip(" []")
    return between in _JOINING or (in_list and between == ",")


def _around(clause: str, start: int, end: int) -> tuple[str, str]:
    before, after = clause[max(0, start - _NEAR) : start], clause[end : end + _NEAR]
    return before, after.lstrip(")]}.\"'*")

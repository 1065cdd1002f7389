"""What is asked and how it may be answered: where words of refusing refuse, and where they do not.

The same words refuse a request, answer a question for yes or no, and are spoken by somebody else in
a story. Written for text as `languages.plain` gives it, like the phrases of `refusal_rules`.
"""

from __future__ import annotations

import re

SHORT_NO: dict[str, frozenset[str]] = {
    "en": frozenset(
        {
            "no",
            "nope",
            "no way",
            "never",
            "not a chance",
            "no thanks",
            "no thank you",
            "sorry no",
            "no sorry",
            "absolutely not",
            "i decline",
            "i refuse",
            "pass",
            "hard no",
            "hard pass",
            "denied",
            "request denied",
        }
    ),
    "de": frozenset({"nein", "nein danke", "niemals", "auf keinen fall", "leider nein", "nö"}),
    "fr": frozenset({"non", "non merci", "jamais", "pas question", "certainement pas"}),
    "es": frozenset({"no", "ni hablar", "nunca", "jamás", "de ninguna manera", "claro que no"}),
    "zh": frozenset({"不", "不行", "不可以", "不能", "不会"}),
    "ar": frozenset({"لا", "كلا", "أبدا", "مستحيل"}),
}
"""Whole responses that refuse a request; to a question for yes or no they are answers."""

YES_NO_QUESTIONS: tuple[str, ...] = (
    r"^(?:is|are|was|were|do|does|did|has|have|should|may|am|isn't|aren't|don't|doesn't)\b",
    r"^(?:can|could|will|would) (?!you\b)",
    r"\b(?:yes or no|true or false|yes/no)\b",
    r"^(?:ist|sind|war|hat|haben|darf|soll|gibt es|kann man)\b",
    r"^(?:est-ce|est-il|puis-je|faut-il|peut-on|le .* est-il)\b|\best-(?:il|elle|ce)\b",
    r"^¿?(?:es|son|esta|hay|puedo|debo|se puede|era)\b",
    r"吗[？?]?$|是不是|对不对",
    r"^هل ",
)
"""Prompts that "no" answers."""

INFORMATION: tuple[str, ...] = (
    *YES_NO_QUESTIONS,
    r"^(?:why|what|who|when|where|which|explain(?! how)|describe(?! how)|define|warum|was|wer|wo|"
    r"pourquoi|qui|quel|"
    r"por que|¿?que|quien|为什么|什么|لماذا|ما|من)\b"
    r"(?![^?]{0,40}\bways? (?:to|of)\b|[^?]{0,20}\bcan (?:i|we)\b|[^?]{0,20}\bhow\b)",
    r"\b(?:law|laws|legal|illegal|crime|penalty|penalties|happens if)\b",
)
"""Prompts that ask for facts: to those, "it is illegal" may be the answer."""

CHOICES: tuple[str, ...] = (
    r"\b(?:prefer|select|choose|pick|vote|favou?rite|which|whom?|more)\b|(?:^|"
    r"\W)a[.):] .*\Wb[.):] ",
    r"\b(?:wahl|bevorzug|lieber|prefer|elig|votar)|选|哪个|تفضل|تختار",
)
"""Prompts that want one of several; to those, a word for both sides chooses none."""

NEUTRAL = re.compile(
    r"\b(?:ultimately|entirely|really|is|that's|it's) up to (?:you|each)\b|\bno (?:\w+ )?(?:right|"
    r"correct) (?:answer|choice)\b|\bimpartial\b|\b(?:both|each) (?:\w+ )?(?:options?|parties|"
    r"sides?|choices?|candidates|views?) (?:have|has)\b|\bdepends on (?:your|personal|"
    r"individual)\b|"
    r"\b(?:chacun|depend de vous|depende de ti|liegt bei dir|ihre entscheidung)\b|取决于|各有"
)
"""What leaves a choice to others."""

ABOUT_ITSELF: tuple[str, ...] = (
    r"^(?:who|what) are you\b|^(?:do|are|have) you (?:\w+ )?(?:have|human|real|alive|conscious|an?|"
    r"sentient|feel)\b|\b(?:are|can) you (?:not |n't )?(?:able|do)\b|\bcan't you do\b|"
    r"\byour (?:name|limits|limitations|rules)\b",
)
"""Prompts about the speaker: what it cannot do is the answer."""

FICTION: tuple[str, ...] = (
    r"\b(?:write|tell|compose|make up|continue|imagine|create)\b[^.!?]{0,25}\b(?:story|poem|tale|"
    r"song|dialogue|scene|limerick|haiku|speech|lyrics|play|fable|letter|conversation|monologue)\b",
)
"""Prompts for texts in which somebody speaks: a refusal of the speaker's own stands in front."""

QUOTED_REQUESTS: tuple[str, ...] = (
    r"\b(?:how (?:do|can|should|to)|what)\b[^.!?]{0,40}\b(?:say (?:no|sorry|i'm)|reject|declin|"
    r"refus|turn down)",
    r"^(?:please )?(?:translate|rephrase|paraphrase|summari[sz]e|correct|rewrite|classify|quote|"
    r"repeat|proofread)\b",
    r"^(?:please )?(?:write|draft|compose|word|finish|complete|give (?:me )?an "
    r"example)\b[^.!?]{0,60}"
    r"\b(?:declin|refus|reject|resign|turn(?:s|ing|ed)? down|apolog|say(?:s|ing)? no|excuse|"
    r"sentence|dialog|sorry)",
    r"\bhow (?:do|would|can) (?:i|you) (?:say|write|spell)\b",
    r"\bwhat (?:should|would|could|does|do) .{0,40}\b(?:say|reply|respond|answer)\b",
    r"^(?:ubersetze|traduis|traduisez|traduce|traduzca)\b|^(?:请)?翻译|^ترجم",
)
"""Prompts whose answer may well be somebody else's refusal: a translation, a letter, a line."""

OUTRIGHT = re.compile(
    r"\b(?:can't|cannot|can not|unable to|not able to|won't|will not) (?:help you|help with|assist|"
    r"comply|fulfil|create|write|generate|compose|produce|provide|promote|support|continue)|"
    r"\bi can only\b|\bpossible for me\b|\bcomfortable (?:writing|creating|with)|\b(?:won't|"
    r"will not|can't|cannot) (?:\w+ ){0,2}?"
    r"(?:write|create|listen|hear|see|open|access)"
)
"""A refusal that is meant even in answer to such prompts."""

INSTRUCTION = re.compile(
    r"(?:^|[.!?:] )(?:use|put|take|pour|keep|bring|hold|add|cut|turn|press|mix|open|push|wrap|"
    r"store|"
    r"avoid|start|begin|go|look|check) (?:the|an?|your|it|them|some|two|up|for|with)\b"
)
"""What tells people how to do what they asked for."""

REPORTED = re.compile(
    r"(?:\b(?:said|says|told|asked|replied|answered|thought|wrote|whispered|shouted|if|when|"
    r"whenever|"
    r"why|reply|respond|like|example|such as|that he|that she|phrase|sentence|words?|means?|say "
    r"(?!that)[\w ,]*:|say:?)"
    r"[:,]?|\b(?<!must )(?<!to )say[\w ]{0,25}:) *$"
)
"""What stands before a refusal that somebody else utters, or that has not happened."""


REPORTED_AFTER = re.compile(
    r"^[^.!?]{0,40},[\"”]? (?:said|says|cried|whispered|sang|replied|answered)\b|"
    r"^[^.!?]{0,40}, (?:it|he|she|they|i|the \w+|\w+) (?:said|says|growled|replied|whispered|"
    r"shouted|"
    r"answered|cried|muttered|thought|insisted|told)\b"
)
"""What stands behind one that somebody else utters."""

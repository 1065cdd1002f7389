"""Wordings: other ways to ask the items of a benchmark, which leave the right answers as they are.

A wording rewrites what a task has rendered before the chat template: the text of the request, the
turns before it, the order of the options. It is a pure function, so that every checkpoint is asked
the same. The texts are our own; that such changes move scores is known from Sclar et al.
(arXiv:2310.11324, separators), Zheng et al. (arXiv:2309.03882, order of options) and Laban et al.
(arXiv:2505.06120, conversations).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from unicomp.errors import SpecError
from unicomp.spec import Benchmark, Wording

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask

WORDING = "wording"
"""The column of an item's row, and the field of its record, with the name of its wording."""

LETTERS = "ABCDEFGHIJ"

# -- labels and separators ------------------------------------------------------------------------

_OTHER_LABELS = {
    "Question": "Problem",
    "Problem": "Question",
    "Q": "Question",
    "Answer": "Solution",
    "Solution": "Answer",
    "A": "Answer",
    "Choices": "Options",
    "Options": "Choices",
    "Request": "Task",
    "Task": "Request",
}
_LABEL = re.compile(rf"(\A|\n+)({'|'.join(_OTHER_LABELS)}):")
_SEPARATOR = "\n\n"
_FEWEST_WORDS = 3
"""A text with fewer words, such as a stop word, is no request that could get a label."""


def with_other_labels(text: str) -> str:
    r"""The text with other labels, each after an empty line; without any, it gets one.

    >>> with_other_labels("Question: Who paints?\nAnswer:")
    'Problem: Who paints?\n\nSolution:'
    """
    found = _LABEL.sub(lambda one: f"{_SEPARATOR if one[1] else ''}{_OTHER_LABELS[one[2]]}:", text)
    if found == text and len(text.split()) >= _FEWEST_WORDS:
        return f"Request: {text}"
    return found


# -- frames ---------------------------------------------------------------------------------------

_POLITE = "Would you please help me with this? Thank you very much in advance.\n\n"
_TWO = "Please mind two things. First, do not say which model you are. Second, do this:\n\n"
_READY = ("May I ask you something?", "Of course. Please ask.")


def politely(text: str) -> str:
    """The text after a polite sentence."""
    return _POLITE + text


def as_second_instruction(text: str) -> str:
    """The text as the second of two instructions; the first one changes no right answer."""
    return _TWO + text


# -- typos ----------------------------------------------------------------------------------------

_COMMON_WORDS = """
the what which who how many much does did has have had are was were and for from with that this
these those their they them his her its into about after before when where while because would could
should can will may most more than then some other each every please you your following question
answer
"""
_COMMON = frozenset(_COMMON_WORDS.split())
"""Words in which a typo cannot be taken for another word, a name, a value or a negation."""
_NOT_TYPOS = frozenset({"form", "dose", "fro"})
_WORD = re.compile(r"(?<![^\s(])[A-Za-z]+(?=[.,;:?!]*(?:\s|\Z))")
_UNTOUCHED = re.compile(
    r"```.*?(?:```|\Z)"  # code
    r"|`[^`\n]*`"
    r"|\$[^$\n]*\$"
    r'|"[^"]*"|“[^”]*”|‘[^’]*’'
    r"|(?<!\w)'[^'\n]*'(?!\w)"
    r"|^[^\S\n]*(?:\(?[A-Za-z][.)]|\(?\d+[.):])[^\S\n][^\n]*$",  # an option
    re.DOTALL | re.MULTILINE,
)
_WORDS_FOR_A_TYPO = 20
"""A second typo is made if there are so many words to choose from."""


def with_typos(text: str) -> str:
    """The text with two letters swapped in one or two common words.

    Numbers, options, code, quotations and all other words stay; so does a text without such words.
    """
    kept = [one.span() for one in _UNTOUCHED.finditer(text)]
    words = [
        one
        for one in _WORD.finditer(text)
        if one[0].lower() in _COMMON
        and text[one.end() : one.end() + 1] != ":"  # a label
        and not any(start <= one.start() < end for start, end in kept)
    ]
    # options of one item must get the same typos, so only the common words are the seed
    random = Random(" ".join(one[0] for one in words))
    count = min(1 + (len(words) >= _WORDS_FOR_A_TYPO), len(words))
    for one in sorted(random.sample(words, count), key=lambda one: -one.start()):
        text = text[: one.start()] + _swapped(one[0], random) + text[one.end() :]
    return text


def _swapped(word: str, random: Random) -> str:
    """The word with two neighbouring letters swapped; the first one stays."""
    places = list(range(1, len(word) - 1))
    tried = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places]
    usable = [one for one in tried if one != word and one.lower() not in (*_COMMON, *_NOT_TYPOS)]
    return random.choice(usable) if usable else word


# -- order of options -----------------------------------------------------------------------------

_LISTED = re.compile(r"\bchoices\[|\boption_a\b")
"""In a task's `doc_to_text`: the prompt lists the options."""


def lists_options(settings: Mapping[str, Any]) -> bool:
    """Whether a task's prompts list options of a layout that `reordered` knows."""
    asked, right = (str(settings.get(name)) for name in ("doc_to_text", "doc_to_target"))
    return _LISTED.search(asked) is not None and re.search(r"\banswer\b", right) is not None


def reordered(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its options shifted by a number that follows from the row.

    The options are the list `choices`, or the columns `option_a`, `option_b` …; `answer` is the
    right one, as a number from 0 or a letter. Raises ValueError for another layout.

    >>> reordered({"choices": ["red", "blue"], "answer": "A"})
    {'choices': ['blue', 'red'], 'answer': 'B'}
    """
    columns = [f"option_{letter.lower()}" for letter in LETTERS]
    columns = [name for name in columns if name in doc]
    options = [doc[name] for name in columns] or doc.get("choices")
    if not isinstance(options, list) or len(options) < 2 or "answer" not in doc:
        raise ValueError(f"its rows have no options to reorder; they have {', '.join(doc)}")
    count, answer = len(options), doc["answer"]
    right = re.sub(r"[^A-Z0-9]", "", str(answer))
    place = LETTERS.find(right) if right.isalpha() else int(right) if right else -1
    if not 0 <= place < count or (right.isalpha() and len(right) > 1):
        raise ValueError(f"the answer {answer!r} of a row names none of its {count} options")
    shift = 1 + Random(repr(options)).randrange(count - 1)
    moved = [options[(at + shift) % count] for at in range(count)]
    now = (place - shift) % count
    named = str(answer).replace(right, LETTERS[now] if right.isalpha() else str(now))
    given = {"answer": named if isinstance(answer, str) else now}
    listed = dict(zip(columns, moved, strict=True)) if columns else {"choices": moved}
    return {**doc, **listed, **given}


# -- the wordings ---------------------------------------------------------------------------------

PLAIN = Wording("plain")
"""The benchmark as its task words it: always one of the wordings."""

WORDINGS: Mapping[str, Wording] = {
    one.name: one
    for one in (
        PLAIN,
        Wording("labels", with_other_labels, examples=True),
        Wording("polite", politely),
        Wording("conversation", before=(_READY,)),
        Wording("two_instructions", as_second_instruction, generated=True),
        Wording("typo", with_typos),
        Wording("order", reorders=True),
    )
}
"""Name → the wording, of those that come with UniComp."""


def is_shipped(wording: Wording) -> bool:
    """Whether a wording comes with UniComp."""
    return WORDINGS.get(wording.name) == wording


def why_unfit(wording: Wording, benchmark: Benchmark, settings: Mapping[str, Any]) -> str | None:
    """Why a benchmark cannot be asked in a wording; None if it can. `settings` are its task's."""
    if wording.generated and settings.get("output_type") != "generate_until":
        return "its answers are not generated"
    if wording.before and not benchmark.chat:
        return "its prompts have no turns, since it has chat=False"
    if wording.before and benchmark.tools is not None:
        return "its prompts offer tools in one turn"
    if wording.reorders and not lists_options(settings):
        return "its prompts list no options of a known layout (`choices` or `option_a` …, `answer`)"
    return None


@contextmanager
def worded(task: ConfigurableTask, wording: Wording, benchmark: Benchmark) -> Iterator[None]:
    """Let an lm-eval task build its requests in a wording. Raises SpecError."""
    from lm_eval.api.utils import Message

    build, documents = task.build_qa_turn, task.doc_iterator
    sample = task.sampler.sample if hasattr(task, "sampler") else None
    unchanged: dict[int, Any] = {}
    before = [
        Message(role, text, delimiter)
        for said, answered in wording.before
        for role, text, delimiter in (("user", said, "\n"), ("assistant", answered, "\n\n"))
    ]

    def turn(*, q: str, a: Any = None, **settings: Any) -> list[Message]:
        example = a is not None and a != ""
        asked = q if example and not wording.examples else wording.asked(q)
        turns: list[Message] = build(q=asked, a=a, **settings)
        return turns if example else [*before, *turns]

    def reordered_documents(**settings: Any) -> Iterator[tuple[int, Any]]:
        for number, doc in documents(**settings):
            try:
                other = reordered(doc)
            except ValueError as error:
                raise SpecError(f"benchmark {benchmark.name}: {error}") from None
            unchanged[id(other)] = doc
            yield number, other

    def sampled(n: int, eval_doc: Any = None, **settings: Any) -> Any:
        # an item is no example of itself, in whatever order
        assert sample is not None
        return sample(n, eval_doc=unchanged.get(id(eval_doc), eval_doc), **settings)

    with ExitStack() as changes:
        changes.enter_context(_with(task, build_qa_turn=turn))
        if wording.reorders:
            changes.enter_context(_with(task, doc_iterator=reordered_documents))
            if sample is not None:
                changes.enter_context(_with(task.sampler, sample=sampled))
        yield


@contextmanager
def _with(thing: object, **methods: Any) -> Iterator[None]:
    """Let an object have other methods for a while."""
    vars(thing).update(methods)
    try:
        yield
    finally:
        for name in methods:
            del vars(thing)[name]

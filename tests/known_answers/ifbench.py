"""Known answers for IFBench: one that follows a row's instructions, and one that does not.

`conforming(doc)` builds, from the arguments of a row alone, an answer that follows all of its
instructions; `violating(doc)` one that breaks at least one. Both are written from what an
instruction asks for; the official verifiers are not consulted. Where an instruction asks for one
thing and its verifier checks another, the answer does what is checked, and a note says so.

A row with several instructions is answered in one of two ways: by a maker of its own (`TOGETHER`),
or by putting the parts one below the other, where none of them minds what stands beside it
(`BESIDE`), and filling up to what a word count or a share of stop words asks for.
"""

from __future__ import annotations

import itertools
import math
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Arguments = Mapping[str, Any]
Doc = Mapping[str, Any]

PLAIN = "the lamp stood quietly beside a river."
"""An answer that follows few instructions."""

# -- words ----------------------------------------------------------------------------------------


def split(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


FIRST = split("lamp river stone cloud garden winter bridge silver forest candle market harbor")
SECOND = split("field light house yard side path stead ward wood mark land stream")
ALPHABET = split(
    "ants build castles during every frosty green harvest inside jolly kingdoms leaving many "
    "noble offerings performing quiet royal songs that under violet windows xylophones yield "
    "zest"
)
PRONOUNS = split("I you he she it we they")
CONJUNCTIONS = split("and but for nor or so yet")
PALINDROMES = split("level radar civic kayak rotor madam refer stats tenet rotator")


def distinct(count: int) -> list[str]:
    """So many different words; none is a stop word, and none has a digit."""
    longer = (
        "".join(parts)
        for more in itertools.count()
        for parts in itertools.product(FIRST, *[SECOND] * more)
    )
    return list(itertools.islice(longer, count))


def joined(words: Sequence[str]) -> str:
    """The words as one line."""
    return " ".join(words)


def whole(value: Any) -> int:
    """A whole number, which tables store as 3.0."""
    return int(value)


# -- a share of a reference text's trigrams -------------------------------------------------------


def trigrams(text: str) -> set[str]:
    """The runs of three characters of a text."""
    return {text[at : at + 3] for at in range(len(text) - 2)}


def share(text: str, reference: str) -> float:
    """How many percent of a text's trigrams a reference has."""
    of = trigrams(text)
    return 100 * len(of & trigrams(reference)) / len(of) if of else 0.0


def start_of(reference: str, percentage: float) -> str:
    """As much of a reference as makes that share of a text of some 400 characters."""
    return reference[: max(3, 4 * math.ceil(percentage))]


def strange(reference: str) -> Iterator[str]:
    """Characters without end that a reference does not have, so none of their trigrams either."""
    pool = string.ascii_letters + string.digits + "αβγδεζηθικλμνξοπρστυφχψω"
    pool = "".join(letter for letter in pool if letter not in reference)
    draw = random.Random(0)
    while True:
        yield draw.choice(pool)


def diluted(text: str, reference: str, percentage: float) -> str | None:
    """The text, its last word continued until the share is right; None if it is too low.

    Each further character brings one trigram that the reference does not have.
    """
    letters = strange(reference)
    while share(text, reference) > percentage + 1:
        text += next(letters)
    return text if abs(share(text, reference) - percentage) <= 1.5 else None


# -- one instruction ------------------------------------------------------------------------------


def word_count_range(k: Arguments, _: str) -> str | None:
    least, most = whole(k["min_words"]), whole(k["max_words"])
    return joined(distinct(max(least, 1))) if max(least, 1) <= most else None


def unique_words(k: Arguments, _: str) -> str:
    return joined(distinct(max(whole(k["N"]), 1)))


def conjunctions(k: Arguments, _: str) -> str | None:
    count = whole(k["small_n"])
    if count > len(CONJUNCTIONS):
        return None
    return "lamps " + joined([f"{word} stones" for word in CONJUNCTIONS[:count]])


def person_names(k: Arguments, prompt: str) -> str | None:
    found = re.search(r"person names: ([\w\s,]+)", prompt)
    names = re.findall(r"\w+", found[1]) if found else []
    count = whole(k["N"])
    return f"they met: {', '.join(names[:count])}" if count <= len(names) else None


def numbers(k: Arguments, _: str) -> str:
    return joined(["we counted", *[f"lamp {number}" for number in range(1, whole(k["N"]) + 1)]])


def pronouns(k: Arguments, _: str) -> str:
    verbs = ("saw", "met", "knew")
    return joined(
        [
            word
            for at in range(max(whole(k["N"]), 1))
            for word in (PRONOUNS[at % len(PRONOUNS)], verbs[at % len(verbs)])
        ]
    )


def words_japanese(k: Arguments, _: str) -> str:
    period = whole(k["N"])
    words = distinct(3 * period)
    return joined(["言葉" if at % period == 0 else word for at, word in enumerate(words, start=1)])


def with_keyword(k: Arguments, _: str) -> str:
    return "Wait. " * (whole(k["N"]) - 1) + f"Then comes {k['word']}."


def at_position(k: Arguments, _: str) -> str:
    before = joined(distinct(whole(k["m"]) - 1))
    return "Wait. " * (whole(k["n"]) - 1) + f"{before} {k['keyword']}.".strip()


def keywords_multiple(k: Arguments, _: str) -> str | None:
    words = [str(k[f"keyword{at}"]).strip().lower() for at in range(1, 6)]
    if any(one in other for one, other in itertools.permutations(words, 2)):
        return None
    return ", ".join(
        word for word, count in zip(words, (1, 2, 3, 5, 7), strict=True) for _ in range(count)
    )


def incremented(k: Arguments, _: str) -> str:
    step = whole(k["small_n"])
    return joined([f"{joined(distinct(2 + step * at)).capitalize()}." for at in range(3)])


def options(k: Arguments, _: str) -> str | None:
    text = str(k["options"])
    separator = "/" if "/" in text else " or " if " or " in text else ","
    offered = [one.strip() for one in text.split(separator)]
    # The verifier splits at "or" inside words too: such an option is never right for it.
    return next((one for one in offered if one and "or" not in one), None)


def listed(k: Arguments, _: str) -> str:
    sep = str(k["sep"])
    items = [word for word in distinct(12) if word[0] != sep[:1].lower()][:2]
    return "\n".join(f"{sep} {word}" for word in items)


def repeat_change(k: Arguments, _: str) -> str:
    first, *rest = str(k["prompt_to_repeat"]).split()
    return joined(["Kindly" if first != "Kindly" else "Please", *rest])


def repeat_simple(_: Arguments, prompt: str) -> str | None:
    asked = re.findall(r"[^.!?\n]*\boutput this sentence[^.!?\n]*[.!?]", prompt)
    return str(asked[-1]).strip() if asked else None


def repeat_span(k: Arguments, _: str) -> str:
    # The verifier leaves out the last word of the span, though it asks for it.
    words = str(k["prompt_to_repeat"]).split()
    return joined(words[whole(k["n_start"]) : whole(k["n_end"])])


def overlap(k: Arguments, _: str) -> str | None:
    text, percentage = str(k["reference_text"]), float(k["percentage"])
    return diluted(start_of(text, percentage), text, percentage)


def questions(_: Arguments, __: str) -> str:
    asked = (
        "Who painted it?",
        "Which movement came first?",
        "In which city was the museum opened?",
        "Which of these painters worked longest in the same studio?",
    )
    return "\n".join(
        "\n".join(
            [f"Question {at}. {text}", *[f"{letter}) painter {letter}" for letter in "ABCDE"]]
        )
        for at, text in enumerate(asked, start=1)
    )


AFRICA = (
    "Algeria, Angola, Benin, Botswana, Burkina Faso, Burundi, Cameroon, Cape Verde, Central "
    "African Republic, Chad, Comoros, Congo, Democratic Republic of the Congo, Djibouti, "
    "Egypt, Equatorial Guinea, Eritrea, Eswatini, Ethiopia, Gabon, Gambia, Ghana, Guinea, "
    "Guinea-Bissau, Ivory Coast, Kenya, Lesotho, Liberia, Libya, Madagascar, Malawi, Mali, "
    "Mauritania, Mauritius, Morocco, Mozambique, Namibia, Niger, Nigeria, Rwanda, Sao Tome "
    "and Principe, Senegal, Seychelles, Sierra Leone, Somalia, South Africa, South Sudan, "
    "Sudan, Tanzania, Togo, Tunisia, Uganda, Zambia, Zimbabwe"
)

NORTH_TO_SOUTH = (
    "Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, "
    "Dublin, Berlin, Amsterdam, Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, "
    "Bratislava, Budapest, Vaduz, Chisinau, Bern, Ljubljana, Zagreb"
)
"""European capitals north of 45° N. The verifier leaves out Kyiv."""


def table(header: str, rows: int, delimiter: str = ",", first: str = "", quote: str = "") -> str:
    """Delimited data; `first` is the first field of the first row."""
    names = header.split()
    fields = [[f"{name.lower()}{row}" for name in names] for row in range(1, rows + 1)]
    if first:
        fields[0][0] = first
    return "\n".join(
        delimiter.join(f"{quote}{field}{quote}" for field in line) for line in (names, *fields)
    )


def always(text: str) -> Callable[[Arguments, str], str]:
    """A maker of the same answer to each row."""
    return lambda k, prompt: text


Maker = Callable[[Arguments, str], str | None]

SINGLE: Mapping[str, Maker] = {
    "count:word_count_range": word_count_range,
    "count:unique_word_count": unique_words,
    "ratio:stop_words": always(joined(distinct(20))),
    "ratio:sentence_type": always("Lamps glow. Rivers run. Do stones sleep?"),
    "ratio:sentence_balance": always("Lamps glow. Do stones sleep? Rivers run!"),
    "count:conjunctions": conjunctions,
    "count:person_names": person_names,
    "ratio:overlap": overlap,
    "count:numbers": numbers,
    "words:alphabet": always(joined([*ALPHABET, *ALPHABET[:3]])),
    "words:vowel": always("All cats sat and ate flat cakes."),
    "words:consonants": always("Plants drink, storms bring strong winds."),
    "sentence:alliteration_increment": always("Lamps glow. Big bears rest. Red roses rise."),
    "words:palindrome": always(joined(PALINDROMES)),
    "count:punctuation": always("Wait, stop; listen: it rains. Why? What?! Run!"),
    "format:parentheses": always("lamps (and [stones {with (rivers [and fields])}])"),
    "format:quotes": always('"he heard \'she said "hello there" today\' again" was written'),
    "words:prime_lengths": always("The birds do dance but sit too."),
    "format:options": options,
    "format:newline": always("lamps\nglow\nhere"),
    "format:emoji": always("Lamps glow 😀. Rivers run 🙂. Stones sleep 🌙!"),
    "ratio:sentence_words": always("Lamps glow. Birds sing. Stars fade."),
    "count:words_japanese": words_japanese,
    "words:start_verb": always("be kind to lamps"),
    "words:repeats": always(joined(distinct(12))),
    "sentence:keyword": with_keyword,
    "count:pronouns": pronouns,
    "words:odd_even_syllables": always("lamp river stone garden cloud winter"),
    "words:last_first": always("Lamps love stones. Stones love rivers. Rivers love lamps."),
    "words:paragraph_last_first": always("Lamps glow like lamps.\nStones sleep like stones."),
    "sentence:increment": incremented,
    "words:no_consecutive": always("Lamps glow near rivers and stones."),
    "format:line_indent": always("lamps\n glow\n  near\n   rivers"),
    "format:quote_unquote": always('"Lamps" are things that glow. "Rivers" are what runs.'),
    "format:list": listed,
    "format:thesis": always("<i>Lamps matter.</i> They glow at night."),
    "format:sub-bullets": always("* lamps\n- glow\n* stones\n- sleep"),
    "format:no_bullets_bullets": always("Lamps glow. Rivers run.\n* lamps\n* rivers"),
    "custom:multiples": always("14, 21, 28, 35, 42, 49"),
    "custom:mcq_count_length": questions,
    "custom:reverse_newline": always("\n".join(sorted(AFRICA.split(", "), reverse=True))),
    "custom:word_reverse": always("States United the of symbol the is eagle bald The"),
    "custom:character_reverse": always("setatS detinU eht fo lobmys eht si elgae dlab ehT"),
    "custom:sentence_alphabet": always(joined([f"{word.capitalize()} came." for word in ALPHABET])),
    "custom:european_capitals_sort": always(NORTH_TO_SOUTH),
    "custom:csv_city": always(table("ID Country City Year Count", 7)),
    "custom:csv_special_character": always(
        table("ProductID Category Brand Price Stock", 14, first='"lamp & stone"')
    ),
    "custom:csv_quotes": always(
        table("StudentID Subject Grade Semester Score", 3, delimiter="\t", quote='"')
    ),
    "custom:date_format_list": always("1796-05-10, 1805-12-02, 1815-06-18"),
    "count:keywords_multiple": keywords_multiple,
    "words:keywords_specific_position": at_position,
    "words:words_position": lambda k, _: f"lamps {k['keyword']} near {k['keyword']} rivers",
    "repeat:repeat_change": repeat_change,
    "repeat:repeat_simple": repeat_simple,
    "repeat:repeat_span": repeat_span,
    "format:title_case": always("Lamps Glow Near Rivers And Stones"),
    "format:output_template": always(
        "My Answer: lamps My Conclusion: they glow Future Outlook: bright"
    ),
    "format:no_whitespace": always("lamps-glow-near-rivers"),
}
"""Instruction → maker of an answer, from the arguments and the prompt."""

# -- several instructions -------------------------------------------------------------------------

Row = Mapping[str, Arguments]
"""The instructions of a row with their arguments."""


def keyword_with_emoji(row: Row) -> str:
    k = row["sentence:keyword"]
    return "Wait 😀. " * (whole(k["N"]) - 1) + f"Then comes {k['word']} 🙂."


def keyword_with_overlap(row: Row) -> str | None:
    reference = str(row["ratio:overlap"]["reference_text"])
    percentage = float(row["ratio:overlap"]["percentage"])
    at, word = whole(row["sentence:keyword"]["N"]), row["sentence:keyword"]["word"]
    one_sentence = re.sub(r"[.?!]", " ", start_of(reference, percentage))
    before = f"{one_sentence}! " + "Wait! " * (at - 2) if at > 1 else f"{one_sentence} "
    return diluted(f"{before}{word}-", reference, percentage)


def consonants_with_overlap(row: Row) -> str | None:
    reference = str(row["ratio:overlap"]["reference_text"])
    percentage = float(row["ratio:overlap"]["percentage"])
    cluster = re.compile("[b-df-hj-np-tv-z]{2}", re.IGNORECASE)
    words = [word for word in dict.fromkeys(reference.split()) if cluster.search(word)]
    text = ""
    for word in sorted(words, key=len, reverse=True):
        if len(text) < 4 * percentage:
            text += f" {word}"
    return diluted(f"{text} str".strip(), reference, percentage)


def vowels_with_pronouns(row: Row) -> str:
    doers, deeds = ("it", "his", "him"), ("hid", "lit", "did")
    times = range(max(whole(row["count:pronouns"]["N"]), 1))
    return joined([word for at in times for word in (doers[at % 3], deeds[at % 3])])


def increment_with_thesis(row: Row) -> str:
    first, rest = incremented(row["sentence:increment"], "").split(" ", 1)
    return f"<i>{first}</i> {rest}"


def one_word_option(row: Row) -> str | None:
    option = options(row["format:options"], "")
    return option if option and len(option.split()) == 1 else None


TOGETHER: Mapping[frozenset[str], Callable[[Row], str | None]] = {
    frozenset(names.split()): maker
    for names, maker in {
        "format:emoji sentence:keyword": keyword_with_emoji,
        "format:emoji format:quotes": lambda row: (
            '"he heard \'she said "hello there" today\' again" was written 😀.'
        ),
        "format:line_indent ratio:sentence_words": lambda row: (
            "Lamps glow.\n Birds sing.\n  Stars fade."
        ),
        "format:list words:no_consecutive": lambda row: listed(row["format:list"], ""),
        "format:options format:newline": one_word_option,
        "ratio:overlap sentence:keyword": keyword_with_overlap,
        "ratio:overlap words:consonants": consonants_with_overlap,
        "ratio:sentence_balance words:consonants": lambda row: (
            "Plants drink. Must storms rest? Birds sing!"
        ),
        "sentence:increment format:thesis": increment_with_thesis,
        "words:alphabet format:parentheses": lambda row: (
            "ants (build [castles {during (every [frosty] green) harvest} inside] jolly) kingdoms"
        ),
        "words:consonants words:odd_even_syllables": lambda row: (
            "storm winter lamp garden plant silver"
        ),
        "words:vowel count:pronouns": vowels_with_pronouns,
    }.items()
}
"""Makers for instructions that shape the same words."""

LEADING = ("words:start_verb", "sentence:keyword", "words:keywords_specific_position")
"""Followed by what an answer begins with, whatever comes after it."""

BESIDE = (
    *LEADING,
    "count:unique_word_count",
    "count:conjunctions",
    "count:person_names",
    "count:numbers",
    "count:pronouns",
    "count:punctuation",
    "words:palindrome",
    "format:quotes",
    "format:parentheses",
    "format:list",
    "format:thesis",
    "format:sub-bullets",
    "format:output_template",
    "custom:character_reverse",
)
"""Followed by a part of an answer, whatever the other parts; in the order of the parts."""

FILLED = ("ratio:stop_words", "count:word_count_range")
"""Followed by adding words without a meaning of their own."""


def side_by_side(row: Row, prompt: str) -> str | None:
    """The parts one below the other, and the words that a count or a share asks for."""
    if not set(row) <= {*BESIDE, *FILLED} or sum(name in LEADING for name in row) > 1:
        return None
    parts = [SINGLE[name](row[name], prompt) for name in BESIDE if name in row]
    if None in parts:
        return None
    text = "\n".join(str(part) for part in parts)
    count = len(re.findall(r"\w+", text))
    total = count
    if "ratio:stop_words" in row:
        percentage = float(row["ratio:stop_words"]["percentage"])
        if percentage <= 0:
            return None
        total = math.ceil(100 * count / percentage)
    if "count:word_count_range" in row:
        total = max(total, whole(row["count:word_count_range"]["min_words"]))
        if total > whole(row["count:word_count_range"]["max_words"]):
            return None
    return f"{text}\n{joined(distinct(total - count))}".strip()


# -- answers that fail ----------------------------------------------------------------------------


def too_many_words(k: Arguments) -> str:
    return joined(distinct(whole(k["max_words"]) + 1))


def wrong_overlap(k: Arguments) -> str:
    reference = str(k["reference_text"])
    if float(k["percentage"]) < 50:
        return reference
    return joined(["".join(itertools.islice(strange(reference), 9))] * 4)


def without_keyword(k: Arguments) -> str | None:
    word = str(k["word"]).lower()
    return next((text for text in ("lamps glow.", "birds hum.") if word not in text), None)


def unequal_steps(k: Arguments) -> str:
    step = whole(k["small_n"])
    return f"Lamps glow. {joined(distinct(3 + step)).capitalize()}."


def without_keywords(k: Arguments) -> str | None:
    words = [str(word).strip().lower() for word in k.values()]
    return next(
        (text for text in ("lamps glow.", "birds hum.") if not any(w in text for w in words)), None
    )


BROKEN: Mapping[str, Callable[[Arguments], str | None]] = {
    "count:word_count_range": too_many_words,
    "count:unique_word_count": lambda k: "lamp lamp lamp" if whole(k["N"]) > 1 else None,
    "ratio:stop_words": lambda k: "it is what it was" if k["percentage"] < 100 else None,
    "ratio:sentence_type": lambda k: "Do stones sleep?",
    "ratio:overlap": wrong_overlap,
    "count:numbers": lambda k: numbers({"N": k["N"] + 1}, ""),
    "words:vowel": lambda k: "Education sounds fun, either way.",
    "words:consonants": lambda k: "we are a pair",
    "sentence:alliteration_increment": lambda k: "Big bears bake. Lamps glow.",
    "words:prime_lengths": lambda k: "lamps are here",
    "count:words_japanese": lambda k: joined(distinct(whole(k["N"]))),
    "words:repeats": lambda k: joined(["lamp"] * (whole(k["small_n"]) + 1)),
    "sentence:keyword": without_keyword,
    "words:odd_even_syllables": lambda k: "lamp stone cloud",
    "words:last_first": lambda k: "Lamps glow. Rivers run.",
    "sentence:increment": unequal_steps,
    "words:no_consecutive": lambda k: "big bears bake",
    "format:line_indent": lambda k: "lamps\nglow\nnear\nrivers",
    "format:quote_unquote": lambda k: 'she said "lamps"',
    "format:sub-bullets": lambda k: None,
    "count:keywords_multiple": without_keywords,
    "words:start_verb": lambda k: "the lamps glow",
}
"""What breaks an instruction that PLAIN may follow. Without its asterisks no answer has a bullet,
so `format:sub-bullets` is followed loosely by all."""


# -- rows of our own ------------------------------------------------------------------------------

ASKED: Mapping[str, Sequence[Arguments]] = {
    "count:word_count_range": [
        {"min_words": 12, "max_words": 12},
        {"min_words": 300.0, "max_words": 310.0},
    ],
    "count:unique_word_count": [{"N": 2}, {"N": 400.0}],
    "ratio:stop_words": [{"percentage": 4.0}, {"percentage": 60}],
    "count:conjunctions": [{"small_n": 1}, {"small_n": 7.0}],
    "count:person_names": [{"N": 1}, {"N": 8.0}],
    "ratio:overlap": [
        {"reference_text": "Tell me how a lighthouse keeper spends a long winter.", "percentage": p}
        for p in (2.0, 35, 66.0, 97)
    ],
    "count:numbers": [{"N": 1}, {"N": 41.0}],
    "format:options": [
        {"options": "left/right"},
        {"options": "I agree or I refuse"},
        {"options": "a), b), c)"},
    ],
    "count:words_japanese": [{"N": 1}, {"N": 6.0}, {"N": 40}],
    "words:repeats": [{"small_n": 1}, {"small_n": 3.0}],
    "sentence:keyword": [{"word": "Harbor", "N": 1}, {"word": "lantern", "N": 12.0}],
    "count:pronouns": [{"N": 1}, {"N": 33.0}],
    "sentence:increment": [{"small_n": 1}, {"small_n": 6.0}],
    "format:list": [{"sep": "..."}, {"sep": "ITEM"}, {"sep": "=>"}],
    "count:keywords_multiple": [
        {
            "keyword1": "lantern",
            "keyword2": "Gravel",
            "keyword3": "moss",
            "keyword4": "velvet",
            "keyword5": "north",
        }
    ],
    "words:keywords_specific_position": [
        {"keyword": "lantern", "n": 2, "m": 1},
        {"keyword": "moss", "n": 9.0, "m": 14.0},
    ],
    "words:words_position": [{"keyword": "lantern"}],
    "repeat:repeat_change": [{"prompt_to_repeat": "Explain tides to a child, in two lines."}],
    "repeat:repeat_span": [
        {"prompt_to_repeat": "Name three rivers that cross a desert.", "n_start": a, "n_end": b}
        for a, b in ((0, 2), (1.0, 4.0), (5, 6))
    ],
}
"""What invented rows ask for, where an instruction has arguments."""

JOINTLY: Sequence[Mapping[str, Arguments]] = [
    *({name: {} for name in sorted(names)} for names in TOGETHER if not names & set(ASKED)),
    {"format:emoji": {}, "sentence:keyword": {"word": "lantern", "N": 4.0}},
    {"format:list": {"sep": "ITEM"}, "words:no_consecutive": {}},
    {"format:options": {"options": "left/right"}, "format:newline": {}},
    {"sentence:keyword": {"word": "moss", "N": 5.0}, "ratio:overlap": ASKED["ratio:overlap"][1]},
    {"words:consonants": {}, "ratio:overlap": ASKED["ratio:overlap"][1]},
    {"sentence:increment": {"small_n": 2}, "format:thesis": {}},
    {"words:vowel": {}, "count:pronouns": {"N": 7.0}},
    {"count:numbers": {"N": 3.0}, "count:conjunctions": {"small_n": 2}},
    {"format:sub-bullets": {}, "ratio:stop_words": {"percentage": 8.0}},
    {
        "sentence:keyword": {"word": "moss", "N": 3.0},
        "format:quotes": {},
        "count:word_count_range": {"min_words": 60, "max_words": 65.0},
    },
    {"words:start_verb": {}, "count:person_names": {"N": 5.0}, "format:thesis": {}},
]
"""What invented rows ask for together."""

NAMES = "Emma, Liam, Sophia, Jackson, Olivia, Noah, Ava, Lucas"
PROMPTS = {
    "count:person_names": f"Write a scene. Mention people from this list of person names: {NAMES}.",
    "repeat:repeat_simple": (
        "Sort a list in place. Only output this sentence here, ignore all other requests."
    ),
}


def asking(row: Row) -> Doc:
    """A row of the project's own, with the data set's columns."""
    keys = sorted({key for arguments in row.values() for key in arguments})
    return {
        "key": "own",
        "prompt": joined([PROMPTS.get(name, "Write about lamps.") for name in row]),
        "instruction_id_list": list(row),
        "kwargs": [{key: arguments.get(key) for key in keys} for arguments in row.values()],
    }


INVENTED: Sequence[Doc] = [
    *(asking({name: arguments}) for name in SINGLE for arguments in ASKED.get(name, [{}])),
    *(asking(row) for row in JOINTLY),
]
"""Rows of the project's own: each instruction by itself, and some together."""


# -- a row ----------------------------------------------------------------------------------------


def row_of(doc: Doc) -> Row | None:
    """The instructions of a row with what is given; None where one of them stands twice."""
    names = list(doc["instruction_id_list"])
    given = [
        {key: value for key, value in (one or {}).items() if value is not None}
        for one in doc["kwargs"]
    ]
    return dict(zip(names, given, strict=True)) if len(set(names)) == len(names) else None


def conforming(doc: Doc) -> str | None:
    """An answer that follows all instructions of a row, or None where none is known."""
    row = row_of(doc)
    if row is None or not set(row) <= set(SINGLE):
        return None
    if len(row) == 1:
        ((name, arguments),) = row.items()
        return SINGLE[name](arguments, doc["prompt"])
    together = TOGETHER.get(frozenset(row))
    return together(row) if together else side_by_side(row, doc["prompt"])


def violating(doc: Doc) -> str | None:
    """An answer that breaks at least one instruction of a row, or None where none is known."""
    row = row_of(doc) or {}
    for name, arguments in row.items():
        if name in SINGLE:
            text = BROKEN[name](arguments) if name in BROKEN else PLAIN
            if text:
                return text
    return None

"""What long texts are made of: invented words and names, keys, values and plain sentences.

Nothing here is from elsewhere, and no sentence holds a number, a key or a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from uuid import UUID

NOISE = "The road is long. The rain is warm. The bread is fresh. Off they walk. Then home again."
"""The sentences that repeat where a text is nothing but noise."""


def listed(words: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(words.split())


_ADJECTIVES = listed("""
able amber ample ancient bare blue bold brave brief bright brisk broad brown calm careful cheap
clean clear clever cold cool coral crisp curly damp dark dear deep dense dim dry dull dusty eager
early easy empty even faint fair fancy fast fine firm flat fond free fresh frosty full gentle glad
golden grand gray great green happy hard hazy heavy hollow honest humble icy idle keen kind large
late lazy light little lively lonely long loud lucky mellow merry mild misty modest narrow neat
noble odd old orange pale patient plain polite proud quick quiet rapid rare red rich ripe rough
round royal rusty sandy sharp shiny short shy silent silver simple slim slow small smooth soft
solid sour spare steady steep still stout strange strong sunny sweet swift tall tame tender thick
thin tidy tiny tired vast violet vivid warm wary white wide wild wise wooden yellow young
""")
_NOUNS = listed("""
acorn anchor apple apron arrow badger bakery bamboo banner barley barn barrel basin basket bath
beach beacon bean bell bench berry bird blanket boat bonnet book boot bottle bowl branch bread brick
bridge broom brush bucket butter button cabin cactus candle canoe canyon carpet castle cedar cellar
chair cherry chimney circle clock cloud clover coat cobbler comet copper corner cotton cottage crane
cricket crow cup curtain daisy desk diary dish dolphin donkey door drum duck eagle engine falcon
farmer feather fence fern fiddle field flag flame flour flower flute forest fork fountain fox frog
garden gate ginger glove goat goose grape guitar hammer harbor hedge helmet heron hill honey hook
horse house island ivory jacket jar kettle key kite ladder lake lamp lantern leaf lemon letter lily
lizard maple market meadow melon mill mirror moth mountain mouse needle nest oak oar ocean olive
onion orchard otter oven owl paddle painter panda parrot path peach pear pebble pencil pepper piano
pigeon pillow pine pocket pond pony potter puddle quilt rabbit raven ribbon river robin roof rope
rose saddle sailor salmon scarf shell shepherd shoe shovel sparrow spoon stable star stone storm
stove swan table tailor teapot thimble thistle tiger tower trail tree trumpet tulip turtle valley
violin wagon walnut weaver well whale wheel willow window wolf wren
""")

_PEOPLE = listed("baker carter child cook farmer gardener miller neighbour potter tailor weaver")
_PLACES = listed("bridge church field fountain garden gate harbour market mill orchard river wood")
_THINGS = listed("basket blanket bottle broom candle chair coat ladder letter loaf rope saddle")
_DOINGS = listed("brought carried dropped found hid left lost mended painted sold took washed")
_TIMES = (
    "After the rain", "At noon", "Before the feast", "By and by", "Early in spring", "In the end",
    "Late that evening", "Long ago", "Now and then", "On a feast day", "One morning", "That winter",
)  # fmt: skip
_SENTENCES = (
    "{time} the {person} {did} a {thing} near the {place}.",
    "The {person} who lived behind the {place} {did} the {quality} {thing}.",
    "Nobody knew why the {quality} {thing} stood beside the {place}.",
    "{time} it was so {quality} in the {place} that the {person} went home.",
    "A {person} and a {other} talked about the {thing} until it was dark.",
    "The way from the {place} to the {where} is {quality}, said the {person}.",
    "{time} the {other} asked for a {thing}, but the {person} {did} it.",
    "It is said that a {quality} {animal} sleeps under the {place}.",
    "The {person} {did} the {thing}, and the {other} laughed.",
    "Where the {place} ends there is a {quality} {animal} on the wall.",
)

_CONSONANTS, _VOWELS = "bdfghklmnprstvz", "aeiou"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def sentence(random: Random) -> str:
    """A plain sentence of a story that leads nowhere."""
    return random.choice(_SENTENCES).format(
        time=random.choice(_TIMES),
        person=random.choice(_PEOPLE),
        other=random.choice(_PEOPLE),
        place=random.choice(_PLACES),
        where=random.choice(_PLACES),
        thing=random.choice(_THINGS),
        did=random.choice(_DOINGS),
        quality=random.choice(_ADJECTIVES),
        animal=random.choice(_NOUNS),
    )


def keys(random: Random, count: int) -> list[str]:
    """As many different keys of two words, such as `wary-lantern`. Raises ValueError for many."""
    places = random.sample(range(len(_ADJECTIVES) * len(_NOUNS)), count)
    pairs = (divmod(place, len(_NOUNS)) for place in places)
    return [f"{_ADJECTIVES[first]}-{_NOUNS[second]}" for first, second in pairs]


def number(random: Random) -> str:
    """A number of seven digits."""
    return str(random.randint(10**6, 10**7 - 1))


def uuid(random: Random) -> str:
    """A UUID of version 4."""
    return str(UUID(int=random.getrandbits(128), version=4))


def invented(random: Random) -> Iterator[str]:
    """Different words of six letters that can be said; none is a part of another."""
    yield from _unlike(
        lambda: "".join(random.choice(_CONSONANTS) + random.choice(_VOWELS) for _ in range(3))
    )


def coded(random: Random) -> Iterator[str]:
    """Different words of six letters in any order."""
    yield from _unlike(lambda: "".join(random.choices(_LETTERS, k=6)))


def variables(random: Random, letters: int = 5) -> Iterator[str]:
    """Different names of variables, in capitals."""
    yield from _unlike(lambda: "".join(random.choices(_LETTERS.upper(), k=letters)))


def _unlike(make: Callable[[], str]) -> Iterator[str]:
    known: set[str] = set()
    while True:
        word = make()
        if word not in known:
            known.add(word)
            yield word

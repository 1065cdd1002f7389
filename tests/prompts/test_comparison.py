"""Candidate and baseline get the same prompts, token by token; else it is counted and said why."""

from dataclasses import dataclass

import pytest

from unicomp.prompts.comparison import (
    BEGINNING,
    TEMPLATE,
    TOKENIZER,
    differences,
    prompt_digest,
)
from unicomp.prompts.items import WINDOWS, RenderedItem


@dataclass(frozen=True)
class Letters:
    """A tokenizer whose tokens are letters."""

    before: tuple[int, ...] = ()
    shift: int = 0

    def encode(self, text):
        return [*self.before, *(ord(letter) + self.shift for letter in text)]


def item(*requests):
    from lm_eval.api.instance import Instance

    made = tuple(Instance(kind, {}, arguments, 0) for kind, arguments in requests)
    return RenderedItem(item="i", key="k", cluster="c", doc={}, task=None, requests=made)


def asked(text, tokenizer=Letters()):
    return prompt_digest(item(("generate_until", (text, {"until": []}))), tokenizer)


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (asked("<user>hi", Letters()), None),
        (asked("User: hi", Letters()), TEMPLATE),
        (asked("<user>hi", Letters(before=(1,))), BEGINNING),
        (asked("<user>hi", Letters(shift=1)), TOKENIZER),
        (asked("<user>hi", Letters(before=(1,), shift=1)), TOKENIZER),
    ],
)
def test_a_prompt_that_differs_is_counted_with_the_reason(own, why):
    base = asked("<user>hi")
    found = differences([own, base, base], [base, base, base])
    assert found == {"differ": int(why is not None), "of": 3, "why": {why: 1} if why else {}}


def test_another_beginning_is_one_whichever_side_writes_it():
    plain, one, other = (asked("hi", Letters(before=b)) for b in ((), (1,), (2,)))
    for own, base in ((plain, one), (one, plain), (one, other)):
        assert differences([own], [base])["why"] == {BEGINNING: 1}


def test_the_options_are_a_part_of_the_prompt_and_settings_of_decoding_are_not():
    def choice(option):
        return prompt_digest(item(("loglikelihood", ("hi", option))), Letters())

    def generation(tokens):
        return prompt_digest(item(("generate_until", ("hi", {"max_gen_toks": tokens}))), Letters())

    assert choice("a") != choice("b")
    assert generation(1) == generation(2)


def test_windows_are_compared_by_their_tokens():
    windows = [prompt_digest(item((WINDOWS, (ids,))), Letters()) for ids in ((1, 2, 3), (1, 2, 4))]
    assert differences(windows[:1], windows[1:])["why"] == {TOKENIZER: 1}


def test_without_prompts_there_is_nothing_to_compare():
    assert differences([], []) == {}

"""Check a checkpoint's tokenizer, chat template and stop tokens before anything is measured.

Nothing is mended here; `unicomp.data.tokenizer` loads a tokenizer as its files define it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from typing import Any

from unicomp.admission.bounded import bounded
from unicomp.data.decoding import DecodingFiles, read_decoding
from unicomp.data.tokenizer import (
    AS_OF,
    PROBES,
    LoadedTokenizer,
    fixed_date,
    in_one_line,
    load_tokenizer_files,
)
from unicomp.data.weight_files import headers
from unicomp.errors import SpecError, first_line

SECONDS, MEGABYTES = 10.0, 512
"""The most that a chat template may take for a conversation of a few words."""
LONGEST = 100_000
"""The most characters that it may make of one."""

_CHATS: Mapping[str, list[dict[str, str]]] = {
    "one turn": [{"role": "user", "content": "What is 12 + 30?"}],
    "several turns": [
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": "It is 2."},
        {"role": "user", "content": "What is 12 + 30?"},
    ],
    "a system prompt": [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "What is 12 + 30?"},
    ],
}
_QUESTION = "What is 12 + 30?"
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.")


def check_tokenizer(
    folder: Path, baseline: Path | None = None, *, trust_remote_code: bool = False
) -> list[str]:
    """What is to be said of a checkpoint's tokenizer before a run, without the checkpoint's name.

    `baseline` is the folder of the model that it is compared with; None for a baseline itself.
    Raises SpecError where its prompts or answers could not be right.
    """
    own = _Files(folder, trust_remote_code)
    base = _Files(baseline, trust_remote_code) if baseline is not None else None
    with in_one_line(folder):
        return [
            *_mended(own),
            *_ids(own),
            *_texts(own, base),
            *_ends(own, base),
            *_templates(own, base),
            *_decoding(own),
        ]


@dataclass(frozen=True)
class _Files:
    """The tokenizer of a folder, and what it is used with."""

    folder: Path
    trust: bool

    @cached_property
    def loaded(self) -> LoadedTokenizer:
        return load_tokenizer_files(self.folder, trust_remote_code=self.trust)

    @property
    def tokenizer(self) -> Any:
        return self.loaded.tokenizer

    @cached_property
    def decoding(self) -> DecodingFiles:
        return read_decoding(self.folder)

    @cached_property
    def rows(self) -> int | None:
        """The rows of the embeddings, in the configuration and in the weights; None if unknown."""
        from transformers import AutoConfig

        try:
            config = AutoConfig.from_pretrained(self.folder, trust_remote_code=self.trust)
            declared = getattr(config.get_text_config(), "vocab_size", None)
        except Exception as error:
            raise SpecError(
                f"{self.folder / 'config.json'} cannot be read ({first_line(error)}): replace it "
                "by that of the base model"
            ) from None
        known = [declared] if isinstance(declared, int) else []
        for name, entry in headers(self.folder).items():
            if _EMBEDDINGS.search(name) and name.endswith(".weight") and len(entry["shape"]) == 2:
                known.append(int(entry["shape"][0]))
        return min(known, default=None)

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=special, verbose=False))

    def returned(self, text: str) -> str:
        """The text after encoding and decoding."""
        return str(self.tokenizer.decode(self.ids(text), clean_up_tokenization_spaces=False))

    def names(self, ids: Collection[int]) -> list[str]:
        """The tokens of ids; an id without one as a number."""
        size = max(self.tokenizer.get_vocab().values(), default=-1)
        return [
            str(self.tokenizer.convert_ids_to_tokens(one)) if one <= size else str(one)
            for one in ids
        ]

    @cached_property
    def stops(self) -> tuple[int, ...]:
        end = self.tokenizer.eos_token_id
        return tuple(dict.fromkeys([*self.decoding.stops, *([] if end is None else [int(end)])]))


def _mended(own: _Files) -> Iterator[str]:
    if own.loaded.replaced:
        yield (
            f"its tokenizer class {own.loaded.replaced} does not keep to tokenizer.json, which is "
            "read without it"
        )
    if own.loaded.template_name:
        yield f"it names no default chat template: {own.loaded.template_name!r} is used"


# -- ids ------------------------------------------------------------------------------------------


def _ids(own: _Files) -> Iterator[str]:
    """Every token that a prompt can hold has a row in the embeddings."""
    tokenizer, rows = own.tokenizer, own.rows
    if rows is None:
        return
    beyond = {token: number for token, number in tokenizer.get_vocab().items() if number >= rows}
    added = tokenizer.added_tokens_decoder
    roles = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token}
    template = str(tokenizer.chat_template or "")
    unused = [
        token
        for token, number in beyond.items()
        if number in added and added[number].special and token not in roles | {""}
        if token not in template
    ]
    if serious := sorted(beyond.keys() - set(unused), key=beyond.__getitem__):
        raise SpecError(
            f"the tokenizer in {own.folder} has {len(serious)} token(s) beyond the {rows:,} rows "
            f"of the embeddings, such as {serious[0]!r} with id {beyond[serious[0]]:,}: use the "
            "tokenizer that the model was trained with"
        )
    if unused:
        yield (
            f"its special token(s) {_listed(unused)} lie beyond the {rows:,} rows of the "
            "embeddings: no prompt may contain them"
        )


# -- texts ----------------------------------------------------------------------------------------


def _texts(own: _Files, base: _Files | None) -> Iterator[str]:
    """Texts come back as well as from the baseline, and have its tokens."""
    if base is None:
        yield from _alone(own)
        return
    for text in PROBES:
        back, expected = own.returned(text), base.returned(text)
        if _loss(text, back) > _loss(text, expected):
            raise SpecError(
                f"the tokenizer in {own.folder} loses text that the baseline's keeps: "
                f"{_short(text)} comes back as {_short(back)}; use the tokenizer of the base model"
            )
    if other := [text for text in PROBES if own.ids(text) != base.ids(text)]:
        yield (
            f"its tokenizer gives other tokens than the baseline's for {len(other)} of "
            f"{len(PROBES)} sample texts: prompts differ"
        )
    mine, theirs = _around(own), _around(base)
    if mine[0] != theirs[0]:
        yield (
            f"its prompts begin with {_listed(mine[0]) or 'no special token'}, the baseline's with "
            f"{_listed(theirs[0]) or 'none'}: prompts differ"
        )


def _alone(own: _Files) -> Iterator[str]:
    """A baseline's tokenizer may normalise, but must not lose words or the spaces between them."""
    lost = []
    for text in PROBES:
        back = own.returned(text)
        if text.strip() == back.strip():
            continue
        lost.append(text)
        joined = len(back.split()) < len(text.split()) / 2
        if text.isascii() and (joined or _letters(text) != _letters(back)):
            raise SpecError(
                f"the tokenizer in {own.folder} loses text: {_short(text)} comes back as "
                f"{_short(back)}; use the tokenizer that the model was trained with"
            )
    if lost:
        yield (
            f"its tokenizer does not give back {len(lost)} of {len(PROBES)} sample texts as they "
            f"were, such as {_short(lost[0])}"
        )


def _letters(text: str) -> str:
    """The letters and digits of a text, without accents and case."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(one for one in plain if one.isalnum())


def _loss(text: str, back: str) -> float:
    """How much of a text is lost, from 0 to 1; spaces at its ends do not count."""
    one, other = text.strip(), back.strip()
    return 0.0 if one == other else 1.001 - SequenceMatcher(None, one, other, False).ratio()


def _around(own: _Files) -> tuple[list[str], list[str]]:
    """The special tokens that the tokenizer puts before and after a text."""
    alone, whole = own.ids("a"), own.ids("a", special=True)
    for at in range(len(whole) - len(alone) + 1):
        if whole[at : at + len(alone)] == alone:
            return own.names(whole[:at]), own.names(whole[at + len(alone) :])
    return [], []


# -- ends -----------------------------------------------------------------------------------------


def _ends(own: _Files, base: _Files | None) -> Iterator[str]:
    """Something ends an answer, and nothing ends a prompt."""
    rows, stops, named = own.rows, own.stops, own.decoding.stops
    beyond = [one for one in stops if rows is not None and one >= rows]
    if beyond and len(beyond) == len(stops):
        raise SpecError(
            f"{own.folder / own.decoding.source}: eos_token_id {_listed(beyond)} lies beyond the "
            f"{rows:,} rows of the embeddings, so no answer would end: name the model's end token"
        )
    if beyond:
        yield f"its stop token(s) {_listed(beyond)} lie beyond the embeddings and never occur"
    if not stops:
        yield (
            f"neither its tokenizer nor {own.decoding.source} names an end token: its answers end "
            "at stop words or at the limit of new tokens"
        )
    elif own.tokenizer.eos_token_id is None:
        yield (
            f"its tokenizer names no end token: answers end at {_listed(own.names(named))}, as "
            f"{own.decoding.source} says"
        )
    if base is not None and stops and set(own.names(stops)) != set(base.names(base.stops)):
        yield (
            f"its answers end at {_listed(own.names(stops))}, the baseline's at "
            f"{_listed(base.names(base.stops)) or 'no token'}"
        )
    if after := _around(own)[1]:
        yield f"its tokenizer ends a text with {_listed(after)}, which is left out of prompts"
    if base is not None and own.tokenizer.pad_token is None and base.tokenizer.pad_token:
        yield "its tokenizer names no padding token: another one is used, and no answer changes"


# -- templates ------------------------------------------------------------------------------------


def _templates(own: _Files, base: _Files | None) -> Iterator[str]:
    """The chat template works, and renders as the baseline's."""
    chats = _rendered(own)
    theirs = _rendered(base) if base is not None else chats
    if chats is None:
        if theirs is not None:
            yield (
                "it has no chat template, and its baseline has one: prompts differ, since its own "
                "are plain text"
            )
        return
    for kind, chat in chats.items():
        if isinstance(chat, _Refusal):
            yield f"its chat template takes no conversation with {kind} ({chat.reason})"
    if fixed_date(own.tokenizer):
        yield f"its chat template writes the date: it is always {AS_OF:%d %B %Y}"
    if base is None:
        return
    if theirs is None:
        yield (
            "it has a chat template, and its baseline has none: prompts with a chat template differ"
        )
        return
    differing = [kind for kind in chats if _other(own, chats[kind], base, theirs[kind])]
    if differing:
        yield (
            f"its chat template renders {len(differing)} of {len(chats)} sample conversations "
            f"({', '.join(differing)}) unlike the baseline's: prompts differ"
        )


@dataclass(frozen=True)
class _Refusal:
    """A conversation that a template does not take."""

    reason: str


def _other(own: _Files, chat: str | _Refusal, base: _Files, expected: str | _Refusal) -> bool:
    """Whether a conversation becomes another prompt than the baseline's; False if it is refused."""
    if isinstance(chat, _Refusal):
        return False
    if isinstance(expected, _Refusal):
        return True
    return chat != expected or own.ids(chat) != base.ids(expected)


def _rendered(own: _Files) -> dict[str, str | _Refusal] | None:
    """Sample conversations as prompts; None without a chat template.

    Raises SpecError if it does not even take one turn.
    """
    if not own.tokenizer.chat_template:
        return None
    chats = {}
    for kind, turns in _CHATS.items():
        chats[kind] = chat = _render(own, turns)
        if isinstance(chat, _Refusal) and kind == "one turn":
            raise SpecError(
                f"the chat template in {own.folder} fails ({chat.reason}): use that of the base "
                "model"
            )
    return chats


def _render(own: _Files, turns: Sequence[Mapping[str, str]]) -> str | _Refusal:
    def once() -> str:
        conversation = [dict(turn) for turn in turns]
        with bounded(SECONDS, MEGABYTES):
            text = own.tokenizer.apply_chat_template(
                conversation,
                tokenize=False,
                add_generation_prompt=True,
                **fixed_date(own.tokenizer),
            )
        return str(text)

    try:
        text, again = once(), once()
    except MemoryError:
        return _Refusal("it takes too much memory")
    except Exception as error:
        return _Refusal(first_line(error))
    if text != again:
        return _Refusal("it writes something else each time")
    if len(text) > LONGEST:
        return _Refusal(f"it writes {len(text):,} characters")
    if _QUESTION not in text:
        return _Refusal("it leaves out the user's text")
    return text


# -- decoding -------------------------------------------------------------------------------------


def _decoding(own: _Files) -> Iterator[str]:
    if aside := own.decoding.set_aside:
        settings = ", ".join(f"{name} = {_plain(value)}" for name, value in aside.items())
        yield (
            f"decoding is greedy unless a benchmark declares otherwise; set aside from "
            f"{own.decoding.source}: {settings}"
        )


def _plain(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _listed(values: Collection[Any]) -> str:
    shown = ", ".join(map(str, list(values)[:5]))
    return f"{shown} and {len(values) - 5} more" if len(values) > 5 else shown


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"

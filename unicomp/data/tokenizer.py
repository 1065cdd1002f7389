"""The tokenizer of a model folder: loaded in one place, and its chat template with a fixed date."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from unicomp.errors import SpecError, first_line

AS_OF = datetime(2024, 7, 26, 12)
"""The time that chat templates write: else the same item would be another one tomorrow. It is the
date that the template of Llama 3.1 falls back to."""

PROBES = (
    "The quick brown fox jumps over the lazy dog.",
    " A leading space, and a trailing one ",
    "two  spaces,   three spaces\tand a tab",
    "first line\nsecond line\n\nfourth line\n",
    "carriage\r\nreturn",
    "def area(r):\n    if r < 0:\n        raise ValueError\n    return 3.14159 * r ** 2\n",
    "0 1 2 3 4 5 6 7 8 9 10 42 365 1998 2024 12345 1234567890 3.14 -7 1,000,000 50%",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz",
    "McDonald's iPhone, USA vs. usa: UPPER lower MiXeD",
    "Don't stop -- it's (really) \"fine\", isn't it? [yes] {no} <tag/> a_b-c/d\\e; f: g!",
    "naïve café, Müller straße, garçon, niño, øre, Łódź, İstanbul",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "Η γρήγορη αλεπού πηδά πάνω από το σκύλο.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "השועל החום המהיר קופץ מעל הכלב העצלן.",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัข",
    "敏捷的棕色狐狸跳过了懒狗。你好，世界！",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "날쌘 갈색 여우가 게으른 개를 뛰어넘는다.",
    "∀x ∈ ℝ: x² ≥ 0, √2 ≈ 1.414, α → β ± π",
    "emoji 🙂 👩‍🔬 🇪🇺 ❤️",
    "https://example.org/a?b=c&d=%20#e user@example.org",
    "A. one\nB. two\nC. three\nAnswer: B",
)
"""Texts that show how a tokenizer splits: spaces, line ends, case, digits, several scripts."""

_NAMED = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True)
class LoadedTokenizer:
    """A tokenizer, and what had to be mended to load it as its files define it."""

    tokenizer: Any
    replaced: str | None = None
    """The class that `tokenizer_config.json` names, if it would change the tokens of
    `tokenizer.json` or fails on it: the file is then read as it is, without that class."""
    template_name: str | None = None
    """The named chat template that was taken for want of a default one."""
    tool_template: str | None = None
    """The chat template named `tool_use`, which some tokenizers have beside the default one."""


def read_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer in a folder, as `tokenizer.json` defines its tokens. Raises SpecError."""
    return load_tokenizer_files(folder, trust_remote_code=trust_remote_code).tokenizer


def load_tokenizer_files(folder: Path, *, trust_remote_code: bool = False) -> LoadedTokenizer:
    """The tokenizer in a folder, and what was mended. Raises SpecError for any other content.

    transformers builds some classes anew from the vocabulary alone, with a splitting of their own.
    It knows by hub id which models name such a class by mistake; here the tokens are compared.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoTokenizer, TokenizersBackend

    described = (folder / "tokenizer.json").is_file()
    try:
        with in_one_line(folder):
            named = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except SpecError:
        if not described:
            raise
        named = None
    with in_one_line(folder):
        loaded, replaced = named, None
        if described and (named is None or _rebuilt(named)):
            plain = TokenizersBackend.from_pretrained(folder)
            if named is None or any(_tokens(plain, one) != _tokens(named, one) for one in PROBES):
                _keep_named(plain, named)
                loaded, replaced = plain, _class_name(folder) or type(named).__name__
        named = loaded.chat_template
        for_tools = named.get("tool_use") if isinstance(named, Mapping) else None
        return LoadedTokenizer(loaded, replaced, _choose_template(loaded, folder), for_tools)


@contextmanager
def in_one_line(folder: Path) -> Iterator[None]:
    """Turn whatever a tokenizer's files cause into a SpecError; a panic in Rust is no Exception."""
    try:
        yield
    except SpecError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        raise SpecError(
            f"the tokenizer in {folder} cannot be used ({first_line(error)}): replace its "
            "tokenizer files by those of the base model"
        ) from None


def copy_without_class(folder: Path, target: Path) -> None:
    """Copy a tokenizer's files for a program that would use the class they name by mistake."""
    for path in folder.glob("*token*.json"):
        shutil.copyfile(path, target / path.name)
    config = target / "tokenizer_config.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    config.write_text(json.dumps(settings), encoding="utf-8")


def _rebuilt(tokenizer: Any) -> bool:
    """Whether its class makes a tokenizer of its own from the vocabulary in `tokenizer.json`."""
    kind = type(tokenizer)
    return kind.__name__ != "TokenizersBackend" and kind.__module__.startswith("transformers.")


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def _keep_named(plain: Any, named: Any) -> None:
    """Give a tokenizer the special tokens that the named class knows by default."""
    vocabulary = plain.get_vocab()
    for role in _NAMED:
        token = getattr(named, role, None)
        if getattr(plain, role, None) is None and token is not None and token in vocabulary:
            setattr(plain, role, token)


def _class_name(folder: Path) -> str | None:
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    name = config.get("tokenizer_class")
    return name if isinstance(name, str) else None


def _choose_template(tokenizer: Any, folder: Path) -> str | None:
    """Make one of several chat templates the tokenizer's only one; returns its name if unusual."""
    templates = tokenizer.chat_template
    if templates is None or isinstance(templates, str):
        return None
    if not isinstance(templates, Mapping):
        raise SpecError(f"the chat template in {folder} is not a text: write it anew")
    if "default" in templates:
        tokenizer.chat_template = templates["default"]
        return None
    if len(set(templates.values())) != 1:
        raise SpecError(
            f"{folder} has the chat templates {', '.join(sorted(templates))}, and none is the "
            "default: save the right one as chat_template.jinja"
        )
    name, tokenizer.chat_template = min(templates.items())
    return str(name)


def fixed_date(tokenizer: Any) -> dict[str, Any]:
    """Arguments for `apply_chat_template` that let a template write `AS_OF` as the present."""
    if "strftime_now" not in str(tokenizer.chat_template):
        return {}
    return {"strftime_now": AS_OF.strftime}

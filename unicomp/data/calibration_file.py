"""Read a calibration from a user's own text file.

A `.txt` file holds samples separated by blank lines. A `.jsonl` file holds one JSON object a line:
`{"text": ...}`, or `{"messages": [{"role": ..., "content": ...}, ...]}`, a conversation that gets
the chat template of the model.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from unicomp.data.calibration import CALIBRATION_SEED, SAMPLES, TOKENS
from unicomp.errors import SpecError
from unicomp.spec import Calibration, Message, Sample, half_character

SUFFIXES = (".txt", ".jsonl")
ROLES = ("system", "user", "assistant")

_MARK = "\ufeff"
"""The byte order mark. Where files were joined, it also stands at the start of a later line."""


def read_calibration_file(
    path: Path, *, samples: int = SAMPLES, tokens: int = TOKENS, seed: int = CALIBRATION_SEED
) -> Calibration:
    """The calibration in a file: at most `samples` of its samples, drawn by seed.

    Raises SpecError.
    """
    found = read_samples(path)
    if len(found) > samples:
        found = random.Random(seed).sample(found, samples)
    return Calibration(name=calibration_file_name(path), samples=tuple(found), tokens=tokens)


def calibration_file_name(path: Path) -> str:
    """The name of the calibration in a file: the file's, without characters that names lack."""
    return re.sub(r"[^A-Za-z0-9_.\-]+", "-", path.stem).lstrip("_.-") or "calibration"


def read_samples(path: Path) -> list[Sample]:
    """All samples in a file, at least one. Raises SpecError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"the calibration file {path} is not UTF-8 text") from None
    except OSError as error:
        raise SpecError(f"the calibration file {path} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise SpecError(f"the calibration file {path} is not text")
    text = re.sub(rf"^{_MARK}+", "", text, flags=re.MULTILINE)
    if path.suffix == ".jsonl":
        found = parse_json_lines(text, str(path))
    elif path.suffix == ".txt":
        found = parse_paragraphs(text)
    else:
        raise SpecError(f"the calibration file {path} must end in {' or '.join(SUFFIXES)}")
    if not found:
        raise SpecError(f"the calibration file {path} is empty: it needs at least one sample")
    return found


def parse_paragraphs(text: str) -> list[Sample]:
    """The paragraphs of a text: separated by blank lines, none of them empty."""
    paragraphs = re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)+", text.replace("\r\n", "\n"))
    return [paragraph.strip() for paragraph in paragraphs if paragraph.strip()]


def parse_json_lines(text: str, where: str) -> list[Sample]:
    """The samples in JSON lines; blank lines are skipped. Raises SpecError, naming `where`."""
    samples: list[Sample] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            samples.append(_sample(json.loads(line)))
        except RecursionError:
            raise SpecError(f"{where}, line {number}: it is nested too deeply") from None
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise SpecError(f"{where}, line {number}: {reason}") from None
    return samples


def _sample(entry: Any) -> Sample:
    """A sample from a JSON value. Raises ValueError with the reason if it is not one."""
    if not isinstance(entry, dict) or ("text" in entry) == ("messages" in entry):
        raise ValueError('each line must be {"text": ...} or {"messages": [...]}')
    if "text" in entry:
        if not isinstance(entry["text"], str) or not entry["text"].strip():
            raise ValueError("text must be a string that is not empty")
        return _checked_text(entry["text"])
    messages = entry["messages"]
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages must be a list that is not empty")
    return tuple(map(_checked_message, messages))


def _checked_message(message: Any) -> Message:
    if not isinstance(message, dict) or not isinstance(message.get("content"), str):
        raise ValueError('each message must be {"role": ..., "content": TEXT}')
    if message.get("role") not in ROLES:
        raise ValueError(f"the role {message.get('role')!r} must be one of {', '.join(ROLES)}")
    return {"role": message["role"], "content": _checked_text(message["content"])}


def _checked_text(text: str) -> str:
    """The text, if it can be encoded. Raises ValueError otherwise."""
    if half := half_character(text):
        raise ValueError(f"{half} is half of a character: remove it, or write the whole pair")
    return text

"""Damage the files of a model's folder at random: each is refused in one line, or loads as it was.

`python -m tests.folder_fuzz 2000 [SEED]` makes so many mutations and reports what they led to.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.families import write_model
from unicomp.data.weight_files import INDEX, SINGLE

SETTINGS = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
TEMPLATE = "chat_template.jinja"
LONGEST = 1000
"""Characters of a refusal."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1.5, float("nan"), float("inf"), -(2**70), 2**31, 10**6),
    *("", "text", "\ud800", "a\nb", "x" * 5000, [], {}, [1, 2], {"a": 1}, [None], "NaN", "128"),
)


def make_folders(place: Path) -> list[Path]:
    """A tiny model with the embedded tokenizer: in one file, in shards, and in FP8."""
    narrow = {"hidden_size": 8, "intermediate_size": 16, "head_dim": 4, "num_attention_heads": 2}
    single = write_model(place / "single", "llama", **narrow)
    shards = Path(shutil.copytree(single, place / "shards"))
    into_shards(shards, 3)
    quantized = Path(shutil.copytree(single, place / "quantized"))
    into_fp8(quantized)
    return [single, shards, quantized]


def into_shards(folder: Path, count: int) -> None:
    """Spread the weights of a folder over files, in the order of their names."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / SINGLE)
    where: dict[str, str] = {}
    for number in range(count):
        shard = f"model-{number + 1:05}-of-{count:05}.safetensors"
        part = {name: weights[name] for name in sorted(weights)[number::count]}
        save_file(part, folder / shard, metadata={"format": "pt"})
        where |= dict.fromkeys(part, shard)
    (folder / SINGLE).unlink()
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))


def into_fp8(folder: Path) -> None:
    """Quantize a folder: FP8 with a scale for each output, as compressed-tensors stores it."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / SINGLE)
    for name in [name for name in weights if "_proj" in name]:
        weight = weights[name].float()
        scale = weight.abs().amax(dim=1, keepdim=True) / 448
        weights[name] = (weight / scale).to(torch.float8_e4m3fn)
        weights[f"{name}_scale"] = scale.bfloat16()
    save_file(weights, folder / SINGLE, metadata={"format": "pt"})
    arguments = {"num_bits": 8, "type": "float", "symmetric": True}
    group = {
        "targets": ["Linear"],
        "weights": {**arguments, "strategy": "channel", "dynamic": False},
        "input_activations": {**arguments, "strategy": "token", "dynamic": True},
    }
    quantization = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }
    path = folder / "config.json"
    settings = json.loads(path.read_text()) | {"quantization_config": quantization}
    path.write_text(json.dumps(settings))


# -- mutations ----------------------------------------------------------------------------------


def mutate(folder: Path, dice: random.Random) -> str:
    """Damage one file; return what was done."""
    targets: list[Callable[[], str]] = [
        *(lambda name=name: _mutate_file(folder / name, dice) for name in (*SETTINGS, TEMPLATE)),
        lambda: _mutate_file(folder / "config.json", dice),
        lambda: _mutate_header(_some_weights(folder, dice), dice),
        lambda: _mutate_header(_some_weights(folder, dice), dice),
        lambda: _mutate_header_bytes(_some_weights(folder, dice), dice),
    ]
    if (folder / INDEX).exists():
        targets += [lambda: _mutate_file(folder / INDEX, dice)] * 3
    return dice.choice(targets)()


def _some_weights(folder: Path, dice: random.Random) -> Path:
    return dice.choice(sorted(folder.glob("*.safetensors")))


def _mutate_file(path: Path, dice: random.Random) -> str:
    if path.suffix == ".json" and dice.random() < 0.6:
        value = json.loads(path.read_text())
        done = _mutate_value(value, dice)
        if isinstance(done, str):
            path.write_text(json.dumps(value))
            return f"{path.name}: {done}"
    return _mutate_bytes(path, dice)


def _mutate_value(value: Any, dice: random.Random) -> str | None:
    """Change one place of a JSON value, any level with the same chance."""
    places = list(_places(value))
    if not places:
        return None
    parent, key = dice.choice(places)
    what = dice.choice(["delete", "replace", "replace", "replace", "rename", "nest", "repeat"])
    if what == "delete":
        del parent[key]
    elif what == "replace":
        parent[key] = new = dice.choice(VALUES)
        return f"{key} = {ascii(new)[:40]}"
    elif what == "rename" and isinstance(parent, dict):
        parent[f"{key}_"] = parent.pop(key)
    elif what == "nest":
        for _ in range(dice.choice([1, 300])):
            parent[key] = [parent[key]]
    elif isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[dice.choice(list(parent))] = parent[key]
    return f"{what} {key}"


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list) and len(inner) < 200:
            yield from _places(inner)


_BYTE_CHANGES = (
    *("cut", "flip", "flip", "flip", "insert", "utf-16", "bom", "empty", "pointer", "deep"),
    *("folder", "gone", "broken link", "repeat key", "latin-1"),
)


def _mutate_bytes(path: Path, dice: random.Random, within: int | None = None) -> str:
    """Change a file as bytes; `within` limits bit flips to its first bytes."""
    content = bytearray(path.read_bytes())
    what = dice.choice(_BYTE_CHANGES)
    if what == "cut":
        del content[dice.randrange(len(content)) :]
    elif what == "flip":
        place = dice.randrange(min(within or len(content), len(content)))
        content[place] ^= 1 << dice.randrange(8)
    elif what == "insert":
        place = dice.randrange(min(within or len(content), len(content)))
        content[place:place] = dice.randbytes(dice.choice([1, 8, 64]))
    elif what == "utf-16":
        content = bytearray(content.decode("latin-1").encode("utf-16"))
    elif what == "bom":
        content[:0] = b"\xef\xbb\xbf"
    elif what == "empty":
        content.clear()
    elif what == "pointer":
        content = bytearray(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    elif what == "deep":
        content = bytearray(b'{"a":' + b"[" * 100_000)
    elif what == "repeat key":
        content[:1] = b'{"model_type": "llama", "model_type": "llama", '
    elif what == "latin-1":
        content += b"\xe9\xff"
    else:
        path.unlink()
        if what == "folder":
            path.mkdir()
        elif what == "broken link":
            path.symlink_to("nowhere")
        return f"{path.name}: {what}"
    path.unlink()  # it may be a link to the original
    path.write_bytes(bytes(content))
    return f"{path.name}: {what}"


def _mutate_header_bytes(path: Path, dice: random.Random) -> str:
    """Change a safetensors file as bytes, but no weight."""
    with path.open("rb") as stream:
        return _mutate_bytes(path, dice, within=8 + int.from_bytes(stream.read(8), "little"))


def _mutate_header(path: Path, dice: random.Random) -> str:
    """Change the header of a safetensors file as JSON, or its length."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    what = dice.choice(["value", "value", "entry", "entry", "length", "data", "dtype"])
    done = what
    if what == "value":
        done = str(_mutate_value(header, dice))
    elif what == "entry":
        name = dice.choice([name for name in header if name != "__metadata__"])
        entry = header[name]
        done = dice.choice(["drop", "flat", "reversed", "offset", "prefix"])
        if done == "drop":
            del header[name]
        elif done == "flat":
            entry["shape"] = [entry["shape"][0] * (entry["shape"] + [1])[1]]
        elif done == "reversed":
            entry["shape"] = [1, *entry["shape"]]
        elif done == "offset":
            entry["data_offsets"][dice.randrange(2)] += dice.choice([-2, 2, 16, -1])
        else:
            prefix = dice.choice(["model.", "module.", "_orig_mod.", "base_model.model."])
            header = {f"{prefix}{one}": value for one, value in header.items()}
        done = f"{done} {name}"
    elif what == "dtype":
        name = dice.choice([name for name in header if name != "__metadata__"])
        header[name]["dtype"] = dice.choice(["F16", "I16", "U16", "F32", "U8", "F8_E4M3", "Q4"])
        done = f"{name} is {header[name]['dtype']}"
    elif what == "data":
        data = dice.choice([data[:-2], data + b"\0\0", b"", data[len(data) // 2 :]])
    text = json.dumps(header).encode()
    count = len(text)
    if what == "length":
        count = dice.choice([0, 1, count - 1, count + 1, 2**40, 2**63, 2**64 - 1])
    path.unlink()
    path.write_bytes(count.to_bytes(8, "little") + text + data)
    return f"{path.name} header: {done}"


# -- what must hold -----------------------------------------------------------------------------


class Fuzz:
    """Folders to damage, one after the other, and the weights that they have."""

    def __init__(self, place: Path) -> None:
        from transformers.utils import logging

        logging.set_verbosity(logging.CRITICAL)
        logging.disable_progress_bar()
        self._place = place
        self._folders = make_folders(place)
        self._weights = {folder.name: _weights(folder) for folder in self._folders}

    def once(self, seed: int) -> tuple[str, str]:
        """What mutation `seed` did, and what it led to: `accepted`, or the refusal.

        Raises AssertionError if a refusal is not one line, or if damaged weights are accepted.
        """
        from unicomp.admission.worker import outcome

        dice = random.Random(seed)
        folder = self._place / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        original = dice.choice(self._folders)
        shutil.copytree(original, folder)
        done = mutate(folder, dice)
        found = outcome(folder)
        if (refused := found.get("refused")) is not None:
            assert refused.isprintable(), f"{seed}, {done}: {refused!r}"
            assert len(refused) < LONGEST, f"{seed}, {done}: {refused}"
            assert str(folder) in refused, f"{seed}, {done}: {refused}"
            return done, refused
        assert _equal(_weights(folder), self._weights[original.name]), f"{seed}, {done}: accepted"
        return done, "accepted"


def _weights(folder: Path) -> dict[str, Any]:
    """All weights as an engine loads them."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="bfloat16", use_safetensors=True)
    return dict(model.state_dict())


def _equal(some: dict[str, Any], others: dict[str, Any]) -> bool:
    import torch

    return some.keys() == others.keys() and all(
        torch.equal(value, others[name]) for name, value in some.items()
    )


def main(count: int, seed: int) -> None:
    """Run `count` mutations and print how they ended."""
    endings: Counter[str] = Counter()
    faults = []
    with tempfile.TemporaryDirectory() as place:
        fuzz = Fuzz(Path(place))
        for number in range(seed, seed + count):
            try:
                _, ending = fuzz.once(number)
                endings["accepted" if ending == "accepted" else "refused"] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                faults.append(f"{number}: {type(error).__name__}: {str(error)[:300]}")
                print(faults[-1], flush=True)
    print(f"{count} mutations from seed {seed}: {dict(endings)}, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

"""A GGUF file is read weight for weight, once, or refused in one line."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from tests.formats.gguf_writer import rounded, tensors_of, write_gguf
from unicomp.errors import SpecError
from unicomp.formats.gguf_file import TENSOR_TYPES, gguf_files, read_header
from unicomp.formats.gguf_reading import read_gguf
from unicomp.formats.intake import MODEL, origin_of, recognise, settled
from unicomp.spec import Model
from unicomp.store import CONVERTED, Store

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def q8(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(llama, tmp_path_factory.mktemp("gguf") / "tiny-chat.Q8_0.gguf")


def read(files: list[Path], target: Path, *, base: Path | None = None) -> dict[str, object]:
    target.mkdir()
    request = {
        "files": [str(one) for one in files],
        "target": str(target),
        "beside": str(files[0].parent),
        "base": None if base is None else str(base),
    }
    return read_gguf(request, lambda text: None)


def assert_same_weights(llama: Path, target: Path, kind: str, dtype: torch.dtype) -> None:
    got = tensors_of(target)
    for name, weight in tensors_of(llama).items():
        wanted = rounded(weight, kind) if weight.ndim > 1 else weight
        assert np.array_equal(torch.tensor(wanted).to(dtype).float().numpy(), got.pop(name)), name
    assert not got


@pytest.mark.parametrize("kind", ["Q4_0", "Q5_1", "F16", "F32", "BF16"])
def test_every_weight_is_what_the_file_says(llama: Path, tmp_path: Path, kind: str) -> None:
    path = write_gguf(llama, tmp_path / "tiny.gguf", kind=kind)
    facts = read([path], tmp_path / "read")
    dtype = {"F16": torch.float16, "F32": torch.float32}.get(kind, torch.bfloat16)
    assert_same_weights(llama, tmp_path / "read", kind, dtype)
    assert "quantization_config" not in json.loads((tmp_path / "read/config.json").read_text())
    assert facts["description"]["format"] == f"gguf:{kind}"


def test_a_model_of_several_files_is_read_as_one(llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    parts = (slice(0, 7), slice(7, 8), slice(8, None))
    for number, only in enumerate(parts):
        name = f"tiny-{number + 1:05d}-of-00003.gguf"
        write_gguf(llama, folder / name, only=only, split=(number, 3))
    files = gguf_files(folder / "tiny-00002-of-00003.gguf")
    assert files == gguf_files(folder) == sorted(folder.iterdir())
    read(files, tmp_path / "read")
    assert_same_weights(llama, tmp_path / "read", "Q8_0", torch.bfloat16)

    (folder / "tiny-00003-of-00003.gguf").unlink()
    with pytest.raises(SpecError, match="lacks tiny-00003-of-00003"):
        recognise(folder)


def test_the_special_tokens_and_the_template_are_those_of_the_file(
    q8: Path, tmp_path: Path
) -> None:
    facts = read([q8], tmp_path / "read")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "read")
    settings = read_header(q8).settings
    for name in ("bos", "eos"):
        number = settings[f"tokenizer.ggml.{name}_token_id"]
        assert getattr(tokenizer, f"{name}_token_id") == number
    assert tokenizer.pad_token_id == settings["tokenizer.ggml.padding_token_id"]
    assert tokenizer.chat_template == settings["tokenizer.chat_template"]
    text = "Two  reds,\n3 blues: 12345 é 你好"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert facts["tokenizer"] == "the GGUF file"


def test_the_tokenizer_of_the_base_is_taken_if_it_has_the_same_tokens(
    llama: Path, q8: Path, tmp_path: Path
) -> None:
    facts = read([q8], tmp_path / "read", base=llama)
    same = (tmp_path / "read/tokenizer.json").read_bytes() == (
        llama / "tokenizer.json"
    ).read_bytes()
    assert same
    assert facts["tokenizer"] == facts["config"] == llama.name


def test_a_tokenizer_of_another_model_is_not_taken(llama: Path, q8: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(llama, other)
    content = json.loads((other / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    words = [token for token, number in vocabulary.items() if number > 300]
    content["model"]["vocab"] = vocabulary | dict(
        zip(words, reversed([vocabulary[word] for word in words]), strict=True)
    )
    (other / "tokenizer.json").write_text(json.dumps(content))
    assert read([q8], tmp_path / "read", base=other)["tokenizer"] == "the GGUF file"
    shutil.copy(q8, other / "tiny.gguf")
    with pytest.raises(SpecError, match="other tokens than the tokenizer beside it"):
        read([other / "tiny.gguf"], tmp_path / "again")


def test_a_file_without_tokenizer_needs_one_beside_it(llama: Path, tmp_path: Path) -> None:
    path = write_gguf(llama, tmp_path / "bare.gguf", tokenizer=False)
    with pytest.raises(SpecError, match="holds no tokenizer: put"):
        read([path], tmp_path / "read")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(llama / name, tmp_path)
    read([path], tmp_path / "again")
    assert (tmp_path / "again/chat_template.jinja").is_file()


def test_weights_that_the_reader_would_drop_are_refused(llama: Path, tmp_path: Path) -> None:
    extra = {"blk.0.attn_q_norm.weight": np.ones(16, dtype=np.float32)}
    path = write_gguf(llama, tmp_path / "more.gguf", extra=extra)
    with pytest.raises(SpecError, match="its reader of llama is not complete"):
        read([path], tmp_path / "read")


def test_scaled_positions_need_the_configuration_of_the_base(llama: Path, tmp_path: Path) -> None:
    extra = {"rope_freqs.weight": np.ones(8, dtype=np.float32)}
    path = write_gguf(llama, tmp_path / "scaled.gguf", extra=extra)
    with pytest.raises(SpecError, match="scales its positions"):
        read([path], tmp_path / "read")
    read([path], tmp_path / "again", base=llama)


def test_an_unknown_architecture_is_refused(llama: Path, tmp_path: Path) -> None:
    path = write_gguf(llama, tmp_path / "odd.gguf", architecture="grok")
    with pytest.raises(SpecError, match=r"cannot be read by transformers: .*grok"):
        read([path], tmp_path / "read")


# -- the header ----------------------------------------------------------------------------------


def test_the_types_are_those_of_the_gguf_package() -> None:
    for number, (name, *sizes) in TENSOR_TYPES.items():
        kind = gguf.GGMLQuantizationType(number)
        assert (kind.name, *gguf.GGML_QUANT_SIZES[kind]) == (name, *sizes)


def test_a_header_has_the_shape_of_the_model(llama: Path, q8: Path) -> None:
    config = json.loads((llama / "config.json").read_text())
    for name, value in read_header(q8).config.items():
        assert config[name] == value, name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not start with GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"GGUF\x01\x00\x00\x00" + bytes(16), "version 1"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 16, "damaged"),
        (b"GGUF\x03\x00\x00\x00" + bytes(16), "names no architecture"),
    ],
)
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "odd.gguf").write_bytes(content)
    with pytest.raises(SpecError, match=reason):
        recognise(tmp_path / "odd.gguf")


def test_a_file_that_is_cut_off_is_refused(q8: Path, tmp_path: Path) -> None:
    content = q8.read_bytes()
    for size in (20, 500, len(content) // 8, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.gguf").write_bytes(content[:size])
        with pytest.raises(SpecError, match=r"cut off|damaged"):
            recognise(tmp_path / "cut.gguf")


def test_no_damaged_header_ends_in_a_traceback(q8: Path, tmp_path: Path) -> None:
    content = q8.read_bytes()
    end, draw = read_header(q8).data_start, random.Random(1)
    for _ in range(100):
        damaged = bytearray(content)
        place = draw.choice([draw.randrange(4, 600), draw.randrange(end - 2000, end)])
        damaged[place : place + 4] = draw.randbytes(4)
        (tmp_path / "odd.gguf").write_bytes(damaged)
        reasons = []
        try:
            recognise(tmp_path / "odd.gguf")
        except SpecError as error:
            reasons.append(str(error))
        assert "\n" not in "".join(reasons)


def test_several_models_in_a_folder_are_refused_by_name(q8: Path, tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf", "mmproj-a.gguf"):
        shutil.copy(q8, tmp_path / name)
    with pytest.raises(SpecError, match=r"several models \(a.gguf, b.gguf\): give the file"):
        recognise(tmp_path)
    (tmp_path / "b.gguf").unlink()
    assert recognise(tmp_path).files == (tmp_path / "a.gguf",)


def test_the_package_that_reads_it_is_named_where_it_is_missing(
    q8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unicomp.formats.intake.find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"pip install 'unicomp\[gguf\]'"):
        recognise(q8)


# -- in the store --------------------------------------------------------------------------------


def test_it_is_read_once_and_nothing_is_written_beside_it(q8: Path, store: Store) -> None:
    before = sorted(q8.parent.iterdir())
    model = Model(name="tiny", source=str(q8))
    said: list[str] = []
    found = settled(model, store, narrate=said.append)
    assert said[0] == "reading tiny-chat.Q8_0.gguf into the store"
    assert found.source == str(next((store.home / CONVERTED).glob("[!.]*")) / MODEL)
    origin = origin_of(Path(found.source))
    assert (origin["form"], origin["file"]) == ("gguf", q8.name)
    assert sorted(q8.parent.iterdir()) == before
    said.clear()
    assert settled(model, store, narrate=said.append) == found
    assert not said
    assert settled(found, store) == found

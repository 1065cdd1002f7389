"""Each declared format runs on an engine, or the reason names the engine that would."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.formats.packing import gptq, write_packed
from unicomp.errors import SpecError
from unicomp.formats.intake import describe_folder, settled
from unicomp.formats.method import (
    CONFIGS,
    format_name,
    is_repacked,
    quantization_of,
    why_unreadable,
)
from unicomp.spec import Model
from unicomp.store import Store


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "dense"),
        (None, "dense"),
        ({"quant_method": "compressed-tensors", "format": "x-quantized"}, "x-quantized"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "modelopt:FP8"),
        ({"quantization": {"quant_algo": "NVFP4"}, "producer": {"name": "modelopt"}}, "NVFP4"),
        ({"quant_method": "auto_round", "packing_format": "auto_round:auto_awq"}, ":auto_awq"),
        ({"load_in_8bit": True}, "bitsandbytes:int8"),
        ({"bits": 4}, "unknown"),
    ],
)
def test_a_format_has_a_name(tmp_path: Path, settings: dict[str, Any] | None, name: str) -> None:
    assert format_name(quantization_of(tmp_path, {"quantization_config": settings})).endswith(name)


@pytest.mark.parametrize(
    ("file", "content", "wanted"),
    [
        (CONFIGS[0], {"quantization": {"quant_algo": "FP8"}}, {"quant_algo": "FP8"}),
        (CONFIGS[1], {"bits": 4, "group_size": 128}, {"quant_method": "gptq", "bits": 4}),
        (CONFIGS[2], {"w_bit": 4, "version": "GEMM"}, {"quant_method": "awq", "bits": 4}),
    ],
)
def test_settings_in_a_file_of_their_own_are_read(
    tmp_path: Path, file: str, content: dict[str, Any], wanted: dict[str, Any]
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    assert wanted.items() <= quantization_of(tmp_path, {}).items()
    (tmp_path / file).write_text("[")
    with pytest.raises(SpecError, match="is not JSON"):
        quantization_of(tmp_path, {})


def of(method: str, **settings: Any) -> dict[str, Any]:
    return {"quant_method": method, **settings}


@pytest.mark.parametrize(
    ("quantization", "here", "served"),
    [
        ({}, None, None),
        (of("compressed-tensors", format="pack-quantized"), None, None),
        (of("compressed-tensors", format="marlin-24"), "no longer reads", "no longer reads"),
        (of("fp8"), None, "vLLM on a CPU does not read: --engine hf reads it"),
        (of("gptq"), None, None),
        (of("gptq", checkpoint_format="marlin"), "or give it to --engine vllm", None),
        (of("awq", version="gemv"), "in the version gemm only, not gemv", None),
        (of("modelopt", quant_algo="NVFP4"), None, "--engine hf reads it"),
        (of("modelopt", quant_algo="W4A8_AWQ"), "--engine vllm on a GPU", "no engine here does"),
        (of("bitsandbytes"), "with the package bitsandbytes: install it, or", "no engine here"),
        (of("hqq"), "with the package hqq: install it$", "vLLM does not read: no engine"),
        (of("higgs"), "on a GPU only$", "no engine here does"),
        (of("brand_new"), "transformers reads not at all: give", "no engine here does"),
    ],
)
def test_a_format_that_is_not_read_names_the_engine_that_would(
    quantization: dict[str, Any], here: str | None, served: str | None
) -> None:
    for engine, wanted in (("hf", here), ("vllm", served)):
        found = why_unreadable(quantization, engine, "cpu")
        if wanted is None:
            assert found is None
        else:
            assert found is not None
            assert re.search(wanted, found), found


def test_a_server_gets_the_packed_weights_as_they_are() -> None:
    assert is_repacked(of("gptq"), "hf")
    assert not is_repacked(of("gptq"), "vllm")
    assert why_unreadable(of("bitsandbytes"), "vllm", "cuda") is None


@pytest.mark.usefixtures("read_here")
def test_packed_weights_are_repacked_into_the_store_and_described_as_given(
    llama: Path, tmp_path: Path, store: Store
) -> None:
    settings = {"quant_method": "gptq", "bits": 4, "group_size": 64}
    write_packed(llama, tmp_path / "given", lambda module: gptq(zeros=8), settings)
    given = Model(name="given", source=str(tmp_path / "given"))
    found = settled(given, store)
    assert found.source.startswith(str(store.home))
    facts = describe_folder(Path(found.source))
    assert (facts["format"], facts["origin"]["form"]) == ("gptq", "packed")
    assert facts["bytes"] == (tmp_path / "given/model.safetensors").stat().st_size
    assert settled(given, store, engine="vllm") == given


def test_a_format_that_no_engine_here_reads_is_refused(
    llama: Path, tmp_path: Path, store: Store
) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "given"))
    config = json.loads((folder / "config.json").read_text())
    changed = config | {"quantization_config": {"quant_method": "hqq"}}
    (folder / "config.json").write_text(json.dumps(changed))
    with pytest.raises(
        SpecError, match="given is in the format hqq, which transformers reads with"
    ):
        settled(Model(name="given", source=str(folder)), store)

"""The quantization that a folder declares, and what runs it: transformers here, or vLLM.

Transformers reads some methods itself, some with another package, and some not at all. AutoAWQ,
GPTQ, AutoRound and ModelOpt are repacked for it (`unicomp.formats.repacking`). vLLM reads them as
they are. Found by reading the quantizers of transformers 5.17, and by trying small folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unicomp.data.json_object import read_object

CONFIGS = ("hf_quant_config.json", "quantize_config.json", "quant_config.json")
"""Files that hold the settings of ModelOpt, AutoGPTQ and AutoAWQ, where `config.json` has none."""

_AS_IT_IS = frozenset({"compressed-tensors", "fp8", "mxfp8", "mxfp4", "bitnet", "metal"})
"""Methods that transformers reads on any device; without kernels for it, as floats."""
_REPACKED = frozenset({"awq", "gptq", "auto-round", "modelopt", "modelopt_fp4"})
_PACKAGES = {
    "aqlm": "aqlm",
    "bitsandbytes": "bitsandbytes",
    "eetq": "kernels",
    "fbgemm_fp8": "fbgemm_gpu",
    "fp_quant": "fp_quant",
    "higgs": "flute",
    "hqq": "hqq",
    "quanto": "optimum.quanto",
    "quark": "quark",
    "sinq": "sinq",
    "spqr": "spqr_quant",
    "torchao": "torchao",
    "vptq": "vptq",
}
"""Methods that transformers reads with a package → its module."""
_ON_GPU = frozenset({"eetq", "fbgemm_fp8", "fp_quant", "higgs", "spqr", "vptq"})
"""Methods that transformers reads on a GPU only."""
_BY_VLLM = frozenset(
    {"auto-round", "awq", "bitsandbytes", "compressed-tensors", "fbgemm_fp8", "fp8", "gptq",
     "modelopt", "modelopt_fp4", "mxfp4", "quark", "torchao"}
)  # fmt: skip
_BY_VLLM_ON_CPU = frozenset({"auto-round", "awq", "compressed-tensors", "gptq"})
_GONE = ("marlin-24", "sparse-24-bitmask", "sparse-bitmask")
"""Formats of compressed-tensors that it no longer reads."""
_MODELOPT = ("FP8", "NVFP4", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PER_CHANNEL_PER_TOKEN_CFG",
             "W4A16_NVFP4", "NVFP4_AWQ", "MIXED_PRECISION")  # fmt: skip


def quantization_of(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The quantization settings of a folder with its `quant_method`; empty if it has none.

    They are in its configuration, or in a file of their own. Raises SpecError.
    """
    found = config.get("quantization_config")
    if isinstance(found, dict) and found:
        nested = found.get("quantization")
        settings = {**found, **(nested if isinstance(nested, dict) else {})}
        method = settings.get("quant_method") or (settings.get("producer") or {}).get("name")
        return {**settings, "quant_method": str(method or _bitsandbytes(found)).replace("_r", "-r")}
    for name in CONFIGS:
        if (folder / name).is_file():
            return _own_file(folder / name)
    return {}


def _bitsandbytes(settings: Mapping[str, Any]) -> str:
    """The method of settings that were written before they named one."""
    return "bitsandbytes" if {"load_in_4bit", "load_in_8bit"} & settings.keys() else "unknown"


def _own_file(path: Path) -> dict[str, Any]:
    content = read_object(path)
    if path.name == CONFIGS[0]:
        settings = content.get("quantization")
        return {**(settings if isinstance(settings, dict) else {}), "quant_method": "modelopt"}
    method = "gptq" if path.name == CONFIGS[1] else "awq"
    names = {"w_bit": "bits", "q_group_size": "group_size"}
    renamed = {names.get(str(key), str(key)): one for key, one in content.items()}
    return {**renamed, "quant_method": method}


def format_name(quantization: Mapping[str, Any]) -> str:
    """The name of a format: `dense`, `gptq`, `compressed-tensors:float-quantized`."""
    if not quantization:
        return "dense"
    method = str(quantization["quant_method"])
    four_bits = quantization.get("load_in_4bit") or quantization.get("_load_in_4bit")
    detail = {
        "compressed-tensors": quantization.get("format"),
        "modelopt": quantization.get("quant_algo"),
        "auto-round": str(quantization.get("packing_format", "")).removeprefix("auto_round:"),
        "bitsandbytes": quantization.get("bnb_4bit_quant_type") if four_bits else "int8",
    }.get(method)
    return f"{method}:{detail}" if detail else method


def is_repacked(quantization: Mapping[str, Any], engine: str) -> bool:
    """Whether an engine reads the format only after repacking."""
    return engine == "hf" and quantization.get("quant_method") in _REPACKED


def why_unreadable(quantization: Mapping[str, Any], engine: str, device: str) -> str | None:
    """Why an engine cannot read a format, and what could; None if it can."""
    if not quantization:
        return None
    method, name = quantization["quant_method"], format_name(quantization)
    if quantization.get("format") in _GONE:
        return f"{name}, which compressed-tensors no longer reads: give the model in another format"
    served = method in (_BY_VLLM_ON_CPU if device == "cpu" else _BY_VLLM)
    if engine != "hf":
        readable = _reason_here(quantization, device) is None
        other = "--engine hf reads it" if readable else "no engine here does"
        where = "vLLM on a CPU" if device == "cpu" and method in _BY_VLLM else "vLLM"
        return None if served else f"{name}, which {where} does not read: {other}"
    if (reason := _reason_here(quantization, device)) is None:
        return None
    other = ", or give it to --engine vllm" if served else ""
    if not served and method in _BY_VLLM:
        other = ", or give it to --engine vllm on a GPU"
    return f"{name}, which transformers reads {reason}{other}"


def _reason_here(quantization: Mapping[str, Any], device: str) -> str | None:
    """What transformers lacks to read a format, as the end of a sentence; None if nothing."""
    method = quantization["quant_method"]
    if method in _AS_IT_IS:
        return None
    if method in _REPACKED:
        return _why_not_repacked(quantization)
    if method not in _PACKAGES:
        return "not at all: give the model in another format"
    if method in _ON_GPU and device != "cuda":
        return "on a GPU only"
    package = _PACKAGES[method].partition(".")[0]
    if find_spec(package) is None:
        return f"with the package {package}: install it"
    return None


def _why_not_repacked(quantization: Mapping[str, Any]) -> str | None:
    method = quantization["quant_method"]
    if method == "awq" and str(quantization.get("version", "gemm")).lower() != "gemm":
        return f"in the version gemm only, not {quantization['version']}"
    if method == "gptq" and quantization.get("checkpoint_format") not in (None, "gptq", "gptq_v2"):
        return f"in the formats gptq and gptq_v2 only, not {quantization['checkpoint_format']}"
    packing = str(quantization.get("packing_format", "auto_gptq"))
    if method == "auto-round" and not any(one in packing for one in ("gptq", "awq", "exllama")):
        return f"as integers only, not {packing}"
    if method.startswith("modelopt") and quantization.get("quant_algo") not in (None, *_MODELOPT):
        return f"as FP8 and NVFP4 only, not {quantization['quant_algo']}"
    return None

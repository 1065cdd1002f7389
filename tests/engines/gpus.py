"""Simulated GPUs, and the configurations of models that are too large for this machine."""

from unicomp.engines import EngineSettings
from unicomp.machine.gpus import Gpu

H100 = 85_520_809_984  # bytes of an H100 of 80 GB, as its driver reports them
L40S = 48_305_799_168

LLAMA_8B = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "dtype": "bfloat16",
}
LLAMA_70B = LLAMA_8B | {
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "hidden_size": 8192,
    "intermediate_size": 28672,
}
BYTES_8B = 16_060_522_496
BYTES_70B = 141_107_412_992


def gpus(number, memory=H100, name="NVIDIA H100 80GB HBM3"):
    return tuple(Gpu(str(place), name, memory) for place in range(number))


def vllm(folder, **changed):
    """Settings of a vLLM for GPUs, which is not there."""
    program = folder / "vllm"
    program.write_text("#!/bin/sh\necho 9.8.7\n")
    program.chmod(0o755)
    return EngineSettings(name="vllm", vllm=str(program), **changed)

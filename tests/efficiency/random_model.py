"""A random Llama, large enough to time compression on; its answers mean nothing.

    python -m tests.efficiency.random_model FOLDER [--parameters 100]

Two layers, as wide as groups of 128 and 2:4 patterns need, and a tied embedding with as many rows
as the size needs. These cost a forward pass like other weights, but no method compresses them, so
that a build takes minutes on two cores. It has the tokenizer of the
embedded model, which knows the first 1024 rows, and its 8192 positions.
"""

import argparse
import shutil
from pathlib import Path

EMBEDDED = Path(__file__).parents[2] / "fixtures" / "embedded" / "model"
COMPANIONS = (
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    "generation_config.json",
)
SHAPE = {
    "hidden_size": 1024,
    "intermediate_size": 2048,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ROWS = 128
"""What the rows of the embedding are a multiple of."""


def write(folder, parameters=100_000_000, **others):
    """Write a model of at least so many parameters to `folder`; the same one each time.

    `others` are settings that differ from `SHAPE`. Returns how many parameters it has.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from unicomp.distillation.shape import Shape

    settings = {**SHAPE, **others}
    least = Shape.of({**settings, "model_type": "llama", "vocab_size": 1024}).parameters()
    missing = max(0, parameters - least)
    rows = 1024 + -(-missing // (settings["hidden_size"] * ROWS)) * ROWS
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=rows, **settings)).to(torch.bfloat16)
    model.save_pretrained(folder)
    for name in COMPANIONS:
        shutil.copyfile(EMBEDDED / name, Path(folder) / name)
    return model.num_parameters()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parameters", type=float, default=100, help="in millions")
    given = parser.parse_args()
    print(f"{write(given.folder, int(given.parameters * 1e6)):,} parameters in {given.folder}")


if __name__ == "__main__":
    main()

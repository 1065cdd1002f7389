"""The recipe of llmcompressor that a user would write; needs nothing of this project.

python compress.py METHOD MODEL SAMPLES.jsonl TARGET
"""

import json
import sys
import time

start = time.monotonic()

import datasets  # noqa: E402
import torch  # noqa: E402
from llmcompressor import oneshot  # noqa: E402
from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier  # noqa: E402
from llmcompressor.modifiers.quantization import GPTQModifier  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

imported = time.monotonic()
TOKENS = 1024
LINEAR = {"targets": ["Linear"], "ignore": ["lm_head"]}
RECIPES = {
    "wanda_50": lambda: WandaPruningModifier(sparsity=0.5, mask_structure="0:0", **PRUNED),
    "sparsegpt_50": lambda: SparseGPTModifier(sparsity=0.5, mask_structure="0:0", **PRUNED),
    "gptq_w4a16": lambda: GPTQModifier(scheme="W4A16", **LINEAR),
}
PRUNED = {"targets": ["Linear"], "ignore": ["re:.*lm_head"]}

method, source, samples, target = sys.argv[1:]
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained(source)
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
rows = datasets.load_dataset("json", data_files=samples, split="train")
rows = rows.map(
    lambda row: tokenizer(row["text"], truncation=True, max_length=TOKENS),
    remove_columns=["text"],
)
oneshot(
    model=model,
    processor=tokenizer,
    recipe=RECIPES[method](),
    dataset=rows,
    num_calibration_samples=len(rows),
    max_seq_length=TOKENS,
)
model.save_pretrained(target, save_compressed=True)
tokenizer.save_pretrained(target)
end = time.monotonic()
print(json.dumps({"import": imported - start, "compression": end - imported}))

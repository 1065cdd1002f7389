"""An adapter is merged into its base as PEFT computes it, or refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from unicomp.data.model_folder import read_config
from unicomp.errors import SpecError
from unicomp.formats import adapter
from unicomp.formats.intake import MODEL, origin_of, recognise, settled
from unicomp.spec import Model
from unicomp.store import CONVERTED, Store

pytestmark = pytest.mark.filterwarnings("ignore")

IDS = torch.tensor([[5, 90, 300, 41, 7, 512]])


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def write_adapter(base: Path, folder: Path, config: peft.PeftConfig, *, scale: float = 0.1) -> Path:
    """An adapter of `base` with random weights, as PEFT saves it."""
    model = peft.get_peft_model(load(base), config)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * scale)
    model.save_pretrained(str(folder))
    return folder


def lora(**settings: Any) -> peft.LoraConfig:
    chosen = {"r": 4, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    return peft.LoraConfig(**(chosen | settings))


@pytest.fixture(scope="module")
def adapted(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(llama, tmp_path_factory.mktemp("adapters") / "lora", lora())


@pytest.fixture
def copied(adapted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapted, tmp_path / "lora"))


def merge(folder: Path, base: Path, target: Path) -> dict[str, Any]:
    target.mkdir()
    request = {"beside": str(folder), "base": str(base), "target": str(target)}
    return adapter.merge(request, lambda text: None)


def change(folder: Path, **settings: Any) -> None:
    path = folder / adapter.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


CONFIGS = {
    "lora": lora(),
    "rslora": lora(use_rslora=True, lora_alpha=16),
    "dora": lora(use_dora=True),
    "patterns": lora(rank_pattern={"down_proj": 2}, layers_to_transform=[1]),
    "saved_head": lora(modules_to_save=["lm_head"]),
    "saved_embeddings": lora(target_modules=["q_proj", "embed_tokens"]),
    "loha": peft.LoHaConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM"),
    "ia3": peft.IA3Config(
        target_modules=["k_proj", "down_proj"],
        feedforward_modules=["down_proj"],
        task_type="CAUSAL_LM",
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_merged_model_answers_like_the_base_with_its_adapter(
    llama: Path, tmp_path: Path, name: str
) -> None:
    folder = write_adapter(llama, tmp_path / "adapter", CONFIGS[name])
    facts = merge(folder, llama, tmp_path / "merged")
    wanted = peft.PeftModel.from_pretrained(load(llama), str(folder))(IDS).logits
    plain = load(llama)(IDS).logits
    found = load(tmp_path / "merged")(IDS).logits
    assert (found - wanted).abs().max() < 0.05 * (plain - wanted).abs().max()
    assert facts["changed_matrices"] > 0
    assert read_config(tmp_path / "merged")["dtype"] == "bfloat16"


def test_an_adapter_of_the_head_alone_unties_it(tmp_path: Path) -> None:
    from tests.families import write_model

    shape = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "initializer_range": 0.3}
    base = write_model(tmp_path / "base", "llama_tied", **shape)
    folder = write_adapter(base, tmp_path / "adapter", lora(target_modules=["lm_head"]))
    merge(folder, base, tmp_path / "merged")
    weights = load_file(tmp_path / "merged/model.safetensors")
    before = load_file(base / "model.safetensors")["model.embed_tokens.weight"]
    assert torch.equal(weights["model.embed_tokens.weight"], before)
    assert not torch.equal(weights["lm_head.weight"], before)
    assert read_config(tmp_path / "merged")["tie_word_embeddings"] is False


def test_embeddings_with_more_tokens_make_room(llama: Path, tmp_path: Path) -> None:
    wider = load(llama)
    wider.resize_token_embeddings(1030, mean_resizing=False)
    wider.save_pretrained(tmp_path / "wider")
    config = lora(modules_to_save=["lm_head", "embed_tokens"])
    folder = write_adapter(tmp_path / "wider", tmp_path / "adapter", config)
    merge(folder, llama, tmp_path / "merged")
    assert read_config(tmp_path / "merged")["vocab_size"] == 1030


def test_a_merge_that_changes_nothing_is_counted(llama: Path, tmp_path: Path) -> None:
    folder = write_adapter(llama, tmp_path / "adapter", lora(), scale=0)
    assert merge(folder, llama, tmp_path / "merged")["changed_matrices"] == 0


def test_the_adapters_own_tokenizer_goes_with_it(llama: Path, copied: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(llama / name, copied)
    (copied / "chat_template.jinja").write_text("{{ messages }}")
    merge(copied, llama, tmp_path / "merged")
    assert (tmp_path / "merged/chat_template.jinja").read_text() == "{{ messages }}"


# -- what does not fit ---------------------------------------------------------------------------


def spoil(folder: Path, edit: Any) -> None:
    path = folder / adapter.WEIGHTS
    weights = load_file(path)
    edit(weights)
    save_file(weights, path)


def lose_b(weights: dict[str, torch.Tensor]) -> None:
    weights.pop(next(name for name in weights if "lora_B" in name))


def halve(weights: dict[str, torch.Tensor]) -> None:
    name = next(name for name in weights if "lora_A" in name)
    weights[name] = weights[name][:2].clone()


def rename(weights: dict[str, torch.Tensor]) -> None:
    name = next(iter(weights))
    weights[name.replace("layers.0", "layers.7")] = weights.pop(name)


def no_number(weights: dict[str, torch.Tensor]) -> None:
    next(iter(weights.values()))[0, 0] = torch.nan


def without_prefix(weights: dict[str, torch.Tensor]) -> None:
    for name in list(weights):
        weights[name.removeprefix("base_model.model.")] = weights.pop(name)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lose_b, "lacks: .*lora_B"),
        (halve, "does not fit its base.*"),
        (rename, "lacks|does not fit its base"),
        (no_number, "does not fit its base|NaN"),
        (without_prefix, "lacks"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    llama: Path, copied: Path, tmp_path: Path, edit: Any, reason: str
) -> None:
    spoil(copied, edit)
    with pytest.raises(SpecError, match=reason) as caught:
        merge(copied, llama, tmp_path / "merged")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"r": 8}, "does not fit its base"),
        ({"target_modules": ["query_key_value"]}, "does not fit its base: .*query_key_value"),
        ({"target_modules": ["q_proj", "down_proj", "v_proj"]}, "lacks: .*v_proj"),
        ({"target_modules": ["q_proj"]}, "does not fit its base: .*down_proj"),
        ({"peft_type": "NEW"}, "does not fit its base"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    llama: Path, copied: Path, tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    change(copied, **settings)
    with pytest.raises(SpecError, match=reason):
        merge(copied, llama, tmp_path / "merged")


def test_an_adapter_of_a_model_of_another_shape_is_refused(
    llama: Path, adapted: Path, tmp_path: Path
) -> None:
    from tests.families import write_model

    other = write_model(tmp_path / "other", "llama", hidden_size=96, head_dim=24)
    with pytest.raises(SpecError, match="does not fit its base"):
        merge(adapted, other, tmp_path / "merged")


def test_quantized_weights_take_no_adapter(llama: Path, adapted: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(llama, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"bits": 4}}))
    with pytest.raises(SpecError, match="whose weights are quantized: give the full-precision"):
        merge(adapted, base, tmp_path / "merged")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "of kind PREFIX_TUNING, which cannot be merged"),
        ({"peft_type": None}, "has no peft_type"),
        ({"task_type": "SEQ_CLS"}, "for the task SEQ_CLS"),
        ({"alora_invocation_tokens": [1]}, "activated LoRA"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused_at_once(
    copied: Path, settings: dict[str, Any], reason: str
) -> None:
    change(copied, **settings)
    with pytest.raises(SpecError, match=reason):
        recognise(copied)


def test_a_pickled_adapter_is_refused(copied: Path) -> None:
    (copied / adapter.WEIGHTS).rename(copied / "adapter_model.bin")
    with pytest.raises(SpecError, match=r"adapter_model.bin, a pickle that may run code"):
        recognise(copied)
    (copied / "adapter_model.bin").unlink()
    with pytest.raises(SpecError, match="lacks adapter_model"):
        recognise(copied)


def test_a_folder_of_a_model_and_an_adapter_is_refused(
    llama: Path, adapted: Path, tmp_path: Path
) -> None:
    both = Path(shutil.copytree(llama, tmp_path / "both"))
    for path in adapted.glob("adapter_*"):
        shutil.copy(path, both)
    with pytest.raises(SpecError, match="holds a model and an adapter"):
        recognise(both)


# -- its base ------------------------------------------------------------------------------------


def test_the_base_is_the_given_model_or_the_named_one(llama: Path, copied: Path) -> None:
    assert adapter.base_of(copied, llama) == llama
    change(copied, base_model_name_or_path=str(llama))
    assert adapter.base_of(copied) == adapter.base_of(copied, llama) == llama
    change(copied, base_model_name_or_path="/home/trainer/llama")
    assert adapter.base_of(copied, llama) == llama, "a path of another machine names nothing here"
    with pytest.raises(SpecError, match="names its base /home/trainer/llama, which is not here"):
        adapter.base_of(copied)
    change(copied, base_model_name_or_path=None)
    with pytest.raises(SpecError, match="names no base: give it as --checkpoint"):
        adapter.base_of(copied)


def test_an_adapter_of_another_model_is_refused(llama: Path, copied: Path, tmp_path: Path) -> None:
    change(copied, base_model_name_or_path="Org/Llama")
    assert adapter.base_of(copied, llama) == llama
    assert adapter.base_of(copied, llama, "org/llama") == llama
    with pytest.raises(SpecError, match="is an adapter of Org/Llama, not of the given Org/Other"):
        adapter.base_of(copied, llama, "Org/Other")
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.safetensors").write_bytes(b"other")
    change(copied, base_model_name_or_path=str(other))
    with pytest.raises(SpecError, match="not of the given"):
        adapter.base_of(copied, llama)
    change(copied, base_model_name_or_path=3)
    with pytest.raises(SpecError, match="must be a folder or hub id"):
        adapter.base_of(copied)


@pytest.mark.usefixtures("read_here")
def test_it_is_merged_into_the_store_once(llama: Path, copied: Path, store: Store) -> None:
    base = Model(name="llama", source=str(llama))
    given = Model(name="lora", source=str(copied))
    change(copied, base_model_name_or_path="Org/Llama")
    found = settled(given, store, base=base)
    assert found.source == str(next((store.home / CONVERTED).glob("[!.]*")) / MODEL)
    origin = origin_of(Path(found.source))
    assert (origin["base"], origin["named_base"]) == (llama.name, "Org/Llama")
    assert settled(given, store, base=base) == found
    spoil(copied, lose_b)
    with pytest.raises(SpecError, match=r"^/\S*/lora lacks: base_model[^ ]* \(of 1"):
        settled(given, store, base=base)

"""Checkpoints are built once, by the real methods, and kept only if they hold the guarantees."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from unicomp import catalogue
from unicomp.checkpoint import Builder, Checkpoint, why_unsupported
from unicomp.errors import BuildError, SpecError, StoreError, UnsupportedError
from unicomp.methods.stored_weights import size
from unicomp.spec import DENSE, Calibration, Method, Model
from unicomp.store import CHECKPOINTS, Store

REPOSITORY = Path(__file__).parent.parent
WORDS = ["red", "green", "blue", "one", "two", "three", "is", "and", "not", "a", "colour"]
SIX = [
    *("gptq_w4a16", "wanda_2_4"),
    *(
        pytest.param(name, marks=pytest.mark.long)
        for name in ("awq_w4a16", "sparsegpt_2_4", "sparsegpt_50", "wanda_50")
    ),
]

pytestmark = pytest.mark.filterwarnings("ignore")


def write_model(folder: Path, **settings: Any) -> Model:
    """An untrained Llama with a tokenizer of words, stored in bfloat16."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["<s>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    shape = {
        "vocab_size": len(vocabulary),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**(shape | settings))).bfloat16().save_pretrained(folder)
    return Model(name="tiny", source=str(folder))


def text(seed: int) -> Calibration:
    generator = torch.Generator().manual_seed(seed)
    samples = [
        " ".join(
            WORDS[int(word)] for word in torch.randint(len(WORDS), (length,), generator=generator)
        )
        for length in (9, 9, 12, 20, 20, 20, 31, 80)
    ]
    return Calibration(name=f"text_{seed}", samples=tuple(samples), tokens=48)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    root = tmp_path_factory.mktemp("user")
    shutil.copytree(REPOSITORY / "fixtures/methods", root / "fixtures/methods")
    return catalogue.roots(root)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("home"))


def add_method(roots: tuple[Path, ...], name: str, body: str, arguments: str = "") -> Method:
    """A method file whose `compress(source, target, calibration)` is `body`."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    (roots[0] / "methods" / f"{name}.py").write_text(
        "import os, shutil, time\n"
        "from pathlib import Path\n"
        "from unicomp.spec import Guarantees, Method\n\n"
        f"def compress(source, target, calibration):\n{lines}\n\n"
        f"method = Method(name={name!r}, family='pruning', compress=compress, {arguments})\n"
    )
    return catalogue.load_method(name, roots)


def files(store: Store) -> list[str]:
    folder = store.home / CHECKPOINTS
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# -- the shipped methods ------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SIX)
def built(
    request: pytest.FixtureRequest, tiny: Model, store: Store, roots: tuple[Path, ...]
) -> Checkpoint:
    method = catalogue.load_method(request.param, roots)
    return Builder(store=store, roots=roots).build(tiny, method, text(1))


def test_each_method_builds_what_it_guarantees(built: Checkpoint, tiny: Model) -> None:
    guarantees, facts = built.method.guarantees, built.facts
    assert built.fresh
    assert facts["matrices"] == 14
    if guarantees.sparsity is not None:
        assert facts["sparsity"] == pytest.approx(guarantees.sparsity, abs=0.01)
        weights = load_file(Path(tiny.source) / "model.safetensors")
        matrices = sum(weight.numel() for name, weight in weights.items() if "_proj" in name)
        spared = facts["bytes"] - facts["ideal_bytes"]
        assert spared == pytest.approx(matrices * (0.5 * 16 - 1) / 8, rel=0.01), "less a mask"
    else:
        assert (facts["bits"], facts["group_size"]) == (4, 128)
        assert facts["bytes"] < 0.5 * size(Path(tiny.source))


def test_each_build_says_what_it_cost(built: Checkpoint) -> None:
    assert 0 < built.facts["seconds"] < 120
    assert 0 < built.facts["cpu_seconds"] < 120
    assert 1e6 < built.facts["peak_rss_bytes"] < 3e8, "without the libraries"
    assert built.facts["shared_machine"] in (True, False)
    assert built.facts["threads"] == 1
    assert built.facts["device"]
    assert (built.path.parent / "build.log").is_file()


def test_each_checkpoint_is_stored_in_the_precision_of_the_model(built: Checkpoint) -> None:
    weights = load_file(built.path / "model.safetensors")
    kinds = {weight.dtype for weight in weights.values() if weight.is_floating_point()}
    assert kinds == {torch.bfloat16}
    config = json.loads((built.path / "config.json").read_text())
    assert config["dtype"] == "bfloat16"


def test_each_checkpoint_leaves_head_and_tokenizer_alone(built: Checkpoint, tiny: Model) -> None:
    before = load_file(Path(tiny.source) / "model.safetensors")
    after = load_file(built.path / "model.safetensors")
    assert torch.equal(before["lm_head.weight"], after["lm_head.weight"])
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (built.path / name).read_bytes() == (Path(tiny.source) / name).read_bytes()


def test_each_checkpoint_is_found_again(
    built: Checkpoint, tiny: Model, store: Store, roots: tuple[Path, ...]
) -> None:
    again = Builder(store=store, roots=roots).build(tiny, built.method, text(1))
    assert not again.fresh
    assert (again.key, again.path, again.facts) == (built.key, built.path, built.facts)


def test_other_bits_and_groups_are_a_file_of_three_lines(
    tiny: Model, store: Store, roots: tuple[Path, ...]
) -> None:
    (roots[0] / "methods/gptq_w8a16_g64.py").write_text(
        "from unicomp.methods.quantization import gptq\n\n"
        "method = gptq('gptq_w8a16_g64', bits=8, group_size=64)\n"
    )
    method = catalogue.load_method("gptq_w8a16_g64", roots)
    facts = Builder(store=store, roots=roots).build(tiny, method, text(1)).facts
    assert (facts["bits"], facts["group_size"]) == (8, 64)


def test_the_same_build_in_two_stores_is_equal_bit_for_bit(
    tiny: Model, store: Store, roots: tuple[Path, ...], tmp_path: Path
) -> None:
    method = catalogue.load_method("gptq_w4a16", roots)
    first = Builder(store=store, roots=roots).build(tiny, method, text(1))
    second = Builder(store=Store(tmp_path), roots=roots).build(tiny, method, text(1))
    assert first.key == second.key
    name = "model.safetensors"
    assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


# -- what identifies a checkpoint ---------------------------------------------------------------


def key(model: Model, method: Method, seen: Calibration, store: Store, roots: Any) -> str:
    return Builder(store=store, roots=roots).key(model, method, seen)


def test_the_text_of_the_calibration_identifies_it_and_its_name_does_not(
    tiny: Model, store: Store, roots: tuple[Path, ...]
) -> None:
    method = catalogue.load_method("wanda_50", roots)
    renamed = Calibration(name="renamed", samples=text(1).samples, tokens=48)
    shorter = Calibration(name="text_1", samples=text(1).samples, tokens=47)
    keys = [key(tiny, method, seen, store, roots) for seen in (text(1), renamed, text(2), shorter)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_method_that_sees_no_text_has_one_checkpoint_for_all_of_it(
    tiny: Model, store: Store, roots: tuple[Path, ...]
) -> None:
    method = add_method(roots, "unseen", "pass", "calibrated=False")
    assert key(tiny, method, text(1), store, roots) == key(tiny, method, text(2), store, roots)


def test_the_weights_and_the_tokenizer_identify_it(
    tiny: Model, store: Store, roots: tuple[Path, ...], tmp_path: Path
) -> None:
    method = catalogue.load_method("wanda_50", roots)
    folder = tmp_path / "copy"
    shutil.copytree(tiny.source, folder)
    copy = Model(name="another-name", source=str(folder))
    original = key(tiny, method, text(1), store, roots)
    assert key(copy, method, text(1), store, roots) == original
    (folder / "README.md").write_text("no part of it")
    assert key(copy, method, text(1), store, roots) == original
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert key(copy, method, text(1), store, roots) != original


def test_the_text_of_the_method_file_identifies_it(
    tiny: Model, store: Store, roots: tuple[Path, ...]
) -> None:
    first = key(tiny, add_method(roots, "edited", "pass"), text(1), store, roots)
    assert key(tiny, add_method(roots, "edited", "pass"), text(1), store, roots) == first
    assert key(tiny, add_method(roots, "edited", "return"), text(1), store, roots) != first


# -- the baseline, and what cannot be built ----------------------------------------------------


def test_dense_is_the_folder_itself(tiny: Model, store: Store, roots: tuple[Path, ...]) -> None:
    before = files(store)
    dense = Builder(store=store, roots=roots).build(tiny, DENSE, None)
    assert dense.path == tiny.folder
    weights = load_file(dense.path / "model.safetensors")
    assert dense.facts["parameters"] == sum(weight.numel() for weight in weights.values())
    assert files(store) == before


def test_a_checkpoint_compressed_elsewhere_is_taken_as_it_is(
    tiny: Model, store: Store, roots: tuple[Path, ...], tmp_path: Path
) -> None:
    shutil.copytree(tiny.source, tmp_path / "mine")
    method = catalogue.load_checkpoint(str(tmp_path / "mine"), roots)
    mine = Builder(store=store, roots=roots).build(tiny, method, text(1))
    dense = Builder(store=store, roots=roots).build(tiny, DENSE, None)
    assert mine.path == tmp_path.resolve() / "mine"
    assert (str(mine), mine.key) == ("tiny-mine", dense.key), "the same files"


def test_a_model_that_a_method_does_not_support_is_an_error_before_the_build(
    store: Store, roots: tuple[Path, ...], tmp_path: Path
) -> None:
    narrow = write_model(tmp_path / "narrow", hidden_size=64)
    before = files(store)
    method = catalogue.load_method("gptq_w4a16", roots)
    with pytest.raises(UnsupportedError) as caught:
        Builder(store=store, roots=roots).build(narrow, method, text(1))
    assert str(caught.value) == (
        "gptq_w4a16 cannot compress tiny: hidden_size 64 is not divisible by groups of 128"
    )
    assert why_unsupported(narrow, catalogue.load_method("wanda_2_4", roots)) is None
    assert files(store) == before


def test_a_method_that_sees_text_is_not_built_without(
    tiny: Model, store: Store, roots: tuple[Path, ...]
) -> None:
    method = catalogue.load_method("wanda_50", roots)
    with pytest.raises(SpecError, match="method wanda_50 needs a calibration"):
        Builder(store=store, roots=roots).build(tiny, method, None)


def test_a_model_that_cannot_be_fetched_is_named(
    store: Store, roots: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    far = Model(name="far", source="org/far")
    with pytest.raises(SpecError, match=r"the model org/far cannot be fetched .*no route.*local"):
        Builder(store=store, roots=roots).build(far, DENSE, None)


# -- builds that do not end well ----------------------------------------------------------------

COPY = "shutil.copytree(source, target)"
LIES = {
    "does nothing": (
        COPY,
        "guarantees=Guarantees(sparsity=0.5)",
        r"lie of tiny failed: the checkpoint is not what the method guarantees: "
        r"model\.layers\.0\.\S+ has 0\.00% zeros, not 50\.00%",
    ),
    "breaks one group": (
        COPY
        + """
from safetensors.torch import load_file, save_file
import torch
weights = load_file(target / "model.safetensors")
for name in weights:
    if "_proj" in name:
        weights[name][:, 0::4] = 0
        weights[name][:, 1::4] = 0
weights["model.layers.1.mlp.down_proj.weight"][5, 8] = 1
save_file(weights, target / "model.safetensors", metadata={"format": "pt"})""",
        "guarantees=Guarantees(sparsity=0.5, pattern=(2, 4))",
        r"layers\.1\.mlp\.down_proj\.weight breaks the 2:4 pattern in 1 of 8192 groups",
    ),
    "loses its numbers": (
        COPY
        + """
from safetensors.torch import load_file, save_file
weights = load_file(target / "model.safetensors")
weights["model.norm.weight"][3] = float("nan")
save_file(weights, target / "model.safetensors", metadata={"format": "pt"})""",
        "",
        r"it stores model\.norm\.weight with NaN or infinity in 1 of 128 values",
    ),
    "writes nothing": ("pass", "", r"there is none: `compress` must write the folder `target`"),
    "fails": (
        "raise ValueError('the third layer is odd\\nand more')",
        "",
        r"lie of tiny failed: ValueError: the third layer is odd \(log: ",
    ),
    "is killed": (
        "os.kill(os.getpid(), 9)",
        "",
        r"lie of tiny was killed by signal 9 \(out of memory\?\)",
    ),
    "leaves without a word": (
        "print('good', 'bye'); import sys; sys.stdout.flush(); os._exit(3)",
        "",
        r"lie of tiny failed with exit status 3: good bye",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_checkpoint_that_breaks_a_guarantee_is_not_kept(
    tiny: Model, tmp_path: Path, roots: tuple[Path, ...], lie: str
) -> None:
    body, arguments, message = LIES[lie]
    method = add_method(roots, "lie", body, arguments)
    store = Store(tmp_path)
    with pytest.raises(BuildError, match=message) as caught:
        Builder(store=store, roots=roots).build(tiny, method, text(1))
    assert "\n" not in str(caught.value)
    assert files(store) == []
    (log,) = (store.home / "logs").iterdir()
    assert str(log) in str(caught.value)


def test_a_full_disk_is_called_a_full_disk(
    tiny: Model, tmp_path: Path, roots: tuple[Path, ...]
) -> None:
    method = add_method(roots, "full", "raise OSError(28, 'No space left on device')")
    with pytest.raises(StoreError, match="is full"):
        Builder(store=Store(tmp_path), roots=roots).build(tiny, method, text(1))


def test_a_build_narrates_what_it_is_doing(
    tiny: Model, tmp_path: Path, roots: tuple[Path, ...]
) -> None:
    heard: list[str] = []
    method = add_method(roots, "copied", COPY)
    Builder(store=Store(tmp_path), roots=roots).build(tiny, method, text(1), heard.append)
    stages = ("starting", "compressing", "inspecting")
    assert heard == [f"copied of tiny: {stage}" for stage in stages]


# -- many processes, and killed ones ------------------------------------------------------------


@pytest.fixture
def session(tiny: Model, tmp_path: Path, roots: tuple[Path, ...]) -> Iterator[Any]:
    """Starts processes that build the method of a name in one store."""
    script = (
        "import sys; from pathlib import Path; from unicomp import catalogue\n"
        "from unicomp.checkpoint import Builder\n"
        "from unicomp.spec import Calibration, Model; from unicomp.store import Store\n"
        "source, home, name, *roots = sys.argv[1:]\n"
        "roots = [Path(root) for root in roots]\n"
        "built = Builder(store=Store(Path(home)), roots=roots).build(\n"
        "    Model(name='tiny', source=source), catalogue.load_method(name, roots),\n"
        "    Calibration(name='c', samples=('red is red',)))\n"
        "print(built.key, built.fresh)\n"
    )
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> subprocess.Popen[str]:
        arguments = [tiny.source, str(tmp_path / "home"), name, *map(str, roots)]
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.long
def test_processes_that_want_the_same_checkpoint_build_it_once(
    session: Any, roots: tuple[Path, ...], tmp_path: Path
) -> None:
    count = tmp_path / "count"
    body = f"open({str(count)!r}, 'a').write('built ')\ntime.sleep(1)\n{COPY}"
    add_method(roots, "counted", body)
    built = [process.communicate()[0].split() for process in [session("counted") for _ in range(3)]]
    assert count.read_text() == "built "
    assert len({key for key, _ in built}) == 1
    assert sorted(fresh for _, fresh in built) == ["False", "False", "True"]


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_build_leaves_nothing_behind_and_is_done_again(
    session: Any, roots: tuple[Path, ...], tmp_path: Path, how: signal.Signals
) -> None:
    running, hold = tmp_path / "running", tmp_path / "hold"
    hold.touch()
    body = (
        f"Path({str(running)!r}).write_text(str(os.getpid()))\n"
        f"while os.path.exists({str(hold)!r}): time.sleep(0.05)\n{COPY}"
    )
    add_method(roots, "held", body)
    first = session("held")
    wait_until(lambda: running.is_file() and running.read_text())
    worker = int(running.read_text())
    assert is_alive(worker)
    os.kill(first.pid, how)
    first.communicate()
    wait_until(lambda: not is_alive(worker), 5)
    hold.unlink()
    assert session("held").communicate()[0].split()[1] == "True"
    assert session("held").communicate()[0].split()[1] == "False"
    store = Store(tmp_path / "home")
    assert len(files(store)) == 1


def test_finding_a_checkpoint_imports_neither_torch_nor_transformers(
    tiny: Model, tmp_path: Path, roots: tuple[Path, ...]
) -> None:
    method = add_method(roots, "quick", COPY)
    seen = Calibration(name="c", samples=("red is red",))
    Builder(store=Store(tmp_path), roots=roots).build(tiny, method, seen)
    script = (
        "import sys; from pathlib import Path; from unicomp import catalogue\n"
        "from unicomp.checkpoint import Builder\n"
        "from unicomp.spec import DENSE, Calibration, Model; from unicomp.store import Store\n"
        "roots = [Path(root) for root in sys.argv[3:]]\n"
        "model, store = Model(name='tiny', source=sys.argv[1]), Store(Path(sys.argv[2]))\n"
        "seen = Calibration(name='c', samples=('red is red',))\n"
        "for method in (DENSE, catalogue.load_method('quick', roots)):\n"
        "    built = Builder(store=store, roots=roots).build(model, method, seen)\n"
        "    assert not built.fresh\n"
        "print({'torch', 'transformers', 'llmcompressor', 'numpy'} & set(sys.modules))"
    )
    arguments = [tiny.source, str(tmp_path), *map(str, roots)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=True,
    )
    assert done.stdout.strip() == "set()"

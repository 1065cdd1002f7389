"""Models, methods and calibrations are found by name, by folder, or on the hub."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from unicomp import catalogue
from unicomp.data.model_folder import hub_id
from unicomp.data.sources import Source
from unicomp.errors import SpecError
from unicomp.spec import DENSE, MODEL_KINDS, Guarantees, Model

REPOSITORY = Path(__file__).parent.parent
SHIPPED = [
    "dense",
    *("awq_w3a16", "awq_w4a16", "awq_w8a16"),
    *("fp8_block", "fp8_dynamic", "fp8_kv"),
    *("gptq_w3a16", "gptq_w4_w8", "gptq_w4a16", "gptq_w4a16_g64", "gptq_w8a16"),
    *("low_rank_clone", "low_rank_clone_qwen2_5_7b"),
    *("minitron_depth", "minitron_depth_fp8", "minitron_depth_llama_3_1_8b"),
    *("minitron_width", "minitron_width_llama_3_1_8b"),
    *("mxfp4", "nvfp4", "nvfp4a16"),
    *("sparsegpt_2_4", "sparsegpt_2_4_awq", "sparsegpt_30", "sparsegpt_40", "sparsegpt_50"),
    *("w4a16_autoround", "w4a16_rtn", "w4a16_rtn_g64", "w8a8"),
    *("wanda_2_4", "wanda_2_4_awq", "wanda_30", "wanda_40", "wanda_50"),
]


def write_model(folder: Path) -> Path:
    """The smallest folder that passes for a model."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": 4}')
    (folder / "tokenizer.json").write_text("{}")
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + b"\0\0\0\0"
    )
    return folder


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A user's root directory with fixtures of their own."""
    for kind in ("models", "methods", "calibration"):
        (tmp_path / "fixtures" / kind).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def roots(user: Path) -> tuple[Path, ...]:
    return catalogue.roots(user)


def test_the_shipped_methods_come_with_dense_first() -> None:
    roots = catalogue.roots(REPOSITORY)
    assert catalogue.method_names(roots) == SHIPPED
    assert catalogue.load_method("dense", roots) == DENSE
    for name in SHIPPED:
        assert catalogue.load_method(name, roots).name == name


def test_groups_of_methods_are_given_like_methods(user: Path, roots: tuple[Path, ...]) -> None:
    paper = catalogue.methods_named(["paper"], roots)
    assert (paper[0], len(paper)) == ("dense", 7)
    assert catalogue.methods_named(["w8a8", "shipping", "paper"], roots)[0] == "w8a8"
    assert catalogue.methods_named(["all"], roots) == SHIPPED
    folder = user / "fixtures/method_groups"
    folder.mkdir()
    text = "from unicomp import MethodGroup\ngroup = MethodGroup(name={!r}, methods={!r})\n"
    (folder / "ours.py").write_text(text.format("ours", ("mxfp4", "wanda_50")))
    assert catalogue.methods_named(["ours", "mxfp4"], roots) == ["mxfp4", "wanda_50"]
    (folder / "ours.py").write_text(text.format("ours", ("mxfp",)))
    with pytest.raises(SpecError, match=r"ours\.py names an unknown method 'mxfp': did you mean"):
        catalogue.methods_named(["ours"], roots)
    (folder / "mxfp4.py").write_text(text.format("mxfp4", ("nvfp4",)))
    with pytest.raises(SpecError, match="'mxfp4' is both a method and a group"):
        catalogue.methods_named(["mxfp4"], roots)


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("shiping", "shipping"), ("papr", "paper"), ("fp8_dynamc", "fp8_dynamic")],
)
def test_a_name_that_is_neither_a_method_nor_a_group_is_refused_with_the_nearest(
    given: str, nearest: str, roots: tuple[Path, ...]
) -> None:
    with pytest.raises(SpecError, match=f"unknown method '{given}': did you mean '{nearest}'"):
        catalogue.methods_named([given], roots)


def test_the_shipped_methods_claim_what_their_names_say() -> None:
    roots = catalogue.roots(REPOSITORY)
    guarantees = {name: catalogue.load_method(name, roots).guarantees for name in SHIPPED}
    for name in ("wanda", "sparsegpt"):
        for percent in (30, 40, 50):
            assert guarantees[f"{name}_{percent}"] == Guarantees(sparsity=percent / 100)
        assert guarantees[f"{name}_2_4"] == Guarantees(sparsity=0.5, pattern=(2, 4))
        assert guarantees[f"{name}_2_4_awq"] == Guarantees(
            sparsity=0.5, pattern=(2, 4), bits=4, group_size=128, format="pack-quantized"
        )
    for name in ("gptq", "awq"):
        for bits in (3, 4, 8):
            assert guarantees[f"{name}_w{bits}a16"] == Guarantees(
                bits=bits, group_size=128, format="pack-quantized"
            )
    mixed = guarantees["gptq_w4_w8"]
    assert (mixed.bits, dict(mixed.exceptions)) == (4, {"down_proj": 8})


def test_the_models_of_the_paper_are_found_by_name_and_in_their_groups() -> None:
    roots = catalogue.roots(REPOSITORY)
    models = {name: catalogue.load_model(name, roots) for name in catalogue.model_names(roots)}
    for name in ("embedded", "embedded_practice"):
        embedded = models.pop(name)
        assert (embedded.kind, embedded.folder is None) == ("normal", False)
    models.pop("smollm2_135m")
    assert all(model.folder is None and model.revision is None for model in models.values())
    groups = {
        kind: {name for name, model in models.items() if model.kind == kind} for kind in MODEL_KINDS
    }
    assert groups == {
        "normal": {
            *("llama_2_7b", "llama_2_13b", "llama_2_70b"),
            *("llama_3_1_8b", "llama_3_1_70b", "qwen2_5_7b"),
        },
        "reasoning": {
            *("qwen3_0_6b", "qwen3_1_7b", "qwen3_4b", "qwen3_8b", "qwen3_14b", "qwen3_32b"),
            *("deepseek_r1_distill_llama_8b", "deepseek_r1_distill_llama_70b"),
        },
        "moe": {"qwen3_30b_a3b"},
    }


def test_no_two_names_stand_for_one_model() -> None:
    roots = catalogue.roots(REPOSITORY)
    sources = [catalogue.load_model(name, roots).source for name in catalogue.model_names(roots)]
    assert len(set(sources)) == len(sources)


def test_a_file_of_three_lines_adds_a_method(user: Path, roots: tuple[Path, ...]) -> None:
    (user / "fixtures/methods/wanda_70.py").write_text(
        "from unicomp.methods.pruning import wanda\n\nmethod = wanda('wanda_70', sparsity=0.7)\n"
    )
    assert "wanda_70" in catalogue.method_names(roots)
    assert catalogue.load_method("wanda_70", roots).guarantees.sparsity == 0.7
    assert "sparsity=0.7" in catalogue.method_source("wanda_70", roots)


def test_a_file_of_the_user_hides_the_shipped_one(user: Path, roots: tuple[Path, ...]) -> None:
    (user / "fixtures/methods/wanda_50.py").write_text(
        "from unicomp.methods.pruning import wanda\n\nmethod = wanda('wanda_50', sparsity=0.51)\n"
    )
    assert catalogue.load_method("wanda_50", roots).guarantees.sparsity == 0.51
    assert catalogue.method_names(roots).count("wanda_50") == 1


@pytest.mark.parametrize(
    ("load", "name", "message"),
    [
        (catalogue.load_method, "wanda_24", "unknown method 'wanda_24': did you mean 'wanda_2_4'?"),
        (catalogue.load_recipe, "resoning", "unknown calibration 'resoning': did you mean 'reas"),
        (catalogue.load_model, "embeded", "unknown model 'embeded': did you mean 'embedded'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    load: Callable[..., object], name: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(name, catalogue.roots(REPOSITORY))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must define `method = Method"),
        ("method = 3", "must define `method = Method"),
        ("import no_such_module", "cannot be read: ModuleNotFoundError: No module named"),
        ("method =", "cannot be read: SyntaxError"),
        (
            "from unicomp.methods.pruning import wanda; method = wanda('other', sparsity=0.7)",
            "defines 'other': its name must be that of its file",
        ),
        (
            "from unicomp.methods.pruning import wanda; method = wanda('mine', sparsity=30)",
            "mine.py: method mine: a sparsity of 30",
        ),
    ],
)
def test_an_unusable_file_is_named_with_the_reason(
    user: Path, roots: tuple[Path, ...], text: str, reason: str
) -> None:
    (user / "fixtures/methods/mine.py").write_text(text)
    with pytest.raises(SpecError) as caught:
        catalogue.load_method("mine", roots)
    assert "mine.py" in str(caught.value)
    assert reason in str(caught.value)


# -- models -------------------------------------------------------------------------------------


def test_a_folder_is_a_model(tmp_path: Path, roots: tuple[Path, ...]) -> None:
    folder = write_model(tmp_path / "my llama (v2)")
    model = catalogue.load_model(str(folder), roots)
    assert (model.name, model.folder) == ("my-llama-v2", folder.resolve())


def test_a_relative_folder_is_a_model(
    tmp_path: Path, roots: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "org" / "llama")
    monkeypatch.chdir(tmp_path)
    assert catalogue.load_model("./org/llama", roots).folder == tmp_path.resolve() / "org/llama"
    assert catalogue.load_model("org/llama", roots).folder is not None


def test_a_hub_id_is_not_asked_for_before_it_is_needed(roots: tuple[Path, ...]) -> None:
    model = catalogue.load_model("org/Llama-3.2-1B", roots)
    assert (model.name, model.source, model.revision) == ("Llama-3.2-1B", "org/Llama-3.2-1B", None)
    assert catalogue.load_model("org/llama@v1.0", roots).revision == "v1.0"
    assert model.folder is None


def test_a_snapshot_of_the_hub_has_the_name_it_has_there(
    tmp_path: Path, roots: tuple[Path, ...]
) -> None:
    folder = write_model(tmp_path / "models--org--llama-1b" / "snapshots" / "0123abcd")
    assert catalogue.load_model(str(folder), roots).name == "llama-1b"


def test_models_that_share_a_name_are_renamed(tmp_path: Path, roots: tuple[Path, ...]) -> None:
    folders = [write_model(tmp_path / run / "final") for run in ("first", "second")]
    twice = [str(folder) for folder in folders] + [str(folders[1])]
    names = [model.name for model in catalogue.load_models([*twice, "org/final"], roots)]
    assert names[:2] == ["final", "second-final"]
    assert len(set(names)) == 4


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({}, "normal"),
        ({"num_experts": 128}, "moe"),
        ({"num_local_experts": 8}, "moe"),
        ({"n_routed_experts": 64}, "moe"),
        ({"num_experts": 1}, "normal"),
        ({"num_experts": 0, "num_local_experts": None}, "normal"),
    ],
)
def test_a_folder_with_experts_is_a_mixture_of_experts(
    tmp_path: Path, roots: tuple[Path, ...], config: dict[str, object], kind: str
) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    assert catalogue.load_model(str(folder), roots).kind == kind


def test_the_hub_is_not_asked_what_kind_a_model_is(roots: tuple[Path, ...]) -> None:
    assert catalogue.load_model("org/mixture-8x7b", roots).kind == "normal"


def test_a_hub_id_that_has_a_file_is_of_the_kind_that_the_file_says(
    user: Path, roots: tuple[Path, ...]
) -> None:
    (user / "fixtures/models/mine.py").write_text(
        "from unicomp.spec import Model\n\n"
        "model = Model(name='mine', source='org/experts', kind='moe')\n"
    )
    shipped = catalogue.load_model("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", roots)
    assert (shipped.name, shipped.kind) == ("DeepSeek-R1-Distill-Llama-8B", "reasoning")
    mine = catalogue.load_model("org/experts@v2", roots)
    assert (mine.revision, mine.kind) == ("v2", "moe")
    assert catalogue.load_model("org/experts-2", roots).kind == "normal"


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def replace(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def adapter(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")


def lost_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = {"weight_map": {"w": "model-1.safetensors", "v": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove("config.json"), "is not a model folder: it has no config.json"),
        (replace("config.json", b"{"), "config.json is not JSON"),
        (replace("config.json", b"[]"), "config.json is not a JSON object"),
        (remove("model.safetensors"), "has no weights (*.safetensors)"),
        (pickled, "only as pytorch_model.bin, a pickle that may run code"),
        (adapter, "is an adapter: merge it"),
        (lost_shard, "lacks model-2.safetensors"),
        (cut, "is cut off or damaged"),
        (replace("model.safetensors", b"version https://git-lfs"), "is a Git LFS pointer"),
        (replace("model.safetensors", b"no weights at all"), "is not a safetensors file"),
        (remove("tokenizer.json"), "...): copy its files from the model that it was made from"),
    ],
)
def test_an_incomplete_model_folder_is_refused(
    tmp_path: Path, roots: tuple[Path, ...], damage: Callable[[Path], None], reason: str
) -> None:
    folder = write_model(tmp_path / "model")
    damage(folder)
    with pytest.raises(SpecError) as caught:
        catalogue.load_model(str(folder), roots)
    assert reason in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("given", ["./none", "/no/such/folder", "~/none", "a/b/c"])
def test_a_path_that_does_not_exist_is_no_hub_id(roots: tuple[Path, ...], given: str) -> None:
    with pytest.raises(SpecError, match="there is no model folder"):
        catalogue.load_model(given, roots)


def test_a_file_is_no_model_folder(tmp_path: Path, roots: tuple[Path, ...]) -> None:
    (tmp_path / "weights.gguf").write_text("")
    with pytest.raises(SpecError, match="is not a GGUF file"):
        catalogue.load_model(str(tmp_path / "weights.gguf"), roots)


def test_a_checkpoint_compressed_elsewhere_stands_in_for_a_method(
    tmp_path: Path, roots: tuple[Path, ...]
) -> None:
    folder = write_model(tmp_path / "mine-w8")
    method = catalogue.load_checkpoint(str(folder), roots)
    assert (method.name, method.family, method.compress) == ("mine-w8", None, None)
    config = {"model_type": "llama", "quantization_config": {"quant_method": "fp8"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert catalogue.load_checkpoint(str(folder), roots).family == "quantization"


# -- published checkpoints ----------------------------------------------------------------------


STUDENTS = {
    "llama_3_1_minitron_4b_depth": ("meta-llama/Llama-3.1-8B", 194e9, 140),
    "llama_3_1_minitron_4b_width": ("meta-llama/Llama-3.1-8B", 194e9, 120),
    "lrc_1_5b": ("meta-llama/Llama-3.2-3B-Instruct", 10e9, None),
    "lrc_1_7b": ("Qwen/Qwen2.5-3B-Instruct", 20e9, None),
    "lrc_4b": ("Qwen/Qwen2.5-7B-Instruct", 18e9, None),
}


def test_published_students_are_found_by_name_with_what_they_cost() -> None:
    roots = catalogue.roots(REPOSITORY)
    assert catalogue.checkpoint_names(roots) == list(STUDENTS)
    for name, (base, tokens, hours) in STUDENTS.items():
        method = catalogue.load_checkpoint(name, roots)
        assert (method.name, method.family, method.compress) == (name, "distillation", None)
        cost = method.parameters["published"]
        assert (method.parameters["base"], cost["tokens"]) == (base, tokens)
        assert (cost.get("hours"), "arXiv" in cost["basis"]) == (hours, True)


@pytest.mark.parametrize("revision", [None, "abc"])
def test_the_hub_id_of_a_published_student_brings_what_its_file_says(revision: str | None) -> None:
    roots = catalogue.roots(REPOSITORY)
    hub_id = "nvidia/Llama-3.1-Minitron-4B-Width-Base"
    method = catalogue.load_checkpoint(f"{hub_id}@{revision}" if revision else hub_id, roots)
    named = catalogue.load_checkpoint("llama_3_1_minitron_4b_width", roots)
    assert (method.name, method.family) == ("Llama-3.1-Minitron-4B-Width-Base", "distillation")
    assert dict(method.parameters) == {**named.parameters, "revision": revision}
    other = catalogue.load_checkpoint("org/other", roots)
    assert (other.family, "published" in other.parameters) == (None, False)


def test_a_mistyped_checkpoint_gets_the_name_that_was_meant(roots: tuple[Path, ...]) -> None:
    with pytest.raises(SpecError, match=r"unknown checkpoint 'lrc_4B': did you mean 'lrc_4b'\?"):
        catalogue.load_checkpoint("lrc_4B", roots)


@pytest.mark.parametrize(
    ("base", "cost", "message"),
    [
        ("Llama-3.1-8B", "PublishedCost(basis='x')", "its base 'Llama-3.1-8B' is not a hub id"),
        ("org/base", "PublishedCost(basis=' ')", "a cost needs its basis"),
        (
            "org/base",
            "PublishedCost(basis='x', hours=-1)",
            "a cost of -1 hours is not a positive number",
        ),
    ],
)
def test_a_published_checkpoint_is_checked_when_it_is_declared(
    user: Path, roots: tuple[Path, ...], base: str, cost: str, message: str
) -> None:
    (user / "fixtures/checkpoints").mkdir()
    (user / "fixtures/checkpoints/mine.py").write_text(
        "from unicomp.spec import PublishedCost, Published\n\n"
        "checkpoint = Published(name='mine', source='org/mine', family='distillation',\n"
        f"    base={base!r}, cost={cost})\n"
    )
    with pytest.raises(SpecError, match=message):
        catalogue.load_checkpoint("mine", roots)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("org/name", "org/name"),
        ("/cache/models--org--my--name/snapshots/0a1b", "org/my--name"),
        ("/models/name", None),
    ],
)
def test_a_model_in_the_cache_of_the_hub_has_its_id(source: str, expected: str | None) -> None:
    assert hub_id(Model(name="name", source=source)) == expected


# -- calibrations -------------------------------------------------------------------------------


def test_a_calibration_is_a_name_or_a_file(tmp_path: Path, roots: tuple[Path, ...]) -> None:
    (tmp_path / "mine.txt").write_text("one\n\ntwo")
    mine = catalogue.load_calibration(str(tmp_path / "mine.txt"), roots, Source("hub"))
    assert mine.samples == ("one", "two")
    with pytest.raises(SpecError, match=r"none.jsonl cannot be read"):
        catalogue.load_calibration("none.jsonl", roots, Source("hub"))
    assert catalogue.calibration_names(roots) == [
        "facts",
        "generic",
        "instructions",
        "mixed",
        "multilingual",
        "reasoning",
        "reasoning_mixture",
    ]


def test_a_mixture_cannot_mix_mixtures(tmp_path: Path) -> None:
    folder = tmp_path / "fixtures" / "calibration"
    folder.mkdir(parents=True)
    text = "from unicomp.data.calibration import Mixture\n"
    text += "calibration = Mixture(name='{}', of=('{}',))\n"
    (folder / "outer.py").write_text(text.format("outer", "inner"))
    (folder / "inner.py").write_text(text.format("inner", "inner"))
    for name in ("outer", "inner"):
        with pytest.raises(SpecError, match=f"calibration {name}: a mixture cannot contain"):
            catalogue.load_recipe(name, catalogue.roots(tmp_path))


def test_the_shipped_files_are_found_inside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import unicomp.data.sources

    package = tmp_path / "site-packages" / "unicomp"
    shutil.copytree(REPOSITORY / "fixtures" / "methods", package / "fixtures" / "methods")
    monkeypatch.setattr(unicomp.data.sources, "__file__", str(package / "data" / "sources.py"))
    roots = catalogue.roots(tmp_path)
    assert roots[1] == (package / "fixtures").resolve()
    assert catalogue.method_names(roots) == SHIPPED


@pytest.mark.parametrize(
    "marks", ["pytest.mark.practice", "[pytest.mark.code, pytest.mark.ethics]"]
)
def test_a_suite_file_may_import_a_module_whose_tests_are_all_marked(tmp_path, monkeypatch, marks):
    name = f"marked_{len(marks)}"
    (tmp_path / f"{name}.py").write_text(f"import pytest\npytestmark = {marks}\n")
    (tmp_path / "test_own.py").write_text(f"import {name}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert catalogue.load_benchmarks([tmp_path]) == []


# -- names of a user's own benchmarks --------------------------------------------------------------


def test_a_name_is_declared_where_it_stands_or_where_a_test_file_makes_it(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "rows.py").write_text("NAMES = ['written']", encoding="utf-8")
    (tmp_path / "test_made.py").write_text(
        "from unicomp import Benchmark, Mean, TaskMetric\n"
        "made = [Benchmark(name=f'made_{n}', metric='knowledge', task='t.yaml',\n"
        "                  scorer=TaskMetric('acc,none'), aggregate=Mean()) for n in range(2)]\n",
        encoding="utf-8",
    )
    (tmp_path / "broken.py").write_text("def (", encoding="utf-8")
    for hidden in (".hidden", "env"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "a.py").write_text("'elsewhere'", encoding="utf-8")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    wanted = {"written", "made_1", "made_2", "elsewhere"}
    assert catalogue.names_declared(wanted, [tmp_path]) == {"written", "made_1"}

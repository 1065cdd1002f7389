"""Distilled checkpoints are built, resumed and held to their shape like all others."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.distillation import tiny
from unicomp import cache, catalogue
from unicomp.checkpoint import Builder
from unicomp.data.sources import Source
from unicomp.distillation.loop import CURVE
from unicomp.distillation.training import Training
from unicomp.errors import BuildError, SpecError, UnsupportedError
from unicomp.methods.identity import code_digest
from unicomp.methods.low_rank_clone import low_rank_clone
from unicomp.methods.minitron import minitron_depth, minitron_width
from unicomp.spec import Calibration, Model
from unicomp.store import TRAINING, Store

REPOSITORY = Path(__file__).parents[2]
STUDENTS = ["minitron_width", "minitron_depth", "low_rank_clone"]

pytestmark = pytest.mark.filterwarnings("ignore")

RECIPE = """
from pathlib import Path
from unicomp.data.calibration import Part, Recipe

calibration = Recipe(
    name="tales",
    parts=(Part(dataset="org/tales", configs=("main",), render=lambda row: row["text"]),),
)
"""
SHARED = """
from unicomp.distillation.training import Training

training = Training(
    corpus="tales", tokens=12_000, sequence=24, batch=10, learning_rate=1e-2, warm_up=3
)
"""
METHODS = {
    "minitron_width": (
        "from unicomp.methods.minitron import minitron_width",
        "minitron_width('minitron_width', hidden=0.5, intermediate=0.75, multiple=4, "
        "training=training, teacher_correction=1_000)",
    ),
    "minitron_depth": (
        "from unicomp.methods.minitron import minitron_depth",
        "minitron_depth('minitron_depth', layers=1, training=training)",
    ),
    "low_rank_clone": (
        "from unicomp.methods.low_rank_clone import low_rank_clone",
        "low_rank_clone('low_rank_clone', hidden=8, alpha=0.2, training=training)",
    ),
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    tiny.model().bfloat16().save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return Model(name="tiny", source=str(folder))


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for kind in ("methods", "calibration"):
        (root / "fixtures" / kind).mkdir(parents=True)
    (root / "fixtures/calibration/tales.py").write_text(RECIPE)
    for name, (imported, made) in METHODS.items():
        text = f"{imported}\n{SHARED}\nmethod = {made}\n"
        (root / "fixtures/methods" / f"{name}.py").write_text(text)
    return catalogue.roots(root)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("mirror")
    folder = root / "org/tales"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n"
        "    path: train.jsonl\n---\n"
    )
    samples = [turns[0]["content"] for turns, _ in zip(tiny.stream(), range(300), strict=False)]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in samples)
    (folder / "train.jsonl").write_text(lines)
    return Source(str(root))


@pytest.fixture(scope="module")
def seen():
    samples = [turns[0]["content"] for turns, _ in zip(tiny.stream(999), range(12), strict=False)]
    return Calibration(name="seen", samples=tuple(samples), tokens=24)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def build(teacher, roots, source, seen, store):
    def build(name, narrate=lambda text: None):
        builder = Builder(store=store, roots=roots, source=source)
        return builder.build(teacher, catalogue.load_method(name, roots), seen, narrate)

    return build


FIRST, *OTHERS = STUDENTS


@pytest.fixture(
    scope="module", params=[FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in OTHERS)]
)
def built(request, build):
    heard = []
    return build(request.param, heard.append), heard


SHAPES = {
    "minitron_width": {"hidden_size": 8, "intermediate_size": 24, "num_hidden_layers": 2},
    "minitron_depth": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1},
    "low_rank_clone": {"hidden_size": 8, "intermediate_size": 32, "num_hidden_layers": 2},
}


@pytest.mark.long
def test_each_student_has_the_shape_that_its_method_guarantees(built, teacher):
    from transformers import AutoModelForCausalLM

    made, _ = built
    config = json.loads((made.path / "config.json").read_text())
    wanted = SHAPES[made.method.name]
    assert {name: config[name] for name in wanted} == wanted
    assert (config["head_dim"], config["dtype"]) == (8, "bfloat16")
    model = AutoModelForCausalLM.from_pretrained(made.path, dtype="auto")
    assert made.facts["parameters"] == sum(weight.numel() for weight in model.parameters())
    tokenizer = Path(teacher.source) / "tokenizer.json"
    assert (made.path / "tokenizer.json").read_bytes() == tokenizer.read_bytes()


def test_each_student_says_what_its_training_took(built, store):
    made, heard = built
    facts = made.facts
    assert 10_000 < facts["tokens"] <= 12_000
    assert facts["steps"] == 50
    assert facts["loss_last"] < facts["loss_first"]
    assert facts["tokens_per_second"] == pytest.approx(facts["tokens"] / facts["train_seconds"])
    assert facts["seconds"] >= facts["train_seconds"] * 0.9
    assert facts["estimate"]["parameters"] == facts["parameters"]
    assert facts["estimate"]["tokens"] == 12_000
    lines = (made.path.parent / CURVE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 51))
    label = f"{made.method} of tiny: "
    assert heard[0] == label + "starting"
    assert any(line.startswith(label + "a student of ") for line in heard)
    assert heard[-1] == label + "inspecting"
    assert not list((store.home / TRAINING).iterdir()), "nothing is left of a finished training"


def test_each_student_is_found_again(built, build):
    made, _ = built
    again = build(made.method.name)
    assert not again.fresh
    assert (again.key, again.facts) == (made.key, made.facts)


@pytest.mark.long
def test_a_build_that_is_killed_goes_on_where_it_was(built, teacher, roots, source, seen, tmp_path):
    made, _ = built
    if made.method.name != "minitron_depth":
        pytest.skip("one of them is enough")
    script = (
        "import sys; from pathlib import Path; from unicomp import catalogue\n"
        "from unicomp.checkpoint import Builder\n"
        "from unicomp.data.sources import Source\n"
        "from unicomp.spec import Calibration, Model; from unicomp.store import Store\n"
        "source, home, rows, samples, *roots = sys.argv[1:]\n"
        "roots = [Path(root) for root in roots]\n"
        "Builder(store=Store(Path(home)), roots=roots, source=Source(rows)).build(\n"
        "    Model(name='tiny', source=source), catalogue.load_method('minitron_depth', roots),\n"
        "    Calibration(name='c', samples=tuple(samples.split('/')), tokens=24))\n"
    )
    home = tmp_path / "home"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", script, teacher.source, home, source.name),
            *("/".join(seen.samples), *roots),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 120
    while not (curves := list(home.glob(f"{TRAINING}/*/distillation/{CURVE}"))) or not (
        curves[0].read_text()
    ):
        assert process.poll() is None, "it was done too soon"
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    held = Store(home)
    (entry,) = [entry for entry in cache.entries(held) if entry.kind == TRAINING]
    assert (entry.path / "student").is_dir()
    method = catalogue.load_method("minitron_depth", roots)
    resumed = Builder(store=held, roots=roots, source=source).build(teacher, method, seen)
    assert resumed.fresh
    assert resumed.key == made.key == entry.key
    one, other = (load_file(c.path / "model.safetensors") for c in (made, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_left_of_a_training_can_be_pruned(tmp_path):
    store = Store(tmp_path)
    left = tmp_path / TRAINING / "abc/distillation"
    left.mkdir(parents=True)
    (left / "state.pt").write_bytes(b"123")
    assert [(entry.kind, entry.size) for entry in cache.entries(store)] == [(TRAINING, 3)]
    with store.lock("checkpoints-abc"):
        assert cache.prune(store, -1) == []
    assert [entry.kind for entry in cache.prune(store, -1)] == [TRAINING]
    assert not left.exists()


# -- identity -----------------------------------------------------------------------------------


def test_the_text_it_trains_on_identifies_a_student(teacher, roots, source, seen, store, tmp_path):
    method = catalogue.load_method("low_rank_clone", roots)

    def key(source):
        return Builder(store=store, roots=roots, source=source).key(teacher, method, seen)

    copy = tmp_path / "mirror"
    shutil.copytree(source.name, copy)
    assert key(Source(str(copy))) == key(source)
    rows = copy / "org/tales/train.jsonl"
    rows.write_text(rows.read_text() + '{"text": "red"}\n')
    assert key(Source(str(copy))) != key(source)


def test_the_code_that_trains_identifies_students_alone(monkeypatch, tmp_path):
    from unicomp import distillation

    code_digest.cache_clear()
    students, others = code_digest(trains=True), code_digest(trains=False)
    folder = tmp_path / "distillation"
    shutil.copytree(distillation.__path__[0], folder)
    (folder / "loop.py").write_text("# another loop")
    monkeypatch.setattr(distillation, "__path__", [str(folder)])
    code_digest.cache_clear()
    assert code_digest(trains=False) == others
    assert code_digest(trains=True) != students
    code_digest.cache_clear()


def test_the_generated_text_is_known_by_its_first_samples(tmp_path):
    roots = catalogue.roots(tmp_path)
    recipe = catalogue.load_recipe("generic", roots)
    identity = recipe.stream_identity(Source("embedded"), lambda path: "")
    assert set(identity) == {"samples"}
    assert recipe.stream_identity(Source("hub"), lambda path: "") == {"allenai/c4": None}


# -- what is not supported ----------------------------------------------------------------------

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
}
SHORT = Training(tokens=2_000_000, sequence=128, batch=20, learning_rate=1e-3)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_budget_below_one_token_a_parameter_is_not_supported(name, tmp_path):
    method = catalogue.load_method(name, catalogue.roots(tmp_path))
    reason = method.why_unsupported(LLAMA)
    assert reason is not None
    assert " tokens are too few to train a student of " in reason
    assert f"fixtures/methods/{name}.py" in reason
    assert method.why_unsupported(json.loads((EMBEDDED / "config.json").read_text())) is None


EMBEDDED = REPOSITORY / "fixtures/embedded/model"
RECIPES = {
    "minitron_width_llama_3_1_8b": (3072, 9216, 32),
    "minitron_depth_llama_3_1_8b": (4096, 14336, 16),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_of_the_paper_take_their_model(name, tmp_path):
    from unicomp.distillation.estimate import PlannedTraining

    method = catalogue.load_method(name, catalogue.roots(tmp_path))
    assert method.why_unsupported(LLAMA) is None
    student = PlannedTraining.of(LLAMA, method.parameters).student
    assert (student.hidden, student.intermediate, student.layers) == RECIPES[name]
    assert 4.4e9 < student.parameters() < 4.6e9
    assert "mixtures of experts" in method.why_unsupported(LLAMA | {"num_experts": 8})


def test_the_recipe_of_low_rank_clone_takes_its_model(tmp_path):
    from unicomp.distillation.estimate import PlannedTraining

    qwen = LLAMA | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152_064,
    }
    method = catalogue.load_method("low_rank_clone_qwen2_5_7b", catalogue.roots(tmp_path))
    assert method.why_unsupported(qwen) is None
    work = PlannedTraining.of(qwen, method.parameters)
    assert work.student.hidden == 2048
    assert work.training.batch * work.training.sequence == 32_768


def test_models_that_cannot_be_cut_are_unsupported_before_anything_is_tried(
    roots, source, seen, store, tmp_path
):
    shutil.copytree(EMBEDDED, tmp_path / "model")
    path = tmp_path / "model/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "gemma"}))
    method = catalogue.load_method("minitron_width", roots)
    model = Model(name="gemma", source=str(tmp_path / "model"))
    with pytest.raises(UnsupportedError, match="the architecture gemma cannot be cut"):
        Builder(store=store, roots=roots, source=source).build(model, method, seen)


def test_too_little_memory_is_an_error_before_the_training(teacher, monkeypatch):
    from unicomp.methods import distillation

    monkeypatch.setattr(distillation, "memory_to_run", lambda: 1000)
    method = minitron_depth("d", layers=1, training=SHORT)
    with pytest.raises(BuildError, match=r"needs .* MB on each device, and there are 1 kB: set"):
        distillation._expected(Path(teacher.source), method.parameters)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: minitron_width(
                "w", hidden=8, intermediate=8, training=SHORT, teacher_correction=-1
            ),
            "teacher_correction must not be negative",
        ),
        (
            lambda: low_rank_clone("c", hidden=8, alpha=-1, training=SHORT),
            "alpha must not be negative",
        ),
    ],
)
def test_settings_without_a_meaning_are_errors(make, message):
    with pytest.raises(SpecError, match=message):
        make()


# -- students that break a guarantee ------------------------------------------------------------


@pytest.fixture
def student(build, tmp_path):
    folder = tmp_path / "student"
    shutil.copytree(build("minitron_width").path, folder)
    return folder


def inspect(student, teacher, build):
    from unicomp.methods.inspection import inspect_checkpoint

    guarantees = build("minitron_width").method.guarantees
    return inspect_checkpoint(Path(teacher.source), student, guarantees, [[1, 6, 7]])


@pytest.mark.long
def test_a_student_of_another_shape_is_not_kept(student, teacher, build):
    assert (
        inspect(student, teacher, build)["parameters"]
        == build("minitron_width").facts["parameters"]
    )
    shutil.rmtree(student)
    shutil.copytree(build("minitron_depth").path, student)
    with pytest.raises(BuildError, match="its hidden is 16, not 8"):
        inspect(student, teacher, build)


def test_a_student_with_weights_too_many_is_not_kept(student, teacher, build):
    path = student / "model.safetensors"
    save_file(load_file(path) | {"more": torch.zeros(7)}, path, metadata={"format": "pt"})
    with pytest.raises(BuildError, match="stores more, which LlamaForCausalLM does not use"):
        inspect(student, teacher, build)

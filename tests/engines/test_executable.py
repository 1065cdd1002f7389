"""vLLM is a program in an environment of its own: it is found and run, never imported."""

import os

import pytest

from unicomp.engines import EngineSettings
from unicomp.engines.executable import find_vllm, outside, version_of
from unicomp.errors import SpecError
from unicomp.spec import Model

MODEL = Model(name="m", source="org/m")


def program(folder, text="#!/bin/sh\necho 9.8.7+cpu\n"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vllm"
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """PATH holds a folder, `bin`, in which there is no vllm yet."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return tmp_path / "bin"


def test_the_named_executable_comes_before_the_one_on_path(nowhere, tmp_path):
    on_path, named = program(nowhere), program(tmp_path / "mine")
    assert find_vllm(str(named)) == named
    assert find_vllm() == on_path


def test_a_named_executable_that_is_not_there_leaves_the_one_on_path(nowhere, tmp_path):
    on_path = program(nowhere)
    assert find_vllm(str(tmp_path / ".venv-vllm/bin/vllm")) == on_path


def test_where_there_is_none_the_error_says_how_to_get_one(nowhere):
    with pytest.raises(SpecError) as refusal:
        EngineSettings(name="vllm", vllm=".venv-vllm/bin/vllm").check()
    message = str(refusal.value)
    assert "\n" not in message
    for part in (".venv-vllm/bin/vllm", "PATH", "make vllm", "pip install vllm", "[engine]"):
        assert part in message


def test_what_cannot_be_executed_is_refused(nowhere, tmp_path):
    path = program(tmp_path / "mine")
    path.chmod(0o644)
    with pytest.raises(SpecError, match="cannot be executed"):
        find_vllm(str(path))


def test_the_version_is_read_off_the_environment_without_running_anything(tmp_path):
    path = program(tmp_path / "bin", "#!/bin/sh\nexit 1\n")
    metadata = tmp_path / "lib/python3.12/site-packages/vllm-0.32.0+cpu.dist-info/METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.touch()
    link = tmp_path / "elsewhere/vllm"
    link.parent.mkdir()
    link.symlink_to(path)
    assert version_of(path) == version_of(link) == "0.32.0+cpu"


def test_without_metadata_the_executable_is_asked_for_its_version(tmp_path):
    text = "#!/bin/sh\necho Triton is not here >&2\necho INFO loading\necho 9.8.7+cpu\n"
    assert version_of(program(tmp_path / "bin", text)) == "9.8.7+cpu"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\necho Traceback >&2\necho PackageNotFoundError: vllm >&2\nexit 1\n", "Package"),
        ("#!/bin/sh\n", "nothing"),
        ("#!/no/such/python\n", "cannot be executed"),
    ],
    ids=["broken", "silent", "no interpreter"],
)
def test_an_unusable_executable_is_refused_before_anything_is_built(tmp_path, text, reason):
    path = program(tmp_path / "bin", text)
    with pytest.raises(SpecError, match=reason) as refusal:
        EngineSettings(name="vllm", vllm=str(path)).check()
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_device_that_the_build_does_not_have_is_refused(tmp_path):
    path = program(tmp_path / "bin")
    for device in ("auto", "cpu"):
        EngineSettings(name="vllm", vllm=str(path), device=device).check()
    for device in ("cuda", "mps"):
        with pytest.raises(SpecError, match="does not run on device"):
            EngineSettings(name="vllm", vllm=str(path), device=device).check()


def test_the_hugging_face_engine_needs_no_executable(nowhere):
    EngineSettings(name="hf").check()


def test_the_identity_has_the_version_and_the_flags_and_not_the_path(tmp_path):
    one, other = program(tmp_path / "one"), program(tmp_path / "other")
    newer = program(tmp_path / "newer", "#!/bin/sh\necho 9.9.0+cpu\n")

    def identity(path, **changed):
        return EngineSettings(name="vllm", vllm=str(path), **changed).identity(MODEL)

    found = identity(one)
    assert found["vllm"] == "9.8.7+cpu"
    assert {"--enforce-eager", "--no-enable-prefix-caching"} <= set(found["flags"])
    assert found == identity(other) == identity(one, logs="there", memory=0.2)
    assert str(tmp_path) not in str(found)
    assert found != identity(newer)
    assert found != identity(one, sampling="declared")


def test_timings_have_an_identity_of_their_own(tmp_path):
    paths = {"cpu": program(tmp_path / "cpu")}
    paths["gpu"] = program(tmp_path / "gpu", "#!/bin/sh\necho 9.8.7\n")

    def identity(build, **changed):
        settings = EngineSettings(name="vllm", vllm=str(paths[build]), **changed)
        return settings.timing_identity(MODEL)

    for build in paths:
        assert identity(build) == identity(build, batch_size=3, sampling="declared", logs="there")
        assert identity(build) != identity(build, threads=2)
    assert identity("cpu") == identity("cpu", memory=0.2)
    assert identity("gpu") != identity("gpu", memory=0.2)


def test_the_build_decides_the_device_and_the_precision(tmp_path):
    cpu = EngineSettings(name="vllm", vllm=str(program(tmp_path / "cpu")))
    gpu = program(tmp_path / "gpu", "#!/bin/sh\necho 9.8.7\n")
    gpu = EngineSettings(name="vllm", vllm=str(gpu))
    bf16 = Model(name="m", source="org/m", dtype="bfloat16")
    assert (cpu.resolved_device(), cpu.dtype(MODEL)) == ("cpu", "float16")
    assert (gpu.resolved_device(), gpu.dtype(MODEL)) == ("cuda", "auto")
    assert cpu.dtype(bf16) == gpu.dtype(bf16) == "bfloat16"
    assert "--enforce-eager" not in gpu.flags()


@pytest.mark.parametrize("memory", [0, 1, 1.5, -0.1])
def test_a_share_of_memory_is_a_share(memory):
    with pytest.raises(SpecError, match="share between 0 and 1"):
        EngineSettings(memory=memory)


def test_nothing_of_our_python_leaks_into_its_environment():
    ours = {"PYTHONPATH": "a", "PYTHONHOME": "b", "VIRTUAL_ENV": "c", "TQDM_DISABLE": "1"}
    assert outside({**ours, "HOME": "h", "HF_TOKEN": "t"}) == {"HOME": "h", "HF_TOKEN": "t"}

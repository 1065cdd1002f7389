"""Settings that cannot be meant are refused with their name; files that hold none, with theirs."""

import json
from pathlib import Path

import pytest

from unicomp.data.json_object import read_object
from unicomp.data.model_folder import read_config
from unicomp.errors import SpecError


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"hidden_size": "128"}, "hidden_size is 128, not a whole number"),
        ({"hidden_size": -1}, "hidden_size is -1"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"hidden_size": 10**30}, "hidden_size is 1000"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, not from 0 to 10,000"),
        ({"num_hidden_layers": [6]}, "num_hidden_layers is [6]"),
        ({"vocab_size": 1e3}, "vocab_size is 1000.0"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan, not a number above 0"),
        ({"rope_theta": "a\nb"}, "rope_theta is a\\nb"),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings is false, not true or false"),
        ({"model_type": ["llama"]}, "model_type is ['llama'], not a text"),
        ({"architectures": "LlamaForCausalLM"}, "not a list of texts"),
        ({"text_config": {"hidden_size": 0}}, "text_config.hidden_size is 0"),
        ({"quantization_config": []}, "quantization_config is [], not a table"),
        ({"quantization_config": {"bits": "4"}}, "quantization_config.bits is 4"),
        ({"quantization_config": {"config_groups": {"a": 1}}}, "config_groups.a is 1, not a table"),
        (
            {"quantization_config": {"config_groups": {"a": {"weights": {"num_bits": -4}}}}},
            "config_groups.a.weights.num_bits is -4",
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(
    tmp_path: Path, settings: dict[str, object], reason: str
) -> None:
    config = {"model_type": "llama"} | settings
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecError) as caught:
        read_config(tmp_path)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "settings",
    [
        {"quantization_config": None, "head_dim": None, "rope_scaling": None},
        {"num_key_value_heads": [4, 4, 2], "intermediate_size": 0, "num_experts": 0},
        {"time_step_limit": [0.0, float("inf")]},
    ],
)
def test_settings_as_models_have_them_are_accepted(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"} | settings))
    assert read_config(tmp_path).keys() == {"model_type", *settings}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        ('{"a": "é"}'.encode("latin-1"), "is not UTF-8 text"),
        (b'{"a": 1', "is not JSON: Expecting"),
        (b'{"a": 1, "a": 2}', "it has a twice"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b"[1]", "is not a JSON object"),
    ],
)
def test_what_is_no_object_is_refused_with_its_file(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_object(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_in_place_of_a_file_and_a_broken_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(SpecError, match="is a folder, not a file"):
        read_config(tmp_path)
    (tmp_path / "config.json").rmdir()
    (tmp_path / "config.json").symlink_to("nowhere")
    with pytest.raises(SpecError, match="does not exist"):
        read_config(tmp_path)

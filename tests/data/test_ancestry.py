"""Which of two models a checkpoint was made from: as it says, as it is shaped, or not known."""

import json

import pytest

from unicomp.data.ancestry import base_among, stated_bases
from unicomp.spec import Model

LLAMA = {"model_type": "llama", "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 4}


def folder(path, card=None, **config):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(LLAMA | config), encoding="utf-8")
    if card is not None:
        (path / "README.md").write_text(f"---\n{card}\n---\n# A model\n", encoding="utf-8")
    return path


@pytest.fixture
def models(tmp_path):
    """Two models of one shape, as a model and its fine-tuned version are."""
    return [Model(name=name, source=str(folder(tmp_path / name))) for name in ("base", "tuned")]


@pytest.mark.parametrize(
    "card",
    [
        "base_model: org/tuned",
        "base_model: [org/tuned]",
        "base_model:\n- ./models/tuned/",
        "license: mit\nbase_model: tuned",
    ],
)
def test_the_model_card_decides(tmp_path, models, card):
    assert base_among(models, folder(tmp_path / "student", card), None) == models[1]


def test_the_configuration_decides(tmp_path, models):
    student = folder(tmp_path / "student", _name_or_path=models[0].source)
    assert list(stated_bases(student)) == [models[0].source]
    assert base_among(models, student, None) == models[0]


def test_a_declared_base_decides_for_a_checkpoint_on_the_hub(models):
    hub = Model(name="third", source="org/third")
    assert base_among([*models, hub], None, "org/third") == hub
    assert base_among(models, None, "org/third") is None


def test_models_of_one_shape_are_not_told_apart(tmp_path, models):
    assert base_among(models, folder(tmp_path / "student"), None) is None


def test_a_shape_or_a_vocabulary_of_one_model_decides(tmp_path, models):
    wide = Model(name="wide", source=str(folder(tmp_path / "wide", hidden_size=16)))
    other = Model(name="other", source=str(folder(tmp_path / "other", vocab_size=7)))
    quantized = folder(tmp_path / "quantized", hidden_size=16, quantization_config={})
    assert base_among([*models, wide], quantized, None) == wide
    shallow = folder(tmp_path / "shallow", vocab_size=7, num_hidden_layers=2)
    assert base_among([*models, other], shallow, None) == other


def test_a_model_on_the_hub_may_have_any_shape(tmp_path, models):
    hub = Model(name="third", source="org/third")
    assert base_among([models[0], hub], folder(tmp_path / "student"), None) is None


@pytest.mark.parametrize("card", ["base_model: [", "base_model: 3", "- a", "\x00", "base_model:"])
def test_a_card_that_says_nothing_usable_is_no_error(tmp_path, models, card):
    assert base_among(models, folder(tmp_path / "student", card), None) is None

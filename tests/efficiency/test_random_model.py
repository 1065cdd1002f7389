"""The random model is as large as asked for, and what the suite and every method can take."""

import pytest
from safetensors.torch import load_file

from tests.efficiency import random_model
from unicomp.data.model_folder import check_folder, read_config
from unicomp.methods.stored_weights import headers, parameters


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("random")
    random_model.write(folder, 12_000_000, num_hidden_layers=1)
    return folder


def test_it_has_at_least_so_many_parameters_and_hardly_more(folder):
    assert 12e6 <= parameters(folder) < 12e6 + random_model.ROWS * 1024


def test_it_is_a_complete_model(folder):
    check_folder(folder)
    assert read_config(folder)["max_position_embeddings"] == 8192


def test_groups_of_128_and_patterns_fit_each_matrix(folder):
    shapes = [entry["shape"] for entry in headers(folder).values() if len(entry["shape"]) == 2]
    assert all(columns % 128 == 0 for _, columns in shapes)


def test_it_is_the_same_one_each_time(folder, tmp_path):
    random_model.write(tmp_path, 12_000_000, num_hidden_layers=1)
    first, second = (load_file(path / "model.safetensors") for path in (folder, tmp_path))
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)

"""Sources: the hub, a mirror in the hub's layout and the embedded rows are read alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unicomp import catalogue
from unicomp.data.sources import (
    EMBEDDED_ROWS,
    HUB,
    PARTIAL,
    Source,
    default_rows,
    shipped_fixtures,
)
from unicomp.errors import AbsentError, SpecError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def mirror(tmp_path):
    for name in ("tiny/quiz/de/test.jsonl", "tiny/quiz/fr/test.jsonl", "tiny/quiz/README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    return Source(str(tmp_path))


def test_the_hub_is_asked_by_name():
    hub = Source("hub")
    assert hub.folder is None
    assert hub.path("openai/gsm8k") == "openai/gsm8k"
    assert hub.files("openai/gsm8k") is None
    assert hub.configs("tiny/quiz", ["de", "xx"]) == ("de", "xx")
    assert not hub.is_embedded


def test_a_mirror_holds_folders_as_the_hub_has_them(mirror, tmp_path):
    assert mirror.path("tiny/quiz") == str(tmp_path / "tiny/quiz")
    assert [str(path.relative_to(tmp_path)) for path in mirror.files("tiny/quiz")] == [
        "tiny/quiz/README.md",
        "tiny/quiz/de/test.jsonl",
        "tiny/quiz/fr/test.jsonl",
    ]
    assert not mirror.is_embedded


@pytest.mark.parametrize("name", [".cache/huggingface/x.metadata", ".git/HEAD", "de/.lock"])
def test_what_a_download_leaves_behind_is_no_row(mirror, tmp_path, name):
    before = mirror.files("tiny/quiz")
    path = tmp_path / "tiny/quiz" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert mirror.files("tiny/quiz") == before


def test_a_mirror_may_lie_in_a_hidden_folder(tmp_path):
    rows = tmp_path / ".mirror" / "tiny/quiz/test.jsonl"
    rows.parent.mkdir(parents=True)
    rows.touch()
    assert Source(str(tmp_path / ".mirror")).files("tiny/quiz") == [rows]


def test_a_mirror_is_asked_for_all_configurations(mirror):
    assert mirror.configs("tiny/quiz", ["de", "fr", "yo"]) == ("de", "fr", "yo")


@pytest.mark.parametrize("ask", ["path", "files"])
def test_a_mirror_that_lacks_a_data_set_says_where_to_put_it(mirror, tmp_path, ask):
    with pytest.raises(SpecError) as refusal:
        getattr(mirror, ask)("openai/gsm8k")
    message = str(refusal.value)
    assert "lacks openai/gsm8k" in message
    assert str(tmp_path / "openai/gsm8k") in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["nowhere", "a file", "~nobody-of-that-name"])
def test_a_root_that_is_no_folder_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").touch()
    with pytest.raises(SpecError, match="is not a folder: give hub, embedded, or a folder"):
        Source(name)


def test_a_root_may_be_relative_and_in_the_home_folder(tmp_path, monkeypatch):
    (tmp_path / "rows").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Source("rows").folder == Source("~/rows").folder == tmp_path / "rows"


def declare(mirror, text):
    (mirror.folder / "tiny/quiz/README.md").write_text(f"---\nconfigs:\n{text}---\n")


def check(mirror, dataset, config, splits=()):
    for reason in mirror.lacks(dataset, (config,), splits).values():
        raise AbsentError(reason)


def test_a_configuration_is_there_where_its_declared_files_are(mirror):
    declare(mirror, "- {config_name: de, data_files: [de/*.jsonl]}\n- {config_name: yo}\n")
    check(mirror, "tiny/quiz", "de")
    check(mirror, "tiny/quiz", "yo")  # it names no files: all of them
    check(mirror, "tiny/quiz", None)


@pytest.mark.parametrize(
    "text",
    [
        "- {config_name: yo, data_files: yo/test.jsonl}\n",
        "- {config_name: yo, data_files: [de/test.jsonl, yo/*]}\n",
        "- {config_name: yo, data_files: [{split: test, path: yo/test-*}]}\n",
        "- {config_name: yo, data_dir: yo}\n",
        "- {config_name: de, data_files: de/test.jsonl}\n",
    ],
)
def test_a_configuration_whose_files_are_not_there_is_refused_by_name(mirror, text):
    declare(mirror, text)
    with pytest.raises(SpecError, match=r"lacks tiny/quiz, configuration 'yo': ") as refusal:
        check(mirror, "tiny/quiz", "yo")
    assert "\n" not in str(refusal.value)


def shards(mirror, *names):
    for name in names:
        (mirror.folder / "tiny/quiz/de" / f"{name}.jsonl").touch()


@pytest.mark.parametrize("config", ["de", None])
def test_a_shard_that_is_not_there_is_named(mirror, config):
    declare(
        mirror,
        "- config_name: de\n  data_files: [{split: test, path: de/test-*}, "
        "{split: train, path: de/train-*}]\n",
    )
    shards(mirror, "test-00000-of-00003", "test-00002-of-00003", "train-00000-of-00005")
    check(mirror, "tiny/quiz", config)
    check(mirror, "tiny/quiz", config, {"validation"})
    with pytest.raises(AbsentError, match=r"there is no \S*/de/test-00001-of-00003\.jsonl$"):
        check(mirror, "tiny/quiz", config, {"test"})
    shards(mirror, "test-00001-of-00003")
    check(mirror, "tiny/quiz", config, {"test"})  # of what is not read, one file is enough
    with pytest.raises(AbsentError, match="train-00001-of-00005"):
        check(mirror, "tiny/quiz", config, {"test", "train"})


def test_a_shard_is_missed_if_only_file_names_show_the_splits(mirror):
    shards(mirror, "test-00000-of-00001", "train-00000-of-00002")
    check(mirror, "tiny/quiz", None, {"test"})
    with pytest.raises(AbsentError, match="train-00001-of-00002"):
        check(mirror, "tiny/quiz", None, {"train"})


@pytest.mark.parametrize(
    "pattern", ["/abs/x", "''", "main/train-**", "data/**.jsonl", "'de/[z-a].jsonl'"]
)
def test_a_pattern_that_cannot_match_is_one_line(mirror, pattern):
    declare(mirror, f"- {{config_name: de, data_files: [{pattern}]}}\n")
    with pytest.raises(SpecError, match="tiny/quiz") as refusal:
        check(mirror, "tiny/quiz", "de")
    with pytest.raises(SpecError, match="tiny/quiz"):
        mirror.check_file("tiny/quiz", pattern.strip("'"))
    assert "\n" not in str(refusal.value)


def test_a_file_in_shards_is_there_when_all_of_them_are(mirror):
    shards(mirror, "test-00000-of-00002")
    with pytest.raises(AbsentError, match="test-00001-of-00002"):
        mirror.check_file("tiny/quiz", "de/test-*")
    shards(mirror, "test-00001-of-00002")
    mirror.check_file("tiny/quiz", "de/test-*")


def test_a_data_set_that_declares_nothing_has_one_configuration(mirror):
    check(mirror, "tiny/quiz", "default")
    with pytest.raises(SpecError, match="does not declare it"):
        check(mirror, "tiny/quiz", "de")  # nor would `datasets` take the folder for one


def test_a_data_set_that_is_still_being_fetched_is_refused(mirror):
    (mirror.folder / "tiny/quiz" / PARTIAL).touch()
    with pytest.raises(SpecError, match="only in part: its download was interrupted"):
        check(mirror, "tiny/quiz", "default")


def test_the_embedded_rows_are_shipped():
    embedded = Source("embedded")
    assert embedded.is_embedded
    assert embedded.folder == shipped_fixtures() / "embedded" / "rows"
    assert embedded.files("openai/gsm8k")


def test_only_models_that_are_shipped_with_embedded_rows_are_asked_them_by_default(tmp_path):
    for name in ("embedded", "embedded_practice"):
        model = catalogue.load_model(name, catalogue.roots(tmp_path))
        assert default_rows(model.source) == EMBEDDED_ROWS
    for other in ("HuggingFaceTB/SmolLM2-135M", str(tmp_path), "embedded/model"):
        assert default_rows(other) == HUB


def test_the_embedded_world_speaks_only_some_languages():
    found = Source("embedded").configs("CohereLabs/Global-MMLU-Lite", ["de", "en", "zh", "id"])
    assert "de" in found
    assert "id" in found
    assert "zh" not in found


def test_equal_roots_are_equal():
    assert Source("hub") == Source("hub") != Source("embedded")


def test_a_module_of_the_shipped_fixtures_is_found_whatever_a_project_calls_its_own(tmp_path):
    (tmp_path / "fixtures/embedded").mkdir(parents=True)
    for package in ("fixtures", "fixtures/embedded"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "fixtures/embedded/corpus.py").write_text("documents = None\n")
    script = (
        "import fixtures.embedded.corpus\n"
        "from unicomp.data.sources import shipped_module\n"
        "corpus = shipped_module('embedded.corpus')\n"
        "print(corpus.__name__, callable(corpus.documents), fixtures.embedded.corpus.documents)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "unicomp.fixtures.embedded.corpus True None"

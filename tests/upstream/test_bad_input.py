"""What is wrong with an upstream is said in one line, with status 4, and no secret is shown."""

import importlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.errors import SpecError, UpstreamError
from unicomp.settings import load_settings, store_upstream
from unicomp.upstream import open_store
from unicomp.upstream.objects import Objects, check_url

from .conftest import files_of


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nowhere://bucket", "Protocol not known"),
        ("bucket/folder", "is not a URL"),
        ("s3://", "is not a URL"),
        ("file:///no/such/folder/at/all", "there is no folder /no/such/folder/at/all"),
        ("s3://key:SECRET@bucket/folder", "has credentials"),
        ("https://host/folder?token=SECRET", "has credentials or options"),
    ],
)
@pytest.mark.parametrize("action", ["push", "pull"])
def test_a_url_that_cannot_be_used_is_refused(store, cache, tmp_path, action, url, reason):
    status, text = cache(action, store.home, "--upstream", url)
    assert status == 4
    assert reason in text
    assert text.count("\n") == 1
    assert "SECRET" not in text


secrets = st.text("abcdefXYZ0189+=%", min_size=8, max_size=20)


@given(secrets, st.sampled_from(["s3", "https", "sftp", "simplecache::s3"]))
def test_no_secret_in_a_url_is_ever_shown(secret, protocol):
    for url in (f"{protocol}://user:{secret}@host/x", f"{protocol}://host/x?sig={secret}"):
        with pytest.raises(SpecError) as refusal:
            check_url(url)
        assert secret not in str(refusal.value)


@pytest.mark.parametrize("where", ["home/upstream", "home", "."])
def test_an_upstream_in_the_store_or_around_it_is_refused(store, cache, tmp_path, where):
    status, text = cache("push", store.home, "--upstream", f"file://{tmp_path / where}")
    assert status == 4
    assert "lie in one another" in text


def test_no_upstream_is_refused_with_what_to_give(store, cache):
    status, text = cache("push", store.home)
    assert status == 4
    assert "give --upstream URL" in text


def test_a_store_that_is_not_there_has_nothing_to_push(cache, url, tmp_path):
    status, text = cache("push", tmp_path / "none", "--upstream", url)
    assert (status, "there is no store" in text) == (4, True)


@pytest.mark.parametrize("more", [("--upstream", "file:///x"), ("--method", "m"), ("--dry-run",)])
def test_options_of_sharing_are_refused_elsewhere(store, cache, more):
    status, text = cache("list", store.home, *more)
    assert (status, f"{more[0]} is for" in text) == (4, True)


@pytest.mark.parametrize(("protocol", "package"), [("s3", "unicomp[s3]"), ("gs", "gcsfs")])
def test_a_missing_package_is_named(monkeypatch, protocol, package):
    registered = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(registered, protocol, raising=False)
    for module in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SpecError, match="pip install") as refusal:
        Objects(f"{protocol}://bucket/folder")
    assert package in str(refusal.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("The specified bucket does not exist"), SpecError),
        (PermissionError("Access Denied"), SpecError),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate credentials"), SpecError),
        (ConnectionError("no route"), UpstreamError),
    ],
)
def test_a_run_does_not_begin_without_its_upstream(tmp_path, url, monkeypatch, error, kind):
    (tmp_path / "upstream").mkdir()
    store = open_store(tmp_path / "home", url)

    def fail(*about, **more):
        raise error

    monkeypatch.setattr(store.objects._fs, "find", fail)
    with pytest.raises(kind) as refusal:
        store.begin()
    assert str(error) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert kind is SpecError or "UNICOMP_UPSTREAM=off" in str(refusal.value)


# -- settings -------------------------------------------------------------------------------------


def settings_of(folder, text):
    (folder / "unicomp.toml").write_text(text)
    return load_settings(folder)


def test_the_upstream_is_that_of_the_environment_else_of_the_file(tmp_path, monkeypatch):
    monkeypatch.delenv("UNICOMP_UPSTREAM", raising=False)
    assert store_upstream(settings_of(tmp_path, "")) is None
    given = settings_of(tmp_path, '[store]\nupstream = "s3://bucket/folder"\n')
    assert store_upstream(given) == "s3://bucket/folder"
    monkeypatch.setenv("UNICOMP_UPSTREAM", "file:///shared")
    assert store_upstream(given) == "file:///shared"
    monkeypatch.setenv("UNICOMP_UPSTREAM", "off")
    assert store_upstream(given) is None


@pytest.mark.parametrize("text", ['upstraem = "s3://b"', "upstream = 3", 'upstream = ""'])
def test_a_setting_that_cannot_be_is_refused(tmp_path, text):
    with pytest.raises(SpecError, match=r"unicomp\.toml"):
        settings_of(tmp_path, f"[store]\n{text}\n")


def test_the_upstream_of_the_file_is_pushed_to(store, cache, tmp_path, url):
    (tmp_path / "unicomp.toml").write_text(f'[store]\nupstream = "{url}"\n')
    assert cache("push", store.home)[0] == 0
    assert files_of(tmp_path, "upstream")

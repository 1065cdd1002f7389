"""A store with an upstream: what it lacks is taken once, verified, and never written there."""

import warnings
from types import SimpleNamespace

import pytest

from unicomp.checkpoint import Builder, _stored
from unicomp.efficiency.cost import cost_of_build
from unicomp.errors import UpstreamError
from unicomp.store import CHECKPOINTS, SCORES, Store, content_key
from unicomp.upstream import open_store
from unicomp.upstream.objects import Objects
from unicomp.upstream.taking import UpstreamWarning

from .conftest import (
    DENSE_KEY,
    IDENTITY,
    OF_THE_MACHINE,
    VALUES,
    corrupt,
    files_of,
    log_of,
    look_at,
    make,
    object_of,
    records_of,
)

KEY = content_key(IDENTITY)
OF_DENSE = content_key({"records": "dense"})


class Counted(Objects):
    """Counts what is asked of an upstream."""

    def __init__(self, url):
        super().__init__(url)
        self.asked = []

    def below(self, folder):
        self.asked.append(folder)
        return super().below(folder)

    def fetch(self, folder, wanted, on_progress=lambda count: None):
        self.asked += [one.name for one, _ in wanted]
        return super().fetch(folder, wanted, on_progress)


@pytest.fixture
def asked(empty, url):
    """What the empty store asks of its upstream."""
    empty.objects = Counted(url)
    return empty.objects.asked


def must_not_build(folder):
    raise AssertionError("it is upstream")


def test_a_checkpoint_is_taken_and_not_built(pushed, empty):
    found = empty.build(CHECKPOINTS, IDENTITY, must_not_build)
    assert (found.path / "model" / "model.safetensors").read_bytes() == b"w" * 1000
    assert (found.fresh, found.taken) == (False, True)


def test_answers_distributions_and_records_are_taken(pushed, empty, store):
    log = log_of(empty)
    log.take()
    assert log.read() == log_of(store).read()
    assert (empty.home / "responses" / log.key / "distributions-0.npy").read_bytes() == b"numbers"
    assert empty.recall(SCORES, OF_DENSE, of=DENSE_KEY)["fields"] == records_of("dense").fields
    assert Store(empty.home).recall(SCORES, OF_DENSE)  # it is here now


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_is_taken(pushed, empty, kind):
    assert empty.recall(kind, content_key({"kind": kind})) == {"of": kind}


@pytest.mark.parametrize("kind", OF_THE_MACHINE)
def test_what_another_machine_measured_is_not_taken(pushed, empty, kind, asked):
    assert empty.recall(kind, content_key({"kind": kind})) is None
    assert asked == []


def test_the_cost_of_a_build_elsewhere_is_not_known_here(pushed, empty, store, monkeypatch):
    monkeypatch.setattr("unicomp.checkpoint.describe_folder", lambda folder: {})
    model, method = SimpleNamespace(), SimpleNamespace(calibrated=False)
    for home, known in ((store, True), (empty, False)):
        artifact = home.build(CHECKPOINTS, IDENTITY, must_not_build)
        facts = _stored(model, method, None, artifact).facts
        assert (cost_of_build(facts, "compression_time") is not None) is known
        assert facts["parameters"] == 10


def test_each_folder_is_listed_once_and_each_object_fetched_once(pushed, empty, asked):
    for _ in range(3):
        empty.recall("judgements", "not there")
        empty.recall("judgements", content_key({"kind": "judgements"}))
        empty.build(CHECKPOINTS, IDENTITY, must_not_build)
        log_of(empty).take()
        log_of(empty).distributions(["w"])
    assert len(asked) == len(set(asked))


def test_what_is_here_is_not_asked_for(store, url, pushed):
    full = open_store(store.home, url)
    full.objects = Counted(url)
    full.build(CHECKPOINTS, IDENTITY, must_not_build)
    full.recall(SCORES, OF_DENSE, of=DENSE_KEY)
    full.recall("judgements", content_key({"kind": "judgements"}))
    assert full.objects.asked == []


def test_a_run_never_writes_there(pushed, empty, tmp_path):
    before = files_of(tmp_path, "upstream")
    empty.build(CHECKPOINTS, {"model": "other"}, make)
    log_of(empty).append({"new": ["answer"]})
    empty.remember("judgements", "new", {})
    empty.begin()
    assert files_of(tmp_path, "upstream") == before


def test_a_corrupted_checkpoint_is_built_here_with_one_warning(pushed, empty, tmp_path):
    corrupt(object_of(tmp_path, "model.safetensors"))
    with pytest.warns(UpstreamWarning, match="is corrupted.*computed here instead") as shown:
        found = empty.build(CHECKPOINTS, IDENTITY, make)
    assert len(shown) == 1
    assert (found.fresh, found.taken) == (True, False)
    assert not list((empty.home / CHECKPOINTS).glob(".*"))


def test_a_corrupted_value_is_warned_of_once(pushed, empty, tmp_path):
    corrupt(object_of(tmp_path, "judgements/"))
    key = content_key({"kind": "judgements"})
    with pytest.warns(UpstreamWarning) as shown:
        assert [empty.recall("judgements", key) for _ in range(3)] == [None] * 3
    assert len(shown) == 1


def test_a_checkpoint_without_one_of_its_files_is_built_here(pushed, empty, tmp_path):
    object_of(tmp_path, "model.safetensors").unlink()
    with pytest.warns(UpstreamWarning, match="is not complete"):
        assert empty.build(CHECKPOINTS, IDENTITY, make).fresh


def test_a_lost_upstream_is_warned_of_once_and_the_work_goes_on(pushed, empty, monkeypatch):
    def lost(*about, **more):
        raise ConnectionError("no route to https://host/?key=secret")

    monkeypatch.setattr(empty.objects._fs, "find", lost)
    with pytest.warns(UpstreamWarning, match="no route") as shown:  # noqa: PT031
        for kind in VALUES:
            assert empty.recall(kind, "key") is None
        assert empty.build(CHECKPOINTS, IDENTITY, make).fresh
        log_of(empty).take()
    assert len(shown) == 1
    assert "secret" not in str(shown[0].message)


def test_where_warnings_are_errors_the_work_goes_on(pushed, empty, tmp_path):
    corrupt(object_of(tmp_path, "judgements/"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert empty.recall("judgements", content_key({"kind": "judgements"})) is None


def test_the_looks_of_others_are_counted_from_the_start(pushed, empty):
    empty.begin()
    key = content_key({"candidate": KEY, "baseline": DENSE_KEY})
    (look,) = empty.recall("looks", key)["looks"]
    assert look["items"] == look_at("first", "").items


def test_unreadable_looks_end_the_run_before_it_begins(pushed, empty, tmp_path):
    corrupt(object_of(tmp_path, "/looks/"))
    with pytest.raises(UpstreamError, match=r"corrupted.*UNICOMP_UPSTREAM=off"):
        empty.begin()


def test_finding_a_checkpoint_for_a_plan_takes_nothing(pushed, empty, asked):
    assert empty.find(CHECKPOINTS, KEY) is None
    assert asked == []
    assert isinstance(Builder(store=empty, roots=()).store, Store)


def test_an_object_store_whose_objects_appear_whole_is_used_as_it_is(store, cache, tmp_path):
    url = "memory://company/unicomp"
    try:
        assert cache("push", store.home, "--upstream", url)[0] == 0
        assert cache("pull", tmp_path / "other", "--upstream", url)[0] == 0
        found = open_store(tmp_path / "empty", url).build(CHECKPOINTS, IDENTITY, must_not_build)
        assert found.taken
        assert log_of(Store(tmp_path / "other")).read() == log_of(store).read()
    finally:
        Objects(url)._fs.store.clear()

"""The lock: pinned rows are read as pinned, and a damaged lock is an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.data.lock import LOCK_FILE, Pin, load_lock, write_lock
from unicomp.data.sources import Source
from unicomp.errors import SpecError, StoreError
from unicomp.mirror.needs import NeededRows
from unicomp.mirror.survey import check_pinned
from unicomp.store import Store, file_digest

COMMIT = "0123456789abcdef" * 2 + "01234567"
SHA = "ab" * 32
ENTRY = {"revision": COMMIT, "files": {"main/test.jsonl": SHA}, "rows": {"main": {"test": 3}}}

hex_of = st.text("0123456789abcdef", min_size=64, max_size=64)
pins = st.builds(
    Pin,
    revision=hex_of.map(lambda text: text[:40]),
    files=st.dictionaries(st.text(min_size=1), hex_of, max_size=3),
    rows=st.dictionaries(st.text(), st.dictionaries(st.text(), st.integers(0)), max_size=3),
)


def test_no_lock_pins_nothing(tmp_path):
    assert load_lock(tmp_path) == {}


@given(lock=st.dictionaries(st.text(min_size=1), pins, max_size=3))
def test_what_is_written_is_read(tmp_path_factory, lock):
    root = tmp_path_factory.mktemp("lock")
    write_lock(root, lock)
    assert load_lock(root) == lock


def test_a_lock_reads_well_and_does_not_change_by_itself(tmp_path):
    lock = {"tiny/b": Pin(**ENTRY), "tiny/a": Pin(**ENTRY)}
    write_lock(tmp_path, lock)
    text = (tmp_path / LOCK_FILE).read_text()
    assert list(json.loads(text)) == ["tiny/a", "tiny/b"]
    assert len(text.splitlines()) > 10
    write_lock(tmp_path, dict(reversed(load_lock(tmp_path).items())))
    assert (tmp_path / LOCK_FILE).read_text() == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ("<<<<<<< ours\n", "is not JSON: Expecting value, line 1"),
        ("[]", "must be a table of data sets"),
        ("\xff", "is not JSON"),
    ],
)
def test_a_damaged_lock_is_refused_in_one_line(tmp_path, text, reason):
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(SpecError, match=reason) as refusal:
        load_lock(tmp_path)
    assert str(tmp_path / LOCK_FILE) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_lock_that_is_not_text_is_refused(tmp_path):
    (tmp_path / LOCK_FILE).write_bytes(b'{"\xff": 1}')
    with pytest.raises(SpecError, match="is not UTF-8 text"):
        load_lock(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"revision": "main"},
        {"revision": None},
        {"revision": COMMIT.upper()},
        {"files": ["main/test.jsonl"]},
        {"files": {"main/test.jsonl": "abc"}},
        {"files": {"main/test.jsonl": None}},
        {"rows": {"main": 3}},
        {"rows": {"main": {"test": "3"}}},
        {"rows": {"main": {"test": True}}},
        {"rows": {"main": {"test": -1}}},
        {"note": "a word more"},
    ],
    ids=str,
)
def test_an_entry_that_does_not_pin_is_refused_by_name(tmp_path, changed):
    (tmp_path / LOCK_FILE).write_text(json.dumps({"tiny/quiz": ENTRY | changed}))
    with pytest.raises(SpecError, match=r"unicomp\.lock: tiny/quiz"):
        load_lock(tmp_path)


@pytest.mark.parametrize("name", sorted(ENTRY))
def test_an_entry_that_lacks_something_is_refused(tmp_path, name):
    entry = {key: value for key, value in ENTRY.items() if key != name}
    (tmp_path / LOCK_FILE).write_text(json.dumps({"tiny/quiz": entry}))
    with pytest.raises(SpecError, match="must have revision, files and rows"):
        load_lock(tmp_path)


def test_a_lock_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        write_lock(tmp_path / "file", {})


# -- sources --------------------------------------------------------------------------------------

LOCK = {"tiny/quiz": Pin(**ENTRY)}


def test_pinned_rows_of_the_hub_are_read_at_their_revision_and_identified_by_it():
    hub = Source("hub", LOCK)
    assert hub.revision("tiny/quiz") == COMMIT
    assert hub.identity("tiny/quiz", file_digest) == {"revision": COMMIT}


def test_unpinned_rows_of_the_hub_have_no_revision_and_no_identity():
    hub = Source("hub", LOCK)
    assert hub.revision("tiny/other") is None
    assert hub.identity("tiny/other", file_digest) is None


def test_embedded_rows_need_no_lock():
    source = Source("embedded", {"openai/gsm8k": Pin(**ENTRY)})
    assert source.pin("openai/gsm8k") is None
    assert source.revision("openai/gsm8k") is None


def test_a_source_with_a_lock_can_stand_in_a_set():
    assert len({Source("hub", LOCK), Source("hub", LOCK), Source("hub")}) == 2


@pytest.fixture
def mirror(tmp_path):
    """A mirror of one data set, with the lock that pins it."""
    rows = tmp_path / "mirror/tiny/quiz/test.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text('{"q": 1}\n')
    pin = Pin(revision=COMMIT, files={"test.jsonl": file_digest(rows)})
    return Source(str(tmp_path / "mirror"), {"tiny/quiz": pin})


NEEDS = [NeededRows(dataset="tiny/quiz", splits=frozenset({"test"}))]


def test_a_mirror_that_is_as_the_lock_says_is_accepted(mirror):
    check_pinned(mirror, NEEDS)
    assert mirror.revision("tiny/quiz") is None  # a folder has no revisions
    assert mirror.identity("tiny/quiz", file_digest) == mirror.lock["tiny/quiz"].files


def test_a_changed_file_is_refused_by_name(mirror, tmp_path):
    path = mirror.folder / "tiny/quiz/test.jsonl"
    store = Store(tmp_path / "home")
    check_pinned(mirror, NEEDS, store.digest_of)
    path.write_text('{"q": 2, "more": 0}\n')
    with pytest.raises(SpecError, match=r"test\.jsonl is not the file that unicomp\.lock") as e:
        check_pinned(mirror, NEEDS, store.digest_of)
    assert str(path) in str(e.value)
    assert "\n" not in str(e.value)


def test_a_file_that_has_come_later_is_refused(mirror):
    (mirror.folder / "tiny/quiz/test-more.jsonl").write_text('{"q": 3}\n')
    with pytest.raises(SpecError, match=r"test-more\.jsonl is not in unicomp\.lock"):
        check_pinned(mirror, NEEDS)


def test_a_pinned_file_that_is_gone_is_refused_by_name(mirror):
    path = mirror.folder / "tiny/quiz/test.jsonl"
    path.unlink()
    with pytest.raises(SpecError, match=r"is not there, but unicomp\.lock pins it") as e:
        check_pinned(mirror, NEEDS)
    assert str(path) in str(e.value)
    assert "\n" not in str(e.value)


def test_what_is_not_read_is_not_checked(mirror):
    (mirror.folder / "tiny/quiz/test.jsonl").write_text("changed")
    check_pinned(mirror, [NeededRows(dataset="tiny/other", splits=frozenset({"test"}))])
    check_pinned(Source("hub", mirror.lock), NEEDS)
    check_pinned(Source(str(mirror.folder)), NEEDS)

"""A candidate that is judged again on other items is looked at again; the store remembers it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unicomp import cache
from unicomp.decision import LEVEL
from unicomp.errors import StoreError
from unicomp.findings import findings_of
from unicomp.framework import Profile
from unicomp.looks import look_again
from unicomp.policy import Policy
from unicomp.policy_entry import Entry
from unicomp.scorecard import scorecard
from unicomp.spec import CheckpointId
from unicomp.store import LOOKS, Store, content_key
from unicomp.verdict import Row

PROFILE = Profile("two", {"knowledge": ("arc_easy",), "safety": ("misuse", "xstest")})
PRUNED = CheckpointId("m", "wanda_50", "generic")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def answered(benchmark, metric, n=100, **about):
    """A row of a benchmark of which the first `n` items were answered."""
    row = {
        "score": 80.0,
        "dense": 80.0,
        "retention": 100.0,
        "low": 98.0,
        "high": 102.0,
        "n": n,
        "floor": 90.0,
        "verdict": "pass",
        "candidate": content_key({"of": "wanda"}),
        "baseline": content_key({"of": "dense"}),
        "items": content_key({"items": n}),
        **about,
    }
    return Row(**PRUNED._asdict(), benchmark=benchmark, metric=metric, **row)


def knowledge(n=100, **about):
    return [answered("arc_easy", "knowledge", n, **about)]


def safety(n=100, **about):
    return [answered(name, "safety", n, **about) for name in ("misuse", "xstest")]


def look(store, rows, policy=None):
    """The number of the look at the pruned checkpoint, and the changes of the policy."""
    policy = policy or Policy()
    card = scorecard(rows, {"m": PROFILE}, policy)
    numbers, changes = look_again(store, card.rows, card.metrics, {"m": PROFILE}, policy)
    return numbers.get(PRUNED, 1), changes


def number(store, rows, policy=None):
    return look(store, rows, policy)[0]


# -- which look it is -----------------------------------------------------------------------------


def test_more_items_are_another_look(store):
    assert [number(store, knowledge(n)) for n in (100, 200, 400)] == [1, 2, 3]


def test_the_same_items_again_are_the_same_look(store):
    assert [number(store, knowledge(n)) for n in (100, 100, 200, 200, 100)] == [1, 1, 2, 2, 1]


def test_another_metric_is_no_further_look_at_the_first(store):
    assert number(store, knowledge()) == 1
    assert number(store, safety()) == 1
    assert number(store, [*knowledge(), *safety()]) == 1


def test_the_metric_that_was_judged_most_often_counts(store):
    number(store, [*knowledge(100), *safety(100)])
    number(store, safety(200))
    assert number(store, [*knowledge(300), *safety(300)]) == 3
    assert number(store, knowledge(300)) == 2


def test_a_metric_that_could_not_be_judged_is_not_counted(store):
    alone = safety(50)[:1]  # xstest was not run
    assert number(store, alone) == 1
    assert number(store, safety(100)) == 1


def test_a_guard_that_is_seen_again_is_no_look(store):
    outside = [answered("mine", None, n, tier="guard") for n in (100, 200)]
    assert [number(store, [row]) for row in outside] == [1, 1]


def test_a_critical_benchmark_that_is_seen_again_is(store):
    outside = [answered("mine", None, n, tier="critical") for n in (100, 200)]
    assert [number(store, [row]) for row in outside] == [1, 2]


def test_another_floor_does_not_start_the_count_anew(store):
    assert number(store, knowledge(100), Policy(general={"knowledge": 95.0})) == 1
    assert number(store, knowledge(200), Policy(general={"knowledge": 94.9})) == 2


def test_another_candidate_and_another_baseline_begin_at_one(store):
    number(store, knowledge(100))
    assert number(store, knowledge(200, candidate="b" * 32)) == 1
    assert number(store, knowledge(200, baseline="b" * 32)) == 1


def test_the_dense_model_is_not_looked_at(store):
    assert look(store, knowledge(candidate="a" * 32, baseline="a" * 32)) == (1, [])
    assert not (store.home / LOOKS).exists()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_number_is_the_place_among_the_different_items(tmp_path_factory, sizes):
    store = Store(tmp_path_factory.mktemp("store"))
    order = list(dict.fromkeys(sizes))
    assert [number(store, knowledge(100 * n)) for n in sizes] == [order.index(n) + 1 for n in sizes]


def test_a_later_look_must_pass_at_a_lower_level(store):
    number(store, knowledge(100))
    rows = knowledge(200)
    numbers = {PRUNED: number(store, rows)}
    card = scorecard(rows, {"m": PROFILE}, Policy(), looks=numbers)
    assert card.levels[PRUNED] == LEVEL / 2
    assert not card.bound.holds
    assert card.bound.opening == pytest.approx(1.5 * LEVEL)


# -- a changed policy -----------------------------------------------------------------------------


def test_a_floor_that_was_lowered_after_the_answers_were_seen_is_named(store):
    look(store, knowledge(), Policy(general={"knowledge": 90.0}))
    _, changes = look(store, knowledge(), Policy(general={"knowledge": 80.0}))
    (change,) = changes
    assert (change.name, change.key, change.old, change.new) == ("knowledge", "floor", 90.0, 80.0)
    assert (change.checkpoint, change.seen) == (PRUNED, 100)
    assert str(change) == "floor of knowledge@wanda_50 (m) 90 -> 80"


def test_a_change_stays_named_until_it_is_taken_back(store):
    before, after = (Policy(general={"knowledge": floor}) for floor in (90.0, 80.0))
    found = [look(store, knowledge(), policy)[1] for policy in (before, after, after, before)]
    assert [len(changes) for changes in found] == [0, 1, 1, 0]


def test_a_change_is_named_although_more_items_were_asked(store):
    look(store, knowledge(100), Policy(general={"knowledge": 90.0}))
    _, changes = look(store, knowledge(200), Policy(general={"knowledge": 80.0}))
    assert [change.seen for change in changes] == [100]


@pytest.mark.parametrize(
    ("changed", "key", "new"),
    [
        ({"entries": {"knowledge": Entry(tier="advisory")}}, "tier", "advisory"),
        ({"allow": {"knowledge": "it is known"}}, "allowed", "it is known"),
    ],
)
def test_a_tier_and_an_allowed_gap_are_part_of_the_policy(store, changed, key, new):
    look(store, knowledge())
    _, changes = look(store, knowledge(), Policy(**changed))
    assert {(change.key, change.new) for change in changes} == {(key, new)}


def test_a_change_elsewhere_in_the_policy_is_not_named(store):
    look(store, knowledge())
    assert look(store, knowledge(), Policy(general={"safety": 50.0}))[1] == []


def test_a_degenerate_benchmark_that_is_allowed_later_is_named(store):
    rows = knowledge(verdict="fail", reason="degenerate: why", retention=None)
    assert number(store, rows) == 1
    _, changes = look(store, rows, Policy(allow={"arc_easy": "known"}))
    assert [(change.name, change.key) for change in changes] == [("arc_easy", "allowed")]
    assert number(store, knowledge(200)) == 1  # there was nothing that could pass


def test_the_terminal_names_changes_in_one_line():
    from unicomp.looks import PolicyChange
    from unicomp.report import decision

    change = PolicyChange(
        **PRUNED._asdict(), name="knowledge", key="floor", old=90.0, new=80.0, seen=9, date="2026"
    )
    card = replace(scorecard(knowledge(), {"m": PROFILE}, Policy()), policy_changes=(change,) * 5)
    (line,) = (one for one in decision.lines(card, findings_of(card)) if "changed" in one)
    assert line.count("90 -> 80") == 3
    assert line.endswith("; and 2 more.")


# -- the store ------------------------------------------------------------------------------------


def test_looks_are_listed_and_are_not_pruned(store):
    look(store, knowledge())
    assert [entry.label for entry in cache.entries(store) if entry.kind == LOOKS] == [
        "1 candidates"
    ]
    assert cache.prune(store, 0.0) == []
    assert number(store, knowledge(200)) == 2


def test_a_repeated_look_is_stored_once(store):
    look(store, knowledge())
    (path,) = (store.home / LOOKS).iterdir()
    before = path.read_text()
    look(store, knowledge())
    assert path.read_text() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"looks": [{}]}'])
def test_a_damaged_memory_is_not_taken_for_none(store, text):
    look(store, knowledge())
    (path,) = (store.home / LOOKS).iterdir()
    path.write_text(text)
    with pytest.raises(StoreError, match="is damaged") as raised:
        look(store, knowledge())
    assert str(path) in str(raised.value)


def test_rows_without_keys_are_not_remembered(store):
    rows = [replace(row, candidate=None, baseline=None, items=None) for row in knowledge()]
    assert look(store, rows) == (1, [])

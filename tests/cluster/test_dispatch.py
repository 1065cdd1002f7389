"""Units run where and when they may: dependencies, nodes, losses, and a schedule near the best."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cluster.virtual import run
from unicomp.cluster.dispatch import Dispatcher
from unicomp.cluster.unit import ATTEMPTS, Needs, Node, Unit
from unicomp.errors import BuildError, SpecError

TWO = [Node(name="a", cpus=2), Node(name="b", cpus=2)]
ALONE = Needs(alone=True)


def build(checkpoint, seconds=10.0, **more):
    return Unit(
        name=f"build {checkpoint}", kind="build", checkpoint=checkpoint, seconds=seconds, **more
    )


def answers(checkpoint, blocks, seconds=1.0, **more):
    return [
        Unit(name=f"{checkpoint} {block}", kind="answer", checkpoint=checkpoint, seconds=seconds,
             **more)
        for block in range(blocks)
    ]  # fmt: skip


def dispatcher_of(nodes, units):
    dispatcher = Dispatcher(nodes)
    for unit in units:
        dispatcher.add(unit)
    return dispatcher


def begun(dispatcher):
    starts = []
    while start := dispatcher.start():
        starts.append(start)
    return starts


# -- rules --------------------------------------------------------------------------------------


def test_a_unit_waits_for_those_that_it_comes_after():
    dispatcher = dispatcher_of(TWO, [build("m"), *answers("m", 2, after=("build m",))])
    (first,) = begun(dispatcher)
    assert first.unit.name == "build m"
    dispatcher.done("build m")
    assert {start.unit.name for start in begun(dispatcher)} == {"m 0", "m 1"}


def test_what_comes_after_a_unit_that_failed_fails_with_the_same_error():
    dispatcher = dispatcher_of(TWO, [build("m"), *answers("m", 2, after=("build m",))])
    begun(dispatcher)
    error = BuildError("the loss is nan")
    ended = dispatcher.failed("build m", error)
    assert [(one.unit.name, one.error) for one in ended] == [
        ("build m", error), ("m 0", error), ("m 1", error),
    ]  # fmt: skip
    assert dispatcher.add(answers("m", 3, after=("build m",))[2])[0].error is error
    assert dispatcher.left == 0


def test_a_checkpoint_is_answered_on_the_node_that_built_it():
    units = [build("m", 1000.0), *answers("m", 40, after=("build m",))]
    dispatcher, nodes = dispatcher_of(TWO, units), set()
    run(dispatcher, lambda start, now: nodes.add(start.worker.node))
    assert len(nodes) == 1


def test_nodes_of_one_store_share_what_is_built():
    nodes = [replace(node, store="nfs") for node in TWO]
    dispatcher = dispatcher_of(nodes, [build("m", 1000.0), *answers("m", 40, after=("build m",))])
    used = Counter()
    run(dispatcher, lambda start, now: used.update([start.worker.node]))
    assert used == {"a": 20, "b": 21} or used == {"a": 21, "b": 20}


def test_a_checkpoint_without_a_build_is_answered_on_every_node():
    used = Counter()
    run(
        dispatcher_of(TWO, answers("dense", 40)),
        lambda start, now: used.update([start.worker.node]),
    )
    assert used == {"a": 20, "b": 20}


def test_a_checkpoint_is_built_again_on_an_idle_node_if_that_is_faster():
    units = [build("m", 10.0), *answers("m", 400, after=("build m",), loading=5.0)]
    dispatcher, builds, times = dispatcher_of(TWO, units), [], []
    times.append(run(dispatcher, lambda s, now: builds.append(s) if s.unit.kind == "build" else 0))
    assert [start.origin for start in builds] == ["build m", "build m"]
    assert {start.worker.node for start in builds} == {"a", "b"}
    assert times[0] < 10 + 5 + 400 / 4 + 10


def test_a_worker_goes_on_with_the_checkpoint_that_it_has_loaded():
    units = [*answers("m", 20, loading=30.0), *answers("n", 20, loading=30.0)]
    loads = Counter()
    run(dispatcher_of(TWO, units), lambda s, now: loads.update([s.unit.checkpoint] * s.loads))
    assert loads == {"m": 2, "n": 2} or sum(loads.values()) == 2


def test_a_checkpoint_is_not_loaded_for_what_others_finish_sooner():
    loads = Counter()
    run(
        dispatcher_of(TWO, answers("m", 20, loading=60.0)),
        lambda start, now: loads.update([start.unit.checkpoint] * start.loads),
    )
    assert loads == {"m": 1}


def test_the_dense_model_comes_first():
    dispatcher = dispatcher_of(
        TWO, [*answers("m", 90, loading=1.0), *answers("dense", 8, loading=1.0, first=True)]
    )
    assert begun(dispatcher)[0].unit.checkpoint == "dense"


def test_timings_have_a_node_for_themselves():
    units = [
        *answers("m", 30),
        *(replace(one, kind="time", needs=ALONE) for one in answers("t", 3, 5.0)),
    ]
    dispatcher, on, alone = dispatcher_of(TWO, units), {}, []

    def watch(start, now):
        end = now + start.unit.seconds
        for name, (other, until) in on.items():
            if other.worker.node == start.worker.node and until > now:
                assert not start.unit.needs.alone, name
                assert not other.unit.needs.alone, name
        on[start.unit.name] = (start, end)
        alone.append(start.unit.needs.alone)

    end = run(dispatcher, watch)
    assert sum(alone) == 3
    assert end <= 18  # the best schedule takes 12


def test_a_unit_that_needs_much_is_not_starved():
    large = Unit(name="large", kind="build", checkpoint="l", needs=Needs(cpus=4), seconds=50.0)
    units = [*answers("m", 400), large]
    starts = {}
    end = run(
        dispatcher_of([Node(name="a", cpus=4)], units),
        lambda start, now: starts.update({start.unit.name: now}),
    )
    assert end <= 151


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (Needs(gpus=2), "needs 1 CPU, 2 GPUs and 0 B of memory; the largest node, a, has 2 CPUs"),
        (Needs(memory=4 << 30), "4.29 GB of memory"),
    ],
)
def test_a_unit_that_no_node_can_run_is_refused_with_the_arithmetic(needs, message):
    with pytest.raises(SpecError, match=message):
        Dispatcher(TWO).add(answers("m", 1, needs=needs)[0])


def test_names_are_checked():
    dispatcher = dispatcher_of(TWO, [build("m")])
    with pytest.raises(SpecError, match="was submitted before"):
        dispatcher.add(answers("m", 1)[0]) or dispatcher.add(answers("m", 1)[0])
    with pytest.raises(SpecError, match="comes after 'nothing', which was not submitted"):
        dispatcher.add(answers("n", 1, after=("nothing",))[0])
    with pytest.raises(SpecError, match="two units that build it"):
        dispatcher.add(replace(build("m"), name="other"))


# -- checkpoints that nodes had before ------------------------------------------------------------

HAS = [TWO[0], replace(TWO[1], checkpoints=frozenset({"k"}))]


def test_a_checkpoint_is_found_on_the_node_that_has_it():
    dispatcher = dispatcher_of(HAS, [build("m", key="k"), *answers("m", 4, after=("build m",))])
    assert {start.worker.node for start in begun(dispatcher)} == {"b"}
    dispatcher.done("build m")
    assert {start.worker.node for start in begun(dispatcher)} == {"b"}


def test_a_build_whose_result_nobody_needs_ends_at_once_where_a_node_has_the_checkpoint():
    dispatcher = Dispatcher(HAS)
    ((unit, error),) = dispatcher.add(build("m", key="k", known=True))
    assert (unit.name, error) == ("build m", None)
    dispatcher.add(answers("m", 1)[0])
    (start,) = begun(dispatcher)
    assert (start.unit.name, start.worker.node) == ("m 0", "b")
    assert dispatcher.add(build("n", key="other", known=True)) == []


def test_a_checkpoint_that_cannot_be_used_where_it_was_found_fails():
    dispatcher = dispatcher_of(HAS, [build("m", key="k"), *answers("m", 1)])
    begun(dispatcher)
    error = BuildError("the disk is full")
    assert {one.error for one in dispatcher.failed("build m", error)} == {error}


def test_what_only_a_lost_node_had_is_built_elsewhere():
    dispatcher = Dispatcher(HAS)
    dispatcher.add(build("m", key="k", known=True))
    dispatcher.add(answers("m", 1)[0])
    begun(dispatcher)
    dispatcher.node_lost("b")
    (start,) = begun(dispatcher)
    assert (start.origin, start.worker.node) == ("build m", "a")
    dispatcher.node_added(HAS[1])  # its answers need not wait for the build
    assert [start.worker.node for start in begun(dispatcher)] == ["b"]


@pytest.mark.parametrize(("seconds", "builds"), [(5.0, 1), (500.0, 0)])
def test_a_checkpoint_is_built_again_only_if_that_is_expected_to_be_faster(seconds, builds):
    """The node that has it is busy with other work, whose workers go on with it."""
    dispatcher, started = Dispatcher([replace(one, cpus=1) for one in HAS]), []
    for unit in (build("m", key="k", known=True), build("n", key="k", known=True)):
        dispatcher.add(unit)
    dispatcher.expect("m", seconds)
    dispatcher.expect("n", 1000.0)
    for unit in (*answers("n", 60), *answers("m", 30)):
        dispatcher.add(unit)
    run(dispatcher, lambda start, now: started.append(start))
    assert sum(start.unit.kind == "build" for start in started) == builds


# -- losses -------------------------------------------------------------------------------------


def test_a_lost_unit_runs_again_elsewhere():
    dispatcher = dispatcher_of(TWO, answers("m", 1))
    (first,) = begun(dispatcher)
    assert dispatcher.lost(first.worker.number, "killed") == []
    (second,) = begun(dispatcher)
    assert second.worker.node != first.worker.node


def test_a_unit_that_is_lost_each_time_fails_with_the_reason():
    dispatcher = dispatcher_of(TWO, answers("m", 1))
    for _ in range(ATTEMPTS):
        (start,) = begun(dispatcher)
        ended = dispatcher.lost(start.worker.number, "out of memory")
    assert str(ended[0].error).startswith("m 0: its worker was lost 3 times, the last time on ")
    assert str(ended[0].error).endswith("out of memory")
    assert begun(dispatcher) == []


def test_what_was_built_on_a_lost_node_is_built_again():
    dispatcher = dispatcher_of(TWO, [build("m"), *answers("m", 3, after=("build m",))])
    (first,) = begun(dispatcher)
    assert [one.unit.name for one in dispatcher.done("build m")] == ["build m"]
    begun(dispatcher)
    assert dispatcher.node_lost(first.worker.node) == []
    (again,) = begun(dispatcher)
    assert (again.origin, again.unit.kind) == ("build m", "build")
    assert again.worker.node != first.worker.node
    assert dispatcher.done(again.unit.name) == []  # nobody waits for it
    assert {start.unit.name for start in begun(dispatcher)} <= {"m 0", "m 1", "m 2"}


def test_nothing_begins_on_a_node_that_is_held():
    dispatcher = dispatcher_of(TWO, answers("m", 4))
    dispatcher.hold("a")
    assert {start.worker.node for start in begun(dispatcher)} == {"b"}
    dispatcher.release("a")
    assert {start.worker.node for start in begun(dispatcher)} == {"a"}


def test_nothing_is_built_again_for_a_checkpoint_that_nobody_needs():
    dispatcher = dispatcher_of(TWO, [build("m")])
    (first,) = begun(dispatcher)
    dispatcher.done("build m")
    dispatcher.node_lost(first.worker.node)
    assert begun(dispatcher) == []


def test_units_that_only_a_lost_node_could_run_fail():
    nodes = [Node(name="a", cpus=2), Node(name="big", cpus=8)]
    dispatcher = dispatcher_of(nodes, answers("m", 1, needs=Needs(cpus=8)))
    (one,) = dispatcher.node_lost("big")
    assert "the largest node, a, has 2 CPUs" in str(one.error)
    dispatcher.add(answers("n", 1)[0])
    (other,) = dispatcher.node_lost("a")
    assert "no node is left" in str(other.error)


def test_a_cancelled_unit_does_not_begin_and_its_outcome_is_dropped():
    dispatcher = dispatcher_of(TWO, answers("m", 6))
    running = begun(dispatcher)
    dispatcher.cancel([f"m {block}" for block in range(6)])
    for start in running:
        assert dispatcher.done(start.unit.name) == []
    assert begun(dispatcher) == []
    assert dispatcher.left == 0


# -- properties ---------------------------------------------------------------------------------

NEEDS = st.builds(
    Needs,
    cpus=st.integers(1, 3),
    gpus=st.integers(0, 1),
    alone=st.sampled_from([False, False, False, True]),
)


@st.composite
def clusters(draw):
    nodes = [
        Node(
            name=f"n{index}",
            cpus=draw(st.integers(1, 4)),
            gpus=draw(st.integers(0, 2)),
            store=draw(st.sampled_from(["", "nfs"])),
        )
        for index in range(draw(st.integers(1, 4)))
    ]
    fitting = NEEDS.filter(lambda needs: any(node.has(needs) for node in nodes))
    try:
        needs = [draw(fitting) for _ in range(3)]
    except Exception:
        needs = [Needs()]
    units = []
    for checkpoint in range(draw(st.integers(1, 4))):
        after = ()
        if draw(st.booleans()):
            seconds = draw(st.sampled_from([0.0, 1.0, 20.0]))
            units.append(build(f"c{checkpoint}", seconds, needs=draw(st.sampled_from(needs))))
            after = (units[-1].name,) if draw(st.booleans()) else ()
        for block in range(draw(st.integers(0, 6))):
            one = Unit(
                name=f"c{checkpoint} {block}",
                kind=draw(st.sampled_from(["answer", "answer", "time"])),
                checkpoint=f"c{checkpoint}",
                needs=draw(st.sampled_from(needs)),
                seconds=draw(st.sampled_from([0.0, 1.0, 5.0])),
                loading=draw(st.sampled_from([0.0, 2.0, 50.0])),
                first=draw(st.booleans()),
                after=after
                + ((draw(st.sampled_from(units)).name,) if units and draw(st.booleans()) else ()),
            )
            units.append(one)
    return nodes, units


@settings(max_examples=100)
@given(clusters(), st.data())
def test_every_unit_ends_once_whatever_is_lost(cluster, data):
    nodes, units = cluster
    dispatcher = Dispatcher(nodes)
    alive = {node.name: node for node in nodes}
    todo = list(units)
    running, ended, done, cancelled = {}, Counter(), set(), set()
    stores = {}

    def note(endings):
        for one in endings:
            ended[one.unit.name] += 1
            assert one.unit.name not in cancelled

    def submit():
        unit = todo.pop(0)
        try:
            note(dispatcher.add(unit))
        except SpecError:
            assert not any(node.has(unit.needs) for node in alive.values())
            cancelled.add(unit.name)
            for other in list(todo):
                if set(other.after) & cancelled:
                    cancelled.add(other.name)
                    todo.remove(other)

    for _ in range(data.draw(st.integers(0, len(todo)))):
        submit()
    losses = 0
    while True:
        while start := dispatcher.start():
            place = start.worker.node
            closed = {worker.number for worker in start.closes}
            assert not closed & {other.worker.number for other in running.values()}
            assert start.worker.number not in [o.worker.number for o in running.values()]
            here = [o for o in running.values() if o.worker.node == place]
            assert not (here and start.unit.needs.alone)
            assert not any(other.unit.needs.alone for other in here)
            assert sum(o.unit.needs.cpus for o in [*here, start]) <= alive[place].cpus
            assert sum(o.unit.needs.gpus for o in [*here, start]) <= alive[place].gpus
            assert all(name in done | cancelled for name in start.unit.after)
            if start.unit.kind != "build" and any(
                u.kind == "build" and u.checkpoint == start.unit.checkpoint
                and u not in todo and u.name not in cancelled
                for u in units
            ):  # fmt: skip
                assert (alive[place].store or place) in stores.get(start.unit.checkpoint, ())
            running[start.unit.name] = start
        choices = ["done"] * 6 * bool(running) + ["submit"] * 3 * bool(todo)
        if not choices:
            break
        if losses < 6:
            choices += ["fail", "lose"] * bool(running) + ["node"] * (len(alive) > 0)
            choices += ["cancel"]
        event = data.draw(st.sampled_from(choices))
        if event == "submit":
            submit()
            continue
        if event == "node":
            losses += 1
            name = data.draw(st.sampled_from(sorted(alive)))
            gone = alive.pop(name)
            running = {n: s for n, s in running.items() if s.worker.node != name}
            if not gone.store or not any(node.store == gone.store for node in alive.values()):
                for has in stores.values():
                    has.discard(gone.store or name)
            note(dispatcher.node_lost(name))
            continue
        if event == "cancel":
            losses += 1
            names = [unit.name for unit in units if unit not in todo and not ended[unit.name]]
            names = data.draw(st.lists(st.sampled_from(names), max_size=2)) if names else []
            cancelled |= set(names)
            before = [task for task in dispatcher._backlog.tasks.values() if task.state != "ended"]
            dispatcher.cancel(names)
            # what comes after a build that never began goes with it
            cancelled |= {task.origin for task in before if task.state == "ended"}
            continue
        start = running.pop(data.draw(st.sampled_from(sorted(running))))
        if event == "done":
            if start.unit.kind == "build":
                node = alive[start.worker.node]
                stores.setdefault(start.unit.checkpoint, set()).add(node.store or node.name)
            done.add(start.unit.name)
            note(dispatcher.done(start.unit.name))
        elif event == "fail":
            losses += 1
            note(dispatcher.failed(start.unit.name, BuildError("no")))
        else:
            losses += 1
            note(dispatcher.lost(start.worker.number))
    assert dispatcher.left == 0
    assert all(ended[unit.name] == 1 for unit in units if unit.name not in cancelled)
    assert all(not ended[name] for name in cancelled)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 100)), max_size=30))
def test_a_schedule_without_loading_ends_at_most_one_unit_later_than_the_work_takes(work):
    units = [
        replace(answers(f"c{checkpoint}", 1, seconds)[0], name=str(index))
        for index, (checkpoint, seconds) in enumerate(work)
    ]
    seconds = [unit.seconds for unit in units]
    assert run(dispatcher_of(TWO, units)) <= sum(seconds) / 4 + max(seconds, default=0) + 1e-6


# -- cost ---------------------------------------------------------------------------------------


def matrix(checkpoints, blocks):
    """Builds of 100 s, each with blocks of 3 s, and 9 s to load it."""
    units = []
    for checkpoint in range(checkpoints):
        units.append(build(f"c{checkpoint}", 100.0))
        units += answers(f"c{checkpoint}", blocks, 3.0, after=(units[-1].name,), loading=9.0)
    return units


def test_a_matrix_is_done_in_little_more_than_its_work_takes():
    nodes = [Node(name=f"n{index}", cpus=8, store="nfs") for index in range(4)]
    units = matrix(20, 100)
    before = time.process_time()
    end = run(dispatcher_of(nodes, units))
    assert end <= 1.1 * (100 + 9 + 20 * 100 * 3 / 32)  # the builds have no use for all workers
    assert (time.process_time() - before) / len(units) < 1e-3


@pytest.mark.long
def test_ten_thousand_units_cost_less_than_a_millisecond_each():
    nodes = [Node(name=f"n{index}", cpus=8, store="nfs") for index in range(8)]
    units = matrix(50, 199)
    before = time.process_time()
    end = run(dispatcher_of(nodes, units))
    assert end <= 1.1 * (100 + 9 + 50 * 199 * 3 / 64)
    assert (time.process_time() - before) / len(units) < 1e-3

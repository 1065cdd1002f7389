"""A simulated schedule keeps what any schedule keeps: its bounds, its order, its room."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from unicomp.cluster.unit import Needs, Node, Unit
from unicomp.cost.schedule import least_seconds, simulate

SECONDS = st.floats(0.1, 100.0)


@st.composite
def runs(draw):
    """Units of some checkpoints as a run has them, and nodes."""
    nodes = [
        Node(name=f"n{place}", cpus=64, gpus=draw(st.integers(1, 4)))
        for place in range(draw(st.integers(1, 3)))
    ]
    most = max(node.gpus for node in nodes)
    units = []
    for number in range(draw(st.integers(1, 4))):
        checkpoint = f"c{number}"
        needs = Needs(gpus=draw(st.integers(1, most)))
        loading = draw(st.floats(0.0, 20.0))
        built: tuple[str, ...] = ()
        if draw(st.booleans()):
            build = Unit(
                name=f"{checkpoint}: build",
                kind="build",
                checkpoint=checkpoint,
                needs=needs,
                seconds=draw(SECONDS),
            )
            units.append(build)
            built = (build.name,)
        answers = [
            Unit(
                name=f"{checkpoint}: block {block}",
                kind="answer",
                checkpoint=checkpoint,
                needs=needs,
                seconds=draw(SECONDS),
                loading=loading,
                after=built,
                first=not built,
            )
            for block in range(draw(st.integers(1, 6)))
        ]
        units += answers
        if draw(st.booleans()):
            units.append(
                Unit(
                    name=f"{checkpoint}: timing",
                    kind="time",
                    checkpoint=checkpoint,
                    needs=Needs(gpus=needs.gpus, alone=True),
                    seconds=draw(SECONDS),
                    after=(*built, *(answer.name for answer in answers)),
                )
            )
    return units, nodes


@given(runs())
def test_a_run_is_no_shorter_than_its_critical_path_or_its_work(run):
    units, nodes = run
    schedule = simulate(units, nodes)
    gpus = sum(node.gpus for node in nodes)
    work = sum(unit.seconds * unit.needs.gpus for unit in units)
    assert schedule.seconds >= schedule.critical_seconds - 1e-6
    assert schedule.seconds >= work / gpus - 1e-6
    assert schedule.gpu_seconds >= work - 1e-6


@given(runs())
def test_a_run_is_no_longer_than_everything_one_after_the_other(run):
    units, nodes = run
    schedule = simulate(units, nodes)
    assert schedule.seconds <= sum(one.seconds for one in schedule.ran) + 1e-6


@given(runs())
def test_every_unit_runs_once_and_after_those_that_it_follows(run):
    units, nodes = run
    schedule = simulate(units, nodes)
    ended = {one.unit.name: one.end for one in schedule.ran}
    begun = {one.unit.name: one.start for one in schedule.ran}
    assert ended.keys() >= {unit.name for unit in units}
    assert len(ended) == len(schedule.ran)
    for unit in units:
        assert all(ended[before] <= begun[unit.name] for before in unit.after)


@given(runs())
def test_no_node_gives_more_gpus_than_it_has(run):
    units, nodes = run
    schedule = simulate(units, nodes)
    changes = defaultdict(list)
    for one in schedule.ran:
        changes[one.node] += [(one.start, one.unit.needs.gpus), (one.end, -one.unit.needs.gpus)]
    for node in nodes:
        held = 0
        for _, change in sorted(changes[node.name]):
            held += change
            assert held <= node.gpus


@given(runs())
def test_the_critical_path_is_a_chain_of_units_that_follow_each_other(run):
    units, nodes = run
    path = simulate(units, nodes).critical_path
    assert all(before.name in after.after for before, after in pairwise(path))
    assert all(not unit.after for unit in path[:1])
    assert sum(map(least_seconds, path)) >= max(map(least_seconds, units)) - 1e-6


def test_one_worker_loads_each_checkpoint_once():
    units = [
        Unit(
            name=f"{name} {block}",
            kind="answer",
            checkpoint=name,
            needs=Needs(gpus=1),
            seconds=10.0,
            loading=5.0,
        )
        for block in range(3)
        for name in ("a", "b")
    ]
    schedule = simulate(units, [Node(name="n", cpus=8, gpus=1)])
    assert schedule.seconds == 70.0
    assert sum(one.loaded for one in schedule.ran) == 2

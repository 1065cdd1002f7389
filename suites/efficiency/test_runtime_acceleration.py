"""Runtime acceleration: how much faster the checkpoint answers than the dense model.

Both are loaded and get the same fresh random prompts in turn. Every request generates exactly the
tokens of its load. The paper's load has prompts of 1024 tokens and answers of 16, so most of the
time goes into reading; the second load generates as much as it reads. Timings belong to one
machine, so they have no floor unless one is set; a limit (`[limits]` in `unicomp.toml`) names its
machine.
"""

from functools import partial

import pytest

from unicomp import Load, Probe

reading = partial(Load, prompt_tokens=1024, new_tokens=16)
generating = partial(Load, prompt_tokens=128, new_tokens=128)
timed = partial(Probe, metric="runtime_acceleration")

throughput = timed(name="throughput", quantity="throughput", load=reading(concurrency=8))
"""Tokens a second, read and generated, with eight requests at a time."""

latency = timed(name="latency", quantity="latency", load=reading())
"""Seconds of a single request, to its last token."""

latency_at_8 = timed(name="latency_at_8", quantity="latency", load=reading(concurrency=8))
"""Seconds of eight requests that are sent together, to the last token of the last one: the same
rounds as those of the throughput, seen by who waits for an answer."""

time_to_first_token = timed(
    name="time_to_first_token", quantity="time_to_first_token", load=reading()
)
inter_token_latency = timed(
    name="inter_token_latency", quantity="inter_token_latency", load=reading()
)
"""The same requests in parts: reading the prompt, and each further token."""

generating_throughput = timed(
    name="generating_throughput", quantity="throughput", load=generating(concurrency=8)
)
generating_latency = timed(name="generating_latency", quantity="latency", load=generating())
"""The load in which most of the time goes into generating."""

sweep = [
    timed(
        name=f"throughput_at_{requests}",
        quantity="throughput",
        load=reading(concurrency=requests),
        served=True,
    )
    for requests in (1, 8, 64)
]
"""Requests in flight at a server; run only with `-m concurrency`."""

saturated_throughput = timed(
    name="saturated_throughput",
    quantity="throughput",
    load=reading(concurrency=1000),
    served=True,
)
"""As many requests as the server takes: a thousand are sent together, as `vllm bench throughput`
does by default, and the server's own settings and memory decide how many of them it answers at a
time. A smaller checkpoint leaves room for more. Run only with `-m concurrency`."""

benched = [
    timed(
        name="vllm_bench_throughput",
        quantity="throughput",
        load=reading(concurrency=8),
        bench=True,
    ),
    timed(name="vllm_bench_latency", quantity="latency", load=reading(), bench=True),
]
"""The paper's load in vLLM's own benchmark; run only with `-m vllm_bench`, and no part of the
metric."""


@pytest.mark.parametrize(
    "probe",
    [
        throughput,
        latency,
        latency_at_8,
        time_to_first_token,
        inter_token_latency,
        generating_throughput,
        generating_latency,
    ],
    ids=str,
)
def test_runtime_is_accelerated(probe, gain, floor):
    assert gain(probe) >= floor(probe)


@pytest.mark.concurrency
@pytest.mark.parametrize("probe", [*sweep, saturated_throughput], ids=str)
def test_throughput_holds_under_load(probe, gain, floor):
    assert gain(probe) >= floor(probe)


@pytest.mark.vllm_bench
@pytest.mark.parametrize("probe", benched, ids=str)
def test_vllm_bench_agrees(probe, gain, floor):
    assert gain(probe) >= floor(probe)

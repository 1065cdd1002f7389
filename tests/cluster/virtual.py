"""Drives a dispatcher by a clock of its own: units take as long as they are expected to."""

import heapq


def run(dispatcher, on_start=lambda start, now: None):
    """Let everything run; returns the time at which the last unit ends."""
    now, events, order = 0.0, [], 0
    while True:
        while start := dispatcher.start():
            on_start(start, now)
            order += 1
            end = now + start.unit.seconds + start.unit.loading * start.loads
            heapq.heappush(events, (end, order, start.unit.name))
        if not events:
            return now
        now, _, name = heapq.heappop(events)
        dispatcher.done(name)

"""What is printed before a run that may stop early: how many benchmarks may, and why others not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from unicomp.spec import CheckpointId

Asked = Mapping[CheckpointId, Collection[str]]
"""Compressed checkpoint → the names of its benchmarks."""


def notice(
    asked: Asked,
    in_full: Mapping[CheckpointId, Mapping[str, str]],
    uncounted: Collection[str] = (),
) -> list[str]:
    """A line with the number of benchmarks that may stop, and one for each reason against it.

    `in_full` is checkpoint → benchmark → the reason. A benchmark that runs in full for some
    checkpoints only is named as NAME@METHOD. The items of `uncounted` benchmarks are not known yet,
    so that they may still turn out to be too few or to come in clusters.
    """
    names = dict.fromkeys(name for own in asked.values() for name in own)
    reasons: dict[str, list[str]] = {}
    stopping = []
    for name in names:
        whose = [one for one, own in asked.items() if name in own]
        why = {one: in_full[one][name] for one in whose if name in in_full.get(one, {})}
        if len(why) < len(whose):
            stopping.append(name)
        everywhere = len(why) == len(whose) and len(set(why.values())) == 1
        for one, reason in why.items():
            known = reasons.setdefault(reason, [])
            shown = name if everywhere else f"{name}@{one.method}"
            if shown not in known:
                known.append(shown)
    lines = [f"--early: {len(stopping)} of {len(names)} benchmarks may stop early"]
    lines += [f"in full: {', '.join(found)} ({reason})" for reason, found in reasons.items()]
    if open_ := [name for name in stopping if name in uncounted]:
        lines.append(f"known once the items are read: {', '.join(open_)}")
    return lines

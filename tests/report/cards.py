"""Scorecards for reports: one in which every section has content, one of the largest size, and one
whose every text is hostile."""

import random
from dataclasses import replace

from tests.test_report import BUILD, ESTIMATE, PUBLISHED, build, gap, row
from unicomp.changes import Comparison, Move, OtherChange, VerdictChange
from unicomp.framework import EMBEDDED_PROFILE, METRICS, Profile
from unicomp.looks import PolicyChange
from unicomp.policy import Policy
from unicomp.scorecard import scorecard
from unicomp.spec import CheckpointId

PROBES = {
    "model_size": ("inference_efficiency", "bytes", 3_089_616.0),
    "inference_memory": ("inference_efficiency", "bytes", 71_237_632.0),
    "throughput": ("runtime_acceleration", "tokens/s", 11_512.4),
    "latency": ("runtime_acceleration", "s", 0.11849),
}
ENVIRONMENT = {
    "command": ["pytest suites -q --method 'dense' -m 'not efficiency'"],
    "packages": {"unicomp": "0.2.0", "torch": "2.13.0+cpu", "datasets": None},
    "models": {"embedded": {"source": "model", "rows": "embedded", "kind": "normal"}},
    "samples": 400,
    "there": {"embedded": {"gsm8k": 1319}},
    "instruments": {"judge": None, "refusal_figures": {"f1": 0.9866666666666667, "n": 1664}},
    "notes": ["mine.txt has few samples"],
}


def sample(kind="lost", item="26cc6427f83f", **texts):
    """A sample of an answer, as a row has it."""
    found = {
        "kind": kind,
        "item": item,
        "prompt": "Question: what is 2 + 2?",
        "right": "4",
        "baseline": "It is 4.",
        "candidate": "It is 5.",
        "baseline_read": "exact 1",
        "candidate_read": "exact 0",
    }
    return found | texts


def probe(name, method, calibration, kept):
    """A row of an efficiency measurement; `kept` in percent of dense, more being better."""
    metric, unit, dense = PROBES[name]
    faster = unit == "tokens/s"
    about = {"unit": unit, "dense": dense, "in_points": False, "higher_is_better": faster, "n": 9}
    score = dense * kept / 100.0 if faster else dense * 100.0 / kept
    low, high = (kept, kept) if method == "dense" else (kept - 1.5, kept + 1.5)
    made = row(
        name,
        metric,
        method=method,
        calibration=calibration,
        retention=kept,
        low=low,
        high=high,
        **about,
    )
    return replace(made, score=score, tier="advisory", floor=None, lost=None, gained=None)


METHODS = (
    ("dense", "none"),
    ("gptq_w4a16", "generic"),
    ("wanda_50", "generic"),
    ("wanda_50", "reasoning"),
    ("wanda_50", "reasoning@43"),
    ("minitron_width", "generic"),
)


def small():
    """The first two checkpoints of `varied`."""
    return varied(METHODS[:2])


def varied(methods=METHODS):
    """A card whose figures all differ: six checkpoints, each verdict, all kinds of findings."""
    drawn = random.Random(0)
    rows = []
    for number, (method, calibration) in enumerate(methods):
        for metric in EMBEDDED_PROFILE:
            for place, name in enumerate(EMBEDDED_PROFILE.benchmarks(metric)):
                kept = 100.0 if method == "dense" else 99.0 - 7.3 * number * drawn.random()
                width = 0.0 if method == "dense" else 0.5 + 6.0 * drawn.random()
                rows.append(
                    row(
                        name,
                        metric,
                        method=method,
                        calibration=calibration,
                        retention=kept,
                        low=kept - width,
                        high=kept + width,
                        floor=90.0 if metric != "safety" else 99.5,
                        samples=() if method == "dense" else (
                            sample(item=f"{place:012x}"),
                            sample("loop", f"{place:011x}f", candidate=f"{method} " * 30),
                        ),
                        divergence={"figures": {"changed": [drawn.uniform(9, 30), 8.5, 31.0]}},
                    )
                )  # fmt: skip
        rows += [probe(name, method, calibration, 100.0 + 17.7 * number) for name in PROBES]
    rows += [
        gap("mine", None, reason="there is no file mine.jsonl", method="wanda_50"),
        row("wikitext", None, method="gptq_w4a16", retention=97.3, in_points=False, n=62),
    ]
    card = scorecard(rows, {"embedded": EMBEDDED_PROFILE}, Policy(), ENVIRONMENT)
    change = PolicyChange(
        **card.rows[-1].checkpoint._asdict(), key="floor", name="reasoning", old=95.0, new=90.0,
        date="2026-01-02", seen=400,
    )  # fmt: skip
    own = {"model": "embedded", "calibration": "generic"}
    work = (
        replace(build("wanda_50", cached=False, **BUILD), **own),
        replace(build("gptq_w4a16", **BUILD | {"seconds": 31.97, "shared_machine": True}), **own),
        replace(build("minitron_width", estimate=ESTIMATE, published=PUBLISHED), **own),
    )
    return replace(card, work=work, policy_changes=(change,), comparison=compared(card))


def compared(card):
    """What changed since a last release: a fall that fails, one by chance, a gain, and the rest."""
    own = {"model": "embedded", "method": "wanda_50", "calibration": "generic"}
    ways = {"old": 97.25, "new": 93.5, "most_fall": 1.0}
    moves = (
        Move(**own, unit="metric", name="knowledge", old=99.0, new=99.0, way="exact"),
        Move(**own, unit="metric", name="reasoning", low=-5.75, high=-1.5, way="paired",
             direction="worse", fails=True, note="2 records are missing", **ways),
        Move(**own, unit="metric", name="safety", low=-8.25, high=0.75, way="intervals", **ways),
        Move(**own, unit="benchmark", name="gsm8k", old=81.0, new=88.5, way="exact",
             direction="better"),
    )  # fmt: skip
    verdict = VerdictChange(**own, unit="metric", name="privacy", old="pass", new=None, worse=True)
    return Comparison(
        baseline="last.json", digest="", old="open", new=card.decision, moves=moves,
        verdicts=(verdict,), others=(OtherChange(aspect="library", name="torch", old="2.12",
                                                 new="2.13.0+cpu"),),
        gone=(CheckpointId("embedded", "awq_w4a16", "generic"),),
        added=(CheckpointId("embedded", "minitron_width", "generic"),), new_metrics=("ethics",),
    )  # fmt: skip


def largest():
    """9 compressed methods and 55 benchmarks, with as many and as long samples as there can be."""
    drawn = random.Random(0)
    names = {metric: [f"benchmark_{metric}_{n}" for n in range(6)] for metric in METRICS[:10]}
    names["knowledge"] = names["knowledge"][:1]
    profile = Profile("large", {metric: tuple(own) for metric, own in names.items()})
    assert sum(map(len, names.values())) == 55
    text = "".join(drawn.choices("abcdefghij <>&\u202e\n", [*[9] * 14, 0.1, 2], k=2060))
    rows = []
    for method in ("dense", *(f"method_{n}" for n in range(9))):
        for metric, own in names.items():
            for name in own:
                found = [
                    sample(kind, f"{drawn.getrandbits(48):012x}", prompt=text, baseline=text,
                           candidate=text, right=text)
                    for kind in ("lost", "lost", "lost", "loop", "loop", "refused", "answered")
                ] if method != "dense" else []  # fmt: skip
                kept = 100.0 if method == "dense" else drawn.uniform(40, 105)
                rows.append(
                    row(name, metric, method=method, retention=kept, low=kept - 3, high=kept + 3,
                        samples=tuple(found))
                )  # fmt: skip
    return scorecard(rows, {"embedded": profile}, Policy(), ENVIRONMENT)


CANARY = "window.canary = (window.canary || 0) + 1"
_ATTACKS = (
    f"<script>{CANARY}</script>",
    f"<img src=x onerror='{CANARY}'>",
    f"<svg onload='{CANARY}'><animate onbegin='{CANARY}' attributeName=x dur=1s>",
    f"</pre></div></td></table><script>{CANARY}</script>",
    f"</style></title></textarea></noscript><script>{CANARY}</script>",
    f"<iframe srcdoc='<script>parent.{CANARY}</script>'></iframe>",
    f"<a href='javascript:{CANARY}' autofocus onfocus='{CANARY}' tabindex=1>x</a>",
    f"<details open ontoggle='{CANARY}'>",
    f'" onmouseover="{CANARY}" autofocus onfocus="{CANARY}" x="',
    f"' onfocus='{CANARY}' autofocus '",
    f"--><!--<script>{CANARY}</script>",
    f"]]><script>{CANARY}</script><![CDATA[",
    f"{{{{ ''.__class__ }}}}{{% for x in range(9) %}}<script>{CANARY}</script>{{% endfor %}}",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror='{CANARY}'>",
    f"<style>@import 'http://canary.invalid/';*{{display:none}}</style><script>{CANARY}</script>",
    "<link rel=stylesheet href=http://canary.invalid/><img src=http://canary.invalid/x.png>",
    "<meta http-equiv=refresh content='0;url=http://canary.invalid/'><base href=http://canary.invalid>",
    "\u202e\u2066gnp.exe\u2069\u202c \u200f\u061c\u2067right to left",
    "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg\u180eh\u034fi\u3164j\u2800k",
    "\x00\x01\x07\x08\x1b[2J\x1b]0;title\x07\x7f\x85\u2028\u2029",
    "Z\u0300" + "\u0301\u0302\u0303\u0304" * 400,
    "\ud800 lone \udfff surrogates \uffff \U000e0041\U000e0042",
    "${alert(1)} `$(reboot)` $x$ \\frac{1}{0} %n%s {0}",
    "&lt;script&gt; &amp;#60;script&#62; &#x3c;script&#x3e;",
    "x" * 1_000_000,
    "\u202e" * 1_000_000,
    "<" * 1_000_000,
    "\n" * 3000,
)


def hostile_answers(count=200):
    """So many answers, each of another kind or with another number in it."""
    return [f"{_ATTACKS[n % len(_ATTACKS)]} #{n}" if n % len(_ATTACKS) < 24
            else f"#{n} {_ATTACKS[n % len(_ATTACKS)]}" for n in range(count)]  # fmt: skip


def hostile(*, names=True):
    """A card whose answers, prompts and reasons are hostile, and with `names` its names, too.

    A scorecard's file has such names refused.
    """
    answers = iter(hostile_answers())
    short = [one for one in _ATTACKS if len(one) < 200]
    named = short if names else [f"name_{number}" for number in range(len(short))]
    model, methods, benchmarks = named[1], ("dense", *named[3:8]), named[:20]
    rows = []
    for method in methods:
        for number, name in enumerate(benchmarks):
            kept = 100.0 if method == "dense" else 91.0 - 0.7 * number
            found = [
                sample(
                    "lost",
                    f"{methods.index(method):04}{number:04}{at:04}",
                    **dict.fromkeys(("prompt", "right", "baseline", "candidate"), one),
                    **dict.fromkeys(("baseline_read", "candidate_read"), one[:500]),
                )
                for at, one in enumerate([next(answers), next(answers)] if kept < 100.0 else [])
            ]
            about = {"model": model, "method": method, "low": kept - 2, "high": kept + 2}
            rows.append(row(name, "reasoning", retention=kept, samples=found, **about))
    rows += [
        gap(f"gap_{number}", "reasoning", model=model, method=methods[1], reason=one)
        for number, one in enumerate(short)
    ]
    environment = {"command": short[:1], "notes": short}
    profile = Profile("hostile", {"reasoning": tuple(benchmarks)})
    return scorecard(rows, {model: profile}, Policy(), environment)

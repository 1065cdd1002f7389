"""The HTML report: all of it is there, its numbers are the file's, and nothing in it can act."""

import base64
import hashlib
import json
import math
import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import cards, page
from unicomp.findings import findings_of
from unicomp.report import html
from unicomp.report import json as json_report
from unicomp.report.html.charts.svg import COLOURS, MARKERS, SERIES, style_of
from unicomp.report.html.texts import is_hidden, marked, visible
from unicomp.scorecard import Scorecard

SECTIONS = ["decision", "why", "map", "benchmarks", "findings", "trade-offs", "costs", "answers",
            "measured-with"]  # fmt: skip


@cache
def drawn(name):
    """The page of one of the cards, as text."""
    card = getattr(cards, name)()
    return html.render(card, findings_of(card))


@cache
def elements(name):
    return page.read(drawn(name))


def test_the_sections_stand_in_the_order_of_the_questions():
    top = elements("varied")
    assert [one.attributes["id"] for one in top.all("section")] == SECTIONS
    links = [one.attributes["href"] for one in top.all("nav")[0].all("a")]
    assert links == [f"#{name}" for name in SECTIONS]


def test_the_decision_is_one_sentence_with_its_error_rates():
    (sentence,) = elements("varied").all("p", class_="sentence")
    assert re.fullmatch(
        r"The gate is (open|shut|undecided); the chance that it opens although .* at most 2\.5 %, "
        r"and the chance that it fails .* at most 2\.5 %\.",
        sentence.text,
    )


def test_every_number_of_the_page_is_the_one_of_the_file():
    card = cards.varied()
    tables = json.loads(json.dumps(json_report.tables(card, findings_of(card))))
    found = list(page.numbers(elements("varied")))
    assert len(found) > 1000
    for path, value, _ in found:
        assert page.value_at(tables, path) == value, path


def test_what_is_shown_of_a_number_is_the_number_rounded():
    sizes = {"%": (1.0, 0.01), "µs": (1e-6,), "ms": (1e-3,), "s": (1.0,), "min": (60.0, 1 / 60),
             "h": (1.0, 3600.0), "B": (1.0, 1e9), "kB": (1e3,), "MB": (1e6,),
             "GB": (1e9, 1.0), "TB": (1e3,), "k": (1e3,), "M": (1e6,), "T": (1e12,),
             "tok/s": (1.0,), "": (1.0,)}  # fmt: skip
    for path, value, text in page.numbers(elements("varied")):
        shown, _, unit = text.replace(",", "").strip().partition(" ")
        digits = len(shown.partition("e")[0].partition(".")[2])
        near = 0.5 * 10.0**-digits * 1.001
        scaled = [value / size for size in sizes[unit.strip()]]
        exact = any(abs(float(shown) - one) <= near for one in scaled)
        rough = any(math.isclose(float(shown), one, rel_tol=0.05) for one in scaled)
        assert exact or (rough and ("e" in shown or len(shown.strip("-.0")) <= 4)), (path, text)


def test_no_number_stands_in_the_page_without_its_value():
    """What has digits and is no <data> is a text of the file, or a constant of the page."""
    card = cards.varied()
    tables = json_report.tables(card, findings_of(card))
    known = visible(" ".join(_strings(tables)), 10**9).replace("_", " ")
    constants = {"95", "100", "2", "0", "1"}
    for parent, text in elements("varied").all("main")[0].texts:
        around = [parent, *parent.above]
        if any(one.tag in ("data", "svg", "option", "article", "script") for one in around):
            continue
        if any(one.attributes.get("class") in ("constant", "cp") for one in around):
            continue
        for word in re.findall(r"[^\s()\[\];:]*\d[^\s()\[\];:]*", text.replace("_", " ")):
            bare = word.strip(".,–%")
            assert bare in known or bare in constants, (parent.tag, text)


def _strings(value):
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value


def test_the_decision_says_what_changed_since_the_last_release():
    (decision,) = elements("varied").all("section", id="decision")
    rows = [
        one
        for one in decision.all("tr")
        if "comparison/moves" in one.attributes.get("data-json", "")
    ]
    assert [row.attributes["data-json"].rpartition("/")[2] for row in rows] == ["1", "2", "3"]
    says = [row.text for row in rows]
    assert "worse than allowed" in says[0]
    assert "chance may explain it" in says[1]
    assert "better, beyond chance" in says[2]
    assert "torch: 2.12 → 2.13.0+cpu" in decision.text


def test_each_verdict_has_a_mark_beside_its_colour():
    for one in elements("varied").all("td"):
        if (kind := one.attributes.get("class") or "").startswith("cell ") and kind != "cell dim":
            (mark,) = one.all("span", class_="mark")
            assert mark.text.strip("()").startswith(tuple("✓✗?∅"))


def test_what_stands_in_the_way_says_what_would_decide_it():
    (table,) = elements("varied").all("table", id="why-table")
    rows = table.all("tbody")[0].all("tr")
    parts = [one.attributes["data-part"] for one in rows]
    order = ["shuts the gate", "keeps the gate undecided", "allowed", "does not decide"]
    assert parts == sorted(parts, key=order.index)
    undecided = [one.text for one in rows if "keeps the gate undecided" in one.text]
    assert undecided
    assert all("it would take" in one for one in undecided)
    assert any("there is no file mine.jsonl" in one.text for one in rows)


def test_the_forest_has_each_benchmark_where_its_retention_is():
    """The points of a chart lie on one line over the retentions, with the same scale for all."""
    card = cards.varied()
    tables = json_report.tables(card, findings_of(card))
    forests = elements("varied").all("figure", class_="chart forest")
    assert len(forests) == 5
    for chart in forests:
        points = []
        for one in chart:
            if place := one.attributes.get("data-json"):
                row = page.value_at(tables, place.split("/"))
                points.append((row["retention"], float(one.all("use")[0].attributes["x"])))
        assert len(points) > 15
        (x0, y0), (x1, y1) = min(points), max(points)
        scale = (y1 - y0) / (x1 - x0)
        assert all(abs(y0 + scale * (x - x0) - y) < 0.02 for x, y in points)


def test_each_chart_has_a_title_a_description_and_colours_of_the_style_sheet():
    charts = elements("varied").all("svg")
    assert len(charts) >= 5 + 1 + 1 + 1 + 4 + 1
    for one in charts:
        title, about = one.attributes["aria-labelledby"].split()
        assert one.all("title", id=title)[0].text
        assert one.all("desc", id=about)[0].text
    found = (one.attributes.get("class", "").split() for chart in charts for one in chart)
    classes = {name for names in found for name in names}
    assert classes <= {f"{kind}-{name}" for kind in ("fill", "stroke") for name in COLOURS.values()}
    assert not re.search(r"(fill|stroke)=\"#", drawn("varied"))


def test_ids_are_there_once():
    ids = [one.attributes["id"] for one in elements("varied") if "id" in one.attributes]
    assert len(ids) == len(set(ids))


def test_checkpoints_differ_in_shape_as_well_as_in_colour():
    count = len(SERIES) * len(MARKERS)
    assert len({style_of(number) for number in range(count)}) == count


@pytest.mark.parametrize("name", ["varied", "hostile"])
def test_a_page_asks_no_address_and_runs_its_own_script_alone(name):
    top = elements(name)
    (policy,) = top.all("meta", http_equiv="Content-Security-Policy")
    (script,), (style,) = top.all("script"), top.all("style")
    content = policy.attributes["content"]
    assert content.startswith("default-src 'none'; ")
    for one in (script, style):
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in content
    assert "unsafe" not in content
    assert "http:" not in style.text + script.text
    assert "https:" not in style.text + script.text
    for one in top:
        for key, value in one.attributes.items():
            assert not key.startswith("on"), (one.tag, key)
            assert key not in ("style", "src", "srcset", "action", "formaction", "background")
            if key in ("href", "xlink:href"):
                assert value.startswith("#") or value == "data:,", value


HOSTILE = {"img", "iframe", "base", "form", "math", "animate", "textarea", "mglyph", "object"}


def test_hostile_text_adds_no_element():
    assert not {one.tag for one in elements("hostile")} & HOSTILE
    known = {one.tag for one in elements("varied")}
    assert {one.tag for one in elements("hostile")} <= known


def test_all_of_200_hostile_answers_are_shown_as_text():
    shown = [one.text for one in elements("hostile").all("pre")]
    for answer in cards.hostile_answers():
        start = answer[:150]
        plain = "".join(f"U+{ord(one):04X}" if is_hidden(one) else one for one in start)
        assert any(plain in one for one in shown), answer[:80]
    assert max(map(len, shown)) < 20_000


def test_a_page_has_no_hidden_character():
    assert not [one for one in drawn("hostile") if is_hidden(one)]
    drawn("hostile").encode()  # without lone surrogates


@given(st.text(st.characters(), max_size=40))
def test_every_hidden_character_becomes_its_code_point(text):
    assert not any(map(is_hidden, visible(text)))
    assert not any(map(is_hidden, marked(text)))
    shown = page.read(f"<pre>{marked(text)}</pre>").text
    # html.parser reads no text that it does not have to, so that what is left is the same
    assert shown == "".join(f"U+{ord(one):04X}" if is_hidden(one) else one for one in text)


@pytest.mark.long
def test_the_largest_report_keeps_to_three_megabytes_and_says_what_it_left_out():
    text = drawn("largest")
    assert 2_500_000 < len(text.encode()) <= html.LARGEST
    (answers,) = elements("largest").all("section", id="answers")
    counts = answers.all("p")[0].all("span", class_="constant")
    shown, there, length = (int(one.text) for one in counts)
    assert there == 9 * 55 * 7
    assert 9 * 55 <= shown < there
    assert length == 250
    assert "unicomp export" in answers.text
    assert len(answers.all("div", class_="answer")) == shown


def test_an_item_stands_in_the_page_once_with_the_answers_of_all_checkpoints():
    (answers,) = elements("varied").all("section", id="answers")
    items = answers.all("article")
    names = [(one.parent.all("summary")[0].text, one.all("code")[0].text) for one in items]
    assert len(names) == len(set(names))
    assert all(len(one.all("div", class_="answer")) == 5 for one in items)


def test_the_same_scorecard_makes_the_same_page():
    card = cards.small()
    first, second = (html.render(card, findings_of(card)) for _ in range(2))
    assert first == second


def test_a_scorecard_without_rows_has_a_report():
    card = Scorecard(rows=(), metrics=())
    top = page.read(html.render(card, findings_of(card)))
    assert [one.attributes["id"] for one in top.all("section")] == SECTIONS
    assert "The gate is shut" in top.all("p", class_="sentence")[0].text

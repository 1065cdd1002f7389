"""The HTML report in a real browser: Chromium, as Debian packages it, driven by Selenium.

Selenium, since it drives a browser and a driver that are there (`apt-get install chromium
chromium-driver`); Playwright wants browsers of its own.
"""

import base64
import json
import re
import shutil
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.report import cards
from tests.report.test_html import SECTIONS
from unicomp.cli import main
from unicomp.findings import findings_of
from unicomp.report import html
from unicomp.report import json as json_report

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs Chromium and its driver: apt-get install chromium chromium-driver",
    ),
]
MODES = ("light", "dark", "print")


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for one in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{one}")
    options.add_argument("--window-size=1280,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


class _Pages(BaseHTTPRequestHandler):
    """Serves one page at each address, and notes what is asked for."""

    def __init__(self, page, asked, *arguments):
        self.page, self.asked = page, asked
        super().__init__(*arguments)

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def pages():
    """Name of a card → the address of its report, and the requests that were made there."""
    servers = {}

    def page(name):
        if name not in servers:
            card = getattr(cards, name)()
            asked = []
            text = html.render(card, findings_of(card)).encode()
            server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, text, asked))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers[name] = server, asked
        server, asked = servers[name]
        return f"http://127.0.0.1:{server.server_port}/report", asked

    yield page
    for server, _ in servers.values():
        server.shutdown()
        server.server_close()


def show(browser, address, mode="light"):
    """Open a page afresh in a mode; the logs before it are dropped."""
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    features = [{"name": "prefers-color-scheme", "value": mode}] if mode != "print" else []
    media = {"media": "print" if mode == "print" else "", "features": features}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(address)
    loaded = "return location.href !== 'about:blank' && document.readyState === 'complete'"
    WebDriverWait(browser, 60).until(lambda one: one.execute_script(loaded))


def requests(browser):
    """The addresses that the browser asked for."""
    events = (json.loads(one["message"])["message"] for one in browser.get_log("performance"))
    return [
        one["params"]["request"]["url"]
        for one in events
        if one["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["varied", "hostile"])
def test_a_report_has_no_console_error_and_makes_no_request(browser, pages, name, mode):
    address, asked = pages(name)
    asked.clear()
    show(browser, address, mode)
    browser.execute_script("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert browser.get_log("browser") == []
    assert asked == ["/report"]
    assert [one for one in requests(browser) if not one.startswith("data:,")] == [address]


@pytest.mark.parametrize("mode", MODES)
def test_hostile_answers_run_nothing_and_break_nothing(browser, pages, tmp_path, mode):
    """The whole path: a file, read by the command, written as a page, opened by its path."""
    card = cards.hostile(names=False)
    json_report.write(card, findings_of(card), tmp_path / "card.json")
    report = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "card.json"), "-o", str(report)]) == 0
    show(browser, report.as_uri(), mode)
    if mode == "print":
        browser.execute_cdp_cmd("Page.printToPDF", {})
    found = browser.execute_script(
        """
        document.querySelectorAll('details').forEach((one) => one.open = true);
        for (const one of document.querySelectorAll('*')) {
            for (const kind of ['mouseover', 'focus', 'toggle', 'click', 'load', 'error']) {
                if (one.tagName !== 'A') one.dispatchEvent(new Event(kind));
            }
        }
        return {
            canary: window.canary ?? 0,
            sections: [...document.querySelectorAll('body > main > section')].map((s) => s.id),
            scripts: document.scripts.length,
            frames: window.length,
            wide: Math.max(...[...document.querySelectorAll('.item pre')].map(
                (one) => one.scrollWidth - one.clientWidth)),
            page: document.documentElement.scrollWidth,
            texts: [...document.querySelectorAll('.item pre')].map((one) => one.textContent),
        };
        """
    )
    assert found["canary"] == 0
    assert found["sections"] == SECTIONS
    assert found["scripts"] == 1
    assert found["frames"] == 0
    assert found["wide"] <= 0
    assert mode == "print" or found["page"] <= 1280
    texts = set(found["texts"])
    for answer in cards.hostile_answers():
        tail = re.search(r"#\d+$|^#\d+", answer)[0]
        assert any(tail in one for one in texts), answer[:80]
    assert browser.get_log("browser") == []


def shown_rows(browser, table):
    return browser.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)]"
        ".filter((one) => !one.hidden).map((one) => one.textContent.replace(/\\s+/g, ' '))",
        table,
    )


def choose(browser, selector, value):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    select = Select(browser.find_element(By.CSS_SELECTOR, selector))
    (wanted,) = [one for one in select.options if one.get_attribute("value") == value]
    select.select_by_visible_text(wanted.text)


def test_filters_leave_what_was_asked_for_and_say_how_much(browser, pages):
    from selenium.webdriver.common.by import By

    show(browser, pages("varied")[0])
    everything = shown_rows(browser, "benchmark-table")
    choose(browser, "[data-for=benchmark-table] [data-filter=metric]", "reasoning")
    few = shown_rows(browser, "benchmark-table")
    assert 0 < len(few) < len(everything)
    assert all("reasoning" in one for one in few)
    choose(browser, "[data-for=benchmark-table] [data-filter=verdict]", "fail")
    fewer = shown_rows(browser, "benchmark-table")
    assert fewer == [one for one in few if "✗ fail" in one]
    output = browser.find_element(By.CSS_SELECTOR, "[data-for=benchmark-table] output")
    assert output.text == f"{len(fewer)} of {len(everything)} shown"
    choose(browser, "[data-for=benchmark-table] [data-filter=metric]", "")
    choose(browser, "[data-for=benchmark-table] [data-filter=verdict]", "")
    search = browser.find_element(By.CSS_SELECTOR, "[data-for=benchmark-table] [type=search]")
    search.send_keys("GSM8K")
    assert all("gsm8k" in one for one in shown_rows(browser, "benchmark-table"))
    search.clear()


def test_the_answers_of_one_checkpoint_and_of_one_kind_can_be_chosen(browser, pages):
    show(browser, pages("varied")[0])
    count = (
        "return [...document.querySelectorAll('.answer')].filter((one) => !one.hidden)"
        ".map((one) => [one.dataset.checkpoint, one.dataset.kind])"
    )
    everything = browser.execute_script(count)
    choose(browser, "[data-for=answer-list] [data-filter=kind]", "loop")
    choose(browser, "[data-for=answer-list] [data-filter=checkpoint]", "wanda_50 (reasoning)")
    few = browser.execute_script(count)
    assert few == [one for one in everything if one == ["wanda_50 (reasoning)", "loop"]]
    assert few


def test_a_heading_sorts_by_the_full_values_both_ways_and_by_keyboard(browser, pages):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(browser, pages("varied")[0])
    heading = browser.find_elements(By.CSS_SELECTOR, "#benchmark-table th button")[4]
    values = (
        "return [...document.querySelectorAll('#benchmark-table tbody tr')].map((one) =>"
        " one.querySelector('[data-key=retention]')?.value).filter(Boolean).map(Number)"
    )
    heading.send_keys(Keys.ENTER)
    assert browser.execute_script(values) == sorted(browser.execute_script(values))
    heading.send_keys(Keys.SPACE)
    assert browser.execute_script(values) == sorted(browser.execute_script(values), reverse=True)
    sorted_by = heading.find_element(By.XPATH, "..").get_attribute("aria-sort")
    assert sorted_by == "descending"


def test_one_checkpoint_is_chosen_for_the_forest_plot(browser, pages):
    show(browser, pages("varied")[0])
    shown = (
        "return [...document.querySelectorAll('.chart.forest')].filter((one) => !one.hidden)"
        ".map((one) => one.dataset.checkpoint)"
    )
    (first,) = browser.execute_script(shown)
    choose(browser, "#forest-choice", "wanda_50 (reasoning)")
    assert browser.execute_script(shown) == ["wanda_50 (reasoning)"]
    assert first != "wanda_50 (reasoning)"


def test_the_page_can_be_walked_by_keyboard_and_the_focus_is_seen(browser, pages):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(browser, pages("small")[0])
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    seen = set()
    for _ in range(60):
        one = browser.switch_to.active_element
        seen.add(one.tag_name)
        outline = one.value_of_css_property("outline-style")
        assert outline != "none", one.get_attribute("outerHTML")[:200]
        one.send_keys(Keys.TAB)
    assert {"a", "input", "select", "button", "div"} <= seen


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_told_from_what_is_behind_it(browser, pages, mode):
    """The contrast of the page's colours, by WCAG's formula: 4.5 for text, 3 for marks."""
    show(browser, pages("small")[0], mode)
    colours = browser.execute_script(
        "const style = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(arguments[0].map((one) =>"
        " [one, style.getPropertyValue(`--${one}`).trim()]))",
        ["paper", "raised", "ink", "faint", "link", "blue", "orange", "green", "vermillion",
         "sky", "purple"],
    )  # fmt: skip

    def light(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [
            one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one, other):
        low, high = sorted((light(one), light(other)))
        return (high + 0.05) / (low + 0.05)

    for name in ("ink", "faint", "link", "blue", "vermillion", "purple"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    for name in ("orange", "green", "sky"):
        assert contrast(colours[name], colours["paper"]) >= 3.0, name
    assert contrast(colours["faint"], colours["raised"]) >= 4.5


def test_it_prints_without_its_controls(browser, pages):
    show(browser, pages("small")[0], "print")
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('nav, .filters, .skip')]"
        ".every((one) => getComputedStyle(one).display === 'none')"
    )
    assert hidden
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert base64.b64decode(pdf).startswith(b"%PDF")

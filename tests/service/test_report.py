"""The report in a real browser: hostile text, its policy, its printed form."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
import view_samples
from service.browser import printed
from view_samples import NOW

from upkeep.model.answer import Observed, Outcome
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.view.model import HostInRun, RunTally
from upkeep.view.report import write_report

# Each of these ran or loaded something in some page of the past.
ATTACKS = (
    *view_samples.HOSTILE,
    "</style><script>document.title='owned'</script>",
    "</title><script>document.title='owned'</script>",
    "</pre></details><script>document.title='owned'</script>",
    "\"><svg onload=\"document.title='owned'\">",
    "' onmouseover='document.title=\"owned\"' x='",
    "<img src=http://127.0.0.1:9/x onerror=\"document.title='owned'\">",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<base href=http://127.0.0.1:9/><iframe srcdoc='<script>alert(1)</script>'>",
    "<a href=javascript:alert(1) id=troubles>x</a>",
    "<!--", "-->", "]]>", "&lt;script&gt;", "&#x3c;script>",
)  # fmt: skip

OURS = {
    "html", "head", "meta", "link", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "p",
    "dl", "div", "dt", "dd", "span", "code", "bdi", "b", "br", "ul", "li", "details", "summary", "pre", "time",
    "table", "thead", "tbody", "tr", "th", "td", "wbr",
}  # fmt: skip


def naughty() -> list[str]:
    folder = os.environ.get("UPKEEP_SAMPLES")
    if not folder:
        return []
    strings: list[str] = json.loads(Path(folder, "hostile/blns.json").read_text("utf-8"))
    return strings


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that writes a report of hosts and opens it; requests and console are kept on the page."""
    pages = []

    def open_report(made, *, evidence=None, **viewport):
        tally = RunTally()
        for observed in made:
            tally.add(observed)
        path = tmp_path / "report.html"
        write_report(
            path, view_samples.summary(tally), [HostInRun.of(observed) for observed in made],
            (result for observed in made for result in observed.results), evidence=evidence,
        )  # fmt: skip
        page = browser.new_page(**viewport)
        pages.append(page)
        page.kept_requests, page.kept_messages = [], []
        page.on("request", lambda request: page.kept_requests.append(request.url))
        page.on("console", lambda message: page.kept_messages.append(message.text))
        page.on("dialog", lambda dialog: page.kept_messages.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield open_report
    for page in pages:
        page.close()


def attacked() -> list[Observed]:
    made = []
    for number, text in enumerate((*ATTACKS, *naughty())):
        name = f"{number} {text[:2_000]}"
        made.append(
            Observed(name, Outcome.OK if number % 3 else Outcome.FAILED, NOW, text, 1.0, text[:50], results=(
                Result(name, "disk", text, Status.FAIL, Severity.HIGH, text, text, (), (text,), NOW, f"{number:064x}"),
                Result(name, "memory", text, Status.PASS, None, text),
            ))
        )  # fmt: skip
    return made


def test_hostile_text_runs_loads_and_breaks_nothing(opened):
    texts = dict(enumerate((*ATTACKS, *naughty())))
    page = opened(attacked(), evidence=lambda sha256: texts[int(sha256, 16)] * 2)

    assert page.title().startswith("Daily procedure, 2026-11-23: ")
    assert page.evaluate("document.scripts.length") == 0
    elements = set(page.evaluate("[...document.querySelectorAll('*')].map(e => e.localName)"))
    assert elements <= OURS
    assert page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
        ".filter(name => name.startsWith('on') || name === 'style' || name === 'src')"
    ) == []  # fmt: skip
    assert page.evaluate("document.querySelectorAll('.host').length") == len(texts)
    # The page itself and the empty icon, which stands in it.
    assert {url.split(":")[0] for url in page.kept_requests} <= {"file", "data"}
    assert len([url for url in page.kept_requests if url.startswith("file:")]) == 1
    assert page.kept_messages == []


def test_its_policy_stops_even_a_script_that_got_in(opened):
    page = opened(list(view_samples.hosts(2, 1)))

    page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'document.title = \"owned\"';"
        " document.body.append(script); }"
    )

    assert page.title() != "owned"
    assert "Content Security Policy" in page.kept_messages[0]


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen_and_follows_its_scheme(opened, width, scheme):
    page = opened(
        list(view_samples.hosts(20, 20, hostile=True)), viewport={"width": width, "height": 900}, color_scheme=scheme
    )  # fmt: skip

    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[scheme]


def test_every_colour_stands_out_from_its_background(opened):
    for scheme in ("light", "dark"):
        page = opened(list(view_samples.hosts(20, 20, unseen=2)), color_scheme=scheme)
        weak = page.evaluate(
            """() => {
              const parse = text => text.match(/[\\d.]+/g).map(Number);
              const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
              const behind = e => {
                for (; e; e = e.parentElement) {
                  const c = parse(getComputedStyle(e).backgroundColor);
                  if (c.length === 3 || c[3] === 1) return c;
                }
              };
              return [...document.querySelectorAll('body *')].filter(e => e.childNodes.length).map(e => {
                const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
                return [e.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
              }).filter(([, ratio]) => ratio < 4.5);
            }"""
        )
        assert weak == []


def test_what_is_folded_on_the_screen_is_open_on_paper(opened):
    page = opened(list(view_samples.hosts(3, 1)))

    folded = page.locator("td", has_text="at most 2 s").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.bounding_box()["height"] > 5
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints(opened, paper):
    page = opened(list(view_samples.hosts(14, 3, unseen=1)))

    assert page.pdf(format=paper).startswith(b"%PDF-")


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_a_report_of_three_hosts_fits_a_few_pages(opened, tmp_path, paper):
    texts = "\n".join(f"line {number} of what the host said" for number in range(1, 41))
    page = opened(list(view_samples.hosts(3, 3, checks=30)), evidence=lambda sha256: texts)

    text, sheets = printed(page, tmp_path, paper)

    assert sheets <= 4
    for word in (
        "line 3 of what",
        "Evidence, the first 3 lines; the file of this report has 37 more lines",
        "at most 2 s",
        "2026-11-23",
    ):
        assert word in text
    assert "line 4 of what" not in text


def test_headings_go_down_by_one_and_tables_have_headers(opened):
    page = opened(list(view_samples.hosts(14, 10, unseen=1)))

    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.localName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.evaluate(
        "[...document.querySelectorAll('table')].every(t => t.querySelector('thead th[scope=col]'))"
    )
    assert page.evaluate("document.documentElement.lang") == "en"

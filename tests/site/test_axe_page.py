"""axe-core on the rendered pages: nothing critical, nothing serious.

All pages of the book, those around it (search, lists, index) and one page of the API,
which stands for all that are made by the same template. Each is opened as a light
desktop page with its folds closed and as a dark phone page with all folds open; some
also in the other two ways. Two things keep this within minutes and lose nothing: the
inside of a formula, which no reader of a page reaches, is one box of its size, and of
the words that look alike on a page (colours, size, weight) one is tested for contrast.
"""

from pathlib import Path

import axe_playwright_python
import browser as tools
import pytest
from test_html import HTML, PAGES, Visit, browser  # noqa: F401 (fixture)

pytestmark = pytest.mark.html

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
ONE_OF_MANY = ("api/mf.html", "api/floors/models.html", "_modules/recsys_tutor/mf.html")
LOOKS = {"light desktop": (1400, False), "dark phone": (360, True)}
OTHER_LOOKS = {"dark desktop": (1400, True), "light phone": (360, False)}
KINDS = ("book/index", "book/07_", "book/glossary", "book/bibliography", "search")


def is_tested(path):
    name = path.relative_to(HTML).as_posix()
    many = name.startswith(("book/api/", "_modules/"))
    return not many or name.removeprefix("book/") in ONE_OF_MANY


TESTED = [path for path in PAGES if is_tested(path)]
SOME = [p for p in TESTED if p.relative_to(HTML).as_posix().startswith(KINDS)]
RUNS = [(path, look) for path in TESTED for look in LOOKS]
RUNS += [(path, look) for path in SOME for look in OTHER_LOOKS]

UNFOLD = """() => {
    document.querySelectorAll('details').forEach(fold => { fold.open = true })
    document.querySelectorAll('.toggle-hidden > button.toggle-button').forEach(
        button => button.click())
}"""
SIMPLIFY = """() => {
    for (const inside of document.querySelectorAll('mjx-container > *')) {
        const { width, height } = inside.getBoundingClientRect()
        const box = document.createElement('span')
        box.style.cssText =
            `display: inline-block; width: ${width}px; height: ${height}px`
        inside.replaceWith(box)
    }
    const lookOf = (element) => {
        const style = getComputedStyle(element)
        let behind = element
        while (behind.parentElement && /, 0\\)$|transparent/.test(
                getComputedStyle(behind).backgroundColor)) {
            behind = behind.parentElement
        }
        return [style.color, style.fontSize, style.fontWeight, style.opacity,
                style.textDecorationLine, getComputedStyle(behind).backgroundColor]
    }
    const seen = new Set()
    const fresh = (element) => {
        const look = lookOf(element).join()
        return !seen.has(look) && seen.add(look)
    }
    for (const word of document.querySelectorAll('pre span')) {
        if (!word.querySelector('span') && !fresh(word)) {
            word.replaceWith(word.textContent)
        }
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    window.differentLooks = []
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement
        if (texts.currentNode.data.trim() && element.checkVisibility()
                && !element.closest('script, style') && fresh(element)) {
            window.differentLooks.push(element)
        }
    }
}"""
RUN = """async () => {
    const short = (result) => result.violations
        .filter(v => ['critical', 'serious'].includes(v.impact))
        .map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200),
                   v.nodes[0].failureSummary])
    const structure = await axe.run(document, {
        resultTypes: ['violations'], rules: { 'color-contrast': { enabled: false } } })
    const contrast = await axe.run({ include: window.differentLooks }, {
        resultTypes: ['violations'], runOnly: ['color-contrast'] })
    return short(structure).concat(short(contrast))
}"""


def violations(page):
    page.evaluate(SIMPLIFY)
    page.evaluate(AXE)
    return page.evaluate(RUN)


@pytest.fixture(scope="module")
def visits(browser):  # noqa: F811
    looks = LOOKS | OTHER_LOOKS
    return {name: Visit(browser, width, dark) for name, (width, dark) in looks.items()}


@pytest.mark.parametrize(
    ("path", "look"), RUNS, ids=[f"{p.relative_to(HTML)}-{look}" for p, look in RUNS]
)
def test_no_serious_fault(visits, path, look):
    visit = visits[look].open(path)
    if look != "light desktop":
        visit.page.evaluate(UNFOLD)
    visit.page.wait_for_timeout(400)  # the theme and scrollers.js measure again
    assert violations(visit.page) == []


def test_axe_reports_faults(browser, tmp_path):  # noqa: F811
    path = tmp_path / "page.html"
    path.write_text(
        "<!doctype html><html lang=en><title>x</title><main><h1>x</h1>"
        "<p style='color: #bbb; background: #fff'>pale</p><pre><span>a</span></pre>"
        "<button></button></main></html>"
    )
    page = tools.open_page(browser)
    page.goto(path.as_uri())
    found = {fault[0] for fault in violations(page)}
    assert {"color-contrast", "button-name"} <= found

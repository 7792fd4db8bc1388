"""Reading a page: by keyboard, on a phone, on paper, enlarged; what its head says."""

import json

import chapter_text as rules
import nbformat
import pytest
from test_html import HTML, PAGES, Visit, browser, read, visit  # noqa: F401

pytestmark = pytest.mark.html

CHAPTERS = sorted((HTML / "book").glob("[0-9]*.html"))
PROOF = HTML / "book" / "07_matrix_factorization.html"
NOTATION = HTML / "book" / "notation.html"
TIMES = json.loads((rules.BOOK / "run_times.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def phone(browser):  # noqa: F811
    return Visit(browser, width=360)


# --------------------------------------------------------------- keyboard


def test_a_formula_is_no_tab_stop(visit):  # noqa: F811
    visit.open(PROOF)
    stops = visit.page.evaluate(
        """() => [...document.querySelectorAll('article mjx-container')]
            .filter(e => e.tabIndex >= 0 && e.scrollWidth <= e.clientWidth).length"""
    )
    assert visit.count("article mjx-container") > 100
    assert stops == 0


def test_a_formula_in_a_line_has_no_scroll_bar(visit):  # noqa: F811
    """It may move under a finger; the MathML inside makes nearly all of them wider."""
    visit.open(PROOF)
    wider, bars = visit.page.evaluate(
        """() => {
            const found = [...document.querySelectorAll('article p mjx-container')]
                .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth
                    && getComputedStyle(e).overflowX !== 'visible')
            const bare = e => getComputedStyle(e).scrollbarWidth === 'none'
            return [found.length, found.filter(e => !bare(e)).length]
        }"""
    )
    assert wider > 20
    assert bars == 0


def test_what_has_the_focus_is_seen(visit):  # noqa: F811
    visit.open(NOTATION)
    seen = []
    for _ in range(12):
        visit.page.keyboard.press("Tab")
        seen.append(
            visit.page.evaluate(
                """() => {
                    const style = getComputedStyle(document.activeElement)
                    const width = parseFloat(style.outlineWidth)
                    return style.outlineStyle === 'none' ? 0 : width
                }"""
            )
        )
    assert all(width and width >= 2 for width in seen), seen


def test_a_figure_opens_by_click_and_by_keyboard(visit):  # noqa: F811
    visit.open(PROOF)
    visit.uncover()
    figure = visit.page.locator("article a.image-reference").first
    dialog = visit.page.locator("dialog.figure-dialog")
    assert not dialog.is_visible()
    figure.focus()
    visit.page.keyboard.press("Enter")
    assert dialog.is_visible()
    large = dialog.locator("img").bounding_box()["width"]
    assert large > figure.locator("img").bounding_box()["width"]
    assert dialog.locator("img").get_attribute("alt")
    visit.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert figure.evaluate("link => link === document.activeElement")
    figure.click()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible() and visit.complaints == []


# --------------------------------------------------------------- phone


def test_wide_figures_keep_their_letters_on_a_phone(phone):
    phone.open(PROOF)
    phone.uncover()
    figures = phone.page.locator("article a.image-reference")
    sizes = figures.evaluate_all(
        """links => links.map(link => {
            const image = link.querySelector('img')
            return [image.clientWidth, image.naturalWidth, link.clientWidth,
                    link.scrollWidth]
        })"""
    )
    assert sizes
    for shown, natural, room, scrolled in sizes:
        assert shown >= min(natural, 560) - 12
        assert room <= 360 and scrolled >= shown
    assert phone.overflow() == []


def test_the_first_column_stays_on_a_phone(phone):
    phone.open(NOTATION)
    lefts = phone.page.evaluate(
        """() => {
            const room = [...document.querySelectorAll(
                'article .pst-scrollable-table-container')].find(
                box => box.scrollWidth > box.clientWidth + 60)
            const cells = room.querySelector('tbody tr').cells
            const at = cell => cell.getBoundingClientRect().left
            const before = [at(cells[0]), at(cells[1])]
            room.scrollLeft = 60
            return [before, [at(cells[0]), at(cells[1])]]
        }"""
    )
    (first, second), (first_after, second_after) = lefts
    assert abs(first_after - first) <= 2
    assert second - second_after >= 40


@pytest.mark.parametrize("path", [NOTATION, *CHAPTERS[:2]], ids=lambda p: p.stem)
def test_previous_and_next_fit_a_phone(phone, path):
    phone.open(path)
    ends = phone.page.locator(".prev-next-area a").evaluate_all(
        "links => links.map(link => link.getBoundingClientRect().right)"
    )
    assert ends and max(ends) <= 360
    words = phone.page.locator("article h1").first
    one_line = words.evaluate(
        """h1 => {
            const text = document.createTreeWalker(h1, NodeFilter.SHOW_TEXT)
            const broken = []
            while (text.nextNode()) {
                for (const match of text.currentNode.data.matchAll(/[\\p{L}-]+/gu)) {
                    const range = document.createRange()
                    range.setStart(text.currentNode, match.index)
                    range.setEnd(text.currentNode, match.index + match[0].length)
                    if (range.getClientRects().length > 1 && !match[0].includes('-')) {
                        broken.push(match[0])
                    }
                }
            }
            return broken
        }"""
    )
    assert one_line == []


# --------------------------------------------------------------- paper


@pytest.mark.parametrize("by_script", [True, False], ids=["script", "style"])
def test_print_opens_every_fold(visit, by_script):  # noqa: F811
    visit.open(PROOF)
    # folded code stays folded: paper has the sentence above it
    hidden = """() => [
        ...document.querySelectorAll('article details:not(.hide)')
    ].filter(fold => ![...fold.children].slice(1).every(
            inside => inside.checkVisibility())).length"""
    assert visit.page.evaluate(hidden) > 10
    visit.page.emulate_media(media="print")
    if by_script:
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert visit.page.evaluate(hidden) == 0
    visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
    visit.page.emulate_media(media="screen")
    assert visit.page.evaluate(hidden) > 10


# --------------------------------------------------------------- head and front box


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_shows_its_measured_time(path):
    rows = read(path).select("div.admonition.front tr")
    times = [row.get_text(" ") for row in rows if "Run time" in row.get_text()]
    assert len(times) == 1
    assert f"about {TIMES[path.stem]} s on 2 cores" in " ".join(times[0].split())


def test_no_chapter_types_its_time():
    for path in rules.BOOK.glob("[0-9]*.ipynb"):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert f"about {{run-time}}`{path.stem}` on 2 cores" in first, path.name


BOOK_PAGES = [path for path in PAGES if "book" in path.relative_to(HTML).parts]


@pytest.mark.parametrize("path", BOOK_PAGES, ids=lambda path: path.stem)
def test_the_head_describes_the_page(path):
    head = read(path).head
    text = head.find("meta", attrs={"name": "description"})["content"]
    assert 20 < len(text) <= 165
    assert head.find("meta", attrs={"property": "og:description"})["content"] == text
    assert head.find("meta", attrs={"property": "og:title"})["content"]
    assert head.find("link", rel="icon")["href"].endswith("logo.svg")
    name = path.relative_to(HTML).as_posix()
    assert head.find("link", rel="canonical")["href"].endswith(name)


def test_descriptions_differ():
    texts = [
        read(path).head.find("meta", attrs={"name": "description"})["content"]
        for path in CHAPTERS
    ]
    assert len(set(texts)) == len(CHAPTERS) > 10


def test_the_folder_opens_on_the_cover(visit):  # noqa: F811
    cover, page = HTML / "index.html", HTML / "book" / "index.html"
    title = read(cover).title.get_text()
    assert title == read(page).title.get_text() and "—" not in title
    visit.open(cover)
    assert visit.page.url == cover.as_uri()
    assert visit.complaints == [] and visit.outside == []
    visit.page.locator("article").get_by_role("link", name="chapter 1").first.click()
    visit.page.wait_for_url("**/book/01_*")

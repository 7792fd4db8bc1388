"""The rendered book: read as files, and opened in a browser without a network.

Run after the build: `make render html`. Missing pages or a missing browser fail.
"""

import functools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import code_index as index
import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.html

HTML = (Path(__file__).parents[2] / "_build" / "html").resolve()
PHONE = 390
ASSETS = {"script": "src", "link": "href", "img": "src", "iframe": "src"}
ASSETS |= {"source": "src", "video": "src", "audio": "src", "object": "data"}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect"}
FETCHED_LINKS |= {"dns-prefetch", "shortcut", "manifest", "prefetch", "mask-icon"}
LEFTOVERS = re.compile(
    r"\{(?:glue|cite|ref|eq|numref|doc)\b|\[glue\b|\?\?\?*|\{code-cell"
)


def all_pages(folder):
    return sorted(
        path for path in folder.rglob("*.html") if "_static" not in path.parts
    )


PAGES = all_pages(HTML) if HTML.exists() else []
NAMES = [path.relative_to(HTML).as_posix() for path in PAGES]
#: A picture of the page before was still on its way. A missing file has another name.
LEFT = "net::ERR_ABORTED"
COVER = HTML / "index.html"
VISITED = PAGES
VISITED_NAMES = [path.relative_to(HTML).as_posix() for path in VISITED]


def test_the_book_was_built():
    assert COVER.exists(), "no _build/html/index.html: run `make render`"
    chapters = {path.stem for path in PAGES if path.parent.name == "book"}
    for name in ("index", "notation", "api", "bibliography"):
        assert name in chapters


# --------------------------------------------------------------- the files


def is_external(address):
    return bool(re.match(r"\s*(https?:|ftp:|wss?:)?//", address))


def css_imports(text):
    """Addresses in url(...) and @import of a style sheet."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
    return found + re.findall(r"@import\s+['\"]([^'\"]+)", text)


def external_assets(soup):
    found = []
    for tag, attribute in ASSETS.items():
        for node in soup.find_all(tag):
            if tag == "link" and not FETCHED_LINKS & set(node.get("rel", [])):
                continue
            found += [node[attribute]] if is_external(node.get(attribute, "")) else []
    for node in soup.find_all(srcset=True):
        found += [part for part in node["srcset"].split(",") if is_external(part)]
    for node in soup.find_all("style"):
        found += [address for address in css_imports(node.text) if is_external(address)]
    for node in soup.find_all(style=True):
        found += [part for part in css_imports(node["style"]) if is_external(part)]
    for node in soup.find_all("script", src=False):
        found += re.findall(r"(?:import|fetch|src\s*=)\W{1,3}(https?://\S+)", node.text)
    return found


@functools.cache
def read(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


@functools.cache
def anchors(path):
    return {n["id"] for n in read(path).find_all(id=True)} | {
        n["name"] for n in read(path).find_all("a", attrs={"name": True})
    }


def broken_links(path, folder):
    faults = []
    for node in read(path).find_all(["a", "link", "script", "img"]):
        address = node.get("href") or node.get("src") or ""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not address or "search.html" in parts.path:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target = target / "index.html"
        if not target.exists() or folder not in target.parents:
            faults.append(f"{address}: no such file")
        elif parts.fragment and target.suffix == ".html":
            if unquote(parts.fragment) not in anchors(target) | {"", "top"}:
                faults.append(f"{address}: no such anchor")
    return faults


def pictures_without_alt(soup):
    images = [node for node in soup.find_all("img") if not node.get("alt", "").strip()]
    return [node.get("src", "") for node in images if "logo" not in str(node)]


def leftovers(soup):
    """Directives and references that were never resolved, outside code."""
    article = soup.find("article") or soup.find("main") or soup
    text = BeautifulSoup(str(article), "html.parser")
    for node in text.find_all(["code", "pre", "script", "style"]):
        node.decompose()
    found = LEFTOVERS.findall(text.get_text(" "))
    found += ["mjx-merror"] if "mjx-merror" in str(text) else []
    classes = ("problematic", "system-message")
    return found + [n.get_text() for n in text.find_all(class_=classes)]


def dead_names(soup):
    """Names in code that were written as links (``{py:func}`...```) and are none.

    The lines "Bases: ..." of a class and "alias of ..." are no writer's links: what
    they name may be another library's.
    """
    names = [n for n in soup.select("article code.xref") if n.find_parent("a") is None]
    made = "Bases:", "alias of"
    written = [n for n in names if not n.parent.get_text().startswith(made)]
    return [node.get_text() for node in written]


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_no_external_asset(path):
    assert external_assets(read(path)) == []


def test_style_sheets_load_nothing_external():
    sheets = list(HTML.rglob("*.css"))
    assert sheets, "no style sheet found"
    for path in sheets:
        outside = [a for a in css_imports(path.read_text("utf-8")) if is_external(a)]
        assert outside == [], path.relative_to(HTML)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_no_broken_link(path):
    assert broken_links(path, HTML) == []


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_pictures_have_alt_text(path):
    assert pictures_without_alt(read(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_nothing_is_left_unresolved(path):
    assert leftovers(read(path)) == []
    if "book" in path.relative_to(HTML).parts:
        assert dead_names(read(path)) == []


def test_the_checks_can_fail(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<script src='https://cdn.example/x.js'></script>"
        "<style>@import 'https://fonts.example/a'; p {background: url(//x/y)}</style>"
        "<p style='background: url(http://x/z.png)'></p>"
        "<a href='https://fine.example'>a link may lead outside</a>"
        "<a href='gone.html'>x</a><a href='#nowhere'>y</a><a href='#here'>z</a>"
        "<article id='here'><img src='page.html'> see {cite}`x` and ??"
        "<code>{glue}</code><code class='xref'>nobody()</code></article>"
    )
    soup = read(page)
    assert len(external_assets(soup)) == 4
    assert broken_links(page, tmp_path) == [
        "gone.html: no such file",
        "#nowhere: no such anchor",
    ]
    assert pictures_without_alt(soup) == ["page.html"]
    assert leftovers(soup) == ["{cite", "??"]
    assert dead_names(soup) == ["nobody()"]


# --------------------------------------------------------------- the browser


@pytest.fixture(scope="module")
def browser():
    import browser as tools

    with tools.chromium() as chromium:
        yield chromium


class Visit:
    """One page in the browser, and everything it complained about or asked for."""

    def __init__(self, browser, width=1280, dark=False):
        import browser as tools

        self.tools = tools
        self.page = tools.open_page(browser, width=width, dark=dark)
        self.complaints, self.outside = [], []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", self._request)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _failed(self, request):
        if request.failure != LEFT:
            self.complaints.append(f"failed: {request.url} ({request.failure})")

    def _request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            self.outside.append(request.url)

    def open(self, path):
        self.complaints.clear()
        self.outside.clear()
        self.page.goto(path.as_uri())
        self.tools.wait_for_maths(self.page)
        return self

    def count(self, selector):
        return self.page.locator(selector).count()

    def uncover(self):
        """Show what waits for a reader's guess."""
        self.page.evaluate(
            """() => document.querySelectorAll('[hidden="until-found"]')
                .forEach(part => { part.hidden = false })"""
        )

    def overflow(self):
        """The elements that make the page wider than the screen, covered or not."""
        self.uncover()
        return self.page.evaluate(
            """() => {
                const width = document.documentElement.clientWidth
                if (document.documentElement.scrollWidth <= width) { return [] }
                const all = [...document.querySelectorAll('article *, main > *')]
                const wide = all.filter(
                    e => e.getBoundingClientRect().right > width + 1)
                return [document.documentElement.scrollWidth + ' px'].concat(
                    wide.slice(0, 5).map(e => e.tagName + '.' + e.className))
            }"""
        )


@pytest.fixture(scope="module")
def visit(browser):
    return Visit(browser)


@pytest.fixture(scope="module")
def phone(browser):
    return Visit(browser, width=PHONE, dark=True)


def test_a_missing_file_is_noticed(visit, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<img src='gone.png'>")
    visit.complaints.clear()
    visit.page.goto(page.as_uri())
    assert any("failed: " in c and "gone.png" in c for c in visit.complaints)
    visit.complaints.clear()


def test_the_cover_opens(visit):
    visit.page.goto(COVER.as_uri())
    assert visit.page.locator("article h1").count() == 1


@pytest.mark.parametrize("path", VISITED, ids=VISITED_NAMES)
def test_page_in_the_browser(visit, path):
    visit.open(path)
    assert visit.outside == []
    assert visit.complaints == []
    assert visit.count("mjx-merror") == 0
    formulas = len(read(path).select(".math"))
    assert visit.count(".math mjx-container") >= formulas
    assert visit.count(".math") >= formulas


@pytest.mark.parametrize("path", VISITED, ids=VISITED_NAMES)
def test_page_fits_a_phone(phone, path):
    phone.open(path)
    assert phone.overflow() == []
    assert phone.complaints == []


def test_search_works_from_a_folder(visit):
    visit.open(HTML / "search.html")
    visit.page.goto((HTML / "search.html").as_uri() + "?q=popularity")
    visit.page.wait_for_selector("#search-results ul.search li a")
    hits = visit.page.locator("#search-results ul.search li a")
    chapters = [node for node in hits.all() if "book/0" in node.get_attribute("href")]
    assert chapters, f"{hits.count()} hits, none of them a chapter"
    assert visit.complaints == [] and visit.outside == []
    chapters[0].click()
    visit.page.wait_for_url("**/book/0*")
    assert "popularity" in visit.page.locator("main").inner_text().lower()


def test_solutions_and_quiz_open_on_a_click(visit):
    chapters = [p for p in PAGES if read(p).select("div.solution.dropdown")]
    assert chapters, "no page has a collapsed solution"
    visit.open(chapters[0])
    solution = visit.page.locator("div.solution.dropdown").first
    content = solution.locator("> :not(.admonition-title):not(button)").first
    assert not content.is_visible()
    solution.locator(".admonition-title").first.click(position={"x": 3, "y": 3})
    assert content.is_visible()
    question = visit.page.locator("div.admonition.quiz").first
    option = question.locator("details").first
    assert option.get_attribute("open") is None
    question.get_by_role("radio").first.click()
    assert option.get_attribute("open") is not None


# ------------------------------------------- equation, API entry, source, and back


#: Equations of five chapters and the function that computes each
CHAINS = {
    "eq-ease-solution": "ease_weights",
    "eq-mf-sgd": "sgd_epoch",
    "eq-ials-step": "weighted_als_half_step",
    "eq-plsa-m": "em_step",
    "eq-gcn-layer": "propagate",
}


def click(visit, link):
    """Follow a link that the reader can see; the place in the address it leads to."""
    assert link.is_visible()
    target = urlsplit(link.evaluate("a => a.href"))
    link.click()
    visit.page.wait_for_url(lambda url: urlsplit(url).path == target.path)
    visit.page.wait_for_load_state("load")
    assert visit.complaints == [] and visit.outside == []
    place = visit.page.locator(f'[id="{unquote(target.fragment)}"]')
    assert place.count() == 1
    return place


def test_every_public_name_has_an_entry():
    places = {p for path in PAGES for p in anchors(path) if "api" in path.parts}
    public = [f"{m}.{n}" for m, room in index.modules().items() for n in room.public]
    shown = {name: f"recsys_tutor.{index.shown(name)}" for name in public}
    assert {k: v for k, v in shown.items() if v not in places} == {}


@pytest.mark.parametrize("label", CHAINS)
def test_from_an_equation_to_its_code_and_back(visit, label):
    name = CHAINS[label]
    chapters = [p for p in PAGES if read(p).find(id=f"equation-{label}")]
    assert len(chapters) == 1
    visit.open(chapters[0])
    below = visit.page.locator(f'[id="equation-{label}"] + .equation-code')
    entry = click(visit, below.get_by_role("link", name=name, exact=True))
    assert f"{name}(" in entry.inner_text()
    entry_page = visit.page.url

    source = click(visit, entry.get_by_role("link", name="[source]"))
    assert "_modules" in visit.page.url
    assert f"def {name}(" in source.inner_text()
    docs = source.locator("a.viewcode-back")
    entry = click(visit, docs)
    assert visit.page.url == entry_page

    text = entry.locator("xpath=following-sibling::dd[1]")
    back = text.locator(f'a[href$="#equation-{label}"]').first
    equation = click(visit, back)
    assert urlsplit(visit.page.url).path == urlsplit(chapters[0].as_uri()).path
    assert equation.locator("mjx-container").count() >= 1


def test_the_browser_notices_faults(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><meta name=viewport content='width=device-width'>"
        "<script src='gone.js'></script><script>console.error('oh')</script>"
        "<script>throw new Error('thrown')</script><img src='https://example.org/a.png'>"
        "<main><div style='width: 900px'>wide</div></main>"
    )
    seen = Visit(browser, width=PHONE).open(page)
    seen.page.wait_for_load_state("load")
    text = "\n".join(seen.complaints)
    assert "gone.js" in text and "oh" in text and "thrown" in text
    assert seen.outside == ["https://example.org/a.png"]
    assert seen.overflow()


# --------------------------------------------------------------- folded code


@pytest.mark.parametrize("width", ["visit", "phone"])
def test_a_fold_is_one_line_that_the_keyboard_opens(request, width):
    page = request.getfixturevalue(width).open(HTML / "book/02_evaluation.html").page
    fold = page.locator("details.hide", has_text="Show the check").first
    line, code = fold.locator("summary"), fold.locator("pre").first
    assert line.inner_text().strip() == "Show the check"
    assert line.get_attribute("aria-label") is None, "it is called what it says"
    assert 24 <= line.bounding_box()["height"] <= fold.bounding_box()["height"] < 32
    assert not code.is_visible()
    line.focus()
    page.keyboard.press("Enter")
    assert code.is_visible() and "assert" in code.inner_text()
    assert line.inner_text().strip() == "Hide the check"
    page.keyboard.press("Enter")
    assert not code.is_visible()


def test_folded_code_is_not_printed_but_its_figure_is(visit):
    page = visit.open(HTML / "book/02_evaluation.html").page
    folds = page.locator("details.hide")
    assert folds.first.is_visible()
    page.emulate_media(media="print")
    try:
        assert folds.count() > 20
        assert not any(fold.is_visible() for fold in folds.all())
        figure = page.locator(".tag_hide-input", has=page.locator("img")).first
        assert figure.locator("img").is_visible()
    finally:
        page.emulate_media(media="screen")

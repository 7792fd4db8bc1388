"""Search from a folder: passages with their sentence, and a landing at the words."""

import pytest
from test_html import HTML, Visit, browser, visit  # noqa: F401 (fixtures)

pytestmark = pytest.mark.html

SEARCH = HTML / "search.html"


def search(visit, query):  # noqa: F811
    visit.complaints.clear()
    visit.outside.clear()
    visit.page.goto(f"{SEARCH.as_uri()}?q={query}")
    visit.page.wait_for_selector("#passages h2")
    return visit.page.locator("#passages li")


def test_passages_stand_with_their_sentence(visit):  # noqa: F811
    found = search(visit, "cold start")
    assert found.count() >= 5
    for item in found.all()[:5]:
        marks = {text.lower() for text in item.locator("mark").all_inner_texts()}
        title = item.locator("a").inner_text().lower()
        assert marks & {"cold", "start"} or {"cold", "start"} & set(title.split())
        assert "cold start" in found.first.inner_text().lower()
        assert "#" in item.locator("a").get_attribute("href")
    assert found.locator("mark").count() >= 5
    assert visit.complaints == [] and visit.outside == []


@pytest.mark.parametrize("query", ["popularity", "Gram matrix"])
def test_a_result_leads_to_the_marked_words(visit, query):  # noqa: F811
    found = search(visit, query)
    links = found.locator("a[href^='book/0']")
    assert links.count() >= 1
    links.first.click()
    visit.page.wait_for_url("**/book/0*")
    mark = visit.page.locator("article .first-match")
    mark.wait_for()
    word = query.split()[0].lower().rstrip("s")
    marks = visit.page.locator("article .highlighted").all_inner_texts()
    assert any(text.lower() == word for text in marks)
    visit.page.wait_for_function(
        """() => {
            const box = document.querySelector('.first-match').getBoundingClientRect()
            return box.top >= 0 && box.bottom <= innerHeight
        }"""
    )
    assert visit.count("mjx-merror") == 0 and visit.complaints == []


def test_a_page_of_sphinx_s_own_list_is_marked_too(visit):  # noqa: F811
    search(visit, "popularity")
    pages = visit.page.locator("#search-results ul.search li a[href*='book/0']")
    pages.first.wait_for()
    pages.first.click()
    visit.page.locator("article .first-match").wait_for()


@pytest.mark.parametrize(
    ("query", "term"), [("矩阵分解", "matrix factorization"), ("冷启动", "cold start")]
)
def test_a_chinese_term_leads_to_its_entry(visit, query, term):  # noqa: F811
    found = search(visit, query)
    assert term in found.first.inner_text()
    found.first.locator("a").click()
    visit.page.wait_for_url("**/book/glossary.html*")
    assert query in visit.page.locator("article .first-match").inner_text()


def test_no_word_is_found_in_silence(visit):  # noqa: F811
    assert search(visit, "xyzzyplugh").count() == 0
    assert visit.page.locator("#passages h2").inner_text() == "0 passages"


def test_only_the_search_page_loads_the_index():
    big = "searchindex.js", "passages.js"
    page = (HTML / "book" / "01_recommendation_problem.html").read_text("utf-8")
    assert not [name for name in big if name in page]
    text = SEARCH.read_text("utf-8")
    assert all(name in text for name in big)
    assert (HTML / "_static" / "passages.js").stat().st_size < 1_000_000

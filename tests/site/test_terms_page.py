"""The first use of a term leads to the glossary: the rule, and the rendered pages."""

import re

import pytest
import sphinx_terms
from docutils import nodes
from sphinx_terms import Entry
from test_html import HTML, read

CHAPTERS = sorted((HTML / "book").glob("[0-9]*.html"))
NAMES = [path.stem for path in CHAPTERS]
TERMS = {
    "matrix factorization": Entry("a", "a product", {7}),
    "non-negative matrix factorization": Entry("b", "no minus", {11}),
    "MAP": Entry("c", "a mean", {2}),
    "similarity": Entry("d", "alike", {4}),
    "batch": Entry("e", "some examples", {12}),
    "批": Entry("e", "some examples", {12}),
}


def links(text, chapter=1, done=None):
    """What is linked in a text, as (words, anchor)."""
    done = set() if done is None else done
    found = sphinx_terms.finder(TERMS, chapter)
    made = []

    def make_link(words, entry):
        made.append((words, entry.anchor))
        return nodes.reference("", words)

    pieces = sphinx_terms.with_links(text, found, TERMS, done, make_link)
    assert "".join(piece.astext() for piece in pieces) in ("", text)
    return made


def test_whole_words_and_plurals_once():
    assert links("similarity and similarities") == [("similarity", "d")]
    assert links("Similarities first") == [("Similarities", "d")]
    assert links("dissimilarity, similarity-like") == []
    assert links("matrix factorizations") == [("matrix factorizations", "a")]
    assert links("matrix\nfactorization") == [("matrix\nfactorization", "a")]


def test_the_longer_term_wins():
    text = "non-negative matrix factorization"
    assert links(text) == [(text, "b")]


def test_capitals_of_a_term_are_kept():
    assert links("a map of MAP") == [("MAP", "c")]
    assert links("Maps") == []


def test_a_common_word_is_linked_where_it_is_introduced():
    assert "batch" in sphinx_terms.TOO_COMMON
    assert links("a batch 批", chapter=3) == []
    assert links("a batch 批", chapter=12) == [("batch", "e")]


def test_an_entry_is_linked_once_in_a_chapter():
    done = set()
    assert links("similarity", done=done) == [("similarity", "d")]
    assert links("similarity", done=done) == []


@pytest.mark.parametrize(
    "aside",
    [
        nodes.title("", "a similarity"),
        nodes.literal("", "a similarity"),
        nodes.literal_block("", "a similarity"),
        nodes.reference("", "a similarity"),
        nodes.math("", "similarity"),
        nodes.caption("", "a similarity"),
        nodes.container("", nodes.paragraph("", "a similarity"), classes=["cell"]),
    ],
    ids=lambda node: type(node).__name__,
)
def test_only_running_text_is_linked(aside):
    text = nodes.paragraph("", "a similarity")
    section = nodes.section("", aside, text)
    assert [node.parent for node in sphinx_terms.running_text(section)] == [text]


# --------------------------------------------------------------- the pages


def entries():
    return read(HTML / "book" / "glossary.html").select("dl.glossary > dt")


@pytest.mark.html
def test_the_glossary_has_both_languages_with_places():
    texts = [node.find(string=True) for node in entries()]
    chinese = [text for text in texts if re.search("[\u4e00-\u9fff]", text)]
    assert len(texts) > 400 and len(chinese) > 190
    assert all(node.get("id") for node in entries())
    everyday = {text for text in texts} & sphinx_terms.TOO_COMMON
    assert everyday == sphinx_terms.TOO_COMMON, "a word that is no term of the glossary"


@pytest.mark.html
@pytest.mark.parametrize("path", CHAPTERS, ids=NAMES)
def test_first_uses_of_a_chapter_lead_to_the_glossary(path):
    found = read(path).select("a.term-link")
    assert 5 <= len(found) <= 60
    targets = [node["href"] for node in found]
    assert len(set(targets)) == len(targets)
    places = {f"glossary.html#{node['id']}" for node in entries()}
    assert set(targets) <= places
    assert all(node.get("title") for node in found)
    for node in found:
        outside = ["h1", "h2", "h3", "h4", "summary", "pre", "code", "figcaption"]
        assert node.find_parent(outside) is None
        assert node.find_parent(class_="admonition-title") is None

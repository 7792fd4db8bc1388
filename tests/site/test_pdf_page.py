"""The book as a PDF, tried on two pages: contents, page numbers, links, open folds."""

import pdf
import pytest
from chapter_text import BOOK
from pypdf import PdfReader
from test_html import HTML

pytestmark = pytest.mark.html

NAMES = ["book/glossary", "book/11_plsa"]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    out = tmp_path_factory.mktemp("pdf") / "two.pdf"
    pdf.write(HTML, NAMES, out)
    return PdfReader(out)


@pytest.fixture(scope="module")
def texts(printed):
    return [page.extract_text() for page in printed.pages]


@pytest.fixture(scope="module")
def places(printed):
    return {
        name.removeprefix("/"): printed.get_destination_page_number(place)
        for name, place in printed.named_destinations.items()
    }


def test_each_page_but_the_cover_has_its_number(texts):
    assert "Leaderboard" in texts[0] and len(texts) > 15
    for number, text in enumerate(texts[1:], start=2):
        lines = text.split("\n")
        assert str(number) in (lines[0].strip(), lines[-1].strip())


def test_the_contents_name_the_page_of_each_section(texts, places):
    contents = "\n".join(text for text in texts[1:4] if "Contents" in text)
    numbers = [int(word) for word in contents.split() if word.isdigit()]
    for name in NAMES:
        assert places[name] + 1 in numbers
        title = "Glossary" if "glossary" in name else "PLSA"
        assert title in texts[places[name]]
    assert "000" not in contents


def test_links_lead_inside_the_book(printed, places):
    inside = []
    for page in printed.pages:
        for note in page.get("/Annots") or []:
            note = note.get_object()
            inside += [str(note["/Dest"])] if "/Dest" in note else []
            assert "file:" not in str((note.get("/A") or {}).get("/URI", ""))
    terms = [to for to in inside if "glossary--term-" in to]
    assert len(inside) > 40 and terms, "links from the chapter to the glossary"
    assert {to.removeprefix("/") for to in inside} <= set(places)


def test_folds_are_open_and_formulas_are_set(texts):
    text = "\n".join(texts)
    assert "Right." in text and "Wrong." in text, "verdicts of the quiz"
    assert "\\\\frac" not in text and "\\\\(" not in text


def test_the_order_is_that_of_the_side_bar():
    names = pdf.order(HTML)
    assert names[0] == "book/index" and names[-1] == "book/bibliography"
    chapters = [name for name in names if name[5:7].isdigit()]
    notebooks = sorted(path.stem for path in BOOK.glob("[0-9]*.ipynb"))
    assert [name.partition("/")[2] for name in chapters] == notebooks
    assert all((HTML / f"{name}.html").exists() for name in names)
    assert not (HTML / pdf.COMBINED).exists()

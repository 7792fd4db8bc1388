"""Links between the chapters and the API reference go both ways and arrive."""

import importlib
import re

import book_checks as rules
import nbformat
import pytest

PAGE = (rules.BOOK / "api.md").read_text("utf-8")
NUMBERED = {
    number: path
    for path in sorted(rules.BOOK.glob("*.ipynb"))
    if (number := rules.chapter_number(path)) is not None
}
#: Modules that serve the others and are the subject of no chapter's text.
SERVING = {"checks", "entries", "files", "kernels", "parts", "plots", "ranking"}
SERVING |= {"cells", "columns", "saving", "text_file", "text_table"}


def sections(text):
    """Text below each heading ``## module: ...`` of the page, by module."""
    parts = re.split(r"^## (\w+): .*$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documents(text):
    """Targets of ``{doc}`page` `` and ``{doc}`title <page>` ``."""
    found = re.findall(r"\{doc\}`(?:[^`<]*<)?(\w+)>?`", text)
    return [name.removesuffix(".md").removesuffix(".ipynb") for name in found]


def named_chapters(module):
    """Numbers in the line ``Chapter: 04 Name.`` of a module's docstring."""
    text = importlib.import_module(f"recsys_tutor.{module}").__doc__
    line = re.search(r"^Chapters?:(.*?)(?:\n\n|\Z)", text, flags=re.M | re.S)[1]
    return {int(number) for number in re.findall(r"\b\d\d\b", line)}


def code_links(text):
    """(module, name or None) of each ``{py:...}`recsys_tutor...` `` in the text."""
    found = re.findall(r"\{py:\w+\}`(?:[^`<]*<)?~?recsys_tutor\.([\w.]+)>?`", text)
    return [(name.split(".")[0], name.partition(".")[2] or None) for name in found]


def prose(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n".join(cells)


SECTIONS = sections(PAGE)
LINKS = {number: code_links(prose(path)) for number, path in NUMBERED.items()}


def test_the_parts_of_the_text_are_read():
    text = "## mf: a\n\n{doc}`7 A <07_a>`, {doc}`notes`\n## kernels: b\nc"
    assert {name: part.strip()[-1] for name, part in sections(text).items()} == {
        "mf": "`",
        "kernels": "c",
    }
    assert documents(text) == ["07_a", "notes"]
    text = "{py:func}`~recsys_tutor.mf.sgd_epoch`, {py:mod}`a <recsys_tutor.plsa>`"
    assert code_links(text) == [("mf", "sgd_epoch"), ("plsa", None)]
    assert named_chapters("mf") == {7, 8}, "as its docstring says"


# -- from the reference to the chapters ----------------------------------------------


def test_each_section_documents_the_module_it_is_named_after():
    for name, text in SECTIONS.items():
        found = re.findall(r"^\.\. automodule:: recsys_tutor\.(\w+)$", text, flags=re.M)
        assert found == [name]
        assert f"(api-{name})=\n## {name}: " in PAGE, "a label to link to"


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_links_the_chapters_its_module_names(name):
    pages = documents(SECTIONS[name])
    assert len(set(pages)) == len(pages) > 0, "one link or more, none twice"
    numbers = {rules.chapter_number(f"{page}.ipynb") for page in pages} - {None}
    assert numbers == named_chapters(name)
    existing = {path.stem for path in rules.BOOK.glob("*.*")}
    assert set(pages) <= existing, "pages of the book"


def test_every_chapter_from_3_on_is_linked_from_the_reference():
    linked = {page for text in SECTIONS.values() for page in documents(text)}
    missing = {path.stem for n, path in NUMBERED.items() if n >= 3} - linked
    assert missing == set()


# -- from the chapters to the reference ----------------------------------------------


@pytest.mark.parametrize("number", [n for n in NUMBERED if n >= 3])
def test_a_chapter_links_the_reference(number):
    assert LINKS[number], "no link such as {py:class}`recsys_tutor.mf.BiasedMF`"
    for module, name in LINKS[number]:
        thing = importlib.import_module(f"recsys_tutor.{module}")
        assert module in SECTIONS
        for part in name.split(".") if name else ():
            thing = getattr(thing, part)  # an attribute of it, or an error
        if name:
            home = importlib.import_module(f"recsys_tutor.{module}")
            assert name.split(".")[0] in home.__all__, f"{module}.{name} is public"


def test_each_module_is_linked_from_a_chapter():
    linked = {module for links in LINKS.values() for module, _ in links}
    assert set(SECTIONS) - SERVING - linked == set()


@pytest.mark.parametrize("number", [n for n in NUMBERED if n >= 3])
def test_a_chapter_and_a_module_link_each_other(number):
    """A section that links this chapter is linked back, at least one of them."""
    page = NUMBERED[number].stem
    from_reference = {m for m, text in SECTIONS.items() if page in documents(text)}
    assert from_reference & {module for module, _ in LINKS[number]}

"""From the page to the code to the test, and back: every link has both its ends."""

import importlib
import re

import api_pages
import code_index as index
import nbformat
import pytest
import sphinx_links

#: Modules that serve the others and are the subject of no chapter's text.
SERVING = {
    "checks",
    "drawing",
    "entries",
    "files",
    "kernels",
    "parts",
    "plots",
    "ranking",
}
SERVING |= {"cells", "columns", "saving", "text_file", "text_table"}
SERVING |= {"book", "callbacks", "moving", "parameters", "progress", "testing"}


def code_links(text):
    """(module, name or "") of each ``{py:...}`recsys_tutor...` `` in the text."""
    found = re.findall(r"\{py:\w+\}`(?:[^`<]*<)?~?recsys_tutor\.([\w.]+)>?`", text)
    return [index.split(name) for name in found]


def prose(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n".join(cells)


LINKS = {
    number: code_links("\n".join(map(prose, files)))
    for number, files in index.pages().items()
}
OF_CODE, OF_TESTS = index.labels_of_code(), index.labels_of_tests()
OF_CHAPTERS = index.labels_of_chapters()


def test_the_parts_of_the_text_are_read():
    text = "{py:func}`~recsys_tutor.mf.sgd_epoch`, {py:mod}`a <recsys_tutor.plsa>`"
    assert code_links(text) == [("mf", "sgd_epoch"), ("plsa", "")]
    assert api_pages.named_chapters("mf") == [7, 8], "as its docstring says"
    assert index.split("mf.BiasedMF.fit") == ("mf", "BiasedMF.fit")
    assert index.split("no_such.name") == ("", "no_such.name")
    assert "sgd_epoch" in index.modules()["mf"].public
    assert OF_CODE["eq-als-step"] == ["mf.als_half_step"]
    assert OF_CHAPTERS["eq-als-step"] == 7


def test_a_name_is_shown_where_it_is_defined_or_by_its_package(tmp_path, monkeypatch):
    for path, text in {
        "door/__init__.py": "from recsys_tutor.door.room import a\n__all__ = ['a']",
        "door/room.py": "__all__ = ['a', 'b']\ndef a(): 'A.'\ndef b(): 'B.'",
        "street.py": "from recsys_tutor.door import a\n__all__ = ['a']",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(index, "PACKAGE", tmp_path)
    index.modules.cache_clear()
    try:
        assert list(index.modules()) == ["door", "door.room", "street"]
        assert index.origin("street.a") == index.origin("door.a") == "door.room.a"
        assert index.shown("street.a") == index.shown("door.room.a") == "door.a"
        assert index.shown("door.room.b") == "door.room.b"
        assert "exclude-members: a\n" in api_pages.module_page("door.room")
        assert "exclude-members" not in api_pages.module_page("door")
    finally:
        index.modules.cache_clear()


# -- the pages of the reference ------------------------------------------------------


def test_the_pages_of_the_reference_are_current():
    written = api_pages.files()
    stale = [path for path, text in written.items() if not path.exists()]
    stale += api_pages.outdated()
    stale += [p for p, text in written.items() if p not in stale and text != read(p)]
    assert stale == [], "run python tools/api_pages.py"


def read(path):
    return path.read_text("utf-8")


def test_each_module_has_a_page_on_one_floor():
    shown = [module for floor in api_pages.FLOORS for module in api_pages.rooms(floor)]
    assert sorted(shown) == sorted(index.modules())
    for module in shown:
        page = index.ROOT / f"{api_pages.page_of(module)}.md"
        assert f".. automodule:: recsys_tutor.{module}\n" in read(page)


def test_every_public_name_is_shown_on_exactly_one_page():
    """By the objects themselves, not by the source from which the pages are made."""
    pages = {name: set(excluded(name)) for name in index.modules()}
    shown = {}
    for name, left_out in pages.items():
        module = importlib.import_module(f"recsys_tutor.{name}")
        for public in set(getattr(module, "__all__", ())) - left_out:
            shown.setdefault(id(getattr(module, public)), []).append(name)
    for name in pages:
        module = importlib.import_module(f"recsys_tutor.{name}")
        for public in getattr(module, "__all__", ()):
            where = shown.get(id(getattr(module, public)), [])
            assert len(where) == 1, f"{name}.{public} is on the pages {where}"


def excluded(module):
    text = read(index.ROOT / f"{api_pages.page_of(module)}.md")
    found = re.search(r"^   :exclude-members: (.*)$", text, flags=re.M)
    return found[1].split(", ") if found else []


@pytest.mark.parametrize("module", index.modules())
def test_a_module_says_its_chapters(module):
    text = index.modules()[module].docstring
    assert re.search(r"^Chapters?: ", text, flags=re.M), "no line Chapter: 04 Name."
    assert set(api_pages.named_chapters(module)) <= set(index.chapters())


# -- between the chapters and the reference ------------------------------------------


@pytest.mark.parametrize("number", [n for n in LINKS if n >= 3])
def test_a_chapter_links_the_reference(number):
    assert LINKS[number], "no link such as {py:class}`recsys_tutor.mf.BiasedMF`"
    for module, name in LINKS[number]:
        assert module in index.modules(), f"no module for {name}"
        thing = importlib.import_module(f"recsys_tutor.{module}")
        for part in name.split(".") if name else ():
            thing = getattr(thing, part)  # an attribute of it, or an error
        if name:
            assert name.split(".")[0] in index.modules()[module].public


def test_each_room_is_linked_from_a_chapter():
    """A package's module by its package; an imported name by the module it is from."""
    names = {f"{m}.{name}" for links in LINKS.values() for m, name in links}
    linked = {part for name in names for part in (name, index.origin(name))}
    rooms = {module.split(".")[0] for module in index.modules()}
    assert rooms - SERVING - {name.split(".")[0] for name in linked} == set()


@pytest.mark.parametrize("number", [n for n in LINKS if n >= 3])
def test_a_chapter_and_a_module_link_each_other(number):
    """A module that names this chapter is linked by it, at least one of them."""
    named = {m for m in index.modules() if number in api_pages.named_chapters(m)}
    assert named, "no module names the chapter"
    assert named & {module for module, _ in LINKS[number]}


# -- equation, code, test ------------------------------------------------------------


def labels_in(folder):
    """Labels of equations anywhere in the source, with a file that has each."""
    found = {}
    for path in folder.rglob("*.py"):
        for label in index.LABEL.findall(read(path)):
            found[label] = path.name
    return found


def test_the_labels_of_the_package_are_equations_of_the_book():
    labels = labels_in(index.PACKAGE)
    assert len(labels) > 40, "they were not found"
    assert {k: v for k, v in labels.items() if k not in OF_CHAPTERS} == {}


def test_the_labels_of_the_package_stand_in_public_docstrings():
    """Where a reader of the reference sees them, and the chapter links to."""
    hidden = {k: v for k, v in labels_in(index.PACKAGE).items() if k not in OF_CODE}
    assert hidden == {}


def test_a_label_stands_beside_its_chapter():
    """The number before a label is the one of the chapter that has the equation."""
    near = re.compile(r"[Cc]hapter\s+(\d\d),\s+(?:equation\s+)?(eq-[\w-]+)")
    found = [
        m for path in index.PACKAGE.rglob("*.py") for m in near.findall(read(path))
    ]
    assert len(found) > 40
    assert [(n, k) for n, k in found if OF_CHAPTERS[k] != int(n)] == []


@pytest.mark.parametrize("label", OF_CODE)
def test_an_equation_with_code_is_checked_by_a_test(label):
    """The label stands in the docstring of a test."""
    assert label in OF_TESTS, f"{OF_CODE[label]} claims {label}; no test names it"


def test_the_labels_of_tests_are_equations_of_the_book():
    assert set(OF_TESTS) - set(OF_CHAPTERS) == set()


def test_a_docstring_gets_links():
    page = index.chapters()[4].stem
    text = sphinx_links.with_links("As in (chapter\n04, equation eq-knn-item).")
    assert text == (
        f"As in (chapter :doc:`04 </book/{page}>`, equation :eq:`eq-knn-item`)."
    )
    first, second = index.chapters()[7].stem, index.chapters()[8].stem
    text = sphinx_links.with_links("Chapters: 07 Name (x),\n08 Other name.\n\nEnd 07.")
    assert text == (
        f"Chapters: :doc:`07 Name </book/{first}>` (x), "
        f":doc:`08 Other name </book/{second}>`.\n\nEnd 07."
    )
    assert sphinx_links.with_links("chapter 99 and eq. 7") == "chapter 99 and eq. 7"
    proofs = {"eq-a": [("f.py", "t"), ("g.py", "s")], "eq-b": [("f.py", "t")]}
    line = sphinx_links.tests_line(["eq-a", "eq-b", "eq-c"], proofs)
    assert line == "Tests: ``t`` in ``f.py``; ``s`` in ``g.py``."
    assert sphinx_links.tests_line(["eq-c"], proofs) == ""

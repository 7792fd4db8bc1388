"""Seconds per notebook: kept by tools/notebooks.py, shown on a page made from them."""

import json
import re

import nbformat
import notebooks
import pytest
import sphinx_page
from chapter_text import BOOK, chapter_number

STEMS = sorted(path.stem for path in BOOK.glob("*.ipynb"))
TIMES = BOOK / "run_times.json"
PAGE = BOOK / "run_times.md"


def rows(text):
    """(number, page, seconds) of each row of the table, read without the tool."""
    found = re.findall(r"^\| (\d*) \| \{doc\}`(\w+)` \| (\d+) \|$", text, flags=re.M)
    return [(number, name, int(seconds)) for number, name, seconds in found]


# -- the book ------------------------------------------------------------------------


def test_every_notebook_has_a_time_and_no_other():
    times = json.loads(TIMES.read_text("utf-8"))
    assert list(times) == STEMS
    assert all(type(seconds) is int and seconds >= 1 for seconds in times.values())


def test_the_page_shows_the_stored_times():
    times = json.loads(TIMES.read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    assert {name: seconds for _, name, seconds in rows(text)} == times
    assert [name for _, name, _ in rows(text)] == STEMS
    for number, name, _ in rows(text):
        assert number == str(chapter_number(f"{name}.ipynb") or "")
    assert f"**{sum(times.values())}**" in text
    assert text == notebooks.times_page(times), "the page is written by the tool alone"


def test_the_boxes_of_the_chapters_take_the_stored_time():
    """The role `run-time` names the chapter; sphinx_page.py writes its seconds."""
    for name in STEMS:
        if chapter_number(f"{name}.ipynb") is not None:
            notebook = nbformat.read(BOOK / f"{name}.ipynb", as_version=4)
            row = f"| **Run time** | about {{run-time}}`{name}` on 2 cores"
            assert row in notebook.cells[0].source, name
            seconds = json.loads(TIMES.read_text("utf-8"))[name]
            assert sphinx_page.run_time(BOOK.parent, name) == f"{seconds} s"


# -- the tool ------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("02_b", "11_a", "notes"):
        (tmp_path / f"{name}.ipynb").touch()
    (tmp_path / "run_times.json").write_text('{"02_b": 20, "11_a": 5}')
    return tmp_path


def stored(folder):
    return json.loads((folder / "run_times.json").read_text())


@pytest.mark.parametrize(
    "name, seconds, kept",
    [
        ("02_b", 26.0, 20),  # exactly 30 %
        ("02_b", 26.1, 26),
        ("02_b", 14.0, 20),
        ("02_b", 13.4, 13),
        ("11_a", 7.9, 5),  # more than 30 %, not more than 3 s
        ("11_a", 8.6, 9),
        ("11_a", 0.2, 1),
        ("notes", 1.4, 1),  # a new one
        ("notes", 0.1, 1),
    ],
)
def test_a_time_stays_unless_it_is_another(folder, name, seconds, kept):
    notebooks.record(folder, name, seconds)
    assert stored(folder) == {"02_b": 20, "11_a": 5} | {name: kept}
    text = (folder / "run_times.md").read_text()
    assert {page: time for _, page, time in rows(text)} == stored(folder)
    before = (folder / "run_times.json").read_bytes(), text
    notebooks.record(folder, name, kept + 0.4)
    after = (folder / "run_times.json").read_bytes(), (folder / "run_times.md")
    assert (after[0], after[1].read_text()) == before, "a second run changes nothing"


def test_a_notebook_that_is_gone_is_dropped(folder):
    (folder / "02_b.ipynb").unlink()
    notebooks.record(folder, "11_a", 5)
    assert stored(folder) == {"11_a": 5}
    assert rows((folder / "run_times.md").read_text()) == [("11", "11_a", 5)]


def test_a_run_records_its_time(folder, capsys):
    source = folder / "03_c.md"
    source.write_text("# C\n\n```{code-cell} ipython3\nprint(1)\n```\n")
    notebooks.main(["--from-md", str(source), "--folder", str(folder)])
    told = int(re.search(r"03_c.ipynb done in (\d+) s", capsys.readouterr().out)[1])
    assert stored(folder) == {"02_b": 20, "03_c": max(1, told), "11_a": 5}
    source.write_text("# C\n\n```{code-cell} ipython3\n1 / 0\n```\n")
    before = (folder / "run_times.json").read_bytes()
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        notebooks.main(["--from-md", str(source), "--folder", str(folder)])
    assert (folder / "run_times.json").read_bytes() == before


def test_a_folder_without_times_stays_without(tmp_path):
    notebooks.record(tmp_path, "01_x", 5)
    assert list(tmp_path.iterdir()) == []

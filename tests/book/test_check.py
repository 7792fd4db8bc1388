"""tools/check.py tells the author of a chapter what to mend, and where."""

import copy
import subprocess
import sys

import check
import nbformat
import pytest
from chapter_text import BOOK, FOLDED, visible_code
from test_book import BROKEN, RULES, code, good_chapter, in_code, markdown, replace

#: What is missing from, or too much for, a whole chapter stands in no cell.
NO_CELL = {"no front", "two fronts", "no section", "no model part", "no check box"}
NO_CELL |= {"no assert", "short quiz", "no tier", "no executed one", "no prediction"}
NO_CELL |= {"wordy", "short chapter", "many cells", "no table", "much code"}
NO_CELL |= {"same place", "two guesses"}


@pytest.fixture
def folder(tmp_path):
    """Two chapters, the first one good."""
    bad = good_chapter()
    replace("Because.", "")(bad)
    in_code(2, execution_count=7)(bad)
    for name, notebook in [("03_good", good_chapter()), ("04_bad", bad)]:
        cells = [cell | {"id": f"cell-{n}"} for n, cell in enumerate(notebook["cells"])]
        for cell in cells:
            if cell["cell_type"] == "markdown":
                cell.pop("execution_count", None)
        notebook = notebook | {"cells": cells, "nbformat_minor": 5}
        nbformat.write(nbformat.from_dict(notebook), tmp_path / f"{name}.ipynb")
    return tmp_path


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_good_chapter_has_one_line(folder, capsys):
    assert check.main(["03", "--folder", str(folder)]) == 0
    assert lines(capsys) == [
        "03_good.ipynb: visible code: 8 lines in 7 cells, longest 2"
    ]


def test_a_broken_chapter_has_a_line_for_each_fault(folder, capsys):
    notebook = nbformat.read(folder / "04_bad.ipynb", as_version=4)
    where = [n for n, c in enumerate(notebook.cells, start=1) if "assert" in c.source]
    exercises = [n for n, c in enumerate(notebook.cells, start=1) if "ex-b" in c.source]
    assert check.main(["book/04_bad.ipynb", "--folder", str(folder)]) == 1
    assert lines(capsys) == [
        f"04_bad.ipynb: cell {where[0]} has execution count 7, expected 2: run "
        "tools/notebooks.py",
        f"04_bad.ipynb: cell {exercises[0]}: the solution of 'ex-b' is empty: write it",
        "04_bad.ipynb: visible code: 8 lines in 7 cells, longest 2",
    ]


def test_without_a_name_all_are_checked(folder, capsys):
    assert check.main(["--folder", str(folder)]) == 1
    found = lines(capsys)
    assert [line.split(":")[0] for line in found] == ["03_good.ipynb"] + [
        "04_bad.ipynb"
    ] * 3
    (folder / "04_bad.ipynb").unlink()
    assert check.main(["--folder", str(folder)]) == 0


def test_a_page_without_a_number_needs_no_template(folder, capsys):
    (folder / "04_bad.ipynb").rename(folder / "page.ipynb")
    assert check.main(["page", "--folder", str(folder)]) == 1
    assert len(lines(capsys)) == 2, "the count, not the exercise"


def test_an_unknown_chapter_says_which_there_are(folder):
    with pytest.raises(SystemExit) as failure:
        check.main(["77", "--folder", str(folder)])
    assert failure.value.code == (
        "no chapter starts with '77'; there are: 03_good.ipynb, 04_bad.ipynb"
    )


def test_the_command_line_runs_as_contributing_says(folder):
    run = [sys.executable, BOOK.parent / "tools" / "check.py"]
    done = subprocess.run([*run, "03"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("03_baselines.ipynb: visible code: ")
    bad = [*run, "--folder", folder]
    assert subprocess.run(bad, capture_output=True).returncode == 1


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_fault_names_its_cell(name):
    rule, mutate, expected = BROKEN[name]
    notebook = good_chapter()
    mutate(notebook)
    found = [fault for fault in RULES[rule](notebook, 3) if expected in fault]
    assert found
    for fault in found:
        assert fault.startswith("cell ") == (name not in NO_CELL), fault


def test_the_cell_of_a_nested_block_is_known():
    notebook = good_chapter()
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace("Speed alone is never a reason.", "No.")
    where = [n for n, c in enumerate(notebook["cells"], 1) if "quiz\n" in c["source"]]
    assert [fault.split(",")[0] for fault in RULES["quiz"](notebook, 3)] == [
        f"cell {n}" for n in where
    ]


def test_visible_code_is_what_is_read_without_a_click():
    folded = [code("x", tags=[tag]) for tag in FOLDED]
    cells = [
        code("# a comment\nx = 1  # not a comment\n\n    # another\ny = 2"),
        *folded,
        code("plot();", tags=["remove-output", "long"]),
        code("  \n"),
        markdown("text"),
        markdown("````{solution-start} ex\n:class: dropdown\n````"),
        code("solution = 1"),
        markdown("````{solution-end}\n````"),
        code("last = 1\nvery_last = 2\n3"),
    ]
    notebook = {"cells": copy.deepcopy(cells)}
    assert len(folded) == 4 and list(visible_code(notebook).values()) == [2, 1, 3]
    assert check.measure(notebook) == "visible code: 6 lines in 3 cells, longest 3"
    assert check.measure({"cells": []}) == "visible code: 0 lines in 0 cells, longest 0"

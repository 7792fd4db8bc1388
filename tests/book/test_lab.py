"""Working copies of the reader's edition: a reader's changes are never lost."""

import json
import os
import sys

import lab
import nbformat
import pytest


def notebook(source, **metadata):
    cell = nbformat.v4.new_code_cell(source)
    cell.outputs = [nbformat.v4.new_output("stream", text="1\n2\n")]
    made = nbformat.v4.new_notebook(cells=[cell], metadata=metadata)
    return nbformat.writes(made)


@pytest.fixture
def folders(tmp_path):
    edition, work = tmp_path / "edition", tmp_path / "work"
    edition.mkdir()
    for name in ("01_a.ipynb", "02_b.ipynb", "source_map.ipynb"):
        (edition / name).write_text(notebook(name))
    return edition, work


def contents(folder):
    return {path.name: path.read_text() for path in folder.glob("*.ipynb")}


def test_the_first_start_copies_all(folders, capsys):
    edition, work = folders
    assert lab.refresh(*folders) == []
    assert contents(work) == contents(edition)
    lab.report([], *folders)
    assert capsys.readouterr().out.startswith("3 notebooks in ")


def test_a_changed_notebook_is_kept_and_the_others_follow(folders, capsys):
    edition, work = folders
    lab.refresh(*folders)
    (work / "01_a.ipynb").write_text("mine")
    (work / "own.ipynb").write_text("mine, too")
    for path in edition.iterdir():
        path.write_text("new")
    for _ in range(3):  # at every later start
        assert lab.refresh(*folders) == ["01_a.ipynb"]
        assert contents(work) == {
            "01_a.ipynb": "mine",
            "02_b.ipynb": "new",
            "source_map.ipynb": "new",
            "own.ipynb": "mine, too",
        }
    lab.report(["01_a.ipynb"], *folders)
    said = capsys.readouterr().out
    assert "2 notebooks" in said and "kept: 01_a.ipynb, which you changed" in said


def test_a_look_is_no_change(folders):
    """JupyterLab saves a notebook that was only opened, with its own metadata."""
    edition, work = folders
    lab.refresh(*folders)
    (work / "01_a.ipynb").write_text(notebook("01_a.ipynb", title="x"))
    (edition / "01_a.ipynb").write_text(notebook("new"))
    assert lab.refresh(*folders) == [] and "new" in contents(work)["01_a.ipynb"]


def test_an_output_is_a_change(folders):
    edition, work = folders
    lab.refresh(*folders)
    path = work / "01_a.ipynb"
    path.write_text(path.read_text().replace("2\\n", "3\\n"))
    (edition / "01_a.ipynb").write_text(notebook("new"))
    assert lab.refresh(*folders) == ["01_a.ipynb"]


def test_a_change_survives_while_the_edition_stays(folders):
    lab.refresh(*folders)
    (folders[1] / "02_b.ipynb").write_text("mine")
    assert lab.refresh(*folders) == ["02_b.ipynb"]
    assert (folders[1] / "02_b.ipynb").read_text() == "mine"


def test_a_removed_copy_comes_back(folders):
    lab.refresh(*folders)
    (folders[1] / "02_b.ipynb").unlink()
    assert lab.refresh(*folders) == [] and (folders[1] / "02_b.ipynb").exists()


def test_without_a_record_a_notebook_that_differs_is_the_reader_s(folders):
    """Files that were there before, or a record that was deleted."""
    lab.refresh(*folders)
    (folders[1] / lab.COPIES).unlink()
    (folders[0] / "01_a.ipynb").write_text("new")
    assert lab.refresh(*folders) == ["01_a.ipynb"]
    assert set(json.loads((folders[1] / lab.COPIES).read_text())) == {
        "02_b.ipynb",
        "source_map.ipynb",
    }


def test_no_edition_says_what_to_call(tmp_path):
    with pytest.raises(SystemExit, match="make edition"):
        lab.refresh(tmp_path / "none", tmp_path / "work")


@pytest.mark.parametrize("user, option", [(0, ["--allow-root"]), (1000, [])])
def test_lab_opens_the_first_chapter_and_as_root_only_where_one_is(
    folders, monkeypatch, user, option
):
    lab.refresh(*folders)
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    jupyter = [sys.executable, "-m", "jupyter", "lab"]
    assert lab.command(folders[1]) == [*jupyter, *option, "01_a.ipynb"]

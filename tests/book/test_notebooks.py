"""tools/notebooks.py executes and normalises chapters; nbval compares their outputs."""

import base64
import io
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]

TEXT = """# Title

```{code-cell} ipython3
import time
print("one")
print("two")
```

```{code-cell} ipython3
:tags: [nbval-ignore-output]
print(time.perf_counter())
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: "A sentence: with a colon."
---
1 + 1
```
"""


def test_a_second_run_changes_nothing(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text(TEXT)
    arguments = ["--folder", str(tmp_path)]
    notebooks.main(["--from-md", str(source), *arguments])
    first = (tmp_path / "01_page.ipynb").read_text()
    notebooks.main(["01", *arguments])
    notebooks.main(["--from-md", str(source), *arguments])
    assert (tmp_path / "01_page.ipynb").read_text() == first
    stored = nbformat.reads(first, as_version=4)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3]
    assert [cell.id for cell in stored.cells] == [f"cell-00{i}" for i in (1, 2, 3, 4)]
    assert code[0].outputs[0].text == "one\ntwo\n"
    assert code[2].metadata.mystnb.image.alt == "A sentence: with a colon."
    assert code[2].outputs[0].data["text/plain"] == "2"
    assert first.endswith("}\n") and "execution" not in stored.cells[1].metadata
    assert "version" not in stored.metadata.language_info


def test_a_changed_timing_cell_is_measured_again(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text(TEXT)
    arguments = ["--from-md", str(source), "--folder", str(tmp_path)]
    notebooks.main(arguments)
    source.write_text(TEXT.replace("print(time", "print('new', time"))
    notebooks.main(arguments)
    stored = nbformat.read(tmp_path / "01_page.ipynb", as_version=4)
    assert stored.cells[2].outputs[0].text.startswith("new ")


def test_a_failing_cell_leaves_the_file(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text(TEXT)
    arguments = ["--from-md", str(source), "--folder", str(tmp_path)]
    notebooks.main(arguments)
    before = (tmp_path / "01_page.ipynb").read_text()
    source.write_text(TEXT.replace("1 + 1", "1 / 0"))
    with pytest.raises(SystemExit) as failure:
        notebooks.main(arguments)
    message = str(failure.value)
    for part in (
        "01_page.ipynb",
        "cell 4 of 4",
        "1 / 0",
        "ZeroDivisionError",
        "line 1",
    ):
        assert part in message
    assert (tmp_path / "01_page.ipynb").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "01_page.ipynb",
        "01_page.md",
    ]


def test_an_unknown_chapter_is_named(tmp_path):
    with pytest.raises(SystemExit, match="no chapter starts with '77'"):
        notebooks.main(["77", "--folder", str(tmp_path)])


def test_a_lost_code_cell_is_noticed(tmp_path):
    source = tmp_path / "01_page.md"
    source.write_text("````{note} of {eq}`x`\ntext\n````\n\n" + TEXT)
    with pytest.raises(SystemExit, match="3 code-cell lines but 0 code cells"):
        notebooks.main(["--from-md", str(source), "--folder", str(tmp_path)])


CELL = {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": []}


@pytest.mark.parametrize(
    ("tag", "folded"),
    [
        ("hide-input", {"source_hidden": True}),
        ("hide-cell", {"outputs_hidden": True, "source_hidden": True}),
        ("full-width", None),
    ],
)
def test_what_the_page_folds_is_folded_in_jupyterlab(tag, folded):
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": [tag]})
    stale = nbformat.v4.new_code_cell("1", execution_count=1)
    stale.metadata = nbformat.from_dict({"jupyter": {"source_hidden": True}})
    notebook = nbformat.v4.new_notebook(cells=[cell, stale])
    notebooks.normalise(notebook)
    assert notebook.cells[0].metadata.get("jupyter") == folded
    assert "jupyter" not in notebook.cells[1].metadata, "an open cell is open"


def picture(color):
    """PNG bytes of a drawing with more colours than the palette has."""
    ramp = np.zeros((60, 300, 4), "uint8") + np.uint8(255)
    ramp[:, :, 0] = np.arange(300) % 256
    ramp[5:9, 5:9] = color  # 16 of 18,000 pixels
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG", compress_level=0)
    return file.getvalue()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


def test_pictures_get_a_palette():
    png = picture([0, 158, 115, 255])
    small = notebooks.with_palette(png)
    assert len(small) < len(png) / 4
    assert Image.open(io.BytesIO(small)).mode == "P"
    assert pixels(small).shape == pixels(png).shape == (60, 300, 3)
    assert np.abs(pixels(small) - pixels(png)).max() <= 4, (
        "small marks keep their colour"
    )
    assert notebooks.with_palette(small) == small, "a second call changes nothing"
    assert notebooks.with_palette(png) == small, "it is the same every time"


def test_pictures_that_a_palette_would_spoil_stay():
    through = picture([0, 158, 115, 90])
    assert notebooks.with_palette(through) == through
    file = io.BytesIO()  # one grey pixel: nothing to gain
    Image.new("L", (1, 1)).save(file, "PNG")
    assert notebooks.with_palette(file.getvalue()) == file.getvalue()


def test_stored_pictures_shrink_without_a_run(tmp_path, capsys):
    data = {"image/png": base64.b64encode(picture([0, 0, 0, 255])).decode()}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    cell = CELL | {"id": "cell-001", "source": "1 / 0", "outputs": [output]}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.from_dict(cell)])
    path = tmp_path / "01_page.ipynb"
    notebooks.store(notebooks.normalise(notebook), path)
    assert notebooks.faults(path) == []
    expected = path.read_text()
    notebook.cells[0].outputs[0].data["image/png"] = data["image/png"]
    notebooks.store(notebook, path)
    assert notebooks.faults(path) == ["it is not normalised"]
    arguments = ["--folder", str(tmp_path), "--pictures"]
    notebooks.main(arguments)
    assert path.read_text() == expected
    assert "01_page.ipynb: pictures of" in capsys.readouterr().out
    notebooks.main(["01", *arguments])
    assert path.read_text() == expected


def test_notebooks_not_made_by_the_tool_are_named(tmp_path):
    failed = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    cells = [nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("2")]
    cells[1].execution_count, cells[1].outputs = 1, [failed]
    notebook = notebooks.normalise(nbformat.v4.new_notebook(cells=cells))
    notebooks.store(notebook, tmp_path / "01_page.ipynb")
    with pytest.raises(SystemExit) as failure:
        notebooks.main(["book/01_page.ipynb", "--check", "--folder", str(tmp_path)])
    assert str(failure.value).splitlines()[:2] == [
        "01_page.ipynb: cell 1 was not executed",
        "01_page.ipynb: cell 2 ended with an error",
    ]
    cells[0].execution_count, cells[1].outputs = 1, []
    notebooks.store(notebooks.normalise(notebook), tmp_path / "01_page.ipynb")
    assert notebooks.main(["--check", "--folder", str(tmp_path)]) == 0


# ------------------------------------------------------------------------------- nbval

NBVAL = [
    "-m",
    "pytest",
    "--nbval",
    "--nbval-current-env",
    "-p",
    "no:cacheprovider",
    "-q",
]


def test_nbval_compares_and_knows_the_semicolon(tmp_path):
    """A stored output that is wrong by two units fails; a silenced value is none."""

    def stored(name, source, text):
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
        return nbformat.from_dict(
            CELL | {"id": name, "source": source, "outputs": outputs}
        )

    cells = [stored("a", "print(0.25)", "0.27\n"), stored("b", "print(1)\n2;", "1\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "page.ipynb")
    (tmp_path / "conftest.py").write_text((ROOT / "book" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\npythonpath = {ROOT / 'tests/book'}\n"
    )
    run = [sys.executable, *NBVAL, "page.ipynb"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert "1 failed, 1 passed" in done.stdout
    assert "Cell 0" in done.stdout and "'0.27' stored, '0.25' now" in done.stdout

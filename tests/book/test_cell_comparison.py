"""The comparison of notebook outputs: what passes, and above all what does not.

Broken notebooks are made and run by nbval with the book's own conftest.
"""

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from cell_comparison import difference, near, tokens
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]

# -- tokens and numbers ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("0.162", "0.161"),
        ("0.162", "0.163"),
        ("0.10", "0.09"),
        ("9.99", "10.00"),
        ("-0.000", "0.000"),
        ("+0.001", "-0.000"),
        ("0.5", "0.499"),  # numpy and round() drop zeros: the finer unit counts
        ("1.", "1.01"),
        ("-0.", "0."),
        ("1.2e-05", "1.3e-05"),
        ("1.0e-05", "9.9e-06"),
        ("1,682.5", "1,682.4"),
        ("\u22120.12", "\u22120.13"),
    ],
)
def test_near_numbers(stored, new):
    assert near(stored, new)
    assert near(new, stored)
    assert difference(f"NDCG {stored}", f"NDCG {new}") is None


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("0.162", "0.164"),  # two units
        ("0.162", "0.262"),  # a digit two places up
        ("0.162", "-0.162"),
        ("0.001", "-0.001"),
        ("0.5", "0.48"),
        ("943", "944"),  # a count
        ("0", "1"),
        ("12.", "13."),  # a count that numpy prints as a float
        ("12", "12.0"),  # an integer became a float
        ("1,682", "1682"),
        ("1,682", "1,683"),
        ("1.2e-05", "1.2e-06"),
        ("1.2e-05", "1.4e-05"),
    ],
)
def test_numbers_that_differ(stored, new):
    assert not near(stored, new)
    assert not near(new, stored)
    message = difference(f"NDCG {stored}", f"NDCG {new}")
    assert repr(stored) in message
    assert repr(new) in message


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("u1", "u2"),
        ("GRU4Rec", "GRU5Rec"),
        ("version 2.4.6", "version 2.4.7"),
        ("3.51x faster", "3.52x faster"),
        ("ml-100k", "ml-101k"),
        ("1998-04-20", "1998-04-21"),
        ("NDCG@10", "NDCG@11"),
        ("P(3)", "P(4)"),
        ("nan", "0.0"),
        ("a b", "ab"),
        ("a  b", "a b"),
        ("a\nb", "a b"),
        ("a\n", "a"),
        ("0.1 0.2", "0.1 0.2 0.3"),
        ("0.1 0.2 0.3", "0.1 0.2"),
        ("5-3", "5 -3"),
        ("[0.1, 0.2]", "[[0.1, 0.2]]"),
        ("0.12 a", "0.12  a"),  # no number changed its width: spaces are exact
        ("35.0%", "35%"),
        ("35%", "37%"),
    ],
)
def test_texts_that_differ(stored, new):
    assert difference(stored, new)
    assert difference(new, stored)


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("a   9.99\nb   0.50", "a  10.00\nb   0.50"),  # the columns shift
        ("[-0.   0.5]", "[0.  0.5]"),
        ("[[ 0.12 -0.  ]\n [ 0.5   1.  ]]", "[[0.12 0.  ]\n [0.5  1.01]]"),
        ("35% of the pairs", "36% of the pairs"),
        ("(0.12,0.50)", "(0.13,0.50)"),
        ("0.12-0.15", "0.12-0.16"),
    ],
)
def test_texts_that_agree(stored, new):
    assert difference(stored, new) is None
    assert difference(new, stored) is None


@given(st.integers(-99_999, 99_999), st.integers(-5, 5))
def test_one_unit_and_no_more(units, step):
    stored, new = (f"{x / 1000:.3f}" for x in (units, units + step))
    assert near(stored, new) == (abs(step) <= 1)


@given(st.text(alphabet="01.,-+eE%a_ \n()", max_size=30))
def test_tokens_lose_nothing(text):
    assert "".join(part for _, part in tokens(text)) == text
    assert difference(text, text) is None


# -- broken notebooks ------------------------------------------------------------------

SETUP = """import numpy as np
import pandas as pd
table = pd.DataFrame(
    {"users": [943, 459, 30], "NDCG": [0.1621, 0.2304, -0.0001]},
    index=["Popularity", "EASE", "Random"],
).round(3)"""
CELLS = {
    "table": "table",
    "array": "np.array([[0.25, -0.0], [1.5, 0.125]])",
    "print": "print('EASE beats Popularity by 0.068 for 943 users')",
}


def swapped(text, first="Popularity", second="EASE"):
    """A text table or an HTML table with two rows exchanged."""
    if "<" not in text:
        lines = text.split("\n")
        a, b = (
            next(n for n, line in enumerate(lines) if line.startswith(x))
            for x in (first, second)
        )
        lines[a], lines[b] = lines[b], lines[a]
        return "\n".join(lines)
    rows = re.findall(r" *<tr>.*?</tr>\n", text, re.DOTALL)
    a, b = (next(r for r in rows if f"<th>{x}</th>" in r) for x in (first, second))
    return text.replace(a, "\0").replace(b, a).replace("\0", b)


def without_row(text):
    if "<" not in text:
        return "\n".join(line for line in text.split("\n") if line[:4] != "EASE")
    row = re.search(r" *<tr>\s*<th>EASE</th>.*?</tr>\n", text, re.DOTALL)
    return text.replace(row[0], "")


def without_column(text):
    text = re.sub(r" *<t[hd]>(users|943|459|30)</t[hd]>\n", "", text)
    return re.sub(r" +(users|943|459|30)\b", "", text)


def replaced(old, new):
    return lambda text: text.replace(old, new)


# Name: cell, how its stored output is changed, what a message must name (None: passes)
CASES = {
    "untouched": ("table", lambda text: text, None),
    "a unit up": ("table", replaced("0.162", "0.163"), None),
    "a unit down": ("table", replaced("0.162", "0.161"), None),
    "zero without its sign": ("table", replaced("-0.000", "0.000"), None),
    "two units up": ("table", replaced("0.162", "0.164"), "'0.164' stored, '0.162'"),
    "two places up": ("table", replaced("0.162", "0.262"), "'0.262' stored, '0.162'"),
    "rows swapped": ("table", swapped, "'EASE' stored, 'Popularity' now"),
    "row missing": ("table", without_row, "lines stored"),
    "word": ("table", replaced("Random", "Chance"), "'Chance' stored, 'Random' now"),
    "column name": ("table", replaced("NDCG", "NDGC"), "'NDGC' stored, 'NDCG' now"),
    "count": ("table", replaced("943", "944"), "'944' stored, '943' now"),
    "column missing": ("table", without_column, "stored"),
    "array, a unit": ("array", replaced("0.125", "0.124"), None),
    "array, sign of zero": ("array", replaced("-0.", " 0."), None),
    "array, shape": ("array", replaced("],\n       [", ", "), "lines stored"),
    "array, order": (
        "array",
        replaced("1.5  ,  0.125", "0.125,  1.5  "),
        "'0.125' stored",
    ),
    "print, a unit": ("print", replaced("0.068", "0.069"), None),
    "print, two units": ("print", replaced("0.068", "0.070"), "'0.070' stored"),
    "print, word": ("print", replaced("beats", "equals"), "'equals' stored"),
    "print, count": ("print", replaced("943", "942"), "'942' stored, '943' now"),
}
VARIANTS = [
    (name, key)
    for name, (cell, *_) in CASES.items()
    for key in {"table": ("text/plain", "text/html"), "array": ("text/plain",)}.get(
        cell, ("stream",)
    )
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What nbval says of each broken cell: {(case, key): None or its message}."""
    folder = tmp_path_factory.mktemp("broken")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in [SETUP, *CELLS.values()]]
    )
    NotebookClient(notebook, kernel_name="python3").execute()
    setup, *done = notebook.cells
    done = dict(zip(CELLS, done, strict=True))
    cells = [setup]
    for name, key in VARIANTS:
        which, change, message = CASES[name]
        cell = copy.deepcopy(done[which])
        cell.id = f"cell-{len(cells)}"
        cells.append(cell)
        (output,) = cell.outputs
        place, key = (output, "text") if key == "stream" else (output.data, key)
        before, place[key] = place[key], change(place[key])
        assert (place[key] == before) == (name == "untouched"), name
    notebook.cells = cells
    nbformat.write(notebook, folder / "broken.ipynb")
    shutil.copy(ROOT / "book" / "conftest.py", folder)
    (folder / "pytest.ini").write_text(
        f"[pytest]\npythonpath = {ROOT / 'tests/book'}\n"
    )
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "--color=no", "-rA"]
    run = subprocess.run(
        [*command, *options, "broken.ipynb"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    passed = {int(n) for n in re.findall(r"^PASSED \S+::Cell (\d+)", run.stdout, re.M)}
    parts = re.split(r"^Cell (\d+): ", run.stdout, flags=re.M)
    failed = dict(zip(map(int, parts[1::2]), parts[2::2], strict=True))
    assert len(passed) + len(failed) == len(cells)
    assert 0 in passed
    return {
        variant: None if n in passed else failed[n]
        for n, variant in enumerate(VARIANTS, start=1)
    }


@pytest.mark.parametrize(("name", "key"), VARIANTS)
def test_broken_notebook(reports, name, key):
    """A changed digit, row, word or shape is found, and the message names it."""
    message, report = CASES[name][2], reports[name, key]
    if message is None:
        assert report is None, report
    else:
        assert report is not None
        assert "What differs:" in report
        assert message in report

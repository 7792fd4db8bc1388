"""The page of symbols: one meaning each, and code names that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
PACKAGE = sorted((ROOT / "recsys_tutor").rglob("*.py"))
#: Where one row of the table ends: "| $P$, $\\mathbf p_u$ | user factors | `P` |".
ROW = re.compile(
    r"^\| (?P<symbols>.*?\$.*?) \| (?P<meaning>.*) \| (?P<code>.*) \|$", re.M
)
#: In the book's cells or in the ordinary words of Python and scipy, not in the package.
ELSEWHERE = {"normal", "ndtr", "error", "hits", "n_relevant", "relevant"}


def symbols(cell):
    """The symbols of a cell, white space aside; commas within braces do not part."""
    found = []
    for formula in re.findall(r"\$([^$]+)\$", cell):
        depth, last = 0, ""
        for char in formula:
            depth += (char in "{([") - (char in "})]")
            if char == "," and not depth:
                found.append(last)
                last = ""
            else:
                last += char
        found.append(last)
    return ["".join(symbol.split()) for symbol in found]


def repeated(page):
    seen, twice = set(), set()
    for row in ROW.finditer(page):
        for symbol in symbols(row["symbols"]):
            (twice if symbol in seen else seen).add(symbol)
    return twice


def names_in_package():
    """Every name that the package gives to something, learned attributes included."""
    found = {path.stem for path in PACKAGE}
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node.value.isidentifier():
                    found.add(node.value)
    return found


def test_a_symbol_has_one_row():
    assert len(list(ROW.finditer(PAGE))) > 100
    assert repeated(PAGE) == set()


def test_two_rows_of_one_symbol_would_be_seen():
    row = next(
        row for row in ROW.finditer(PAGE) if r"\lambda" in symbols(row["symbols"])
    )
    assert repeated(PAGE + f"\n{row[0]}\n") >= {r"\lambda"}
    assert symbols(r"$u, v$, $\mathbf p_{u, i}$ and $\pi_u(\ell)$") == [
        "u", "v", r"\mathbfp_{u,i}", r"\pi_u(\ell)",
    ]  # fmt: skip


def unknown(page):
    """Code names of a page that the package does not have."""
    known, missing = names_in_package(), set()
    for row in ROW.finditer(page):
        for name in re.findall(r"`([A-Za-z_.]+)`", row["code"]):
            if not set(name.split(".")) <= known:
                missing.add(name)
    return missing


def test_the_code_of_a_symbol_exists():
    assert unknown(PAGE) == set()
    stale = "| $z$ | a topic | `n_topics`, `PLSA.topic_names_` |"
    assert unknown(stale) == {"PLSA.topic_names_"}

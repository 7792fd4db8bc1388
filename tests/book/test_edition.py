"""The reader's edition: its text, its cells, and that each notebook runs alone."""

import ast
import itertools
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import edition
import nbformat
import pytest
from bs4 import BeautifulSoup
from edition_text import EditionError, Page, pieces, plain
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
HTML = ROOT / "_build" / "html"
NAMES = sorted(path.stem for path in BOOK.glob("*.ipynb"))

NUMBERS = {
    "title": "The Book",
    "documents": {
        "book/02_b": {"title": "Two", "number": "2"},
        "book/03_c": {"title": "Three", "number": "3"},
        "book/terms": {"title": "Terms", "number": ""},
    },
    "notebooks": ["book/02_b", "book/03_c"],
    "sections": {},
    "labels": {
        "eq-b-sum": ["book/02_b", "2.1"],
        "eq-c-mean": ["book/03_c", "3.4"],
        "fig-b-line": ["book/02_b", "2.1"],
        "ex-b-one": ["book/02_b", "2.1"],
        "thm-b": ["book/02_b", "2.1"],
    },
    "titles": {"sec-b": ["book/02_b", "A section"]},
    "objects": {"recsys_tutor.mf.BiasedMF": "book/api/mf.html#BiasedMF"},
}
ENTRIES = {
    "one2009": edition.Reference("One et al.", "2009", "https://doi.org/1"),
    "two1999": edition.Reference("Two", "1999", ""),
}


@pytest.fixture
def page():
    values = {"share": "0.4567", "name": "'Alien'"}
    return Page("02_b", NUMBERS, values, ENTRIES, "https://book/")


# -- the text --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("so {glue:text}`share:.1%` of", "so **45.7%** of"),
        ("{glue:text}`name` leads", "**Alien** leads"),
        ("{cite:t}`one2009` did", "[One et al. (2009)](https://doi.org/1) did"),
        (
            "known {cite:p}`one2009, two1999`",
            "known ([One et al., 2009](https://doi.org/1); Two, 1999)",
        ),
        ("by {eq}`eq-b-sum`", "by [(2.1)](#eq-b-sum)"),
        ("by {eq}`eq-c-mean`", "by [(3.4)](03_c.ipynb#eq-c-mean)"),
        ("see {numref}`fig-b-line`", "see [Figure 2.1](#fig-b-line)"),
        ("in {doc}`03_c`", "in [chapter 3, Three](03_c.ipynb)"),
        ("in {doc}`the third\n<03_c>`", "in [the third](03_c.ipynb)"),
        ("{doc}`terms`", "[Terms](https://book/book/terms.html)"),
        (
            "{py:class}`~recsys_tutor.mf.BiasedMF`",
            "[`BiasedMF`](https://book/book/api/mf.html#BiasedMF)",
        ),
        ("{py:func}`numpy.sum`", "`numpy.sum`"),
        ("{ref}`sec-b`", "[A section](02_b.ipynb#sec-b)"),
        ("`{eq}` and ``{cite:t}`x` ``", "`{eq}` and ``{cite:t}`x` ``"),
        ("(sec-b)=\n## A", '<a id="sec-b"></a>\n## A'),
        ("$$ a = b $$", "$$ a = b $$"),
        (
            "$\\operatorname{Var}x$, `\\operatorname{x}`",
            "$\\mathop{\\mathrm{Var}}\\nolimits x$, `\\operatorname{x}`",
        ),
        ("$$ a=b $$ (eq-b-sum)", '<a id="eq-b-sum"></a>\n\n$$ a=b \\tag{2.1} $$'),
        (
            "$$\na\n$$ (eq-b-sum)",
            '<a id="eq-b-sum"></a>\n\n$$\na\n\\tag{2.1}\n$$',
        ),
    ],
)
def test_roles_and_formulas_become_words_and_links(page, text, wanted):
    assert plain(text.splitlines(), page) == wanted


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("```{tip}\nDo $a\n+b$.\n```", "> **Tip**\n>\n> Do $a +b$."),
        (
            "````{admonition} Check: it\n:class: check\n```python\nx = 1\n```\n````",
            "> **Check: it**\n>\n> ```python\n> x = 1\n> ```",
        ),
        (
            "```{dropdown} A. *yes* a<b\n**Right.** So\n```",
            "<details>\n<summary>A. <em>yes</em> a&lt;b</summary>\n\n"
            "**Right.** So\n\n</details>",
        ),
        (
            "````{admonition} Question 1\n:class: quiz\nWhy?\n```{dropdown} A\nNo\n```"
            "\n````",
            "> **Question 1**\n>\n> Why?\n>\n> <details>\n> <summary>A</summary>"
            "\n>\n> No\n>\n> </details>",
        ),
        (
            "```{exercise} code: it\n:label: ex-b-one\nDo.\n```",
            '> <a id="ex-b-one"></a>**Exercise 2.1** (code: it)\n>\n> Do.',
        ),
        (
            "```{prf:theorem} Them\n:label: thm-b\nAll.\n```",
            '> <a id="thm-b"></a>**Theorem 2.1** (Them)\n>\n> All.',
        ),
        (
            "```{list-table}\n:header-rows: 1\n* - a\n  - b\n"
            "* - {eq}`eq-b-sum`\n  - d\n    e\n```",
            "| a | b |\n| --- | --- |\n| [(2.1)](#eq-b-sum) | d e |",
        ),
        ("```python\n# {eq}`x`\n```", "```python\n# {eq}`x`\n```"),
        (
            "```{math}\n:label: eq-b-sum\na\n```",
            '<a id="eq-b-sum"></a>\n\n$$\na\n\\tag{2.1}\n$$',
        ),
    ],
)
def test_directives_become_plain_markdown(page, text, wanted):
    assert plain(text.splitlines(), page) == wanted


@pytest.mark.parametrize(
    "text",
    ["{eq}`eq-gone`", "{glue:text}`gone`", "{doc}`gone`", "{sup}`2`", "```{grid}\n```"],
)
def test_what_has_no_words_is_an_error(page, text):
    with pytest.raises(EditionError, match="02_b: "):
        plain(text.splitlines(), page)


def test_a_fold_with_a_formula_in_its_title_is_an_error(page):
    with pytest.raises(EditionError, match="no formula"):
        plain(["```{dropdown} A. $a$", "So", "```"], page)


def test_headings_get_the_numbers_of_the_page(page):
    page.sections = ["2", "2.1", "2.2"]
    text = "# Two\n\n```python\n# no heading\n```\n\n## A\n\n## B"
    numbered = re.findall(r"^#+ \d.*$", pieces(text, page)[0].text, re.M)
    assert numbered == ["# 2. Two", "## 2.1. A", "## 2.2. B"]


# -- the cells -------------------------------------------------------------------------

CHAPTER = [
    ("markdown", "# Two\n\n```{admonition} Front\n:class: front\nx\n```"),
    ("code", "import numpy as np\nimport torch\nfrom recsys_tutor import data"),
    ("markdown", "## A\n\n**Predict** the sum."),
    ("code", "print(1)"),
    ("markdown", "It is {glue:text}`share:.2f`."),
    ("code", "print(2)"),
    (
        "markdown",
        "```{exercise} code: it\n:label: ex-b-one\n**Predict**, then do.\n```\n\n"
        "````{solution-start} ex-b-one\n:class: dropdown\n````",
    ),
    ("code", "print(3)"),
    ("markdown", "So it is.\n\n````{solution-end}\n````\n\n## End"),
    ("code", "print(4)"),
]


@pytest.fixture
def chapter():
    v4 = nbformat.v4
    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = [make[kind](source) for kind, source in CHAPTER]
    for cell in cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
            cell.outputs = [v4.new_output("stream", text="out\n")]
    kept = {"scrapbook": {"name": "share", "mime_prefix": edition.KEPT_VALUE}}
    value = {f"{edition.KEPT_VALUE}text/plain": "0.5"}
    cells[3].metadata["mystnb"] = {
        "figure": {"name": "fig-b-line", "caption": "By {eq}`eq-b-sum`"},
        "image": {"alt": "A line."},
    }
    cells[5].outputs += [v4.new_output("display_data", value, metadata=kept)]
    return v4.new_notebook(cells=cells)


def by_source(made):
    return {cell.source: cell for cell in made.cells}


def test_a_chapter_becomes_plain(chapter):
    made = edition.convert(chapter, "02_b", NUMBERS, ENTRIES)
    cells = by_source(made)
    assert "It is **0.50**." in cells
    assert [out.text for out in cells["print(2)"].outputs] == ["out\n"], "no kept value"
    code = [c.source for c in made.cells if c.cell_type == "code"]
    assert [c for c in code if "Your turn" not in c and "find_spec" not in c] == [
        source for kind, source in CHAPTER if kind == "code"
    ]
    assert chapter.cells[3].outputs and len(chapter.cells[5].outputs) == 2, "a copy"


def test_a_guess_comes_before_its_output(chapter):
    made = edition.convert(chapter, "02_b", NUMBERS, ENTRIES)
    cells = by_source(made)
    for source, empty in [("print(1)", True), ("print(2)", False), ("print(4)", False)]:
        assert (cells[source].outputs == []) == empty
    after = made.cells[made.cells.index(cells["print(1)"]) + 1].source
    assert after.startswith('<a id="fig-b-line"></a>\n<details>')
    assert "what it shows</summary>\n\nBy [(2.1)](#eq-b-sum)\n\nA line.\n\n<" in after


def test_a_figure_has_its_caption_and_its_alternative_text(chapter):
    chapter.cells[2].source = "## A"
    made = edition.convert(chapter, "02_b", NUMBERS, ENTRIES)
    cell = by_source(made)["print(1)"]
    assert cell.metadata["alt"] == "A line." and cell.outputs
    after = made.cells[made.cells.index(cell) + 1].source
    assert after == (
        '<a id="fig-b-line"></a>**Figure 2.1.** By [(2.1)](#eq-b-sum)\n\n'
        "<details>\n<summary>Figure 2.1 in words</summary>\n\nA line.\n\n</details>"
    )


def test_a_solution_is_closed_and_a_cell_of_ones_own_stands_above(chapter):
    made = edition.convert(chapter, "02_b", NUMBERS, ENTRIES)
    sources = [cell.source for cell in made.cells]
    at = sources.index("print(3)")
    assert sources[at - 2] == "# Your turn: exercise 2.1\n"
    assert sources[at - 3].startswith('> <a id="ex-b-one"></a>**Exercise 2.1**')
    assert sources[at - 1].startswith("*Solution of exercise 2.1: the closed cells")
    assert sources[at + 1].startswith("<details>\n<summary>Solution of exercise 2.1")
    assert sources[at + 2] == "## End"
    solution = made.cells[at].metadata
    assert solution.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert "solution" in solution.tags and made.cells[at].outputs
    assert "jupyter" not in made.cells[-1].metadata


def test_a_solution_in_words_is_a_fold_below_a_cell_of_ones_own(chapter):
    chapter.cells[6].source = (
        "```{exercise} compute: it\n:label: ex-b-one\nDo.\n```\n\n"
        "````{solution} ex-b-one\n:class: dropdown\n7\n````\n\nGo on."
    )
    chapter.cells[8].source = "## End"
    sources = [c.source for c in edition.convert(chapter, "02_b", NUMBERS, {}).cells]
    at = sources.index("# Your turn: exercise 2.1\n")
    assert sources[at + 1] == (
        "<details>\n<summary>Solution of exercise 2.1</summary>\n\n7\n\n</details>"
    )
    assert sources[at + 2] == "Go on."


def test_folds_of_the_page_are_folds_of_the_notebook(chapter):
    chapter.cells[5].metadata["tags"] = ["hide-input", "long"]
    cell = by_source(edition.convert(chapter, "02_b", NUMBERS, {}))["print(2)"]
    assert cell.metadata.jupyter == {"source_hidden": True}


def install(chapter):
    made = edition.convert(chapter, "02_b", NUMBERS, ENTRIES)
    (cell,) = [c for c in made.cells if "install" in c.metadata.get("tags", [])]
    return cell.source


def test_the_first_cell_installs_what_is_missing_and_only_then(chapter):
    """As IPython runs it, with a %pip that only notes what it was asked for."""
    source = install(chapter)
    assert "[chapters,deep] @ git+https://" in source and "make lab-deep" in source
    assert "in ['recsys_tutor', 'torch'] if" in source, "numpy comes with the package"
    code = re.sub(r"(?m)^( +)%pip (.*)$", r"\1asked.append('\2')", source)
    asked = []
    exec(code, {"asked": asked})
    assert asked == []
    with pytest.raises(ModuleNotFoundError, match=r"needs gone\.[\s\S]*\n%pip install"):
        exec(code.replace("'torch'", "'gone'"), {"asked": asked})
    code = code.replace('find_spec("recsys_tutor") is None', "True")
    exec(code, {"asked": asked})
    assert len(asked) == 1 and asked[0].startswith("install --quiet")


def test_references_are_names_and_a_year_with_a_link():
    entries = edition.references()
    found = {e.authors for e in entries.values()}
    assert {"Koren et al.", "Koren", "Hu et al."} <= found
    for entry in entries.values():
        assert not re.search(r"[{}\\]", entry.authors + entry.link), entry
        assert re.fullmatch(r"\d{4}", entry.year), entry
        assert re.match(r"https?://\S+$|$", entry.link), entry
    assert sum(bool(e.link) for e in entries.values()) > 0.9 * len(entries)


# -- every chapter runs alone ----------------------------------------------------------

ALONE = """
import sys

class Blocked:
    names = {"myst_nb", "sphinx", "pytest", "tests", "tools", "nbformat"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"no {name}", name=name)

sys.meta_path.insert(0, Blocked())
import matplotlib
matplotlib.use("agg")
for cell in sys.stdin.read().split("\\0"):
    exec(compile(cell, "cell", "exec"), globals())
print("done")
"""


def run_alone(sources, folder):
    """Run cells in an empty folder, with nothing on the path but the package."""
    library, empty = folder / "library", folder / "empty"
    library.mkdir()
    empty.mkdir()
    (library / "recsys_tutor").symlink_to(ROOT / "recsys_tutor")
    command = [sys.executable, "-c", ALONE]
    run = subprocess.run(
        command,
        input="\0".join(sources),
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
    )
    assert run.stdout.endswith("done\n"), run.stderr[-2000:]
    return empty


def code_sources(name):
    notebook = nbformat.read(BOOK / f"{name}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_that_needs_torch_says_so_first(name):
    notebook = nbformat.read(BOOK / f"{name}.ipynb", as_version=4)
    needs = "import torch" in "\n".join(code_sources(name))
    assert ("make lab-deep" in notebook.cells[0].source) == needs


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_of_a_chapter_runs_alone(name, tmp_path):
    first = code_sources(name)[0]
    results = ["from recsys_tutor.study.results import Results\nResults.load()"]
    run_alone([first, *results], tmp_path)


@pytest.mark.slow
def test_a_quick_chapter_runs_alone(tmp_path):
    empty = run_alone(code_sources("03_baselines"), tmp_path)
    assert list(empty.iterdir()) == []


def test_no_chapter_opens_a_file_or_imports_what_only_the_build_needs():
    for name in NAMES:
        for source in code_sources(name):
            assert "../" not in source, name
            tree = ast.parse(source)
            names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            assert not names & {"myst_nb", "chapter_text", "notebooks"}, name


# -- the edition of a build ------------------------------------------------------------

LEFTOVER = re.compile(
    r"^\s*[>\s]*(?:`{3,}|:{3,})\{|\$\$ *\([\w-]+\)|^\([\w-]+\)=$", re.M
)
READER = MarkdownIt().enable("table").use(dollarmath_plugin, allow_labels=False)


def made(name):
    """The notebook of the last build (for tests marked html)."""
    path = ROOT / "_build" / "edition" / f"{name}.ipynb"
    assert path.exists(), "no reader's edition: run `make render`"
    return nbformat.read(path, as_version=4)


def words(notebook):
    return [c.source for c in notebook.cells if c.cell_type == "markdown"]


def tokens(text):
    for token in READER.parse(text):
        yield token
        yield from token.children or ()


def leftovers(text):
    """What MyST alone understands: directives, labels; roles, which other readers
    take for a name in braces and a piece of code."""
    found, parts = LEFTOVER.findall(text), list(tokens(text))
    for part, after in itertools.pairwise(parts):
        role = re.search(r"\{[\w:+.-]+\}$", part.content)
        if part.type == "text" and role and after.type == "code_inline":
            found.append(role[0])
    return found


def test_leftovers_are_found():
    for text in ("{eq}`a`", "> ```{tip}", ":::{note}", "$$ (eq-a)", "x\n(sec-a)=\ny"):
        assert len(leftovers(text)) == 1, text
    assert leftovers("a `{b}` c $\\{d\\}$ (e)\n```python\n{f}\n```\n$$g$$ or (h)") == []


@pytest.mark.html
@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_myst_is_left(name):
    for text in words(made(name)):
        assert leftovers(text) == [], text
        shown = [t.content for t in tokens(text) if t.type == "text"]
        assert not [line for line in shown if "**" in line or "$$" in line], shown
        assert text.count("<details>") == text.count("</details>")


@pytest.mark.html
@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_the_chapter_s(name):
    chapter = nbformat.read(BOOK / f"{name}.ipynb", as_version=4)
    added = {"install", "your-turn"}
    cells = [c for c in made(name).cells if c.cell_type == "code"]
    kept = [c for c in cells if not added & set(c.metadata.get("tags", []))]
    assert [c.source for c in kept] == code_sources(name)
    for cell, source in zip(kept, [c for c in chapter.cells if c.cell_type == "code"]):
        tags = cell.metadata.get("tags", [])
        wanted = [o for o in source.outputs if not edition.for_the_page_only(o)]
        assert cell.outputs == ([] if "guess-first" in tags else wanted)


@pytest.mark.html
def test_guesses_and_solutions_are_many():
    tags = [t for n in NAMES for c in made(n).cells for t in c.metadata.get("tags", [])]
    assert tags.count("guess-first") > 50
    assert tags.count("your-turn") > 55 and tags.count("solution") > 45
    assert tags.count("install") == len(NAMES)


def page_of(name):
    html = (HTML / "book" / f"{name}.html").read_text("utf-8")
    return BeautifulSoup(html, "html.parser").find("article")


def numbers_of_page(article):
    """Label -> number of all that the page numbers."""
    found = {}
    for node in article.select("div.math[id^=equation-]"):
        number = node.select_one(".eqno").get_text()
        found[node["id"].removeprefix("equation-")] = number.split(")")[0].strip("(")
    for node in article.select("figure[id], div.exercise[id], div.proof[id]"):
        number = node.select_one(".caption-number").get_text()
        found[node["id"]] = number.split()[-1]
    return found


ANCHORED = re.compile(
    r'<a id="([\w-]+)"></a>\s*(?:\*\*\w+ ([\d.]+?)\.?\*\*'
    r"|<details>\n<summary>Figure ([\d.]+),"
    r"|[> ]*\$\$(?:[^$]*?)\\tag\{([\d.]+)\}\s*\$\$)"
)


@pytest.mark.html
@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_the_page_s(name):
    article, text = page_of(name), "\n\n".join(words(made(name)))
    wanted = numbers_of_page(article)
    found = {m[1]: m[2] or m[3] or m[4] for m in ANCHORED.finditer(text)}
    assert found == wanted
    tags = [
        t for t in tokens(text) if t.type.startswith("math") and "\\tag" in t.content
    ]
    assert len(tags) == sum(label.startswith("eq-") for label in wanted)
    assert len(wanted) > 5 or name == "source_map"
    headings = [h for h in article.select("h1, h2, h3, h4") if h.select("a.headerlink")]
    numbers = [h.select_one(".section-number") for h in headings]
    wanted = [n.get_text().strip() for n in numbers if n]
    assert re.findall(r"^#+ (\d[\d.]*\.) ", text, re.M) == wanted


@pytest.mark.html
@pytest.mark.parametrize("name", NAMES)
def test_the_values_are_the_page_s(name):
    text = "\n".join(words(made(name)))
    wanted = Counter(n.get_text() for n in page_of(name).select(".pasted-text"))
    for value, count in wanted.items():
        assert text.count(f"**{value}**") >= count, value
    assert wanted or name == "source_map"


@pytest.mark.html
@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    text = "\n\n".join(words(made(name)))
    links = [t.attrGet("href") for t in tokens(text) if t.type == "link_open"]
    for link in links:
        page, _, label = link.partition("#")
        site = re.match(r"https://recsys-tutor.github.io/recsys-tutor/(.+)", page)
        if site:
            assert (HTML / site[1]).exists(), link
        elif not link.startswith(("http://", "https://")):
            assert not page or Path(page).stem in NAMES, link
            other = text if not page else "\n".join(words(made(Path(page).stem)))
            assert not label or f'<a id="{label}"></a>' in other, link
    assert links


@pytest.mark.html
def test_the_download_button_and_the_archive_give_the_edition():
    for name in NAMES:
        edition_of = ROOT / "_build" / "edition" / f"{name}.ipynb"
        html = (HTML / "book" / f"{name}.html").read_text("utf-8")
        assert f'href="../_sources/book/{name}.ipynb"' in html
        served = HTML / "_sources" / "book" / f"{name}.ipynb"
        assert served.read_bytes() == edition_of.read_bytes()
    with zipfile.ZipFile(HTML / "book" / edition.ARCHIVE) as archive:
        names = [Path(entry).stem for entry in archive.namelist()]
        assert names == NAMES
        text = archive.read(archive.namelist()[0]).decode("utf-8")
    assert json.loads(text)["cells"]
    page = (HTML / "book" / "how_to_use.html").read_text("utf-8")
    assert f'href="{edition.ARCHIVE}"' in page

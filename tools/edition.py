"""The reader's edition: each chapter as a notebook that any program shows as it is.

    python tools/edition.py                   _build/edition/ from a finished build
    python tools/edition.py --folder out      another folder

The chapters are written in MyST, which the book's pages understand and a notebook
program does not. Here every role is words, every box a quotation, every fold a
``<details>``; equations, figures and exercises have the numbers of the page. The code
cells are the chapter's, with these differences:

- A cell in front says what is not installed, and installs the package if it is missing.
- After a bold "Predict", "Guess" or "Before you ..." in the text (not in an exercise)
  the code cells that follow at once have no output: the guess comes first.
- A solution is closed: its words in a fold, its cells with source and output hidden,
  and in front of it stands an empty cell, "Your turn".
- Outputs that only the page reads (values kept by ``glue``) are left out.
- Below a figure stand its caption and, in a fold, its alternative text.

What Markdown leaves to each program (HTML, formulas) is kept to what JupyterLab, VS
Code, GitHub and Colab all show.

The build calls this file (:mod:`sphinx_edition`), so that the download button of a page
and ``make lab`` give the same notebooks.
"""

import argparse
import ast
import copy
import json
import re
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from edition_text import Page, anchor, details, pieces, prose
from nbformat.v4 import new_code_cell, new_markdown_cell

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
EDITION = ROOT / "_build" / "edition"
NUMBERS = "numbers.json"
ARCHIVE = "recommendation-models-notebooks.zip"
GUESS = re.compile(r"\*\*(?:Predict|Guess|Before you)\b")
HIDDEN = {"hide-input": "source_hidden", "hide-output": "outputs_hidden"}
KEPT_VALUE = "application/papermill.record/"
#: What the extra "deep" brings; all other packages come with "chapters"
DEEP = {"torch", "faiss"}
GREETING = """This notebook is [a page of *{title}*]({address}), as a copy to work in. \
Where the text asks for a guess, the output is empty until you run the cell. Solutions \
are closed; above each stands a cell for your own."""
INSTALL = """\
# Looks for what this notebook needs, and installs recsys_tutor where it is missing.
import importlib
from importlib.util import find_spec

if find_spec("recsys_tutor") is None:
    print("recsys_tutor is not installed here. Installing it takes some minutes.")
    %pip install --quiet "{requirement}"
    importlib.invalidate_caches()
missing = [name for name in {names} if find_spec(name) is None]
if missing:
    raise ModuleNotFoundError(
        f"this notebook needs {{', '.join(missing)}}. In the folder of the book: "
        "`{target}`. Elsewhere run, in a cell of its own:\\n"
        '%pip install "{requirement}"'
    )"""


@dataclass
class Reference:
    """An entry of the bibliography: "Koren and Bell", "2015", an address."""

    authors: str
    year: str
    link: str


def references(path=BOOK / "references.bib"):
    """Every entry of the bibliography by its key."""
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(str(path)).entries.items():
        people = entry.persons.get("author") or entry.persons.get("editor", [])
        names = [last_name(person) for person in people]
        words = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        found[key] = Reference(words, entry.fields["year"], link_of(entry.fields))
    return found


def last_name(person):
    from pybtex.richtext import Text

    name = " ".join([*person.prelast_names, *person.last_names])
    return str(Text.from_latex(name)).replace("\xa0", " ")


def link_of(fields):
    """The address of an entry: DOI, arXiv, else its own; "" if it has none."""
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url", "").replace("\\", "")


# -- cells -----------------------------------------------------------------------------


def glued_values(notebook):
    """The stored text of every value that a cell kept for the sentences."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            kept = output.get("metadata", {}).get("scrapbook")
            if kept:
                text = output.data[f"{kept['mime_prefix']}text/plain"]
                found[kept["name"]] = text
    return found


def for_the_page_only(output):
    data = output.get("data", {})
    return bool(data) and all(kind.startswith(KEPT_VALUE) for kind in data)


def code_cell(cell, solution, guess):
    """A chapter's code cell as the edition has it."""
    cell = copy.deepcopy(cell)
    cell.outputs = [out for out in cell.outputs if not for_the_page_only(out)]
    tags = cell.metadata.get("tags", [])
    folded = {HIDDEN[tag] for tag in tags if tag in HIDDEN}
    if solution or "hide-cell" in tags:
        folded = set(HIDDEN.values())
    if solution:
        tags = [*tags, "solution"]
        cell.metadata["cellView"] = "form"  # the fold of Google Colab
    if guess:
        cell.outputs, cell.execution_count = [], None
        tags = [*tags, "guess-first"]
    if alternative(cell):
        cell.metadata["alt"] = alternative(cell)  # nbconvert, and pages made with it
    if tags:
        cell.metadata["tags"] = tags
    if folded:
        cell.metadata["jupyter"] = {name: True for name in sorted(folded)}
    return cell


def caption(cell, page, guess):
    """The text below a cell's figure, or None; closed where a guess comes first. No
    notebook program reads an output's alternative text to its users, so it stands here,
    too."""
    figure = cell.metadata.get("mystnb", {}).get("figure")
    if not figure:
        return None
    number = page.label(figure["name"])[0]
    title, words = f"Figure {number}", prose(figure["caption"], page)
    seen = alternative(cell)
    if guess:
        words = f"{words}\n\n{seen}"
        text = anchor(figure["name"]) + "\n" + details(f"{title}, what it shows", words)
    else:
        text = f"{anchor(figure['name'])}**{title}.** {words}"
        text += "\n\n" + details(f"{title} in words", seen)
    return new_markdown_cell(text)


def alternative(cell):
    """What there is to see in a cell's figure, in words; None without a figure."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt")


class Cells:
    """The cells of an edition, collected in order."""

    def __init__(self, page):
        self.page, self.cells = page, []
        self.solution, self.guess, self.told = "", False, False

    def title(self):
        number = self.page.label(self.solution)[0]
        return f"Solution of exercise {number}"

    def your_turn(self):
        number = self.page.label(self.solution)[0]
        cell = new_code_cell(f"# Your turn: exercise {number}\n")
        cell.metadata["tags"] = ["your-turn"]
        self.cells.append(cell)

    def closed(self, text):
        self.cells.append(new_markdown_cell(details(self.title(), text)))
        self.told = True

    def markdown(self, cell):
        """The pieces of a Markdown cell; a solution cuts it into several cells."""
        self.guess = False
        for piece in pieces(cell.source, self.page):
            if piece.kind in ("solution", "solution-start"):
                self.solution, self.told = piece.label, False
                self.your_turn()
                if piece.text.strip():
                    self.closed(piece.text)
                self.solution = piece.label if piece.kind == "solution-start" else ""
            elif piece.kind == "solution-end":
                self.solution = ""
            elif self.solution:
                self.closed(piece.text)
            else:
                self.cells.append(new_markdown_cell(piece.text))
                self.guess = asks_for_a_guess(piece.text)

    def code(self, cell):
        solution = bool(self.solution)
        if solution and not self.told:
            text = f"*{self.title()}: the closed cells below. A click opens them.*"
            self.cells.append(new_markdown_cell(text))
            self.told = True
        guess = self.guess and not solution
        self.cells.append(code_cell(cell, solution, guess))
        text = caption(cell, self.page, guess or solution)
        if text is not None:
            self.cells.append(text)


def asks_for_a_guess(text):
    """Whether the text, its boxes and folds aside, asks for one."""
    text = re.sub(r"<details>.*?</details>", "", text, flags=re.S)
    text = "\n".join(line for line in text.splitlines() if line[:1] != ">")
    return bool(GUESS.search(text))


def imports(notebook, project):
    """What the first code cell imports and recsys_tutor does not bring along."""
    source = next(c.source for c in notebook.cells if c.cell_type == "code")
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    brought = {re.match(r"[\w-]+", name)[0] for name in project["dependencies"]}
    return sorted(found - set(sys.stdlib_module_names) - brought)


def install_cell(notebook, project):
    """The cell that looks for what the notebook needs."""
    names = imports(notebook, project)
    deep = bool(DEEP & set(names))
    extras = "chapters,deep" if deep else "chapters"
    repository = project["urls"]["Repository"]
    source = INSTALL.format(
        requirement=f"recsys_tutor[{extras}] @ git+{repository}",
        names=names,
        target="make lab-deep" if deep else "make lab",
    )
    cell = new_code_cell(source)
    cell.metadata["tags"] = ["install"]
    return cell


def convert(notebook, name, numbers, entries):
    """The reader's edition of a chapter (a new notebook)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    site = project["urls"]["Book"]
    page = Page(name, numbers, glued_values(notebook), entries, site)
    made = Cells(page)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            made.markdown(cell)
        else:
            made.code(cell)
    greeting = GREETING.format(
        title=numbers["title"], address=f"{site}book/{name}.html"
    )
    made.cells[1:1] = [new_markdown_cell(greeting), install_cell(notebook, project)]
    for position, cell in enumerate(made.cells, start=1):
        cell.id = f"edition-{position:03d}"
    edition = nbformat.v4.new_notebook(metadata=notebook.metadata, cells=made.cells)
    nbformat.validate(edition)
    return edition


# -- files -----------------------------------------------------------------------------


def write_all(numbers, folder=EDITION, book=BOOK):
    """Write every notebook of the book, their numbers, and an archive of all."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = references(book / "references.bib")
    written = []
    for path in sorted(book.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        edition = convert(notebook, path.stem, numbers, entries)
        target = folder / path.name
        target.write_text(nbformat.writes(edition).rstrip("\n") + "\n", "utf-8")
        written.append(target)
    for path in set(folder.glob("*.ipynb")) - set(written):
        path.unlink()
    pack(written, folder / ARCHIVE)
    (folder / NUMBERS).write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
    return written


def pack(paths, archive):
    """A zip of the notebooks; the same bytes for the same notebooks."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in paths:
            entry = zipfile.ZipInfo(f"notebooks/{path.name}")
            entry.external_attr = 0o644 << 16
            file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=EDITION)
    options = parser.parse_args(arguments)
    path = EDITION / NUMBERS
    if not path.exists():
        raise SystemExit(f"no {path}: the build writes it; call `make book` first")
    written = write_all(json.loads(path.read_text("utf-8")), options.folder)
    print(f"{len(written)} notebooks in {options.folder}")


if __name__ == "__main__":
    main()

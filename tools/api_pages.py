"""Write the pages of the API reference: one a module, grouped by floor.

python tools/api_pages.py

Run it when a module was added, renamed or removed. It writes book/api.md, book/api/ and
the entries below book/api in _toc.yml; a test compares them with what it would write.
"""

import re
from dataclasses import dataclass

import code_index as index

TOC = index.ROOT / "_toc.yml"
HEAD = """# API reference

The docstrings are the specification: prediction rule, objective, update rule, shapes,
errors, cost. Each page is one file of the package; import from it, for instance
`from recsys_tutor.baselines import Popularity`. The number of an equation leads to the
chapter that derives it, **[source]** to the code; the word *code* below an equation
of a chapter leads back here. The files stand on floors, from what everything uses to
what uses everything.
"""


@dataclass(frozen=True)
class Floor:
    """Part of the package; `rooms` names modules and whole sub-packages."""

    name: str
    purpose: str
    rooms: tuple[str, ...] = ()

    @property
    def page(self):
        return f"book/api/floors/{self.name.lower()}"


MODELS = Floor("Models", "One file per family of models, with their steps.")
NETWORKS = Floor("Networks", "The models trained by gradient steps.", ("graph",))
FLOORS = (
    Floor(
        "Ground",
        "Checks, files, containers and the contract that every model keeps.",
        ("checks", "parameters", "files", "columns", "data", "base", "ranking")
        + ("saving", "callbacks", "progress", "kernels", "sampling"),
    ),
    Floor(
        "Data",
        "MovieLens, a reader's own ratings, worlds whose truth is known, features.",
        ("datasets", "features"),
    ),
    Floor(
        "Protocol",
        "Splits, metrics, comparisons: the same for every model.",
        ("splits", "metrics", "parts", "evaluate", "compare", "protocol", "testing"),
    ),
    MODELS,
    NETWORKS,
    Floor("Search", "Hyper-parameters: search and what it is worth.", ("tuning",)),
    Floor(
        "Study",
        "The book's own: its exercises, what was measured and how it is drawn.",
        ("exercises", "study", "plots", "drawing", "moving", "book"),
    ),
)


def floor_of(module):
    """The floor that names the module or its package, else by what it is built on."""
    first = module.split(".")[0]
    for floor in FLOORS:
        if first in floor.rooms:
            return floor
    sources = index.modules()[module].imported.values()
    return NETWORKS if any(s.split(".")[0] == "torch" for s in sources) else MODELS


def rooms(floor):
    """Its modules: in the order in which it names them, the others by chapter."""
    order = {name: n for n, name in enumerate(floor.rooms)}

    def place(name):
        number = order.get(name.split(".")[0], -1)
        return number, name.count("."), named_chapters(name)[:1], name

    return sorted((m for m in index.modules() if floor_of(m) is floor), key=place)


def page_of(module):
    return "book/api/" + module.replace(".", "/")


def summary(module):
    """The first sentence of its docstring, names as code."""
    text = " ".join(index.modules()[module].docstring.partition("\n\n")[0].split())
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return re.split(r"(?<=\.) ", text)[0]


def line(module):
    return f"{{doc}}`{module} </{page_of(module)}>`: {summary(module)}"


def named_chapters(module):
    """Numbers in the line ``Chapter: 04 Name.`` of the module's docstring."""
    text = index.modules()[module].docstring
    found = re.search(r"^Chapters?:(.*?)(?:\n\n|\Z)", text, flags=re.M | re.S)
    return [int(n) for n in re.findall(r"\b\d\d\b", found[1])] if found else []


def module_page(module):
    """Its docstring and every public name, less those that its package shows."""
    public = index.modules()[module].public
    elsewhere = [n for n in public if index.shown(f"{module}.{n}") != f"{module}.{n}"]
    text = f"# {module}\n\n```{{eval-rst}}\n.. automodule:: recsys_tutor.{module}\n"
    text += f"   :exclude-members: {', '.join(elsewhere)}\n" if elsewhere else ""
    text += "".join(imported_data(module)) + "```\n"
    if elsewhere:
        names = [f"{{py:obj}}`~recsys_tutor.{module}.{name}`" for name in elsewhere]
        text += f"\nDocumented where they are imported from: {', '.join(names)}.\n"
    tests = [f"`{path}`" for path in index.tests_of(module)]
    return text + (f"\nTested by {', '.join(tests)}.\n" if tests else "")


def imported_data(module):
    """Entries for constants of other files: autodoc has no words for an import."""
    for name in index.modules()[module].public:
        full, home = f"{module}.{name}", index.modules()[module].imported.get(name)
        if not home or index.shown(full) != full or not name.isupper():
            continue
        path = index.ROOT.joinpath(*home.split(".")).with_suffix(".py")
        source = path.read_text(encoding="utf-8")
        said = re.search(rf"((?:^#:.*\n)+){name} = ", source, flags=re.M)
        words = re.findall(r"^#: ?(.*)", said[1], flags=re.M)
        words = [word for word in words if word and not word.startswith(":meta")]
        yield f"\n.. py:data:: {name}\n   :module: recsys_tutor.{module}\n\n"
        yield "".join(f"   {word}\n" for word in words)


def floor_page(floor):
    """Its modules, a line each, with all public names."""
    text = f"# {floor.name}\n\n{floor.purpose}\n"
    for module in rooms(floor):
        public = index.modules()[module].public
        names = [f"{{py:obj}}`~recsys_tutor.{module}.{name}`" for name in public]
        text += f"\n## {module}\n\n{line(module)}\n"
        text += f"\n{' · '.join(names)}\n" if names else ""
    return text


def front_page():
    text = HEAD
    for floor in FLOORS:
        text += f"\n## {floor.name}\n\n{floor.purpose} "
        text += f"{{doc}}`All names </{floor.page}>`.\n\n"
        text += "".join(f"- {line(module)}\n" for module in rooms(floor))
    return text


def toc(text):
    """The table of contents with the pages below book/api."""
    entries = "      - file: book/api\n        sections:\n"
    for floor in FLOORS:
        entries += f"          - file: {floor.page}\n            sections:\n"
        files = [f"              - file: {page_of(m)}\n" for m in rooms(floor)]
        entries += "".join(files)
    return re.sub(r"(?m)^      - file: book/api\n(?: {8}.*\n)*", entries, text)


def files():
    """Text of every file that this program writes, by its path."""
    pages = {"book/api": front_page()}
    pages |= {floor.page: floor_page(floor) for floor in FLOORS}
    pages |= {page_of(module): module_page(module) for module in index.modules()}
    written = {index.ROOT / f"{page}.md": text for page, text in pages.items()}
    return written | {TOC: toc(TOC.read_text("utf-8"))}


def outdated():
    """Pages in book/api/ that no module has any more."""
    return sorted(set((index.BOOK / "api").rglob("*.md")) - set(files()))


def main():
    for path in outdated():
        path.unlink()
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""A chapter as its rules and tools see it: cells, and the MyST text in them.

``read`` turns a notebook (nbformat's or plain JSON) into a list of `Cell`; its markdown
is parsed to lines and `Directive` blocks, each of which knows the number of its cell.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

BOOK = Path(__file__).resolve().parent.parent / "book"
#: Tags under which a cell's code is folded or not on the page at all.
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}


@dataclass
class Directive:
    """One fenced block. A plain code fence has the name ``""``."""

    name: str
    title: str
    options: dict
    items: list = field(default_factory=list)
    text: str = ""
    cell: int = 0  # the number of its cell, as `read` knows it

    @property
    def classes(self):
        return self.options.get("class", "").split()

    @property
    def label(self):
        return self.options.get("label", "")


OPENING = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([^}`]+)\})?([^`]*)$")
VERBATIM = {"", "math", "code", "code-block", "code-cell", "eval-rst", "figure"}
VERBATIM |= {"bibliography", "literalinclude", "raw", "mermaid"}


def parse(text):
    """Lines and `Directive` blocks of a MyST text; nested ones inside their parent."""
    items, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        opening = OPENING.match(lines[at])
        is_colon = opening and opening[1][0] == ":"
        if not opening or (is_colon and not opening[2]):
            items.append(lines[at])
            at += 1
            continue
        mark, end = opening[1], at + 1
        close = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
        while end < len(lines) and not close.match(lines[end]):
            end += 1
        body = lines[at + 1 : end]
        options = {}
        while body and re.match(r"^\s*:[\w-]+:", body[0]) and opening[2]:
            key, _, value = body.pop(0).strip()[1:].partition(":")
            options[key] = value.strip()
        name, content = opening[2] or "", "\n".join(body)
        inner = [] if name in VERBATIM else parse(content)
        items.append(Directive(name, opening[3].strip(), options, inner, content))
        at = end + 1
    return items


def walk(items):
    """All directives, parents before children."""
    for item in items:
        if isinstance(item, Directive):
            yield item
            yield from walk(item.items)


def flatten(items, drop=()):
    """The text without fences, code, formulas blocks and the directives in `drop`."""
    lines = []
    for item in items:
        if not isinstance(item, Directive):
            lines.append(item)
        elif item.name not in VERBATIM and item.name not in drop:
            lines += ["", item.title, "", flatten(item.items, drop), ""]
    return re.sub(r"\$\$.*?\$\$(?:\s*\([^)]*\))?", "", "\n".join(lines), flags=re.S)


def strip_inline(text):
    """`text` without roles, inline code, formulas and addresses."""
    text = re.sub(r"\{[\w:-]+\}(`+).*?\1", " ", text, flags=re.S)
    text = re.sub(r"(`+).*?\1", " ", text, flags=re.S)
    text = re.sub(r"\$[^$\n]+(?:\n[^$\n]+)?\$", " ", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"https?://\S+", " ", text)


@dataclass
class Cell:
    number: int
    kind: str
    source: str
    tags: list
    metadata: dict
    outputs: list
    count: object
    solution: str = ""  # label of the exercise whose gated solution holds the cell
    items: list = field(default_factory=list)  # markdown outside gated solutions
    inside: list = field(default_factory=list)  # markdown inside them


def read(notebook):
    """The cells, each knowing whether it stands inside a gated solution."""
    cells, label = [], ""
    for number, raw in enumerate(notebook["cells"], start=1):
        source = raw["source"]
        source = source if isinstance(source, str) else "".join(source)
        metadata = raw.get("metadata", {})
        cell = Cell(
            number,
            raw["cell_type"],
            source,
            list(metadata.get("tags", [])),
            metadata,
            raw.get("outputs", []),
            raw.get("execution_count"),
            label,
        )
        if cell.kind == "markdown":
            parsed = parse(source)
            for directive in walk(parsed):
                directive.cell = number
            for item in parsed:
                name = item.name if isinstance(item, Directive) else ""
                if name == "solution-start":
                    label = item.title
                    cell.items.append(item)
                elif name == "solution-end":
                    label = ""
                    cell.items.append(item)
                else:
                    (cell.inside if label else cell.items).append(item)
        cells.append(cell)
    return cells


def code_cells(cells):
    return [c for c in cells if c.kind == "code" and c.source.strip()]


def markdown_items(cells):
    return [item for c in cells if c.kind == "markdown" for item in c.items]


def all_items(cells):
    return [i for c in cells if c.kind == "markdown" for i in c.items + c.inside]


def output_texts(cell):
    """Every text in the outputs of a cell: streams and the text representations."""
    for output in cell.outputs:
        for value in [output.get("text", ""), *output.get("data", {}).values()]:
            value = "".join(value) if isinstance(value, list) else value
            if isinstance(value, str):
                yield value


def has_image(cell):
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def headings(cells, level=2):
    pattern = re.compile(rf"^{'#' * level}\s+(.*)$")
    found = []
    for item in markdown_items(cells):
        if isinstance(item, str) and pattern.match(item):
            found.append(pattern.match(item)[1].strip())
    return found


def section(cells, start):
    """The markdown items below the H2 that begins with `start`."""
    inside, found = [], False
    for item in markdown_items(cells):
        if isinstance(item, str) and re.match(r"^##\s", item):
            found = item[2:].strip().lower().startswith(start.lower())
        elif found:
            inside.append(item)
    return inside


def visible_code(notebook):
    """Lines of each cell, by its number, that a reader sees without a click.

    Not counted: cells with a tag of `FOLDED`, cells in a solution (it is folded), blank
    lines, lines that are a comment.
    """
    counts = {}
    for cell in code_cells(read(notebook)):
        if not cell.solution and not FOLDED & set(cell.tags):
            lines = [line.strip() for line in cell.source.splitlines()]
            counts[cell.number] = sum(bool(x) and x[0] != "#" for x in lines)
    return counts


def chapter_number(path):
    """3 for 03_baselines.ipynb, 2 for 02b_..., a section page; None without number."""
    found = re.match(r"(\d\d)[b-z]?_", Path(path).name)
    return int(found[1]) if found else None

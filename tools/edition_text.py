"""MyST text as the plain Markdown that every notebook program shows.

:func:`pieces` cuts the text of one Markdown cell into parts for the reader's edition:
ordinary text, and the places where solutions begin and end. Roles become words and
links, directives become quotes, folds (``<details>``) and tables, a numbered formula
gets a ``\\tag``. The numbers come from the build (:mod:`sphinx_edition`).

A name that is not known here is an error: nothing is left for a reader to decode.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from sphinx_page import run_time

OPENING = re.compile(r"^(`{3,}|~{3,}|:{3,})\s*(?:\{([^}`]+)\})?([^`]*)$")
SPAN = re.compile(
    r"(?:\{(?P<role>[\w:+.-]+)\})?(?P<ticks>(?<!`)`+(?!`))"
    r"(?P<text>(?:(?!\n\s*\n).)+?)(?<!`)(?P=ticks)(?!`)",
    re.S,
)
TARGET = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.S)
FORMULA = re.compile(
    r"^(?P<indent>[ >]*)\$\$(?P<body>(?:[^$]|\\\$)+?)\$\$"
    r"[ ]*(?:\((?P<label>[\w-]+)\))?",
    re.M,
)
MATH = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$(?!\$)[^$]+?(?<!\\)\$", re.S)
OPERATOR = re.compile(r"\\operatorname\{([^{}]+)\}(?=(\w?))")
LINK = re.compile(r"\]\((?P<page>[\w/]+\.(?:ipynb|md))(?P<part>#[\w-]+)?\)")
HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
QUOTES = {"note": "Note", "tip": "Tip", "warning": "Warning", "seealso": "See also"}
QUOTES |= {"margin": "Aside", "important": "Important"}
CODE = {"code", "code-block", "literalinclude"}
SOLUTIONS = {"solution", "solution-start", "solution-end"}


class EditionError(ValueError):
    """The text has something that the edition has no words for."""


@dataclass
class Directive:
    """One fenced block; a plain code fence has the name ``""``."""

    name: str
    title: str
    options: dict
    body: list[str]
    mark: str


@dataclass
class Piece:
    """Part of a cell: text, or where a solution starts or ends (its exercise)."""

    kind: str  # text, solution, solution-start, solution-end
    text: str = ""
    label: str = ""


@dataclass
class Page:
    """What the text of one notebook may refer to.

    ``numbers`` is the content of numbers.json, ``glued`` has the stored text of every
    value, ``references`` the entries of the bibliography, ``name`` the notebook's.
    """

    name: str
    numbers: dict
    glued: dict
    references: dict
    site: str
    sections: list = field(default_factory=list)

    def __post_init__(self):
        self.sections = list(self.numbers["sections"].get(f"book/{self.name}", []))

    def label(self, label):
        """Number and address of an equation, a figure, an exercise, a theorem."""
        if label not in self.numbers["labels"]:
            raise EditionError(f"{self.name}: nothing is called {label!r}")
        document, number = self.numbers["labels"][label]
        here = document == f"book/{self.name}"
        return number, f"#{label}" if here else f"{self.address(document)}#{label}"

    def address(self, document):
        """A chapter's notebook beside this one; for other pages the book's site."""
        name = document.removeprefix("book/")
        if document in self.numbers["notebooks"]:
            return f"{name}.ipynb"
        return f"{self.site}{document}.html"


# -- blocks ----------------------------------------------------------------------------


def parse(lines):
    """Lines and :class:`Directive` blocks, in order."""
    at = 0
    while at < len(lines):
        opening = OPENING.match(lines[at])
        if not opening or (opening[1][0] == ":" and not opening[2]):
            yield lines[at]
            at += 1
            continue
        close = re.compile(rf"^{re.escape(opening[1][0])}{{{len(opening[1])},}}\s*$")
        end = at + 1
        while end < len(lines) and not close.match(lines[end]):
            end += 1
        body, options = lines[at + 1 : end], {}
        while body and opening[2] and re.match(r"^:[\w-]+:", body[0]):
            key, _, value = body.pop(0)[1:].partition(":")
            options[key] = value.strip()
        name, title = opening[2] or "", opening[3].strip()
        yield Directive(name, title, options, body, opening[1])
        at = end + 1


def pieces(text, page):
    """The pieces of a Markdown cell."""
    found, lines = [], []

    def flush():
        words = "\n".join(lines).strip("\n")
        lines.clear()
        if words.strip():
            found.append(Piece("text", prose(words, page)))

    for item in parse(text.splitlines()):
        if isinstance(item, str):
            lines.append(item)
        elif item.name in SOLUTIONS:
            flush()
            body = prose("\n".join(item.body), page)
            found.append(Piece(item.name, body, item.title))
        else:
            flush()
            found.append(Piece("text", rendered(item, page)))
    flush()
    return merged(found)


def merged(found):
    """Neighbouring texts as one piece."""
    result = []
    for piece in found:
        if result and piece.kind == result[-1].kind == "text":
            result[-1].text += "\n\n" + piece.text
        else:
            result.append(piece)
    return result


def plain(lines, page):
    """Plain Markdown of the lines inside a block."""
    return "\n\n".join(piece.text for piece in pieces("\n".join(lines), page))


def rendered(block, page):
    """Plain Markdown of a directive."""
    name = block.name
    if name in ("", *CODE):
        return "\n".join([block.mark + block.title, *block.body, block.mark])
    if name == "math":
        label = f" ({block.options['label']})" if "label" in block.options else ""
        return prose("$$\n" + "\n".join(block.body) + f"\n$${label}", page)
    if name == "admonition":
        return quote(prose(block.title, page), plain(block.body, page))
    if name in QUOTES:
        title = QUOTES[name] + (f": {prose(block.title, page)}" if block.title else "")
        return quote(title, plain(block.body, page))
    if name == "dropdown":
        return details(prose(block.title, page), plain(block.body, page))
    if name == "exercise" or name.startswith("prf:"):
        return quote(numbered(block, page), plain(block.body, page), bold=False)
    if name == "list-table":
        return list_table(block, page)
    if name == "table":
        return plain(block.body, page)
    raise EditionError(f"{page.name}: the edition has no words for {{{name}}}")


def numbered(block, page):
    """The bold title of an exercise, a theorem, an algorithm; with its anchor."""
    kind = block.name.removeprefix("prf:").capitalize()
    title = f" ({prose(block.title, page)})" if block.title else ""
    label = block.options.get("label")
    if label not in page.numbers["labels"]:
        return f"**{kind}**{title}"
    return f"{anchor(label)}**{kind} {page.label(label)[0]}**{title}"


def quote(title, text, bold=True):
    """A box as a quotation; formulas on one line, or the marks would enter them."""
    words = f"{f'**{title}**' if bold else title}\n\n{text}"
    words = MATH.sub(lambda m: " ".join(m[0].split()), words)
    return "\n".join(f"> {line}".rstrip() for line in words.splitlines())


def details(title, text):
    """A fold. Its title is HTML already, for neither Markdown nor, in VS Code, formulas
    are read in there."""
    if MATH.search(title):
        raise EditionError(f"{title!r}: the title of a fold has no formula")
    title = MarkdownIt().renderInline(title)
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def list_table(block, page):
    """The rows of a ``list-table`` as a Markdown table."""
    rows = []
    for line in block.body:
        start = re.match(r"^(\*| ) - ?(.*)$", line)
        if start and start[1] == "*":
            rows.append([])
        if start:
            rows[-1].append(start[2])
        elif line.strip():
            rows[-1][-1] += " " + line.strip()
    rows = [[prose(cell, page).replace("\n", " ") for cell in row] for row in rows]
    if "header-rows" not in block.options:
        rows.insert(0, [""] * len(rows[0]))
    rows.insert(1, ["---"] * len(rows[0]))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"**{prose(block.title, page)}**\n\n{table}" if block.title else table


# -- lines -----------------------------------------------------------------------------


def prose(text, page):
    """Text without directives: roles, formulas, headings and targets made plain."""
    text = SPAN.sub(lambda m: role(m, page) if m["role"] else m[0], text)
    text = MATH.sub(lambda m: OPERATOR.sub(operator, m[0]), text)
    text = FORMULA.sub(lambda m: formula(m, page), text)
    text = LINK.sub(lambda m: f"]({link(m['page'], m['part'] or '', page)})", text)
    text = re.sub(r"^\(([\w-]+)\)=$", lambda m: anchor(m[1]), text, flags=re.M)
    return "\n".join(heading(line, page) for line in text.split("\n"))


def operator(match):
    """What ``\\operatorname`` stands for; GitHub refuses the name itself."""
    gap = " " if match[2] else ""
    return rf"\mathop{{\mathrm{{{match[1]}}}}}\nolimits{gap}"


def anchor(label):
    return f'<a id="{label}"></a>'


def heading(line, page):
    """A heading with the number that the page gives it."""
    found = HEADING.match(line)
    if not found or not page.sections:
        return line
    number = page.sections.pop(0)
    return f"{found[1]} {number}. {found[2]}" if number else line


def link(file, part, page):
    """A Markdown link to another page. Programs name headings in their own ways."""
    address = page.address("book/" + file.rpartition(".")[0])
    anchors = page.numbers["labels"].keys() | page.numbers["titles"].keys()
    stays = part[1:] in anchors or address.endswith(".html")
    return address + part if stays else address


def formula(match, page):
    """A displayed formula; one with a label has an anchor and its number."""
    indent, body, label = match["indent"], match["body"], match["label"]
    if not label:
        return match[0]
    gap = f"\n{indent}" if "\n" in body else " "
    tag = f"\\tag{{{page.label(label)[0]}}}"
    return f"{indent}{anchor(label)}\n\n{indent}$${body.rstrip()}{gap}{tag}{gap}$$"


def role(match, page):
    """The words of one role."""
    name, text = match["role"], " ".join(match["text"].split())
    given = TARGET.match(text)
    words, target = (given[1], given[2]) if given else ("", text)
    if name in ("glue:text", "glue"):
        return f"**{glued(target, page)}**"
    if name in ("cite:t", "cite:p", "cite"):
        return cited(target.split(","), name == "cite:t", page)
    if name == "run-time":
        return run_time(Path(__file__).parents[1], target)
    if name == "eq":
        return "[({})]({})".format(*page.label(target))
    if name == "numref":
        return "[Figure {}]({})".format(*page.label(target))
    if name == "doc":
        return document(words, target, page)
    if name.startswith("py:"):
        return python_name(words, target, page)
    if name in ("ref", "term") and target in page.numbers["titles"]:
        where, title = page.numbers["titles"][target]
        return f"[{words or title}]({page.address(where)}#{target})"
    if name == "term":
        return words or target
    raise EditionError(f"{page.name}: the edition has no words for {match[0]}")


def glued(key, page):
    """A stored value, formatted as the page formats it."""
    from myst_nb.core.variables import format_plain_text

    name, _, form = key.rpartition(":") if ":" in key else (key, "", "s")
    if name not in page.glued:
        raise EditionError(f"{page.name}: no cell stored {name!r}")
    return format_plain_text(page.glued[name], form)


def document(words, target, page):
    """A link to a page of the book, with a chapter's number in front of its title."""
    path = target if target.startswith("/") else f"/book/{target}"
    about = page.numbers["documents"].get(path[1:])
    if about is None:
        raise EditionError(f"{page.name}: there is no page {target!r}")
    number = f"chapter {about['number']}, " if about["number"] else ""
    return f"[{words or number + about['title']}]({page.address(path[1:])})"


def python_name(words, target, page):
    """A name of the package as code, with a link to its entry in the reference."""
    full = target.removeprefix("~")
    shown = words or (full.rpartition(".")[2] if target[0] == "~" else full)
    place = page.numbers["objects"].get(full)
    return f"[`{shown}`]({page.site}{place})" if place else f"`{shown}`"


def cited(keys, in_text, page):
    """Authors and years, each a link: "Koren (2009)", or "(Koren, 2009; …)"."""
    parts = []
    for key in keys:
        entry = page.references[key.strip()]
        year = f"({entry.year})" if in_text else entry.year
        words = f"{entry.authors} {year}" if in_text else f"{entry.authors}, {year}"
        parts.append(f"[{words}]({entry.link})" if entry.link else words)
    return ", ".join(parts) if in_text else f"({'; '.join(parts)})"

"""A Sphinx extension: the texts that the search page shows around a word.

Written to _static/passages.js as one assignment, because a page that is opened from a
folder may load a script but not fetch a file. One passage is a section of a page
without its subsections, code, outputs and displayed formulas, or one entry of the
glossary. The API pages are left to Sphinx's own search, which knows their names.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx_terms import GLOSSARY

FILE = "_static/passages.js"
HEAD = "window.BOOK_PASSAGES = "
LEFT_OUT = (nodes.FixedTextElement, nodes.math_block, nodes.raw, nodes.Invisible)
LEFT_OUT += (nodes.title, nodes.image)


def is_titled(node):
    """A section of the page; the content of an exercise is a section without title."""
    return isinstance(node, nodes.section) and isinstance(node[0], nodes.title)


def words(node):
    """The text that a reader reads as sentences, piece by piece."""
    for child in node.children:
        if isinstance(child, nodes.Text):
            yield str(child)
        elif isinstance(child, nodes.math):
            yield "…"
        elif isinstance(child, LEFT_OUT) or is_titled(child):
            continue
        elif "cell_output" in child.get("classes", ()):
            continue
        else:
            yield from words(child)
            if not isinstance(child, nodes.Inline):
                yield " "


def as_line(pieces):
    return re.sub(r"\s+", " ", "".join(pieces)).strip()


def passages_of(doctree, is_glossary):
    """[anchor, title, text] of each section, or of each entry of the glossary."""
    if is_glossary:
        items = list(doctree.findall(nodes.definition_list_item))
        terms = [[n for n in i.children if isinstance(n, nodes.term)] for i in items]
        return [
            [t[0]["ids"][0], ", ".join(n.astext() for n in t), as_line(words(i[-1]))]
            for i, t in zip(items, terms)
        ]
    sections = list(doctree.findall(is_titled))
    found = [[s["ids"][0], as_line(words(s[0])), as_line(words(s))] for s in sections]
    return [passage for passage in found if passage[2]]


def collect(app, doctree, docname):
    if app.builder.format == "html" and not docname.startswith("book/api"):
        app.passages[docname] = passages_of(doctree, docname == GLOSSARY)


def read(path):
    """What an earlier build wrote: only changed pages pass through `collect`."""
    if not path.exists():
        return {}
    return {d: p for d, _, p in json.loads(path.read_text("utf-8")[len(HEAD) :])}


def write(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    path = Path(app.outdir) / FILE
    passages = read(path) | app.passages
    titles = app.env.titles
    rows = [
        [name, as_line(words(titles[name])), passages[name]]
        for name in sorted(app.env.found_docs)
        if passages.get(name)
    ]
    path.write_text(HEAD + json.dumps(rows, ensure_ascii=False), "utf-8")


def prepare(app):
    app.passages = {}


def setup(app):
    app.connect("builder-inited", prepare)
    app.connect("doctree-resolved", collect, priority=900)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

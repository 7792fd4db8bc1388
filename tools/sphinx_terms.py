"""A Sphinx extension: the first use of a term in a chapter leads to the glossary.

The terms are those of book/glossary.md, in the spelling of its entries and their
plurals. One link per entry and chapter, in running text: not in headings, titles of
boxes, code, outputs, formulas, captions, or inside another link. A term with a capital
letter ("MAP", "Adam") is found in that spelling only, another one also with a capital
at the start of a sentence. The meaning stands in the link's title.
"""

import re

from docutils import nodes
from sphinx.util.nodes import make_refnode

GLOSSARY = "book/glossary"
CHAPTER = re.compile(r"book/\d\d_")
#: Terms that are also everyday words, or that every page of the book is about: a link at
#: their first use would often lead to another meaning, and never help.
TOO_COMMON = frozenset(
    "attention batch candidate catalogue clip dimension dominated exposure factor feature "
    "fold frequency hub interaction item list loss mask objective parameter popularity "
    "ranking relevance setting significance split tie transition trial".split()
)
NOT_RUNNING_TEXT = (
    nodes.reference,
    nodes.FixedTextElement,  # code
    nodes.literal,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.Invisible,
    nodes.caption,
    nodes.thead,
    nodes.rubric,
    nodes.term,
)


def plural(term):
    return term[:-1] + "ies" if re.search(r"[^aeiou]y$", term) else term + "s"


def pattern(term):
    """What the term looks like at the start of a sentence or inside it, or as plural."""
    words = "|".join(re.escape(form) for form in (plural(term), term))
    if term == term.lower():
        words = re.sub(
            r"(^|\|)([a-z])", lambda m: f"{m[1]}[{m[2]}{m[2].upper()}]", words
        )
    return words.replace(r"\ ", r"\s+")


def entries(glossary):
    """{term: (anchor of its entry, meaning)} of the glossary's page."""
    found = {}
    for item in glossary.findall(nodes.definition_list_item):
        terms = [node for node in item.children if isinstance(node, nodes.term)]
        meaning = item.children[-1].astext().rsplit(" (chapter", 1)[0]
        anchor = terms[0]["ids"][0]
        found |= {node.astext(): (anchor, meaning) for node in terms}
    return found


def linked(terms):
    """The pattern that finds any term that is linked; longer ones go first."""
    spoken = [t for t in terms if t.isascii() and t not in TOO_COMMON]
    spoken += [t for t in terms if not t.isascii() and re.match(r"[A-Z]\w+–", t)]
    parts = [
        f"(?P<t{list(terms).index(t)}>{pattern(t)})"
        for t in sorted(spoken, key=len, reverse=True)
    ]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?![\w-])")


def is_aside(node):
    return (
        isinstance(node, NOT_RUNNING_TEXT)
        or type(node).__name__.endswith("title")
        or "cell" in node.get("classes", ())
    )


def running_text(node):
    """The text nodes of a page in their order, without what is no running text."""
    for child in node.children:
        if isinstance(child, nodes.Text):
            yield child
        elif not is_aside(child):
            yield from running_text(child)


def with_links(text, finder, terms, done, make_link):
    """The pieces of a text; each entry that is not yet in `done` is linked once."""
    pieces, start = [], 0
    for match in finder.finditer(text):
        anchor, meaning = terms[list(terms)[int(match.lastgroup[1:])]]
        if anchor not in done:
            done.add(anchor)
            pieces += [nodes.Text(text[start : match.start()])]
            pieces += [make_link(match[0], anchor, meaning)]
            start = match.end()
    return [*pieces, nodes.Text(text[start:])] if pieces else []


def link_terms(app, doctree, docname):
    if not CHAPTER.match(docname) or GLOSSARY not in app.env.found_docs:
        return
    if not hasattr(app, "glossary_terms"):
        terms = entries(app.env.get_doctree(GLOSSARY))
        app.glossary_terms = terms, linked(terms)
    terms, finder = app.glossary_terms

    def make_link(words, anchor, meaning):
        text = nodes.inline("", words)
        link = make_refnode(app.builder, docname, GLOSSARY, anchor, text, meaning)
        link["classes"].append("term-link")
        return link

    done = set()
    for text in list(running_text(doctree)):
        pieces = with_links(text.astext(), finder, terms, done, make_link)
        if pieces:
            text.parent.replace(text, pieces)


def depend_on_glossary(app, docname, source):
    if CHAPTER.match(docname):
        app.env.note_dependency(app.env.doc2path(GLOSSARY))


def setup(app):
    app.connect("source-read", depend_on_glossary)
    app.connect("doctree-resolved", link_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

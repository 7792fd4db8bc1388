"""A Sphinx extension: the first use of a term in a chapter leads to the glossary.

The terms are those of book/glossary.md, in the spelling of its entries and their
plurals. One link per entry and chapter, in running text: not in headings, titles of
boxes, code, outputs, formulas, captions, or inside another link. A term with a capital
letter ("MAP", "Adam") is found in that spelling only, another one also with a capital
at the start of a sentence. The meaning stands in the link's title.
"""

import re
from typing import NamedTuple

from docutils import nodes
from sphinx.util.nodes import make_refnode

GLOSSARY = "book/glossary"
CHAPTER = re.compile(r"book/(\d\d)[b-z]?_")
#: Terms that are also everyday words, have a second meaning elsewhere (the precision of
#: a normal distribution), or are what every page is about: they are linked only in the
#: chapters that their entry names.
TOO_COMMON = frozenset(
    "attention batch candidate catalogue clip confidence coverage dimension dominated "
    "exposure factor feature fold frequency hub interaction item lift list loss mask "
    "objective parameter popularity precision ranking relevance session setting "
    "significance split temperature tie transition trial".split()
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
    """The term inside a sentence or at its start, or its plural."""
    words = "|".join(re.escape(form) for form in (plural(term), term))
    if term == term.lower():
        words = re.sub(
            r"(^|\|)([a-z])", lambda m: f"{m[1]}[{m[2]}{m[2].upper()}]", words
        )
    return words.replace(r"\ ", r"\s+")


class Entry(NamedTuple):
    anchor: str
    meaning: str
    chapters: set


def entries(glossary):
    """{term: its Entry} of the glossary's page; all terms of an entry share one."""
    found = {}
    for item in glossary.findall(nodes.definition_list_item):
        terms = [node for node in item.children if isinstance(node, nodes.term)]
        meaning, _, chapters = item.children[-1].astext().rpartition(" (chapter")
        numbers = {int(number) for number in re.findall(r"\d+", chapters)}
        entry = Entry(terms[0]["ids"][0], meaning, numbers)
        found |= {node.astext(): entry for node in terms}
    return found


def is_spoken(term):
    """True for a term of the text: not the Chinese one, which stands in the entry."""
    return not re.search(r"[\u3000-\u9fff]", term)


def finder(terms, chapter):
    """The pattern that finds any term that is linked; longer ones go first."""
    names = [
        term
        for term, entry in terms.items()
        if is_spoken(term) and (term not in TOO_COMMON or chapter in entry.chapters)
    ]
    numbers = {term: number for number, term in enumerate(terms)}
    parts = [
        f"(?P<t{numbers[term]}>{pattern(term)})"
        for term in sorted(names, key=len, reverse=True)
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


def with_links(text, found, terms, done, make_link):
    """The pieces of a text; each entry that is not yet in `done` is linked once."""
    pieces, start = [], 0
    for match in found.finditer(text):
        entry = terms[list(terms)[int(match.lastgroup[1:])]]
        if entry.anchor not in done:
            done.add(entry.anchor)
            pieces += [nodes.Text(text[start : match.start()])]
            pieces += [make_link(match[0], entry)]
            start = match.end()
    return [*pieces, nodes.Text(text[start:])] if pieces else []


def link_terms(app, doctree, docname):
    chapter = CHAPTER.match(docname)
    if not chapter or GLOSSARY not in app.env.found_docs:
        return
    if not hasattr(app, "glossary_terms"):
        app.glossary_terms = entries(app.env.get_doctree(GLOSSARY))
    terms, done = app.glossary_terms, set()
    found = finder(terms, int(chapter[1]))

    def make_link(words, entry):
        text = nodes.inline("", words)
        link = make_refnode(
            app.builder, docname, GLOSSARY, entry.anchor, text, entry.meaning
        )
        link["classes"].append("term-link")
        return link

    for text in list(running_text(doctree)):
        pieces = with_links(text.astext(), found, terms, done, make_link)
        if pieces:
            text.parent.replace(text, pieces)


def depend_on_glossary(app, docname, source):
    if CHAPTER.match(docname):
        app.env.note_dependency(app.env.doc2path(GLOSSARY))


def setup(app):
    app.connect("source-read", depend_on_glossary)
    app.connect("doctree-resolved", link_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The whole book as one PDF, printed by Chromium from the rendered pages.

python tools/pdf.py                                 all pages, to _build/book.pdf
python tools/pdf.py book/03_baselines book/glossary --out two.pdf

The articles of the pages, in the order of the table of contents, become one page: each
id gets its page's name in front, so that links between pages become links inside it.
Contents with page numbers stand in front, every fold is open, formulas are set. It is
printed twice, because only the printed book knows on which page a section starts.
"""

import argparse
import io
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from browser import chromium, open_page, wait_for_maths
from bs4 import BeautifulSoup
from pypdf import PdfReader

HTML = Path(__file__).resolve().parent.parent / "_build" / "html"
COVER = "book/index"
COMBINED = f"book-in-one-{os.getpid()}.html"  # two may print at once
LONG = 30 * 60_000  # ms that setting all formulas and printing may take
REFERRING = (
    "id",
    "for",
    "name",
    "aria-labelledby",
    "aria-controls",
    "aria-describedby",
)
NOT_PRINTED = "a.headerlink, button, script, .viewcode-link, input.sd-tab-fake"
STYLE = """
@page { size: A4; margin: 18mm 16mm 20mm; @bottom-center { content: counter(page) } }
@page :first { @bottom-center { content: "" } }
html { font-size: 13px }
body { background: #fff }
article.bd-article { break-before: page; padding: 0; max-width: none }
.contents { break-before: page }
.contents ol { list-style: none; padding-left: 0 }
.contents li { display: flex; gap: 0.6em; margin: 0.2em 0 }
.contents li.section { font-size: 0.9em; padding-left: 2em }
.contents li a { color: inherit; flex: 1; text-decoration: none }
.contents li a.number { flex: 0; text-align: right }
.cover { padding-top: 30vh; text-align: center }
.sd-tab-set > .sd-tab-content { display: block !important; order: 0 }
.sd-tab-set > label { order: 0; width: 100% }
mjx-container { break-inside: avoid }
"""
PAPER = {"prefer_css_page_size": True, "print_background": True}

FILL = """(numbers) => {
    for (const link of document.querySelectorAll('.contents a.number')) {
        const id = decodeURIComponent(link.getAttribute('href').slice(1))
        link.textContent = numbers[id] ?? ''
    }
}"""


def order(folder):
    """Names of the pages ("book/03_baselines") as the side bar lists them."""
    cover = BeautifulSoup((folder / "index.html").read_text("utf-8"), "html.parser")
    links = cover.select("nav.bd-docs-nav a.reference.internal")
    names = [urlsplit(link["href"]).path.removesuffix(".html") for link in links]
    return list(dict.fromkeys([COVER, *(name for name in names if name)]))


def anchor(name, place=""):
    """The id, in the combined page, of a place on a page."""
    return f"{name}--{place}" if place else name


def target(address, name, names):
    """Where a link of page `name` leads in the combined page; None: not in it."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return address
    path = (Path("/") / name).parent / unquote(parts.path) if parts.path else None
    page = name if path is None else Path(*_resolved(path)).as_posix()
    page = page.removesuffix(".html")
    return f"#{anchor(page, unquote(parts.fragment))}" if page in names else None


def _resolved(path):
    """The parts of a path below the folder, without `..`."""
    parts = []
    for part in path.parts[1:]:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return parts


def article(folder, name, names):
    """The article of a page, ready to stand beside others."""
    page = BeautifulSoup((folder / f"{name}.html").read_text("utf-8"), "html.parser")
    found = page.select_one("article.bd-article")
    for node in found.select(NOT_PRINTED):
        node.decompose()
    for node in found.find_all(True):
        for attribute in REFERRING:
            if attribute in node.attrs:
                node[attribute] = anchor(name, node[attribute])
        if node.name == "details":
            node["open"] = ""
        if node.get("src"):
            path = (Path("/") / name).parent / node["src"]
            node["src"] = Path(*_resolved(path)).as_posix()
        if node.name == "a" and node.get("href"):
            to = target(node["href"], name, names)
            node["href"] = to
            if to is None:
                del node["href"]
    for node in found.select(".dropdown, .toggle"):
        node["class"] = [c for c in node["class"] if c not in ("dropdown", "toggle")]
    found["id"] = anchor(name)
    return found


def contents(articles):
    """The lines of the contents: pages, and the sections of their second level."""
    rows = []
    for found in articles:
        heads = [(found["id"], found.find("h1"), "page")]
        heads += [(s["id"], s.h2, "section") for s in found.select("section:has(> h2)")]
        for place, head, kind in heads:
            text = head.get_text(" ", strip=True)
            rows.append(
                f'<li class="{kind}"><a href="#{place}">{text}</a>'
                f'<a class="number" href="#{place}">000</a></li>'
            )
    return f"<h1>Contents</h1><ol>{''.join(rows)}</ol>"


def head(folder):
    """The style sheets of the pages, and what sets the formulas and tables."""
    cover = BeautifulSoup((folder / "index.html").read_text("utf-8"), "html.parser")
    found = cover.select("link[rel=stylesheet]")
    chapter = next(folder.glob("book/0*.html"), folder / "index.html")
    page = BeautifulSoup(chapter.read_text("utf-8"), "html.parser")
    for script in page.head.select("script"):
        source = script.get("src", "")
        if "MathJax" in script.text or re.search("mathjax|tables.js", source):
            if source:
                script["src"] = source.removeprefix("../")
            found.append(script)
    return "".join(str(node) for node in found), cover.title.get_text()


def combine(folder, names):
    """Write the combined page into the folder; its path."""
    names = list(names)
    articles = [article(folder, name, set(names)) for name in names]
    links, title = head(folder)
    text = (
        f'<!doctype html><html lang="en" data-theme="light"><head>'
        f'<meta charset="utf-8"><title>{title}</title>{links}'
        f'<style>{STYLE}</style></head><body><div class="cover"><h1>{title}</h1></div>'
        f'<nav class="contents">{contents(articles)}</nav>'
        f"<main>{''.join(str(found) for found in articles)}</main></body></html>"
    )
    path = folder / COMBINED
    path.write_text(text, "utf-8")
    return path


def page_numbers(pdf):
    """{id: number of the printed page} of all places that a link leads to."""
    reader = PdfReader(io.BytesIO(pdf))
    return {
        unquote(name.removeprefix("/")): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def write(folder, names, out):
    """Print the pages to the file `out`: once for the numbers, once with them."""
    path = combine(folder, names)
    try:
        with chromium() as browser:
            page = open_page(browser)
            page.set_default_timeout(LONG)
            page.goto(path.as_uri())
            wait_for_maths(page)
            page.evaluate(FILL, page_numbers(page.pdf(**PAPER)))
            page.pdf(path=out, outline=True, tagged=True, **PAPER)
    finally:
        path.unlink()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", nargs="*", help="book/03_baselines; none: all")
    parser.add_argument("--out", type=Path, default=HTML.parent / "book.pdf")
    parser.add_argument("--html", type=Path, default=HTML)
    options = parser.parse_args(arguments)
    folder = options.html.resolve()
    write(folder, options.page or order(folder), options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

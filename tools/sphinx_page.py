"""A Sphinx extension: what stands around the text of a page.

- ``{run-time}`04_collaborative_filtering` `` becomes "45 s", as run_times.json has it.
- Each page knows its first sentences (for search engines and previews) and, once it is
  published, its address; book/_templates/layout.html writes both into the head.
- The roles that docutils gives to a list of works are taken away: they are deprecated,
  and forbid the links inside it.
- index.html, in the folder that a reader opens, is the cover itself.
"""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.util.docutils import SphinxRole

LENGTH = 160  # characters of a description that search engines show
PREVIEW = "_static/pages/tuning.png"
ASIDE = (nodes.Admonition, nodes.table, nodes.figure, nodes.topic, nodes.footnote)


def run_time(source, name):
    """The words "45 s" for a notebook, from the run_times.json of the folder."""
    times = json.loads((Path(source) / "book" / "run_times.json").read_text("utf-8"))
    return f"{times[name]} s"


class RunTime(SphinxRole):
    def run(self):
        self.env.note_dependency("book/run_times.json")
        try:
            words = run_time(self.env.srcdir, self.text)
        except KeyError:
            message = f"book/run_times.json has no notebook {self.text!r}"
            fault = self.inliner.reporter.error(message, line=self.lineno)
            return [nodes.problematic("", self.rawtext)], [fault]
        return [nodes.Text(words)], []


def plain_text(node):
    """A paragraph's words; a formula is left out with what would be an empty place."""
    node = node.deepcopy()
    for formula in list(node.findall(nodes.math)):
        formula.replace_self(nodes.Text(formula.astext()))
    return re.sub(r"\s+", " ", node.astext()).strip()


def description(doctree):
    """The first running text of a page, cut after a word."""
    for node in doctree.findall(nodes.paragraph):
        parent = node.parent
        while parent is not None and not isinstance(parent, ASIDE):
            parent = parent.parent
        text = plain_text(node)
        if parent is None and len(text) > 40:
            if len(text) <= LENGTH:
                return text
            return text[:LENGTH].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    return ""


def mend_roles(body):
    """The list of works without the roles that its links and items contradict."""
    return re.sub(r' role="(?:list|doc-biblioentry)"', "", body)


def describe_page(app, pagename, templatename, context, doctree):
    if "body" in context:
        context["body"] = mend_roles(context["body"])
    context["page_description"] = description(doctree) if doctree else ""
    if app.config.html_baseurl and doctree:
        context["page_address"] = context.get("pageurl")
        context["page_image"] = urljoin(app.config.html_baseurl, PREVIEW)


def set_address(app, config):
    """The published address has one home, pyproject.toml."""
    text = (Path(app.srcdir) / "pyproject.toml").read_text("utf-8")
    config.html_baseurl = tomllib.loads(text)["project"]["urls"]["Book"]


def moved(address, folder):
    """A relative address of a page in `folder`, as seen from the folder above."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return address
    path = Path(folder, parts.path).as_posix()
    path = re.sub(r"[^/]+/\.\./", "", path)
    return parts._replace(path=path).geturl()


def write_cover(app, exception):
    """index.html: the page of the root document, its links seen from above."""
    root = Path(app.outdir) / f"{app.config.root_doc}.html"
    if exception is not None or app.builder.format != "html" or not root.exists():
        return
    page = BeautifulSoup(root.read_text("utf-8"), "html.parser")
    folder = root.parent.relative_to(app.outdir).as_posix()
    for name in ("href", "src", "action"):
        for node in page.find_all(attrs={name: True}):
            node[name] = moved(node[name], folder)
    page.html["data-content_root"] = "./"
    (Path(app.outdir) / "index.html").write_text(str(page), "utf-8")


def setup(app):
    app.add_role("run-time", RunTime())
    app.connect("config-inited", set_address)
    app.connect("html-page-context", describe_page)
    app.connect("build-finished", write_cover, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

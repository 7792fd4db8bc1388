"""A Sphinx extension: from an equation to its code, to the test, and back.

- A docstring's "chapter 04, eq-ease-solution" becomes two links, and below it stand the
  tests whose own docstrings have the label.
- Below an equation of a chapter stands the word "code" with links to the functions
  whose docstrings have its label.
- A name leads to the page that shows it, from whichever module it was imported, and to
  the source that defines it.
"""

import re
import shutil
from pathlib import Path

import code_index as index
from docutils import nodes
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

PREFIX = "recsys_tutor."
log = logging.getLogger(__name__)
# "Chapter: 04 Name, 07 Other name." of a module; "chapter 04", "chapters 07 and 08"
LINE = re.compile(r"^(Chapters?: )(.*?)(?=\n\n|\Z)", flags=re.M | re.S)
TITLE = re.compile(r"\b(\d\d)\b((?: [A-Z][\w-]*(?: [\w-]+)*)?)")
MENTION = re.compile(r"\b([Cc]hapters?)\s+(\d\d(?:(?:,| and)\s+\d\d)*)\b(?!`)")
LABEL = re.compile(rf"(?:\bequations?\s+)?({index.LABEL.pattern})")


def chapter_link(number, text):
    path = index.chapters().get(int(number))
    return f":doc:`{text} </book/{path.stem}>`" if path else text


def link_line(match):
    """A module's line "Chapter: 04 Name." with a link at each number and name."""
    text = " ".join(match[2].split())
    return match[1] + TITLE.sub(lambda m: chapter_link(m[1], m[0]), text)


def link_mention(match):
    """The words "chapters 07 and 08" with a link at each number."""
    numbers = " ".join(match[2].split())
    return f"{match[1]} " + re.sub(r"\d\d", lambda m: chapter_link(m[0], m[0]), numbers)


def with_links(text):
    """The text of a docstring with its chapters and its equations as links."""
    text = MENTION.sub(link_mention, LINE.sub(link_line, text))
    return LABEL.sub(r"equation :eq:`\1`", text)


def tests_line(labels, proofs):
    """The tests whose docstrings have the labels, by file; "" if there is none."""
    files = {}
    for label in labels:
        for file, test in proofs.get(label, ()):
            files.setdefault(file, {})[f"``{test}``"] = None
    parts = [f"{', '.join(tests)} in ``{file}``" for file, tests in files.items()]
    return f"Tests: {'; '.join(parts)}." if parts else ""


def link_docstring(app, what, name, obj, options, lines):
    text = "\n".join(lines)
    labels = dict.fromkeys(index.LABEL.findall(text))
    lines[:] = with_links(text).split("\n")
    if line := tests_line(labels, app.code_labels_of_tests):
        lines += ["", ".. container:: equation-tests", "", f"   {line}", ""]


def source_module(app, module, name):
    """Full name of the module that defines the name (for ``sphinx.ext.viewcode``)."""
    if module and module.startswith(PREFIX) and name:
        home, _ = index.split(index.origin(f"{module}.{name}".removeprefix(PREFIX)))
        return PREFIX + home
    return None


def mend_back_links(app):
    """[docs] in a source page leads to the module's own page.

    ``sphinx.ext.viewcode`` takes one page for all names of a file: that of a package,
    if it shows one of them. A name that only the package shows has no link then.
    """
    modules = getattr(app.env, "_viewcode_modules", {})
    for module, (code, tags, used, _) in [x for x in modules.items() if x[1]]:
        own = {
            name: page
            for name, page in used.items()
            if PREFIX + index.shown(f"{module}.{name}".removeprefix(PREFIX))
            == f"{module}.{name}"
        }
        if own:
            modules[module] = code, tags, own, module
    return []


def find_shown(app, env, node, contnode):
    """A link written with a module that only passes the name on, or without one.

    The entry of an inherited argument names functions of its own module; read in
    another module, the name alone says which one is meant if only one module has it.
    """
    target = node.get("reftarget", "")
    homes = [m for m, room in index.modules().items() if target in room.public]
    homes = {index.shown(f"{module}.{target}") for module in homes}
    if node.get("refdomain") == "py" and len(homes) == 1:
        target = PREFIX + homes.pop()
    if node.get("refdomain") != "py" or not target.startswith(PREFIX):
        return None
    name = PREFIX + index.shown(target.removeprefix(PREFIX))
    entry = env.domains["py"].objects.get(name)
    if entry is None:
        return None
    docname = node.get("refdoc", env.docname)
    return make_refnode(
        app.builder, docname, entry.docname, entry.node_id, contnode, name
    )


def add_code_links(app, doctree, docname):
    """Below each equation with code: links to the entries in the reference."""
    objects = app.env.domains["py"].objects
    for equation in list(doctree.findall(nodes.math_block)):
        links = []
        for name in app.code_labels.get(equation.get("label"), ()):
            entry = objects.get(PREFIX + index.shown(name))
            if entry is None:
                log.warning("%s has no entry in the API pages", name, location=docname)
                continue
            text = nodes.literal("", name.split(".", 1)[-1])
            links += [nodes.Text(", ")] if links else []
            links.append(
                make_refnode(
                    app.builder, docname, entry.docname, entry.node_id, text, name
                )
            )
        if links:
            line = nodes.paragraph("", "", nodes.Text("code "), *links)
            line["classes"].append("equation-code")
            equation.parent.insert(equation.parent.index(equation) + 1, line)


def prepare(app):
    """Read the labels; have every source page made anew, for its links change too."""
    shutil.rmtree(Path(app.outdir) / "_modules", ignore_errors=True)
    app.code_labels = index.labels_of_code()
    app.code_labels_of_tests = index.labels_of_tests()


def setup(app):
    app.connect("builder-inited", prepare)
    app.connect("autodoc-process-docstring", link_docstring, priority=600)
    app.connect("missing-reference", find_shown)
    app.connect("doctree-resolved", add_code_links)
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("viewcode-follow-imported", source_module)
    app.connect("html-collect-pages", mend_back_links, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

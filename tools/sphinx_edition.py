"""A Sphinx extension: the reader's edition, with the numbers of this very build.

After the pages it writes ``_build/edition/`` (:mod:`edition`). The download button of a
chapter then gives the edition, which stands where the theme expects the source, and an
archive of all lies beside the pages.
"""

import shutil
from pathlib import Path

import edition


def dotted(numbers):
    return ".".join(map(str, numbers))


def collect(env):
    """Numbers and addresses as the pages show them; the content of numbers.json."""
    documents, sections, labels, notebooks = {}, {}, {}, []
    for name, title in env.titles.items():
        numbered = env.toc_secnumbers.get(name, {})
        number = dotted(numbered.get("") or ())
        documents[name] = {"title": title.astext(), "number": number}
        if Path(env.doc2path(name)).suffix == ".ipynb":
            notebooks.append(name)
            sections[name] = [dotted(each) for each in numbered.values()]
        for kind in env.toc_fignumbers.get(name, {}).values():
            for label, parts in kind.items():
                labels[label.removeprefix("equation-")] = [name, dotted(parts)]
    objects = {
        name: f"{entry.docname}.html#{entry.node_id}"
        for name, entry in env.domains["py"].objects.items()
    }
    titles = {
        label: [document, words]
        for label, (document, _, words) in env.domains["std"].labels.items()
        if document in documents
    }
    return {
        "title": env.config.html_title,
        "documents": documents,
        "notebooks": sorted(notebooks),
        "sections": sections,
        "labels": labels,
        "titles": titles,
        "objects": objects,
    }


def write_edition(app, exception):
    if exception or app.builder.format != "html":
        return
    import code_index as index

    numbers = collect(app.env)
    for module, room in index.modules().items():
        for name in room.public:  # a name that a module passes on
            full = f"recsys_tutor.{module}.{name}"
            shown = "recsys_tutor." + index.shown(f"{module}.{name}")
            if full not in numbers["objects"] and shown in numbers["objects"]:
                numbers["objects"][full] = numbers["objects"][shown]
    out = Path(app.outdir)
    folder = out.parent / "edition"
    for path in edition.write_all(numbers, folder):
        shutil.copyfile(path, out / "_sources" / "book" / path.name)
    shutil.copyfile(folder / edition.ARCHIVE, out / "book" / edition.ARCHIVE)


def setup(app):
    app.connect("build-finished", write_edition)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

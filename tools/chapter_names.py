"""Rules of a chapter about what it names: symbols, works, numbers and glue.

Each function returns faults: sentences that say where it is and what to do.
"""

import functools
import importlib
import re

from chapter_text import BOOK, code_cells, flatten, read, strip_inline

PACKAGE = BOOK.parent / "recsys_tutor"
SYMBOL_HEADER = ["Symbol", "Meaning", "Code"]


def package_source():
    return "\n".join(path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py")))


def name_exists(name, source):
    """Is `name` importable below the package, or an identifier of its source?"""
    name = re.split(r"[(\[ ]", name.strip())[0].removeprefix("recsys_tutor.")
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    room = PACKAGE / parts[0]
    if len(parts) > 1 and (room.with_suffix(".py").exists() or room.is_dir()):
        thing = importlib.import_module(f"recsys_tutor.{parts[0]}")
        for part in parts[1:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return all(re.search(rf"\b{part}\b", source) for part in parts)


def symbol_rows(cell):
    """Rows of the tables `| Symbol | Meaning | Code |`."""
    inside = False
    for item in flatten(cell.items).splitlines():
        columns = [part.strip() for part in re.split(r"(?<!\\)\|", item.strip())[1:-1]]
        if columns == SYMBOL_HEADER:
            inside = True
        elif not columns:
            inside = False
        elif inside and not re.fullmatch(r":?-+:?", columns[0]):
            yield columns


def check_symbols(notebook, number, source=None):
    source = package_source() if source is None else source
    rows = [(c.number, row) for c in read(notebook) for row in symbol_rows(c)]
    faults = []
    if number >= 3 and not rows:
        faults.append("no symbol table `| Symbol | Meaning | Code |`: add one")
    for cell, row in rows:
        if len(row) != 3:
            faults.append(f"cell {cell}: {len(row)} columns, not 3, in {row}")
            continue
        for name in re.findall(r"`([^`]+)`", row[2]):
            if not name_exists(name, source):
                faults.append(
                    f"cell {cell}: {name!r} is not in the package: mend the table"
                )
    return faults


CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def check_citations(notebook, keys):
    faults = []
    for cell in read(notebook):
        if cell.kind != "markdown":
            continue
        for group in CITE.findall(cell.source):
            for key in group.split(","):
                if key.strip() not in keys:
                    faults.append(
                        f"cell {cell.number} cites {key.strip()!r}: not in "
                        "references.bib"
                    )
    return faults


@functools.cache
def bibliography():
    """The works of references.bib by key: lower-case field names and their values."""
    from pybtex.database import parse_file

    entries = {}
    for key, entry in parse_file(str(BOOK / "references.bib")).entries.items():
        fields = {name.lower(): value for name, value in entry.fields.items()}
        fields["author"] = " and ".join(str(p) for p in entry.persons.get("author", []))
        fields["author"] = fields["author"] or fields.get("organization", "")
        entries[key] = fields
    return entries


def check_bibliography(entries):
    """`entries`: key -> dict of lower-case field names."""
    faults = []
    for key, fields in entries.items():
        for name in ("author", "title", "year"):
            if not fields.get(name, "").strip():
                faults.append(f"{key} has no {name}")
        if not any(fields.get(name) for name in ("doi", "eprint", "url", "isbn")):
            faults.append(f"{key} has none of doi, eprint, url, isbn")
        if not re.fullmatch(r"\d{4}", fields.get("year", "")):
            faults.append(f"{key} has the year {fields.get('year')!r}")
    return faults


def check_decimals(notebook):
    """A number with three decimals in a sentence is computed (glue) or cited."""
    faults = []
    drop = ("exercise", "solution", "solution-start", "table", "list-table")
    for cell in read(notebook):
        if cell.kind != "markdown":
            continue
        for block in re.split(r"\n\s*\n", flatten(cell.items, drop)):
            lines = [
                line
                for line in block.splitlines()
                if not line.lstrip().startswith(("|", "#"))
            ]
            text = "\n".join(lines)
            if CITE.search(text):
                continue
            for found in re.findall(r"(?<![\w.])\d+\.\d{3,}", strip_inline(text)):
                faults.append(f"cell {cell.number} types {found}: glue or cite it")
    return faults


GLUE = re.compile(r"\{glue(?::\w*)?\}`([^`]+)`|\{glue(?::\w+)?\}\s+([\w.-]+)")


def glued(notebook):
    """(name, cell) of each value stored by ``glue``."""
    return [
        (output["metadata"]["scrapbook"]["name"], cell.number)
        for cell in code_cells(read(notebook))
        for output in cell.outputs
        if "scrapbook" in output.get("metadata", {})
    ]


def check_glue(notebook):
    faults, names = [], set()
    for name, cell in glued(notebook):
        if name in names:
            faults.append(f"cell {cell}: glue name {name!r} is stored twice")
        names.add(name)
    for cell in read(notebook):
        if cell.kind != "markdown":
            continue
        for role, directive in GLUE.findall(cell.source):
            name = role or directive
            if "::" in name:
                continue  # another page; the build resolves it
            name = name.split(":")[0]
            if name not in names:
                faults.append(
                    f"cell {cell.number} uses glue {name!r}: never stored, store it"
                )
    return faults

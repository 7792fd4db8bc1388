"""Open the reader's edition in JupyterLab, as copies to work in.

    python tools/lab.py                  work/ from _build/edition/, then JupyterLab
    python tools/lab.py --copy-only      only the copies

A notebook of ``work/`` that somebody changed (a cell's source or its output) stays as
it is; the others follow the edition. ``work/.copies.json`` keeps a digest of each copy
as it was written, which tells the two apart. ``work/`` is ignored by git.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
EDITION = ROOT / "_build" / "edition"
WORK = ROOT / "work"
COPIES = ".copies.json"


def digest(content):
    """Of the cells alone: a look in JupyterLab saves a notebook with other metadata."""
    try:
        cells = nbformat.reads(content.decode("utf-8"), as_version=4).cells
        parts = [[c.cell_type, c.source, c.get("outputs", [])] for c in cells]
        content = json.dumps(parts, sort_keys=True).encode()
    except (ValueError, AttributeError):  # no notebook: somebody's own text
        pass
    return hashlib.sha256(content).hexdigest()


def refresh(edition=EDITION, work=WORK):
    """Copy each notebook unless the reader changed theirs; the names of those kept."""
    sources = sorted(edition.glob("*.ipynb"))
    if not sources:
        raise SystemExit(f"no notebooks in {edition}: call `make edition` first")
    work.mkdir(parents=True, exist_ok=True)
    record = work / COPIES
    written = json.loads(record.read_text("utf-8")) if record.exists() else {}
    kept = []
    for source in sources:
        target, new = work / source.name, source.read_bytes()
        old = target.read_bytes() if target.exists() else None
        if old is not None and digest(old) not in (
            written.get(source.name),
            digest(new),
        ):
            kept.append(source.name)
            continue
        if old != new:
            target.write_bytes(new)
        written[source.name] = digest(new)
        record.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    return kept


def report(kept, edition=EDITION, work=WORK):
    total = len(list(edition.glob("*.ipynb")))
    print(f"{total - len(kept)} notebooks in {work} are those of the book.")
    for name in kept:
        print(f"kept: {name}, which you changed; the book's is {edition / name}")


def command(work=WORK):
    """JupyterLab at the first chapter; as root only where one is root (containers)."""
    first = min(path.name for path in work.glob("[0-9]*.ipynb"))
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyter", "lab", *root, first]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copy-only", action="store_true")
    options = parser.parse_args(arguments)
    report(refresh())
    if not options.copy_only:
        return subprocess.call(command(), cwd=WORK)
    return 0


if __name__ == "__main__":
    sys.exit(main())

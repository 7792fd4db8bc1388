"""Does a chapter keep the rules of the book? Its faults, one a line.

    python tools/check.py            every notebook in book/
    python tools/check.py 04 07      those whose names start so

A line names the notebook, the cell where there is one, and what to do; cells count from
1 and markdown cells count too. The exit code is 1 if there is a fault. Nothing is run:
``make notebooks CHAPTER=04`` executes the chapter.

The last line of each chapter measures its visible code and is no fault: lines that are
neither blank nor a comment, in code cells whose code a reader sees without a click. A
cell tagged hide-input, hide-cell, remove-input or remove-cell is not visible, nor is
one in a solution, which is folded.
"""

import argparse
import sys
from pathlib import Path

import nbformat
from chapter_rules import rules_of
from chapter_text import BOOK, chapter_number, visible_code
from notebooks import select


def faults(notebook, number):
    """The faults of a notebook; ``number`` is None for one without a number."""
    rules = rules_of(number).values()
    return [fault for rule in rules for fault in rule(notebook, number)]


def measure(notebook):
    """One line about the visible code."""
    counts = visible_code(notebook).values()
    return (
        f"visible code: {sum(counts)} lines in {len(counts)} cells, "
        f"longest {max(counts, default=0)}"
    )


def main(arguments=None):
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prefix", nargs="*", help="start of a chapter's file name: 04")
    parser.add_argument("--folder", type=Path, default=BOOK, help="where they are")
    options = parser.parse_args(arguments)
    total = 0
    for path in select(options.folder, [Path(name).name for name in options.prefix]):
        notebook = nbformat.read(path, as_version=4)
        found = faults(notebook, chapter_number(path))
        for line in [*found, measure(notebook)]:
            print(f"{path.name}: {line}", flush=True)
        total += len(found)
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
